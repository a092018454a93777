"""Vision-language models in this process: what their processor makes of messages with images, and their answers.

Decoding is transformers' ``generate``: families differ in how they place images, and it knows each. Slower than this package's own.
"""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError
from ..schema import seed_from
from ._images import check_image, is_stored_image
from ._types import Choice, Request


def load_processor(path: str, tokenizer: Any) -> Any:
    """Return what reads texts and images for the model in a folder; its chat template becomes the tokenizer's where that has none."""
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(path)
    if tokenizer.chat_template is None:
        tokenizer.chat_template = processor.chat_template
    processor.tokenizer.padding_side = "left"
    return processor


def read_batch(processor: Any, batch: Sequence[Request], folder: Path | None) -> Any:
    """Return a batch as the model takes it.

    Raises:
        InputError: an image is gone, is no stored one, or cannot be read.
    """
    texts, images = [], []
    for request in batch:
        messages, shown = take_apart(request.messages, folder)
        texts.append(_render(processor, request, messages))
        images.append(shown)
    more = {"images": images} if any(images) else {}
    return processor(text=texts, padding=True, return_tensors="pt", **more)


def _render(processor: Any, request: Request, messages: Sequence[dict[str, Any]]) -> str:
    if request.raw_prompt:
        return str(request.messages[0]["content"])
    if processor.chat_template is None:
        return "\n\n".join(p.get("text", "") for m in messages for p in m["content"]) + "\n"
    text: str = processor.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
    return text


def take_apart(messages: Sequence[dict[str, Any]], folder: Path | None) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return messages with places for images, as chat templates know them, and the images themselves."""
    images: list[Any] = []

    def take(part: dict[str, Any]) -> dict[str, Any]:
        if "image_url" not in part:
            return part
        images.append(_open(str(part["image_url"].get("url")), folder))
        return {"type": "image"}

    def parts_of(content: Any) -> list[dict[str, Any]]:
        return (
            [take(p) for p in content] if isinstance(content, list) else [{"type": "text", "text": str(content or "")}]
        )

    return [{**m, "content": parts_of(m.get("content"))} for m in messages], images


def _open(url: str, folder: Path | None) -> Any:
    from PIL import Image, UnidentifiedImageError

    try:
        if url.startswith("data:"):
            return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")
        if folder is None or not is_stored_image(url):
            raise InputError(
                f"image {url[:80]}", expected="an image of the project, or a data: URL", received="another address",
                cure="bring the image in: a column of the problems (format.images), a suite's image, or flywheel ingest",
            )  # fmt: skip
        check_image(folder / url)
        with Image.open(folder / url) as image:
            return image.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"image {url[:80]}", expected="a whole image", received=str(error)[:120], cure="bring the image in again"
        ) from None


@torch.inference_mode()
def look(
    model: Any, tokenizer: Any, inputs: Any, batch: Sequence[Request], end_ids: frozenset[int]
) -> list[list[Choice]]:  # fmt: skip
    """Decode a batch of prompts that are sampled alike.

    Args:
        inputs: the batch, as :func:`read_batch` gives it.

    Returns:
        For each request its ``n`` choices.
    """
    s = batch[0].sampling
    drawn: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    if s.temperature > 0:
        drawn = {"do_sample": True, "temperature": s.temperature, "top_p": s.top_p, "top_k": 0}
        torch.manual_seed(seed_from(batch[0].request_id, s.seed, 0) % (1 << 63))
    n = s.n if s.temperature > 0 else 1
    made = model.generate(
        **inputs.to(model.device), max_new_tokens=s.max_tokens, num_return_sequences=n, eos_token_id=sorted(end_ids) or None,
        pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else next(iter(end_ids), 0), **drawn,
    )  # fmt: skip
    tokens = made[:, inputs["input_ids"].shape[1] :].tolist()
    choices = [_choice(tokenizer, one, s.stop, end_ids) for one in tokens]
    return [choices[i * n : (i + 1) * n] * (s.n // n) for i in range(len(batch))]


def _choice(tokenizer: Any, tokens: list[int], stops: Sequence[str], end_ids: frozenset[int]) -> Choice:
    end = next((i for i, token in enumerate(tokens) if token in end_ids), None)
    kept = tokens if end is None else tokens[:end]
    text = tokenizer.decode(kept, skip_special_tokens=True)
    cuts = [at for stop in stops if stop and (at := text.find(stop)) >= 0]
    if cuts:
        text = text[: min(cuts)]
    return Choice(text, "length" if end is None and not cuts else "stop", len(kept))
