"""Steps made ready: each with its generator, its options, and the steps that follow it."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..config import StepConfig
from ..errors import NotFoundError, RecipeError
from ..llm import Sampling
from ..prompts import Template, load_template, with_images
from ..schema import Message, content_id, hash_files, seed_from, texts_in
from ._generator import Generator
from ._plan import ON_POLICY, SOLVE
from ._registry import complete_options, find_generator
from .formats import IMPORT

ROOTS = ("chunks", "problems", "imported")
_NAME = re.compile(r"[\w./:-]{1,200}")
"""What an option's value looks like that may name a template or a file."""
IMAGES = "images"
"""Name of a template's value that is images."""
TAKEN = (*ROOTS, IMPORT, SOLVE, ON_POLICY, "pair")
"""Names of steps that flywheel itself has, and of what they consume."""


@dataclass
class Stage:
    """One step made ready.

    Attributes:
        depth: number of steps before it; rows that are further on go first.
        followers: steps that consume its samples.
        scope: keeps the requests of one of the wheel's own steps apart from equal ones of other iterations; empty for a
            step of ``generate``, whose equal requests are answered from the store.
        may_wait: rows of its source come in while the wheel turns, so that none yet is no fault.
    """

    config: StepConfig
    generator: Generator
    options: dict[str, Any]
    sampling: Sampling
    depth: int
    project_root: Path
    followers: list["Stage"] = field(default_factory=list)
    scope: str = ""
    may_wait: bool = False
    _templates: dict[str, Template] = field(default_factory=dict)
    _seeds: dict[int, int] = field(default_factory=dict)

    def seed_of(self, seed: int, draw: int, input_id: str) -> int:
        """Return the seed of a request: it tells draws apart; the prompts tell the inputs apart, or the scope does."""
        if self.scope:
            return (seed_from(seed, self.scope, input_id) + draw) & 0x7FFFFFFF
        found = self._seeds.get(draw)
        if found is None:
            found = self._seeds[draw] = seed_from(seed, self.name, draw) & 0x7FFFFFFF
        return found

    def with_max_tokens(self, max_tokens: int) -> "Stage":
        """Return the step with another limit of completion tokens."""
        return replace(self, sampling=replace(self.sampling, max_tokens=max_tokens), followers=[])

    @property
    def code_id(self) -> str | None:
        """Content id of the user's file that the generator is defined in; None for flywheel's own."""
        file = Path(self.generator.run.__code__.co_filename)
        own = Path(__file__).parent / "generators"
        if own in file.parents or not file.is_file():
            return None
        return content_id("gen", file.read_text("utf-8", "replace"))

    def find_named(self) -> dict[str, str]:
        """Return the content id of what the options name: templates by their name, files under the project's folder by
        their path (``file.py:name`` too).
        """
        found: dict[str, str] = {}
        for text in texts_in(self.options):
            if _NAME.fullmatch(text) is None:
                continue
            with suppress(NotFoundError):
                found[f"template {text}"] = self.template(text).template_id
            path = self.project_root / text.partition(":")[0]
            if path.is_file():
                found[f"file {text}"] = content_id("txt", hash_files([path]))
        return found

    @property
    def name(self) -> str:
        """The step's name."""
        return self.config.step

    @property
    def needs(self) -> tuple[str, ...]:
        """Names that an input must have values for: what the generator consumes, and what the step's ``keep`` carries on."""
        return (*self.generator.consumes, *self.config.keep)

    @property
    def is_root(self) -> bool:
        """Whether it consumes rows of the store rather than another step's samples."""
        return self.config.source in ROOTS

    @property
    def counts_draws(self) -> bool:
        """Whether its plan is fixed beforehand as so many completions of each input, each a sample or a drop of its own."""
        return bool(self.scope)

    def template(self, name: str) -> Template:
        """Return a template by the generator's name for it: the recipe's ``templates`` and ``template`` replace some."""
        found = self._templates.get(name)
        if found is None:
            found = self._templates[name] = load_template(self._replaced(name), self.project_root)
        return found

    def _replaced(self, name: str) -> str:
        is_first = self.generator.templates[:1] == (name,)
        return self.config.templates.get(name) or (self.config.template if is_first else None) or name

    def render(self, name: str, values: Mapping[str, Any]) -> tuple[Message, ...]:
        """Return a prompt; a template that replaces the generator's is given the values that it has a use for. Images are
        shown by those too that do not name them.
        """
        template = self.template(name)
        if self._replaced(name) != name:
            used = {*template.variables, *template.optional}
            values = {key: value for key, value in values.items() if key in used or key == IMAGES}
        if IMAGES not in values or IMAGES in (template.images, *template.variables, *template.optional):
            return template.render(values)
        values = dict(values)
        images = values.pop(IMAGES)
        *before, last = template.render(values)
        return (*before, {**last, "content": with_images(last["content"], images)})

    def check_templates(self) -> None:
        """Find each template of the step.

        Raises:
            RecipeError: ``templates`` names one that the generator does not have, or a replacement needs other values.
            NotFoundError: no such file.
        """
        place = f"step {self.name!r}"
        if isinstance(chosen := self.options.get("template"), str):
            self.template(chosen)
            if (
                isinstance(shown := self.options.get("prompt"), str) and shown
            ):  # beside template: what the trained model sees
                self.template(shown)
        for name in self.config.templates:
            if name not in self.generator.templates:
                raise RecipeError(
                    f"{place}, templates", expected=f"of generator {self.generator.name}: {', '.join(self.generator.templates)}",
                    received=f"{name!r}", cure="change the name on the left of the colon",
                )  # fmt: skip
        for name in self.generator.templates:
            template = self.template(name)
            if self._replaced(name) == name:
                continue
            original = load_template(name, self.project_root)
            known = {*original.variables, *original.optional}
            if not known.issuperset(template.variables):
                raise RecipeError(
                    f"{place}, template {template.name}", expected=f"variables among {', '.join(sorted(known))}, as {name} has",
                    received=", ".join(sorted({*template.variables} - known)), cure="take the others out, or make them optional",
                )  # fmt: skip


