CREATE TABLE IF NOT EXISTS shards (
    shard_id VARCHAR PRIMARY KEY, table_name VARCHAR NOT NULL, url VARCHAR NOT NULL, n_rows BIGINT NOT NULL, n_bytes BIGINT NOT NULL,
    columns VARCHAR[] NOT NULL, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE shards IS 'Parquet files that hold rows of a table instead of this file (flywheel data shards). A table with shards is a view, and its rows of this file are in TABLE_here.';
COMMENT ON COLUMN shards.shard_id IS 'Hash of the file.';
COMMENT ON COLUMN shards.table_name IS 'Whose rows: requests or samples.';
COMMENT ON COLUMN shards.url IS 'Where it is: a path, or the address of an object.';
COMMENT ON COLUMN shards.n_rows IS 'Rows in it.';
COMMENT ON COLUMN shards.n_bytes IS 'Its size.';
COMMENT ON COLUMN shards.columns IS 'The table''s columns when it was written.';
