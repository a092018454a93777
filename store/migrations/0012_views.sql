-- The views leaderboard (every score), before_after and flips (metrics that are better when lower) are made anew.

COMMENT ON TABLE scores IS 'One row per checkpoint, suite, split and metric; a share is between 0 and 1, and other figures are in their own unit.';
