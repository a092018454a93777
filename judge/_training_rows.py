"""The rows that a training stage may read, from the store: accepted samples, pairs, and what was trained on before."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..llm import is_stored_image
from ..schema import PROJECT_RUN, image_urls, mark_image
from ..store import Spooled, Store
from ._tokens import Array
from .curate import CurateRow

SOLVED = "solve"
"""The step of the draws that the verifier judges."""
ABOVE = 2.0
"""Score of a row of an imported set: above any that a judge gives, so that it stays where a made row says the same, and is selected first."""
LATER_STEP = 1e-6
"""What a row's score is lowered by for each step that the recipe names before its own: of equally good rows that say the same, that of the step
named first stays. Less than any two verdicts differ by.
"""
CONFLICT = "conflicting labels"
"""Stands for a judge where the problem set gives one question several answers."""


class TrainingRow(NamedTuple):
    """A row that may be trained on; messages are JSON, in TRL's shape.

    Attributes:
        row_id: id of the sample, or of the pair.
        sample_id: of the completion, or of the chosen one.
        prompt: messages.
        completion: messages; the chosen one's.
        rejected: messages; None for a sample.
        text: of the completion.
        rejected_text: of the rejected one.
        label: the known answer.
        score: mean of the judges' scores; of a pair, its margin.
        pass_rate: share of the draws of its problem that passed.
        failed_by: the judge that a sample did not pass, or :data:`CONFLICT`, ``@`` and the answers that its question has; or None.
        is_in_model: of an earlier iteration's row: whether the model at hand was trained on it.
        tools: definitions of the tools that may be called, as JSON; None without any.
    """

    row_id: str
    sample_id: str
    prompt: str
    completion: str
    rejected: str | None
    text: str
    rejected_text: str
    label: str | None
    score: float | None
    pass_rate: float | None
    failed_by: str | None
    is_in_model: bool
    tools: str | None = None

    @property
    def why_failed(self) -> tuple[str, str]:
        """Reason and evidence of ``failed_by``."""
        name, _, rest = (self.failed_by or "").partition("@")
        return (CONFLICT, rest) if name == CONFLICT else (f"failed by {name}", str(self.failed_by))

    @property
    def member(self) -> tuple[str, str | None]:
        """Ids of its sample and of its pair, if it is one: how it stands in a snapshot."""
        return self.sample_id, None if self.rejected is None else self.row_id

    @property
    def prompt_text(self) -> str:
        """The prompt as one text."""
        return text_of_messages(self.prompt)

    @property
    def full_text(self) -> str:
        """All texts of the row as one; an image by its mark, on a line of its own."""
        return "\n".join(t for t in (self.prompt_text, *self._marks, self.text, self.rejected_text) if t)

    @property
    def _marks(self) -> list[str]:
        """What stands for the images of the prompt: rows with others are not alike."""
        return [mark_image(url) for url in image_urls(json.loads(self.prompt))] if "image_url" in self.prompt else []

    @property
    def texts(self) -> tuple[str, str, str]:
        """Prompt, completion and rejected."""
        return self.prompt_text, self.text, self.rejected_text

    def as_trl(self) -> str:
        """Return the row as a line of JSON with TRL's columns."""
        names = ("completion",) if self.rejected is None else ("chosen", "rejected")
        said = [self.prompt, self.completion, *([] if self.rejected is None else [self.rejected])]
        columns = {n: json.loads(c) for n, c in zip(("prompt", *names), said, strict=True)}
        columns["prompt"], images = take_images(columns["prompt"])
        columns |= {"images": images} if images else {}
        columns |= {"tools": json.loads(self.tools)} if self.tools else {}
        return json.dumps(columns, ensure_ascii=False)

    def as_curated(self) -> CurateRow:
        """Return what curation looks at."""
        return CurateRow(
            self.row_id,
            "\n".join((self.prompt_text, *self._marks)),
            self.text,
            self.label,
            self.score,
            self.pass_rate,
            self.rejected_text,
        )


def text_of_messages(messages: str) -> str:
    """Return the contents of messages (JSON) as one text."""
    return "\n".join(_text_of(m.get("content")) for m in json.loads(messages))


def _text_of(content: Any) -> str:
    if not isinstance(content, list):
        return str(content or "")
    return "\n".join(str(part["text"]) for part in content if isinstance(part, dict) and part.get("text"))


def take_images(messages: Any) -> tuple[Any, list[str]]:
    """Return messages with a place where a stored image stood, as TRL has it, and the images' files, in the project."""
    images: list[str] = []

    def take(part: Any) -> Any:
        url = (part.get("image_url") or {}).get("url") if isinstance(part, dict) else None
        if not isinstance(url, str) or not is_stored_image(url):
            return part
        images.append(url)
        return {"type": "image"}

    if not isinstance(messages, list) or all(not isinstance(m.get("content"), list) for m in messages):
        return messages, images
    taken = [{**m, "content": [take(p) for p in c] if isinstance(c := m.get("content"), list) else c} for m in messages]
    return taken, images


