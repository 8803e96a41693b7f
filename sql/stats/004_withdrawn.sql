-- migrate.ingested -> migrate.withdrawn: an operator took the batch back.
ALTER TABLE {schema}.udl_stats DROP CONSTRAINT udl_stats_load_status_check;
ALTER TABLE {schema}.udl_stats ADD CONSTRAINT udl_stats_load_status_check CHECK (load_status IN
    ('udl.received', 'udl.loading', 'udl.ingested', 'udl.failed',
     'migrate.in_process', 'migrate.ingested', 'migrate.failed', 'migrate.withdrawn'));
