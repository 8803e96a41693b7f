-- The loader's own schema: its batch log, the rows it refused, the queue of arrived packages.

-- One row for each executed step of a batch. udl_phase names the step, UDL_COMPLETE the whole.
CREATE TABLE {schema}.udl_batch (
    batch_sid                    bigserial PRIMARY KEY,
    guid_batch                   varchar(256) COLLATE "C" NOT NULL,
    tenant                       varchar(256) COLLATE "C" NOT NULL DEFAULT '',
    input_file                   text NOT NULL DEFAULT '',
    load_type                    varchar(50),
    working_schema               varchar(50),
    udl_phase                    varchar(256),
    udl_phase_step               varchar(50),
    udl_phase_step_status        varchar(50),
    error_desc                   text,
    stack_trace                  text,
    udl_leaf                     boolean,
    size_records                 bigint,
    size_units                   bigint,
    start_timestamp              timestamp DEFAULT now(),
    end_timestamp                timestamp DEFAULT now(),
    duration                     interval,
    time_for_one_million_records time,
    records_per_hour             bigint,
    task_id                      varchar(256),
    task_status_url              varchar(256),
    user_sid                     bigint,
    user_email                   varchar(256),
    created_date                 timestamp DEFAULT now(),
    mod_date                     timestamp NOT NULL DEFAULT now()
);
CREATE INDEX udl_batch_guid_idx ON {schema}.udl_batch (guid_batch);

-- Records that stopped a batch during promotion (1000: nothing current to delete, 1001: deleted
-- twice). record_sid is the line of the file.
CREATE TABLE {schema}.err_list (
    record_sid      bigint NOT NULL,
    guid_batch      varchar(256) COLLATE "C" NOT NULL,
    err_code        bigint,
    err_source      bigint,
    err_code_text   text,
    err_source_text text,
    created_date    timestamp NOT NULL DEFAULT now(),
    err_input       text NOT NULL DEFAULT '',
    PRIMARY KEY (record_sid, guid_batch)
);

-- Rows that were not loaded, and why: for the sender, who has the file. No values of the row but
-- the state's student id, which he needs to find it; reason never quotes the input.
CREATE TABLE {schema}.rejected_row (
    rejected_sid bigserial PRIMARY KEY,
    batch_guid   varchar(36) COLLATE "C" NOT NULL,
    line         bigint NOT NULL, -- of the file; 1 is the header; 0: the package as a whole
    column_name  text,            -- as in the header; NULL: the row as a whole
    code         integer NOT NULL,
    reason       text NOT NULL,
    student_id   varchar(40) COLLATE "C",
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX rejected_row_batch_idx ON {schema}.rejected_row (batch_guid, line);

-- Packages in the arrivals zone and what became of them. A worker claims a row by a session advisory
-- lock on its id plus state 'running'; the lock of a dead worker vanishes and the row is tried again.
CREATE TABLE {schema}.package (
    package_id  bigserial PRIMARY KEY,
    path        text NOT NULL,   -- absolute
    tenant      varchar(32) COLLATE "C" NOT NULL,
    batch_guid  varchar(36) COLLATE "C" NOT NULL UNIQUE,
    size        bigint NOT NULL, -- bytes
    mtime       timestamptz NOT NULL,
    checksum    text,            -- SHA-256 in hex, once it was read
    state       text NOT NULL DEFAULT 'new'
                CHECK (state IN ('new', 'queued', 'running', 'done', 'failed')),
    attempts    integer NOT NULL DEFAULT 0,
    worker      text,            -- host:pid of the last one that claimed it
    arrived_at  timestamptz NOT NULL DEFAULT now(),
    queued_at   timestamptz,
    started_at  timestamptz,
    finished_at timestamptz,
    error       text
);
-- The same name may come again once the last file of that name is through.
CREATE UNIQUE INDEX package_waiting_idx ON {schema}.package (path)
    WHERE state IN ('new', 'queued', 'running');
CREATE INDEX package_open_idx ON {schema}.package (arrived_at)
    WHERE state IN ('new', 'queued', 'running');
