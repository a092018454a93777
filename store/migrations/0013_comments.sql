-- What each column means, beside what its table is: `flywheel sql --schema` prints it, docs/sql-reference.md holds it. Columns that
-- are named for the row they point to (sample_id) or for what every table calls so (created_at) need no words.

COMMENT ON COLUMN runs.run_id IS 'Hash of recipe, seed and the content of the files that the recipe names.';
COMMENT ON COLUMN runs.name IS 'Name of the recipe.';
COMMENT ON COLUMN runs.seed IS 'Every draw of the run follows from it.';
COMMENT ON COLUMN runs.model IS 'The first champion, as the recipe names it.';
COMMENT ON COLUMN runs.base_checkpoint_id IS 'The first champion''s checkpoint.';
COMMENT ON COLUMN runs.recipe IS 'JSON: the recipe with its defaults.';
COMMENT ON COLUMN runs.versions IS 'JSON: versions of flywheel, Python''s libraries and DuckDB at the start.';
COMMENT ON COLUMN runs.problem_set_id IS 'The set of problems that it works through, in problem_sets.';

COMMENT ON COLUMN iterations.iteration IS 'Number of the turn, from 1; elsewhere 0 is what came before the first turn.';
COMMENT ON COLUMN iterations.champion_before IS 'Checkpoint in use when it began.';
COMMENT ON COLUMN iterations.champion_after IS 'Checkpoint in use when it ended; NULL while it is under way.';

COMMENT ON COLUMN templates.template_id IS 'Hash of the text: an edited template is another row.';
COMMENT ON COLUMN templates.name IS 'Name by which recipes call it.';
COMMENT ON COLUMN templates.source IS 'Whose idea the template is: paper, model card or flywheel.';
COMMENT ON COLUMN templates.text IS 'The template itself, system and user turns included.';

COMMENT ON COLUMN problems.source IS 'File that it came from.';
COMMENT ON COLUMN problems.source_ordinal IS 'Number of the row in that file, from 0.';
COMMENT ON COLUMN problems.answer IS 'What a verifier compares with.';
COMMENT ON COLUMN problems.solution IS 'Worked solution, where the file has one.';

COMMENT ON COLUMN plans.step IS 'Step that the inputs are for; a name with / is a part of a step.';
COMMENT ON COLUMN plans.ordinal IS 'Place in the plan, from 0.';
COMMENT ON COLUMN plans.input_id IS 'A problem, chunk, sample, pair, file or line of one, by step.';
COMMENT ON COLUMN plans.n IS 'Completions that are due, or inputs that the row stands for.';

COMMENT ON COLUMN requests.run_id IS 'Run that asked; project: an imported row.';
COMMENT ON COLUMN requests.step IS 'Step that asked; eval for suites, import for imported rows.';
COMMENT ON COLUMN requests.input_id IS 'What it is about: a problem, chunk or sample; items of suites have none.';
COMMENT ON COLUMN requests.engine IS 'local, vllm, openai, or import.';
COMMENT ON COLUMN requests.model IS 'As the recipe or the endpoint names it; of imported rows the data set.';
COMMENT ON COLUMN requests.checkpoint_id IS 'Weights that answered; NULL of endpoints.';
COMMENT ON COLUMN requests.messages IS 'JSON: the prompt, in OpenAI''s shape.';
COMMENT ON COLUMN requests.sampling IS 'JSON: temperature, seed, most tokens and the like, as sent.';
COMMENT ON COLUMN requests.n_draws IS 'Completions that were asked for.';
COMMENT ON COLUMN requests.prompt_tokens IS 'Tokens of the prompt, as the engine counts them.';
COMMENT ON COLUMN requests.completion_tokens IS 'Tokens of all completions together.';
COMMENT ON COLUMN requests.latency_s IS 'Seconds from the last try to its answer; those of a batch overlap.';
COMMENT ON COLUMN requests.created_at IS 'When it was first sent.';
COMMENT ON COLUMN requests.error IS 'What the last try ended with; NULL when it was answered.';

