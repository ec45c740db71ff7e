#!/usr/bin/env bash
# Installs what is missing, and only that:  scripts/setup.sh [check|serve|test|bench]   (default: serve)
#
#   check   the wasm32 target, rustfmt and clippy
#   serve   wasm32 target, wasm-bindgen, cargo-leptos, Tailwind and wasm-opt
#   test    the same, and Chromium, PostgreSQL, Playwright, sqlite3
#   bench   the same as serve, and nginx, sqlite3
#
# Cargo tools go to a folder of their own in the cache, npm tools into the clone (style/, end2end/): the user's own
# tools stay as they are. With everything there it is done in a moment.
source "$(dirname "$0")/env.sh"

WHAT=${1:-serve}
case $WHAT in check | serve | test | bench) ;; *) die "usage: scripts/setup.sh [check|serve|test|bench]" ;; esac

CARGO_LEPTOS=0.3.10 # the newest whose lock file Rust 1.95 can build
NODE_MIN=20

# Half of the time of the tools' own release profiles, and they are used for seconds.
tool_install() {
    mkdir -p "$TOOLS/build"
    (
        cd "$TOOLS" # away from the clone's .cargo/config.toml
        CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
            CARGO_TARGET_DIR=$TOOLS/build locked cargo install --root "$TOOLS" --force "$@"
    )
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        sudo "$@"
    else
        return 1
    fi
}

APT_UPDATED=''
# apt_install WHY PACKAGE...
apt_install() {
    local why=$1
    shift
    command -v apt-get >/dev/null || die "$why is missing and there is no apt-get here: please install $* yourself"
    say "Installing $* with apt ($why; less than a minute)"
    if [ -z "$APT_UPDATED" ]; then
        as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq || note "apt-get update failed; trying with the lists that are there"
        APT_UPDATED=yes
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$TOOLS/apt.log" 2>&1 || {
        tail -n 20 "$TOOLS/apt.log" >&2
        die "could not install $* ($why). As root: apt-get install $*"
    }
}

# npm_install FOLDER WHAT: nothing to do when node_modules was made from this very lock file.
npm_install() {
    local dir=$1 what=$2 want
    want=$(cksum <"$dir/package-lock.json")
    [ "$(cat "$dir/node_modules/.made-from" 2>/dev/null || true)" = "$want" ] && return
    say "Installing $what with npm in $dir/ (seconds)"
    (cd "$dir" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund --loglevel=error)
    printf '%s\n' "$want" >"$dir/node_modules/.made-from"
}

has_wasm_std() { compgen -G "$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)/libstd-*.rlib" >/dev/null; }

# Debian packages the compiler's sources and a linker for wasm: the standard library for wasm32 can be built from them,
# for Debian's own compiler. (This way was taken on another Debian machine, not in this repository's CI.)
wasm_std_from_debian() {
    apt_install "the wasm32 target" rustc-web cargo-web rust-web-src rust-web-llvm rust-web-clippy rustfmt-web lld-22
    say "Building Rust's standard library for wasm32 (half a minute)"
    local work
    work=$(mktemp -d)
    mkdir "$work/src"
    printf '[package]\nname = "probe"\nedition = "2021"\n' >"$work/Cargo.toml"
    : >"$work/src/lib.rs"
    (cd "$work" && RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$work/target /usr/bin/cargo build --release \
        --target wasm32-unknown-unknown -Zbuild-std=std,panic_abort,panic_unwind,proc_macro)
    rm -f "$work"/target/wasm32-unknown-unknown/release/deps/libprobe*.rlib
    as_root mkdir -p /usr/lib/rustlib/wasm32-unknown-unknown/lib
    as_root cp "$work"/target/wasm32-unknown-unknown/release/deps/lib*.rlib /usr/lib/rustlib/wasm32-unknown-unknown/lib/
    rm -rf "$work"
    if command -v rustup >/dev/null; then
        rustup toolchain link electrons-debian /usr
        echo electrons-debian >"$TOOLS/toolchain"
        export RUSTUP_TOOLCHAIN=electrons-debian
    fi
}

command -v cargo >/dev/null || die "no cargo: install Rust 1.94 or newer (https://rustup.rs), then run this again"
command -v cc >/dev/null || apt_install "a C compiler" gcc libc6-dev
command -v node >/dev/null || die "no node: install Node.js $NODE_MIN or newer (Debian: apt-get install nodejs npm)"
command -v npm >/dev/null || die "no npm (Debian: apt-get install npm)"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge $NODE_MIN ] || die "Node.js $(node -v) is too old: $NODE_MIN or newer is needed"

if ! has_wasm_std; then
    say "Adding Rust's wasm32 target (seconds)"
    if ! { command -v rustup >/dev/null && rustup target add wasm32-unknown-unknown && has_wasm_std; }; then
        note "not available from rustup; taking Debian's compiler instead"
        wasm_std_from_debian
        has_wasm_std || die "rustc still has no standard library for wasm32-unknown-unknown"
    fi
fi

if [ "$WHAT" = test ] || [ "$WHAT" = check ]; then
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 ||
        { say "Adding rustfmt and clippy (seconds)" && rustup component add rustfmt clippy; }
fi
[ "$WHAT" != check ] || exit 0

# The command must be of exactly the version of the library in Cargo.lock: their file format is private.
WASM_BINDGEN=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/[^0-9.]/, ""); print }' Cargo.lock)
[ -n "$WASM_BINDGEN" ] || die "no wasm-bindgen in Cargo.lock"
if [ "$(wasm-bindgen --version 2>/dev/null || true)" != "wasm-bindgen $WASM_BINDGEN" ]; then
    say "Installing wasm-bindgen-cli $WASM_BINDGEN (about 5 minutes on two cores)"
    tool_install wasm-bindgen-cli --version "$WASM_BINDGEN" --locked || {
        note "its lock file cannot be satisfied; resolving anew"
        tool_install wasm-bindgen-cli --version "$WASM_BINDGEN"
    }
fi
if [ "$(cargo-leptos --version 2>/dev/null || true)" != "cargo-leptos $CARGO_LEPTOS" ]; then
    say "Installing cargo-leptos $CARGO_LEPTOS (about 10 minutes on two cores)"
    tool_install cargo-leptos --version "$CARGO_LEPTOS" --locked --features no_downloads
fi
rm -rf "$TOOLS/build"
npm_install style "Tailwind and wasm-opt"

if [ "$WHAT" = test ]; then
    [ -x "${CHROMIUM:-/usr/bin/chromium}" ] || apt_install "a browser for the tests" chromium
    [ -n "$(scripts/postgres.sh bindir)" ] || apt_install "a database for the tests" postgresql
    npm_install end2end "Playwright"
fi
if [ "$WHAT" = test ] || [ "$WHAT" = bench ]; then
    command -v sqlite3 >/dev/null || apt_install "the SQLite command" sqlite3
fi
if [ "$WHAT" = bench ]; then
    command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || apt_install "a proxy to compare with" nginx-light
fi
