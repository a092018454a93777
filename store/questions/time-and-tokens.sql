-- How many tokens and how much time did each step take?
SELECT iteration, step, engine, model, count(*) AS requests, count(*) FILTER (answered_at IS NULL) AS failed,
       sum(prompt_tokens)::BIGINT AS prompt_tokens, sum(completion_tokens)::BIGINT AS completion_tokens,
       round(date_diff('millisecond', min(created_at), max(answered_at)) / 1000, 1) AS seconds,
       round(1000 * sum(completion_tokens) / nullif(date_diff('millisecond', min(created_at), max(answered_at)), 0), 0) AS tokens_per_s,
       round(quantile_cont(latency_s, 0.5), 3) AS median_latency_s, round(quantile_cont(latency_s, 0.95), 3) AS p95_latency_s
FROM requests
WHERE attempts > 0
GROUP BY run_id, iteration, step, engine, model
ORDER BY min(created_at), step
