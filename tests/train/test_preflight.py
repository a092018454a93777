"""Bad training data: refused or dropped with a reason, before a model is loaded."""

import math

import pytest
from flywheel.errors import InputError
from flywheel.train import METHODS, Demands, Limit, check_rows, strip_reasoning
from flywheel.train._unseen import Unseen
from support_train import SEED_MODEL, make_model, train_here


class Template:
    """Stands for a tokenizer: a turn a line, a token a word; knows no system messages."""

    def render(self, row, messages):
        if any(m["role"] == "system" for m in messages):
            raise ValueError("System role not supported")
        return "\n".join(f"{m['role']}: {m.get('content') or m.get('tool_calls')}" for m in messages)

    def owns(self, mark):
        return mark == "<|im_start|>"

    def count(self, texts, *, plain):
        return [len(text.split()) for text in texts]

    def count_images(self, files):
        return 30 * len(files)


def user(text="How much is 1 + 1?"):
    return [{"role": "user", "content": text}]


def said(text="2"):
    return [{"role": "assistant", "content": text}]


FORTY = {"": Limit(40, "max_length = 40")}
GOOD = {"prompt": user(), "completion": said()}
PAIR = {"prompt": user(), "chosen": said("2"), "rejected": said("3")}
UNSEEN = "\u200b \ufeff\u2060\u00ad\u00a0\u3000\n\u2800"
SYSTEM = [{"role": "system", "content": "Be short."}]
CALL = {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}]}
WHOLE = {"chosen": user() + said("2"), "rejected": user() + said("3")}
TALK = {"messages": user() + said()}
TEXT = {"text": "1 + 1 is 2."}
MADE = {"text": "fine", "label": "good"}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]


def faults(rows, method="sft", **more):
    return [(f.ordinal, f.kind) for f in check_rows(rows, Demands(METHODS[method], **more))]


