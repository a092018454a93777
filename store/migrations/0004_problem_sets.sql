-- A run is what its files hold: each run names the set of problems that it works through, and the content of its suites
-- and templates.

CREATE TABLE problem_sets (problem_set_id VARCHAR NOT NULL, ordinal BIGINT NOT NULL, problem_id VARCHAR NOT NULL);
COMMENT ON TABLE problem_sets IS 'The usable problems of a source, in order; the id is the content''s.';

ALTER TABLE runs ADD COLUMN problem_set_id VARCHAR;
ALTER TABLE runs ADD COLUMN content VARCHAR;
COMMENT ON COLUMN runs.content IS 'JSON: content ids of the problems, suites and templates that the recipe names.';
