-- What every batch is doing and how it ended, for people and for programs that ask about it; and what
-- operators did to batches. A row of batch exists from the first attempt on, whether the package came
-- through the arrivals zone (then package has a row too) or by --once.

-- stage: received -> decrypting -> loading -> finishing -> loaded | failed; then promotion's states are in
-- udl_stats.load_status. Progress (bytes_done of bytes_total, rows_*) is written at most once a second
-- outside the batch's own transaction; the final counts are exact.
-- content_key: what the batch delivers, known once its metadata (or first row) is read:
--   'asmt:' || asmt_guid, or 'reg:' || academic_year || ':' || reg_system_id. Of one tenant, batches with
--   the same key are promoted in the order of arrival; one whose key is not known yet may have any.
CREATE TABLE {schema}.batch (
    batch_guid        varchar(36) COLLATE "C" PRIMARY KEY,
    tenant            varchar(32) COLLATE "C" NOT NULL,
    package           text NOT NULL,       -- name of the file, without directory
    load_type         varchar(32) COLLATE "C" NOT NULL DEFAULT 'Unknown',
    asmt_type         varchar(32) COLLATE "C",
    content_key       text COLLATE "C",
    stage             text NOT NULL DEFAULT 'received'
                      CHECK (stage IN ('received', 'decrypting', 'loading', 'finishing', 'loaded', 'failed')),
    attempts          integer NOT NULL DEFAULT 1,
    worker            text,                -- host:pid
    package_bytes     bigint,              -- encrypted
    bytes_total       bigint,              -- of the decrypted archive; NULL: not known
    bytes_done        bigint,              -- of them, read so far
    rows_read         bigint NOT NULL DEFAULT 0,
    rows_loaded       bigint NOT NULL DEFAULT 0,
    rows_rejected     bigint NOT NULL DEFAULT 0,
    rows_deduplicated bigint,              -- NULL: too many rows to tell
    warnings          bigint NOT NULL DEFAULT 0,
    problem           text,                -- why it failed: code, place, reason; never a value of a row
    kept_in           text,                -- directory in the history zone with the package and its outcome
    arrived_at        timestamptz NOT NULL,
    started_at        timestamptz NOT NULL DEFAULT now(), -- of the last attempt
    progress_at       timestamptz NOT NULL DEFAULT now(),
    finished_at       timestamptz
);
CREATE INDEX batch_order_idx ON {schema}.batch (tenant, arrived_at);

-- One row for each kind of warning of a batch: values that were loaded although something is odd.
CREATE TABLE {schema}.batch_warning (
    batch_guid  varchar(36) COLLATE "C" NOT NULL,
    column_name text,            -- as in the header; NULL: the row or the file as a whole
    code        integer NOT NULL,
    reason      text NOT NULL,
    count       bigint NOT NULL,
    first_line  bigint NOT NULL
);
CREATE INDEX batch_warning_batch_idx ON {schema}.batch_warning (batch_guid);

-- Who did what to which batch: retry, discard, withdraw.
CREATE TABLE {schema}.operator_action (
    action_sid bigserial PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    operator   text NOT NULL,    -- account of the operating system, or SUDO_USER
    action     text NOT NULL,
    tenant     varchar(32) COLLATE "C" NOT NULL,
    batch_guid varchar(36) COLLATE "C",
    detail     text NOT NULL DEFAULT ''
);
