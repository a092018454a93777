-- What an item's value rests on, comparisons that people ask for, and how often a split has decided.

ALTER TABLE score_items ADD COLUMN detail VARCHAR;
COMMENT ON COLUMN score_items.detail IS 'JSON. of: what a metric of the whole set is computed from, such as gold and predicted label; checks: what each check of the item said, and why. NULL where the value is all there is.';
