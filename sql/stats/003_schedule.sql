-- When each scheduled job was last due, and who took it: one row a job, claimed in one statement, so
-- that of several machines one runs it. due_at is the match of the schedule that was dealt with last;
-- taken says whether it was run (no: the schedule is new, or was changed, after that moment).
CREATE TABLE {schema}.schedule_run (
    name       text COLLATE "C" PRIMARY KEY, -- prefix of the keys: migrate.conductor, file-grabber.lz
    schedule   text NOT NULL,                -- the fields that are set
    due_at     timestamptz NOT NULL,
    taken      boolean NOT NULL,
    host       text NOT NULL,                -- host:pid
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,                  -- NULL: it runs, or died
    status     integer                       -- exit status
);
