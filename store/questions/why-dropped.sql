-- Why was this row dropped?
-- $id = null: id of the sample, problem, chunk, pair or request, or file:line; of none, the newest drops
-- $limit = 10: most rows that are shown
SELECT input_id, iteration, step, reason, evidence, raw, created_at
FROM drops
WHERE $id::VARCHAR IS NULL OR input_id = $id::VARCHAR OR request_id = $id::VARCHAR
ORDER BY created_at DESC, input_id, step
LIMIT $limit
