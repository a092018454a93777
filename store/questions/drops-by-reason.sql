-- What is dropped most, and what does such a row look like?
-- $limit = 20: most rows that are shown
SELECT step, reason, sum(n)::BIGINT AS dropped, count(DISTINCT iteration) AS iterations, arg_min(input_id, input_id) AS example_id,
       left(arg_min(raw, input_id), 120) AS example
FROM drops
GROUP BY step, reason
ORDER BY dropped DESC, step, reason
LIMIT $limit
