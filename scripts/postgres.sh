#!/usr/bin/env bash
# A throw-away PostgreSQL, for tests and measurements:
#
#   scripts/postgres.sh bindir       where the installed server's programs are; nothing when there is none
#   scripts/postgres.sh start DIR    starts one in the new folder DIR on a free port and prints its URL
#   scripts/postgres.sh stop DIR     stops it and removes the folder
#
# PostgreSQL refuses to run as root: then it runs as the user `postgres` of Debian's package (or as nobody).
# Nothing in it needs to survive a power cut, so it does not wait for the disk.
source "$(dirname "$0")/env.sh"

bindir() {
    local dir
    for dir in "${PG_BINDIR:-}" $(compgen -G '/usr/lib/postgresql/*/bin' | sort -rV) "$(dirname "$(command -v initdb || echo /nowhere/x)")"; do
        if [ -x "$dir/initdb" ] && [ -x "$dir/pg_ctl" ]; then
            echo "$dir"
            return
        fi
    done
}

as_owner() {
    if [ "$(id -u)" != 0 ]; then
        "$@"
        return
    fi
    local user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    (cd / && runuser -u "$user" -- "$@")
}

start() {
    local dir=$1 bin port
    bin=$(bindir)
    [ -n "$bin" ] || die "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    mkdir -p "$dir"
    if [ "$(id -u)" = 0 ]; then chown "$(as_owner id -u):$(as_owner id -g)" "$dir"; fi
    port=$(free_port)
    as_owner "$bin/initdb" -D "$dir/data" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$dir.log" 2>&1 ||
        { cat "$dir.log" >&2; die "initdb failed"; }
    as_owner "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 -s \
        -o "-c listen_addresses=127.0.0.1 -p $port -k $dir -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=300 -c timezone=UTC" \
        start >&2 || { cat "$dir/log" >&2; die "PostgreSQL did not start"; }
    rm -f "$dir.log"
    echo "postgres://postgres@127.0.0.1:$port/postgres"
}

stop() {
    local dir=$1
    [ -d "$dir/data" ] && as_owner "$(bindir)/pg_ctl" -D "$dir/data" -m immediate -s -w stop || true
    rm -rf "$dir" "$dir.log"
}

case "${1:-}:${2:-}" in
bindir:) bindir ;;
start:?*) start "$2" ;;
stop:?*) stop "$2" ;;
*) die "usage: scripts/postgres.sh bindir | start DIR | stop DIR" ;;
esac
