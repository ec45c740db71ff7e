-- Limits by scope in place of `rate_limits`, deletions that can be undone for every thing, versions of models, and the
-- audit log.

-- A limit counts the calls that match everything it names. It counts for its key, else its project, its instance, its
-- organization; one that names none of them counts for each instance by itself. What is NULL does not limit.
CREATE TABLE limits (
    id                     TEXT PRIMARY KEY NOT NULL,
    org_id                 TEXT REFERENCES organizations (org_id) ON DELETE CASCADE,
    instance_id            TEXT REFERENCES instances (instance_id) ON DELETE CASCADE,
    project_id             TEXT REFERENCES projects (project_id) ON DELETE CASCADE,
    key_id                 TEXT REFERENCES api_keys (key_id) ON DELETE CASCADE,
    provider               TEXT,
    model                  TEXT,
    requests_per_minute    BIGINT,
    tokens_per_minute      BIGINT,
    tokens_per_day         BIGINT,
    concurrent_requests    BIGINT,
    burst_limit            BIGINT,
    cooldown_seconds       BIGINT NOT NULL DEFAULT 60,
    budget_day_micro_usd   BIGINT,
    budget_month_micro_usd BIGINT,
    warn_percent           BIGINT NOT NULL DEFAULT 80,
    is_active              BOOLEAN NOT NULL,
    created_us             BIGINT NOT NULL,
    updated_us             BIGINT NOT NULL,
    deleted_us             BIGINT
);
INSERT INTO limits (id, provider, model, requests_per_minute, tokens_per_minute, concurrent_requests, burst_limit,
                    cooldown_seconds, is_active, created_us, updated_us)
    SELECT id, provider, model, requests_per_minute, tokens_per_minute, concurrent_requests, burst_limit,
           cooldown_seconds, is_active, created_us, updated_us FROM rate_limits;
DROP TABLE rate_limits;
CREATE UNIQUE INDEX limits__scope ON limits (COALESCE(org_id, ''), COALESCE(instance_id, ''), COALESCE(project_id, ''),
    COALESCE(key_id, ''), COALESCE(provider, ''), COALESCE(model, '')) WHERE deleted_us IS NULL;

ALTER TABLE prompts ADD COLUMN deleted_us BIGINT;
ALTER TABLE providers ADD COLUMN deleted_us BIGINT;
ALTER TABLE provider_routing_rules ADD COLUMN deleted_us BIGINT;
ALTER TABLE task_classifications ADD COLUMN deleted_us BIGINT;
ALTER TABLE task_classifications ADD COLUMN updated_us BIGINT NOT NULL DEFAULT 0;
UPDATE task_classifications SET updated_us = created_us;
ALTER TABLE user_instance_access ADD COLUMN updated_us BIGINT NOT NULL DEFAULT 0;
UPDATE user_instance_access SET updated_us = granted_us;
ALTER TABLE user_instance_access ADD COLUMN deleted_us BIGINT;
ALTER TABLE provider_credentials ADD COLUMN created_us BIGINT NOT NULL DEFAULT 0;
UPDATE provider_credentials SET created_us = updated_us;
ALTER TABLE api_keys ADD COLUMN updated_us BIGINT NOT NULL DEFAULT 0;
UPDATE api_keys SET updated_us = created_us;
ALTER TABLE settings ADD COLUMN created_us BIGINT NOT NULL DEFAULT 0;

CREATE TABLE dev_credentials (
    org_id          TEXT NOT NULL REFERENCES organizations (org_id) ON DELETE CASCADE,
    credential_type TEXT NOT NULL,
    sealed          TEXT NOT NULL,
    updated_us      BIGINT NOT NULL,
    PRIMARY KEY (org_id, credential_type)
);

-- Each state a model configuration was in, as the API shows it; version 1 is the first that was kept.
CREATE TABLE model_versions (
    config_id  TEXT NOT NULL REFERENCES model_configs (config_id) ON DELETE CASCADE,
    version    BIGINT NOT NULL,
    body       JSONB NOT NULL,
    actor_name TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (config_id, version)
);

-- Append-only. Each row's hash covers the row and the hash before it, so that a change or a gap shows. org_id '' is the
-- platform's own chain.
CREATE TABLE audit_log (
    org_id      TEXT NOT NULL,
    seq         BIGINT NOT NULL,
    time_us     BIGINT NOT NULL,
    actor_type  TEXT NOT NULL,
    actor_id    TEXT NOT NULL,
    actor_name  TEXT NOT NULL,
    action      TEXT NOT NULL,
    target_type TEXT NOT NULL,
    target_id   TEXT NOT NULL,
    target_name TEXT NOT NULL,
    instance_id TEXT,
    outcome     TEXT NOT NULL,
    details     TEXT NOT NULL,
    ip          TEXT,
    user_agent  TEXT,
    request_id  TEXT,
    hash        TEXT NOT NULL,
    PRIMARY KEY (org_id, seq)
);
CREATE INDEX audit_log__target ON audit_log (target_type, target_id, time_us);
CREATE INDEX audit_log__time ON audit_log (time_us, org_id, seq);

-- The end of each chain; its row lock puts concurrent entries in order.
CREATE TABLE audit_heads (
    org_id TEXT PRIMARY KEY NOT NULL,
    seq    BIGINT NOT NULL,
    hash   TEXT NOT NULL
);
