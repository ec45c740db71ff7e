#!/usr/bin/env bash
# make bench: what the product adds to a call, beside what nginx adds as a plain proxy. All on this machine, in turns:
# the simulator in its bare mode called directly, through nginx, and through the release binary with a first start's
# data: keys, limits and recording on.
#
#   ROUNDS=3 SECONDS_EACH=3 make bench     how often, and how long each load
#   WRITE=1 make bench                     also writes docs/benchmarks.md
source "$(dirname "$0")/env.sh"
source scripts/servers.sh

scripts/setup.sh bench
BIN=$(scripts/build.sh release)
say "Building the load generator"
cargo build -q --release -p bench
LOAD=$RUN/bench
cp "$CARGO_TARGET_DIR/release/bench" "$LOAD"

say "Starting the bare upstream, nginx and the server"
sandbox_start upstream "$BIN" --bare
UPSTREAM=${SANDBOX_URL#http://}

nginx_start() {
    local port nginx
    nginx=$(command -v nginx || echo /usr/sbin/nginx)
    port=$(free_port)
    mkdir -p "$RUN/nginx"
    sed "s|DIR|$RUN/nginx|; s|PORT|$port|; s|UPSTREAM|$UPSTREAM|" bench/nginx.conf >"$RUN/nginx/nginx.conf"
    "$nginx" -p "$RUN/nginx" -c "$RUN/nginx/nginx.conf" >"$RUN/nginx/log" 2>&1 &
    NGINX_PID=$!
    PIDS+=("$NGINX_PID")
    NGINX_URL=http://127.0.0.1:$port
    started "$NGINX_PID" "$NGINX_URL/health" "$RUN/nginx/log"
}
nginx_start

export OPENAI_API_KEY=sk-bench ELECTRONS__PROVIDERS__OPENAI__BASE_URL=$SANDBOX_URL/openai/v1 ELECTRONS__LOG__LEVEL=warn
electrons_start server "$BIN"
raise_limits server
CHAT=/openai/v1/chat/completions

# What a browser gets: the main wasm and the style sheet, with brotli.
curl -fsS "$BASE_URL/" >"$RUN/page.html"
sent() { curl -fsS -H 'Accept-Encoding: br' "$BASE_URL$1" | wc -c | awk '{ printf "%.1f KB", $1 / 1000 }'; }
asset() { grep -oE "/pkg/[^\"' ]*\.$1" "$RUN/page.html" | head -n 1; }
WASM=$(sent "$(asset wasm)")
CSS=$(sent "$(asset css)")
SIZE=$(stat -c %s "$BIN" | awk '{ printf "%.1f MB", $1 / 1e6 }')

say "Cold start"
stop "$SERVER_PID"
export ELECTRONS__SERVER__ADDRESS=${BASE_URL#http://}
COLD=$(cd "$RUN/server" && "$LOAD" cold-start "$BASE_URL/v1/chat/completions" "$API_KEY" -- "$BIN" serve)
electrons_again() {
    (cd "$RUN/server" && exec "$BIN" serve) >"$RUN/server/stdout" 2>"$RUN/server/log" &
    SERVER_PID=$!
    PIDS+=("$SERVER_PID")
    started "$SERVER_PID" "$BASE_URL/health/ready" "$RUN/server/log"
}
electrons_again

say "Measuring (${ROUNDS:=3} rounds of ${SECONDS_EACH:=3} s each; about $((ROUNDS * SECONDS_EACH * 15 * 5 / 4 / 60 + 1)) minutes)"
"$LOAD" compare --direct "$SANDBOX_URL$CHAT" --nginx "$NGINX_URL$CHAT" --electrons "$BASE_URL/v1/chat/completions" \
    --nginx-pid "$NGINX_PID" --electrons-pid "$SERVER_PID" --key "$API_KEY" --rounds "$ROUNDS" --seconds "$SECONDS_EACH" \
    --fact "cold start to the first answered call, existing data (median of 5)=$COLD ms|300 ms" \
    --fact "binary with pages and migrations=$SIZE" \
    --fact "main wasm, brotli=$WASM|180 KB" --fact "style sheet, brotli=$CSS" >"$RUN/table.md"
cat "$RUN/table.md"

if [ -n "${WRITE:-}" ]; then
    {
        echo '# Benchmarks'
        echo
        echo 'Written by `WRITE=1 make bench`; do not edit by hand. One machine runs everything at once: load generator, upstream (the'
        echo "simulator's bare mode), nginx as a plain proxy, and the product with keys, limits and recording on (SQLite). Medians of"
        echo "$ROUNDS rounds in turns, $SECONDS_EACH s each; (+…) is the median difference to the direct call of the same round, other numbers in"
        echo 'parentheses are the share of the direct throughput. Every answer is checked; one in 256 word by word.'
        echo
        cat "$RUN/table.md"
        echo
        echo "Measured $(date -u +%Y-%m-%d) on $(nproc) cores of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), Linux $(uname -r),"
        echo "$(rustc -V | cut -d' ' -f1-2), $("$(command -v nginx || echo /usr/sbin/nginx)" -v 2>&1 | sed 's/.*: //'), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)."
    } >docs/benchmarks.md
    say "Wrote docs/benchmarks.md"
fi
