-- How many problems are always, sometimes and never solved, by iteration?
WITH tried AS (
    SELECT s.run_id, s.iteration, s.step, s.problem_id, count(*) AS tries, count(*) FILTER (v.passed) AS solved
    FROM samples s JOIN verdicts v USING (sample_id)
    WHERE s.problem_id IS NOT NULL AND s.run_id <> 'project' GROUP BY ALL
)
SELECT iteration, step, count(*) AS problems, count(*) FILTER (solved = tries) AS always,
       count(*) FILTER (solved BETWEEN 1 AND tries - 1) AS sometimes, count(*) FILTER (solved = 0) AS never,
       round(sum(solved) / sum(tries), 3) AS share_solved
FROM tried
GROUP BY run_id, iteration, step
ORDER BY run_id, iteration, step
