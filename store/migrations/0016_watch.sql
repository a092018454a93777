-- What each iteration's completions measure, what the watch found in that, and why problems were tried or not.

CREATE TABLE IF NOT EXISTS iteration_measures (
    run_id VARCHAR NOT NULL, iteration INTEGER NOT NULL, step VARCHAR NOT NULL, n BIGINT NOT NULL, sampled BIGINT NOT NULL,
    distinct_1 DOUBLE, distinct_2 DOUBLE, distinct_4 DOUBLE, self_repetition DOUBLE, mean_chars DOUBLE, length_drift DOUBLE,
    entropy DOUBLE, entropy_of VARCHAR, repeated DOUBLE, repeated_earlier DOUBLE, judged_twice BIGINT NOT NULL, disagreement DOUBLE,
    pass_rate DOUBLE, gate_score DOUBLE, train_gate_gap DOUBLE, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE iteration_measures IS 'What the new completions of an iteration measure, one row per step of a finished iteration; what cannot be had is NULL. See docs/loop.md.';
COMMENT ON COLUMN iteration_measures.step IS 'Step that made the completions: solve, on-policy, or one of the recipe''s.';
COMMENT ON COLUMN iteration_measures.n IS 'Completions of the step in this iteration.';
COMMENT ON COLUMN iteration_measures.sampled IS 'Completions that distinct-n, self-repetition and the entropy of 2-grams are of: the first by id, at most 10,000 and no more than in the run''s first iteration, since these figures fall with the number of texts.';
COMMENT ON COLUMN iteration_measures.distinct_1 IS 'Share of different words among all (distinct-1; Li et al., arXiv 1510.03055).';
COMMENT ON COLUMN iteration_measures.distinct_2 IS 'Share of different 2-grams of words among all (distinct-2).';
COMMENT ON COLUMN iteration_measures.distinct_4 IS 'Share of different 4-grams of words among all (distinct-4).';
COMMENT ON COLUMN iteration_measures.self_repetition IS 'Share of completions that hold a 4-gram which another one holds too (Salkar et al., AACL 2022).';
COMMENT ON COLUMN iteration_measures.mean_chars IS 'Mean length of a completion in characters.';
COMMENT ON COLUMN iteration_measures.length_drift IS 'mean_chars over that of the run''s first iteration, minus 1.';
COMMENT ON COLUMN iteration_measures.entropy IS 'In nats; what it is of says entropy_of.';
COMMENT ON COLUMN iteration_measures.entropy_of IS 'tokens: mean negative log-probability of a token at temperature 1, of requests whose completions all have one (logprobs: true); 2-grams: entropy of the distribution of 2-grams of words.';
COMMENT ON COLUMN iteration_measures.repeated IS 'Share of completions that are equal, letter by letter, to another one of this step in this or an earlier iteration.';
COMMENT ON COLUMN iteration_measures.repeated_earlier IS 'Share of completions that are equal to one of an earlier iteration.';
COMMENT ON COLUMN iteration_measures.judged_twice IS 'Pairs of a judge''s verdict and the verifier''s on one sample, neither an abstention.';
COMMENT ON COLUMN iteration_measures.disagreement IS 'Share of judged_twice in which one passes what the other fails; NULL where there are none.';
COMMENT ON COLUMN iteration_measures.pass_rate IS 'Share of verified completions that passed, abstentions left out.';
COMMENT ON COLUMN iteration_measures.gate_score IS 'Score on the gate split of the checkpoint that made the completions; NULL of an endpoint, and of a metric that is no share.';
COMMENT ON COLUMN iteration_measures.train_gate_gap IS 'pass_rate minus gate_score, of problems that were not chosen by their pass rate.';

CREATE TABLE IF NOT EXISTS watch_findings (
    run_id VARCHAR NOT NULL, iteration INTEGER NOT NULL, step VARCHAR NOT NULL, measure VARCHAR NOT NULL, level VARCHAR NOT NULL,
    value DOUBLE NOT NULL, against INTEGER NOT NULL, reference DOUBLE NOT NULL, change DOUBLE NOT NULL, threshold DOUBLE NOT NULL,
    message VARCHAR NOT NULL, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE watch_findings IS 'Measures of an iteration that crossed a threshold of the recipe''s watch, as it stood when they were looked at last.';
COMMENT ON COLUMN watch_findings.measure IS 'Key under watch: diversity, length, entropy, repeats, disagreement, gap.';
COMMENT ON COLUMN watch_findings.level IS 'warn, or stop: the run goes no further.';
COMMENT ON COLUMN watch_findings.value IS 'The measure in this iteration.';
COMMENT ON COLUMN watch_findings.against IS 'Iteration that it is compared with.';
COMMENT ON COLUMN watch_findings.reference IS 'The measure there.';
COMMENT ON COLUMN watch_findings.change IS 'How far it went the wrong way: a share of the reference for diversity, length and entropy, else a difference.';
COMMENT ON COLUMN watch_findings.threshold IS 'The recipe''s, which change is above.';
COMMENT ON COLUMN watch_findings.message IS 'The same in a sentence.';

CREATE TABLE IF NOT EXISTS problem_choices (
    run_id VARCHAR NOT NULL, iteration INTEGER NOT NULL, step VARCHAR NOT NULL, problem_id VARCHAR NOT NULL, chosen BOOLEAN NOT NULL,
    reason VARCHAR NOT NULL, tried_in INTEGER, pass_rate DOUBLE, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE problem_choices IS 'Where the recipe has choose: every problem that an iteration chose, and every one tried before that it did not. A problem without a row was never tried and its turn has not come.';
COMMENT ON COLUMN problem_choices.step IS 'solve or on-policy.';
COMMENT ON COLUMN problem_choices.chosen IS 'Whether the iteration tries it.';
COMMENT ON COLUMN problem_choices.reason IS 'What it is: new (never tried), sometimes, always or never (solved, when tried last, by the bounds of choose), tried (in this iteration''s other step, or without a verdict).';
COMMENT ON COLUMN problem_choices.tried_in IS 'Iteration that tried it last before this one; NULL where none did.';
COMMENT ON COLUMN problem_choices.pass_rate IS 'Share of its verified completions there that passed; NULL where none has a verdict.';
