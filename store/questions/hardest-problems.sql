-- Which problems are tried most and solved least?
-- $limit = 20: most rows that are shown
WITH tried AS (
    SELECT s.problem_id, count(*) AS tries, count(*) FILTER (v.passed) AS solved
    FROM samples s JOIN verdicts v USING (sample_id) WHERE s.problem_id IS NOT NULL GROUP BY s.problem_id
), worst AS (
    SELECT * FROM tried ORDER BY solved / tries, tries DESC, problem_id LIMIT $limit
)
SELECT w.tries, w.solved, w.problem_id, any_value(p.source) AS source, any_value(p.question) AS question, any_value(p.answer) AS answer
FROM worst w JOIN problems p USING (problem_id)
GROUP BY w.tries, w.solved, w.problem_id
ORDER BY w.solved / w.tries, w.tries DESC, w.problem_id
