-- Who may do what here; applied again after every upgrade.
GRANT USAGE ON SCHEMA {schema} TO {hpz};
REVOKE INSERT ON {schema}.schema_version FROM {hpz};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.file_registry, {schema}.ready_mail TO {hpz};
