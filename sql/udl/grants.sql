-- Who may do what here; applied again after every upgrade.
GRANT USAGE ON SCHEMA {schema} TO {loader}, {jobs};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {loader};
REVOKE INSERT, UPDATE, DELETE ON {schema}.schema_version FROM {loader};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {loader};
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {jobs};
