"""Time every question of ``flywheel sql --ask`` on a store of N samples, made by SQL from a seed.

``python bench/sql_questions.py --samples 10_000_000 [--folder DIR]``: the store has four samples a request, a verdict for each
sample and a second judge's for each tenth, drops, plans, pairs, chunks of documents, snapshots, checkpoints, and scores with
their items, in the proportions of the demo. Prompts have 200 characters and completions 20 to 130, of hexadecimal
digits: they compress less than prose.
"""

import argparse
import resource
import shutil
import tempfile
import time
from pathlib import Path

from flywheel.store import Limits, Project, Store, ask, list_questions

ITERATIONS = 10
DRAWS = 4

FILL = """
SELECT setseed({seed});
SET preserve_insertion_order = true;
INSERT INTO runs SELECT 'run_bench', 'bench', 0, 'seed', 'ckpt_0', '{{"problems": {{"source": "problems.jsonl"}}}}', '{{}}',
    TIMESTAMP '2026-01-01', 'set_bench', '{{}}';
INSERT INTO templates SELECT 'tpl_' || i, 'template-' || i, 'bench', 'Answer: {{{{question}}}}' FROM range(8) t(i);
INSERT INTO iterations SELECT 'run_bench', i, 'ckpt_' || (i - 1), 'ckpt_' || i, TIMESTAMP '2026-01-01' + to_hours(i::INT),
    TIMESTAMP '2026-01-01' + to_hours(i::INT + 1) FROM range(1, {iterations} + 1) t(i);
INSERT INTO problems SELECT 'prb_' || md5(i::VARCHAR)[:24], 'problems.jsonl', i,
    'Question ' || i || ': ' || repeat('how many are there of them? ', 4), (hash(i) % 100)::VARCHAR, NULL, NULL
    FROM range({problems}) t(i);
INSERT INTO problem_sets SELECT 'set_bench', source_ordinal, problem_id FROM problems;
INSERT INTO documents SELECT 'doc_' || md5(i::VARCHAR)[:24], 'documents/' || i || '.md', 1, 'markdown', 'Document ' || i, NULL,
    md5(i::VARCHAR), 20000, 10, '{{}}', TIMESTAMP '2026-01-01' FROM range({documents}) t(i);
INSERT INTO chunks SELECT 'chk_' || md5(i::VARCHAR)[:24], 'documents/' || (i // 10) || '.md', repeat(md5(i::VARCHAR) || ' ', 30), '', 250, NULL,
    TIMESTAMP '2026-01-01' FROM range({documents} * 10) t(i);
INSERT INTO document_chunks SELECT 'doc_' || md5((i // 10)::VARCHAR)[:24], i % 10, 'chk_' || md5(i::VARCHAR)[:24], (i % 10) * 2000,
    (i % 10 + 1) * 2000, NULL, NULL, NULL, NULL FROM range({documents} * 10) t(i);
-- a tenth of the requests is about chunks, the rest about problems
CREATE TEMP TABLE asked AS
SELECT i, 'req_' || md5(i::VARCHAR)[:24] AS request_id, 1 + i * {iterations} // {requests} AS iteration,
    CASE WHEN i % 10 = 0 THEN 'questions' WHEN i % 2 = 0 THEN 'on-policy' ELSE 'solve' END AS step,
    CASE WHEN i % 10 = 0 THEN 'chk_' || md5((hash(i) % ({documents} * 9))::VARCHAR)[:24]
         ELSE 'prb_' || md5((hash(i) % {problems})::VARCHAR)[:24] END AS input_id,
    TIMESTAMP '2026-01-01' + to_milliseconds(i) AS asked_at
FROM range({requests}) t(i);
INSERT INTO requests SELECT request_id, 'run_bench', iteration, step, input_id, 'tpl_' || (i % 8), 'openai', 'model-' || (i % 3),
    CASE WHEN step <> 'questions' THEN 'ckpt_' || (iteration - 1) END,
    '[{{"role": "user", "content": "' || concat_ws(' ', md5(i || 'a'), md5(i || 'b'), md5(i || 'c'), md5(i || 'd'), md5(i || 'e')) || '"}}]', '{{"temperature": 1.0}}', {draws}, '["' || concat_ws('", "', md5(i || 'w'), md5(i || 'x'), md5(i || 'y'), md5(i || 'z')) || '"]',
    1, 60, 120, random() * 3, asked_at, asked_at + INTERVAL 2 SECOND, NULL, NULL FROM asked;
-- texts repeat: a tenth of the completions is one of few
INSERT INTO samples
SELECT 'smp_' || md5((i * {draws} + d)::VARCHAR)[:24], request_id, d, 'run_bench', iteration, step,
    CASE WHEN step <> 'questions' THEN input_id END,
    CASE WHEN random() < 0.1 THEN 'The answer is ' || (i % 50) ELSE left(concat_ws(' ', md5(i || '/' || d), md5(i || 'a' || d), md5(i || 'b' || d), md5(i || 'c' || d)), 20 + (random() * 110)::INT) END,
    'stop', NULL, 'openai', asked_at, input_id, d, NULL, NULL, CASE WHEN step = 'questions' THEN 'backtranslate@1' END
FROM asked, range({draws}) u(d);
INSERT INTO verdicts
SELECT 'vrd_' || md5(sample_id)[:24], sample_id, 'math@4', passed, passed::INT, CASE WHEN passed THEN 'right' ELSE 'wrong answer' END, '42', created_at
FROM (SELECT sample_id, random() < 0.6 AS passed, created_at FROM samples WHERE problem_id IS NOT NULL);
INSERT INTO verdicts
SELECT 'vrd_' || md5(sample_id || 'q')[:24], sample_id, 'quality@1a2b3c4d', passed <> (random() < 0.15), random(), 'judged', NULL, created_at
FROM verdicts WHERE hash(sample_id) % 10 = 0;
INSERT INTO verdicts
SELECT 'vrd_' || md5(sample_id || 'h')[:24], sample_id, 'human:ada', random() < 0.5, NULL, 'accepted', NULL, created_at + INTERVAL 1 DAY
FROM samples WHERE hash(sample_id) % 1000 = 3;
INSERT INTO plans SELECT 'run_bench', iteration, step, row_number() OVER (PARTITION BY iteration, step ORDER BY i) - 1, input_id, {draws} FROM asked;
INSERT INTO drops
SELECT 'drop_' || md5(sample_id)[:24], run_id, iteration, CASE WHEN step = 'questions' THEN 'questions/items' ELSE 'sft/curate' END,
    (['exact duplicate', 'near duplicate', 'refusal', 'repetition'])[1 + (hash(sample_id) // 8 % 4)::INT], sample_id, NULL, completion, 1, created_at, 'similarity 1.00'
FROM samples WHERE hash(sample_id) % 8 = 0;
INSERT INTO drops SELECT 'drop_' || md5(i::VARCHAR)[:20], 'run_bench', 1, 'questions', 'no JSON', 'chk_' || md5(i::VARCHAR)[:24], NULL, 'reply', 1,
    TIMESTAMP '2026-01-01', NULL FROM range({documents} * 9, {documents} * 10) t(i);
INSERT INTO pairs (pair_id, run_id, iteration, problem_id, chosen_sample_id, rejected_sample_id, kind, created_at, prompt_id, judge, margin)
SELECT 'pair_' || md5(request_id)[:24], 'run_bench', iteration, input_id, 'smp_' || md5((i * {draws})::VARCHAR)[:24],
    'smp_' || md5((i * {draws} + 1)::VARCHAR)[:24], 'correct/incorrect', asked_at, 'prompt_' || i, 'math@4', 1.0
FROM asked WHERE step = 'on-policy' AND i % 3 = 0;
INSERT INTO plans SELECT 'run_bench', iteration, 'pair/items', row_number() OVER (PARTITION BY iteration ORDER BY pair_id) - 1, pair_id, 1 FROM pairs;
INSERT INTO checkpoints SELECT 'ckpt_' || i, 'run_bench', i, CASE WHEN i = 0 THEN 'seed' ELSE 'sft' END,
    CASE WHEN i > 0 THEN 'ckpt_' || (i - 1) END, CASE WHEN i > 0 THEN 'snap_' || i END, 'c', '{{}}', '{{}}', TIMESTAMP '2026-01-01' + to_hours(i::INT)
    FROM range({iterations} + 1) t(i);
INSERT INTO snapshot_rows SELECT 'snap_' || iteration, row_number() OVER (PARTITION BY iteration ORDER BY sample_id) - 1, sample_id, NULL
    FROM samples WHERE hash(sample_id) % 5 = 0;
INSERT INTO snapshots SELECT snapshot_id, 'run_bench', split_part(snapshot_id, '_', 2)::INT, 'sft', count(*), 'trl/prompt-completion', 's',
    TIMESTAMP '2026-01-01' + to_hours(split_part(snapshot_id, '_', 2)::INT) FROM snapshot_rows GROUP BY snapshot_id;
INSERT INTO scores SELECT 'score_' || split || '_' || i, 'ckpt_' || i, 'heldout', split, 'gsm8k', '3', 'suite_1', 'exact_match', 0.3 + i * 0.05, 0.01,
    {items}, '{{}}', TIMESTAMP '2026-01-01' + to_hours(i::INT) FROM range({iterations} + 1) t(i), (VALUES ('gate'), ('report')) s(split);
INSERT INTO requests SELECT 'req_e' || md5(score_id || k)[:24], 'run_bench', i.iteration, 'eval', NULL, NULL, 'openai', 'm', s.checkpoint_id,
    '[{{"role": "user", "content": "item ' || k || '"}}]', '{{}}', 1, '["It is 4"]', 1, 60, 30, 1.0, s.created_at, s.created_at, NULL, NULL
    FROM scores s JOIN checkpoints i USING (checkpoint_id), range({items}) u(k);
INSERT INTO score_items SELECT score_id, 'item_' || split || k, k, 'req_e' || md5(score_id || k)[:24], '4', '4', (random() < score)::INT, NULL
    FROM scores, range({items}) u(k);
INSERT INTO decisions (decision_id, run_id, iteration, stage, checkpoint_id, score_id, champion_id, champion_score_id, role, n, won, lost, delta, p_value, test, promoted, reason, created_at)
SELECT 'dec_' || split || i, 'run_bench', i, 'sft', 'ckpt_' || i, 'score_' || split || '_' || i, 'ckpt_' || (i - 1), 'score_' || split || '_' || (i - 1),
    CASE split WHEN 'gate' THEN 'gate' ELSE 'report' END, {items}, 90, 50, 0.05, 0.001, 'exact McNemar', true, 'a gain', TIMESTAMP '2026-01-01' + to_hours(i::INT)
    FROM range(1, {iterations} + 1) t(i), (VALUES ('gate'), ('report')) s(split);
"""


