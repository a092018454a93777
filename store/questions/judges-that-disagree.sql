-- Which judges disagree, a judge with the verifier for one, and how often?
WITH said AS MATERIALIZED (
    SELECT sample_id, judge, passed FROM verdicts
    WHERE passed IS NOT NULL AND sample_id IN (SELECT sample_id FROM verdicts GROUP BY sample_id HAVING count(*) > 1)
)
SELECT a.judge, b.judge AS other, count(*) AS samples, count(*) FILTER (a.passed = b.passed) AS agree,
       count(*) FILTER (a.passed AND NOT b.passed) AS only_judge_passes, count(*) FILTER (b.passed AND NOT a.passed) AS only_other_passes,
       round(count(*) FILTER (a.passed = b.passed) / count(*), 3) AS agreement,
       min(a.sample_id) FILTER (a.passed <> b.passed) AS example_sample_id
FROM said a JOIN said b ON a.sample_id = b.sample_id AND a.judge < b.judge
GROUP BY ALL
ORDER BY agreement, a.judge, other
