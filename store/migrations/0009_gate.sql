-- A decision with all its figures: which of its run's decisions it is, the level that it had, interval, effect, and what
-- each comparison says.

ALTER TABLE decisions ADD COLUMN low DOUBLE;
ALTER TABLE decisions ADD COLUMN high DOUBLE;
ALTER TABLE decisions ADD COLUMN effect DOUBLE;
ALTER TABLE decisions ADD COLUMN effect_kind VARCHAR;
ALTER TABLE decisions ADD COLUMN left_out BIGINT;
ALTER TABLE decisions ADD COLUMN level DOUBLE;
ALTER TABLE decisions ADD COLUMN passed BOOLEAN;
ALTER TABLE decisions ADD COLUMN finding VARCHAR;
ALTER TABLE decisions ADD COLUMN detectable DOUBLE;
ALTER TABLE decisions ADD COLUMN k INTEGER;
ALTER TABLE decisions ADD COLUMN planned INTEGER;
ALTER TABLE decisions ADD COLUMN run_level DOUBLE;
COMMENT ON TABLE decisions IS 'Every comparison of a challenger with the champion of the moment. role: gate decides, guard may veto, anchor is a guard against the first model, limit is on the cost of answers, report is only shown, baseline is the first champion itself (compared with nobody).';
COMMENT ON COLUMN decisions.champion_id IS 'Whom the challenger is compared with; in anchors the first model.';
COMMENT ON COLUMN decisions.p_value IS 'Of the test named beside it: one-sided where it decides, two-sided where it is only reported.';
COMMENT ON COLUMN decisions.delta IS 'Difference of the scores; in limits the relative increase of the mean.';
COMMENT ON COLUMN decisions.low IS 'Lower end of the 95 % interval of delta, adjusted for nothing.';
COMMENT ON COLUMN decisions.high IS 'Upper end of it.';
COMMENT ON COLUMN decisions.left_out IS 'Items that one of the two lacks, or whose value is no number.';
COMMENT ON COLUMN decisions.level IS 'What p is compared with, corrections included.';
COMMENT ON COLUMN decisions.passed IS 'role gate: a gain is shown; guard, anchor, limit: nothing speaks against the challenger.';
COMMENT ON COLUMN decisions.finding IS 'What this comparison says, in one sentence; reason says why the challenger was promoted or kept out.';
COMMENT ON COLUMN decisions.detectable IS 'Smallest true difference that the test shows in four of five cases.';
COMMENT ON COLUMN decisions.k IS 'Number of the decision among those of its run, from 1.';
COMMENT ON COLUMN decisions.planned IS 'Decisions that the run''s level is spread over; 0 when each decision has the level.';
COMMENT ON COLUMN decisions.run_level IS 'Level of all decisions of the run together.';
