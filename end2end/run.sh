#!/usr/bin/env bash
# The product seen from outside, by a browser and by official SDKs:
#
#   end2end/run.sh                         everything
#   end2end/run.sh tests/smoke.spec.ts     some of it; arguments go to Playwright
#
# Starts a debug server of its own (first start, empty data folder, its simulator as the only provider) on a free port.
# ELECTRONS_BIN names another binary, which must then find its pages itself.
source "$(dirname "$0")/../scripts/env.sh"
source scripts/servers.sh
scripts/setup.sh test

if [ -z "${ELECTRONS_BIN:-}" ]; then
    ELECTRONS_BIN=$(scripts/build.sh debug)
    LEPTOS_SITE_ROOT=$(scripts/build.sh site)
    export LEPTOS_SITE_ROOT LEPTOS_HASH_FILE_NAME=$LEPTOS_SITE_ROOT/hash.txt LEPTOS_HASH_FILES=true LEPTOS_ENV=PROD
fi

# Fast enough for tests, slow enough to see a stream run and to stop it.
SANDBOX_PORT=$(free_port)
export ELECTRONS__SIMULATION__ADDRESS=127.0.0.1:$SANDBOX_PORT ELECTRONS__SIMULATION__FIRST_BYTE_MS=30 ELECTRONS__SIMULATION__PER_TOKEN_MS=5
electrons_start server "$ELECTRONS_BIN"
[ -n "$SIGN_IN_URL" ] && [ -n "$API_KEY" ] || { cat "$RUN/server/stdout" >&2; die "the first start printed no sign-in link or no key"; }
raise_limits server
export ELECTRONS_BIN ELECTRONS_DIR=$RUN/server BASE_URL SIGN_IN_URL API_KEY SANDBOX_URL=http://127.0.0.1:$SANDBOX_PORT

cd "$ROOT/end2end"
failed=''
if [ $# = 0 ]; then
    say "Official SDKs"
    node sdk/openai.mjs || failed=yes
    say "Browser"
fi
node_modules/.bin/playwright test "$@" || failed=yes
if [ -n "$failed" ]; then
    mkdir -p test-results
    cp "$RUN/server/log" test-results/server.log
    die "see above; the server's log is in end2end/test-results/server.log"
fi
