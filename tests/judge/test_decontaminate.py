import pytest
from flywheel.config import DecontaminateConfig
from flywheel.judge import Decontaminator, EvalText

ITEM = (
    "Anna starts the day with 31 tickets. Ben gives Anna 12 more tickets. Each ticket costs 2 dollars. "
    "How many dollars are the tickets of Anna worth?"
)
SHORT = "What is 7 times 8?"


@pytest.fixture
def decontaminator():
    items = [EvalText("s", "gate", "item_1", ITEM), EvalText("s", "report", "item_2", SHORT)]
    return Decontaminator(items, DecontaminateConfig())


@pytest.mark.parametrize(
    "text",
    [
        ITEM,
        ITEM.upper(),
        ITEM.replace(" ", "  \n "),
        ITEM.replace(".", " !"),
        ITEM.replace("Ben", "&quot;Ben&quot;").replace(" ", "&nbsp;").replace("&", "&amp;"),
        f"Before. {ITEM} And a long tail of other words after it that changes nothing at all.",
    ],
    ids=["verbatim", "re-cased", "re-spaced", "re-punctuated", "escaped for HTML, twice", "inside a longer text"],
)
def test_an_item_is_found(decontaminator, text):
    assert decontaminator.find(text).item_id == "item_1"


def test_a_short_item_is_found_whole(decontaminator):
    assert decontaminator.find("Tell me: what is 7 times 8? Quickly.").item_id == "item_2"
    assert decontaminator.find("What is 7 times 9?") is None


@pytest.mark.parametrize(
    "text",
    ["", "Something else entirely.", ITEM.replace("31", "32").replace("12", "13"), ITEM[: len(ITEM) // 2]],
    ids=["empty", "unrelated", "other numbers", "a half"],
)
def test_other_texts_pass(decontaminator, text):
    assert decontaminator.find(text) is None


def test_no_items_no_findings():
    assert Decontaminator([], DecontaminateConfig()).find(ITEM) is None


def test_entities_of_html_are_the_characters_that_they_stand_for_on_either_side():
    plain, escaped = (
        "Damon Albarn's first album was released in 2011.",
        "Damon Albarn&#39;s first album was released in 2011.",
    )
    for item, row in ((plain, escaped), (escaped, plain), (plain, plain.replace("'", "&rsquo;"))):
        assert Decontaminator([EvalText("s", "gate", "1", item)], DecontaminateConfig()).find(row)
