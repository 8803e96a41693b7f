-- Files that were asked for together: their owner gets one mail, when whoever makes them says that the request
-- is over.
ALTER TABLE {schema}.file_registry
    ADD COLUMN request_id uuid,                 -- NULL: a file by itself; its mail is noted when it comes
    ADD COLUMN part integer NOT NULL DEFAULT 1; -- of the request, 1 first
CREATE INDEX file_registry_request_idx ON {schema}.file_registry (request_id, part) WHERE request_id IS NOT NULL;

-- What there is to tell. The mail of a request is that of the first of its files.
ALTER TABLE {schema}.ready_mail
    ADD COLUMN outcome text NOT NULL DEFAULT 'ready' CHECK (outcome IN ('ready', 'failed')),
    ADD COLUMN turn integer NOT NULL DEFAULT 1; -- another mail: there is something else to tell, or an operator sends it again
