-- Data sets that were imported: where their rows came from, and under which licence.

CREATE TABLE datasets (
    dataset_id VARCHAR NOT NULL, name VARCHAR NOT NULL, path VARCHAR NOT NULL, format VARCHAR NOT NULL, mapping JSON,
    licence VARCHAR, content_hash VARCHAR NOT NULL, n_rows BIGINT NOT NULL, n_dropped BIGINT NOT NULL,
    imported_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE datasets IS 'Files that were imported whole; their rows are requests and samples of run project, step import, with the name as the model.';
COMMENT ON COLUMN datasets.name IS 'Name of the set: requests.model of its rows, and the judge recorded@name of its labels.';
COMMENT ON COLUMN datasets.path IS 'Path as it was given.';
COMMENT ON COLUMN datasets.mapping IS 'For the format columns: which column is what.';
COMMENT ON COLUMN datasets.content_hash IS 'BLAKE2b over the file''s name and bytes.';