COMMENT ON COLUMN samples.request_id IS 'The call that it came from.';
COMMENT ON COLUMN samples.draw IS 'Number of the completion among those of its request, from 0.';
COMMENT ON COLUMN samples.run_id IS 'Run that made it; project: an imported row.';
COMMENT ON COLUMN samples.step IS 'Step that made it.';
COMMENT ON COLUMN samples.problem_id IS 'Problem that it answers; NULL of other samples.';
COMMENT ON COLUMN samples.completion IS 'The text; for generators the part that was asked for.';
COMMENT ON COLUMN samples.finish_reason IS 'Why it ended: stop, length, …, in the engine''s words.';
COMMENT ON COLUMN samples.source IS 'Engine that made it; of imported rows file and line.';

COMMENT ON COLUMN verdicts.judge IS 'name@version of a verifier, name@hash of a judge, name/model@hash of one member of a panel, recorded@set of imported labels.';
COMMENT ON COLUMN verdicts.score IS 'From 0 to 1 for most judges; NULL where it gives none.';
COMMENT ON COLUMN verdicts.reason IS 'Why, in a few words that are equal for equal cases.';
COMMENT ON COLUMN verdicts.evidence IS 'What the reason rests on: the answer that was read, a quote, the judge''s words.';

COMMENT ON COLUMN pairs.problem_id IS 'Problem that both answer; NULL of other pairs.';
COMMENT ON COLUMN pairs.chosen_sample_id IS 'The better sample.';
COMMENT ON COLUMN pairs.rejected_sample_id IS 'The worse sample.';
COMMENT ON COLUMN pairs.kind IS 'What makes one the better: correct/incorrect, revised/original, higher/lower, cited/uncited, safe/unsafe, imported.';
COMMENT ON COLUMN pairs.chosen_verdict_id IS 'Verdict on the chosen one, of pairs made from verdicts.';
COMMENT ON COLUMN pairs.rejected_verdict_id IS 'Verdict on the rejected one.';

COMMENT ON COLUMN drops.step IS 'Step that dropped it; a name with / is a part of a step.';
COMMENT ON COLUMN drops.reason IS 'Why, in words that are equal for equal cases.';
COMMENT ON COLUMN drops.input_id IS 'What was dropped: a problem, chunk, sample, pair or line of a file.';
COMMENT ON COLUMN drops.request_id IS 'Call whose completion was at fault, where there is one.';
COMMENT ON COLUMN drops.raw IS 'The text that was dropped, or its beginning.';
COMMENT ON COLUMN drops.n IS 'Inputs that the row stands for.';

COMMENT ON COLUMN snapshots.stage IS 'Training that it was made for: sft, dpo, …';
COMMENT ON COLUMN snapshots.n_rows IS 'Rows in it.';
COMMENT ON COLUMN snapshots.format IS 'Columns of its file, in TRL''s words.';
COMMENT ON COLUMN snapshots.path IS 'Its file, relative to the project folder.';

COMMENT ON COLUMN snapshot_rows.ordinal IS 'Place in the snapshot, from 0.';
COMMENT ON COLUMN snapshot_rows.sample_id IS 'The completion, or the chosen one of a pair.';
COMMENT ON COLUMN snapshot_rows.pair_id IS 'Of preference rows.';

COMMENT ON COLUMN checkpoints.stage IS 'What made it: seed (the first model), sft, dpo, …';
COMMENT ON COLUMN checkpoints.parent_id IS 'Checkpoint that training began from; NULL of a first model.';
COMMENT ON COLUMN checkpoints.snapshot_id IS 'What it was trained on; NULL of a first model.';
COMMENT ON COLUMN checkpoints.path IS 'Its folder, relative to the project folder, or absolute.';
COMMENT ON COLUMN checkpoints.config IS 'JSON: the trainer''s settings.';
COMMENT ON COLUMN checkpoints.metrics IS 'JSON: loss, steps, rows, seconds, memory.';

COMMENT ON COLUMN train_log.step IS 'Optimiser step.';
COMMENT ON COLUMN train_log.epoch IS 'Passes over the snapshot.';
COMMENT ON COLUMN train_log.loss IS 'Training loss; NULL in lines without one.';
COMMENT ON COLUMN train_log.learning_rate IS 'Of that step.';
COMMENT ON COLUMN train_log.entry IS 'JSON: the whole line.';

