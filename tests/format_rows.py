"""Small rows of our own in every format, odd spellings included: what a round trip must not change."""

CALL = {"type": "function", "id": "c1", "function": {"name": "add", "arguments": '{"a": 1, "b": [2.0, true]}'}}
OTHER_CALL = {"type": "function", "id": "c2", "function": {"name": "sub", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {"a": {}}}}}
USER = {"role": "user", "content": "What is 1 + 1?"}
TWO = {"role": "assistant", "content": "2"}
THREE = {"role": "assistant", "content": "3"}

ROWS = {
    "alpaca": [
        {"instruction": "Add the numbers.", "input": "1 and 1", "output": "2"},
        {"instruction": "Say hi.", "input": "", "output": "hi"},
        {"instruction": "Say hi.", "input": None, "output": "", "topic": {"a": [1, 1.0, True, None]}},
        {"instruction": "And again?", "input": "", "output": "2", "system": "Be brief.", "history": [["1+1?", "2"]]},
        {"instruction": "Which?", "input": "a\n\nb", "chosen": "yes", "rejected": "no"},
        {"output": "no input column", "instruction": "x\u2028y", "response": "drift"},
    ],
    "sharegpt": [
        {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}], "id": "s1"},
        {
            "conversations": [
                {"from": "user", "value": "1 + 1?"},
                {"from": "function_call", "value": '{"name": "add", "arguments": {"z": 1, "a": 1}}'},
                {"from": "observation", "value": "2"},
                {"from": "gpt", "value": "It is 2."},
                {"from": "human", "value": "thanks"},
            ],
            "tools": '[{"name": "add",  "parameters": {}}]',
            "system": "Use tools.",
        },
        {
            "conversations": [
                {"from": "human", "value": "two calls"},
                {"from": "function_call", "value": '[{"name": "a", "arguments": {}}, {"name": "b", "arguments": {"x": 1}}]'},
            ]
        },
        {
            "conversations": [{"from": "human", "value": "Which?"}],
            "chosen": {"from": "gpt", "value": "a"},
            "rejected": {"from": "gpt", "value": "b"},
        },
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "label": False},
    ],
    "openai": [
        {"messages": [{"role": "system", "content": "Be brief."}, USER, TWO]},
        {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL, OTHER_CALL]}], "tools": [TOOL]},
        {"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}], "tools": [TOOL], "parallel_tool_calls": False},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}},
                    ],
                },
                {"role": "assistant", "content": [{"type": "text", "text": "A chart."}], "weight": 1},
            ]
        },
        {"messages": [USER, TWO, {"role": "user", "content": "sure?"}, {"role": "assistant", "content": "Yes."}], "label": True},
        {"messages": [USER, TWO, {"role": "user", "content": "unanswered"}]},
    ],
    "openai-dpo": [
        {
            "input": {"messages": [USER], "tools": [TOOL], "parallel_tool_calls": True},
            "preferred_output": [TWO],
            "non_preferred_output": [THREE],
        },
        {"input": {"messages": [USER]}, "preferred_output": [TWO], "non_preferred_output": [THREE], "id": 7},
    ],
    "trl": [
        {"prompt": "1 + 1 =", "completion": " 2"},
        {"prompt": [USER], "completion": [TWO], "tools": [TOOL]},
        {"prompt": [USER], "completion": [TWO], "tools": '[{"name": "x"}]', "chat_template_kwargs": {"think": False}},
        {"prompt": "plain", "completion": [TWO]},
    ],
    "trl-messages": [
        {
            "messages": [
                USER,
                {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"b": 1, "a": 2}}}]},
            ],
            "tools": [TOOL],
        }
    ],
    "trl-dpo": [
        {"prompt": "1 + 1 =", "chosen": " 2", "rejected": " 3"},
        {"prompt": [USER], "chosen": [TWO], "rejected": [THREE], "margin": 0.5},
        {"chosen": [USER, TWO], "rejected": [USER, THREE]},
        {"chosen": "The answer is 2.", "rejected": "The answer is 3."},
        {"prompt": "What is 1 + 1?", "chosen": [USER, TWO], "rejected": [USER, THREE], "score_chosen": 9},
        {"chosen": [USER, TWO, USER, TWO], "rejected": [USER, THREE, USER, THREE]},
    ],
    "trl-kto": [
        {"prompt": "1 + 1 =", "completion": " 2", "label": True},
        {"prompt": [USER], "completion": [THREE], "label": False},
        {"prompt": "as a number", "completion": "3", "label": 0},
    ],
    "hh-rlhf": [
        {"chosen": "\n\nHuman: hi\n\nAssistant: hello", "rejected": "\n\nHuman: hi\n\nAssistant:"},
        {
            "chosen": "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d ",
            "rejected": "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:  e\n\nf",
        },
        {"chosen": "\n\nHuman: a\n\nAssistant: x\n\nHuman: y\n\nAssistant: z", "rejected": "\n\nHuman: a\n\nAssistant: other"},
    ],
    "ultrafeedback": [
        {
            "source": "own", "instruction": "Add.", "models": ["a", "b"],
            "completions": [
                {
                    "model": "a", "response": "2", "overall_score": 9.0, "critique": "good",
                    "annotations": {"truth": {"Rating": "5"}, "help": [{"Rating": "4"}]},
                },
                {"model": "b", "response": "3", "annotations": {"truth": {"Rating": "1"}, "help": {"Rating": "N/A"}}},
            ],
        },
        {"instruction": "Flat.", "generations": ["x", "y"], "ratings": [5, None], "generation_models": ["m", "n"]},
    ],
    "gsm8k": [
        {"question": "1 + 1?", "answer": "One and one.\n#### 2"},
        {"question": "1,000 - 1?", "answer": "Take one.\n#### 999", "level": 1},
        {"question": "1 + 1?", "answer": "One and one.\n#### 2"},
    ],
    "llamafactory-v1": [
        {
            "chosen_messages": [
                {"role": "user", "content": [{"type": "text", "value": "q"}], "loss_weight": 0.0},
                {"role": "assistant", "content": [{"type": "text", "value": "a"}], "loss_weight": 1.0},
            ],
            "rejected_messages": [
                {"role": "user", "content": [{"type": "text", "value": "q"}], "loss_weight": 0.0},
                {"role": "assistant", "content": [{"type": "text", "value": "b"}], "loss_weight": 0.0},
            ],
        },
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "value": "q"}, {"type": "text", "value": "r"}]},
                {"role": "assistant", "content": [{"type": "tool_call", "value": '{"name": "f", "arguments": {"z":1}}'}]},
            ]
        },
    ],
}  # fmt: skip

