-- Which template makes the most accepted rows per 1,000 tokens, each wording of it by itself?
-- $limit = 20: most rows that are shown
WITH spent AS (
    SELECT template_id, step, count(*) AS requests, sum(prompt_tokens + completion_tokens)::BIGINT AS tokens, min(created_at) AS since
    FROM requests WHERE template_id IS NOT NULL AND attempts > 0 GROUP BY ALL
), made AS (
    SELECT q.template_id, q.step, count(*) AS samples, count(*) FILTER (s.sample_id IN (SELECT a.sample_id FROM accepted_samples a)) AS accepted
    FROM samples s JOIN requests q USING (request_id) WHERE q.template_id IS NOT NULL AND s.step <> 'people' GROUP BY ALL
)
SELECT t.name AS template, p.step, date_trunc('second', p.since) AS since, left(regexp_replace(t.text, '\s+', ' ', 'g'), 40) AS wording,
       p.template_id, p.requests, p.tokens, coalesce(m.samples, 0) AS samples, coalesce(m.accepted, 0) AS accepted,
       round(1000.0 * coalesce(m.accepted, 0) / nullif(p.tokens, 0), 2) AS accepted_per_1000_tokens
FROM spent p
JOIN templates t USING (template_id)
LEFT JOIN made m ON m.template_id = p.template_id AND m.step = p.step
ORDER BY accepted_per_1000_tokens DESC NULLS LAST, template, p.step
LIMIT $limit
