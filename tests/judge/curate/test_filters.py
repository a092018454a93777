import json

import pytest
from flywheel.judge.curate import (
    AffixConfig,
    Finding,
    LanguageConfig,
    LengthConfig,
    RepetitionConfig,
    check_boilerplate,
    check_language,
    check_length,
    check_refusal,
    check_repetition,
    check_without,
    find_affixes,
    find_pii,
    mask_pii,
)
from flywheel.schema import TEMPLATE_MARKS
from planted import read_lines


@pytest.mark.parametrize(
    ("text", "bounds", "reason"),
    [
        ("  \n", {}, "too short: characters"),
        ("abc", {"max_chars": 2}, "too long: characters"),
        ("one two", {"min_words": 3}, "too short: words"),
        ("one two three", {"max_tokens": 2}, "too long: tokens"),
        ("one two three", {"min_words": 3, "max_words": 3, "max_tokens": 3}, None),
    ],
)
def test_length(text, bounds, reason):
    found = check_length(text, LengthConfig(**bounds), lambda t: len(t.split()))
    assert (found and found.reason) == reason


def test_bounds_in_tokens_need_a_tokeniser():
    with pytest.raises(ValueError, match="count_tokens"):
        check_length("x", LengthConfig(max_tokens=1))


@pytest.mark.parametrize(
    "text",
    [
        "I cannot help you with that.",
        "I'm sorry, but I can’t assist with this request.",
        "As an AI language model, I do not have feelings.",
        "As a large language model trained by others, I am unable to browse.",
        "Unfortunately, I am not able to open links.",
        "I apologize, but as an AI I cannot do so.",
        "Sorry, I won't write that.",
        "I must decline.",
        "I’m just an AI, so no.",
        "That is against my guidelines.",
    ],
)
def test_refusals_are_found(text):
    assert check_refusal(text).reason == "refusal"


@pytest.mark.parametrize(
    "text",
    [
        "He said: I cannot come.",
        "I cannot help but smile.",
        "Sorry! The shop is closed; Anna has 3 apples.",
        "AI models are trained on text. As an example, take a language model.",
        "Unfortunately, Ben lost 3 of them. He has 4 left.",
        "#### 42",
    ],
)
def test_what_only_sounds_like_a_refusal_passes(text):
    assert check_refusal(text) is None


def test_boilerplate_by_kind():
    assert check_boilerplate("Dear [Your Name], hello").reason == "boilerplate: placeholder"
    assert check_boilerplate("a <|im_end|> b").reason == "boilerplate: template mark"
    for mark in (m for marks in TEMPLATE_MARKS.values() for m in marks):
        assert check_boilerplate(f"a {mark} b").evidence == mark
    assert check_boilerplate("### Response:\nb").reason == "boilerplate: template mark"
    assert check_boilerplate("canary GUID 26b5c67b").reason == "boilerplate: benchmark canary"
    assert check_boilerplate("Sure, here is the answer").reason == "boilerplate: chat remark"
    assert check_boilerplate("Sure, here is the answer", ["web page"]) is None
    assert check_boilerplate("An array a[i] has <b>bold</b> text") is None


def test_texts_that_no_row_is_to_hold():
    assert check_without("a <extra_id_1>User b", "c", ["<x>", "<extra_id_"]) == Finding(
        "text of curate.without", "<extra_id_ in the prompt"
    )
    assert check_without("a", "b <x>", ["<x>"]).evidence == "<x> in the completion"
    assert check_without("a", "b", ["<x>"]) is None


def test_repetition_finds_loops_and_leaves_solutions(shared_data):
    config = RepetitionConfig()
    assert check_repetition("I think that " * 10, config).reason == "repetition: loop"
    assert check_repetition("the same line again\n" * 80, config).reason == "repetition: duplicate lines"
    assert check_repetition("short", config) is None
    rows = [json.loads(line)["answer"] for line in read_lines(shared_data / "gsm8k/train.jsonl")]
    assert sum(check_repetition(r, config) is not None for r in rows) <= 0.002 * len(rows)