def make_stages(
    steps: Sequence[StepConfig], project_root: Path, base: Path, arriving: Sequence[str] = ()
) -> list[Stage]:
    """Return the steps in their order.

    Args:
        base: folder of the recipe, where generators and other files that it names are looked for.
        arriving: sources whose rows come in while the wheel turns.

    Raises:
        RecipeError: two steps of one name, a source that is no earlier step, an unknown generator, option or template.
        NotFoundError: no such generator or template file.
    """
    stages: dict[str, Stage] = {}
    for config in steps:
        if config.step in stages or config.step in TAKEN:
            raise RecipeError(
                f"step {config.step!r}", expected="a name of its own", received="a name that is taken",
                cure="rename one of the steps",
            )  # fmt: skip
        if config.source not in (*ROOTS, *stages):
            raise RecipeError(
                f"step {config.step!r}", expected=f"source: one of {', '.join((*ROOTS, *stages))}",
                received=config.source, cure="name an earlier step, or move that step up",
            )  # fmt: skip
        if config.source in stages and (config.where or config.limit):
            raise RecipeError(
                f"step {config.step!r}", expected=f"where and limit only on steps over {', '.join(ROOTS)}",
                received=f"source: {config.source}", cure=f"give them to step {config.source!r}",
            )  # fmt: skip
        place = f"step {config.step!r}"
        generator = find_generator(config.generator, base, f"{place}, generator")
        options = complete_options(generator, config.options, f"{place}, options")
        before = stages.get(config.source)
        sampling = Sampling(
            n=config.draws, temperature=config.temperature, top_p=config.top_p, max_tokens=config.max_tokens
        )
        stage = Stage(
            config, generator, options, sampling, before.depth + 1 if before else 0, project_root,
            may_wait=config.source in arriving,
        )  # fmt: skip
        stage.check_templates()
        stages[config.step] = stage
        if before is not None:
            before.followers.append(stage)
    return list(stages.values())
