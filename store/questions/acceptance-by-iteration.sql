-- Is more of what is generated accepted than before?
SELECT s.iteration, s.step, v.judge, count(*) AS judged, count(*) FILTER (v.passed) AS accepted, count(*) FILTER (v.passed IS NULL) AS abstained,
       round(count(*) FILTER (v.passed) / count(*), 4) AS share_accepted,
       round(1.96 * sqrt(share_accepted * (1 - share_accepted) / count(*)), 4) AS plus_minus
FROM samples s JOIN verdicts v USING (sample_id)
WHERE s.run_id <> 'project'
GROUP BY s.run_id, s.iteration, s.step, v.judge
ORDER BY v.judge, s.step, s.run_id, s.iteration
