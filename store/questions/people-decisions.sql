-- What did people decide, and how often did a verifier or judge say otherwise?
SELECT h.judge AS person, s.iteration, s.step,
       CASE WHEN h.reason = 'edited' THEN CASE WHEN h.passed THEN 'new text' ELSE 'edited' END
            WHEN h.passed THEN 'accepted' ELSE 'rejected' END AS decision,
       count(*) AS samples, count(*) FILTER (v.against > 0) AS against_a_verdict,
       any_value(v.judges) FILTER (v.against > 0) AS of_judges, max(h.created_at) AS last_at, arg_max(h.sample_id, h.created_at) AS last_sample_id
FROM people_verdicts h
JOIN samples s USING (sample_id)
LEFT JOIN (
    SELECT x.sample_id, count(*) AS against, string_agg(DISTINCT x.judge, ', ') AS judges
    FROM verdicts x JOIN people_verdicts p USING (sample_id)
    WHERE NOT starts_with(x.judge, 'human:') AND x.passed <> p.passed GROUP BY x.sample_id
) v ON v.sample_id = h.sample_id
GROUP BY person, s.iteration, s.step, decision
ORDER BY person, s.iteration, s.step, decision
