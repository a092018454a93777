"""A teacher for documents: answers the prompts of backtranslate (and its check), dialogue, cot, critique and revise by rule, sometimes wrongly.

What it says depends on the prompts that it has seen, so that two runs agree.
"""

import hashlib
import json
import re

DOCUMENT = re.compile(r"<document[^>]*>\n(.*?)\n</document", re.DOTALL)
PLAN = re.compile(r"^(\d+)\. type: (.*?); difficulty: (.*)$", re.MULTILINE)


def luck(*parts):
    return int(hashlib.blake2b(repr(parts).encode(), digest_size=4).hexdigest(), 16) / 2**32


OPEN = "Who was the first to say that"
"""How the questions begin that it takes for ones that a document leaves open."""
ANSWERS = {}
"""What it asked, and the answers."""


def answer_of(question):
    return ANSWERS.get(question, "unknown")


def teach(messages, draw):
    """Return the completion of a prompt, or None when it is none of ours."""
    text = messages[-1]["content"]
    if "Write one question and its answer for each line" in text:
        return write_questions(text, draw)
    if "in which these words occur: " in text:
        return tell_story(text, draw)
    if text.startswith("Write a section of a textbook"):
        return explain(text.partition("explains: ")[2].partition(".")[0])
    if '{"exercises": [' in text:
        return write_exercises(text)
    if "Write that request." in text:
        return write_instruction(text)
    if "that the document does not answer." in text:
        return leave_open(text)
    if '"answerable"' in text and OPEN in text:
        return json.dumps({"reason": "Nobody says.", "answerable": luck(text, "open") < 0.15})
    if '"answerable"' in text:
        return json.dumps({"reason": "It is said there, or not.", "answerable": luck(text, "answerable") < 0.85})
    if "Write a conversation of" in text:
        return talk(text, draw)
    if '"first_wrong_step"' in text:
        wrong = luck(text, "verdict") < 0.5
        value = {
            "critique": "The first step says too little." if wrong else "Each step follows.",
            "first_wrong_step": 1 if wrong else None, "verdict": "wrong" if wrong else "correct",
        }  # fmt: skip
        return json.dumps(value)
    if "<first-attempt>" in text:
        question = text.partition("<question>\n")[2].partition("\n</question>")[0]
        return f"It says so itself.\nSo we know it.\n#### {answer_of(question)}"
    if "Write your steps, one a line." in text:
        right = luck(text, draw, "cot") < 0.6 or "For you alone" in text
        question = text.partition("\n")[0]
        return f"We read what is said.\n#### {answer_of(question) if right else 'something else entirely'}"
    return None


def write_instruction(text):
    first = sentences_of(text)[0]
    return json.dumps(
        {
            "instruction": f"Please tell me more, step by step: {first}",
            "reason": "It is whole.",
            "suitable": "Click here" not in text,
        }
    )


def sentences_of(text):
    return [s.strip() for s in re.split(r"(?<=[.!?])\s+", DOCUMENT.search(text)[1]) if len(s.split()) > 4]


def talk(text, draw):
    n = int(re.search(r"Write a conversation of (\d+) exchanges", text)[1])
    facts = [f for f in sentences_of(text) if "\n" not in f][:n]
    lost = luck(text, draw, "talk") < 0.2
    said = [
        {"user": f"What about {f.split()[1]}?", "assistant": f, "quote": "nowhere written" if lost else f}
        for f in facts
    ]
    return json.dumps({"exchanges": said})


def write_questions(text, draw):
    sentences = sentences_of(text)
    pairs = []
    for number, kind, difficulty in PLAN.findall(text):
        fact = sentences[int(number) % len(sentences)]
        lost = luck(fact, number, draw) < 0.15
        words = fact.rstrip(".!?").split()
        question = f"How does the sentence end that begins with {' '.join(words[:5])}?"
        ANSWERS[question] = " ".join(words[-3:])
        pairs.append(
            {
                "type": kind, "difficulty": difficulty, "question": question, "answer": ANSWERS[question], "quote": "words that stand nowhere in it at all" if lost else fact,
            }
        )  # fmt: skip
    reply = json.dumps({"pairs": pairs})
    return reply[: len(reply) // 2] if luck(text, draw, "cut") < 0.1 else f"Here they are:\n```json\n{reply}\n```"


def leave_open(text):
    """Ask what a document does not say; now and then something that it does."""
    n, facts = int(re.search(r"Write (\d+) questions", text)[1]), sentences_of(text)
    words = [fact.rstrip(".!?").split() for fact in (facts * n)[:n]]
    known = luck(text, "known") < 0.2
    asked = [f"{OPEN} {' '.join(w[:4]).lower()}?" for w in words]
    return json.dumps(
        {
            "questions": [*asked[:-1], f"How does the sentence end that begins with {' '.join(words[-1][:5])}?"]
            if known
            else asked
        }
    )


def tell_story(text, draw):
    """Tell a story with the words; now and then without one of them, in one long sentence, or in words that no child knows."""
    words = text.partition("occur: ")[2].partition(".\n")[0].split(", ")
    chance = luck(text, draw)
    if chance < 0.2:
        words = words[:-1]
    joint = " and then again and again and after that once more and for a long time " if chance > 0.8 else ". "
    learned = (
        " It was ineffable, quintessential, unfathomable, inscrutable and sesquipedalian." if 0.6 < chance < 0.8 else ""
    )
    return (
        f"One day there was a {joint.join(f'{w} that Tom saw' for w in words)}.{learned} He was glad on day {draw + 1}."
    )


WAYS = (
    "put {n} stones on the table and count them aloud", "draw {n} lines, one below the other, and cross out the last",
    "let a friend hide {n} coins and say how many are left", "walk {n} steps along a wall, then half of the way back",
)  # fmt: skip
"""What it has learners do."""


def explain(topic):
    return " ".join(f"{n} things show {topic}: {way.format(n=n)}." for n, way in zip((2, 3, 5, 7), WAYS, strict=True))


def write_exercises(text):
    """Write four exercises on a section, of which one ends at another answer than it states."""
    base = 3 + int(luck(text) * 40)
    made = [
        {
            "difficulty": level, "exercise": f"{name} has {base + i} {thing} and finds {i + 2} more. How many are there?",
            "solution": f"There are {base + i} + {i + 2} = {base + 2 * i + 2}.\n#### {base + 2 * i + 2 + (i == 3)}", "answer": str(base + 2 * i + 2),
        }
        for i, (level, name, thing) in enumerate((("easy", "Ada", "shells"), ("medium", "Bo", "stamps"), ("hard", "Cleo", "keys"), ("hard", "Dan", "maps")))
    ]  # fmt: skip
    return json.dumps({"exercises": made})
