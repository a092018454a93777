"""Existing solutions as rows of the run: verified and paired like its own."""

from pathlib import Path

from ..config import PairKind, Recipe, VerifierConfig
from ..gen import Step, import_solutions
from ..judge import Scope, make_grader, make_pairs, verify_samples
from ..prompts import load_template
from ..schema import hash_files
from ..store import Store
from ._report_to import Reporter
from ._words import count

MARKERS = ("####", "A:", "boxed", "the answer is")
"""Where the solutions' final answers stand."""


def import_file(store: Store, recipe: Recipe, reporter: Reporter, path: Path, step: Step, *, seed: int) -> None:
    """Bring a file of solutions in; those that are there already are not doubled."""
    run_id, iteration = step.run_id, step.iteration
    template = load_template(recipe.solve.template, store.project.root)
    reporter.begin(f"import {path.name}", unit="solutions")
    counts = import_solutions(store, path, step, template)
    grader = make_grader(VerifierConfig(options={"markers": list(MARKERS)}), store.project.root)
    verify_samples(store, run_id, iteration, step.name, grader)
    store.fix_plan(run_id, iteration, step.name, [(hash_files([path]), counts.inputs)], grow=True)
    pairs = recipe.pairs.model_copy(update={"kinds": (PairKind(kind="correct/incorrect"),)})
    n_pairs = make_pairs(store, Scope(run_id, iteration, (step.name,)), pairs, verifier=grader.judge, seed=seed)
    reporter.end(
        f"{count(counts.problems, 'problem')}, {count(counts.samples, 'new sample')}, {count(n_pairs, 'pair')}, "
        f"{count(len(counts.faults), 'bad line')}"
    )
