-- What may be used only once at sign-in. A cache that forgets must not forgive: a second INSERT of
-- the same key fails, and while this table cannot be reached nobody signs in.

-- Assertions of identity providers.
CREATE TABLE {schema}.used_assertion (
    issuer       text COLLATE "C" NOT NULL,
    assertion_id text COLLATE "C" NOT NULL,
    not_after    timestamptz NOT NULL, -- past it the message itself is too old
    used_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issuer, assertion_id)
);
CREATE INDEX used_assertion_not_after_idx ON {schema}.used_assertion (not_after);

-- Our own requests that were answered.
CREATE TABLE {schema}.used_request (
    request_id text COLLATE "C" PRIMARY KEY,
    not_after  timestamptz NOT NULL,
    used_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX used_request_not_after_idx ON {schema}.used_request (not_after);

-- Forget what is too old to be replayed; the web role may call this but not delete.
-- Returns how many rows went.
CREATE FUNCTION {schema}.forget_expired() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH a AS (DELETE FROM {schema}.used_assertion WHERE not_after < now() - interval '1 hour' RETURNING 1),
         r AS (DELETE FROM {schema}.used_request WHERE not_after < now() - interval '1 hour' RETURNING 1)
    SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM r)
$$;
REVOKE ALL ON FUNCTION {schema}.forget_expired() FROM PUBLIC;
