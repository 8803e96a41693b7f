-- What several workers on several machines need of a package's row.

-- claims: how often it was ever claimed; never goes back, so it tells one claim from the next.
-- attempts are those that count against udl2.max_attempts: an attempt that ended because a server was
-- down is taken back. returns: attempts taken back in a row; retry_at: not to be announced before.
ALTER TABLE {schema}.package
    ADD COLUMN claims   bigint NOT NULL DEFAULT 0,
    ADD COLUMN returns  integer NOT NULL DEFAULT 0,
    ADD COLUMN retry_at timestamptz;

-- arrived_at grows strictly from row to row, whatever the clock does: the next one is above the last.
CREATE INDEX package_arrival_idx ON {schema}.package (arrived_at);
