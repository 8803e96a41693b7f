-- Who may do what here; applied again after every upgrade.
GRANT USAGE ON SCHEMA {schema} TO {web};
REVOKE INSERT ON {schema}.schema_version FROM {web};
GRANT SELECT, INSERT ON {schema}.used_assertion, {schema}.used_request TO {web};
GRANT EXECUTE ON FUNCTION {schema}.forget_expired() TO {web};
GRANT SELECT, INSERT, UPDATE (ended_at, ended_by) ON {schema}.session TO {web};
GRANT SELECT, INSERT, UPDATE (since) ON {schema}.proof_wanted TO {web};
GRANT EXECUTE ON FUNCTION {schema}.forget_sessions() TO {web};
