-- Who may do what here; applied again after every upgrade.
GRANT USAGE ON SCHEMA {schema} TO {loader}, {web}, {jobs}, {analyst};
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {loader};
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {loader};
REVOKE INSERT, UPDATE, DELETE ON {schema}.schema_version FROM {loader};
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {web}, {jobs};
GRANT SELECT ON {schema}.analyst_result, {schema}.analyst_block_result, {schema}.dim_asmt,
    {schema}.asmt_level, {schema}.asmt_claim, {schema}.subject, {schema}.dim_inst_hier TO {analyst};
GRANT EXECUTE ON FUNCTION {schema}.analyze_promoted() TO {loader};
GRANT EXECUTE ON FUNCTION {schema}.report_pack_refresh() TO {loader};
