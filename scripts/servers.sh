# Sourced after env.sh by scripts that need the product running: each process gets a folder of its own under $RUN, is
# stopped when the script ends, and shows its log when it did not start.
#
#   sandbox_start NAME BIN [OPTION...]      sets SANDBOX_URL, SANDBOX_PID
#   electrons_start NAME BIN [OPTION...]    sets BASE_URL, SERVER_PID, and from a first start SIGN_IN_URL, API_KEY

RUN=$(mktemp -d "${TMPDIR:-/tmp}/electrons.XXXXXX")
chmod 711 "$RUN" # PostgreSQL runs as another user when this is root
PIDS=()

# What is started here gets its settings from here: no database, key or setting of the person who starts it.
for name in $(compgen -e | grep -E '^ELECTRONS__|^DATABASE_URL$|_API_KEY$|^LEPTOS_' || true); do unset "$name"; done

stop() {
    kill -TERM "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

stop_all() {
    local pid
    for pid in ${PIDS[@]+"${PIDS[@]}"}; do stop "$pid"; done
    [ ! -d "$RUN/postgres" ] || scripts/postgres.sh stop "$RUN/postgres"
    rm -rf "$RUN"
}
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

answers() { curl -fsS -o "${2:-/dev/null}" --max-time 2 "$1"; }

# started PID URL LOG: waits until URL answers, or fails with the log when the process ends before.
started() {
    local until=$((SECONDS + 30))
    while ! answers "$2" 2>/dev/null; do
        kill -0 "$1" 2>/dev/null && [ "$SECONDS" -lt "$until" ] || { cat "$3" >&2; die "the process did not come up on $2"; }
        sleep 0.05
    done
}

sandbox_start() {
    local name=$1 bin=$2 port
    shift 2
    port=$(free_port)
    mkdir -p "$RUN/$name"
    (cd "$RUN/$name" && exec "$bin" sandbox --port "$port" "$@") >"$RUN/$name/log" 2>&1 &
    SANDBOX_PID=$!
    PIDS+=("$SANDBOX_PID")
    SANDBOX_URL=http://127.0.0.1:$port
    started "$SANDBOX_PID" "$SANDBOX_URL/health" "$RUN/$name/log"
}

electrons_start() {
    local name=$1 bin=$2 port
    shift 2
    port=$(free_port)
    mkdir -p "$RUN/$name"
    (cd "$RUN/$name" && ELECTRONS__SERVER__ADDRESS=127.0.0.1:$port exec "$bin" serve "$@") >"$RUN/$name/stdout" 2>"$RUN/$name/log" &
    SERVER_PID=$!
    PIDS+=("$SERVER_PID")
    BASE_URL=http://127.0.0.1:$port
    started "$SERVER_PID" "$BASE_URL/health/ready" "$RUN/$name/log"
    SIGN_IN_URL=$(sed -n 's/^ *sign-in  *//p' "$RUN/$name/stdout")
    API_KEY=$(sed -n 's/^ *api key  *//p' "$RUN/$name/stdout")
}

# raise_limits NAME: the limits of a first start are made for one person who tries things; here they are checked on every
# call, too, but are not what is measured or tested. The server notices the new configuration version by itself.
raise_limits() {
    local version
    version=$(sqlite3 "$RUN/$1/data/electrons.db" "
        PRAGMA busy_timeout = 5000;
        BEGIN IMMEDIATE;
        UPDATE limits SET requests_per_minute = 1000000000, tokens_per_minute = 1000000000000, concurrent_requests = 100000;
        UPDATE model_configs SET rate_limits = json('{\"rpm\": 1000000000, \"tpm\": 1000000000000}');
        UPDATE instances SET config = json_set(config, '\$.rate_limits.openai',
            json('{\"rpm\": 1000000000, \"tpm\": 1000000000000}'));
        UPDATE settings SET version = version + 1 WHERE key = 'config_version';
        COMMIT;
        SELECT version FROM settings WHERE key = 'config_version';" | tail -n 1)
    has_version() { curl -fsS "$BASE_URL/health/ready" | grep -Eq "\"configuration_version\": *$version\\b"; }
    wait_for 10 has_version || die "the server did not take up configuration version $version"
}
