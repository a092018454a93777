-- What became of each time at which a schedule was due.

CREATE TABLE IF NOT EXISTS schedule_log (
    fire_id VARCHAR NOT NULL, expression VARCHAR NOT NULL, time_zone VARCHAR NOT NULL, due_at TIMESTAMP NOT NULL,
    started_at TIMESTAMP, finished_at TIMESTAMP, outcome VARCHAR NOT NULL, exit_code INTEGER, message VARCHAR
);
COMMENT ON TABLE schedule_log IS 'One row per time at which flywheel schedule was due, and what became of it; the first row of a schedule (outcome begun) says since when it counts.';
COMMENT ON COLUMN schedule_log.fire_id IS 'Hash of the schedule, its due time and its start.';
COMMENT ON COLUMN schedule_log.expression IS 'The schedule: a cron expression, or ''every'' and an interval.';
COMMENT ON COLUMN schedule_log.time_zone IS 'Time zone in which the expression is read.';
COMMENT ON COLUMN schedule_log.due_at IS 'When it was due, in UTC.';
COMMENT ON COLUMN schedule_log.started_at IS 'When flywheel run was started, in UTC; NULL where it was not.';
COMMENT ON COLUMN schedule_log.finished_at IS 'When the run ended, in UTC.';
COMMENT ON COLUMN schedule_log.outcome IS 'ran: the run ended well; failed: it did not; skipped: another run was on; missed: nothing was running at that time; begun: the schedule was given for the first time.';
COMMENT ON COLUMN schedule_log.exit_code IS 'Exit code of the run; 128 and the signal''s number where a signal ended it.';
COMMENT ON COLUMN schedule_log.message IS 'The error, or the last line that the run wrote; or why there was no run.';
