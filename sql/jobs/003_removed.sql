-- Files of jobs that their owners deleted or cancelled are taken out of the pickup zone before their time.
ALTER TABLE {schema}.file ADD COLUMN removed_at timestamptz; -- the pickup zone has it no more
CREATE INDEX job_unwanted_idx ON {schema}.job (closed_at) WHERE deleted_at IS NOT NULL OR state = 'cancelled';
