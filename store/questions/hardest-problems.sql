-- Which problems are tried most and solved least?
-- $limit = 20: most rows that are shown
WITH verifiers AS (  -- who judged draws, but for people, members of panels and the judges of recipes
    SELECT DISTINCT v.judge FROM verdicts v
    WHERE NOT starts_with(v.judge, 'human:') AND NOT contains(split_part(v.judge, '@', 1), '/')
      AND split_part(v.judge, '@', 1) NOT IN (SELECT unnest(coalesce((r.recipe -> '$.judges[*].name')::VARCHAR[], [])) FROM runs r)
), tried AS (
    SELECT s.problem_id, count(DISTINCT s.sample_id) AS tries, count(DISTINCT s.sample_id) FILTER (coalesce(h.passed, v.passed)) AS solved
    FROM samples s JOIN verdicts v ON v.sample_id = s.sample_id AND v.judge IN (SELECT judge FROM verifiers)
    LEFT JOIN people_verdicts h ON h.sample_id = s.sample_id
    WHERE s.problem_id IS NOT NULL GROUP BY s.problem_id
), worst AS (
    SELECT * FROM tried ORDER BY solved / tries, tries DESC, problem_id LIMIT $limit
)
SELECT w.tries, w.solved, w.problem_id, any_value(p.source) AS source, any_value(p.question) AS question, any_value(p.answer) AS answer
FROM worst w JOIN problems p USING (problem_id)
GROUP BY w.tries, w.solved, w.problem_id
ORDER BY w.solved / w.tries, w.tries DESC, w.problem_id
