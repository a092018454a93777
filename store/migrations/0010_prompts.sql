-- Prompts that were imported without a completion: requests without samples. Versions of imported files.

COMMENT ON COLUMN requests.details IS 'Of completions that did not plainly stop: finish_reasons, tool_calls and logprobs, one per draw. Of a prompt that was imported without a completion (n_draws 0): what samples.fields has of other rows. NULL otherwise.';

ALTER TABLE datasets ADD COLUMN file VARCHAR;
ALTER TABLE datasets ADD COLUMN version INTEGER;
COMMENT ON COLUMN datasets.path IS 'Path relative to the project folder for a file in it, else absolute (as it was given, where file is NULL).';
COMMENT ON COLUMN datasets.file IS 'What stands for the file in samples.source: its name, with folders before it where another file has that name.';
COMMENT ON COLUMN datasets.version IS 'Number of the version of the file; the one that was imported last is in use.';

CREATE TABLE replaced_rows (request_id VARCHAR NOT NULL, replaced_at TIMESTAMP NOT NULL);
COMMENT ON TABLE replaced_rows IS 'Imported rows (requests) that only replaced versions of their file have.';
