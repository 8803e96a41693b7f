-- What became of every batch and every extract request. Timestamps are UTC.

-- load_status: udl.received -> udl.ingested | udl.failed; udl.ingested -> migrate.in_process ->
-- migrate.ingested | migrate.failed. notification and notification_status are JSON texts.
CREATE TABLE {schema}.udl_stats (
    rec_id                  bigserial PRIMARY KEY,
    tenant                  varchar(32) COLLATE "C" NOT NULL,
    load_type               varchar(32) COLLATE "C" NOT NULL,
    file_arrived            timestamp NOT NULL,
    load_start              timestamp,
    load_end                timestamp,
    load_status             varchar(32) COLLATE "C" NOT NULL,
    batch_guid              varchar(50) COLLATE "C" NOT NULL,
    record_loaded_count     bigint,
    last_pdf_task_requested timestamp,
    last_pre_cached         timestamp,
    batch_operation         varchar(1) COLLATE "C",
    snapshot_criteria       varchar,
    notification            varchar,
    notification_status     varchar
);
CREATE INDEX udl_stats_load_status_type_idx ON {schema}.udl_stats (load_status, load_type);
CREATE UNIQUE INDEX udl_stats_batch_idx ON {schema}.udl_stats (batch_guid);

-- Nobody promotes a batch of an unknown state.
ALTER TABLE {schema}.udl_stats ADD CHECK (load_status IN
    ('udl.received', 'udl.loading', 'udl.ingested', 'udl.failed',
     'migrate.in_process', 'migrate.ingested', 'migrate.failed'));

CREATE TABLE {schema}.extract_stats (
    request_guid   varchar(50) COLLATE "C" NOT NULL,
    "timestamp"    timestamp,
    status         varchar(32) COLLATE "C" NOT NULL,
    task_id        varchar(50) COLLATE "C",
    celery_task_id varchar(50) COLLATE "C",
    info           text
);
CREATE INDEX extract_stats_request_idx ON {schema}.extract_stats (request_guid);
