-- How did the diversity of completions change over the iterations?
SELECT iteration, step, count(*) AS samples, count(DISTINCT hash(completion)) AS different,
       round(count(DISTINCT hash(completion)) / count(*), 3) AS share_different,
       round(count(DISTINCT hash(left(completion, 40))) / count(*), 3) AS share_of_openings,
       round(avg(length(completion)), 1) AS mean_chars, round(stddev(length(completion)), 1) AS sd_chars
FROM samples
WHERE run_id <> 'project'
GROUP BY run_id, iteration, step
ORDER BY step, run_id, iteration
