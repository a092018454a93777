r"""Which choice a text names. A choice that it denies, takes back or only mentions is not named; several are none.

:data:`READERS` are tried in order; the first that finds something decides. Each statement of an answer ("the answer is (B)")
is read at its beginning only, and the last one counts.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ._final_answer import MARKERS
from ._text import DISOWNED, NOT_SAID, SECOND_LOOK, TAKEN_BACK, normalize_text

LONGEST_ANSWER = 300
"""Characters behind "answer is" that are read."""
LONGEST_TEXT = 20_000
"""Characters of a completion that are read, from its end."""
MOST_STATEMENTS = 200

_AFTER = (
    r"(?=[^\w\s'’.]|[\u3000-\u9fff\uff00-\uffef]|\.(?!\d)|\s*$"
    r"|\s+(?:because|since|as|is|was|must be|for|due|given|based|followed|[-–—(])(?:\b|\s))"
)
"""What may stand behind a bare letter, so that "A dog" and "2.5" name no choice; in a text that begins with it, less."""
_TOKEN = rf"(?:[(\[]\s*(?P<inside>[A-Za-z]|\d\d?)\s*[)\]]|(?P<bare>[A-Z]|\d\d?){_AFTER})"
_FIRST = r"(?=[^\w\s'’]|\s*$|\s+(?:because|since|due)\b|\s+[-–—(])"
_FILLERS = r"(?:\s*(?:therefore|thus|hence|clearly|definitely|probably|most likely|likely|simply|indeed|obviously|certainly|the|option|choice|letter|number|选项)\b|[\s,:：=*_$\"'“‘`>#]|\\(?:text(?:bf)?|math(?:rm|bf))\{)*"
_NAMED = re.compile(_FILLERS + _TOKEN, re.IGNORECASE)
_ALONE = re.compile(r"[\s*_(\[$\"'`#>]*([A-Za-z]|\d\d?)[\s*_)\].:!。$\"'`]*")
_LABELLED = re.compile(
    rf"[\s*_\"'`#>-]*(?P<named>(?:option|choice)\s+)?(?:[(\[]\s*(?P<inside>[A-Za-z]|\d\d?)\s*[)\]]|(?P<bare>[A-Za-z]|\d\d?){_FIRST})",
    re.IGNORECASE,
)
_LINE_LABEL = re.compile(r"^[\s*_(\[-]*([A-Z]|\d\d?)(?:[).:\]]|\s+[-–—]\s)|\s([A-Z])[).:](?=\s)", re.MULTILINE)
_BRACKETED = re.compile(r"[(\[]([A-Za-z]|\d\d?)[)\]]")
_MARKS = re.compile(
    r"\b(?:answer|choice|option|one)(?: choice| option| letter)?(?: (?:to|for|that|which) [^.\n:]{0,80}?)?(?:\s*\**\s*(?:is|would be|should be|must be|has to be|equals)\b|\**\s*[:：=])"
    r"|\banswer\s+(?=[(\[]?[A-Z]\b)|\bans[.:]|\bcorrect\s*\**[:：]"
    r"|\b(?:I|we|I'd|I’d|I'll|I’ll|let's|let us)(?: (?:would|will|must|should|can|have to|am going to))?(?: (?:therefore|thus|then|confidently))?"
    r" (?:choose|chose|pick|picked|select|selected|go with|going with|went with|say|answer|opt for)\b"
    r"|^[^\w\n]{0,9}(?:choose|pick|select)\b"
    r"|选项(?=[A-Z]是?正确)|答案(?:应该|就)?(?:是|为|选|[:：])|(?:我|应|故|因此|所以)选择?|^选择?|答え[はが:：]|정답[은:：]|\b(?:réponse|respuesta|antwort|ответ|resposta|risposta)\b[^\n:：]{0,20}[:：]",
    re.IGNORECASE | re.MULTILINE,
)
"""What stands before a named choice. "Option A" alone is a mention."""
_CONCLUSIONS = re.compile(
    r"\b(?:it(?:['’]s| is| must be| should be| has to be| would be)|therefore|thus|hence|so|yes|no(?=,)|probably|likely|definitely|certainly"
    r"|(?:that |which |this )?(?:leaves|leaving)(?: us with| only)?)\b,?",
    re.IGNORECASE,
)
_NOT = re.compile(r"[\s*_]*(?:not|never|neither|n['’]t|不是)\b", re.IGNORECASE)
_NOT_BUT = re.compile(r"[\s*_]*not\s+[*_(\[]*[A-Z0-9][)\]*_]*\s*,?\s*but(?: rather| instead)?\s", re.IGNORECASE)
_QUESTION = re.compile(r"[)\]*_\"']*\s?[?？]")
_SENTENCE = re.compile(r"[.;\n](?:\s|$)")
_ANOTHER_BEFORE = re.compile(r"\b([A-Z]|\d\d?)[)\]*_]*\s*(?:,|/|&|\band\b|\bor\b)\s*(?:(?:and|or)\s+)?[*_(\[]*$")
_CONFIRMED = re.compile(
    rf"{_TOKEN}[\s*_).:\]]*(?:(?:(?!\b[A-Z]\b)[^.,;\n]){{0,60}}?\s)?(?:is|must be|would be|has to be)(?: therefore| thus| clearly| indeed)?"
    r"(?: the)?(?: only)?(?: most)? (?:correct|right|best|true|answer|appropriate|accurate)\b",
)
_DENIED_BEFORE = re.compile(r"(?:\b(?:not|never|neither|nor|isn't|isn’t|except|than|instead of|cannot be|can't be|rule out|ruled out|eliminate[sd]?|exclude[sd]?|wrong|incorrect|least|worst|first thought|initially|at first|tempting|might|could|people|students)|n't|n’t|不是|并非|不选)\b[^.,;\n]{0,40}$", re.IGNORECASE)  # fmt: skip
_DENIED_AFTER = re.compile(
    r"[)\]:*_\s]*(?:(?:(?!\b[A-Z]\b)[^.,;\n]){0,60}?\s)?(?:(?:is|are|was|seems|looks|would be)(?: (?:also|clearly|obviously|definitely|therefore|thus|just|simply|probably))*"
    r" (?:not|wrong|incorrect|false|untrue|ruled out|eliminated|excluded|irrelevant|a (?:common |typical )?(?:mistake|trap|distractor|misconception|error))"
    r"|isn['’]t|aren['’]t|(?:can|could|should|must|may) be (?:ruled out|eliminated|excluded|rejected|discarded|dismissed|crossed out)|can(?:not|['’]t)|does(?: not|n['’]t)|do(?: not|n['’]t))\b|[)\]:*_\s]*\s(?:is|was|seems|looks|would be)(?: (?:also|clearly|obviously|definitely|therefore|thus|just|simply|probably|much|far))*"
    r" (?:impossible|implausible|unlikely|out|rejected|too \w+|(?:less|least) \w+)\b|是?(?:错误|不正确|不对|错的)",
    re.IGNORECASE,
)
_ANOTHER = re.compile(
    r"[)\]*_\s]*(?:(?:,|/|&|\+|\band\b|\bor\b|\(\s*(?:and|or)\b|\b(?:as well as|along with|together with|plus|vs\.?|versus|but|then|followed by|alternatively|else|otherwise|if not)\s)\s*(?:(?:and|or|both|also|possibly|maybe|perhaps|option|choice|but|then|alternatively|else|otherwise|if not)\s+)*"
    r"[*_(\[]*(?P<joined>[A-Z]|\d\d?)(?=[)\]*_.,;!?\s]|$)|[;|.\\\s–—-]*[(\[](?P<inside>[A-Z]|\d\d?)[)\]](?=[\s.,;!]*(?:$|[(\[]))"
    r"|\s*[;|.\\–—-]\s*\**(?P<after>[A-Z]|\d\d?)\**(?=[.,;!]?\s*(?:$|\n|[A-Z][.)])))"
)
_ANOTHER_LAST = re.compile(
    r"[.!?…\n]\s*(?:(?:[\w'’]+\s+){0,4}[\w'’]+[,:]\s*|(?:[\w'’]+\s+){0,3}(?:is|it['’]s|be|maybe|perhaps|or)\s+)?[*_(\[]*([A-Z]|\d\d?)[)\]*_]*[.!]?\s*(?:$|\n)"
)
"""A short sentence that ends in a letter: "In fact, C."."""
_JUDGED = re.compile(
    r"[)\]:*_\s.,(\[–—-]*(?:which is )?(?:(?P<weak>no|false)|incorrect|wrong|untrue|impossible|rejected|eliminated|excluded|ruled out|not (?:correct|right|true|the answer|possible)|✗|❌|✘)"
    r"(?=\s*(?:[.,;:!)\]\n–—-]|$|because|since))",
    re.IGNORECASE,
)
"""A judgement right behind a label: ``A: false``, ``A (incorrect)``; unless that is the choice's own text."""
_PREDICATE = re.compile(
    r"[)\]*_]*\s+(?:(?:also|still|clearly|obviously|simply|just|then)\s+)*(?:is|are|was|has|have|had|does|do|did|can|could|would|will|may|might|must|should|seems?|looks?|fails?|loses"
    r"|contradicts?|violates?|cannot|gets?|goes|comes|needs|makes|gives|ignores?|misses|lacks?|exceeds?|overstates?|conflicts?)\b"
)
"""What says something of a choice rather than that it is the answer; :data:`_CONFIRMED` finds "is correct"."""
_ONLY_IF = re.compile(r"[\s,]*(?:only )?(?:if|unless)\b", re.IGNORECASE)
_CLAUSE = re.compile(r"[.,;:\n]|\b(?:so|but|therefore|thus|hence|then)\b", re.IGNORECASE)
_JOINED_BOXES = re.compile(r"(?:[\s$,;/&.{}]|\\text|and|or)*(?:\\boxed\{|<answer>)?", re.IGNORECASE)
_LETTER_AFTER = re.compile(
    r"(?<![\w(\[])(?:[(\[]([A-Z]|\d\d?)[)\]]|\**([A-Z]|\d\d?)\**(?=[.,;!?)]|\s*$|\s+(?:is|because|since)\b))"
)
_LOOKED_AGAIN = re.compile(
    rf"(?i:(?:{SECOND_LOOK.pattern})[\s,.:—–-]*(?:(?:it(?:['’]s| is)|the answer is|it should be|I (?:choose|pick|say))\s+)?"
    r"|\b(?:it|that|answer)(?:['’]s| is| should be| must be)\s+(?:actually |really |rather )?|\b(?:so|therefore|thus)[\s,]+)"
    r"(?i:(?:the |option |choice )*)[*_]*(?:[(\[](?P<inside>[A-Z]|\d\d?)[)\]]|(?P<bare>[A-Z]|\d\d?)(?=[*_]*(?:[.,;!]|\s*$|\n)))"
    r"|\b(?P<better>[A-Z]|\d\d?)[)\]]?\s+(?:fits|suits|is (?:a )?better|is (?:the )?(?:best|correct|right|answer))\b",
)
"""A choice that a text names after a second look."""


