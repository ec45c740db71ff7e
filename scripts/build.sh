#!/usr/bin/env bash
# Builds the product and prints the path of the finished binary (all else goes to stderr):
#
#   scripts/build.sh release    one file that carries its pages and migrations; nothing is built when no input changed
#   scripts/build.sh debug      for the tests; its pages stay in a folder: $(scripts/build.sh site)
#   scripts/build.sh site       where that folder is
#
# Binaries are copied out of the folder that cargo builds in: it is shared between clones and must not be what a running
# server was started from.
source "$(dirname "$0")/env.sh"

BINS=$ELECTRONS_CACHE/bin

# front SITE [OPTION...]: hash.txt, the list of hashed names, goes into the site folder too; cargo-leptos would put it
# beside an executable that does not exist yet.
front() {
    local site=$1
    shift
    LEPTOS_SITE_ROOT=$site LEPTOS_HASH_FILE_NAME=$site/hash.txt cargo leptos build --frontend-only "$@"
    [ -s "$site/hash.txt" ] || die "cargo-leptos wrote no $site/hash.txt"
    # Type declarations and the like: no browser asks for them.
    find "$site" \( -name '*.ts' -o -name '*.ts.gz' -o -name '*.ts.br' -o -name 'hash.txt.*' \) -delete
}

# keep FILE NAME: a running program's file cannot be overwritten, but it can be replaced.
keep() {
    cp "$1" "$BINS/$2.new"
    mv "$BINS/$2.new" "$BINS/$2"
}

# The sum over names and contents of everything that decides what the release is.
inputs() {
    {
        rustc -V
        find app frontend server style public migrations .cargo Cargo.toml Cargo.lock scripts/build.sh \
            \( -name node_modules -o -path server/tests \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    } | sha256sum | cut -c1-16
}

release() {
    local stamp site=$ELECTRONS_CACHE/site/release-$CLONE began name
    stamp=$BINS/inputs-$(inputs)
    if [ -s "$stamp" ] && [ -x "$BINS/$(cat "$stamp")" ]; then
        name=$(cat "$stamp")
        touch "$BINS/$name"
        echo "$BINS/$name" >&3
        return
    fi

    say "Building the browser's half (first time about 4 minutes on two cores, later about 1)"
    began=$SECONDS
    front "$site" --release --precompress --split --lib-features split
    note "done in $(took $((SECONDS - began)))"

    say "Building the server (first time about 8 minutes on two cores, later 1 to 3)"
    began=$SECONDS
    ELECTRONS_SITE_DIR=$site cargo build --release -p server --features embed,split
    note "done in $(took $((SECONDS - began)))"

    name=electrons-$(sha256sum "$CARGO_TARGET_DIR/release/electrons" | cut -c1-12)
    keep "$CARGO_TARGET_DIR/release/electrons" "$name"
    echo "$name" >"$stamp"
    # The six newest stay.
    find "$BINS" -name 'electrons-*' -printf '%T@ %p\n' | sort -rn | tail -n +7 | cut -d' ' -f2- | xargs -r rm -f
    echo "$BINS/$name" >&3
}

debug() {
    front "$ELECTRONS_CACHE/site/debug-$CLONE"
    cargo build -p server
    keep "$CARGO_TARGET_DIR/debug/electrons" "debug-$CLONE"
    echo "$BINS/debug-$CLONE" >&3
}

mkdir -p "$BINS" public
# One build at a time: between the end of cargo's and the copy another clone must not put its own binary there.
if [ -z "${ELECTRONS_BUILDING:-}" ] && command -v flock >/dev/null; then
    ELECTRONS_BUILDING=yes exec flock "$BINS/.lock" "$0" "$@"
fi
exec 3>&1 1>&2
case "${1:-release}" in
release) release ;;
debug) debug ;;
site) echo "$ELECTRONS_CACHE/site/debug-$CLONE" >&3 ;;
*) die "usage: scripts/build.sh release | debug | site" ;;
esac
