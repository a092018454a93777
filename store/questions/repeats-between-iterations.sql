-- How much does each iteration repeat of what earlier ones said?
-- $same_prompt = false: true: only a repeated answer to the same problem or input counts
WITH keyed AS (
    SELECT iteration, step, hash(CASE WHEN $same_prompt THEN coalesce(problem_id, input_id) END, completion) AS key, count(*) AS n
    FROM samples WHERE run_id <> 'project' GROUP BY ALL
), firsts AS (
    SELECT key, min(iteration) AS first_iteration FROM keyed GROUP BY key
)
SELECT k.iteration, k.step, sum(k.n)::BIGINT AS samples, (sum(k.n) - count(*))::BIGINT AS repeats_within,
       coalesce(sum(k.n) FILTER (f.first_iteration < k.iteration), 0)::BIGINT AS said_before,
       round(said_before / samples, 3) AS share_said_before
FROM keyed k JOIN firsts f USING (key)
GROUP BY k.iteration, k.step
ORDER BY k.step, k.iteration
