-- Which rows came from a chunk, over how many steps, and in which training sets are they?
-- $chunk = null: id of the chunk; of none, the chunk that gave the most samples
-- $limit = 50: most rows that are shown
WITH RECURSIVE chosen AS MATERIALIZED (
    SELECT coalesce($chunk::VARCHAR, (
        SELECT input_id FROM (SELECT input_id, count(*) AS n FROM samples WHERE starts_with(input_id, 'chk_') GROUP BY input_id)
        ORDER BY n DESC, input_id LIMIT 1)) AS chunk_id
), rows AS (
    SELECT sample_id, step AS path FROM samples WHERE input_id = (SELECT chunk_id FROM chosen)
    UNION
    SELECT s.sample_id, r.path || ' → ' || s.step FROM samples s JOIN rows r ON s.input_id = r.sample_id
), used AS (
    SELECT sample_id, list(DISTINCT snapshot_id) AS snapshots FROM (
        SELECT sample_id, snapshot_id FROM snapshot_rows WHERE sample_id IN (SELECT sample_id FROM rows)
        UNION ALL
        SELECT p.rejected_sample_id, x.snapshot_id FROM snapshot_rows x JOIN pairs p USING (pair_id)
        WHERE p.rejected_sample_id IN (SELECT sample_id FROM rows))
    GROUP BY sample_id
)
SELECT c.chunk_id, d.source, r.path, r.sample_id, u.snapshots, s.completion
FROM chosen c JOIN chunks d USING (chunk_id)
CROSS JOIN rows r
JOIN samples s ON s.sample_id = r.sample_id
LEFT JOIN used u ON u.sample_id = r.sample_id
ORDER BY r.path, r.sample_id
LIMIT $limit
