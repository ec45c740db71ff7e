# Sourced by the other scripts: where things are, and the few words they all use. Needs bash.
#
# Everything that is built or downloaded goes to one folder outside the clone, so that a second clone (or a CI
# machine that keeps that folder) starts warm. ELECTRONS_CACHE moves it.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"

export ELECTRONS_CACHE=${ELECTRONS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/distributed-electrons}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$ELECTRONS_CACHE/target}
TOOLS=$ELECTRONS_CACHE/tools
PATH=$TOOLS/bin:$ROOT/style/node_modules/.bin:$PATH
command -v cargo >/dev/null || PATH=$PATH:$HOME/.cargo/bin
export PATH
# Written by setup.sh when the wasm32 target had to come from Debian's compiler.
if [ -z "${RUSTUP_TOOLCHAIN:-}" ] && [ -s "$TOOLS/toolchain" ]; then
    RUSTUP_TOOLCHAIN=$(cat "$TOOLS/toolchain")
    export RUSTUP_TOOLCHAIN
fi
mkdir -p "$TOOLS/bin"

# Two clones may share the cache; what belongs to one of them carries this number.
CLONE=$(printf %s "$ROOT" | cksum | cut -d' ' -f1)

# To cargo the crates of all clones are the same, and a source file is unchanged when it is older than what was built. So
# when another clone has built last, every file here counts as new.
if [ "$(cat "$CARGO_TARGET_DIR/clone" 2>/dev/null)" != "$ROOT" ]; then
    mkdir -p "$CARGO_TARGET_DIR"
    find app bench frontend server migrations -type f -exec touch {} +
    printf '%s\n' "$ROOT" >"$CARGO_TARGET_DIR/clone"
fi

BOLD='' DIM='' RED='' GREEN='' PLAIN=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
fi

say() { printf '%s\n' "${BOLD}==>${PLAIN} $*"; }
note() { printf '%s\n' "    ${DIM}$*${PLAIN}"; }
die() { printf '%s\n' "${RED}error:${PLAIN} $*" >&2; exit 1; }

# 75 -> 1m15s
took() { if [ "$1" -lt 60 ]; then echo "$1s"; else echo "$(($1 / 60))m$(printf %02d $(($1 % 60)))s"; fi; }

# A TCP port of 127.0.0.1 that is free now.
free_port() { node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'; }

# wait_for SECONDS COMMAND...: tries the command until it succeeds; fails when the time is over.
wait_for() {
    local until=$((SECONDS + $1))
    shift
    while ! "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || return 1
        sleep 0.1
    done
}

# Runs a command with an exclusive lock on the cache, so that two clones do not install the same thing at once.
locked() {
    if command -v flock >/dev/null; then flock "$TOOLS/lock" "$@"; else "$@"; fi
}
