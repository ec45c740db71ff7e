-- Events counted by the hour, so that counts of years need not look at the events. first_seq and last_seq: where the hour's
-- events of the tenant lie, for the hour that a question begins in.
CREATE TABLE event_counts (
    org_id    TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    hour_us   BIGINT NOT NULL,
    action    TEXT NOT NULL,
    first_seq BIGINT NOT NULL,
    last_seq  BIGINT NOT NULL,
    count     BIGINT NOT NULL,
    PRIMARY KEY (org_id, tenant_id, hour_us, action)
);

-- What is expected of results. Without an instance or a task type it holds for all; the most specific one wins.
-- on_reject: fail, retry or review.
CREATE TABLE quality_profiles (
    id           TEXT PRIMARY KEY NOT NULL,
    org_id       TEXT,
    instance_id  TEXT,
    task_type    TEXT,
    name         TEXT NOT NULL,
    approve_at   DOUBLE PRECISION NOT NULL,
    reject_below DOUBLE PRECISION NOT NULL,
    json_schema  JSONB,
    on_reject    TEXT NOT NULL,
    auto_approve BOOLEAN NOT NULL,
    is_active    BOOLEAN NOT NULL,
    created_us   BIGINT NOT NULL,
    updated_us   BIGINT NOT NULL,
    deleted_us   BIGINT
);

-- Which version of its secret an instance's callbacks are signed with; the secret itself follows from the server's key. The
-- version before signs, too, until until_us.
CREATE TABLE callback_secrets (
    instance_id TEXT PRIMARY KEY NOT NULL,
    version     BIGINT NOT NULL,
    until_us    BIGINT NOT NULL,
    updated_us  BIGINT NOT NULL
);