def read_accepted(
    store: Store, run_id: str, iteration: int, verifier: str, judges: Sequence[str], must: Sequence[str], *, conflicts: bool = True,
    steps: Sequence[str] = (SOLVED,), shown: Sequence[str] = (), imported: Sequence[str] = (),
) -> Spooled:  # fmt: skip
    """Return the iteration's completions of problems that the verifier passed, by problem, those of people first, and draw; and the
    samples of other steps, but for those that are the worse of two.

    Args:
        verifier: what its verdicts are filed under.
        judges: names of the judges of these samples: their scores count.
        must: those of them that a sample has to pass.
        conflicts: say so of those whose question the run's problem set answers in several ways.
        steps: whose samples; of ``solve`` the verifier has to pass them.
        shown: columns of the problems that the prompt shows besides the question: one question with other sources is another one.
        imported: names of sets whose completions come beside them, with a score above any judge's.
    """
    wanted = [run_id, iteration, verifier, list(judges), list(must), conflicts, list(steps), list(imported)]
    return store.spool(_show(_ACCEPTED, shown), wanted)


def read_earlier(store: Store, run_id: str, iteration: int, stage: str, parent_id: str, verifier: str) -> Spooled:
    """Return the rows of earlier iterations' snapshots of a stage, each once; whether the parent was trained on them."""
    sql = _EARLIER.replace("{columns}", _SAMPLE_COLUMNS if stage == "sft" else _PAIR_COLUMNS)
    sql = sql.replace("{wanted}", _NOT_REJECTED if stage == "sft" else _NOT_UPSET)
    return store.spool(
        sql.replace("{rows}", _SAMPLES if stage == "sft" else _PAIRS), [run_id, iteration, stage, parent_id, verifier]
    )


def read_pairs(
    store: Store, run_id: str, iteration: int, verifier: str, *, conflicts: bool = True, shown: Sequence[str] = ()
) -> Spooled:
    """Return the pairs that the iteration's pairing chose, by id; ``conflicts`` and ``shown`` as of :func:`read_accepted`."""
    return store.spool(_show(_CHOSEN_PAIRS, shown), [run_id, iteration, verifier, conflicts])


def _show(sql: str, shown: Sequence[str]) -> str:
    """Return SQL that tells questions apart by the columns that stand in the prompt with them."""
    places = ["'$.\"" + name.replace("'", "''") + "\"'" for name in shown]
    return sql.replace(
        "{shown}", "".join(f" || coalesce((p.fields::JSON -> {place})::VARCHAR, '')" for place in places)
    )


def rows_of(spooled: Spooled, places: Sequence[int] | Array | None = None) -> Any:
    """Yield spooled rows as :class:`TrainingRow`, those of ``places`` in their order or all."""
    return map(TrainingRow._make, spooled.rows() if places is None else spooled.take(places))


def _spoken(sample: str) -> str:
    """Return SQL for the messages of a completion: imported ones may be more than a text, and so are those that call tools."""
    return f"""CASE WHEN starts_with({sample}.parser, 'import-') AND ({sample}.fields -> '$.message') IS NOT NULL
        THEN json_array({sample}.fields -> '$.message')
        ELSE coalesce(CASE WHEN starts_with({sample}.parser, 'import-') THEN {sample}.fields -> '$.turns'
                           ELSE {sample}.fields -> '$.completion_messages' END,
                      json_array(json_object('role', 'assistant', 'content', {sample}.completion))) END::VARCHAR"""


_TOOLS = """CASE WHEN json_type(s.fields, '$.tools') = 'ARRAY' AND json_array_length(s.fields, '$.tools') > 0
    THEN (s.fields -> '$.tools')::VARCHAR END AS tools"""


_RATES = """
    SELECT s.run_id, s.iteration, s.step, s.problem_id, avg(v.passed::INT)::DOUBLE AS pass_rate
    FROM samples s JOIN verdicts v USING (sample_id)
    WHERE s.run_id = {run} AND v.judge = {verifier} AND v.passed IS NOT NULL GROUP BY ALL"""
_PROBLEMS = "SELECT DISTINCT ON (problem_id) problem_id, answer, question, fields FROM problems"
_ASKED = r"""(regexp_replace(lower(trim(p.question)), '\s+', ' ', 'g') || coalesce((p.fields -> '$.question_images')::VARCHAR, ''){shown})"""
"""What is asked: the question, with the images that it is about and the columns that the prompt shows with it."""


