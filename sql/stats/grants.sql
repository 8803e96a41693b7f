-- Who may do what here; applied again after every upgrade.
GRANT USAGE ON SCHEMA {schema} TO {loader}, {web}, {jobs};
GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.udl_stats, {schema}.notification TO {loader};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {loader};
GRANT SELECT ON {schema}.udl_stats TO {web}, {jobs};
GRANT UPDATE (last_pdf_task_requested, last_pre_cached) ON {schema}.udl_stats TO {jobs};
GRANT SELECT, INSERT ON {schema}.extract_stats TO {web};
GRANT SELECT, INSERT, DELETE ON {schema}.extract_stats TO {jobs};
GRANT SELECT, DELETE ON {schema}.extract_stats TO {loader};
GRANT SELECT ON {schema}.udl_stats, {schema}.extract_stats TO {analyst};
GRANT USAGE ON SCHEMA {schema} TO {analyst};
GRANT SELECT, INSERT, UPDATE ON {schema}.schedule_run TO {loader}, {jobs};
GRANT SELECT ON {schema}.schedule_run TO {web};
GRANT SELECT, UPDATE ON {schema}.cache_generation TO {loader}, {web}, {jobs};
GRANT USAGE ON SCHEMA {schema} TO {hpz};
GRANT SELECT, INSERT, UPDATE ON {schema}.schedule_run TO {hpz};
GRANT SELECT ON {schema}.cache_generation TO {hpz};
GRANT UPDATE (last_pre_cached) ON {schema}.udl_stats TO {web};
