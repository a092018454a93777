-- Which documents gave nothing?
-- $limit = 20: most rows that are shown
WITH gave AS (
    SELECT DISTINCT input_id FROM samples WHERE starts_with(input_id, 'chk_')
), dropped AS (
    SELECT input_id, arg_max(reason, n) AS reason, sum(n)::BIGINT AS drops
    FROM drops WHERE starts_with(input_id, 'chk_') GROUP BY input_id
), current AS (
    SELECT source, arg_max(document_id, version) AS document_id FROM documents GROUP BY source
)
SELECT d.source, d.title, d.n_chars, count(DISTINCT c.chunk_id) AS chunks, coalesce(sum(x.drops), 0)::BIGINT AS drops,
       coalesce(any_value(x.reason), CASE WHEN d.n_chunks = 0 THEN 'no chunk' ELSE 'not asked about yet' END) AS why
FROM current JOIN documents d USING (document_id)
LEFT JOIN document_chunks c ON c.document_id = d.document_id
LEFT JOIN gave g ON g.input_id = c.chunk_id
LEFT JOIN dropped x ON x.input_id = c.chunk_id
GROUP BY d.document_id, d.source, d.title, d.n_chars, d.n_chunks
HAVING count(g.input_id) = 0
ORDER BY d.n_chars DESC, d.source
LIMIT $limit
