-- What drops, pairs and judges rest on; other columns of problems; how far judges agree with people.
ALTER TABLE drops ADD COLUMN evidence VARCHAR;
COMMENT ON COLUMN drops.evidence IS 'What the reason rests on: the row that it repeats, the share that was measured, …';

ALTER TABLE pairs ADD COLUMN prompt_id VARCHAR;
ALTER TABLE pairs ADD COLUMN judge VARCHAR;
ALTER TABLE pairs ADD COLUMN margin DOUBLE;
ALTER TABLE pairs ADD COLUMN chosen_verdict_id VARCHAR;
ALTER TABLE pairs ADD COLUMN rejected_verdict_id VARCHAR;
COMMENT ON COLUMN pairs.prompt_id IS 'Hash of the prompt, of pairs made from verdicts; NULL for those that came with generators'' and imported rows.';
COMMENT ON COLUMN pairs.judge IS 'Whose verdicts made the pair.';
COMMENT ON COLUMN pairs.margin IS 'Score of the chosen one minus that of the rejected one; NULL where one has no score.';

ALTER TABLE problems ADD COLUMN fields JSON;
COMMENT ON COLUMN problems.fields IS 'The row''s other columns, for verifiers that read them: choices, tests, sources, …';

CREATE TABLE calibrations (
    calibration_id VARCHAR NOT NULL, run_id VARCHAR NOT NULL, judge VARCHAR NOT NULL, labels VARCHAR NOT NULL,
    labels_hash VARCHAR NOT NULL, kind VARCHAR NOT NULL, n BIGINT NOT NULL, figures JSON NOT NULL, minimum JSON NOT NULL,
    met BOOLEAN NOT NULL, reason VARCHAR, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE calibrations IS 'Agreement of judges with people''s labels, as measured before they labelled anything; met: every minimum that the recipe demands was reached.';
