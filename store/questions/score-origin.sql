-- Where did a score come from: which rows, of which step, template, model and judge, is its checkpoint made of?
-- $score = null: id of the score; of none, the newest one of a promoted checkpoint
WITH RECURSIVE asked AS MATERIALIZED (
    SELECT s.score_id, s.checkpoint_id, s.suite, s.split, s.metric, s.score FROM scores s
    WHERE s.score_id = coalesce($score::VARCHAR, (
        SELECT score_id FROM decisions WHERE promoted AND role = 'gate' ORDER BY created_at DESC, score_id LIMIT 1))
), chain AS (
    SELECT k.checkpoint_id, k.parent_id, k.stage, k.snapshot_id, 0 AS back FROM checkpoints k JOIN asked USING (checkpoint_id)
    UNION ALL
    SELECT k.checkpoint_id, k.parent_id, k.stage, k.snapshot_id, c.back + 1 FROM checkpoints k JOIN chain c ON k.checkpoint_id = c.parent_id
), used AS (
    SELECT c.back, c.stage, c.checkpoint_id, x.sample_id FROM chain c LEFT JOIN snapshot_rows x USING (snapshot_id)
), judged AS (
    SELECT sample_id, min(judge) AS judge FROM verdicts WHERE passed AND sample_id IN (SELECT sample_id FROM used) GROUP BY sample_id
)
SELECT a.suite, a.split, a.metric, a.score, u.back AS trainings_ago, u.stage, u.checkpoint_id, s.iteration, s.step, t.name AS template,
       q.model, q.checkpoint_id AS made_by, j.judge, count(s.sample_id) AS rows, count(DISTINCT s.problem_id) AS problems
FROM asked a CROSS JOIN used u
LEFT JOIN samples s ON s.sample_id = u.sample_id
LEFT JOIN requests q ON q.request_id = s.request_id
LEFT JOIN templates t ON t.template_id = q.template_id
LEFT JOIN judged j ON j.sample_id = u.sample_id
GROUP BY ALL
ORDER BY trainings_ago, rows DESC, s.iteration, s.step