COMMENT ON COLUMN scores.suite IS 'Name of the suite in the recipe.';
COMMENT ON COLUMN scores.split IS 'gate: decides on promotion; report: is only shown.';
COMMENT ON COLUMN scores.task IS 'lm-eval task that was asked.';
COMMENT ON COLUMN scores.task_version IS 'The task''s own version.';
COMMENT ON COLUMN scores.suite_hash IS 'Hash of items, task and settings: only scores of equal hashes can be compared.';
COMMENT ON COLUMN scores.metric IS 'lm-eval''s metric and filter, e.g. exact_match,strict-match.';
COMMENT ON COLUMN scores.stderr IS 'Standard error of the score; NULL where lm-eval gives none.';
COMMENT ON COLUMN scores.n IS 'Items.';
COMMENT ON COLUMN scores.settings IS 'JSON: the suite''s settings in the recipe, and whether higher is better.';

COMMENT ON COLUMN score_items.item_id IS 'Hash of the item''s content: the same item in every score.';
COMMENT ON COLUMN score_items.ordinal IS 'Place of the item in its split, from 0.';
COMMENT ON COLUMN score_items.request_id IS 'The call with prompt and completion.';
COMMENT ON COLUMN score_items.target IS 'The right answer.';
COMMENT ON COLUMN score_items.filtered IS 'What the metric''s filter read from the completion.';
COMMENT ON COLUMN score_items.value IS 'The metric on this item: 1 right and 0 wrong for shares.';

COMMENT ON COLUMN decisions.stage IS 'Training whose checkpoint is on trial; seed for the first champion.';
COMMENT ON COLUMN decisions.checkpoint_id IS 'The challenger.';
COMMENT ON COLUMN decisions.score_id IS 'The challenger''s score.';
COMMENT ON COLUMN decisions.champion_score_id IS 'The score that it is compared with.';
COMMENT ON COLUMN decisions.role IS 'gate, guard, anchor, limit, report or baseline; see the table.';
COMMENT ON COLUMN decisions.n IS 'Items that both have.';
COMMENT ON COLUMN decisions.won IS 'Items that the challenger has right and the champion has wrong.';
COMMENT ON COLUMN decisions.lost IS 'Items that the champion has right and the challenger has wrong.';
COMMENT ON COLUMN decisions.test IS 'Name of the test behind p_value.';
COMMENT ON COLUMN decisions.promoted IS 'Whether the challenger became champion; the same in all rows of a decision.';
COMMENT ON COLUMN decisions.reason IS 'Why it was promoted or kept out.';
COMMENT ON COLUMN decisions.effect IS 'Size of the difference in the unit of effect_kind.';
COMMENT ON COLUMN decisions.effect_kind IS 'Cohen''s g of right and wrong, Cohen''s d_z of graded values.';

COMMENT ON COLUMN journal_segments.segment IS 'Name of the journal file.';
COMMENT ON COLUMN journal_segments.folded_bytes IS 'Bytes of it whose rows are in the tables.';

COMMENT ON COLUMN documents.version IS 'Number of the version of this source, from 1.';
COMMENT ON COLUMN documents.format IS 'Of the file: pdf, html, markdown, …';
COMMENT ON COLUMN documents.title IS 'As the document or its file name has it.';
COMMENT ON COLUMN documents.licence IS 'As given with flywheel ingest --licence.';
COMMENT ON COLUMN documents.n_chars IS 'Characters of the converted text.';
COMMENT ON COLUMN documents.n_chunks IS 'Chunks that it was cut into.';
COMMENT ON COLUMN documents.metadata IS 'JSON: what the file says of itself.';

COMMENT ON COLUMN chunks.source IS 'Document that it was first cut from.';
COMMENT ON COLUMN chunks.text IS 'The chunk''s text.';
COMMENT ON COLUMN chunks.n_tokens IS 'Tokens of the text, estimated.';

