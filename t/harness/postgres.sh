# shellcheck shell=sh
# PostgreSQL: one server, one database, the product's roles. fsync stays on: what tests and
# benchmarks see is what an installation does.

pg_bin()
{
    for PG_BIN in /usr/lib/postgresql/15/bin /usr/lib/postgresql/1[6-9]/bin; do
        [ ! -x "$PG_BIN/postgres" ] || return 0
    done
    die "no PostgreSQL 15 or later in /usr/lib/postgresql: apt-get install postgresql-15"
}

pg_user() { if is_root; then echo postgres; else id -un; fi; }

# psql as the superuser of this server
pg_super()
{
    PGPASSWORD=$PW_SUPERUSER PGCONNECT_TIMEOUT=5 \
        "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$PORT_PG" -U postgres "$@"
}

postgres_prepare()
{
    _pg=$VAR/pg
    if [ ! -d "$_pg/data" ]; then
        rm -rf "$_pg"
        mkdir -p "$_pg"
        (umask 077 && echo "$PW_SUPERUSER" >"$_pg/pw")
        own postgres "$_pg"
        # shellcheck disable=SC2046  # $(as) is several words
        clean_env $(as postgres) "$PG_BIN/initdb" -D "$_pg/data.new" -U postgres -A scram-sha-256 \
            --pwfile="$_pg/pw" -E UTF8 --locale=C.UTF-8 >"$VAR/log/initdb.log" 2>&1 ||
            die "initdb failed: see $VAR/log/initdb.log"
        rm -f "$_pg/pw"
        cat >>"$_pg/data.new/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
port = $PORT_PG
unix_socket_directories = '$_pg'
max_connections = 200
shared_buffers = 256MB
max_wal_size = 2GB
checkpoint_timeout = 15min
random_page_cost = 1.1
jit = off
log_line_prefix = '%m [%p] %q%u@%d %a '
log_min_duration_statement = 5s
log_error_verbosity = terse # details of a violated constraint quote values of rows
timezone = 'UTC'
END
        mv "$_pg/data.new" "$_pg/data"
    fi
}

postgres_start()
{
    pg_bin
    postgres_prepare
    postgres_unlock
    launch postgres postgres "$PG_BIN/postgres" -D "$VAR/pg/data"
}

postgres_await()
{
    pg_bin
    await postgres 60 clean_env "$PG_BIN/pg_isready" -q -h 127.0.0.1 -p "$PORT_PG" -U postgres
    postgres_roles
}

# A server that was killed leaves lock files, and as a zombie it looks alive to the next one. They may
# go once none of its processes works in the data directory any more.
postgres_unlock()
{
    _until=$(($(now) + 20))
    while [ -n "$(find /proc -mindepth 2 -maxdepth 2 -name cwd -lname "$VAR/pg/data" 2>/dev/null)" ]; do
        [ "$(now)" -lt $_until ] ||
            die "a PostgreSQL process still works in $VAR/pg/data; find it with: ls -l /proc/*/cwd"
        sleep 0.1
    done
    rm -f "$VAR/pg/data/postmaster.pid" "$VAR/pg/.s.PGSQL.$PORT_PG" "$VAR/pg/.s.PGSQL.$PORT_PG.lock"
}

# Roles and the database, once, as an installation makes them; safe to repeat when it was interrupted.
PG_ROLES='owner loader web jobs analyst public hpz'
postgres_roles()
{
    [ "$(cat "$VAR/done/roles" 2>/dev/null)" != "$PG_ROLES" ] || return 0
    pg_super -d postgres -f "$TOP/deploy/roles.sql" && {
        for _role in owner:"$PW_OWNER" loader:"$PW_LOADER" web:"$PW_WEB" jobs:"$PW_JOBS" analyst:"$PW_ANALYST" \
            public:"$PW_PUBLIC" hpz:"$PW_HPZ"; do
            echo "ALTER ROLE smarter_${_role%%:*} PASSWORD '${_role#*:}';"
        done
    } | pg_super -d postgres || die "creating the database roles failed: see $VAR/log/postgres.log"
    echo "$PG_ROLES" >"$VAR/done/roles"
}

postgres_stop() { halt postgres INT 30; }