class Choices(NamedTuple):
    """The choices of a row: ``words`` by letter (empty where they are not known), and the letter of each ``label``."""

    words: Mapping[str, str]
    labels: Mapping[str, str]

    def letter(self, label: str) -> str | None:
        """Return the letter of a label as it is written; None for no label."""
        return self.labels.get(label.upper())


SEVERAL = "several"
Reader = Callable[[str, Choices], str | None]


def find_choice(text: str, choices: Choices) -> str | None:
    """Return the letter of the choice that ``text`` names; None where it names none, or several."""
    _, _, answer = text.rpartition("</think>")
    text = "\n".join(" ".join(line.split()) for line in answer[-LONGEST_TEXT:].splitlines() if line.strip())
    for reader in READERS:
        if (letter := reader(text, choices)) is not None:
            return None if letter == SEVERAL else letter
    return None


def _in_a_box(text: str, choices: Choices) -> str | None:
    r"""``\boxed{B}``, ``<answer>B</answer>``: the whole of it is a letter, or a choice's words."""
    for name, mark in (("boxed", "\\boxed{"), ("<answer>", "<answer>")):
        if (said := MARKERS[name](text)) is not None:
            at = text.rfind(said) if said else text.rfind(mark)
            letter = _read(said, choices) or _stated(said, choices) or SEVERAL
            if (
                letter == SEVERAL
                or _lists_others(said, letter, choices)
                or _listed(said, choices) - {letter}
                or _other_box(text[:at], letter, mark, choices)
            ):
                return SEVERAL
            return _unless_taken_back(text, at + len(said), letter, choices)
    return None


