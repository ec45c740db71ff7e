-- One text for SQLite and Postgres. Ids are text, times are microseconds since 1970 in UTC (`_us`), money is millionths of
-- a US dollar. A row with `deleted_us` is gone for everyone but an undo; unique indexes hold for live rows only and are
-- named `<table>__<column>`, which is how an error tells what was taken.

CREATE TABLE organizations (
    org_id        TEXT PRIMARY KEY NOT NULL,
    name          TEXT NOT NULL,
    billing_email TEXT,
    created_us    BIGINT NOT NULL,
    updated_us    BIGINT NOT NULL,
    deleted_us    BIGINT
);

CREATE TABLE instances (
    instance_id            TEXT PRIMARY KEY NOT NULL,
    org_id                 TEXT NOT NULL REFERENCES organizations (org_id) ON DELETE CASCADE,
    name                   TEXT NOT NULL,
    api_keys               JSONB NOT NULL,
    rate_limits            JSONB NOT NULL,
    worker_urls            JSONB NOT NULL,
    r2_bucket              TEXT NOT NULL,
    config                 JSONB NOT NULL,
    store_contents         BOOLEAN NOT NULL,
    content_retention_days BIGINT NOT NULL,
    created_us             BIGINT NOT NULL,
    updated_us             BIGINT NOT NULL,
    deleted_us             BIGINT
);
CREATE INDEX instances__org_id ON instances (org_id);

