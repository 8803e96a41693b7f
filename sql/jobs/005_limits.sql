-- Make a job unless its owner has as many of its kind as he may: p_open of them not made yet, p_kept with files that
-- wait to be fetched; NULL or 0: any number. What one owner asks for at the same time comes here one after the
-- other, so that nothing is counted too late. False: he has, and there is no job.
CREATE FUNCTION {schema}.job_create_within(p_job json, p_open integer, p_kept integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    owner text := p_job ->> 'uid';
    n integer;
BEGIN
    IF p_open > 0 OR p_kept > 0 THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('smarter jobs {schema} of ' || owner, 0));
    END IF;
    IF p_open > 0 THEN
        SELECT count(*) INTO n FROM {schema}.job WHERE owner_uid = owner AND tenant = p_job ->> 'tenant'
            AND kind = p_job ->> 'kind' AND state IN ('queued', 'running');
        IF n >= p_open THEN
            RETURN false;
        END IF;
    END IF;
    IF p_kept > 0 THEN
        SELECT count(*) INTO n FROM {schema}.job j WHERE owner_uid = owner AND tenant = p_job ->> 'tenant'
            AND kind = p_job ->> 'kind' AND state = 'ready' AND deleted_at IS NULL
            AND EXISTS (SELECT FROM {schema}.file f WHERE f.job_id = j.job_id AND size IS NOT NULL);
        IF n >= p_kept THEN
            RETURN false;
        END IF;
    END IF;
    PERFORM {schema}.job_create(p_job);
    RETURN true;
END $$;
REVOKE ALL ON FUNCTION {schema}.job_create_within(json, integer, integer) FROM PUBLIC;