@pytest.mark.parametrize(
    ("method", "good", "bad", "kind", "more"),
    [
        ("sft", GOOD, {"prompt": user()}, "missing_columns", {}),
        ("sft", GOOD, GOOD | {"completion": None}, "missing_columns", {}),
        ("sft", GOOD, GOOD | {"prompt": [{"role": "bot", "content": "x"}]}, "roles", {}),
        ("sft", GOOD, {"prompt": user(), "completion": user()}, "roles", {}),
        ("sft", GOOD, {"prompt": user() + said(), "completion": said()}, "roles", {}),
        ("sft", {"messages": user() + said()}, {"messages": user()}, "roles", {}),
        ("sft", GOOD, GOOD | {"prompt": 5}, "roles", {}),
        ("sft", GOOD, GOOD | {"completion": "2"}, "mixed_types", {}),
        ("sft", GOOD, {"prompt": "How much is 1 + 1?", "completion": "2"}, "mixed_types", {}),
        ("sft", TALK, GOOD, "mixed_columns", {}),
        ("sft", GOOD, TALK, "mixed_columns", {}),
        ("sft", TEXT, GOOD, "mixed_columns", {}),
        ("sft", GOOD, TEXT, "mixed_columns", {}),
        ("sft", TALK, TEXT, "mixed_columns", {}),
        ("sft", TALK, {"messages": "1 + 1 is 2."}, "roles", {}),
        ("sft", TALK, {"messages": []}, "roles", {}),
        ("sft", TALK, {"messages": [{"role": "user", "content": 5}, *said()]}, "not_text", {}),
        ("sft", GOOD, GOOD | {"completion": [{"role": "assistant", "content": {"a": 1}}]}, "not_text", {}),
        ("sft", TEXT, {"text": 5}, "not_text", {}),
        ("sft", TEXT, {"text": user() + said()}, "not_text", {}),
        ("dpo", PAIR, WHOLE, "mixed_columns", {}),
        ("dpo", WHOLE, PAIR, "mixed_columns", {}),
        ("reward", PAIR, {"chosen": "a", "rejected": "b"}, "mixed_columns", {}),
        ("dpo", PAIR, {"prompt": "a", "chosen": "b", "rejected": "c"}, "mixed_types", {}),
        ("grpo", {"prompt": user()}, {"prompt": "How much is 1 + 1?"}, "mixed_types", {}),
        ("classify", MADE, MADE | {"text": 5}, "not_text", {}),
        ("classify", MADE, MADE | {"text": " "}, "empty", {}),
        ("classify", MADE, MADE | {"label": ""}, "empty", {}),
        ("classify", MADE, MADE | {"label": ["good"]}, "unknown_label", {}),
        ("classify", MADE, MADE | {"text": "word " * 50}, "overlong", {"limits": FORTY, "renderer": Template()}),
        ("grpo", {"prompt": user()}, {"prompt": user("word " * 50)}, "overlong", {"limits": FORTY, "renderer": Template(), "accept": ("overlong",)}),
        ("seq2seq", {"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": "word " * 50}, "overlong", {"limits": {"completion": FORTY[""]}, "renderer": Template()}),
        ("sft", GOOD, GOOD | {"images": ["a.png"]}, "images", {}),
        ("sft", GOOD, GOOD | {"completion": said("  ")}, "empty", {}),
        ("sft", {"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": ""}, "empty", {}),
        ("sft", GOOD, GOOD | {"completion": said(UNSEEN)}, "empty", {}),
        ("sft", {"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": UNSEEN}, "empty", {}),
        ("sft", TEXT, {"text": UNSEEN}, "empty", {}),
        ("sft", TALK, {"messages": user() + said("\u200b")}, "empty", {}),
        ("dpo", PAIR, PAIR | {"rejected": said("\ufeff")}, "empty", {}),
        ("seq2seq", {"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": "\u2060"}, "empty", {}),
        ("classify", MADE, MADE | {"text": "\u00ad"}, "empty", {}),
        ("sft", TALK, {"messages": user(" ") + said()}, "turns", {}),
        ("sft", TALK, {"messages": user() + said("") + user() + said()}, "turns", {}),
        ("sft", TALK, {"messages": user() + user() + said()}, "turns", {}),
        ("sft", TALK, {"messages": user() + said() + said()}, "turns", {}),
        ("sft", TALK, {"messages": user() + SYSTEM + said()}, "turns", {}),
        ("sft", TALK, {"messages": SYSTEM + SYSTEM + user() + said()}, "turns", {}),
        ("sft", GOOD, GOOD | {"prompt": user() + SYSTEM + user()}, "turns", {}),
        ("dpo", PAIR, PAIR | {"rejected": said() + said()}, "turns", {}),
        ("grpo", {"prompt": user()}, {"prompt": user("\u200b")}, "turns", {}),
        ("sft", GOOD, GOOD | {"completion": said("word " * 50)}, "overlong", {"limits": FORTY, "renderer": Template()}),
        ("dpo", PAIR, PAIR | {"rejected": said("2 ")}, "identical", {}),
        ("sft", GOOD, {"prompt": [{"role": "system", "content": "s"}, *user()], "completion": said()}, "chat_template", {"renderer": Template()}),
        ("classify", {"text": "fine", "label": "good"}, {"text": "so so", "label": "fair"}, "unknown_label", {"labels": ("good", "bad")}),
        ("sft", GOOD, GOOD | {"prompt": user("[INST] How much? [/INST]")}, "template_marks", {"renderer": Template()}),
        ("sft", TEXT, {"text": "<start_of_turn>user"}, "template_marks", {"renderer": Template()}),
        ("dpo", PAIR, PAIR | {"rejected": said("3<|eot_id|>")}, "template_marks", {"renderer": Template()}),
        ("grpo", {"prompt": user()}, {"prompt": user("a <|start_header_id|>")}, "template_marks", {"renderer": Template()}),
        ("sft", GOOD | {"score": 1.0}, GOOD | {"score": math.nan}, "not_a_number", {}),
        ("sft", GOOD, GOOD | {"scores": [0.5, math.inf]}, "not_a_number", {}),
        ("sft", GOOD, GOOD | {"tools": TOOLS}, "tools_without_calls", {}),
        ("sft", GOOD, {"prompt": user(), "completion": [CALL]}, "calls_without_tools", {}),
    ],
)  # fmt: skip
def test_a_bad_row_is_a_drop_with_its_reason(method, good, bad, kind, more):
    assert faults([good, bad, good], method, **more) == [(1, kind)]


def test_a_turn_that_no_conversation_has_is_told_by_its_number():
    for messages, reason in (
        (user("") + said(), "messages, turn 1: what the user says is empty"),
        (user() + said("\u200b\u00ad") + user() + said(), "messages, turn 2: what the assistant says is empty: only U+00AD, U+200B"),
        (user() + said() + said(), "messages, turn 3: a second one of the assistant in a row"),
        (user() + said() + SYSTEM + user() + said(), "messages, turn 3: of the system, which stands first or nowhere"),
        (user() + said("\u200b"), "messages is empty: only U+200B"),
    ):  # fmt: skip
        (found,) = check_rows([TALK, {"messages": messages}], Demands(METHODS["sft"]))
        assert found.reason == reason


