-- When the relay is to say in the pickup zone that a job is over, so that its owner gets a mail: by job_end for one
-- that is ready or has failed, not for one that nobody waits for any more. NULL: not, or it is done.
ALTER TABLE {schema}.job ADD COLUMN tell_at timestamptz;
CREATE INDEX job_tell_idx ON {schema}.job (tell_at) WHERE tell_at IS NOT NULL;

CREATE OR REPLACE FUNCTION {schema}.job_end(p_job uuid, p_state text, p_error text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    UPDATE {schema}.job j SET state = p_state, error = p_error, ended_at = clock_timestamp(),
        expires_at = CASE WHEN p_state = 'ready' THEN clock_timestamp() + keep END,
        tell_at = CASE WHEN p_state IN ('ready', 'failed') AND EXISTS
            (SELECT FROM {schema}.file f WHERE f.job_id = p_job AND pickup_id IS NOT NULL) THEN clock_timestamp() END
        WHERE job_id = p_job AND state IN ('queued', 'running');
    PERFORM {schema}.job_close(p_job);
END $$;

CREATE OR REPLACE FUNCTION {schema}.job_delete(p_job uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    UPDATE {schema}.job SET deleted_at = clock_timestamp(), tell_at = NULL
        WHERE job_id = p_job AND state NOT IN ('queued', 'running') AND deleted_at IS NULL;
    RETURN FOUND;
END $$;
