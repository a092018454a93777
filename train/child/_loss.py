"""Which tokens of messages SFT learns from: the assistant's alone where the chat template marks them, else all."""

from typing import Any

from ...errors import RecipeError
from .._form import Form
from ..methods import Method

KEY = "assistant_only_loss"


def settle_loss(args: dict[str, Any], method: Method, form: Form, tokenizer: Any, template: Any) -> dict[str, Any]:
    """Return the arguments with :data:`KEY` where it can be had for rows of ``messages``, and the recipe does not say.

    Rows with a prompt need none: their loss is on the completion alone.

    Args:
        args: the recipe's.
        method: what is trained.
        form: what the rows are like.
        tokenizer: the model's.
        template: the chat template that is trained with; None = there is none.

    Raises:
        RecipeError: the recipe asks for it, and it cannot be had.
    """
    if method.name != "sft":
        return args
    speaks = "messages" in form.columns or form.shape == "messages"
    if KEY not in args:
        marked = "messages" in form.columns and not form.images and tokenizer.is_fast and _is_marked(template)
        return {**args, KEY: True} if marked else args
    if args[KEY] and not speaks:
        raise RecipeError(
            f"recipe key train.sft.{KEY}", expected="rows that hold messages", received=f"rows with {' + '.join(form.columns)}",
            cure="remove it: the loss on prompt + completion is on the completion alone anyway",
        )  # fmt: skip
    if args[KEY] and not _is_marked(template) and not _is_known(tokenizer):
        raise RecipeError(
            f"recipe key train.sft.{KEY}", expected="a chat template that marks what the assistant says, or one that TRL knows",
            received="a template without {% generation %}",
            cure="put {% generation %}…{% endgeneration %} around it in a template of your own (train.sft.chat_template_path), "
            "or give rows of prompt + completion, whose loss is on the completion alone",
        )  # fmt: skip
    return args


def nothing_marked(error: Exception) -> RecipeError:
    """Return TRL's complaint of a row in which the template marks nothing as what to do about it."""
    return RecipeError(
        f"recipe key train.sft.{KEY}", expected="a chat template that marks what the assistant says in every row",
        received=str(error).split(". ")[0], cure=f"set train.sft.{KEY} to false: the loss is then on all tokens",
    )  # fmt: skip


def _is_marked(template: Any) -> bool:
    from trl.chat_template_utils import has_generation_markers

    return bool(template) and bool(has_generation_markers(template))


def _is_known(tokenizer: Any) -> bool:
    """Say whether TRL has a template with marks that stands for the model's own."""
    from trl.chat_template_utils import get_training_chat_template

    try:
        return get_training_chat_template(tokenizer) is not None
    except ValueError:
        return False
