-- A loop that nobody watches: who was told of what, and champions that a person put back.

CREATE TABLE IF NOT EXISTS rollbacks (
    rollback_id VARCHAR NOT NULL, run_id VARCHAR NOT NULL, number INTEGER NOT NULL, after_decisions INTEGER NOT NULL,
    iteration INTEGER NOT NULL, from_checkpoint_id VARCHAR NOT NULL, checkpoint_id VARCHAR NOT NULL, reason VARCHAR,
    author VARCHAR, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE rollbacks IS 'Earlier champions that a person put back (flywheel rollback); what the gate decided before then no longer says who is champion.';
COMMENT ON COLUMN rollbacks.number IS 'Place among the rollbacks of the run, from 1.';
COMMENT ON COLUMN rollbacks.after_decisions IS 'How many decisions of the run''s gate were on record.';
COMMENT ON COLUMN rollbacks.iteration IS 'The iteration that was under way or due.';
COMMENT ON COLUMN rollbacks.checkpoint_id IS 'The champion from here on.';
COMMENT ON COLUMN rollbacks.author IS 'Who gave the command, as the system knows them.';

CREATE TABLE IF NOT EXISTS hook_calls (
    call_id VARCHAR NOT NULL, run_id VARCHAR NOT NULL, iteration INTEGER NOT NULL, event VARCHAR NOT NULL,
    target VARCHAR NOT NULL, body JSON NOT NULL, ok BOOLEAN NOT NULL, message VARCHAR, created_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE hook_calls IS 'Who was told of a promotion, a champion that stays, or a failure (hooks in the recipe), and what came of it.';
COMMENT ON COLUMN hook_calls.event IS 'promote, keep or fail.';
COMMENT ON COLUMN hook_calls.target IS 'The command line or address as the recipe has it: what comes from the environment is not in it.';
COMMENT ON COLUMN hook_calls.message IS 'The last line of what a command printed, or the status that an address answered.';
COMMENT ON COLUMN hook_calls.body IS 'What was sent.';
COMMENT ON COLUMN hook_calls.ok IS 'Whether the command ended with 0, or the address answered with success.';
COMMENT ON COLUMN rollbacks.reason IS 'In the words of who gave the command; NULL when they gave none.';
