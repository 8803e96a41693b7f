-- Who may do what here; applied again after every upgrade.
GRANT USAGE ON SCHEMA {schema} TO {web};
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {schema} TO {web};
GRANT EXECUTE ON FUNCTION {schema}.forget_expired() TO {web};
