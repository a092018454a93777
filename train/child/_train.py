"""A job from its contract to its checkpoint."""

import json
import math
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...errors import RecipeError, StageError
from ...stage import Emit, write_json
from .._card import render_card
from .._form import Form
from ..methods import Method, Setup, error_of, find_method
from ._args import EPOCHS, complete_args, is_main, rows_a_step, world_size
from ._load import Reader, check_targets, load_model, load_reader, make_peft
from ._loss import KEY as LOSS_KEY
from ._loss import nothing_marked, settle_loss
from ._memory import told_when_out_of_memory
from ._publish import publish, save_trained
from ._ready import get_ready
from ._resume import find_state, steps_of
from ._rewards import load_rewards
from ._rows import check, find_labels, make_dataset, order, read_rows, read_template, split_stages
from ._shards import Sharded
from ._stream import stream_rows

WHOLE: dict[str, Any] = {"args": {}}
Rows = list[dict[str, Any]] | Sharded


@dataclass(frozen=True)
class Measured:
    """What was measured on held-out rows: the figures, and where the method has them, ``target filtered value`` of each row."""

    figures: dict[str, float] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class _Run:
    """What the stages of a job share."""

    job: dict[str, Any]
    folder: Path
    emit: Emit
    method: Method
    reader: Reader
    labels: list[str]
    rows: Rows
    parts: Sequence[Rows]
    """Those of each stage of the curriculum."""
    form: Form
    heldout: Any
    log: list[dict[str, Any]] = field(default_factory=list)
    steps: int = 0
    before: Measured = field(default_factory=lambda: Measured())
    after: Measured = field(default_factory=lambda: Measured())

    def load(self, path: str | None = None, *, adapter: Path | None = None, quantized: bool = True) -> Any:
        """Return the model of the job, or the one in ``path``."""
        return load_model(
            path or self.job["model"], self.method, sees=self.reader.sees, labels=self.labels, adapter=adapter,
            init=self.job["args"].get("model_init_kwargs"),
            quantization=self.job["quantization"] if quantized else None,
        )  # fmt: skip


def train(job: dict[str, Any], folder: Path, emit: Emit) -> dict[str, Any]:
    """Train per ``job`` (see ``TrainJob``) and leave the checkpoint in its place, whole or not at all."""
    emit({"event": "loading"})
    get_ready(job["method"])
    _quiet()
    started = time.monotonic()
    _check_processes(job.get("processes", 1))
    method = find_method(job["method"])
    reader = _load_reader(job, method)
    found = _stream(job, method, reader, folder) if job["streaming"] else _read(job, method, reader)
    template = read_template(job["args"].get("chat_template_path")) or reader.processor.chat_template
    job = {**job, "args": settle_loss(job["args"], method, found.form, reader.tokenizer, template)}
    labels = find_labels(found.rows if isinstance(found.rows, list) else (), job, reader.config, method)
    heldout = _read_heldout(job, method, reader, labels, found.form)
    stages = job["curriculum"] or [WHOLE]
    run = _Run(job, folder, emit, method, reader, labels, found.rows, found.parts, found.form, heldout.rows)
    config = {}
    for number, stage in enumerate(stages):
        config = _train_stage(run, number, stage, is_last=number == len(stages) - 1)
    metrics = _metrics(run, time.monotonic() - started)
    return {
        "metrics": metrics,
        "config": _described(job, config),
        "log": run.log,
        "faults": found.faults,
        "n_given": found.n_given,
        "heldout_faults": heldout.faults,
        "heldout_items": [run.before.items, run.after.items],
        "n_heldout_given": heldout.n_given,
    }


@dataclass(frozen=True)
class _Found:
    """Rows that were checked: those that are trained on, and of each stage of the curriculum; the faults of the others."""

    rows: Rows
    parts: Sequence[Rows]
    faults: list[dict[str, Any]]
    n_given: int
    form: Form


def _read(job: dict[str, Any], method: Method, reader: Reader) -> _Found:
    """Return the rows of a job, in the order of its curriculum."""
    given = read_rows(job["data"], job, method)
    rows, faults, form = check(given, job, method, reader, job["args"])
    ordered = order(rows, job["curriculum_by"], form.columns)
    if not job["curriculum"]:
        return _Found(ordered, [ordered], faults, len(given), form)
    parts, too_long = _split(given, ordered, job, method, reader, form)
    left_out = {id(given[fault["ordinal"]]) for fault in too_long}
    return _Found([r for r in ordered if id(r) not in left_out], parts, faults + too_long, len(given), form)


