"""What chat templates write between turns: in a text of a row it comes of a rendering, by a template that need not be the model's.

Only what no prose has. ``### Response:`` is a heading too, ``<s>`` is HTML; both are none. ``<extra_id_1>`` alone is T5's sentinel; NeMo writes a
role right behind it, and sets such as HelpSteer2 hold whole chats of that shape in their prompts.
"""

import re

TEMPLATE_MARKS = {
    "ChatML": ("<|im_start|>", "<|im_end|>", "<|im_sep|>"),
    "Llama 2": ("<<SYS>>", "<</SYS>>"),
    "Llama 2 or Mistral": ("[INST]", "[/INST]"),
    "Mistral": ("[AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]"),
    "Llama 3": (
        "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>", "<|python_tag|>",
    ),
    "Llama 4": ("<|header_start|>", "<|header_end|>", "<|eot|>"),
    "Gemma": ("<start_of_turn>", "<end_of_turn>"),
    "Phi-3 or Zephyr": ("<|user|>", "<|assistant|>", "<|system|>", "<|end|>"),
    "GLM": ("[gMASK]", "<|observation|>"),
    "gpt-oss": ("<|start|>", "<|channel|>", "<|message|>", "<|return|>"),
    "DeepSeek": ("<｜User｜>", "<｜Assistant｜>", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"),
    "Cohere": (
        "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|SYSTEM_TOKEN|>",
    ),
    "Granite": ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"),
    "NeMo": ("<extra_id_0>System", "<extra_id_1>User", "<extra_id_1>Assistant"),
    "GPT-2 or Qwen": ("<|endoftext|>",),
}  # fmt: skip
"""Whose template writes which marks; of those that several write, the best known."""

MARK_PATTERN = "|".join(re.escape(mark) for marks in TEMPLATE_MARKS.values() for mark in marks)
"""A regular expression that any of them fits."""

_ANY = re.compile(MARK_PATTERN)
_TEMPLATE_OF = {mark: name for name, marks in TEMPLATE_MARKS.items() for mark in marks}


def find_marks(text: str) -> list[tuple[str, str]]:
    """Return each mark of a text once, in order, with the template that writes it."""
    return [(mark, _TEMPLATE_OF[mark]) for mark in dict.fromkeys(_ANY.findall(text))]