def _clash(wanted: str) -> str:
    """Return SQL for what the run's problem set is asked and answers in several ways, and the answers."""
    return f"""
        SELECT {_ASKED} AS asked, string_agg(DISTINCT trim(p.answer), ' | ' ORDER BY trim(p.answer)) AS said
        FROM runs u JOIN problem_sets x ON x.problem_set_id = u.problem_set_id JOIN problems p ON p.problem_id = x.problem_id
        WHERE u.run_id = $1 AND {wanted} AND p.answer <> '' GROUP BY asked HAVING count(DISTINCT trim(p.answer)) > 1"""


_SAMPLE_COLUMNS = f"""s.sample_id AS row_id, s.sample_id, coalesce(s.prompt, r.messages)::VARCHAR AS prompt,
    {_spoken("s")} AS completion, NULL::VARCHAR AS rejected, s.completion AS text, '' AS rejected_text, nullif(p.answer, '') AS label"""
_PAIR_COLUMNS = f"""x.pair_id AS row_id, s.sample_id, coalesce(s.prompt, r.messages)::VARCHAR AS prompt,
    {_spoken("s")} AS completion, {_spoken("j")} AS rejected, s.completion AS text, j.completion AS rejected_text,
    nullif(p.answer, '') AS label"""
_SAMPLES = "JOIN samples s ON s.sample_id = x.sample_id"
_PAIRS = "JOIN samples s ON s.sample_id = x.chosen_sample_id JOIN samples j ON j.sample_id = x.rejected_sample_id"

_BY_PEOPLE = """(h.passed AND h.is_own AND s.problem_id IS NOT NULL AND s.step IN ('solve', 'people') AND s.iteration <= $2
        AND s.sample_id NOT IN (SELECT w.sample_id FROM snapshots n JOIN snapshot_rows w USING (snapshot_id)
                                WHERE n.run_id = $1 AND n.stage = 'sft' AND n.iteration < $2))"""
"""What a person accepted or edited since, in this iteration or after an earlier one's snapshot was frozen."""
_EDITED = """(s.problem_id IS NULL AND s.step = 'people' AND s.iteration <= $2
        AND s.sample_id IN (SELECT sample_id FROM people_verdicts WHERE passed)
        AND s.input_id IN (SELECT o.sample_id FROM samples o WHERE o.run_id = $1 AND o.step IN (SELECT unnest($7::VARCHAR[])))
        AND s.sample_id NOT IN (SELECT w.sample_id FROM snapshots n JOIN snapshot_rows w USING (snapshot_id)
                                WHERE n.run_id = $1 AND n.stage = 'sft' AND n.iteration < $2))"""
"""What a person wrote in the place of a step's sample that is no completion of a problem, likewise."""
WORD = """
    SELECT s.sample_id, arg_max(d.passed, (s.sample_id = d.sample_id, d.created_at)) AS passed,
           bool_or(s.sample_id = d.sample_id) AS is_own
    FROM (SELECT h.sample_id, h.passed, h.created_at, x.run_id, x.problem_id, x.completion
          FROM people_verdicts h JOIN samples x USING (sample_id) WHERE x.problem_id IS NOT NULL) d
    JOIN samples s ON s.run_id = d.run_id AND s.problem_id = d.problem_id AND s.completion = d.completion
    GROUP BY s.sample_id"""
"""SQL for a person's last word on a completion of a problem, or on the same text drawn for it at another time."""
_NOT_REJECTED = f"""s.sample_id NOT IN (SELECT sample_id FROM people_verdicts WHERE NOT passed)
        AND s.sample_id NOT IN (SELECT sample_id FROM ({WORD}) WHERE NOT passed)"""
_NOT_UPSET = f"""{_NOT_REJECTED} AND j.sample_id NOT IN (SELECT sample_id FROM people_verdicts WHERE passed)"""
"""Neither the chosen one rejected nor the rejected one accepted by a person."""

_BESIDE = f"""(s.run_id = '{PROJECT_RUN}' AND s.step = 'import' AND r.model IN (SELECT unnest($8::VARCHAR[]))
        AND s.sample_id NOT IN (SELECT sample_id FROM outdated_samples))"""
"""A completion of an imported set that is trained on beside what was made."""

