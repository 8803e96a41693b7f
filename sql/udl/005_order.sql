-- Batches that are loaded and whose promotion waits, and for what: an earlier batch of the tenant that may
-- deliver the same content, or a database that does not answer. Written by the conductor when it first
-- passes a batch by, removed once the batch is promoted or failed.
CREATE TABLE {schema}.batch_hold (
    batch_guid varchar(36) COLLATE "C" PRIMARY KEY,
    tenant     varchar(32) COLLATE "C" NOT NULL,
    behind     varchar(36) COLLATE "C", -- the batch it waits for; NULL: none
    reason     text NOT NULL,
    since      timestamptz NOT NULL DEFAULT now()
);
