-- What an item's value rests on, comparisons that people ask for, and how often a split has decided.

ALTER TABLE score_items ADD COLUMN detail VARCHAR;
COMMENT ON COLUMN score_items.detail IS 'JSON. of: what a metric of the whole set is computed from, such as gold and predicted label; checks: what each check of the item said, and why. NULL where the value is all there is.';

CREATE TABLE comparisons (
    comparison_id VARCHAR NOT NULL, before_id VARCHAR NOT NULL, after_id VARCHAR NOT NULL, before_score_id VARCHAR NOT NULL,
    after_score_id VARCHAR NOT NULL, suite VARCHAR NOT NULL, split VARCHAR NOT NULL, metric VARCHAR NOT NULL,
    n BIGINT NOT NULL, won BIGINT NOT NULL, lost BIGINT NOT NULL, left_out BIGINT NOT NULL, before DOUBLE NOT NULL,
    after DOUBLE NOT NULL, delta DOUBLE NOT NULL, low DOUBLE, high DOUBLE, interval_kind VARCHAR NOT NULL, effect DOUBLE,
    effect_kind VARCHAR NOT NULL, p_value DOUBLE NOT NULL, test VARCHAR NOT NULL, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE comparisons IS 'What flywheel eval --compare said of two models on the same items; nothing is decided by it. low and high: 95 % interval of delta; p_value is two-sided.';
