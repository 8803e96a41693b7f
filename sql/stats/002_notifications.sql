-- What the sender of a batch, and the operators, are still to be told, and how it went. udl_stats has the
-- sum of it in notification_status, as its readers know it.

-- One row for each thing to be sent. A batch whose notification_status is empty has none yet, or those of
-- an earlier round: a batch that an operator loads once more is told about once more.
CREATE TABLE {schema}.notification (
    batch_guid varchar(50) COLLATE "C" NOT NULL REFERENCES {schema}.udl_stats (batch_guid) ON DELETE CASCADE,
    channel    text NOT NULL CHECK (channel IN ('call_back', 'email', 'operator')),
    round      integer NOT NULL DEFAULT 1,
    state      text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'success', 'failure')),
    attempts   integer NOT NULL DEFAULT 0, -- begun: one that was killed counts
    error      text,                       -- of the last attempt; no address, no answer of the receiver
    at         timestamptz NOT NULL DEFAULT now(), -- of the last attempt
    next_at    timestamptz NOT NULL DEFAULT now(), -- of the next one, while pending
    PRIMARY KEY (batch_guid, channel)
);
CREATE INDEX notification_due_idx ON {schema}.notification (next_at) WHERE state = 'pending';
CREATE INDEX udl_stats_untold_idx ON {schema}.udl_stats (file_arrived)
    WHERE coalesce(notification_status, '') = '';
