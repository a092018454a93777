-- Documents, their chunks, and what generators make of them.

CREATE TABLE documents (
    document_id VARCHAR NOT NULL, source VARCHAR NOT NULL, version INTEGER NOT NULL, format VARCHAR NOT NULL,
    title VARCHAR, licence VARCHAR, content_hash VARCHAR NOT NULL, n_chars BIGINT NOT NULL, n_chunks BIGINT NOT NULL,
    metadata JSON NOT NULL, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE documents IS 'Every version of every document that was ingested; the newest version of a source is the one in use.';
COMMENT ON COLUMN documents.source IS 'Path as it was given, or URL.';
COMMENT ON COLUMN documents.content_hash IS 'BLAKE2b over the file''s bytes; the same bytes at the same source are the same document.';

CREATE TABLE chunks (
    chunk_id VARCHAR NOT NULL, source VARCHAR NOT NULL, text VARCHAR NOT NULL, headings VARCHAR NOT NULL,
    n_tokens INTEGER NOT NULL, media VARCHAR, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE chunks IS 'Pieces of documents. The id hashes source, headings and text: a chunk that a new version leaves unchanged is the same row.';
COMMENT ON COLUMN chunks.headings IS 'The headings above the chunk, outermost first, joined by " > ".';
COMMENT ON COLUMN chunks.media IS 'For an image: its path under the project folder; text then has what the file itself says of it.';

CREATE TABLE document_chunks (
    document_id VARCHAR NOT NULL, ordinal INTEGER NOT NULL, chunk_id VARCHAR NOT NULL, char_start BIGINT NOT NULL,
    char_end BIGINT NOT NULL, line_start BIGINT, line_end BIGINT, page_start INTEGER, page_end INTEGER
);
COMMENT ON TABLE document_chunks IS 'Where each chunk stands in a version of a document: characters of the converted text (end exclusive), lines and pages from 1 (end inclusive) where the format has them.';

ALTER TABLE samples ADD COLUMN input_id VARCHAR;
ALTER TABLE samples ADD COLUMN item INTEGER DEFAULT 0;
ALTER TABLE samples ADD COLUMN prompt JSON;
ALTER TABLE samples ADD COLUMN fields JSON;
ALTER TABLE samples ADD COLUMN parser VARCHAR;
COMMENT ON COLUMN samples.input_id IS 'The row that the sample was made from: a chunk, a problem or another sample.';
COMMENT ON COLUMN samples.item IS 'Number of the sample among those of its input in its step.';
COMMENT ON COLUMN samples.prompt IS 'The prompt (messages) that a model trained on this sample sees; NULL when it is the request''s own.';
COMMENT ON COLUMN samples.fields IS 'What the parser read: question, answer, quote, … by generator.';
COMMENT ON COLUMN samples.parser IS 'Generator and its version, for samples made by the steps of generate; NULL for draws of problems.';

ALTER TABLE requests ADD COLUMN details JSON;
COMMENT ON COLUMN requests.details IS 'Of completions that did not plainly stop: finish_reasons, tool_calls and logprobs, one per draw; NULL otherwise.';

CREATE TABLE retired (tbl VARCHAR NOT NULL, row JSON NOT NULL, retired_at TIMESTAMP NOT NULL);
COMMENT ON TABLE retired IS 'Rows that flywheel generate --retry did over: what they were, and when they left their table.';