def test_turns_that_conversations_have_pass():
    result = [{"role": "tool", "content": ""}]
    developer = [{"role": "developer", "content": "Be kind."}]
    seen = [{"role": "user", "content": [{"type": "image"}]}]
    rows = [
        {"messages": [*user(), CALL, *result, *result, *said()], "tools": TOOLS},
        {"messages": SYSTEM + user() + said() + user() + said()}, {"messages": SYSTEM + developer + user() + said()},
        {"messages": [{"role": "system", "content": ""}, *user(), *said()]}, {"messages": seen + said()},
        {"messages": user("\u2764\ufe0f") + said("a\u200bb")},
    ]  # fmt: skip
    assert faults(rows) == []
    odd = [{"messages": user() + user() + said()}, {"messages": user() + said(" ")}]
    assert faults([*rows, *odd]) == [(6, "turns"), (7, "empty")]
    assert faults([*rows, *odd], accept=("turns",)) == [(7, "empty")]


def test_what_is_measured_on_is_not_trained_on():
    held = Unseen([GOOD, {"prompt": user("Where is Rome?"), "completion": said("In Italy.")}])
    again = [
        GOOD | {"completion": said("It is two.")}, {"prompt": SYSTEM + user("how much is  1 + 1"), "completion": said()},
        {"prompt": user("Where is Rome"), "completion": said("Here.")},
    ]  # fmt: skip
    other = [
        {"prompt": user("How much is 1 - 1?"), "completion": said()}, {"prompt": user("In Italy."), "completion": said("Where is Rome?")},
        {"prompt": user("Where is Rome?") + said("Why?") + user(), "completion": said()},
    ]  # fmt: skip
    found = check_rows([*again, *other], Demands(METHODS["sft"], unseen=held))
    assert [(f.ordinal, f.kind) for f in found] == [(0, "held_out"), (1, "held_out"), (2, "held_out")]
    assert {f.reason for f in found} == {"it is a row of train.heldout, on which is measured"}, "countable"
    assert [f.evidence for f in found] == ["row 1", "row 1", "row 2"]
    assert faults([TALK, {"messages": user("Why?") + said()}], unseen=held) == [(0, "held_out")], "in other columns too"
    assert faults([PAIR, {**PAIR, "prompt": user("Why?")}], "dpo", unseen=held) == [(0, "held_out")]


def test_a_prompt_that_most_held_out_rows_have_is_no_question():
    stories = [{"prompt": "Tell a story.", "completion": f"There were {i} hens."} for i in range(8)]
    assert faults([*stories[:6], {"prompt": "Why?", "completion": "So."}], unseen=Unseen(stories[4:])) == [
        (4, "held_out"), (5, "held_out"),
    ]  # fmt: skip
    texts = [{"text": f"fine {i}", "label": "good"} for i in range(3)]
    held = Unseen([{"text": "Fine 1.", "label": "bad"}])
    assert faults(texts, "classify", unseen=held) == [(1, "held_out")], "whatever its label"
    seen = [GOOD | {"images": [name]} for name in ("a.png", "b.png")]
    assert Unseen(seen[:1]).find(seen[1]) is None and Unseen(seen[:1]).find(seen[0]) == 1
    assert faults([{"text": "One."}, {"text": "Two."}], unseen=Unseen([{"text": "two"}])) == [(1, "held_out")]


def test_a_training_that_is_all_held_out_is_refused_with_what_to_hold_out():
    with pytest.raises(InputError, match=r"2 rows, none of them: 2 × it is a row of train\.heldout") as caught:
        check_rows([GOOD, GOOD], Demands(METHODS["sft"], unseen=Unseen([GOOD])))
    assert "rows.jsonl[0:900]" in caught.value.cure and "mend" not in caught.value.cure
    with pytest.raises(InputError, match=r"2 × it is a row of train\.heldout.*; 1 × completion is empty") as caught:
        check_rows([GOOD, GOOD, GOOD | {"completion": said("")}], Demands(METHODS["sft"], unseen=Unseen([GOOD])))
    assert "rows.jsonl[0:900]" in caught.value.cure and "mend the rows" in caught.value.cure


RIGHT, WRONG = GOOD | {"label": True}, GOOD | {"completion": said("3"), "label": False}


def test_kto_knows_true_and_false_and_needs_both():
    assert faults([RIGHT, GOOD | {"label": "maybe"}, WRONG, GOOD | {"label": 1}], "kto") == [
        (1, "unknown_label"), (3, "unknown_label"),
    ]  # fmt: skip
    for rows, received, cure in (
        ([RIGHT] * 3, "3 rows, all with label true", "add rows with label false"),
        (
            [WRONG, RIGHT | {"completion": said("")}],
            "1 row, all with label false, 1 more dropped",
            "add rows with label true",
        ),
    ):
        with pytest.raises(InputError) as caught:
            check_rows(rows, Demands(METHODS["kto"]))
        assert caught.value.place == "rows for kto" and "label true and" in caught.value.expected
        assert caught.value.received == received and cure in caught.value.cure


