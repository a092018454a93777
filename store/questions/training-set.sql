-- What is a training set made of?
-- $snapshot = null: id of the snapshot; of none, the newest
WITH chosen AS (
    SELECT coalesce($snapshot::VARCHAR, (SELECT snapshot_id FROM snapshots ORDER BY created_at DESC, snapshot_id LIMIT 1)) AS snapshot_id
)
SELECT n.snapshot_id, n.stage, s.iteration, s.step, t.name AS template, q.model, p.kind AS pair, count(*) AS rows,
       count(DISTINCT s.problem_id) AS problems, round(avg(length(s.completion)), 1) AS mean_chars
FROM chosen c
JOIN snapshots n USING (snapshot_id)
JOIN snapshot_rows x USING (snapshot_id)
JOIN samples s ON s.sample_id = x.sample_id
LEFT JOIN requests q ON q.request_id = s.request_id
LEFT JOIN templates t ON t.template_id = q.template_id
LEFT JOIN pairs p ON p.pair_id = x.pair_id
GROUP BY ALL
ORDER BY rows DESC, s.iteration, s.step, template, pair