COMMENT ON COLUMN document_chunks.document_id IS 'A version of a document.';
COMMENT ON COLUMN document_chunks.ordinal IS 'Place of the chunk in the document, from 0.';
COMMENT ON COLUMN document_chunks.char_start IS 'First character in the converted text.';
COMMENT ON COLUMN document_chunks.char_end IS 'One past its last character.';
COMMENT ON COLUMN document_chunks.line_start IS 'First line, from 1.';
COMMENT ON COLUMN document_chunks.line_end IS 'Last line.';
COMMENT ON COLUMN document_chunks.page_start IS 'First page, from 1.';
COMMENT ON COLUMN document_chunks.page_end IS 'Last page.';

COMMENT ON COLUMN retired.tbl IS 'Table that the row was in.';
COMMENT ON COLUMN retired.row IS 'JSON: the whole row.';
COMMENT ON COLUMN retired.retired_at IS 'When it left.';

COMMENT ON COLUMN datasets.format IS 'One of the formats in docs/formats.md.';
COMMENT ON COLUMN datasets.licence IS 'As given with flywheel import --licence.';
COMMENT ON COLUMN datasets.n_rows IS 'Rows of the file that were stored.';
COMMENT ON COLUMN datasets.n_dropped IS 'Rows of the file that became drops.';
COMMENT ON COLUMN datasets.imported_at IS 'When the import ended.';

COMMENT ON COLUMN problem_sets.problem_set_id IS 'Hash of the set''s content.';
COMMENT ON COLUMN problem_sets.ordinal IS 'Place in the set, from 0.';

COMMENT ON COLUMN comparisons.before_id IS 'Checkpoint that is compared with.';
COMMENT ON COLUMN comparisons.after_id IS 'Checkpoint that is judged.';
COMMENT ON COLUMN comparisons.before_score_id IS 'Score of the former.';
COMMENT ON COLUMN comparisons.after_score_id IS 'Score of the latter.';
COMMENT ON COLUMN comparisons.n IS 'Items that both have.';
COMMENT ON COLUMN comparisons.won IS 'Items that the latter is better at.';
COMMENT ON COLUMN comparisons.lost IS 'Items that the former is better at.';
COMMENT ON COLUMN comparisons.left_out IS 'Items that one of the two lacks, or whose value is no number.';
COMMENT ON COLUMN comparisons.before IS 'Score of the former on these items.';
COMMENT ON COLUMN comparisons.after IS 'Score of the latter on them.';
COMMENT ON COLUMN comparisons.delta IS 'after minus before.';
COMMENT ON COLUMN comparisons.low IS 'Lower end of the 95 % interval of delta.';
COMMENT ON COLUMN comparisons.high IS 'Upper end of it.';
COMMENT ON COLUMN comparisons.interval_kind IS 'How the interval was computed.';
COMMENT ON COLUMN comparisons.effect IS 'Size of the difference in the unit of effect_kind.';
COMMENT ON COLUMN comparisons.effect_kind IS 'Cohen''s g of right and wrong, Cohen''s d_z of graded values.';
COMMENT ON COLUMN comparisons.test IS 'Name of the test behind p_value.';

COMMENT ON COLUMN replaced_rows.replaced_at IS 'When a newer version of the file took its place.';

COMMENT ON COLUMN calibrations.judge IS 'As in verdicts.';
COMMENT ON COLUMN calibrations.labels IS 'Name of the file with people''s labels.';
COMMENT ON COLUMN calibrations.labels_hash IS 'Hash of its content.';
COMMENT ON COLUMN calibrations.kind IS 'pairwise, binary, score or label.';
COMMENT ON COLUMN calibrations.n IS 'Examples that were compared.';
COMMENT ON COLUMN calibrations.figures IS 'JSON: agreement, kappa, biases, each with its interval.';
COMMENT ON COLUMN calibrations.minimum IS 'JSON: what the recipe demands of which figure.';
COMMENT ON COLUMN calibrations.reason IS 'Which minimum was missed; NULL where all were met.';

COMMENT ON COLUMN migrations.version IS 'Number of the change.';
COMMENT ON COLUMN migrations.name IS 'File of flywheel that made it.';
COMMENT ON COLUMN migrations.applied_at IS 'When.';