CREATE TABLE projects (
    project_id  TEXT PRIMARY KEY NOT NULL,
    instance_id TEXT NOT NULL REFERENCES instances (instance_id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    description TEXT,
    config      JSONB NOT NULL,
    created_us  BIGINT NOT NULL,
    updated_us  BIGINT NOT NULL,
    deleted_us  BIGINT
);
CREATE INDEX projects__instance_id ON projects (instance_id);

CREATE TABLE users (
    user_id         TEXT PRIMARY KEY NOT NULL,
    org_id          TEXT NOT NULL REFERENCES organizations (org_id) ON DELETE CASCADE,
    email           TEXT NOT NULL,
    name            TEXT NOT NULL,
    role            TEXT NOT NULL,
    password_hash   TEXT,
    is_active       BOOLEAN NOT NULL,
    last_sign_in_us BIGINT,
    created_us      BIGINT NOT NULL,
    updated_us      BIGINT NOT NULL,
    deleted_us      BIGINT
);
CREATE UNIQUE INDEX users__email ON users (lower(email)) WHERE deleted_us IS NULL;
CREATE INDEX users__org_id ON users (org_id);

CREATE TABLE user_instance_access (
    user_id     TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    instance_id TEXT NOT NULL REFERENCES instances (instance_id) ON DELETE CASCADE,
    level       TEXT NOT NULL,
    granted_us  BIGINT NOT NULL,
    PRIMARY KEY (user_id, instance_id)
);
CREATE INDEX user_instance_access__instance_id ON user_instance_access (instance_id);

-- Only the SHA-256 of a session cookie or of a sign-in link is kept.
CREATE TABLE sessions (
    session_hash BYTEA PRIMARY KEY NOT NULL,
    user_id      TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    created_us   BIGINT NOT NULL,
    expires_us   BIGINT NOT NULL,
    last_seen_us BIGINT NOT NULL,
    ip           TEXT,
    user_agent   TEXT
);
CREATE INDEX sessions__user_id ON sessions (user_id);
CREATE INDEX sessions__expires_us ON sessions (expires_us);

CREATE TABLE sign_in_links (
    link_hash  BYTEA PRIMARY KEY NOT NULL,
    user_id    TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    created_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL,
    used_us    BIGINT
);
CREATE INDEX sign_in_links__user_id ON sign_in_links (user_id);
CREATE INDEX sign_in_links__expires_us ON sign_in_links (expires_us);

CREATE TABLE api_keys (
    key_id         TEXT PRIMARY KEY NOT NULL,
    user_id        TEXT REFERENCES users (user_id) ON DELETE CASCADE,
    project_id     TEXT REFERENCES projects (project_id) ON DELETE CASCADE,
    instance_id    TEXT NOT NULL REFERENCES instances (instance_id) ON DELETE CASCADE,
    org_id         TEXT NOT NULL REFERENCES organizations (org_id) ON DELETE CASCADE,
    name           TEXT NOT NULL,
    key_hash       BYTEA NOT NULL,
    masked         TEXT NOT NULL,
    scopes         JSONB NOT NULL,
    allowed_models JSONB,
    expires_us     BIGINT,
    last_used_us   BIGINT,
    revoked_us     BIGINT,
    created_us     BIGINT NOT NULL,
    deleted_us     BIGINT,
    CHECK ((user_id IS NULL) <> (project_id IS NULL))
);
CREATE UNIQUE INDEX api_keys__key_hash ON api_keys (key_hash);
CREATE INDEX api_keys__instance_id ON api_keys (instance_id);
CREATE INDEX api_keys__org_id ON api_keys (org_id);
CREATE INDEX api_keys__user_id ON api_keys (user_id);
CREATE INDEX api_keys__project_id ON api_keys (project_id);

-- adapter: the wire format; NULL is an external provider, whose work is delivered from outside.
-- credential: {"header", "prefix"} or {"query"}, and "env": names of environment variables; {} needs no credential.
-- config: {"aliases", "headers", "mapping_base_url", "timeout_ms"}, all optional.
CREATE TABLE providers (
    id           TEXT PRIMARY KEY NOT NULL,
    display_name TEXT NOT NULL,
    adapter      TEXT,
    base_url     TEXT NOT NULL,
    credential   JSONB NOT NULL,
    config       JSONB NOT NULL,
    is_active    BOOLEAN NOT NULL,
    sort         BIGINT NOT NULL,
    created_us   BIGINT NOT NULL,
    updated_us   BIGINT NOT NULL
);

CREATE TABLE provider_credentials (
    instance_id TEXT NOT NULL REFERENCES instances (instance_id) ON DELETE CASCADE,
    provider_id TEXT NOT NULL REFERENCES providers (id) ON DELETE CASCADE,
    sealed      TEXT NOT NULL,
    masked      TEXT NOT NULL,
    updated_us  BIGINT NOT NULL,
    PRIMARY KEY (instance_id, provider_id)
);
CREATE INDEX provider_credentials__provider_id ON provider_credentials (provider_id);

-- org_id NULL is the catalogue, visible to everyone.
CREATE TABLE model_configs (
    config_id       TEXT PRIMARY KEY NOT NULL,
    model_id        TEXT NOT NULL,
    provider_id     TEXT NOT NULL,
    adapter         TEXT,
    upstream_model  TEXT NOT NULL,
    display_name    TEXT NOT NULL,
    description     TEXT,
    capabilities    JSONB NOT NULL,
    pricing         JSONB NOT NULL,
    rate_limits     JSONB NOT NULL,
    payload_mapping JSONB NOT NULL,
    prompt_template JSONB,
    parameters      JSONB NOT NULL,
    status          TEXT NOT NULL,
    org_id          TEXT REFERENCES organizations (org_id) ON DELETE CASCADE,
    created_us      BIGINT NOT NULL,
    updated_us      BIGINT NOT NULL,
    deleted_us      BIGINT
);
CREATE UNIQUE INDEX model_configs__model_id ON model_configs (model_id) WHERE deleted_us IS NULL;
CREATE INDEX model_configs__org_id ON model_configs (org_id);

CREATE TABLE model_aliases (
    alias      TEXT PRIMARY KEY NOT NULL,
    model_id   TEXT NOT NULL,
    created_us BIGINT NOT NULL
);

-- The life of a call, one row each, without what was said. No foreign keys: history outlives what it names.
CREATE TABLE request_log (
    request_id         TEXT PRIMARY KEY NOT NULL,
    created_us         BIGINT NOT NULL,
    org_id             TEXT,
    instance_id        TEXT,
    project_id         TEXT,
    key_id             TEXT,
    user_id            TEXT,
    surface            TEXT NOT NULL,
    caller_request_id  TEXT,
    model_asked        TEXT,
    model_used         TEXT,
    provider           TEXT,
    streamed           BOOLEAN NOT NULL,
    simulated          BOOLEAN NOT NULL,
    status             TEXT NOT NULL,
    http_status        BIGINT NOT NULL,
    error_source       TEXT,
    error_class        TEXT,
    error_message      TEXT,
    finish_reason      TEXT,
    attempts           JSONB NOT NULL,
    input_tokens       BIGINT NOT NULL,
    cached_tokens      BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens      BIGINT NOT NULL,
    reasoning_tokens   BIGINT NOT NULL,
    cost_micro_usd     BIGINT NOT NULL,
    latency_us         BIGINT NOT NULL,
    first_token_us     BIGINT,
    overhead_us        BIGINT NOT NULL,
    user_agent         TEXT,
    ip                 TEXT
);
CREATE INDEX request_log__time ON request_log (created_us, request_id);
CREATE INDEX request_log__instance ON request_log (instance_id, created_us DESC, request_id DESC);
CREATE INDEX request_log__org ON request_log (org_id, created_us DESC, request_id DESC);
CREATE INDEX request_log__user ON request_log (user_id, created_us DESC, request_id DESC) WHERE user_id IS NOT NULL;
CREATE INDEX request_log__key ON request_log (key_id, created_us DESC, request_id DESC) WHERE key_id IS NOT NULL;
-- Failures are few, and what people look for.
CREATE INDEX request_log__failed ON request_log (instance_id, created_us DESC, request_id DESC) WHERE status = 'failed';

CREATE TABLE request_contents (
    request_id    TEXT PRIMARY KEY NOT NULL,
    created_us    BIGINT NOT NULL,
    expires_us    BIGINT NOT NULL,
    request_body  TEXT,
    response_body TEXT,
    truncated     BOOLEAN NOT NULL
);
CREATE INDEX request_contents__expires_us ON request_contents (expires_us);

CREATE TABLE usage_logs (
    log_id         TEXT PRIMARY KEY NOT NULL,
    instance_id    TEXT NOT NULL,
    time_us        BIGINT NOT NULL,
    provider       TEXT NOT NULL,
    model          TEXT NOT NULL,
    input_tokens   BIGINT NOT NULL,
    output_tokens  BIGINT NOT NULL,
    cached_tokens  BIGINT NOT NULL,
    tokens_used    BIGINT NOT NULL,
    cost_micro_usd BIGINT NOT NULL,
    request_id     TEXT NOT NULL,
    key_id         TEXT,
    user_id        TEXT,
    project_id     TEXT
);
CREATE INDEX usage_logs__instance ON usage_logs (instance_id, time_us);
CREATE INDEX usage_logs__time ON usage_logs (time_us);

-- value is always an object. `version` of the row 'config_version' grows by one in every transaction that changes what
-- the server keeps in memory.
CREATE TABLE settings (
    key        TEXT PRIMARY KEY NOT NULL,
    value      JSONB NOT NULL,
    version    BIGINT NOT NULL,
    updated_us BIGINT NOT NULL
);
INSERT INTO settings (key, value, version, updated_us) VALUES ('config_version', '{}', 1, 0);

CREATE TABLE rate_limits (
    id                  TEXT PRIMARY KEY NOT NULL,
    provider            TEXT NOT NULL,
    model               TEXT,
    requests_per_minute BIGINT NOT NULL DEFAULT 60,
    tokens_per_minute   BIGINT,
    concurrent_requests BIGINT NOT NULL DEFAULT 5,
    burst_limit         BIGINT,
    cooldown_seconds    BIGINT NOT NULL DEFAULT 60,
    is_active           BOOLEAN NOT NULL,
    created_us          BIGINT NOT NULL,
    updated_us          BIGINT NOT NULL
);
CREATE UNIQUE INDEX rate_limits__model ON rate_limits (provider, COALESCE(model, ''));

CREATE TABLE prompts (
    id          TEXT PRIMARY KEY NOT NULL,
    task_type   TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT,
    template    TEXT NOT NULL,
    variables   JSONB NOT NULL,
    provider    TEXT,
    model       TEXT,
    is_default  BOOLEAN NOT NULL,
    is_active   BOOLEAN NOT NULL,
    created_us  BIGINT NOT NULL,
    updated_us  BIGINT NOT NULL
);

CREATE TABLE task_classifications (
    id               TEXT PRIMARY KEY NOT NULL,
    pattern          TEXT NOT NULL,
    pattern_type     TEXT NOT NULL,
    task_type        TEXT NOT NULL,
    confidence_boost DOUBLE PRECISION NOT NULL DEFAULT 0,
    priority         BIGINT NOT NULL DEFAULT 0,
    is_active        BOOLEAN NOT NULL,
    created_us       BIGINT NOT NULL
);

CREATE TABLE provider_routing_rules (
    id           TEXT PRIMARY KEY NOT NULL,
    task_type    TEXT NOT NULL,
    subtask      TEXT,
    provider     TEXT NOT NULL,
    model        TEXT NOT NULL,
    weight       BIGINT NOT NULL DEFAULT 100,
    cost_tier    TEXT,
    quality_tier TEXT,
    is_default   BOOLEAN NOT NULL,
    is_active    BOOLEAN NOT NULL,
    created_us   BIGINT NOT NULL,
    updated_us   BIGINT NOT NULL
);