_ACCEPTED = f"""
    WITH judged AS (
        SELECT sample_id, avg(score) AS score,
               min(judge) FILTER (NOT passed AND split_part(judge, '@', 1) IN (SELECT unnest($5::VARCHAR[]))) AS failed_by
        FROM verdicts WHERE split_part(judge, '@', 1) IN (SELECT unnest($4::VARCHAR[])) GROUP BY sample_id
    ), rates AS ({_RATES.format(run="$1", verifier="$3")}),
    clash AS ({_clash("$6")}),
    word AS ({WORD})
    SELECT {_SAMPLE_COLUMNS}, CASE WHEN s.step = 'import' THEN {ABOVE} ELSE g.score - {LATER_STEP} * coalesce(list_position($7, s.step) - 1, 0) END,
           t.pass_rate, coalesce('{CONFLICT}@' || k.said, CASE WHEN h.passed IS NOT TRUE THEN g.failed_by END), FALSE, {_TOOLS}
    FROM samples s JOIN requests r USING (request_id)
    LEFT JOIN word h ON h.sample_id = s.sample_id
    LEFT JOIN ({_PROBLEMS}) p ON p.problem_id = s.problem_id
    LEFT JOIN clash k ON k.asked = {_ASKED}
    LEFT JOIN judged g ON g.sample_id = s.sample_id
    LEFT JOIN rates t ON t.iteration = s.iteration AND t.step = s.step AND t.problem_id = s.problem_id
    WHERE ({_BESIDE}
           OR s.run_id = $1 AND ((s.iteration = $2 AND s.step IN (SELECT unnest($7::VARCHAR[]))) OR {_BY_PEOPLE} OR {_EDITED}))
      AND s.sample_id NOT IN (SELECT sample_id FROM people_verdicts WHERE NOT passed)
      AND coalesce(h.passed, s.step NOT IN ('{SOLVED}', 'people') OR s.problem_id IS NULL
          OR EXISTS (SELECT 1 FROM verdicts v WHERE v.sample_id = s.sample_id AND v.passed AND v.judge = $3))
      AND (s.step = '{SOLVED}' OR s.sample_id NOT IN (SELECT sample_id FROM worse_samples))
    ORDER BY s.problem_id, h.is_own IS NOT TRUE, s.draw, s.sample_id
"""

_EARLIER = f"""
    WITH RECURSIVE line AS (
        SELECT parent_id, snapshot_id FROM checkpoints WHERE checkpoint_id = $4
        UNION
        SELECT c.parent_id, c.snapshot_id FROM checkpoints c JOIN line ON c.checkpoint_id = line.parent_id
    ), rates AS ({_RATES.format(run="$1", verifier="$5")}),
    frozen AS (
        SELECT w.sample_id, w.pair_id, d.chosen_sample_id, d.rejected_sample_id,
               bool_or(n.snapshot_id IN (SELECT snapshot_id FROM line WHERE snapshot_id IS NOT NULL)) AS is_in_model
        FROM snapshots n JOIN snapshot_rows w USING (snapshot_id) LEFT JOIN pairs d ON d.pair_id = w.pair_id
        WHERE n.run_id = $1 AND n.iteration < $2 AND n.stage = $3 GROUP BY ALL
    )
    SELECT {{columns}}, NULL::DOUBLE, t.pass_rate, NULL::VARCHAR, x.is_in_model, {_TOOLS}
    FROM frozen x {{rows}} JOIN requests r ON r.request_id = s.request_id
    LEFT JOIN ({_PROBLEMS}) p ON p.problem_id = s.problem_id
    LEFT JOIN rates t ON t.iteration = s.iteration AND t.step = s.step AND t.problem_id = s.problem_id
    WHERE {{wanted}}
    ORDER BY row_id
"""

_CHOSEN_PAIRS = f"""
    WITH rates AS ({_RATES.format(run="$1", verifier="$3")}), clash AS ({_clash("$4")})
    SELECT {_PAIR_COLUMNS}, x.margin, t.pass_rate,
           coalesce('{CONFLICT}@' || k.said, CASE WHEN NOT hc.passed THEN hc.judge WHEN hj.passed THEN hj.judge END), FALSE, {_TOOLS}
    FROM plans n JOIN (SELECT DISTINCT ON (pair_id) * FROM pairs) x ON x.pair_id = n.input_id {_PAIRS}
    JOIN requests r ON r.request_id = s.request_id
    LEFT JOIN ({_PROBLEMS}) p ON p.problem_id = s.problem_id
    LEFT JOIN clash k ON k.asked = {_ASKED}
    LEFT JOIN rates t ON t.iteration = s.iteration AND t.step = s.step AND t.problem_id = s.problem_id
    LEFT JOIN people_verdicts hc ON hc.sample_id = s.sample_id LEFT JOIN people_verdicts hj ON hj.sample_id = j.sample_id
    WHERE n.run_id = $1 AND n.iteration = $2 AND n.step = 'pair/items'
      AND NOT EXISTS (SELECT 1 FROM drops d WHERE d.run_id = n.run_id AND d.iteration = n.iteration AND d.step = n.step
                      AND d.input_id = n.input_id)
    ORDER BY row_id
"""