MAPPED = [
    (["prompt=q", "completion=a"], [{"q": "1+1", "a": "2", "id": 1}, {"q": "2+2", "a": 4, "id": None}]),
    (["prompt=facts+q", "completion=a", "label=ok"], [{"facts": "f", "q": "1+1", "a": "2", "ok": "yes"}]),
    (["prompt=q", "chosen=good", "rejected=bad"], [{"q": "1+1", "good": "2", "bad": "3"}]),
    (["prompt=q", "completion=tries", "label=right"], [{"q": "1+1", "tries": ["2", "3"], "right": [True, False]}]),
    (["prompt=q", "completion=a", "score=s", "system=sys"], [{"q": "1+1", "a": "2", "s": "4.5", "sys": "Be brief."}]),
    (
        ["messages=turns"],
        [{"turns": ["hi", "hello", "bye"]}, {"turns": [{"speaker": "user", "text": "hi"}, {"text": "hello"}]}],
    ),
    (["question=q", "answer=a", "solution=s"], [{"q": "1+1", "a": "2", "s": "One and one."}]),
]

JUNK = [
    None, 1, 2.5, True, "", "x", [], {}, [1], ["a"], [None], {"a": 1}, [{}], [{"role": "user"}], [{"role": [], "content": 1}],
    [[1, 2]], "[1]", "{}", "null", {"name": 1}, [{"type": "text"}], [{"type": "text", "value": None}], [{"from": {}, "value": 1}],
]  # fmt: skip


def spoil(value, random):
    """Return ``value`` with parts of it replaced by junk or left out."""
    if random.random() < 0.1:
        return random.choice(JUNK)
    if isinstance(value, dict):
        return {k: spoil(v, random) for k, v in value.items() if random.random() > 0.05}
    return [spoil(v, random) for v in value if random.random() > 0.05] if isinstance(value, list) else value
