-- Views for people. Rebuilt whenever a store is opened for writing by a newer flywheel.

CREATE OR REPLACE VIEW worse_samples AS
SELECT DISTINCT p.rejected_sample_id AS sample_id FROM pairs p WHERE p.kind <> 'correct/incorrect' AND p.prompt_id IS NULL;
COMMENT ON VIEW worse_samples IS 'The worse samples of imported pairs and of those that generators make: nothing to imitate.';

CREATE OR REPLACE VIEW imported_prompts AS
SELECT request_id AS sample_id, request_id, 0 AS draw, run_id, iteration, step, input_id AS source, created_at, input_id,
       0 AS item, details AS fields, 'import-' || (details ->> '$.format') AS parser
FROM requests WHERE run_id = 'project' AND step = 'import' AND n_draws = 0;
COMMENT ON VIEW imported_prompts IS 'Prompts that were imported without a completion, in columns of samples: what a step makes of one has the id of its request as input_id.';
COMMENT ON COLUMN imported_prompts.sample_id IS 'Id of the request: there is no sample.';
COMMENT ON COLUMN imported_prompts.request_id IS 'The imported row.';
COMMENT ON COLUMN imported_prompts.draw IS 'Always 0.';
COMMENT ON COLUMN imported_prompts.source IS 'File and line that it was imported from.';
COMMENT ON COLUMN imported_prompts.item IS 'Always 0.';
COMMENT ON COLUMN imported_prompts.fields IS 'JSON: the row''s other columns.';
COMMENT ON COLUMN imported_prompts.parser IS 'import- and the format.';
CREATE OR REPLACE VIEW people_verdicts AS
SELECT DISTINCT ON (sample_id) sample_id, verdict_id, judge, passed, reason, created_at
FROM verdicts WHERE starts_with(judge, 'human:') AND passed IS NOT NULL
ORDER BY sample_id, created_at DESC, verdict_id;
COMMENT ON VIEW people_verdicts IS 'The last decision of a person on each sample (flywheel ui); it counts more than any verifier''s or judge''s.';
COMMENT ON COLUMN people_verdicts.judge IS 'Who: human:NAME.';
COMMENT ON COLUMN people_verdicts.passed IS 'Accepted or rejected.';
COMMENT ON COLUMN people_verdicts.reason IS 'accepted, rejected, edited, or the person''s own words.';

CREATE OR REPLACE VIEW unused_pairs AS
SELECT input_id AS pair_id FROM drops WHERE step = 'pair/items'
UNION
SELECT pair_id FROM pairs
WHERE prompt_id IS NOT NULL AND pair_id NOT IN (SELECT input_id FROM plans WHERE step = 'pair/items')
UNION
SELECT p.pair_id FROM pairs p JOIN people_verdicts h ON h.sample_id = p.chosen_sample_id AND NOT h.passed
UNION
SELECT p.pair_id FROM pairs p JOIN people_verdicts h ON h.sample_id = p.rejected_sample_id AND h.passed;
COMMENT ON VIEW unused_pairs IS 'Pairs that the rules in use leave out: near-identical ones, ones that contradict each other or have an empty chosen, too many of a prompt, too many with the longer one chosen, those that other rules had made, and those that a person speaks against: the chosen one rejected, or the rejected one accepted.';

CREATE OR REPLACE VIEW current_chunks AS
SELECT DISTINCT chunk_id FROM document_chunks
WHERE document_id IN (SELECT arg_max(document_id, version) FROM documents GROUP BY source);
COMMENT ON VIEW current_chunks IS 'Chunks of the versions of documents that are in use.';

CREATE OR REPLACE VIEW outdated_samples AS
WITH RECURSIVE outdated AS (
    SELECT sample_id FROM samples
    WHERE (starts_with(input_id, 'chk_') AND input_id NOT IN (SELECT chunk_id FROM current_chunks))
       OR (step = 'import' AND request_id IN (SELECT request_id FROM replaced_rows))
       OR (starts_with(input_id, 'req_') AND input_id IN (SELECT request_id FROM replaced_rows))
    UNION
    SELECT s.sample_id FROM samples s JOIN outdated o ON s.input_id = o.sample_id
)
SELECT sample_id FROM outdated;
COMMENT ON VIEW outdated_samples IS 'Samples that come, over any number of steps, from a chunk or an imported row that no version in use has.';

CREATE OR REPLACE VIEW outdated_problems AS
SELECT problem_id FROM samples
WHERE step = 'import' AND problem_id IS NOT NULL AND request_id IN (SELECT request_id FROM replaced_rows)
EXCEPT SELECT problem_id FROM samples WHERE step = 'import' AND request_id NOT IN (SELECT request_id FROM replaced_rows)
EXCEPT SELECT problem_id FROM problem_sets;
COMMENT ON VIEW outdated_problems IS 'Problems that only replaced versions of imported files have.';