@pytest.mark.parametrize(
    "text",
    [
        "哈哈哈哈",
        "aaaaaa",
        "😀" * 6,
        "!?!?!?!?",
        "- - - - - -",
        "no no no no",
        "我不知道。" * 4,
        "Yes.\n" * 5,
        "The sum is: " + "12" * 40,
    ],
)
def test_loops_of_characters_are_found_in_any_script(text):
    assert check_repetition(text, RepetitionConfig()).reason == "repetition: characters"
    assert check_repetition(text, RepetitionConfig(loops=1)) is None


@pytest.mark.parametrize(
    "text",
    [
        "Noooo!",
        "1,000,000",
        "It is 1000000.",
        "0.3333333333",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "哈哈哈哈，太好笑了",
        "Title\n=====\nSo it is.",
        "",
    ],
)
def test_what_repeats_a_little_passes(text):
    assert check_repetition(text, RepetitionConfig()) is None


def test_language_drops_only_what_is_surely_another_one(shared_data):
    config = LanguageConfig(allowed=("en",))
    assert check_language("Anna hat zwölf Äpfel und gibt ihrem Freund Ben drei davon. Wie viele bleiben?", config)
    assert check_language("Сколько карт осталось у Анны сегодня вечером?", config).reason == "language: ru"
    assert check_language("72", config) is None
    assert check_language("Das ist ein deutscher Satz über Äpfel.", LanguageConfig()) is None
    claims = [json.loads(line)["claim"] for line in read_lines(shared_data / "fever/paper_dev.jsonl")[:1000]]
    assert sum(check_language(c, config) is not None for c in claims) <= 0.01 * len(claims)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Write to anna.b+x@example.co.uk!", ["mail"]),
        ("Call +49 30 1234 5678 or (555) 123-4567.", ["phone", "phone"]),
        ("Host 192.168.10.20, not 999.1.1.1 nor 127.0.0.1", ["ip"]),
        ("Card 4111 1111 1111 1111, not 4111 1111 1111 1112", ["card"]),
        ("IBAN DE89 3704 0044 0532 0130 00, not DE88 3704 0044 0532 0130 00", ["iban"]),
        ("GB82WEST12345698765432", ["iban"]),
        ("key AKIAIOSFODNN7EXAMPLE", ["key"]),
        ("ghp_" + "a1B2" * 9, ["key"]),
        ("Version 3.11.7 has 1,234,567 lines; 2,000,000,000,000,000 of 12345678901234", []),
        ("In 1999 - 2003 he sold 48/2 = 24 clips, ISBN 0-306-40615-2", []),
    ],
)
def test_pii(text, kinds):
    assert [f.kind for f in find_pii(text)] == kinds


def test_masked_pii_is_gone():
    masked = mask_pii("a@b.org, 4111111111111111 and b")
    assert masked == "[mail], [card] and b"
    assert not find_pii(masked)


def test_a_constant_suffix_is_found_over_the_set(shared_data):
    file = shared_data / "ms_foundry_ft/Supervised_Fine_Tuning/Text-GSM8K/chat_train.jsonl"
    texts = [json.loads(line)["messages"][2]["content"] for line in read_lines(file)]
    (found,) = find_affixes(texts)
    assert (found.side, found.text, found.count) == ("suffix", "!!!", len(texts))
    clean = [json.loads(line)["answer"] for line in read_lines(shared_data / "gsm8k/train.jsonl")]
    assert find_affixes(clean) == []
    half = find_affixes([*texts, *clean[: len(texts) // 2]])
    assert [(a.text, round(a.share, 2)) for a in half] == [("!!!", 0.67)]


def test_prefixes_few_rows_and_labels():
    numbered = [f"The answer is {i}, since {i * 7} says so{'.?!'[i % 3]}" for i in range(40)]
    assert [(a.side, a.text) for a in find_affixes(numbered)] == [("prefix", "The answer is ")]
    assert find_affixes(numbered[:10]) == []
    assert find_affixes(["SUPPORTS", "REFUTES"] * 30) == []
    assert find_affixes(numbered, AffixConfig(min_chars=40)) == []
