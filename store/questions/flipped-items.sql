-- Which items flipped, and what did both models say?
-- $split = report: gate, or report
-- $limit = 20: most rows that are shown
SELECT iteration, stage, suite, metric, ordinal, flip, target, champion_completion, challenger_completion
FROM flips
WHERE split = $split
ORDER BY iteration DESC, stage, suite, metric, flip, ordinal
LIMIT $limit
