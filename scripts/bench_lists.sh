#!/usr/bin/env bash
# make bench-lists: how long lists and dashboards take when there is much to show. Fills the database of a first start with
# rows, then asks over HTTP for what the screens ask for; 95 of 100 answers must come within 100 ms.
#
#   ROWS=5000000 make bench-lists      rows of the request log (of other lists a fiftieth); default 1,000,000
#   DB=postgres make bench-lists       PostgreSQL in place of SQLite
#   BIN=path make bench-lists          this binary in place of the release
#   WRITE=1 make bench-lists           also writes its section of docs/benchmarks.md
source "$(dirname "$0")/env.sh"
source scripts/servers.sh

ROWS=${ROWS:-1000000}
DB=${DB:-sqlite}
FEW=$((ROWS / 50))
TRIES=${TRIES:-40}
TARGET=100

[ -n "${BIN:-}" ] || { scripts/setup.sh bench && BIN=$(scripts/build.sh release); }
# Nothing is deleted for its age, and the database is not busy with anything else.
export ELECTRONS__LOG__LEVEL=warn ELECTRONS__LOG__TABLE_LEVEL=off
if [ "$DB" = postgres ]; then
    DATABASE_URL=$(scripts/postgres.sh start "$RUN/postgres")
    export DATABASE_URL
fi

say "A first start on $DB"
electrons_start server "$BIN"
stop "$SERVER_PID"

# One text for both: `series` is the numbers from 0, `hex` makes ids in the order of time.
if [ "$DB" = postgres ]; then
    run_sql() { psql -q -v ON_ERROR_STOP=1 "$DATABASE_URL" -At; }
    series() { echo "SELECT i FROM generate_series(0, $1 - 1) AS s(i)"; }
    ID="lpad(to_hex(i), 12, '0')"
    BEFORE='' AFTER='VACUUM ANALYZE;'
    command -v psql >/dev/null || PATH=$PATH:$(scripts/postgres.sh bindir)
else
    run_sql() { sqlite3 "$RUN/server/data/electrons.db"; }
    series() { echo "WITH RECURSIVE s(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s WHERE i < $1 - 1) SELECT i FROM s"; }
    ID="printf('%012x', i)"
    BEFORE='PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; PRAGMA temp_store = FILE;'
    AFTER='PRAGMA journal_mode = WAL;'
fi

say "Filling: $ROWS calls, $FEW log lines, audit entries and projects"
BEGAN=$SECONDS
NOW=$(date +%s)000000
# Spread over 30 days.
STEP=$((30 * 86400 * 1000000 / ROWS))
run_sql >/dev/null <<SQL
$BEFORE
BEGIN;
INSERT INTO request_log (request_id, created_us, org_id, instance_id, project_id, key_id, user_id, surface, model_asked,
    model_used, provider, streamed, simulated, status, http_status, error_source, error_class, error_message,
    finish_reason, attempts, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
    cost_micro_usd, latency_us, first_token_us, overhead_us, user_agent, ip)
SELECT '019b0000-0000-7000-8000-' || $ID, CAST($NOW AS BIGINT) - ($ROWS - i) * CAST($STEP AS BIGINT),
    (SELECT org_id FROM instances WHERE instance_id = 'development'),
    CASE WHEN i % 10 = 3 THEN 'production' ELSE 'development' END,
    CASE WHEN i % 4 = 0 THEN 'prj_development' END, 'key_' || (i % 97),
    CASE WHEN i % 10007 = 5 THEN (SELECT user_id FROM users WHERE role = 'superadmin') ELSE 'user_' || (i % 53) END,
    CASE WHEN i % 10007 = 5 THEN 'console' WHEN i % 20 = 1 THEN 'text.generate' ELSE 'openai.chat' END,
    'model-' || (i % 10), 'model-' || (i % 10), 'provider-' || (i % 5), (i % 3 = 0), (1 = 1),
    CASE WHEN i % 50 = 7 THEN 'failed' WHEN i % 100 = 8 THEN 'cancelled' ELSE 'completed' END,
    CASE WHEN i % 50 = 7 THEN 502 ELSE 200 END, CASE WHEN i % 50 = 7 THEN 'provider' END,
    CASE WHEN i % 5000 = 7 THEN 'timeout' WHEN i % 50 = 7 THEN 'upstream' END,
    CASE WHEN i % 50 = 7 THEN 'The server had an error while processing your request.' END,
    'stop', '{"items": [{"provider": "openai", "model": "gpt-4o-mini", "started_us": 40, "duration_us": 812000, "outcome": "ok"}]}',
    900, 100, 0, 250, 0, 420, 800000 + i % 1000, 200000, 60, 'OpenAI/Python 2.1.0', '10.0.0.1'
