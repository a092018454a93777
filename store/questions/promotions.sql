-- What did each promoted model win and lose?
SELECT d.iteration, d.stage, d.checkpoint_id, s.suite, s.split, s.metric, d.role, d.n, d.won, d.lost, round(b.score, 4) AS champion,
       round(s.score, 4) AS challenger, round(d.delta, 4) AS delta, d.p_value
FROM decisions d
JOIN scores s USING (score_id)
LEFT JOIN scores b ON b.score_id = d.champion_score_id
WHERE d.promoted AND d.role <> 'baseline'
ORDER BY d.run_id, d.iteration, d.created_at, d.role, s.suite, s.split, s.metric
