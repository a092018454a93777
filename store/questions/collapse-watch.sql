-- Do completions collapse over the iterations: do they grow alike, longer or shorter, surer, and did one cross a threshold?
SELECT m.iteration, m.step, m.n, round(m.distinct_2, 3) AS distinct_2, round(m.mean_chars, 1) AS mean_chars,
       round(m.length_drift, 3) AS length_drift, round(m.entropy, 3) AS entropy, m.entropy_of, round(m.repeated, 3) AS repeated,
       round(m.train_gate_gap, 3) AS train_gate_gap,
       string_agg(f.level || ': ' || f.measure || ' ' || round(f.change, 3) || ', threshold ' || f.threshold, '; ' ORDER BY f.level, f.measure) AS crossed
FROM iteration_measures m
LEFT JOIN watch_findings f ON f.run_id = m.run_id AND f.iteration = m.iteration AND f.step = m.step
GROUP BY ALL
ORDER BY m.step, m.iteration