FROM ($(series "$ROWS")) AS numbers;
INSERT INTO logs SELECT '019b0000-0000-7000-8000-' || $ID, CAST($NOW AS BIGINT) - ($FEW - i) * CAST(60000000 AS BIGINT),
    CASE WHEN i % 1000 = 1 THEN 'ERROR' WHEN i % 50 = 2 THEN 'WARN' ELSE 'INFO' END,
    'the provider did not answer the call for the ' || i || 'th time', CASE WHEN i % 5000 = 3 THEN 'vault' ELSE 'gateway' END,
    'request_' || (i / 3), (SELECT org_id FROM instances WHERE instance_id = 'development'),
    CASE WHEN i % 10 = 3 THEN 'production' ELSE 'development' END, NULL, '{"provider": "openai", "status": 503}'
FROM ($(series "$FEW")) AS numbers;
INSERT INTO audit_log (org_id, seq, time_us, actor_type, actor_id, actor_name, action, target_type, target_id, target_name,
    outcome, details, hash)
SELECT 'bench', i + 1, CAST($NOW AS BIGINT) - ($FEW - i) * CAST(60000000 AS BIGINT), 'user', 'user_' || (i % 53), 'Somebody', 'project.updated',
    'project', 'bench_' || i, 'Project ' || i, 'succeeded', '{}', 'bench'
FROM ($(series "$FEW")) AS numbers;
INSERT INTO projects (project_id, instance_id, name, config, created_us, updated_us)
SELECT 'bench_' || $ID, 'development', 'Project ' || i, '{}', CAST($NOW AS BIGINT) - ($FEW - i) * CAST(60000000 AS BIGINT), CAST($NOW AS BIGINT)
FROM ($(series "$FEW")) AS numbers;
INSERT INTO usage_daily (day, instance_id, project_id, key_id, provider, model, requests, tokens, cost_micro_usd)
SELECT created_us / 86400000000, instance_id, COALESCE(project_id, ''), key_id, provider, model_used, COUNT(*),
    SUM(input_tokens + output_tokens), SUM(cost_micro_usd)
FROM request_log GROUP BY created_us / 86400000000, instance_id, COALESCE(project_id, ''), key_id, provider, model_used;
-- The sums of these calls, made as the migration makes those of a database that is older than they are.
$(sed -n '/^INSERT INTO request_rollups$/,/;$/p' migrations/0007_rollups.sql)
UPDATE settings SET version = version + 1 WHERE key = 'config_version';
COMMIT;
$AFTER
SQL
note "filled in $(took $((SECONDS - BEGAN)))"

