-- What jobs came to, until the relay has written it into the audit stream: written by the transaction that ends the
-- job, a row for each end, for one that is tried again ends again. No reference: whoever forgets the job, this stays.
CREATE TABLE {schema}.outcome (
    outcome_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id     uuid NOT NULL,
    kind       text COLLATE "C" NOT NULL,
    tenant     text COLLATE "C" NOT NULL,
    owner_guid text COLLATE "C",
    request_id text,
    state      text COLLATE "C" NOT NULL,    -- ready, failed or cancelled
    ended_at   timestamptz NOT NULL,
    files      json NOT NULL                 -- those delivered: [{"id": in the pickup zone, "size": bytes}, …]
);

CREATE OR REPLACE FUNCTION {schema}.job_end(p_job uuid, p_state text, p_error text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    UPDATE {schema}.job j SET state = p_state, error = p_error, ended_at = clock_timestamp(),
        expires_at = CASE WHEN p_state = 'ready' THEN clock_timestamp() + keep END,
        tell_at = CASE WHEN p_state IN ('ready', 'failed') AND EXISTS
            (SELECT FROM {schema}.file f WHERE f.job_id = p_job AND pickup_id IS NOT NULL) THEN clock_timestamp() END
        WHERE job_id = p_job AND state IN ('queued', 'running');
    IF FOUND THEN
        INSERT INTO {schema}.outcome (job_id, kind, tenant, owner_guid, request_id, state, ended_at, files)
            SELECT job_id, kind, tenant, owner_guid, request_id, state, ended_at,
                (SELECT coalesce(json_agg(json_build_object('id', pickup_id, 'size', size) ORDER BY number), '[]')
                 FROM {schema}.file f WHERE f.job_id = p_job AND size IS NOT NULL)
            FROM {schema}.job WHERE job_id = p_job;
    END IF;
    PERFORM {schema}.job_close(p_job);
END $$;
