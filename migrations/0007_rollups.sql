-- Sums of the request log again, without those by key.

DROP TABLE request_rollups;

-- Calls by minute, hour and day, written in the transaction that writes the calls. By key and person usage_daily has them:
-- here they would make as many rows as there are calls. What is absent is ''.
-- Latencies are those of completed calls.
CREATE TABLE request_rollups (
    grain          TEXT NOT NULL,
    start_us       BIGINT NOT NULL,
    instance_id    TEXT NOT NULL,
    provider       TEXT NOT NULL,
    model          TEXT NOT NULL,
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
    PRIMARY KEY (instance_id, grain, start_us, provider, model)
);
CREATE INDEX request_rollups__age ON request_rollups (grain, start_us);
INSERT INTO request_rollups
    SELECT grain, created_us / size_us * size_us, COALESCE(instance_id, ''), COALESCE(provider, ''),
           COALESCE(model_used, ''), COUNT(*),
           SUM(CASE WHEN status = 'completed' THEN 1 ELSE 0 END), SUM(CASE WHEN status = 'failed' THEN 1 ELSE 0 END),
           SUM(CASE WHEN error_class = 'rate_limit' THEN 1 ELSE 0 END), SUM(input_tokens), SUM(cached_tokens),
           SUM(output_tokens), SUM(cost_micro_usd), SUM(CASE WHEN status = 'completed' THEN latency_us ELSE 0 END),
           MAX(CASE WHEN status = 'completed' THEN latency_us ELSE 0 END)
    FROM request_log, (SELECT 'minute' AS grain, 60000000 AS size_us UNION ALL SELECT 'hour', 3600000000
                       UNION ALL SELECT 'day', 86400000000) AS grains
    GROUP BY grain, created_us / size_us * size_us, COALESCE(instance_id, ''), COALESCE(provider, ''),
             COALESCE(model_used, '');