CREATE OR REPLACE VIEW sft AS
SELECT s.run_id, s.iteration, s.sample_id, s.problem_id, s.request_id, v.judge, v.score,
       coalesce(s.prompt, r.messages) AS prompt,
       CASE WHEN starts_with(s.parser, 'import-') AND (s.fields -> '$.message') IS NOT NULL
            THEN json_array(s.fields -> '$.message')
            ELSE coalesce(CASE WHEN starts_with(s.parser, 'import-') THEN s.fields -> '$.turns' ELSE s.fields -> '$.completion_messages' END,
                          json_array(json_object('role', 'assistant', 'content', s.completion))) END AS completion
FROM samples s
JOIN requests r USING (request_id)
JOIN verdicts v USING (sample_id)
WHERE v.passed AND NOT starts_with(v.judge, 'recorded@') AND NOT contains(split_part(v.judge, '@', 1), '/') AND NOT starts_with(s.step, 'calibration.') AND NOT starts_with(s.step, 'compare.') AND s.sample_id NOT IN (SELECT sample_id FROM worse_samples)
  AND s.sample_id NOT IN (SELECT sample_id FROM people_verdicts WHERE NOT passed);
COMMENT ON VIEW sft IS 'Accepted samples in TRL''s prompt/completion columns (conversational); one that a person rejected is none, whoever else accepts it; a member of a panel (jury/model@…) alone accepts nothing.';
COMMENT ON COLUMN sft.judge IS 'Who accepted it; a sample that two judges accept has two rows.';
COMMENT ON COLUMN sft.score IS 'The judge''s score.';
COMMENT ON COLUMN sft.prompt IS 'JSON messages: what the model sees.';
COMMENT ON COLUMN sft.completion IS 'JSON messages: what it shall answer.';

CREATE OR REPLACE VIEW accepted_samples AS
SELECT s.sample_id, s.request_id, s.run_id, s.iteration, s.step, s.problem_id, s.input_id
FROM samples s
WHERE NOT starts_with(s.step, 'calibration.') AND NOT starts_with(s.step, 'compare.')
  AND s.sample_id IN (
      SELECT v.sample_id FROM verdicts v
      WHERE v.passed AND NOT starts_with(v.judge, 'recorded@') AND NOT contains(split_part(v.judge, '@', 1), '/'))
  AND s.sample_id NOT IN (SELECT w.sample_id FROM worse_samples w)
  AND s.sample_id NOT IN (SELECT h.sample_id FROM people_verdicts h WHERE NOT h.passed);
COMMENT ON VIEW accepted_samples IS 'The samples of view sft, each once, whatever the number of judges that accepted it.';

CREATE OR REPLACE VIEW dpo AS
SELECT p.run_id, p.iteration, p.pair_id, p.problem_id, p.kind,
       coalesce(c.prompt, r.messages) AS prompt,
       CASE WHEN starts_with(c.parser, 'import-') AND (c.fields -> '$.message') IS NOT NULL
            THEN json_array(c.fields -> '$.message')
            ELSE coalesce(CASE WHEN starts_with(c.parser, 'import-') THEN c.fields -> '$.turns' ELSE c.fields -> '$.completion_messages' END,
                          json_array(json_object('role', 'assistant', 'content', c.completion))) END AS chosen,
       CASE WHEN starts_with(j.parser, 'import-') AND (j.fields -> '$.message') IS NOT NULL
            THEN json_array(j.fields -> '$.message')
            ELSE coalesce(CASE WHEN starts_with(j.parser, 'import-') THEN j.fields -> '$.turns' ELSE j.fields -> '$.completion_messages' END,
                          json_array(json_object('role', 'assistant', 'content', j.completion))) END AS rejected,
       p.chosen_sample_id, p.rejected_sample_id, p.judge, p.margin, p.chosen_verdict_id, p.rejected_verdict_id
FROM pairs p
JOIN samples c ON c.sample_id = p.chosen_sample_id
JOIN samples j ON j.sample_id = p.rejected_sample_id
JOIN requests r ON r.request_id = c.request_id
WHERE p.pair_id NOT IN (SELECT pair_id FROM unused_pairs);
COMMENT ON VIEW dpo IS 'Preference pairs in TRL''s prompt/chosen/rejected columns (conversational); those of imported sets and generators as they came, until pairing (flywheel pairs, a run) has chosen among them.';
COMMENT ON COLUMN dpo.kind IS 'What makes one the better; see pairs.';
COMMENT ON COLUMN dpo.prompt IS 'JSON messages: what the model sees.';
COMMENT ON COLUMN dpo.chosen IS 'JSON messages: the better answer.';
COMMENT ON COLUMN dpo.rejected IS 'JSON messages: the worse answer.';
COMMENT ON COLUMN dpo.judge IS 'Whose verdicts made the pair.';
COMMENT ON COLUMN dpo.margin IS 'Score of the chosen one minus that of the rejected one.';

