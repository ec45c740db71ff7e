-- The request router. `requests` is the life of accepted work and history; `jobs` is the hot table: only work that is not over.

-- status: pending, queued, processing, completed, failed or cancelled. epoch is that of the last job, so that work that is
-- taken up again cannot be finished by who had it before. No foreign keys: history outlives what it names.
CREATE TABLE requests (
    id            TEXT PRIMARY KEY NOT NULL,
    org_id        TEXT NOT NULL,
    instance_id   TEXT NOT NULL,
    project_id    TEXT,
    key_id        TEXT,
    user_id       TEXT,
    app_id        TEXT NOT NULL,
    batch_id      TEXT,
    surface       TEXT NOT NULL,
    kind          TEXT NOT NULL,
    task_type     TEXT NOT NULL,
    subtask       TEXT,
    provider      TEXT NOT NULL,
    model         TEXT NOT NULL,
    status        TEXT NOT NULL,
    title         TEXT NOT NULL,
    priority      BIGINT NOT NULL,
    tags          JSONB NOT NULL,
    epoch         BIGINT NOT NULL,
    retry_count   BIGINT NOT NULL,
    max_retries   BIGINT NOT NULL,
    error_message TEXT,
    error_class   TEXT,
    callback_url  TEXT,
    run_at_us     BIGINT NOT NULL,
    deadline_us   BIGINT,
    created_us    BIGINT NOT NULL,
    queued_us     BIGINT,
    started_us    BIGINT,
    completed_us  BIGINT
);
CREATE INDEX requests__instance ON requests (instance_id, created_us DESC, id DESC);
CREATE INDEX requests__org ON requests (org_id, created_us DESC, id DESC);
CREATE INDEX requests__status ON requests (instance_id, status, created_us DESC, id DESC);
CREATE INDEX requests__provider ON requests (instance_id, provider, created_us DESC, id DESC);
CREATE INDEX requests__batch ON requests (batch_id, id) WHERE batch_id IS NOT NULL;
-- For retention: what is over, oldest first.
CREATE INDEX requests__completed ON requests (completed_us, id) WHERE completed_us IS NOT NULL;

-- What was said. input: what the kind of job needs, and how it was classified; result: what came of it.
CREATE TABLE request_bodies (
    request_id TEXT PRIMARY KEY NOT NULL,
    query      TEXT NOT NULL,
    input      JSONB NOT NULL,
    metadata   JSONB NOT NULL,
    result     JSONB
);

