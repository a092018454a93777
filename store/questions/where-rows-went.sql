-- Where did the inputs of each step go?
SELECT coalesce(r.name, f.run_id) AS recipe, f.iteration, f.step, f.entered, f.kept, f.dropped, f.entered - f.kept - f.dropped AS open,
       round(f.kept / nullif(f.entered, 0), 3) AS share_kept, f.reason
FROM funnel f LEFT JOIN runs r USING (run_id)
ORDER BY recipe, f.iteration, f.step