CREATE OR REPLACE VIEW length_preference AS
WITH sized AS (
    SELECT p.run_id, p.iteration, p.kind, p.pair_id, length(c.completion) AS chosen, length(j.completion) AS rejected
    FROM pairs p
    JOIN samples c ON c.sample_id = p.chosen_sample_id
    JOIN samples j ON j.sample_id = p.rejected_sample_id
    WHERE p.pair_id NOT IN (SELECT pair_id FROM unused_pairs)
), sides AS (
    SELECT run_id, iteration, kind, 1 AS is_chosen, chosen AS n_chars FROM sized
    UNION ALL SELECT run_id, iteration, kind, 0, rejected FROM sized
)
SELECT z.run_id, z.iteration, z.kind, count(*) AS pairs, count(*) FILTER (z.chosen > z.rejected) AS longer,
       count(*) FILTER (z.chosen < z.rejected) AS shorter, avg(z.chosen) AS chosen_chars, avg(z.rejected) AS rejected_chars,
       any_value(s.r) AS correlation
FROM sized z
JOIN (SELECT run_id, iteration, kind, corr(is_chosen, n_chars) AS r FROM sides GROUP BY ALL) s USING (run_id, iteration, kind)
GROUP BY z.run_id, z.iteration, z.kind;
COMMENT ON VIEW length_preference IS 'Of the pairs in use: in how many the chosen one is longer or shorter, and the point-biserial correlation of being chosen with length in characters.';
COMMENT ON COLUMN length_preference.kind IS 'See pairs.';
COMMENT ON COLUMN length_preference.pairs IS 'Pairs in use.';
COMMENT ON COLUMN length_preference.longer IS 'Pairs whose chosen one is the longer.';
COMMENT ON COLUMN length_preference.shorter IS 'Pairs whose chosen one is the shorter.';
COMMENT ON COLUMN length_preference.chosen_chars IS 'Mean characters of the chosen ones.';
COMMENT ON COLUMN length_preference.rejected_chars IS 'Mean characters of the rejected ones.';
COMMENT ON COLUMN length_preference.correlation IS 'From -1 to 1; above 0, the longer ones are chosen.';

CREATE OR REPLACE VIEW drop_reasons AS
SELECT run_id, iteration, step, reason, sum(n)::BIGINT AS dropped FROM drops GROUP BY ALL;
COMMENT ON VIEW drop_reasons IS 'How many inputs each step dropped, by reason.';
COMMENT ON COLUMN drop_reasons.step IS 'Step that dropped.';
COMMENT ON COLUMN drop_reasons.reason IS 'As in drops.';
COMMENT ON COLUMN drop_reasons.dropped IS 'Inputs, by n of drops.';

