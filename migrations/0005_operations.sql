-- The platform's own log, and sums of the request log, so that no screen adds up millions of rows.

-- log_id is a UUIDv7 of the moment the row was written, not of the moment it tells of: whoever follows the table reads on
-- from the last id and misses nothing.
CREATE TABLE logs (
    log_id      TEXT PRIMARY KEY NOT NULL,
    time_us     BIGINT NOT NULL,
    level       TEXT NOT NULL,
    message     TEXT NOT NULL,
    component   TEXT NOT NULL,
    request_id  TEXT,
    org_id      TEXT,
    instance_id TEXT,
    user_id     TEXT,
    metadata    JSONB NOT NULL
);
CREATE INDEX logs__time ON logs (time_us, log_id);
CREATE INDEX logs__level ON logs (level, time_us, log_id);
CREATE INDEX logs__component ON logs (component, time_us, log_id);
CREATE INDEX logs__org ON logs (org_id, time_us, log_id) WHERE org_id IS NOT NULL;
CREATE INDEX logs__instance ON logs (instance_id, time_us, log_id) WHERE instance_id IS NOT NULL;
CREATE INDEX logs__request ON logs (request_id, time_us, log_id) WHERE request_id IS NOT NULL;

-- Calls by minute, hour and day, written in the transaction that writes the calls. What is absent is ''. Latencies are
-- those of completed calls.
CREATE TABLE request_rollups (
    grain          TEXT NOT NULL,
    start_us       BIGINT NOT NULL,
    instance_id    TEXT NOT NULL,
    provider       TEXT NOT NULL,
    model          TEXT NOT NULL,
    project_id     TEXT NOT NULL,
    user_id        TEXT NOT NULL,
    key_id         TEXT NOT NULL,
    requests       BIGINT NOT NULL,
    completed      BIGINT NOT NULL,
    failed         BIGINT NOT NULL,
    rate_limited   BIGINT NOT NULL,
    input_tokens   BIGINT NOT NULL,
    cached_tokens  BIGINT NOT NULL,
    output_tokens  BIGINT NOT NULL,
    cost_micro_usd BIGINT NOT NULL,
    latency_us     BIGINT NOT NULL,
    latency_max_us BIGINT NOT NULL,
    PRIMARY KEY (instance_id, grain, start_us, provider, model, project_id, user_id, key_id)
);
CREATE INDEX request_rollups__age ON request_rollups (grain, start_us);
INSERT INTO request_rollups
    SELECT grain, created_us / size_us * size_us, COALESCE(instance_id, ''), COALESCE(provider, ''),
           COALESCE(model_used, ''), COALESCE(project_id, ''), COALESCE(user_id, ''), COALESCE(key_id, ''), COUNT(*),
           SUM(CASE WHEN status = 'completed' THEN 1 ELSE 0 END), SUM(CASE WHEN status = 'failed' THEN 1 ELSE 0 END),
           SUM(CASE WHEN error_class = 'rate_limit' THEN 1 ELSE 0 END), SUM(input_tokens), SUM(cached_tokens),
           SUM(output_tokens), SUM(cost_micro_usd), SUM(CASE WHEN status = 'completed' THEN latency_us ELSE 0 END),
           MAX(CASE WHEN status = 'completed' THEN latency_us ELSE 0 END)
    FROM request_log, (SELECT 'minute' AS grain, 60000000 AS size_us UNION ALL SELECT 'hour', 3600000000
                       UNION ALL SELECT 'day', 86400000000) AS grains
    GROUP BY grain, created_us / size_us * size_us, COALESCE(instance_id, ''), COALESCE(provider, ''),
             COALESCE(model_used, ''), COALESCE(project_id, ''), COALESCE(user_id, ''), COALESCE(key_id, '');
