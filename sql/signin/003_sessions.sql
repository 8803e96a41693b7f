-- Sessions: who is signed in since when, and which of them were ended. The sessions themselves are sealed in
-- memcached, which forgets, and may keep what it was to forget; here is what must be known for sure. What is
-- ended stays ended until its time would have been over anyway.

CREATE TABLE {schema}.session (
    hash      text COLLATE "C" PRIMARY KEY CHECK (hash ~ '^[0-9a-f]{64}$'), -- SHA-256 of the id; the first 12 digits are in logs
    guid      text COLLATE "C",    -- of the person; of a batch session: "batch:" and its name
    uid       text COLLATE "C",
    tenants   text[] NOT NULL,
    batch     boolean NOT NULL,    -- made by an operator for a program, not by signing in
    browser   text NOT NULL,       -- in words: "Firefox on Windows"
    created   timestamptz NOT NULL,
    not_after timestamptz NOT NULL, -- the absolute end
    ended_at  timestamptz,
    -- The transaction that ended it. Who has read all up to the oldest transaction still running misses none
    -- that commits late.
    ended_by  xid8
);
CREATE INDEX session_guid_idx ON {schema}.session (guid);
CREATE INDEX session_uid_idx ON {schema}.session (uid);
CREATE INDEX session_not_after_idx ON {schema}.session (not_after);
CREATE INDEX session_ended_by_idx ON {schema}.session (ended_by) WHERE ended_by IS NOT NULL;

-- Forget what is over by the clock; the web role may call this but not delete. Returns how many rows went.
CREATE FUNCTION {schema}.forget_sessions() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH s AS (DELETE FROM {schema}.session WHERE not_after < now() - interval '1 hour' RETURNING 1)
    SELECT count(*) FROM s
$$;
REVOKE ALL ON FUNCTION {schema}.forget_sessions() FROM PUBLIC;