CREATE OR REPLACE VIEW funnel AS
WITH judge_steps AS (
    -- steps of judges, and what their verdicts are filed under: judge.quality.1a2b3c4d, quality@1a2b3c4d (of a panel's member jury/model@…)
    SELECT DISTINCT p.run_id, p.step, v.judge
    FROM plans p JOIN (SELECT DISTINCT judge FROM verdicts) v ON p.step = 'judge.' || translate(v.judge, '/@', '..')
),
counted AS (
    -- entered: the plan, fixed before the step ran. kept: rows that came out of it.
    SELECT run_id, iteration, step, sum(n)::BIGINT AS entered, 0::BIGINT AS kept FROM plans GROUP BY ALL
    UNION ALL
    SELECT run_id, iteration, step, 0, count(*) FROM samples WHERE run_id IS NOT NULL AND parser IS NULL GROUP BY ALL
    UNION ALL
    -- a row of an imported set is one input, whatever the number of completions in it
    SELECT run_id, iteration, step, 0, count(DISTINCT request_id)
    FROM (SELECT run_id, iteration, step, request_id, parser FROM samples
          UNION ALL SELECT run_id, iteration, step, request_id, parser FROM imported_prompts)
    WHERE run_id = 'project' AND step = 'import' AND parser IS NOT NULL GROUP BY ALL
    UNION ALL
    -- a step of generate: an input is kept when it gave any row; its single items have a line of their own
    SELECT run_id, iteration, step, 0, count(DISTINCT input_id) FROM samples
    WHERE run_id <> 'project' AND parser IS NOT NULL AND step <> 'people' GROUP BY ALL
    UNION ALL
    SELECT run_id, iteration, step || '/items', 0, count(*) FILTER (sample_id NOT IN (SELECT sample_id FROM worse_samples))
    FROM samples WHERE run_id <> 'project' AND parser IS NOT NULL AND step <> 'people' GROUP BY ALL
    UNION ALL
    SELECT s.run_id, s.iteration, s.step || '/verify', count(*), count(*) FILTER (v.passed)
    FROM samples s JOIN verdicts v USING (sample_id)
    WHERE s.run_id IS NOT NULL AND NOT starts_with(v.judge, 'recorded@') AND NOT starts_with(v.judge, 'human:')
      AND v.judge NOT IN (SELECT judge FROM judge_steps)
    GROUP BY ALL
    UNION ALL
    SELECT s.run_id, s.iteration, j.step || '/verdicts', count(*), count(*) FILTER (v.passed)
    FROM judge_steps j JOIN verdicts v ON v.judge = j.judge JOIN samples s ON s.sample_id = v.sample_id AND s.run_id = j.run_id
    GROUP BY ALL
    UNION ALL
    -- a judge that is code, or a panel, asks nobody: its verdicts are all that it makes
    SELECT n.run_id, n.iteration, n.step, 0, count(*)
    FROM plans n JOIN judge_steps j ON j.run_id = n.run_id AND j.step = n.step
    JOIN verdicts v ON v.judge = j.judge AND v.sample_id = n.input_id
    WHERE j.step NOT IN (SELECT step FROM samples WHERE starts_with(step, 'judge.')) GROUP BY ALL
    UNION ALL
    SELECT r.run_id, 0, 'problems', 0, count(DISTINCT p.problem_id)
    FROM runs r JOIN problem_sets x ON x.problem_set_id = r.problem_set_id JOIN problems p ON p.problem_id = x.problem_id
    GROUP BY ALL
    UNION ALL
    SELECT r.run_id, 0, 'problems', 0, count(DISTINCT p.problem_id)  -- runs of a flywheel that knew no problem sets
    FROM runs r JOIN problems p ON p.source = r.recipe ->> '$.problems.source' WHERE r.problem_set_id IS NULL GROUP BY ALL
    UNION ALL
    SELECT 'project', 0, 'ingest', 0, count(*) FROM documents HAVING count(*) > 0
    UNION ALL
    -- prompts that gave a pair, of each kind; pairs of imported sets and of generators came with their rows
    SELECT p.run_id, p.iteration, 'pair', 0, count(DISTINCT p.kind || coalesce(p.judge, '') || coalesce(p.prompt_id, p.problem_id)) FROM pairs p
    WHERE p.run_id IS NOT NULL AND (p.kind = 'correct/incorrect' OR (p.prompt_id IS NOT NULL AND p.kind IN ('cited/uncited', 'safe/unsafe', 'higher/lower')))
      AND (p.prompt_id IS NULL OR p.pair_id IN (SELECT input_id FROM plans WHERE step = 'pair/items')) GROUP BY ALL
    UNION ALL
    SELECT n.run_id, n.iteration, n.step, 0, count(*) FROM plans n
    WHERE n.step = 'pair/items' AND n.input_id IN (SELECT pair_id FROM pairs)
      AND n.input_id NOT IN (SELECT input_id FROM drops d WHERE d.step = 'pair/items' AND d.run_id = n.run_id AND d.iteration = n.iteration)
    GROUP BY ALL
    UNION ALL
    -- of pairs that came ready, of a kind with a limit, those whose turn it is
    SELECT run_id, iteration, step, 0, sum(n) FROM plans WHERE step = 'pair/limit' AND ends_with(input_id, ', taken') GROUP BY ALL
    UNION ALL
    SELECT run_id, iteration, replace(step, '/snapshot', '/curate'), 0, sum(n) FROM plans
    WHERE input_id = 'curated rows' AND ends_with(step, '/snapshot') GROUP BY ALL
    UNION ALL
    SELECT n.run_id, n.iteration, n.stage || '/snapshot', 0, count(*)
    FROM snapshots n JOIN snapshot_rows x USING (snapshot_id)
    WHERE n.run_id IS NOT NULL AND n.snapshot_id IN (
        SELECT arg_max(snapshot_id, created_at) FROM snapshots GROUP BY run_id, iteration, stage) GROUP BY ALL
    UNION ALL
    -- rows that a training looked at and refused; a training that refused none has no such step
    SELECT c.run_id, c.iteration, c.stage || '/preflight', 0, sum((c.metrics ->> '$.n_rows')::BIGINT)
    FROM checkpoints c JOIN (SELECT DISTINCT run_id, iteration, step FROM plans) p
      ON p.run_id = c.run_id AND p.iteration = c.iteration AND p.step = c.stage || '/preflight' GROUP BY ALL
    UNION ALL
    -- the same of the rows that it measured on
    SELECT c.run_id, c.iteration, c.stage || '/heldout', 0, sum((c.metrics ->> '$.heldout_n')::BIGINT)
    FROM checkpoints c JOIN (SELECT DISTINCT run_id, iteration, step FROM plans) p
      ON p.run_id = c.run_id AND p.iteration = c.iteration AND p.step = c.stage || '/heldout' GROUP BY ALL
),
failed AS (
    SELECT s.run_id, s.iteration, s.step || '/verify' AS step, v.reason, count(*)::BIGINT AS dropped
    FROM samples s JOIN verdicts v USING (sample_id)
    WHERE s.run_id IS NOT NULL AND v.passed IS NOT TRUE AND NOT starts_with(v.judge, 'recorded@')
      AND NOT starts_with(v.judge, 'human:') AND v.judge NOT IN (SELECT judge FROM judge_steps) GROUP BY ALL
    UNION ALL
    SELECT s.run_id, s.iteration, j.step || '/verdicts', v.reason, count(*)
    FROM judge_steps j JOIN verdicts v ON v.judge = j.judge JOIN samples s ON s.sample_id = v.sample_id AND s.run_id = j.run_id
    WHERE v.passed IS NOT TRUE GROUP BY ALL
    UNION ALL
    -- nothing is wrong with them: they are no drops
    SELECT run_id, iteration, step, 'left to other iterations', sum(n)::BIGINT FROM plans
    WHERE step = 'pair/limit' AND ends_with(input_id, ', left') AND n > 0 GROUP BY ALL
    UNION ALL
    SELECT run_id, iteration, step, reason, dropped FROM drop_reasons WHERE run_id IS NOT NULL
),
totals AS (
    SELECT run_id, iteration, step, sum(entered)::BIGINT AS entered, sum(kept)::BIGINT AS kept FROM counted GROUP BY ALL
),
reasons AS (
    SELECT run_id, iteration, step, sum(dropped)::BIGINT AS dropped,
           string_agg(reason || ': ' || dropped, '; ' ORDER BY dropped DESC, reason) AS reason
    FROM failed GROUP BY ALL
)
SELECT t.run_id, t.iteration, t.step, t.entered, t.kept, coalesce(r.dropped, 0)::BIGINT AS dropped, r.reason
FROM totals t LEFT JOIN reasons r
  ON r.run_id = t.run_id AND r.iteration = t.iteration AND r.step = t.step;
COMMENT ON VIEW funnel IS 'What entered each step, what was kept, what was dropped and why; entered = kept + dropped once the step is done.';
COMMENT ON COLUMN funnel.run_id IS 'project: what was ingested or imported.';
COMMENT ON COLUMN funnel.step IS 'name: its inputs; name/items: rows that came of them; name/verify: verdicts on these; problems, ingest, import: what was brought in; pair/limit: pairs that came ready, of a kind of which an iteration takes a part; stage/curate, stage/snapshot: towards a training set.';
COMMENT ON COLUMN funnel.entered IS 'Inputs that were planned.';
COMMENT ON COLUMN funnel.kept IS 'Inputs that something came of.';
COMMENT ON COLUMN funnel.dropped IS 'Inputs that nothing came of.';
COMMENT ON COLUMN funnel.reason IS 'Reasons with their counts, the most frequent first.';

CREATE OR REPLACE VIEW lineage AS
SELECT k.run_id, k.iteration, k.stage, k.checkpoint_id, k.parent_id, k.snapshot_id, x.ordinal, x.pair_id, t.role,
       s.sample_id, v.verdict_id, v.judge, v.passed, s.request_id, q.template_id, q.engine, q.model,
       q.checkpoint_id AS made_by_checkpoint_id, s.problem_id, p.source AS problem_source, p.question, p.answer,
       s.completion
FROM checkpoints k
JOIN snapshot_rows x USING (snapshot_id)
LEFT JOIN pairs d ON d.pair_id = x.pair_id
CROSS JOIN (VALUES ('completion'), ('chosen'), ('rejected')) t(role)
JOIN samples s ON s.sample_id = CASE t.role WHEN 'rejected' THEN d.rejected_sample_id ELSE x.sample_id END
LEFT JOIN (SELECT DISTINCT ON (sample_id) * FROM verdicts WHERE NOT starts_with(judge, 'recorded@') AND NOT contains(split_part(judge, '@', 1), '/') ORDER BY sample_id, created_at, judge DESC) v
  ON v.sample_id = s.sample_id
LEFT JOIN requests q ON q.request_id = s.request_id
LEFT JOIN (SELECT DISTINCT ON (problem_id) * FROM problems) p ON p.problem_id = s.problem_id
WHERE (x.pair_id IS NULL) = (t.role = 'completion');
COMMENT ON VIEW lineage IS 'From a checkpoint back to each completion it was trained on: verdict, request, template, problem.';
COMMENT ON COLUMN lineage.checkpoint_id IS 'What was trained.';
COMMENT ON COLUMN lineage.parent_id IS 'What training began from.';
COMMENT ON COLUMN lineage.ordinal IS 'Place in the snapshot.';
COMMENT ON COLUMN lineage.role IS 'completion, or chosen or rejected of a pair.';
COMMENT ON COLUMN lineage.judge IS 'The first verdict''s judge; imported labels and single members of panels aside.';
COMMENT ON COLUMN lineage.passed IS 'What it said.';
COMMENT ON COLUMN lineage.request_id IS 'Call that the completion came from.';
COMMENT ON COLUMN lineage.engine IS 'Engine that answered.';
COMMENT ON COLUMN lineage.model IS 'Model that answered.';
COMMENT ON COLUMN lineage.made_by_checkpoint_id IS 'Weights that made the completion; NULL of endpoints and imported rows.';
COMMENT ON COLUMN lineage.problem_source IS 'File of the problem.';
COMMENT ON COLUMN lineage.question IS 'Of the problem.';
COMMENT ON COLUMN lineage.answer IS 'Of the problem.';
COMMENT ON COLUMN lineage.completion IS 'The text that was trained on (or against, where role is rejected).';

CREATE OR REPLACE VIEW cost AS
SELECT run_id, iteration, step, engine, model, count(*) AS requests, sum(attempts)::BIGINT AS attempts,
       count(*) FILTER (answered_at IS NULL) AS failed, sum(prompt_tokens)::BIGINT AS prompt_tokens,
       sum(completion_tokens)::BIGINT AS completion_tokens, sum(latency_s) AS latency_s
FROM requests GROUP BY ALL;
COMMENT ON VIEW cost IS 'Requests and tokens by step and model.';
COMMENT ON COLUMN cost.requests IS 'Calls that were made, answered or not; imported rows count as calls without tries.';
COMMENT ON COLUMN cost.attempts IS 'Tries, those that failed included.';
COMMENT ON COLUMN cost.failed IS 'Calls that were never answered.';
COMMENT ON COLUMN cost.prompt_tokens IS 'Sent.';
COMMENT ON COLUMN cost.completion_tokens IS 'Received.';
COMMENT ON COLUMN cost.latency_s IS 'Sum over the calls, which overlap: not the time that passed.';

CREATE OR REPLACE VIEW leaderboard AS
WITH decided AS (SELECT * FROM decisions WHERE role NOT IN ('anchor', 'limit'))
SELECT d.iteration, d.stage, d.checkpoint_id, s.suite, s.split, s.metric, s.score, s.stderr, s.n, d.champion_id,
       d.delta, d.p_value, d.promoted, d.created_at, d.role, d.won, d.lost, d.reason, d.run_id, d.score_id, d.low, d.high,
       d.level, coalesce((s.settings ->> '$.higher_is_better')::BOOLEAN, true) AS higher_is_better,
       (s.settings ->> '$.cut')::BIGINT AS cut
FROM decided d JOIN scores s USING (score_id)
UNION ALL
SELECT k.iteration, k.stage, s.checkpoint_id, s.suite, s.split, s.metric, s.score, s.stderr, s.n, NULL,
       NULL, NULL, false, s.created_at, 'measured', NULL, NULL, NULL, k.run_id, s.score_id, NULL, NULL,
       NULL, coalesce((s.settings ->> '$.higher_is_better')::BOOLEAN, true), (s.settings ->> '$.cut')::BIGINT
FROM scores s LEFT JOIN checkpoints k USING (checkpoint_id)
WHERE s.score_id NOT IN (SELECT score_id FROM decided)
ORDER BY run_id, iteration, created_at, suite, split, metric;
COMMENT ON VIEW leaderboard IS 'Every score with its error bar, and how its checkpoint compared with the champion of the moment. role measured: by flywheel eval or a training, nothing was decided by it; run_id is then the run that made the checkpoint, NULL of a first model, an endpoint or recorded answers.';
COMMENT ON COLUMN leaderboard.stage IS 'Training that made the checkpoint.';
COMMENT ON COLUMN leaderboard.stderr IS 'Standard error of the score.';
COMMENT ON COLUMN leaderboard.n IS 'Items.';
COMMENT ON COLUMN leaderboard.champion_id IS 'Whom it was compared with.';
COMMENT ON COLUMN leaderboard.delta IS 'Difference of the scores.';
COMMENT ON COLUMN leaderboard.p_value IS 'Of that comparison.';
COMMENT ON COLUMN leaderboard.promoted IS 'Whether the checkpoint became champion.';
COMMENT ON COLUMN leaderboard.role IS 'As in decisions, or measured.';
COMMENT ON COLUMN leaderboard.won IS 'Items that it has right and the champion has wrong.';
COMMENT ON COLUMN leaderboard.lost IS 'The other way round.';
COMMENT ON COLUMN leaderboard.reason IS 'Why it was promoted or kept out.';
COMMENT ON COLUMN leaderboard.low IS 'Lower end of the 95 % interval of delta.';
COMMENT ON COLUMN leaderboard.high IS 'Upper end of it.';
COMMENT ON COLUMN leaderboard.level IS 'What p_value is compared with.';
COMMENT ON COLUMN leaderboard.higher_is_better IS 'False of metrics such as perplexity.';
COMMENT ON COLUMN leaderboard.cut IS 'Of its n answers, those that ended at max_gen_toks and not by themselves; NULL where that is not known.';

CREATE OR REPLACE VIEW champions AS
WITH decided AS (
    SELECT *, row_number() OVER (PARTITION BY run_id
        ORDER BY iteration, list_position(['sft', 'dpo', 'kto', 'grpo'], stage)) AS place  -- the stages of a turn, as the wheel has them
    FROM decisions WHERE role = 'gate'
), changes AS (
    SELECT run_id, 0 AS iteration, 'first' AS how, NULL AS stage, base_checkpoint_id AS checkpoint_id, NULL AS reason,
           started_at AS created_at, -1 AS place, 0 AS number FROM runs
    UNION ALL
    SELECT run_id, iteration, 'promoted', stage, checkpoint_id, reason, created_at, place, 0 FROM decided WHERE promoted
    UNION ALL
    SELECT run_id, iteration, 'rolled back', NULL, checkpoint_id, reason, created_at, after_decisions, number FROM rollbacks
)
SELECT run_id, row_number() OVER run AS number, iteration, how, stage, checkpoint_id, reason, created_at,
       lead(checkpoint_id) OVER run IS NULL AS is_current
FROM changes
WINDOW run AS (PARTITION BY run_id ORDER BY place, changes.number);
COMMENT ON VIEW champions IS 'The champions of each run, in their order: the first model, those that the gate promoted, those that a person put back; is_current marks the one in use.';
COMMENT ON COLUMN champions.number IS 'Place among the champions of the run, from 1.';
COMMENT ON COLUMN champions.iteration IS 'Of the decision; of a rollback the one that was under way or due; 0 of the first model.';
COMMENT ON COLUMN champions.how IS 'first, promoted or rolled back.';
COMMENT ON COLUMN champions.reason IS 'The gate''s, or the person''s.';
COMMENT ON COLUMN champions.is_current IS 'Whether it is the one in use.';

CREATE OR REPLACE VIEW before_after AS
WITH made AS (
    SELECT b.score_id AS before_score_id, a.score_id AS after_score_id
    FROM scores a JOIN checkpoints k USING (checkpoint_id)
    JOIN scores b ON b.checkpoint_id = k.parent_id AND b.suite = a.suite AND b.split = a.split AND b.suite_hash = a.suite_hash AND b.metric = a.metric
    WHERE a.score_id NOT IN (SELECT score_id FROM decisions)
), pairs_of_scores AS (SELECT * FROM made UNION SELECT before_score_id, after_score_id FROM comparisons)
SELECT b.checkpoint_id AS before_id, a.checkpoint_id AS after_id, k.run_id, k.stage, a.suite, a.split, a.metric,
       b.score AS before, b.stderr AS before_stderr, a.score AS after, a.stderr AS after_stderr, a.n,
       c.won, c.lost, c.delta, c.low, c.high, c.p_value, c.test,
       coalesce((a.settings ->> '$.higher_is_better')::BOOLEAN, true) AS higher_is_better, before_score_id, after_score_id
FROM pairs_of_scores
JOIN scores b ON b.score_id = before_score_id JOIN scores a ON a.score_id = after_score_id
LEFT JOIN checkpoints k ON k.checkpoint_id = a.checkpoint_id
LEFT JOIN comparisons c USING (before_score_id, after_score_id)
ORDER BY a.created_at, a.suite, a.split, a.metric;
COMMENT ON VIEW before_after IS 'Scores of a checkpoint beside those of what it was trained from, where no gate decided on them, and of any two that a person compared; won to test: of flywheel eval --compare, NULL without it.';
COMMENT ON COLUMN before_after.before_id IS 'Checkpoint that training began from, or that a person compared with.';
COMMENT ON COLUMN before_after.after_id IS 'Checkpoint that was measured.';
COMMENT ON COLUMN before_after.before IS 'Score of the former.';
COMMENT ON COLUMN before_after.after IS 'Score of the latter.';
COMMENT ON COLUMN before_after.before_stderr IS 'Its standard error.';
COMMENT ON COLUMN before_after.after_stderr IS 'Its standard error.';
COMMENT ON COLUMN before_after.n IS 'Items.';
COMMENT ON COLUMN before_after.won IS 'Items that the latter is better at.';
COMMENT ON COLUMN before_after.lost IS 'Items that the former is better at.';
COMMENT ON COLUMN before_after.delta IS 'after minus before.';
COMMENT ON COLUMN before_after.low IS 'Lower end of the 95 % interval of delta.';
COMMENT ON COLUMN before_after.high IS 'Upper end of it.';
COMMENT ON COLUMN before_after.p_value IS 'Two-sided.';
COMMENT ON COLUMN before_after.test IS 'Name of the test.';
COMMENT ON COLUMN before_after.higher_is_better IS 'False of metrics such as perplexity.';

CREATE OR REPLACE VIEW flips AS
WITH compared AS (
    SELECT run_id, iteration, stage, champion_id, checkpoint_id, champion_score_id AS before_id, score_id AS after_id
    FROM decisions WHERE role NOT IN ('anchor', 'limit')
    UNION ALL
    SELECT NULL, NULL, 'compare', before_id, after_id, before_score_id, after_score_id FROM comparisons
)
SELECT d.run_id, d.iteration, d.stage, s.suite, s.split, s.metric, a.item_id, a.ordinal,
       CASE WHEN (a.value > b.value) = coalesce((s.settings ->> '$.higher_is_better')::BOOLEAN, true) THEN 'won' ELSE 'lost' END AS flip,
       qa.messages AS prompt, a.target, qb.completions ->> 0 AS champion_completion,
       qa.completions ->> 0 AS challenger_completion, d.champion_id, d.checkpoint_id
FROM compared d
JOIN scores s ON s.score_id = d.after_id
JOIN score_items a ON a.score_id = d.after_id
JOIN score_items b ON b.score_id = d.before_id AND b.ordinal = a.ordinal
JOIN requests qa ON qa.request_id = a.request_id
JOIN requests qb ON qb.request_id = b.request_id
WHERE a.value <> b.value;
COMMENT ON VIEW flips IS 'Items that a challenger won (it got better at: a higher value, or a lower one where lower is better) or lost against the champion, with both completions; stage compare: two models that a person compared.';
COMMENT ON COLUMN flips.ordinal IS 'Place of the item in its split, from 0.';
COMMENT ON COLUMN flips.flip IS 'won: the challenger got better at it; lost: it got worse.';
COMMENT ON COLUMN flips.prompt IS 'JSON messages.';
COMMENT ON COLUMN flips.target IS 'The right answer.';
COMMENT ON COLUMN flips.champion_completion IS 'What the champion answered.';
COMMENT ON COLUMN flips.challenger_completion IS 'What the challenger answered.';
COMMENT ON COLUMN flips.champion_id IS 'Whom the challenger is compared with.';
COMMENT ON COLUMN flips.checkpoint_id IS 'The challenger.';

CREATE OR REPLACE VIEW split_uses AS
SELECT s.suite, s.split, s.suite_hash, max(s.n) AS n,
       count(DISTINCT d.run_id || '/' || d.iteration || '/' || d.stage) FILTER (d.role IN ('gate', 'guard')) AS decided,
       count(DISTINCT d.run_id || '/' || d.iteration || '/' || d.stage) FILTER (d.role = 'gate' AND d.promoted) AS promoted,
       count(DISTINCT d.run_id || '/' || d.iteration || '/' || d.stage) AS looked,
       0.5 * sqrt(decided / max(s.n)) AS worst_optimism, decided > max(s.n) / 25 AS worn
FROM scores s JOIN decisions d ON d.score_id = s.score_id AND d.role NOT IN ('anchor', 'limit', 'baseline')
GROUP BY s.suite, s.split, s.suite_hash;
COMMENT ON VIEW split_uses IS 'How often the rows of each split have decided (gate or guard), been followed by a promotion, and been looked at at all, over all runs. worst_optimism: what so many yes-or-no answers could have flattered a score by in the worst case; worn: that is above 10 points.';
COMMENT ON COLUMN split_uses.n IS 'Items.';
COMMENT ON COLUMN split_uses.decided IS 'Decisions that the split was asked for.';
COMMENT ON COLUMN split_uses.promoted IS 'Decisions that it let through.';
COMMENT ON COLUMN split_uses.looked IS 'Decisions that showed its score at all.';