-- state: scheduled (not before run_at_us), waiting, running, remote (a provider or somebody outside has it; run_at_us is when
-- to ask again) or held (for a person). rank_us orders a queue: the time of arrival less 60 s for each point of priority,
-- which is priority that grows by one with each minute of waiting. A row of a request has the request's id.
CREATE TABLE jobs (
    id             TEXT PRIMARY KEY NOT NULL,
    request_id     TEXT,
    org_id         TEXT NOT NULL,
    user_id        TEXT,
    kind           TEXT NOT NULL,
    queue          TEXT NOT NULL,
    tenant         TEXT NOT NULL,
    model          TEXT NOT NULL,
    state          TEXT NOT NULL,
    priority       BIGINT NOT NULL,
    rank_us        BIGINT NOT NULL,
    run_at_us      BIGINT NOT NULL,
    deadline_us    BIGINT,
    attempt        BIGINT NOT NULL,
    max_attempts   BIGINT NOT NULL,
    epoch          BIGINT NOT NULL,
    worker_id      TEXT,
    lease_until_us BIGINT,
    claimed_us     BIGINT,
    cancel_us      BIGINT,
    reason         TEXT,
    unique_key     TEXT,
    remote_id      TEXT,
    remote         JSONB NOT NULL,
    payload        JSONB NOT NULL,
    created_us     BIGINT NOT NULL
);
CREATE INDEX jobs__ready ON jobs (queue, tenant, model, rank_us, id) WHERE state = 'waiting';
CREATE INDEX jobs__order ON jobs (queue, rank_us, id) WHERE state = 'waiting';
CREATE INDEX jobs__due ON jobs (state, run_at_us, id) WHERE state IN ('scheduled', 'remote');
CREATE INDEX jobs__lease ON jobs (lease_until_us, id) WHERE state = 'running';
CREATE INDEX jobs__worker ON jobs (worker_id) WHERE state = 'running';
CREATE INDEX jobs__busy ON jobs (queue, tenant) WHERE state IN ('running', 'remote');
CREATE INDEX jobs__deadline ON jobs (deadline_us, id) WHERE deadline_us IS NOT NULL;
CREATE INDEX jobs__request ON jobs (request_id) WHERE request_id IS NOT NULL;
CREATE UNIQUE INDEX jobs__unique_key ON jobs (tenant, unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX jobs__remote_id ON jobs (queue, remote_id) WHERE remote_id IS NOT NULL;

-- One row per time that a worker had a job. outcome: completed, failed, retried, snoozed, submitted, released, lost, held or
-- cancelled. call_id names the call in the request log.
CREATE TABLE job_attempts (
    job_id        TEXT NOT NULL,
    epoch         BIGINT NOT NULL,
    request_id    TEXT,
    attempt       BIGINT NOT NULL,
    worker_id     TEXT,
    provider      TEXT NOT NULL,
    model         TEXT NOT NULL,
    started_us    BIGINT NOT NULL,
    ended_us      BIGINT NOT NULL,
    outcome       TEXT NOT NULL,
    error_class   TEXT,
    error_message TEXT,
    call_id       TEXT,
    PRIMARY KEY (job_id, epoch)
);
CREATE INDEX job_attempts__request ON job_attempts (request_id, epoch) WHERE request_id IS NOT NULL;

-- One row per provider: whoever claims from it on Postgres holds the row meanwhile, so that room is counted once.
CREATE TABLE queues (
    queue      TEXT PRIMARY KEY NOT NULL,
    created_us BIGINT NOT NULL
);

-- Why jobs do not start although there is room: a queue, a tenant or a model (NULL: any) that is paused or drained by a
-- person, or closed for a while by a limit or by failures. kind: pause, drain, limit or breaker.
CREATE TABLE queue_gates (
    id         TEXT PRIMARY KEY NOT NULL,
    queue      TEXT,
    tenant     TEXT,
    model      TEXT,
    kind       TEXT NOT NULL,
    reason     TEXT NOT NULL,
    until_us   BIGINT,
    actor_name TEXT NOT NULL,
    created_us BIGINT NOT NULL
);
CREATE UNIQUE INDEX queue_gates__what ON queue_gates (COALESCE(queue, ''), COALESCE(tenant, ''), COALESCE(model, ''), kind);

-- A sample of each queue, taken every few seconds; counts of today are those of the day in UTC.
CREATE TABLE queue_stats (
    id                     TEXT PRIMARY KEY NOT NULL,
    provider               TEXT NOT NULL,
    model                  TEXT,
    queued_count           BIGINT NOT NULL,
    processing_count       BIGINT NOT NULL,
    completed_today        BIGINT NOT NULL,
    failed_today           BIGINT NOT NULL,
    avg_processing_time_ms BIGINT NOT NULL,
    oldest_waiting_us      BIGINT,
    last_request_us        BIGINT,
    last_completion_us     BIGINT,
    updated_us             BIGINT NOT NULL
);
CREATE UNIQUE INDEX queue_stats__provider ON queue_stats (provider, COALESCE(model, ''));

-- Work on many requests at once: cancel, redrive or purge all that a filter matches, in batches, from cursor on.
CREATE TABLE bulk_operations (
    id           TEXT PRIMARY KEY NOT NULL,
    org_id       TEXT NOT NULL,
    instance_id  TEXT NOT NULL,
    kind         TEXT NOT NULL,
    filter       JSONB NOT NULL,
    state        TEXT NOT NULL,
    cursor       TEXT,
    done         BIGINT NOT NULL,
    skipped      BIGINT NOT NULL,
    actor_name   TEXT NOT NULL,
    created_us   BIGINT NOT NULL,
    updated_us   BIGINT NOT NULL,
    completed_us BIGINT
);
CREATE INDEX bulk_operations__open ON bulk_operations (created_us, id) WHERE state = 'running';
CREATE INDEX bulk_operations__instance ON bulk_operations (instance_id, created_us DESC, id DESC);

-- scope is the key or the person, and the route. The answer is written with what it tells of.
CREATE TABLE idempotency_keys (
    scope      TEXT NOT NULL,
    key        TEXT NOT NULL,
    body_hash  TEXT NOT NULL,
    status     BIGINT NOT NULL,
    answer     JSONB NOT NULL,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX idempotency_keys__created ON idempotency_keys (created_us);

-- What a request produced, and what became of it. status: pending_review, approved, rejected, processing, delivered or
-- failed. claimed_*: the reviewer who looks at it.
CREATE TABLE deliverables (
    id                     TEXT PRIMARY KEY NOT NULL,
    request_id             TEXT NOT NULL,
    org_id                 TEXT NOT NULL,
    instance_id            TEXT NOT NULL,
    content_type           TEXT NOT NULL,
    content                TEXT NOT NULL,
    provider_response      JSONB,
    quality_score          DOUBLE PRECISION NOT NULL,
    quality_metadata       JSONB NOT NULL,
    status                 TEXT NOT NULL,
    final_output           JSONB,
    post_processing_chain  JSONB,
    post_processing_status TEXT,
    claimed_by             TEXT,
    claimed_until_us       BIGINT,
    reviewed_by            TEXT,
    reviewed_us            BIGINT,
    review_reason          TEXT,
    delivered_us           BIGINT,
    created_us             BIGINT NOT NULL,
    updated_us             BIGINT NOT NULL
);
CREATE INDEX deliverables__request ON deliverables (request_id, created_us, id);
CREATE INDEX deliverables__pending ON deliverables (instance_id, created_us, id) WHERE status = 'pending_review';

-- seq is the order in which events became visible; who follows by it skips nothing. On SQLite it is given with the insert, on
-- Postgres a moment after the commit by whoever holds the row of event_sequence.
CREATE TABLE events (
    id             TEXT PRIMARY KEY NOT NULL,
    seq            BIGINT,
    org_id         TEXT NOT NULL,
    tenant_id      TEXT NOT NULL,
    user_id        TEXT,
    action         TEXT NOT NULL,
    eventable_type TEXT NOT NULL,
    eventable_id   TEXT NOT NULL,
    particulars    JSONB NOT NULL,
    ip_address     TEXT,
    user_agent     TEXT,
    created_us     BIGINT NOT NULL
);
CREATE UNIQUE INDEX events__seq ON events (seq);
CREATE INDEX events__unsequenced ON events (created_us, id) WHERE seq IS NULL;
CREATE INDEX events__tenant ON events (org_id, tenant_id, seq);
CREATE INDEX events__entity ON events (eventable_type, eventable_id, created_us DESC, id DESC);
CREATE INDEX events__time ON events (created_us, id);

CREATE TABLE event_sequence (
    name TEXT PRIMARY KEY NOT NULL,
    last BIGINT NOT NULL
);
INSERT INTO event_sequence (name, last) VALUES ('events', 0);

CREATE TABLE activity_feed (
    id          TEXT PRIMARY KEY NOT NULL,
    org_id      TEXT NOT NULL,
    tenant_id   TEXT NOT NULL,
    user_id     TEXT,
    event_id    TEXT NOT NULL,
    feed_type   TEXT NOT NULL,
    title       TEXT NOT NULL,
    description TEXT NOT NULL,
    icon        TEXT NOT NULL,
    link        TEXT,
    metadata    JSONB NOT NULL,
    is_read     BOOLEAN NOT NULL,
    created_us  BIGINT NOT NULL
);
CREATE INDEX activity_feed__tenant ON activity_feed (org_id, tenant_id, created_us DESC, id DESC);
CREATE INDEX activity_feed__unread ON activity_feed (org_id, tenant_id, created_us DESC, id DESC) WHERE NOT is_read;

-- Calls to addresses of our callers, born in the transaction of what they tell. state: pending, delivered or failed.
CREATE TABLE outbox (
    id              TEXT PRIMARY KEY NOT NULL,
    org_id          TEXT NOT NULL,
    instance_id     TEXT NOT NULL,
    request_id      TEXT NOT NULL,
    url             TEXT NOT NULL,
    body            TEXT NOT NULL,
    state           TEXT NOT NULL,
    attempts        BIGINT NOT NULL,
    epoch           BIGINT NOT NULL,
    next_attempt_us BIGINT NOT NULL,
    lease_until_us  BIGINT,
    last_status     BIGINT,
    last_error      TEXT,
    created_us      BIGINT NOT NULL,
    completed_us    BIGINT
);
CREATE INDEX outbox__due ON outbox (next_attempt_us, id) WHERE state = 'pending';
CREATE INDEX outbox__request ON outbox (request_id, created_us, id);
CREATE INDEX outbox__instance ON outbox (instance_id, created_us DESC, id DESC);

CREATE TABLE outbox_attempts (
    outbox_id   TEXT NOT NULL,
    attempt     BIGINT NOT NULL,
    started_us  BIGINT NOT NULL,
    duration_us BIGINT NOT NULL,
    http_status BIGINT,
    error       TEXT,
    answer      TEXT,
    PRIMARY KEY (outbox_id, attempt)
);