def _lists_others(text: str, letter: str, choices: Choices) -> bool:
    """Say whether a short text labels another choice, and does not deny it: ``A. cat B. dog``."""
    others = ((choices.letter(m[1] or m[2]), m) for m in _LINE_LABEL.finditer(text))
    return any(
        other not in (None, letter) and not _denied(text, m.start(1) if m[1] else m.start(2), m.end())
        for other, m in others
    )


def _other_box(before: str, letter: str, mark: str, choices: Choices) -> bool:
    r"""Say whether another choice stands in a box right before: ``\boxed{A} or \boxed{B}``."""
    name = "boxed" if mark == "\\boxed{" else "<answer>"
    begun = before.rfind(mark)
    earlier = before[:begun] if begun >= 0 else ""
    said = MARKERS[name](earlier)
    if said is None:
        return False
    between = re.sub(r"^\s*(?:\}|</answer>)", "", earlier[earlier.rfind(said) + len(said) :], flags=re.IGNORECASE)
    return bool(_JOINED_BOXES.fullmatch(between)) and _read(said, choices) not in (None, letter)


def _stated(text: str, choices: Choices) -> str | None:
    """The last "the answer is B", "I choose B", "B is correct": what is denied later, or taken back, aside."""
    return _last_statement(text, _MARKS, choices, _confirmed(text, choices))


