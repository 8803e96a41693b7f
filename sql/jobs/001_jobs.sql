-- Work that a user asked for and that takes its time: extracts, bulk reports. A job is a chain of steps, a
-- step a group of tasks that run side by side; the next step opens when all members of the last one are
-- final. Messages only wake workers: what stands here is the truth, and whoever lost a message, a worker
-- or the broker loses no work (docs/jobs.md).
--
-- Every transition is one function, so that it is one transaction and one round trip, and so that a role
-- may be allowed a transition without being allowed to write the rows. Locks are taken in the order job,
-- task; the relay, which goes the other way, never waits for a task.

CREATE TABLE {schema}.job (
    job_id       uuid PRIMARY KEY,
    kind         text COLLATE "C" NOT NULL,  -- extract, pdf, …
    tenant       text COLLATE "C" NOT NULL,
    owner_uid    text COLLATE "C" NOT NULL,  -- who asked, and who alone sees it
    owner_guid   text COLLATE "C",
    title        text NOT NULL,              -- for the owner's list; names no student
    params       json NOT NULL,              -- the request
    request_id   text,                       -- ties log lines of web tier and worker together
    state        text COLLATE "C" NOT NULL DEFAULT 'queued'
                 CHECK (state IN ('queued', 'running', 'ready', 'failed', 'cancelled', 'expired')),
    step         smallint NOT NULL DEFAULT 1, -- the one being worked on
    final_step   smallint,                   -- the one that runs whatever became of the others; NULL none
    max_attempts smallint NOT NULL CHECK (max_attempts > 0), -- of a task
    retry_delay  interval NOT NULL,          -- before the second attempt; doubled before each further one
    keep         interval NOT NULL,          -- how long the result can be had
    error        text,                       -- why it failed, in words for the owner
    notice       text,                       -- what the owner should know of a result
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at   timestamptz,                -- its first task was claimed
    ended_at     timestamptz,                -- it is no longer queued or running
    closed_at    timestamptz,                -- its last task is final, that of the final step included
    give_up_at   timestamptz NOT NULL,       -- fails then, whatever it waits for
    expires_at   timestamptz,                -- of the result, once ready
    deleted_at   timestamptz                 -- the owner does not want to see it any more
);
CREATE INDEX job_owner_idx ON {schema}.job (tenant, owner_uid, created_at);
CREATE INDEX job_unfinished_idx ON {schema}.job (give_up_at) WHERE state IN ('queued', 'running');
CREATE INDEX job_expires_idx ON {schema}.job (expires_at) WHERE state = 'ready';
CREATE INDEX job_closed_idx ON {schema}.job (closed_at);

CREATE TABLE {schema}.step (
    job_id     uuid NOT NULL REFERENCES {schema}.job ON DELETE CASCADE,
    number     smallint NOT NULL,            -- 1 first
    -- fail: the first member that fails ends the job; go_on: the step is good if one member is
    on_failure text COLLATE "C" NOT NULL CHECK (on_failure IN ('fail', 'go_on')),
    tasks      integer NOT NULL CHECK (tasks > 0),
    unfinished integer NOT NULL CHECK (unfinished >= 0),
    done       integer NOT NULL DEFAULT 0,
    opened_at  timestamptz,
    PRIMARY KEY (job_id, number)
);

CREATE TABLE {schema}.task (
    task_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id       uuid NOT NULL,
    step         smallint NOT NULL,
    number       integer NOT NULL,           -- within the step, 1 first
    queue        text COLLATE "C" NOT NULL,
    name         text COLLATE "C" NOT NULL,  -- what is to be done: extract.generate, …
    args         json NOT NULL,
    weight       integer NOT NULL DEFAULT 1 CHECK (weight > 0), -- its share of the job's progress
    state        text COLLATE "C" NOT NULL DEFAULT 'waiting'
                 CHECK (state IN ('waiting', 'queued', 'running', 'done', 'failed', 'cancelled')),
    attempt      smallint NOT NULL DEFAULT 0, -- those that count against max_attempts
    claim        bigint NOT NULL DEFAULT 0,  -- every claim there was: the fence against a worker that lost it
    worker       text,                       -- host:pid of the last claim
    lease_until  timestamptz,                -- running: whoever has it is alive until then
    not_before   timestamptz,                -- queued: a pause after a failed attempt
    published_at timestamptz,                -- queued: the broker confirmed its message
    progress     real NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    error        text,                       -- of the last attempt, in words for the owner
    started_at   timestamptz,
    ended_at     timestamptz,
    FOREIGN KEY (job_id, step) REFERENCES {schema}.step ON DELETE CASCADE,
    UNIQUE (job_id, step, number)
);
-- Few rows at a time; without lease_until, so that a heartbeat does not touch the index.
CREATE INDEX task_active_idx ON {schema}.task (state) WHERE state IN ('queued', 'running');

