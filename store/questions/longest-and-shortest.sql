-- Which completions are the longest and the shortest?
-- $step = null: one step; of none, all
-- $limit = 5: rows of each kind
WITH sized AS MATERIALIZED (
    SELECT rowid AS place, length(completion) AS n_chars FROM samples WHERE $step::VARCHAR IS NULL OR step = $step::VARCHAR
), extreme AS (
    (SELECT 'longest' AS which, * FROM sized ORDER BY n_chars DESC, place LIMIT $limit)
    UNION ALL
    (SELECT 'shortest' AS which, * FROM sized ORDER BY n_chars, place LIMIT $limit)
)
SELECT e.which, e.n_chars, s.iteration, s.step, s.finish_reason, s.sample_id, s.completion
FROM extreme e JOIN samples s ON s.rowid = e.place
ORDER BY e.which, CASE e.which WHEN 'longest' THEN -e.n_chars ELSE e.n_chars END, e.place
