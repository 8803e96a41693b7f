-- Pages ask for a user's own jobs every few seconds, whatever the tenant.
CREATE INDEX job_own_idx ON {schema}.job (owner_uid, created_at);
DROP INDEX {schema}.job_owner_idx;