def _concluded(text: str, choices: Choices) -> str | None:
    """The last "therefore B", "it is B", where nothing says so more clearly."""
    return _last_statement(text, _CONCLUSIONS, choices, [])


def _is_predicate(said: str) -> bool:
    """Say whether a conclusion says something of a choice: "Thus (B) is too small"."""
    named = _NAMED.match(said)
    return bool(
        named and _PREDICATE.match(said[named.end() :]) and not _CONFIRMED.match(said[named.start() :].lstrip("( "))
    )


def _last_statement(text: str, marks: re.Pattern[str], choices: Choices, found: list[tuple[int, str]]) -> str | None:
    denied: list[tuple[int, str]] = []
    for mark in list(marks.finditer(text))[-MOST_STATEMENTS:]:
        _note(text, mark, choices, found, denied)
    if not found:
        return None
    at, letter = max(found)
    if any(place > at and other == letter for place, other in denied):
        return SEVERAL
    return _unless_taken_back(text, at, letter, choices)


def _note(
    text: str, mark: re.Match[str], choices: Choices, found: list[tuple[int, str]], denied: list[tuple[int, str]]
) -> None:
    said = text[mark.end() : mark.end() + LONGEST_ANSWER].lstrip().split("\n", 1)[0]
    if (but := _NOT_BUT.match(said)) is not None and (letter := _read(said[but.end() :], choices)):
        found.append((mark.end(), letter))
    elif (negation := _NOT.match(said)) is not None:
        if (letter := _read(said[negation.end() :], choices)) is not None:
            denied.append((mark.end(), letter))
    elif mark.re is _CONCLUSIONS and _is_predicate(said):
        return
    elif not _is_no_statement(text, mark) and (letter := _read(said, choices)):
        found.append((mark.end(), letter))


def _is_no_statement(text: str, mark: re.Match[str]) -> bool:
    """Say whether what stands before a mark makes a denial, a question or a supposition of it."""
    before = text[max(0, mark.start() - 90) : mark.start()]
    supposed = "would" in mark[0].lower() and re.search(r"\bif\b[^.\n]*$", before, re.IGNORECASE)
    return bool(supposed or _DENIED_BEFORE.search(before[-60:]) or _is_anothers(before))


def _is_anothers(before: str) -> bool:
    """Say whether a clause that begins so is doubted, supposed or another's."""
    return bool(NOT_SAID.search(_CLAUSE.split(before)[-1]))


def _confirmed(text: str, choices: Choices) -> list[tuple[int, str]]:
    found = []
    for match in _CONFIRMED.finditer(text):
        letter = choices.letter(match["inside"] or match["bare"])
        behind = text[match.end("inside" if match["inside"] else "bare") :][:100]
        if (
            letter
            and not _DENIED_AFTER.match(behind)
            and not _ONLY_IF.match(text[match.end() :])
            and not _is_anothers(text[max(0, match.start() - 90) : match.start()])
        ):
            others = _ANOTHER_BEFORE.search(text[max(0, match.start() - 12) : match.start()])
            found.append((match.start(), SEVERAL if others and choices.letter(others[1]) else letter))
    return found