def test_images_that_do_not_open_and_rows_without_one(tmp_path):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "fine.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "fine.png").read_bytes()[:40])
    two_places = [{"role": "user", "content": [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "?"}]}]
    rows = [
        GOOD | {"images": ["fine.png"]}, GOOD | {"images": ["torn.png"]}, GOOD | {"images": ["gone.png"]}, GOOD,
        GOOD | {"images": ["fine.png"], "prompt": two_places}, GOOD | {"images": [7]},
    ]  # fmt: skip
    more = {"root": tmp_path, "sees": True}
    assert faults(rows, **more) == [(1, "images"), (2, "images"), (3, "text_only"), (4, "images"), (5, "images")]
    assert faults(rows[:1] + rows[3:4], accept=("text_only",), **more) == []
    with pytest.raises(InputError, match="the model reads only text"):
        check_rows(rows[:1], Demands(METHODS["sft"], root=tmp_path))


def test_tokens_of_images_count_and_their_places_do_not_count_twice(tmp_path):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    parts = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}]
    rows = [
        GOOD | {"images": ["a.png"]}, GOOD | {"images": ["a.png"] * 2}, GOOD | {"images": ["a.png"], "prompt": parts},
        GOOD | {"images": ["a.png"], "completion": said("word " * 12)},
    ]  # fmt: skip
    known = {"root": tmp_path, "sees": True, "limits": FORTY, "renderer": Template()}
    found = check_rows(rows, Demands(METHODS["sft"], **known))
    assert [(f.ordinal, f.kind) for f in found] == [(1, "overlong"), (3, "overlong")]
    assert found[0].reason == "69 tokens (60 of images), more than max_length = 40"
    assert faults(rows, **known, accept=("overlong",)) == []


def test_a_column_that_all_rows_have_beside_the_usual_ones_changes_nothing():
    """What most rows have is read; what some have besides is not."""
    assert faults([GOOD | TEXT, GOOD, GOOD]) == []
    assert faults([GOOD | TALK, TALK, TALK]) == []
    assert faults([PAIR] * 2 + [PAIR | {"prompt": None}], "dpo") == [(2, "mixed_columns")]
    assert faults([WHOLE] * 2, "dpo") == [], "the prompt is in both"


def test_what_is_accepted_is_no_fault():
    rows = [GOOD | {"tools": TOOLS}, PAIR | {"rejected": said("2")}]
    assert faults(rows[:1], accept=("tools_without_calls",)) == []
    assert faults(rows[1:], "dpo", accept=("identical",)) == []
    long = [GOOD | {"completion": said("word " * 50)}]
    assert faults(long, limits=FORTY, renderer=Template(), accept=("overlong",)) == []


def test_only_kinds_that_can_be_accepted_are_offered_to_be():
    with pytest.raises(InputError) as caught:
        check_rows([GOOD | {"completion": said("")}], Demands(METHODS["sft"]))
    assert caught.value.cure == "mend the rows"
    with pytest.raises(InputError) as caught:
        check_rows([PAIR | {"rejected": said("2")}], Demands(METHODS["dpo"]))
    assert caught.value.cure == "mend the rows, or let them pass with train.accept: [identical]"


def test_rows_without_the_columns_are_refused_as_a_whole():
    with pytest.raises(InputError) as caught:
        check_rows([{"question": "a", "answer": "b"}] * 3, Demands(METHODS["dpo"]))
    assert "prompt + chosen + rejected" in caught.value.expected
    assert "3 rows with answer + question" in caught.value.received
    with pytest.raises(InputError) as caught:  # the grader of RFT needs a reference that the rows lack
        check_rows([{"prompt": user()}], Demands(METHODS["grpo"], needed=("reference_answer",)))
    assert "add reference_answer" in caught.value.cure


def test_when_nothing_is_left_the_reasons_are_counted():
    with pytest.raises(InputError, match=r"2 × completion is empty; 1 × no completion"):
        check_rows([GOOD | {"completion": said("")}] * 2 + [{"prompt": user()}], Demands(METHODS["sft"]))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<think>a</think>\n\nb <think>c", "b "),
        ("a, since c</think>\n\nb", "b"),
        ("a</think>b<think>c</think>d", "bd"),
        ("</think>\nb", "b"),
        ("b", "b"),
        ("<think>a", ""),
    ],
)
def test_reasoning_is_stripped_also_where_it_has_only_one_end(text, left):
    assert strip_reasoning(text) == left


