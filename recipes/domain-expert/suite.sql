-- The questions about held-out documents as items of a suite: JSON, which is YAML too.
SELECT prompt -> -1 ->> 'content' AS prompt,
       [fields ->> 'answer'] AS expected,
       'contains_any' AS match,
       [{'verifier': 'grounded.py'}] AS checks,
       [if(step = 'suite', 'answerable', 'unanswerable')] AS tags
FROM samples WHERE step IN ('suite', 'suite-unanswerable') ORDER BY input_id, step, sample_id