def _read(said: str, choices: Choices) -> str | None:
    """Return the choice that a statement names at its beginning; :data:`SEVERAL` for more than one; a question names none."""
    named = _NAMED.match(said)
    letter = _letter_of(named, choices) if named else None
    if letter is None or named is None:
        return _as_a_whole(said, choices) or _worded(said, choices)
    rest = said[named.end() :]
    if _QUESTION.match(rest) or _is_denied_behind(rest, letter, choices):
        return None
    others = {_another(rest, choices), _by_words(said, choices, whole=True)}
    others.add(_by_words(_SENTENCE.split(rest.lstrip(").:]*_ "), maxsplit=1)[0], choices, whole=True))
    return letter if others <= {letter, None} else SEVERAL


def _another(rest: str, choices: Choices) -> str | None:
    """Return the choice that a text adds to the one before it: "or C", "; C", "(C)"."""
    found = _ANOTHER.match(rest)
    if found is None or _denied(rest, found.start(), found.end()):
        return None
    return choices.letter(found["joined"] or found["inside"] or found["after"])


def _is_denied_behind(rest: str, letter: str, choices: Choices) -> bool:
    """Say whether a judgement behind a label denies it; "No" and "False" may be the text of a choice that is not known."""
    if _DENIED_AFTER.match(rest):
        return True
    judged = _JUDGED.match(rest)
    if judged is None or (judged["weak"] and not choices.words):
        return False
    own = as_words(choices.words.get(letter, ""))
    return not (own and f"{as_words(rest)} ".startswith(f"{own} "))


def _letter_of(named: re.Match[str], choices: Choices) -> str | None:
    """Return the letter that was found: a bare one counts in capitals only, since "a" is an article."""
    label = named["inside"] or named["bare"]
    return choices.letter(label) if named["inside"] or not label.islower() else None


def _as_a_whole(said: str, choices: Choices) -> str | None:
    """Return the choice that a text is: its label, or its words; :data:`SEVERAL` where the two differ (``3`` of 1 to 4)."""
    alone = _ALONE.fullmatch(said)
    found = {choices.letter(alone[1]) if alone else None, _by_words(said, choices, whole=True)} - {None}
    return SEVERAL if len(found) > 1 else found.pop() if found else None


def _unless_taken_back(text: str, at: int, letter: str, choices: Choices) -> str:
    """Return what the text says in the end, where it takes something back ("Wait, no, B")."""
    taken = list(TAKEN_BACK.finditer(text, at))
    if not taken:
        return _second(text[at:], letter, choices)
    rest = text[taken[-1].end() :]
    named = [
        other
        for m in _LETTER_AFTER.finditer(rest)
        if (other := choices.letter(m[1] or m[2])) and not _denied(rest, m.start(), m.end())
    ]
    return named[-1] if len(set(named)) == 1 else SEVERAL


def _second(rest: str, letter: str, choices: Choices) -> str:
    """Return what a second look names last ("Actually, C."); the letter where it names none."""
    look = SECOND_LOOK.search(rest)
    for found in reversed(list(_LOOKED_AGAIN.finditer(rest, look.start())) if look else []):
        group = next(name for name in ("inside", "bare", "better") if found[name])
        other = choices.letter(found[group])
        if (
            other
            and not _denied(rest, found.start(group), found.end(group))
            and not _is_anothers(rest[: found.start(group)][-90:])
        ):
            return other
    if DISOWNED.match(re.sub(r"^[^.\n]{0,40}(?=[.!,;])", "", rest)):
        return SEVERAL
    last = ((choices.letter(m[1]), m) for m in _ANOTHER_LAST.finditer(rest))
    others = {other for other, m in last if other and not _denied(rest, m.start(1), m.end(1))}
    return letter if others <= {letter} else SEVERAL


def _denied(text: str, start: int, end: int) -> bool:
    return bool(_DENIED_BEFORE.search(text[max(0, start - 60) : start]) or _DENIED_AFTER.match(text[end : end + 120]))


