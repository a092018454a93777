"""The data card of ``flywheel data report``: what a project's rows are made of, as Markdown with plots.

Every figure is read from the store when the card is written; what a sample stands for (its share of rows, its limits) is
said beside it. Texts of rows are not repeated on the card, and personal data is counted, not shown.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...config import AffixConfig, DuplicateConfig
from ...errors import NotFoundError
from ...store import Project, run_query
from .._decontaminate import Decontaminator
from ._affixes import Affix, find_affixes
from ._conflicts import MOST_SHOWN, Conflict, find_conflicts, read_labels, say_labels, say_preferences
from ._diversity import Diversity, cluster_topics, embed_lexically, measure_diversity, name_topics
from ._duplicates import find_exact, find_near
from ._pii import count_kinds

CARD = "data-card.md"
PLOTS = "data-card"
TOPICS = 8
MOST_FOR_TOPICS = 20_000
_OWN = "NOT starts_with(step, 'calibration.') AND NOT starts_with(step, 'compare.') AND NOT starts_with(step, 'judge.')"
"""Steps of rows that are data, and not what judges were shown or said."""
_ROWS = {
    "trained": "sample_id IN (SELECT sample_id FROM snapshot_rows)",
    "accepted": "sample_id IN (SELECT sample_id FROM verdicts WHERE passed AND NOT starts_with(judge, 'recorded@')"
    " AND NOT contains(split_part(judge, '@', 1), '/'))"
    " AND sample_id NOT IN (SELECT sample_id FROM worse_samples) AND " + _OWN,
    "all": _OWN,
}
_SAMPLES = """
    SELECT s.sample_id, coalesce(s.prompt, r.messages, s.fields -> '$.prompt') AS prompt, s.completion, coalesce(r.model, 'unknown') AS model,
           coalesce(t.name, 'none') AS template, s.source, s.step,
           coalesce(CASE WHEN s.step = 'grpo/rows' THEN s.fields ->> '$.answer'
                         WHEN s.step = 'classify/rows' OR NOT ends_with(s.step, '/rows') THEN s.fields ->> '$.label' END,
                    nullif(p.answer, '')) AS label,
           CASE WHEN ends_with(s.step, '/rows') THEN s.source || ' row ' || (s.draw + 1) ELSE coalesce(s.source, s.sample_id) END AS place,
           coalesce(v.said, CASE WHEN s.step = 'kto/rows' THEN s.fields ->> '$.label' END) AS said
    FROM (SELECT DISTINCT ON (sample_id) * FROM samples WHERE {where} ORDER BY sample_id) s
    LEFT JOIN (SELECT DISTINCT ON (request_id) request_id, messages, model, template_id FROM requests) r USING (request_id)
    LEFT JOIN templates t ON t.template_id = r.template_id
    LEFT JOIN (SELECT DISTINCT ON (problem_id) problem_id, answer FROM problems) p ON p.problem_id = s.problem_id
    LEFT JOIN (SELECT sample_id, any_value(passed)::VARCHAR AS said FROM verdicts WHERE starts_with(judge, 'recorded@') GROUP BY sample_id) v
      ON v.sample_id = s.sample_id
    ORDER BY s.sample_id
"""
_PREFERENCES = """
    SELECT coalesce(c.prompt, r.messages)::VARCHAR, c.completion, j.completion, coalesce(c.source, p.pair_id)
    FROM (SELECT DISTINCT ON (pair_id) * FROM pairs) p
    JOIN samples c ON c.sample_id = p.chosen_sample_id JOIN samples j ON j.sample_id = p.rejected_sample_id
    LEFT JOIN (SELECT DISTINCT ON (request_id) request_id, messages FROM requests) r ON r.request_id = c.request_id
    UNION ALL
    SELECT coalesce(s.prompt, s.fields -> '$.prompt')::VARCHAR, s.fields ->> '$.chosen', s.fields ->> '$.rejected',
           s.source || ' row ' || (s.draw + 1)
    FROM (SELECT DISTINCT ON (sample_id) * FROM samples WHERE step IN ('dpo/rows', 'reward/rows')) s
    WHERE (s.fields ->> '$.chosen') IS NOT NULL AND (s.fields ->> '$.rejected') IS NOT NULL
    ORDER BY 4
