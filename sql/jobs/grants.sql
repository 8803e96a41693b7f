-- Who may do what here; applied again after every upgrade. Web nodes ask for jobs, look at them and end
-- them, each by one function; workers and the relay run them.
GRANT USAGE ON SCHEMA {schema} TO {web}, {jobs};
GRANT SELECT ON {schema}.job, {schema}.step, {schema}.task, {schema}.file TO {web};
GRANT EXECUTE ON FUNCTION {schema}.job_create_within(json, integer, integer), {schema}.job_cancel(uuid),
    {schema}.job_delete(uuid) TO {web};
-- As nodes of before version 5 call it, so that they can go on beside the others. It counts nothing, which
-- job_create_within does not do either where it is told no limit: nobody may more by it.
GRANT EXECUTE ON FUNCTION {schema}.job_create(json) TO {web};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {jobs};
REVOKE INSERT, UPDATE, DELETE ON {schema}.schema_version FROM {jobs};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {jobs};
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {jobs};