def _stream(job: dict[str, Any], method: Method, reader: Reader, folder: Path) -> _Found:
    """Return the rows of a job on disk."""
    found = stream_rows(job, method, reader, folder)
    return _Found(found.rows, [found.rows], found.faults, found.n_given, found.form)


def find_faults(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what :func:`train` would leave out of a job's rows, and train nothing."""
    method = find_method(job["method"])
    reader = _load_reader(job, method)
    given = read_rows(job["data"], job, method)
    rows, faults, form = check(given, job, method, reader, job["args"])
    ordered = order(rows, job["curriculum_by"], form.columns)
    return faults + (_split(given, ordered, job, method, reader, form)[1] if job["curriculum"] else [])


def _load_reader(job: dict[str, Any], method: Method) -> Reader:
    reader = load_reader(job["model"], method)
    if job["chat_template"] is not None:
        reader.processor.chat_template = reader.tokenizer.chat_template = job["chat_template"]
    return reader


def _split(
    given: list[dict[str, Any]], ordered: list[dict[str, Any]], job: dict[str, Any], method: Method, reader: Reader, form: Form
) -> tuple[list[list[dict[str, Any]]], list[dict[str, Any]]]:  # fmt: skip
    """Return the rows of each stage, and the faults of those that are too long for every stage that they stand in."""
    parts, too_long = split_stages(ordered, job, method, reader, job["args"], form)
    places = {id(row): i for i, row in enumerate(given)}
    return parts, [{**asdict(fault), "ordinal": places[id(row)]} for row, fault in too_long]


def _check_processes(expected: int) -> None:
    """Refuse to train alone what several processes were meant to: the batch would be another."""
    if world_size() != expected:
        raise RecipeError(
            "recipe key train.accelerate", expected=f"{expected} processes, as its num_processes says",
            received=f"accelerate launch started {world_size()}",
            cure="distributed_type: MULTI_GPU starts them by torchrun, with use_cpu: true also without a GPU; MULTI_CPU needs MPI",
        )  # fmt: skip


def _quiet() -> None:
    import datasets
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()
    datasets.disable_progress_bars()


@dataclass(frozen=True)
class _Heldout:
    """Rows that are measured on: a data set, or None; and the faults of the others."""

    rows: Any = None
    faults: list[dict[str, Any]] = field(default_factory=list)
    n_given: int = 0


def _read_heldout(job: dict[str, Any], method: Method, reader: Reader, labels: list[str], form: Form) -> _Heldout:
    if job["heldout"] is None:
        return _Heldout()
    given = read_rows(job["heldout"], job, method)
    rows, faults, _ = check(given, {**job, "labels": labels}, method, reader, job["args"], form)
    return _Heldout(make_dataset(rows, method, form, Path(job["root"])), faults, len(given))


def _train_stage(run: _Run, number: int, stage: dict[str, Any], *, is_last: bool) -> dict[str, Any]:
    """Train one stage of the curriculum, or find it done; return its arguments."""
    from ._watch import DrawsGoOn, Watch, tokens_per_row

    name = "trainer" if number == 0 else f"trainer{number}"
    output, ended, saved = run.folder / name, run.folder / f"{name}.json", run.folder / f"{name}-model"
    args = complete_args(run.job, {**run.job["args"], **stage["args"]}, run.method, output, run.reader)
    if ended.is_file():
        _take(run, json.loads(ended.read_text(encoding="utf-8")))
        return args
    rows, state = run.parts[number], find_state(output)
    if isinstance(rows, Sharded):
        args = _bounded(args, rows)
    with told_when_out_of_memory(run.method.name, args):
        with _needing_packages(run.method):
            trainer = _make_trainer(run, args, _as_dataset(run, args, rows, state), number)
        n_streamed = len(rows) if isinstance(rows, Sharded) else 0
        watch = Watch(run.emit, tokens_per_row(trainer.train_dataset), run.job["save_every_s"], run.steps, n_streamed)
        trainer.add_callback(watch)
        if n_streamed and state is not None:
            trainer.add_callback(DrawsGoOn(trainer, state))
        if run.heldout is not None:
            run.before = _measure_once(trainer, len(run.heldout), run.folder / "measured-before.json")
        with _needing_packages(run.method):
            _fit(trainer, run.method, state)
        if watch.fault is not None:
            raise _went_astray(run.method, watch.fault, find_state(output))
        if is_last and run.heldout is not None:
            run.after = _measure(trainer, len(run.heldout))
    _take(run, {"log": trainer.state.log_history, "steps": trainer.state.global_step})
    if is_last:
        card = render_card(run.job["card"], _metrics(run, None), _described(run.job, args))
        publish(trainer, run.reader.processor, run.job, run.method, lambda: run.load(quantized=False), card)
    else:
        save_trained(trainer, saved)
        if is_main():
            run.reader.processor.save_pretrained(saved)
            write_json(ended, {"log": trainer.state.log_history, "steps": trainer.state.global_step})
        trainer.accelerator.wait_for_everyone()  # the next stage loads what the first process wrote
    return args


@contextmanager
def _needing_packages(method: Method) -> Iterator[None]:
    """Tell a package that a value needs and that is not installed as the recipe's fault: the same command cannot help."""
    try:
        yield
    except ImportError as error:
        raise RecipeError(
            f"recipe key train.{method.name}", expected="values whose packages are installed where the training runs",
            received=" ".join(str(error).split())[:300],
            cure="install the package that this names there, or change the value that needs it; what was generated is kept",
        ) from error  # fmt: skip


def _bounded(args: dict[str, Any], rows: Sharded) -> dict[str, Any]:
    """Return the arguments with the number of steps, which nobody can tell from a stream; where it begins is our business."""
    steps = math.ceil(args.get("num_train_epochs", EPOCHS) * len(rows) / rows_a_step(args))
    return {"max_steps": steps, **args, "ignore_data_skip": True}


def _as_dataset(run: _Run, args: dict[str, Any], rows: Rows, state: Path | None) -> Any:
    """Return rows as a trainer reads them; streamed ones from where the state of a training that goes on has read them."""
    if not isinstance(rows, Sharded):
        return make_dataset(rows, run.method, run.form, Path(run.job["root"]))
    first = 0 if state is None else steps_of(state) * rows_a_step(args)
    shuffled = args.get("train_sampling_strategy") != "sequential"
    return rows.stream(seed=run.job["seed"], shuffled=shuffled, first=first, processes=world_size())


def _make_trainer(run: _Run, args: dict[str, Any], rows: Any, number: int) -> Any:
    peft = make_peft(run.job["peft"], run.method)
    model = _start(run, number)
    if number and peft is not None:
        peft = None  # the adapter of the stage before goes on
    check_targets(peft, model)
    kept = {k: v for k, v in args.items() if k != "model_init_kwargs"}
    if run.heldout is not None and kept.get("packing"):
        kept.setdefault("eval_packing", False)  # a block has no loss of its rows
    setup = Setup(
        kept, model, run.reader.processor, rows, run.heldout, peft, load_rewards(run.job["rewards"]), run.labels,
    )  # fmt: skip
    try:
        return run.method.make_trainer(setup)
    except (TypeError, ValueError) as error:
        raise _refused(run.method.name, error) from error
    except RuntimeError as error:
        if LOSS_KEY not in str(error):
            raise
        raise nothing_marked(error) from error


def _start(run: _Run, number: int) -> Any:
    """Return the model that a stage starts from; what its weights lack (a classifier's head) is drawn by the job's seed."""
    from transformers import set_seed

    set_seed(run.job["seed"])
    if number == 0:
        return run.load()
    saved = run.folder / ("trainer-model" if number == 1 else f"trainer{number - 1}-model")
    return run.load(adapter=saved) if run.job["peft"] is not None else run.load(str(saved))


def _fit(trainer: Any, method: Method, state: Path | None) -> None:
    """Train; a value that the optimizer or the schedule refuses before the first step is the recipe's fault."""
    try:
        trainer.train(resume_from_checkpoint=None if state is None else str(state))
    except (TypeError, ValueError) as error:
        if trainer.state.global_step:
            raise
        raise _refused(method.name, error) from error


def _refused(method: str, error: Exception) -> RecipeError:
    if _raised_in(error, "peft"):
        return RecipeError(
            "recipe key train.peft", expected="values that PEFT adapts this model with (LoraConfig)",
            received=str(error).split("\n")[0], cure="change the value under train.peft that this names; what was generated is kept",
        )  # fmt: skip
    return RecipeError(
        f"recipe key train.{method}",
        expected=f"values that TRL trains with ({find_method(method).config})",
        received=str(error).split("\n")[0],
        cure=f"change the value under train.{method} that this names; what was generated is kept",
    )


def _raised_in(error: Exception, package: str) -> bool:
    """Say whether it is a package's own code that raised an error."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__", "")).split(".")[0] == package


def _went_astray(method: Method, fault: str, state: Path | None) -> StageError:
    kept = f"the last good state is kept in {state}" if state is not None else "no state had been saved before"
    return StageError(
        f"training {method.name}", expected="a finite loss", received=f"{fault}; {kept}",
        cure=f"lower train.{method.name}.learning_rate, or set max_grad_norm; the champion is unchanged",
    )  # fmt: skip


def _measure(trainer: Any, n: int) -> Measured:
    args = trainer.args
    chosen, args.train_sampling_strategy = (
        args.train_sampling_strategy,
        "random",
    )  # or rows are measured by their length
    try:
        with _row_by_row(trainer) as losses:
            told = trainer.evaluate()
    finally:
        args.train_sampling_strategy = chosen
    figures = {k.removeprefix("eval_"): v for k, v in told.items() if isinstance(v, int | float)}
    if len(losses) >= n == len(trainer.eval_dataset) and all(map(math.isfinite, losses)):
        return Measured(figures | error_of("loss", losses[:n]), [{"value": value} for value in losses[:n]])
    return Measured(figures, list(getattr(trainer.compute_metrics, "items", ())))


@contextmanager
def _row_by_row(trainer: Any) -> Iterator[list[float]]:
    """Let each row be measured by itself where the method has no measure but the loss: note the loss of each, in order."""
    losses: list[float] = []
    if trainer.compute_metrics is not None:
        yield losses
        return
    args, predict = trainer.args, trainer.prediction_step
    size = args.per_device_eval_batch_size

    def note(*given: Any, **named: Any) -> Any:
        told = predict(*given, **named)
        if told[0] is not None:  # of each process one row, in the order of the rows
            losses.extend(trainer.accelerator.gather(told[0].detach().reshape(1)).tolist())
        return told

    args.per_device_eval_batch_size, trainer.prediction_step = 1, note
    try:
        yield losses
    finally:
        args.per_device_eval_batch_size = size
        del trainer.prediction_step


def _measure_once(trainer: Any, n: int, file: Path) -> Measured:
    """Measure what the job starts from; a training that goes on, or its next stage, finds it measured."""
    if file.is_file():
        return Measured(**json.loads(file.read_text(encoding="utf-8")))
    measured = _measure(trainer, n)
    if is_main():
        write_json(file, asdict(measured))
    trainer.accelerator.wait_for_everyone()
    return measured


def _take(run: _Run, told: dict[str, Any]) -> None:
    run.log += [{**entry, "step": run.steps + entry.get("step", 0)} for entry in told["log"]]
    run.steps += told["steps"]


def _metrics(run: _Run, wall_s: float | None) -> dict[str, Any]:
    from ._watch import mean_loss

    made: dict[str, Any] = {"train_loss": mean_loss(run.log), "steps": run.steps, "n_rows": len(run.rows)}
    made |= {} if wall_s is None else {"wall_s": wall_s}
    if run.after.figures:
        made |= {"before": run.before.figures, "after": run.after.figures, "heldout_n": len(run.heldout)}
    return made


def _described(job: dict[str, Any], args: dict[str, Any]) -> dict[str, Any]:
    """Return all that shaped the weights, for the record."""
    more = {k: job[k] for k in ("peft", "quantization", "curriculum", "curriculum_by", "labels") if job[k]}
    return {**{k: v for k, v in args.items() if k != "output_dir"}, **more}
