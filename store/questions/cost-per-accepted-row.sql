-- What does an accepted row cost, in requests, tokens and money?
-- $prompt_usd = 0: price of a million tokens of prompts, US$
-- $completion_usd = 0: price of a million tokens of completions, US$
WITH spent AS (
    SELECT run_id, iteration, step, sum(attempts)::BIGINT AS tries, sum(prompt_tokens)::BIGINT AS prompt_tokens,
           sum(completion_tokens)::BIGINT AS completion_tokens
    FROM requests WHERE attempts > 0 AND step <> 'eval' GROUP BY ALL
), made AS (
    SELECT run_id, iteration, step, count(*) AS accepted FROM accepted_samples GROUP BY ALL
)
SELECT r.name AS recipe, p.iteration, p.step, coalesce(m.accepted, 0) AS accepted, p.tries, p.prompt_tokens, p.completion_tokens,
       round((p.prompt_tokens + p.completion_tokens) / m.accepted, 1) AS tokens_per_row,
       round((p.prompt_tokens * $prompt_usd + p.completion_tokens * $completion_usd) / 1e6 / m.accepted, 6) AS usd_per_row
FROM spent p
LEFT JOIN made m ON m.run_id = p.run_id AND m.iteration = p.iteration AND m.step = p.step
LEFT JOIN runs r ON r.run_id = p.run_id
ORDER BY recipe, p.iteration, p.step