def _a_line_alone(text: str, choices: Choices) -> str | None:
    """The only line that is a letter, where it is the first or the last: "B" above or below an explanation."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    alone = [
        (i, letter) for i, line in enumerate(lines) if _ALONE.fullmatch(line) and (letter := _as_a_whole(line, choices))
    ]
    if len({letter for _, letter in alone}) != 1:
        return SEVERAL if alone else None
    i, letter = alone[0]
    if alone[-1][0] not in (0, len(lines) - 1):
        return None
    return _unless_taken_back(text, 0, letter, choices) if i == 0 and len(lines) > 1 else letter


def _labelled(text: str, choices: Choices) -> str | None:
    """A text that begins with "B.", "(B)", "B because": unless it lists others the same way, or takes it back."""
    first = _LABELLED.match(text)
    if first is None:
        return None
    is_label = first["named"] or _ALONE.fullmatch(text) or text[first.end() : first.end() + 1] == ")"
    letter = choices.letter(first["inside"] or first["bare"]) if is_label else _letter_of(first, choices)
    if letter is None:
        return None
    if _QUESTION.match(text[first.end() :]):
        return SEVERAL
    behind = text[first.end() :][:200]
    if _DENIED_AFTER.match(behind.lstrip(").:]*_")) or _is_denied_behind(behind, letter, choices):
        return None
    if _by_words(_SENTENCE.split(behind.lstrip(").:]*_ -–—"), maxsplit=1)[0], choices, whole=True) not in (
        None,
        letter,
    ):
        return SEVERAL
    others = {other for m in _LINE_LABEL.finditer(text) if (other := choices.letter(m[1] or m[2]))} - {letter}
    others |= _listed(text[first.end() :], choices) - {letter}
    if _another(text[first.end() :], choices) not in (None, letter):
        return SEVERAL
    return SEVERAL if others else _unless_taken_back(text, 0, letter, choices)


def _listed(text: str, choices: Choices) -> set[str]:
    """Return the letters of "(B) dog" inside a text, where the words behind are that choice's, or which nobody denies."""
    found = set()
    for m in _BRACKETED.finditer(text):
        letter = choices.letter(m[1])
        if letter and m[1].isupper() and not _denied(text, m.start(), m.end()) and not _is_predicate(text[m.start() :]):
            found.add(letter)
    return found


def _worded(text: str, choices: Choices) -> str | None:
    """The words of one choice only, not denied, and with no other's letter behind them."""
    letter = _by_words(text, choices)
    return SEVERAL if letter and _listed(text, choices) - {letter} else letter


def _bracketed(text: str, choices: Choices) -> str | None:
    """The only "(B)" of a text."""
    found = _listed(text, choices)
    return _unless_taken_back(text, 0, found.pop(), choices) if len(found) == 1 else None


READERS: tuple[Reader, ...] = (_in_a_box, _stated, _a_line_alone, _labelled, _concluded, _worded, _bracketed)


def _by_words(text: str, choices: Choices, *, whole: bool = False) -> str | None:
    """Return the choice whose words ``text`` is; else, unless ``whole``, the only one whose words it holds and does not deny."""
    said = as_words(text)
    words = {letter: as_words(choice) for letter, choice in choices.words.items() if as_words(choice)}
    if same := [letter for letter, choice in words.items() if choice == said]:
        return same[0] if len(same) == 1 else None
    if whole:
        return None
    held = {letter: choice for letter, choice in words.items() if f" {choice} " in f" {said} "}
    inside = {a for a, short in held.items() for long in held.values() if short != long and f" {short} " in f" {long} "}
    left = {letter for letter in held.keys() - inside if not _denies(said, held[letter])}
    return left.pop() if len(left) == 1 else None


def _denies(said: str, words: str) -> bool:
    before, _, after = f" {said} ".partition(f" {words} ")
    if after.strip() in ("no", "false", "wrong", "incorrect", "untrue"):
        return True
    own = set(words.split())
    turned = set(before.split()[-6:]) & (_NEGATIONS - own) or NOT_SAID.search(before)
    return bool(turned or _DENIED_AFTER.match(f" {after.strip()[:80]}"))


_NEGATIONS = frozenset(
    [
        "not",
        "never",
        "no",
        "neither",
        "nor",
        "isnt",
        "arent",
        "wasnt",
        "cannot",
        "cant",
        "doesnt",
        "dont",
        "except",
        "than",
        "without",
        "rule",
        "ruled",
        "eliminate",
        "eliminated",
        "exclude",
        "excluded",
        "discard",
        "dismiss",
        "avoid",
        "wrong",
        "incorrect",
    ]
)


def as_words(text: str) -> str:
    """Return the words of a text, folded, one space between them."""
    return normalize_text(text, case=False, punctuation=False, articles=False, whitespace=False)
