-- Old jobs go in portions: one that takes longer than a statement may would be rolled back for ever.
CREATE OR REPLACE FUNCTION {schema}.sweep_jobs(p_error text, p_forget interval, OUT given_up integer,
                                               OUT expired integer, OUT forgotten integer)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    id uuid;
BEGIN
    given_up := 0;
    FOR id IN SELECT job_id FROM {schema}.job WHERE state IN ('queued', 'running') AND give_up_at < clock_timestamp()
              ORDER BY job_id LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED LOOP
        PERFORM {schema}.job_end(id, 'failed', p_error);
        given_up := given_up + 1;
    END LOOP;
    UPDATE {schema}.job SET state = 'expired' WHERE job_id IN
        (SELECT job_id FROM {schema}.job WHERE state = 'ready' AND expires_at < clock_timestamp()
         ORDER BY expires_at LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED);
    GET DIAGNOSTICS expired = ROW_COUNT;
    DELETE FROM {schema}.job WHERE job_id IN
        (SELECT job_id FROM {schema}.job WHERE closed_at < clock_timestamp() - p_forget AND state <> 'ready'
         ORDER BY closed_at LIMIT 500 FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
END $$;

-- The pickup zone would not remove it: not tried again before.
ALTER TABLE {schema}.file ADD COLUMN not_before timestamptz;
