-- What an operator decided about a batch. Both are set once.
-- discarded_at: it failed, or was given up, and nobody has to look at it any more. retried_as: the batch
-- under which its package goes through the loader again, with the same place in the order of arrival.
ALTER TABLE {schema}.batch
    ADD COLUMN discarded_at timestamptz,
    ADD COLUMN retried_as   varchar(36) COLLATE "C" UNIQUE;

CREATE INDEX batch_arrival_idx ON {schema}.batch (arrived_at);
CREATE INDEX operator_action_batch_idx ON {schema}.operator_action (batch_guid);
