-- Whose session was ended from elsewhere, because a device is lost or somebody else sits at it. What the identity
-- provider remembers of that browser must not let it in again: from then on it counts when a person proved who he is.

CREATE TABLE {schema}.proof_wanted (
    guid  text COLLATE "C" PRIMARY KEY, -- as in session
    since timestamptz NOT NULL          -- a proof of before is too old
);

-- The same for what nobody asks about any more: no browser keeps the provider's cookie for longer than 400 days.
CREATE OR REPLACE FUNCTION {schema}.forget_sessions() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH s AS (DELETE FROM {schema}.session WHERE not_after < now() - interval '1 hour' RETURNING 1),
         p AS (DELETE FROM {schema}.proof_wanted WHERE since < now() - interval '400 days')
    SELECT count(*) FROM s
$$;