-- What a job makes. A row may be there from the start (the pickup zone was told, the address given to the
-- user) or come with the task that made the file; its size says that it is there.
CREATE TABLE {schema}.file (
    job_id    uuid NOT NULL REFERENCES {schema}.job ON DELETE CASCADE,
    name      text NOT NULL,
    number    integer NOT NULL,              -- order in the list
    pickup_id text COLLATE "C",              -- registration in the pickup zone
    url       text,                          -- for scripts
    web_url   text,                          -- for browsers
    size      bigint,                        -- bytes; NULL: not delivered yet
    sha256    text COLLATE "C",
    PRIMARY KEY (job_id, name)
);

-- Messages to be sent, written by the transaction that wants them sent.
CREATE TABLE {schema}.outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id   bigint NOT NULL REFERENCES {schema}.task ON DELETE CASCADE,
    due_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX outbox_task_idx ON {schema}.outbox (task_id);

-- The relay listens on a channel named like the schema.
CREATE FUNCTION {schema}.outbox_filled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(TG_TABLE_SCHEMA, '');
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_filled AFTER INSERT ON {schema}.outbox
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.outbox_filled();

-- ---- inner functions: the caller holds the lock of the job --------------------------------------------

-- Let the members of a step run.
CREATE FUNCTION {schema}.step_open(p_job uuid, p_step smallint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    UPDATE {schema}.step SET opened_at = clock_timestamp() WHERE job_id = p_job AND number = p_step;
    UPDATE {schema}.task SET state = 'queued' WHERE job_id = p_job AND step = p_step AND state = 'waiting';
    INSERT INTO {schema}.outbox (task_id)
        SELECT task_id FROM {schema}.task WHERE job_id = p_job AND step = p_step AND state = 'queued'
        ORDER BY number;
END $$;

-- The job is over for its owner. What has not begun is not begun; the final step waits until what runs has
-- stopped, for it may remove what the others work with.
CREATE FUNCTION {schema}.job_close(p_job uuid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    f smallint := (SELECT final_step FROM {schema}.job WHERE job_id = p_job);
BEGIN
    UPDATE {schema}.task SET state = 'cancelled', ended_at = clock_timestamp()
        WHERE job_id = p_job AND step IS DISTINCT FROM f AND state IN ('waiting', 'queued');
    IF EXISTS (SELECT FROM {schema}.task WHERE job_id = p_job AND step IS DISTINCT FROM f AND state = 'running') THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM {schema}.step WHERE job_id = p_job AND number = f AND opened_at IS NULL) THEN
        PERFORM {schema}.step_open(p_job, f);
    ELSIF NOT EXISTS (SELECT FROM {schema}.step WHERE job_id = p_job AND number = f AND unfinished > 0) THEN
        UPDATE {schema}.job SET closed_at = coalesce(closed_at, clock_timestamp()) WHERE job_id = p_job;
    END IF;
END $$;

CREATE FUNCTION {schema}.job_end(p_job uuid, p_state text, p_error text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    UPDATE {schema}.job SET state = p_state, error = p_error, ended_at = clock_timestamp(),
        expires_at = CASE WHEN p_state = 'ready' THEN clock_timestamp() + keep END
        WHERE job_id = p_job AND state IN ('queued', 'running');
    PERFORM {schema}.job_close(p_job);
END $$;

-- A task became final: its step may be, and with it the job.
CREATE FUNCTION {schema}.task_final(p_task bigint, p_state text, p_error text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    t {schema}.task;
    j {schema}.job;
    s {schema}.step;
    why text;
BEGIN
    UPDATE {schema}.task SET state = p_state, error = p_error, lease_until = NULL, ended_at = clock_timestamp(),
        progress = CASE WHEN p_state = 'done' THEN 1 ELSE progress END
        WHERE task_id = p_task RETURNING * INTO t;
    UPDATE {schema}.step SET unfinished = unfinished - 1, done = done + (p_state = 'done')::int
        WHERE job_id = t.job_id AND number = t.step RETURNING * INTO s;
    SELECT * INTO j FROM {schema}.job WHERE job_id = t.job_id;
    IF j.ended_at IS NOT NULL THEN
        PERFORM {schema}.job_close(t.job_id);
    ELSIF p_state = 'failed' AND s.on_failure = 'fail' THEN
        PERFORM {schema}.job_end(t.job_id, 'failed', p_error);
    ELSIF s.unfinished > 0 THEN
        RETURN;
    ELSIF s.done = 0 THEN
        why := (SELECT error FROM {schema}.task WHERE job_id = t.job_id AND step = t.step AND error IS NOT NULL
                ORDER BY number LIMIT 1);
        PERFORM {schema}.job_end(t.job_id, 'failed', why);
    ELSIF EXISTS (SELECT FROM {schema}.step WHERE job_id = t.job_id AND number = t.step + 1
                  AND number IS DISTINCT FROM j.final_step) THEN
        UPDATE {schema}.job SET step = t.step + 1 WHERE job_id = t.job_id;
        PERFORM {schema}.step_open(t.job_id, (t.step + 1)::smallint);
    ELSE
        PERFORM {schema}.job_end(t.job_id, 'ready', NULL);
    END IF;
END $$;

-- ---- what a request does ------------------------------------------------------------------------------

-- Make a job and let its first step run. The steps are given as arrays of tasks, files as rows.
CREATE FUNCTION {schema}.job_create(p_job json) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    id uuid := p_job ->> 'id';
    n integer;
    m integer;
    s json;
BEGIN
    INSERT INTO {schema}.job (job_id, kind, tenant, owner_uid, owner_guid, title, params, request_id, final_step,
                              max_attempts, retry_delay, keep, give_up_at)
        VALUES (id, p_job ->> 'kind', p_job ->> 'tenant', p_job ->> 'uid', p_job ->> 'guid', p_job ->> 'title',
                p_job -> 'params', p_job ->> 'request_id', (p_job ->> 'final_step')::smallint,
                (p_job ->> 'max_attempts')::smallint, (p_job ->> 'retry_delay')::bigint * interval '1 us',
                (p_job ->> 'keep')::bigint * interval '1 us',
                clock_timestamp() + (p_job ->> 'give_up_after')::bigint * interval '1 us');
    INSERT INTO {schema}.file (job_id, name, number, pickup_id, url, web_url)
        SELECT id, f ->> 'name', i, f ->> 'pickup_id', f ->> 'url', f ->> 'web_url'
        FROM json_array_elements(p_job -> 'files') WITH ORDINALITY AS a (f, i);
    FOR s, n IN SELECT e, i FROM json_array_elements(p_job -> 'steps') WITH ORDINALITY AS a (e, i) LOOP
        m := json_array_length(s -> 'tasks');
        INSERT INTO {schema}.step (job_id, number, on_failure, tasks, unfinished)
            VALUES (id, n, s ->> 'on_failure', m, m);
        INSERT INTO {schema}.task (job_id, step, number, queue, name, args, weight)
            SELECT id, n, i, t ->> 'queue', t ->> 'name', t -> 'args', (t ->> 'weight')::integer
            FROM json_array_elements(s -> 'tasks') WITH ORDINALITY AS a (t, i) ORDER BY i;
    END LOOP;
    PERFORM {schema}.step_open(id, 1::smallint);
END $$;

-- End a job. Running members are told at their next heartbeat. False: it was over before.
CREATE FUNCTION {schema}.job_cancel(p_job uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM FROM {schema}.job WHERE job_id = p_job AND state IN ('queued', 'running') FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM {schema}.job_end(p_job, 'cancelled', NULL);
    RETURN true;
END $$;

-- Take a job that is over out of its owner's list. False: it is not over, or was taken out before.
CREATE FUNCTION {schema}.job_delete(p_job uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    UPDATE {schema}.job SET deleted_at = clock_timestamp()
        WHERE job_id = p_job AND state NOT IN ('queued', 'running') AND deleted_at IS NULL;
    RETURN FOUND;
END $$;

-- ---- what a worker does -------------------------------------------------------------------------------

-- Claim a task for as long as the lease lasts; no row: somebody has it, or it needs nobody.
CREATE FUNCTION {schema}.task_claim(p_task bigint, p_queue text, p_worker text, p_lease interval)
RETURNS SETOF {schema}.task
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    j {schema}.job;
BEGIN
    SELECT * INTO j FROM {schema}.job
        WHERE job_id = (SELECT job_id FROM {schema}.task WHERE task_id = p_task AND state = 'queued')
        FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY UPDATE {schema}.task SET state = 'running', attempt = attempt + 1, claim = claim + 1,
            worker = p_worker, lease_until = clock_timestamp() + p_lease, started_at = clock_timestamp(),
            progress = 0, not_before = NULL, published_at = NULL
        WHERE task_id = p_task AND queue = p_queue AND state = 'queued'
            AND (not_before IS NULL OR not_before <= clock_timestamp())
        RETURNING *;
    IF FOUND AND j.state = 'queued' THEN
        UPDATE {schema}.job SET state = 'running', started_at = clock_timestamp() WHERE job_id = j.job_id;
    END IF;
END $$;

-- Still at it. 'go', 'cancel' (stop, the job is over) or 'lost' (another worker has it).
CREATE FUNCTION {schema}.task_beat(p_task bigint, p_claim bigint, p_lease interval, p_progress real) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    over boolean;
BEGIN
    UPDATE {schema}.task t SET lease_until = clock_timestamp() + p_lease, progress = p_progress
        FROM {schema}.job j
        WHERE t.task_id = p_task AND t.claim = p_claim AND t.state = 'running' AND j.job_id = t.job_id
        RETURNING j.ended_at IS NOT NULL AND t.step IS DISTINCT FROM j.final_step INTO over;
    RETURN CASE over WHEN true THEN 'cancel' WHEN false THEN 'go' ELSE 'lost' END;
END $$;

-- A claim ends. p_outcome: 'done', 'failed' (for good), 'retry' (as long as attempts are left) or 'wait' (what
-- it needs is not there: no attempt). p_pause: until the next one; NULL: as retry_delay says. p_files: rows
-- of what was made, as in job_create and with size and sha256. False: the claim was lost, and what was done
-- does not count.
CREATE FUNCTION {schema}.task_end(p_task bigint, p_claim bigint, p_outcome text, p_error text, p_pause interval,
                                  p_files json, p_notice text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    t {schema}.task;
    j {schema}.job;
    over boolean;
    due timestamptz;
BEGIN
    SELECT * INTO j FROM {schema}.job
        WHERE job_id = (SELECT job_id FROM {schema}.task WHERE task_id = p_task) FOR NO KEY UPDATE;
    SELECT * INTO t FROM {schema}.task
        WHERE task_id = p_task AND claim = p_claim AND state = 'running' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    over := j.ended_at IS NOT NULL AND t.step IS DISTINCT FROM j.final_step;
    IF p_outcome = 'done' THEN
        INSERT INTO {schema}.file AS f (job_id, name, number, pickup_id, url, web_url, size, sha256)
            SELECT j.job_id, e ->> 'name', t.number, e ->> 'pickup_id', e ->> 'url', e ->> 'web_url',
                (e ->> 'size')::bigint, e ->> 'sha256'
            FROM json_array_elements(p_files) AS a (e)
            ON CONFLICT (job_id, name) DO UPDATE SET size = EXCLUDED.size, sha256 = EXCLUDED.sha256,
                pickup_id = coalesce(EXCLUDED.pickup_id, f.pickup_id), url = coalesce(EXCLUDED.url, f.url),
                web_url = coalesce(EXCLUDED.web_url, f.web_url);
        UPDATE {schema}.job SET notice = p_notice WHERE job_id = j.job_id AND notice IS NULL AND p_notice IS NOT NULL;
        PERFORM {schema}.task_final(p_task, 'done', NULL);
    ELSIF over THEN
        PERFORM {schema}.task_final(p_task, 'cancelled', NULL);
    ELSIF p_outcome = 'failed' OR p_outcome = 'retry' AND t.attempt >= j.max_attempts THEN
        PERFORM {schema}.task_final(p_task, 'failed', p_error);
    ELSE
        due := clock_timestamp() + coalesce(p_pause, least(j.retry_delay * 2 ^ least(t.attempt - 1, 10),
                                                           greatest(j.retry_delay, '15 min')));
        UPDATE {schema}.task SET state = 'queued', lease_until = NULL, progress = 0, error = p_error,
            not_before = due, attempt = attempt - (p_outcome = 'wait')::int WHERE task_id = p_task;
        INSERT INTO {schema}.outbox (task_id, due_at) VALUES (p_task, due);
    END IF;
    RETURN true;
END $$;

-- ---- what the relay does ------------------------------------------------------------------------------

-- Tasks whose worker is gone, back into the queue. Returns how many.
CREATE FUNCTION {schema}.sweep_leases(p_grace interval, p_error text) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    t record;
    n integer := 0;
BEGIN
    FOR t IN SELECT task_id, claim, lease_until FROM {schema}.task
             WHERE state = 'running' AND lease_until < clock_timestamp() - p_grace ORDER BY task_id LOOP
        -- a heartbeat that came in between stands
        PERFORM FROM {schema}.job WHERE job_id = (SELECT job_id FROM {schema}.task WHERE task_id = t.task_id)
            FOR NO KEY UPDATE;
        PERFORM FROM {schema}.task WHERE task_id = t.task_id AND lease_until = t.lease_until FOR NO KEY UPDATE;
        IF FOUND THEN
            n := n + {schema}.task_end(t.task_id, t.claim, 'retry', p_error, '0', NULL, NULL)::int;
        END IF;
    END LOOP;
    RETURN n;
END $$;

-- Tasks of empty queues that nobody claimed: their message was lost. Returns how many.
CREATE FUNCTION {schema}.sweep_lost(p_queues text[], p_overdue interval) RETURNS integer
LANGUAGE sql SET search_path = pg_catalog AS $$
    WITH lost AS (
        INSERT INTO {schema}.outbox (task_id)
            SELECT task_id FROM {schema}.task t
            WHERE state = 'queued' AND queue = ANY (p_queues) AND published_at < clock_timestamp() - p_overdue
                AND NOT EXISTS (SELECT FROM {schema}.outbox o WHERE o.task_id = t.task_id)
            ORDER BY task_id RETURNING 1)
    SELECT count(*)::integer FROM lost
$$;

-- Jobs that waited too long; results whose time is up; what nobody needs to know any more. Returns how many
-- of each.
CREATE FUNCTION {schema}.sweep_jobs(p_error text, p_forget interval, OUT given_up integer, OUT expired integer,
                                    OUT forgotten integer)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    id uuid;
BEGIN
    given_up := 0;
    FOR id IN SELECT job_id FROM {schema}.job WHERE state IN ('queued', 'running') AND give_up_at < clock_timestamp()
              ORDER BY job_id FOR NO KEY UPDATE SKIP LOCKED LOOP
        PERFORM {schema}.job_end(id, 'failed', p_error);
        given_up := given_up + 1;
    END LOOP;
    UPDATE {schema}.job SET state = 'expired' WHERE state = 'ready' AND expires_at < clock_timestamp();
    GET DIAGNOSTICS expired = ROW_COUNT;
    DELETE FROM {schema}.job WHERE closed_at < clock_timestamp() - p_forget AND state <> 'ready';
    GET DIAGNOSTICS forgotten = ROW_COUNT;
END $$;

-- ---- what the operator does ---------------------------------------------------------------------------

-- Try a failed job again: from where it failed, or from the start if its final step has cleared away what it
-- worked with. Its tasks get all their attempts anew. False: it has not failed, or is still stopping.
CREATE FUNCTION {schema}.job_retry(p_job uuid, p_give_up interval) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    j {schema}.job;
BEGIN
    SELECT * INTO j FROM {schema}.job WHERE job_id = p_job FOR NO KEY UPDATE;
    IF NOT FOUND OR j.state <> 'failed' OR j.deleted_at IS NOT NULL
       OR j.closed_at IS NULL THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM {schema}.step WHERE job_id = p_job AND number = j.final_step AND opened_at IS NOT NULL) THEN
        -- from the start: what the first steps made is gone
        UPDATE {schema}.task SET state = 'waiting', progress = 0 WHERE job_id = p_job;
        j.step := 1;
    ELSE
        UPDATE {schema}.task SET state = 'waiting', progress = 0 WHERE job_id = p_job AND step >= j.step
            AND state IN ('failed', 'cancelled');
    END IF;
    UPDATE {schema}.task SET attempt = 0, error = NULL, ended_at = NULL, not_before = NULL, published_at = NULL
        WHERE job_id = p_job AND state = 'waiting';
    UPDATE {schema}.step s SET opened_at = NULL,
        unfinished = (SELECT count(*) FROM {schema}.task t WHERE t.job_id = p_job AND t.step = s.number AND t.state = 'waiting'),
        done = (SELECT count(*) FROM {schema}.task t WHERE t.job_id = p_job AND t.step = s.number AND t.state = 'done')
        WHERE job_id = p_job;
    UPDATE {schema}.job SET state = 'queued', step = j.step, error = NULL, ended_at = NULL, closed_at = NULL,
        give_up_at = clock_timestamp() + p_give_up WHERE job_id = p_job;
    PERFORM {schema}.step_open(p_job, j.step);
    RETURN true;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC;
