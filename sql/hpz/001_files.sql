-- The pickup zone: which file waits for whom. The file itself lies in hpz.frs.upload_base_path under the
-- name of its registration.

-- A row is born without a file, gains one by an upload, and goes when its time is up.
CREATE TABLE {schema}.file_registry (
    registration_id varchar(36) COLLATE "C" PRIMARY KEY,
    user_id         varchar(256) COLLATE "C" NOT NULL, -- who may fetch it; compared byte for byte
    email           varchar(256),
    file_path       varchar(256),
    create_dt       timestamptz, -- of the upload
    file_name       varchar(256), -- what the file is called where it is fetched
    registered_at   timestamptz NOT NULL DEFAULT now(),
    -- The right the file was made under, and where it was held then: who fetches it must hold it still.
    role            text COLLATE "C", -- NULL: none was named, and it is the owner's whatever he may
    tenant          text COLLATE "C",
    state_code      text COLLATE "C",
    places          jsonb, -- [{"district_id": .., "school_id": ..}]; NULL: the whole state
    size            bigint,
    sha256          text COLLATE "C",
    state           text GENERATED ALWAYS AS (CASE WHEN file_path IS NULL THEN 'registered' ELSE 'ready' END) STORED,
    CHECK (file_path IS NULL OR (create_dt IS NOT NULL AND file_name IS NOT NULL AND size IS NOT NULL AND sha256 IS NOT NULL)),
    CHECK (role IS NULL OR (tenant IS NOT NULL AND state_code IS NOT NULL))
);
CREATE INDEX file_registry_create_dt_idx ON {schema}.file_registry (create_dt) WHERE file_path IS NOT NULL;
CREATE INDEX file_registry_registered_at_idx ON {schema}.file_registry (registered_at) WHERE file_path IS NULL;

-- Mails that tell an owner his file is there: written with the upload's row, sent later by smarter-hpz-mail.
CREATE TABLE {schema}.ready_mail (
    registration_id varchar(36) COLLATE "C" PRIMARY KEY REFERENCES {schema}.file_registry ON DELETE CASCADE,
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed')),
    attempts        integer NOT NULL DEFAULT 0, -- begun: one that was killed counts
    error           text,                       -- of the last attempt; no address
    at              timestamptz NOT NULL DEFAULT now(), -- of the last attempt
    next_at         timestamptz NOT NULL DEFAULT now()  -- of the next one, while pending
);
CREATE INDEX ready_mail_due_idx ON {schema}.ready_mail (next_at) WHERE state = 'pending';
