"""Names that a recipe may write for what other floors know: editors complete them from the JSON Schema; a test holds them equal to the registries."""

GENERATORS = (
    "api_calls",
    "backtranslate",
    "backward",
    "cot",
    "critique",
    "critique_revise",
    "dialogue",
    "evolve",
    "exercises",
    "insert_calls",
    "keep",
    "persona",
    "rephrase",
    "revise",
    "self_instruct",
    "solve",
    "tool_calls",
    "transform",
)
"""Flywheel's own generators; a recipe may name a file, a module or an entry point, too."""
VERIFIERS = (
    "anls",
    "choice",
    "citations",
    "code",
    "exact",
    "f1",
    "fields",
    "grader",
    "json_schema",
    "label",
    "lowers_loss",
    "math",
    "regex",
    "relaxed",
    "sections",
    "tool_calls",
)
"""Flywheel's own verifiers; a recipe may name a file, a module or an entry point, too."""
JUDGE_KINDS = (
    "rubric",
    "pairwise",
    "reference",
    "checklist",
    "grader",
    "verifier",
)
"""Kinds of judges; there are no others."""
JUDGE_KEYS = {
    "rubric": (
        "criteria", "low", "high", "levels", "passes_at", "by_tokens", "draws", "temperature", "max_tokens", "with_reference", "template",
    ),
    "pairwise": (
        "criteria", "both_orders", "need_both", "ties", "compare", "draws", "temperature", "max_tokens", "template",
    ),
    "reference": ("criteria", "draws", "temperature", "max_tokens", "template"),
    "checklist": ("checks", "passes_at", "draws", "temperature", "max_tokens", "with_reference", "template"),
    "grader": ("spec", "threshold", "template"),
}  # fmt: skip
"""Keys of the judges that ask a model, by kind."""
PANEL_KEYS = ("models", "vote")
"""Keys that make a panel of a judge of any kind."""
