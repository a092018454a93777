-- The first schema. Rows are append-only; ids are content ids (see flywheel.schema).
-- The large tables carry no index on purpose: the journal's offsets make each fold exactly-once, and an index on a
-- text id was measured at 15 times the insert time and 3.5 times the file size (500,000 rows).

CREATE TABLE runs (
    run_id VARCHAR PRIMARY KEY, name VARCHAR NOT NULL, seed BIGINT NOT NULL, model VARCHAR NOT NULL,
    base_checkpoint_id VARCHAR NOT NULL, recipe JSON NOT NULL, versions JSON NOT NULL, started_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE runs IS 'One row per recipe and seed that was run; the same recipe run again continues the same row.';

CREATE TABLE iterations (
    run_id VARCHAR NOT NULL, iteration INTEGER NOT NULL, champion_before VARCHAR NOT NULL, champion_after VARCHAR,
    started_at TIMESTAMP NOT NULL, finished_at TIMESTAMP, PRIMARY KEY (run_id, iteration)
);
COMMENT ON TABLE iterations IS 'Turns of the wheel; finished_at is NULL while one is under way.';

CREATE TABLE templates (
    template_id VARCHAR PRIMARY KEY, name VARCHAR NOT NULL, source VARCHAR, text VARCHAR NOT NULL
);
COMMENT ON TABLE templates IS 'Every version of every prompt template that was used, whole.';

CREATE TABLE problems (
    problem_id VARCHAR NOT NULL, source VARCHAR NOT NULL, source_ordinal BIGINT NOT NULL, question VARCHAR NOT NULL,
    answer VARCHAR NOT NULL, solution VARCHAR
);
COMMENT ON TABLE problems IS 'Questions with known answers.';

CREATE TABLE plans (
    run_id VARCHAR NOT NULL, iteration INTEGER NOT NULL, step VARCHAR NOT NULL, ordinal BIGINT NOT NULL,
    input_id VARCHAR NOT NULL, n INTEGER NOT NULL
);
COMMENT ON TABLE plans IS 'The inputs of a step, fixed before it starts: n completions are due for each.';

CREATE TABLE requests (
    request_id VARCHAR NOT NULL, run_id VARCHAR, iteration INTEGER, step VARCHAR NOT NULL, input_id VARCHAR,
    template_id VARCHAR, engine VARCHAR NOT NULL, model VARCHAR NOT NULL, checkpoint_id VARCHAR, messages JSON NOT NULL,
    sampling JSON NOT NULL, n_draws INTEGER NOT NULL, completions JSON NOT NULL, attempts INTEGER NOT NULL,
    prompt_tokens BIGINT NOT NULL, completion_tokens BIGINT NOT NULL, latency_s DOUBLE, created_at TIMESTAMP NOT NULL,
    answered_at TIMESTAMP, error VARCHAR
);
COMMENT ON TABLE requests IS 'Calls to a model. The id hashes everything that shaped the call; answered_at is NULL when every attempt failed.';
COMMENT ON COLUMN requests.completions IS 'The raw texts that came back, one per draw.';
COMMENT ON COLUMN requests.attempts IS 'Tries, the last one included; 0 for imported rows.';

CREATE TABLE samples (
    sample_id VARCHAR NOT NULL, request_id VARCHAR, draw INTEGER NOT NULL, run_id VARCHAR, iteration INTEGER,
    step VARCHAR NOT NULL, problem_id VARCHAR, completion VARCHAR NOT NULL, finish_reason VARCHAR, logprob DOUBLE,
    source VARCHAR NOT NULL, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE samples IS 'One completion each.';
COMMENT ON COLUMN samples.logprob IS 'Sum over the completion''s tokens of their log-probability at temperature 1, in nats; NULL unless asked for.';

CREATE TABLE verdicts (
    verdict_id VARCHAR NOT NULL, sample_id VARCHAR NOT NULL, judge VARCHAR NOT NULL, passed BOOLEAN, score DOUBLE,
    reason VARCHAR NOT NULL, evidence VARCHAR, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE verdicts IS 'What a verifier or judge says of a sample; passed is NULL for an abstention.';

CREATE TABLE pairs (
    pair_id VARCHAR NOT NULL, run_id VARCHAR, iteration INTEGER, problem_id VARCHAR, chosen_sample_id VARCHAR NOT NULL,
    rejected_sample_id VARCHAR NOT NULL, kind VARCHAR NOT NULL, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE pairs IS 'Two completions of one prompt, chosen over rejected.';

CREATE TABLE drops (
    drop_id VARCHAR NOT NULL, run_id VARCHAR, iteration INTEGER, step VARCHAR NOT NULL, reason VARCHAR NOT NULL,
    input_id VARCHAR NOT NULL, request_id VARCHAR, raw VARCHAR, n INTEGER NOT NULL, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE drops IS 'Inputs of a step that went no further: the reason and the raw text. n counts the inputs that the row stands for.';

CREATE TABLE snapshots (
    snapshot_id VARCHAR PRIMARY KEY, run_id VARCHAR, iteration INTEGER, stage VARCHAR NOT NULL, n_rows BIGINT NOT NULL,
    format VARCHAR NOT NULL, path VARCHAR NOT NULL, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE snapshots IS 'Frozen training sets; the id hashes the rows in their order.';

CREATE TABLE snapshot_rows (
    snapshot_id VARCHAR NOT NULL, ordinal BIGINT NOT NULL, sample_id VARCHAR NOT NULL, pair_id VARCHAR
);
COMMENT ON TABLE snapshot_rows IS 'What a snapshot holds; sample_id is the completion or the chosen one, pair_id is set for preference rows.';

CREATE TABLE checkpoints (
    checkpoint_id VARCHAR PRIMARY KEY, run_id VARCHAR, iteration INTEGER, stage VARCHAR NOT NULL, parent_id VARCHAR,
    snapshot_id VARCHAR, path VARCHAR NOT NULL, config JSON NOT NULL, metrics JSON, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE checkpoints IS 'Model weights on disk: the base model (stage seed), and what each training stage made of which parent and snapshot.';

CREATE TABLE train_log (
    checkpoint_id VARCHAR NOT NULL, step BIGINT NOT NULL, epoch DOUBLE, loss DOUBLE, learning_rate DOUBLE, entry JSON NOT NULL
);
COMMENT ON TABLE train_log IS 'Every line that the trainer logged.';

CREATE TABLE scores (
    score_id VARCHAR PRIMARY KEY, checkpoint_id VARCHAR NOT NULL, suite VARCHAR NOT NULL, split VARCHAR NOT NULL,
    task VARCHAR NOT NULL, task_version VARCHAR NOT NULL, suite_hash VARCHAR NOT NULL, metric VARCHAR NOT NULL,
    score DOUBLE NOT NULL, stderr DOUBLE, n BIGINT NOT NULL, settings JSON NOT NULL, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE scores IS 'One row per checkpoint, suite, split and metric; score is between 0 and 1.';

CREATE TABLE score_items (
    score_id VARCHAR NOT NULL, item_id VARCHAR NOT NULL, ordinal BIGINT NOT NULL, request_id VARCHAR NOT NULL,
    target VARCHAR, filtered VARCHAR, value DOUBLE NOT NULL
);
COMMENT ON TABLE score_items IS 'One row per item of a score: the answer after the metric''s filter, and its value. Prompt and completion are in requests.';

CREATE TABLE decisions (
    decision_id VARCHAR NOT NULL, run_id VARCHAR NOT NULL, iteration INTEGER NOT NULL, stage VARCHAR NOT NULL,
    checkpoint_id VARCHAR NOT NULL, score_id VARCHAR NOT NULL, champion_id VARCHAR, champion_score_id VARCHAR,
    role VARCHAR NOT NULL, n BIGINT NOT NULL, won BIGINT, lost BIGINT, delta DOUBLE, p_value DOUBLE, test VARCHAR,
    promoted BOOLEAN NOT NULL, reason VARCHAR NOT NULL, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE decisions IS 'Every comparison of a challenger with the champion of the moment. role: gate decides, guard may veto, report is only shown, baseline is the first champion itself (compared with nobody).';

CREATE TABLE journal_segments (
    segment VARCHAR PRIMARY KEY, folded_bytes BIGINT NOT NULL
);
COMMENT ON TABLE journal_segments IS 'How far each journal file has been folded in; written in the fold''s own transaction.';
