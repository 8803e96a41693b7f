-- Generations of what memcached holds: a number in front of every key (lib/store/sb_generation.h). Raising it
-- is how a cache is emptied. It begins with the time and only grows, so no number comes twice, not even when
-- this table is made anew beside caches that are still full.
CREATE TABLE {schema}.cache_generation (
    name       text COLLATE "C" PRIMARY KEY CHECK (name IN ('session', 'data')),
    generation bigint NOT NULL,               -- milliseconds since the epoch, or one more than the last
    raised_at  timestamptz NOT NULL DEFAULT now()
);
INSERT INTO {schema}.cache_generation (name, generation)
    SELECT name, (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM unnest(ARRAY['session', 'data']) AS name;