def fill(store: Store, n_samples: int, seed: float) -> None:
    """Put ``n_samples`` samples, and all that belongs to them, into an empty store."""
    sizes = {
        "seed": seed, "draws": DRAWS, "iterations": ITERATIONS, "requests": n_samples // DRAWS, "items": 1000,
        "problems": max(n_samples // 100, 10), "documents": max(n_samples // 1000, 10),
    }  # fmt: skip
    with store.write() as connection:
        connection.execute("SET threads = 1")
        connection.execute("SET memory_limit = '4GB'")
        for statement in FILL.format(**sizes).split(";\n"):
            if statement.strip():
                connection.execute(statement).fetchall()


def main() -> None:
    """Fill, ask, print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--seed", type=float, default=0.5, help="of DuckDB's random(), from -1 to 1")
    parser.add_argument(
        "--folder", type=Path, default=None, help="where the store is made, and left; default: a temporary folder"
    )
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--question", default="", help="only this one")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="flywheel-sql-"))
    try:
        _measure(Project(folder), args)
    finally:
        if args.folder is None:
            shutil.rmtree(folder)


def _measure(project: Project, args: argparse.Namespace) -> None:
    if not project.store_path.exists():
        project.root.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        store = Store(project).open()
        fill(store, args.samples, args.seed)
        store.close()
        print(f"filled in {time.monotonic() - started:.0f} s", flush=True)
    n_bytes = project.store_path.stat().st_size
    print(f"{args.samples:,} samples: {n_bytes / 1e6:,.0f} MB, {n_bytes / args.samples:.0f} bytes a sample", flush=True)
    print("\n| question | s | rows |\n| --- | --- | --- |")
    for question in list_questions():
        if args.question in ("", question.name):
            result = ask(project, question.name, limits=Limits(args.memory, 600.0))
            print(f"| `{question.name}` | {result.elapsed_s:.2f} | {result.table.num_rows} |", flush=True)
    print(
        f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:,.0f} MB, one process for all, filling included"
    )


if __name__ == "__main__":
    main()