"""


@dataclass(frozen=True)
class DataCard:
    """What the card says.

    Attributes:
        what: ``trained``, ``accepted`` or ``all``: which rows.
        lengths: words of each prompt and completion, int64.
        diversity: of the completions.
        exact: rows that equal another one, beyond the first of each.
        near: rows like another one by ``DuplicateConfig``'s near rule, beyond one of each.
        affixes: constant endings and beginnings of the completions.
        conflicts: what rows say of one input that cannot all be right; preferences are those of all pairs of the project.
        pii: rows by kind of personal data.
        origins: counts by model, template, step and source.
        topics: (share, commonest words) of the clusters of the completions; a sample of 20,000 rows at most.
        drops: step, reason, count; contamination is among them.
        searched: what the rows were searched for evaluation items with, or why they were not.
    """

    what: str
    n: int
    lengths: dict[str, Any]
    diversity: Diversity
    exact: int
    near: int
    affixes: list[Affix]
    conflicts: list[Conflict]
    pii: dict[str, int]
    origins: dict[str, list[tuple[str, int]]]
    topics: list[tuple[float, list[str]]]
    drops: list[tuple[str, str, int]]
    searched: "Searched"


@dataclass(frozen=True)
class Searched:
    """Evaluation items in the rows of a card: rows by (suite/split, places of the first), or why nothing was searched."""

    why_not: str | None
    n_items: int = 0
    found: tuple[tuple[str, int, str], ...] = ()


def read_card(
    project: Project,
    what: str | None = None,
    decontaminator: Decontaminator | None = None,
    why_not: str = "no suites were given",
) -> DataCard:
    """Read the figures; ``what`` None takes the rows that were trained on, else accepted ones, else all.

    Args:
        project: whose rows.
        what: which of them.
        decontaminator: knows the items that the rows are searched for; None = they are not, and ``why_not`` says why.
        why_not: for people.

    Raises:
        NotFoundError: there are no such rows.
    """
    for choice in (what,) if what else tuple(_ROWS):
        table = run_query(project, _SAMPLES.format(where=_ROWS[choice])).table
        if table.num_rows:
            return _measure(project, choice, table, decontaminator, why_not)
    raise NotFoundError(
        f"project {project.root}", expected="samples" if what is None else f"samples of --rows {what}", received="none",
        cure="flywheel import, flywheel generate or flywheel run; flywheel status shows what is there",
    )  # fmt: skip


def _measure(
    project: Project, what: str, table: Any, decontaminator: Decontaminator | None, why_not: str
) -> DataCard:  # fmt: skip
    completions = table.column("completion").to_pylist()
    prompts = [_prompt_text(p) for p in table.column("prompt").to_pylist()]
    both = [f"{p}\n{c}" for p, c in zip(prompts, completions, strict=True)]
    scores = [None] * len(both)
    same = find_exact(both, scores)
    gone = {d.row for d in same}
    rest = [t for i, t in enumerate(both) if i not in gone]
    rule = DuplicateConfig()
    near = find_near(rest, [None] * len(rest), rule.near, words=rule.near_words, same_numbers=rule.same_numbers)
    return DataCard(
        what=what,
        n=len(completions),
        lengths={
            name: np.array([len(t.split()) for t in texts])
            for name, texts in (("prompt", prompts), ("completion", completions))
        },
        diversity=measure_diversity(completions),
        exact=len(same),
        near=len(near),
        affixes=find_affixes(completions, AffixConfig()),
        conflicts=_find_conflicts(project, table, prompts, completions),
        pii=count_kinds(iter(both)),
        origins={
            name: Counter(table.column(name).to_pylist()).most_common(12)
            for name in ("model", "template", "step", "source")
        },
        topics=_topics(completions),
        drops=_read_drops(project),
        searched=_search(both, table.column("place").to_pylist(), decontaminator, why_not),
    )


def _search(texts: list[str], places: list[str], decontaminator: Decontaminator | None, why_not: str) -> Searched:
    if decontaminator is None:
        return Searched(why_not)
    found: dict[str, list[str]] = {}
    for place, match in zip(places, decontaminator.find_all(texts), strict=True):
        if match is not None:
            found.setdefault(f"{match.suite}/{match.split}", []).append(place)
    rows = tuple((name, len(at), ", ".join(at[:MOST_SHOWN])) for name, at in sorted(found.items()))
    return Searched(None, decontaminator.n_items, rows)


def _prompt_text(messages: str | None) -> str:
    import json

    parts = json.loads(messages) if messages else []
    if not isinstance(parts, list):
        return str(parts)
    return "\n".join(str(m.get("content") or "") for m in parts if isinstance(m, dict))


def _find_conflicts(project: Project, table: Any, prompts: list[str], completions: list[str]) -> list[Conflict]:
    places, given = table.column("place").to_pylist(), table.column("label").to_pylist()
    recorded = table.column("said").to_pylist()
    judged = [f"{p}\n{c}" for p, c in zip(prompts, completions, strict=True)]
    pairs = ((_prompt_text(p), a, b, place) for p, a, b, place in run_query(project, _PREFERENCES).rows)
    return find_conflicts(
        say_labels(prompts, read_labels(prompts, completions, given), places), say_labels(judged, recorded, places),
        say_preferences(pairs),
    )  # fmt: skip


def _topics(texts: list[str]) -> list[tuple[float, list[str]]]:
    sample = texts[:: max(1, -(-len(texts) // MOST_FOR_TOPICS))]
    topics = cluster_topics(embed_lexically(sample), TOPICS)
    shares = np.bincount(topics) / len(topics)
    named = name_topics(sample, topics)
    return sorted(zip(shares.tolist(), named, strict=True), reverse=True)


def _read_drops(project: Project) -> list[tuple[str, str, int]]:
    sql = "SELECT step, reason, sum(dropped)::BIGINT AS n FROM drop_reasons GROUP BY ALL ORDER BY step, n DESC, reason"
    return [(str(s), str(r), int(n)) for s, r, n in run_query(project, sql).rows]


def write_card(root: Path, card: DataCard) -> Path:
    """Write ``data-card.md`` and ``data-card/*.png|svg`` into a folder; return the card's path."""
    folder = root / PLOTS
    folder.mkdir(parents=True, exist_ok=True)
    _plot_lengths(card, folder / "lengths")
    _plot_bars([(f"{s}: {r}", n) for s, r, n in card.drops], "rows dropped", folder / "drops")
    path = root / CARD
    path.write_text(render_card(card), encoding="utf-8")
    return path


def render_card(card: DataCard) -> str:
    """Return the card as Markdown."""
    d = card.diversity
    parts = [
        "# Data card",
        f"Rows: {card.n} ({card.what}). Words: {int(card.lengths['completion'].sum())} in completions, "
        f"{int(card.lengths['prompt'].sum())} in prompts.",
        "## Where rows come from",
        *(_table([name, "rows"], [[value, n] for value, n in rows]) for name, rows in card.origins.items()),
        "## Length in words",
        _table(["", "min", "5 %", "median", "95 %", "max"], [_length_row(n, a) for n, a in card.lengths.items()]),
        f"![Lengths]({PLOTS}/lengths.png)",
        "## Diversity of completions",
        _table([f"distinct-{n}" for n in d.distinct], [[f"{v:.3f}" for v in d.distinct.values()]]),
        f"Rows that share a 4-gram of words with another row: {_percent(d.self_repetition)}.",
        "Topics (k-means over hashed TF-IDF vectors; the words that set each apart):",
        _table(["share", "words"], [[_percent(share), ", ".join(words)] for share, words in card.topics]),
        "## Duplicates",
        _table(
            ["kind", "rows beyond one of each", "share"],
            [[name, n, _percent(n / card.n)] for name, n in (("exact", card.exact), ("near", card.near))],
        ),
        "## Constant endings and beginnings of completions",
        _table(["side", "text", "rows", "share"], [[a.side, f"`{_cell(a.text)}`", a.count, _percent(a.share)] for a in card.affixes])
        if card.affixes
        else "None.",
        "## Conflicting labels",
        _table(
            ["kind", "inputs", "rows", "where (the first)"],
            [[c.kind, c.inputs, c.rows, ", ".join(c.places)] for c in card.conflicts],
        )
        if card.conflicts
        else "None found.",
        "## Personal data and secrets",
        _table(["kind", "rows"], [[k, n] for k, n in sorted(card.pii.items())]) if card.pii else "None found.",
        "## Evaluation items",
        *_say_items(card),
        "## Dropped, by step and reason",
        *(
            [_table(["step", "reason", "rows"], [list(x) for x in card.drops]), f"![Drops]({PLOTS}/drops.png)"]
            if card.drops
            else ["Nothing was dropped."]
        ),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _say_items(card: DataCard) -> list[str]:
    """Return what was searched in the card's rows, what was found, and what earlier steps dropped."""
    s = card.searched
    if s.why_not is not None:
        said = [f"These rows were not searched: {s.why_not}."]
    elif not s.found:
        said = [f"None found: {card.n} rows were searched for evaluation items ({s.n_items} known)."]
    else:
        said = [
            f"{card.n} rows were searched for evaluation items ({s.n_items} known):",
            _table(["suite/split", "rows that hold an item", "where (the first)"], [list(f) for f in s.found]),
        ]
    dropped = [list(x) for x in card.drops if x[1].startswith("contaminated")]
    return [*said, "Dropped for holding one:", _table(["step", "reason", "rows"], dropped)] if dropped else said


def _length_row(name: str, words: Any) -> list[Any]:
    return [name, *(int(v) for v in np.quantile(words, (0, 0.05, 0.5, 0.95, 1)))]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _cell(text: Any) -> str:
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", "⏎")


def _table(columns: list[str], rows: list[list[Any]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(_cell(c) for c in row) + " |" for row in rows])


def _figure(height: float = 4.0) -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    return Figure(figsize=(7.5, height), layout="constrained")


def _save(figure: Any, stem: Path) -> None:
    figure.savefig(stem.with_suffix(".png"), dpi=150)
    figure.savefig(stem.with_suffix(".svg"))


def _plot_lengths(card: DataCard, stem: Path) -> None:
    figure = _figure()
    axes = figure.add_subplot()
    longest = max(1, *(int(np.quantile(a, 0.99)) for a in card.lengths.values()))
    for name, words in card.lengths.items():
        axes.hist(np.minimum(words, longest), bins=min(40, longest + 1), range=(0, longest + 1), alpha=0.6, label=name)
    axes.set_xlabel("words (the longest 1 % in the last bar)")
    axes.set_ylabel("rows")
    axes.legend()
    _save(figure, stem)


def _plot_bars(counts: list[tuple[str, int]], label: str, stem: Path) -> None:
    shown = sorted(counts, key=lambda c: c[1])[-20:]
    figure = _figure(max(2.0, 0.3 * len(shown) + 1))
    axes = figure.add_subplot()
    axes.barh([name.replace("$", r"\$") for name, _ in shown], [n for _, n in shown])
    axes.set_xlabel(label)
    _save(figure, stem)
