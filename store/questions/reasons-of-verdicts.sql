-- Why do judges say no, and of what?
-- $limit = 20: most rows that are shown
WITH reasons AS (
    SELECT judge, reason, count(*) AS verdicts, round(avg(score), 3) AS mean_score, min(sample_id) AS sample_id
    FROM verdicts WHERE passed IS NOT TRUE GROUP BY judge, reason
    ORDER BY verdicts DESC, judge, reason LIMIT $limit
)
SELECT r.judge, r.reason, r.verdicts, r.mean_score, r.sample_id AS example_id, left(s.completion, 160) AS example
FROM reasons r LEFT JOIN samples s USING (sample_id)
ORDER BY r.verdicts DESC, r.judge, r.reason
