-- Of pairs that come ready an iteration may take a part; the funnel counts the others. The views are made anew.
COMMENT ON COLUMN plans.input_id IS 'A problem, chunk, sample, pair, file or line of one, by step; where nothing is consumed, what is counted.';