say "Measuring ($TRIES answers each)"
(cd "$RUN/server" && ELECTRONS__SERVER__ADDRESS=${BASE_URL#http://} exec "$BIN" serve) >"$RUN/server/stdout" 2>"$RUN/server/log" &
SERVER_PID=$!
PIDS+=("$SERVER_PID")
started "$SERVER_PID" "$BASE_URL/health/ready" "$RUN/server/log"
COOKIE=$(curl -fsS -D - -o /dev/null -H "Origin: $BASE_URL" -H 'Accept: text/html' --data-urlencode "token=${SIGN_IN_URL##*token=}" \
    "$BASE_URL/_fn/account/sign_in_by_link" | sed -nE 's/^[Ss]et-[Cc]ookie: (de_session=[^;]*).*/\1/p')
[ -n "$COOKIE" ] || die "cannot sign in"

SLOW=0
# times NAME CURL-OPTION...: a line of the table. Answers are asked for one after the other, after two that are not counted.
times() {
    local name=$1 line
    shift
    : >"$RUN/times"
    for _ in $(seq $((TRIES + 2))); do
        curl -sS -o "$RUN/answer" -w '%{http_code} %{time_total}\n' -H "Cookie: $COOKIE" -H "Origin: $BASE_URL" "$@" >>"$RUN/times"
    done
    ! grep -qv '^200 ' "$RUN/times" || { cat "$RUN/answer" >&2; die "$name: not every answer was 200"; }
    line=$(tail -n "$TRIES" "$RUN/times" | awk '{ print $2 * 1000 }' | sort -n | awk -v name="$name" -v target=$TARGET '
        { t[NR] = $1 }
        END {
            p95 = t[int(NR * 0.95 + 0.999)]
            printf "| %s | %.1f ms | %.1f ms |%s\n", name, t[int((NR + 1) / 2)], p95, (p95 > target ? " over the target |" : " |")
        }')
    echo "$line" | tee -a "$RUN/table.md"
    [[ $line != *over* ]] || SLOW=$((SLOW + 1))
}
page() { times "$1" "$BASE_URL$2"; }
call() { times "$1" -H 'Content-Type: application/json' -d "$3" "$BASE_URL/_fn/$2"; }
history() { call "history: $1" runs/list "{\"filter\":{\"limit\":50$2}}"; }

printf '| what | p50 | p95 | |\n|---|---|---|---|\n' | tee "$RUN/table.md"
page 'home, the page' /
call 'home, its numbers' home/overview '{}'
history 'newest' ''
history 'own' ',"mine":true'
history 'own, of the console' ',"mine":true,"surface":"console"'
history 'of the console, which is rare' ',"surface":"console"'
history 'of a surface' ',"surface":"text.generate"'
history 'failed' ',"status":"failed"'
history 'cancelled' ',"status":"cancelled"'
history 'a rare class of error' ',"error_class":"timeout"'
history 'of a model' ',"model":"model-3"'
history 'of a model nobody used' ',"model":"none"'
history 'of a provider' ',"provider":"provider-3"'
history 'of a project' ',"project_id":"prj_development"'
history 'of a key' ',"key_id":"key_7"'
history 'of a person' ',"user_id":"user_7"'
history 'a day, two weeks ago' ",\"from_us\":$((NOW - 15 * 86400000000)),\"until_us\":$((NOW - 14 * 86400000000))"
history 'a model on that day' ",\"model\":\"model-3\",\"from_us\":$((NOW - 15 * 86400000000)),\"until_us\":$((NOW - 14 * 86400000000))"
history 'far back' ",\"after\":\"$((NOW - 29 * 86400000000)).z\""
call 'one call' runs/get "{\"request_id\":\"019b0000-0000-7000-8000-$(printf '%012x' $((ROWS / 2)))\"}"
page 'log: newest' '/config/logs?limit=50'
page 'log: errors' '/config/logs?limit=50&level=ERROR'
page 'log: warnings and errors of an instance' '/config/logs?limit=50&level=WARN,ERROR&instance_id=development'
page 'log: a rare component' '/config/logs?limit=50&component=vault'
page 'log: a request' '/config/logs?limit=50&request_id=request_77'
page 'log: a text that is not there' '/config/logs?limit=50&q=nothing+like+this'
page 'state of the system' /config/system
call 'projects' things/list '{"kind":"project","filter":{"equal":[],"search":"","sort":"","descending":false,"deleted":false,"after":null,"limit":50}}'
call 'projects, searched' things/list '{"kind":"project","filter":{"equal":[],"search":"Project 777","sort":"","descending":false,"deleted":false,"after":null,"limit":50}}'
call 'projects, sorted' things/list '{"kind":"project","filter":{"equal":[],"search":"","sort":"name","descending":false,"deleted":false,"after":null,"limit":50}}'

if [ -n "${WRITE:-}" ]; then
    {
        sed '/^## Lists/,$d' docs/benchmarks.md
        echo '## Lists'
        echo
        echo "Written by \`WRITE=1 make bench-lists\`. $ROWS calls, $FEW log lines, audit entries and projects on $DB; $TRIES answers each, one"
        echo "after the other, over HTTP. Target: p95 within $TARGET ms."
        echo
        cat "$RUN/table.md"
        echo
        echo "Measured $(date -u +%Y-%m-%d) on $(nproc) cores with a load of $(cut -d' ' -f1 /proc/loadavg), $("$BIN" --version)${NOTE:+ ($NOTE)}, commit $(git rev-parse --short HEAD)."
    } >"$RUN/benchmarks.md"
    cp "$RUN/benchmarks.md" docs/benchmarks.md
    say "Wrote docs/benchmarks.md"
fi
[ $SLOW = 0 ] || die "$SLOW of them are over the target of $TARGET ms"
