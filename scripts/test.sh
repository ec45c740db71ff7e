#!/usr/bin/env bash
# make test: every check there is, or the named stages:
#
#   fmt     format
#   clippy  lints of the server, of the pages as the server compiles them, and of the browser's half
#   unit    unit and integration tests, on SQLite and on a PostgreSQL started for the purpose
#   wasm    the debug build of both halves
#   browser official SDKs and the browser tests against it
#
# Stops at the first stage that fails. The last line says what passed.
source "$(dirname "$0")/env.sh"
source scripts/servers.sh

ALL='fmt clippy unit wasm browser'
STAGES=${*:-$ALL}
BEGAN=$SECONDS
PASSED=''

fmt() { cargo fmt --all --check; }

clippy() {
    # One call for both packages, so that `app` is built with the features that the server gives it.
    cargo clippy -p server -p app -p bench --all-targets -- -D warnings
    # Where and how cargo-leptos builds it.
    cargo clippy -p frontend --target wasm32-unknown-unknown --target-dir "$CARGO_TARGET_DIR/front" -- -D warnings
}

unit() {
    TEST_POSTGRES_URL=$(scripts/postgres.sh start "$RUN/postgres")
    export TEST_POSTGRES_URL
    note "PostgreSQL: $TEST_POSTGRES_URL"
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --no-fail-fast -p server -p app -p bench 2>&1 | tee "$RUN/unit.log"
        cargo test -q --doc -p server -p app
    else
        cargo test --no-fail-fast -p server -p app -p bench 2>&1 | tee "$RUN/unit.log"
    fi
    scripts/postgres.sh stop "$RUN/postgres"
    {
        sed -nE 's/.*Summary .* ([0-9]+) passed.*/\1/p; s/^test result: ok\. ([0-9]+) passed.*/\1/p' "$RUN/unit.log" |
            awk '{ n += $1 } END { print n + 0 " Rust tests, SQLite and PostgreSQL" }'
    } >"$RUN/unit.sum"
}

wasm() { scripts/build.sh debug >/dev/null; }

browser() {
    end2end/run.sh 2>&1 | tee "$RUN/browser.log"
    node -p "const s = require('$ROOT/end2end/test-results/report.json').stats; s.expected + ' browser tests'" >"$RUN/browser.sum"
    sed -nE 's/^ *([a-z]+ SDK): ([0-9]+) of .*/\2 checks by the \1/p' "$RUN/browser.log" >>"$RUN/browser.sum"
}

for stage in $STAGES; do
    case " $ALL " in *" $stage "*) ;; *) die "there is no stage '$stage'; there are: $ALL" ;; esac
done

need=check
case " $STAGES " in *" unit "* | *" wasm "* | *" browser "*) need=test ;; esac
scripts/setup.sh "$need"
export CARGO_TERM_PROGRESS_WHEN=${CARGO_TERM_PROGRESS_WHEN:-auto}

for stage in $STAGES; do
    say "$stage"
    began=$SECONDS
    # A subshell that no condition surrounds: there `set -e` works, and the first failing command is the last.
    set +e
    (set -e; trap - EXIT; "$stage")
    status=$?
    set -e
    if [ $status != 0 ]; then
        printf '%s\n' "${RED}FAILED: $stage${PLAIN} after $(took $((SECONDS - began)))" >&2
        exit $status
    fi
    note "$stage passed in $(took $((SECONDS - began)))"
    PASSED="$PASSED${PASSED:+, }$stage"
    [ ! -f "$RUN/$stage.sum" ] || PASSED="$PASSED ($(paste -sd, "$RUN/$stage.sum" | sed 's/,/, /g'))"
done
printf '%s\n' "${GREEN}PASSED${PLAIN} in $(took $((SECONDS - BEGAN))): $PASSED"
