-- What limits count with: usage by day, and what replicas tell each other.

ALTER TABLE request_log ADD COLUMN limit_id TEXT;

-- Sums of `usage_logs`, written in the same transaction: what was used of a day's or a month's limit. An absent project
-- or key is ''.
CREATE TABLE usage_daily (
    day            BIGINT NOT NULL,
    instance_id    TEXT NOT NULL,
    project_id     TEXT NOT NULL,
    key_id         TEXT NOT NULL,
    provider       TEXT NOT NULL,
    model          TEXT NOT NULL,
    requests       BIGINT NOT NULL,
    tokens         BIGINT NOT NULL,
    cost_micro_usd BIGINT NOT NULL,
    PRIMARY KEY (day, instance_id, project_id, key_id, provider, model)
);
INSERT INTO usage_daily (day, instance_id, project_id, key_id, provider, model, requests, tokens, cost_micro_usd)
    SELECT time_us / 86400000000, instance_id, COALESCE(project_id, ''), COALESCE(key_id, ''), provider, model, COUNT(*),
           CAST(SUM(tokens_used) AS BIGINT), CAST(SUM(cost_micro_usd) AS BIGINT)
    FROM usage_logs
    GROUP BY time_us / 86400000000, instance_id, COALESCE(project_id, ''), COALESCE(key_id, ''), provider, model;

-- The servers that use this database now. One that is alone (`shared` is false) counts for itself and tells nothing.
CREATE TABLE replicas (
    replica_id TEXT PRIMARY KEY NOT NULL,
    seen_us    BIGINT NOT NULL,
    shared     BOOLEAN NOT NULL
);

-- One row per counted thing; its lock puts in order who adds up and takes. limit_id '' stands for the list of replicas.
CREATE TABLE limit_turns (
    limit_id TEXT NOT NULL,
    target   TEXT NOT NULL,
    turn     BIGINT NOT NULL,
    PRIMARY KEY (limit_id, target)
);

-- What a replica has used of a limit, and what it has set aside for the calls that come next, as of `turn`.
CREATE TABLE limit_shares (
    limit_id   TEXT NOT NULL,
    target     TEXT NOT NULL,
    replica_id TEXT NOT NULL,
    turn       BIGINT NOT NULL,
    body       JSONB NOT NULL,
    updated_us BIGINT NOT NULL,
    PRIMARY KEY (limit_id, target, replica_id)
);
CREATE INDEX limit_shares__replica ON limit_shares (replica_id);