@pytest.mark.filterwarnings("ignore")
def test_the_training_process_drops_by_the_models_own_template_and_tokenizer(tmp_path):
    long = GOOD | {"completion": said("How much is 1 + 1? " * 60)}
    args = {"max_length": 64, "max_steps": 1}
    result, _, _ = train_here(tmp_path, "sft", SEED_MODEL, [GOOD, long, GOOD | {"completion": said("")}, GOOD], args)
    assert [(f["ordinal"], f["kind"]) for f in result["faults"]] == [(1, "overlong"), (2, "empty")]
    assert "more than max_length = 64" in result["faults"][0]["reason"]
    assert result["metrics"]["n_rows"] == 2


def test_marks_of_the_models_own_template_and_of_data_that_no_model_renders_are_none():
    own = {"renderer": Template()}
    assert faults([GOOD, GOOD | {"completion": said("ChatML opens a turn with <|im_start|>")}], **own) == []
    assert faults([GOOD, GOOD | {"completion": said("[INST]")}], accept=("template_marks",), **own) == []
    assert faults([GOOD, GOOD | {"completion": said("a[inst] <s>b</s> | <|> ### Response:")}], **own) == []
    assert faults([MADE, MADE | {"text": "[INST]"}], "classify", **own) == [], "a text that is judged, not said"
    (found,) = check_rows([GOOD, GOOD | {"prompt": user("a<end_of_turn>")}], Demands(METHODS["sft"], **own))
    assert (
        found.reason
        == "prompt, turn 1: holds <end_of_turn> of the chat template of Gemma; the model's own has none such"
    )


@pytest.mark.filterwarnings("ignore")
def test_the_training_process_knows_the_marks_of_the_models_own_template(tmp_path):
    """The seed's template is put together: ``<|user|>`` stands in none of its lines."""
    marks = ["<|user|>", "<|end|>", "<|im_start|>", "<start_of_turn>"]
    rows = [GOOD | {"completion": said(f"2 {mark}")} for mark in marks]
    result, _, _ = train_here(tmp_path / "a", "sft", SEED_MODEL, rows, {"max_steps": 1})
    assert [(f["ordinal"], f["kind"]) for f in result["faults"]] == [(2, "template_marks"), (3, "template_marks")]
    (tmp_path / "chatml.jinja").write_text(
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
    )
    args = {"max_steps": 1, "chat_template_path": str(tmp_path / "chatml.jinja")}
    result, _, _ = train_here(tmp_path / "b", "sft", SEED_MODEL, rows, args)
    assert [f["ordinal"] for f in result["faults"]] == [3], "a template that the recipe names is the model's"
    model = make_model("gpt2", tmp_path / "model")
    (model / "chat_template.jinja").unlink()
    texts = [{"text": f"1 + 1 is 2. {mark}"} for mark in marks]
    assert train_here(tmp_path / "c", "sft", model, texts, {"max_steps": 1})[0]["faults"] == [], (
        "no template, no other one"
    )


@pytest.mark.filterwarnings("ignore")
def test_messages_for_a_model_without_a_chat_template_are_refused_before_it_is_loaded(tmp_path):
    model = make_model("gpt2", tmp_path / "model")
    (model / "chat_template.jinja").unlink()
    (model / "model.safetensors").unlink()  # would be missed if it were loaded
    with pytest.raises(InputError, match="chat template") as caught:
        train_here(tmp_path / "job", "sft", model, [GOOD])
    assert "chat_template_path" in caught.value.cure


@pytest.mark.filterwarnings("ignore")
def test_rows_of_another_kind_are_left_out_of_a_training_and_of_what_it_is_measured_on(tmp_path):
    talk = [{"messages": user(f"{i}?") + said(str(i))} for i in range(4)]
    args = {"max_steps": 1}
    rows = [GOOD, *talk, TEXT]
    result, _, out = train_here(tmp_path, "sft", SEED_MODEL, rows, args, heldout=[talk[0], GOOD])
    assert [(f["ordinal"], f["kind"]) for f in result["faults"]] == [
        (0, "mixed_columns"), (1, "held_out"), (5, "mixed_columns"),
    ]  # fmt: skip
    assert [(f["ordinal"], f["kind"]) for f in result["heldout_faults"]] == [(1, "mixed_columns")]
    assert (result["metrics"]["n_rows"], result["metrics"]["heldout_n"]) == (3, 1)
    card = (out / "README.md").read_text()
    assert "| loss |" in card and "num_tokens" not in card
