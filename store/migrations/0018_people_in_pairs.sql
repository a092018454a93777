-- Pairs that a person speaks against leave the view dpo: the views are made anew.
COMMENT ON COLUMN pairs.judge IS 'Whose verdicts made the pair; where a person''s word stands in the place of one, chosen_verdict_id and rejected_verdict_id say so.';
COMMENT ON COLUMN pairs.prompt_id IS 'Hash of the prompt, of pairs made from verdicts (/1: of iteration 1, made later, when a person had decided on them) and of those that a person''s edit made of one; NULL for those that came with generators'' and imported rows.';
