-- Single logout names a person as the identity provider does, and perhaps one of its own sessions. By these ours are
-- found here, for memcached forgets.

ALTER TABLE {schema}.session
    ADD COLUMN name_hash  text COLLATE "C" CHECK (name_hash ~ '^[0-9a-f]{64}$'), -- SHA-256 of the name id
    ADD COLUMN index_hash text COLLATE "C" CHECK (index_hash ~ '^[0-9a-f]{64}$'); -- of the provider's session index
CREATE INDEX session_name_hash_idx ON {schema}.session (name_hash) WHERE name_hash IS NOT NULL;
