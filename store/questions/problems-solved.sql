-- How many problems are always, sometimes and never solved, by iteration?
WITH verifiers AS (  -- who judged draws, but for people, members of panels and the judges of recipes
    SELECT DISTINCT v.judge FROM verdicts v
    WHERE NOT starts_with(v.judge, 'human:') AND NOT contains(split_part(v.judge, '@', 1), '/')
      AND split_part(v.judge, '@', 1) NOT IN (SELECT unnest(coalesce((r.recipe -> '$.judges[*].name')::VARCHAR[], [])) FROM runs r)
), tried AS (
    SELECT s.run_id, s.iteration, s.step, s.problem_id, count(DISTINCT s.sample_id) AS tries,
           count(DISTINCT s.sample_id) FILTER (coalesce(h.passed, v.passed)) AS solved
    FROM samples s JOIN verdicts v ON v.sample_id = s.sample_id AND v.judge IN (SELECT judge FROM verifiers)
    LEFT JOIN people_verdicts h ON h.sample_id = s.sample_id
    WHERE s.problem_id IS NOT NULL AND s.run_id <> 'project' GROUP BY ALL
)
SELECT iteration, step, count(*) AS problems, count(*) FILTER (solved = tries) AS always,
       count(*) FILTER (solved BETWEEN 1 AND tries - 1) AS sometimes, count(*) FILTER (solved = 0) AS never,
       round(sum(solved) / sum(tries), 3) AS share_solved
FROM tried
GROUP BY run_id, iteration, step
ORDER BY run_id, iteration, step
