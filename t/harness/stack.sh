# shellcheck shell=sh
# The stack as a whole: its parts, their order, what each needs, what people are told.

PARTS="rabbitmq postgres memcached idp $(! is_root || echo sshd) httpd pickup workers"

# The processes of a part, as recorded in run/.
part_processes()
{
    case $1 in
    rabbitmq) echo epmd rabbitmq ;;
    memcached) echo memcached1 memcached2 ;;
    sshd) echo sshd lz-watch ;;
    pickup) echo pickup-external pickup-internal ;;
    workers) workers_processes ;;
    *) echo "$1" ;;
    esac
}

# The ports of a part: the process that listens, the port, what it is for.
part_ports()
{
    case $1 in
    rabbitmq)
        echo "rabbitmq $PORT_AMQP RabbitMQ"
        echo "rabbitmq $PORT_DIST RabbitMQ (Erlang distribution)"
        echo "epmd $PORT_EPMD the Erlang port mapper"
        ;;
    postgres) echo "postgres $PORT_PG PostgreSQL" ;;
    memcached)
        echo "memcached1 $PORT_CACHE1 memcached, node 1"
        echo "memcached2 $PORT_CACHE2 memcached, node 2"
        ;;
    idp) echo "idp $PORT_IDP the identity provider" ;;
    sshd) echo "sshd $PORT_SSH sshd" ;;
    httpd)
        echo "httpd $PORT_HTTP httpd (http)"
        echo "httpd $PORT_HTTPS httpd (https)"
        ;;
    pickup)
        echo "pickup-external $PORT_PICKUP the pickup zone (external)"
        echo "pickup-internal $PORT_PICKUP_IN the pickup zone (internal)"
        ;;
    esac
}

# need_ports PART...: those of what is not running must be free. Asked before anything is built or started.
need_ports()
{
    for _part; do
        part_ports "$_part" | while read -r _process _port _what; do
            running "$_process" >/dev/null || need_free_port "$_port" "$_what"
        done || exit 1
    done
}

part_address()
{
    case $1 in
    rabbitmq) echo "amqp://localhost:$PORT_AMQP" ;;
    postgres) echo "postgresql://127.0.0.1:$PORT_PG/smarter" ;;
    memcached) echo "127.0.0.1:$PORT_CACHE1, 127.0.0.1:$PORT_CACHE2" ;;
    idp) echo "http://127.0.0.1:$PORT_IDP/" ;;
    sshd) echo "sftp -P $PORT_SSH $LZ_USER@localhost" ;;
    httpd) echo "$SMARTER_URL/" ;;
    pickup) echo "$SMARTER_PICKUP_URL/, uploads $SMARTER_PICKUP_INTERNAL_URL/" ;;
    workers) echo "watching $SMARTER_ARRIVALS" ;;
    esac
}

part_needs()
{
    case $1 in
    httpd | pickup) echo "postgres memcached idp" ;;
    workers) echo "postgres rabbitmq $(! is_root || echo sshd)" ;;
    esac
}

part_running()
{
    for _process in $(part_processes "$1"); do
        running "$_process" >/dev/null || return 1
    done
}

# want PART...: sets WANTED to the parts and what they need, in starting order.
want()
{
    _asked=
    for _part; do
        case " $PARTS " in
        *" $_part "*) _asked="$_asked $(part_needs "$_part") $_part" ;;
        *) die "there is no part '$_part'; the parts are: $PARTS" ;;
        esac
    done
    WANTED=
    for _part in $PARTS; do
        case " $_asked " in
        *" $_part "*) WANTED="$WANTED $_part" ;;
        esac
    done
}

wanted()
{
    case " $WANTED " in
    *" $1 "*) ;;
    *) return 1 ;;
    esac
}

# Starts the part if it is wanted and not there.
start_part()
{
    wanted "$1" && ! part_running "$1" || return 0
    say "Starting $1"
    rm -f "$VAR/run/$1.ready"
    for _process in $(part_processes "$1"); do sweep "$_process"; done
    end_strays
    need_ports "$1"
    "$1_start"
}

# Waits until the part serves, once after each start: a start that was cut off is finished here.
await_part()
{
    wanted "$1" && [ ! -f "$VAR/run/$1.ready" ] || return 0
    "$1_await" && : >"$VAR/run/$1.ready"
}

stack_up()
{
    [ $# -gt 0 ] || set -- $PARTS
    want "$@"
    say_where
    is_root || say "No landing zone here: sshd, its accounts and jails need root."
    make_dirs
    # shellcheck disable=SC2086  # words
    need_ports $WANTED
    if wanted httpd || wanted pickup || wanted workers || wanted sshd; then
        install_packages stack build web
        build_programs
    else
        install_packages stack
    fi
    make_secrets
    make_tls
    make_client_tls
    make_gpg
    make_ini
    make_pickup
    ! wanted httpd && ! wanted pickup && ! wanted workers || check_ini
    ! wanted httpd || ! httpd_ready || httpd_prepare
    ! wanted pickup || ! pickup_ready || pickup_prepare
    renew_servers
    # The broker takes longest: it starts first and is awaited last.
    start_part rabbitmq
    for _each in postgres memcached idp; do
        start_part $_each
        await_part $_each
    done
    ! wanted postgres || make_schemas
    if sshd_ready; then
        start_part sshd
        await_part sshd
    fi
    if httpd_ready; then
        start_part httpd
        await_part httpd
    fi
    if pickup_ready; then
        start_part pickup
        await_part pickup
    fi
    await_part rabbitmq
    if workers_ready; then
        start_part workers
        await_part workers
    fi
    ! part_running httpd || say "Running: $SMARTER_URL/ (see ./smarterctl status)"
}

# Programs were installed anew, or the configuration was written anew: what runs the old goes first.
renew_servers()
{
    for _part in workers pickup httpd sshd; do
        wanted "$_part" && [ -f "$VAR/done/stale-$_part" ] || continue
        if [ -n "$(part_pids "$_part")" ]; then
            say "Stopping $_part, which runs what was there before"
            "${_part}_stop"
        fi
        rm -f "$VAR/done/stale-$_part"
    done
}

servers_stale() { for _stale in httpd pickup workers sshd; do : >"$VAR/done/stale-$_stale"; done; }

part_pids() { for _process in $(part_processes "$1"); do running "$_process"; done; }

# Schemas, by the product's own tool; a no-op once they are up to date.
make_schemas()
{
    [ -x "$SMARTER_SBIN/smarter-schema" ] || return 0
    for _tenant in $(sed -n 's/^edware\.db\.\([a-z0-9_]*\)\.schema_name *=.*/\1/p' "$SMARTER_INI"); do
        make_schema prod --tenant "$_tenant"
    done
    for _tenant in $(sed -n 's/^edware\.public\.db\.\([a-z0-9_]*\)\.schema_name *=.*/\1/p' "$SMARTER_INI"); do
        make_schema public --tenant "$_tenant"
    done
    for _kind in udl stats signin jobs hpz; do make_schema $_kind; done
}

# make_schema KIND [OPTION...]
# The owner makes schemas; a public copy belongs to who renames it.
make_schema()
{
    _kind=$1
    [ "$_kind" = public ] || set -- "$@" --url "postgresql://smarter_owner@127.0.0.1:$PORT_PG/smarter"
    PGPASSWORD=$PW_OWNER SMARTER_INI=$SMARTER_INI "$SMARTER_SBIN/smarter-schema" create --kind "$@" >>"$VAR/log/schema.log" 2>&1 || {
        tail -n 5 "$VAR/log/schema.log" >&2
        die "making the schema of kind $_kind failed; all of it is in $VAR/log/schema.log"
    }
}

stack_down()
{
    _all=
    [ $# -gt 0 ] || {
        set -- $PARTS
        _all=1
    }
    _backwards=
    for _part; do
        case " $PARTS " in
        *" $_part "*) _backwards="$_part $_backwards" ;;
        *) die "there is no part '$_part'; the parts are: $PARTS" ;;
        esac
    done
    for _part in $_backwards; do "${_part}_stop"; done
    [ -n "$_all" ] || return 0
    stop_gpg_agents
    # Nothing of ours may stay, even when a start was cut off before it could be recorded.
    for _signal in TERM KILL; do
        _left=$(stack_pids)
        [ -n "$_left" ] || break
        for _pid in $_left; do kill "-$_signal" "$_pid" 2>/dev/null; done
        _until=$(($(now) + 5))
        while [ -n "$(stack_pids)" ] && [ "$(now)" -lt $_until ]; do sleep 0.1; done
    done
}

# What is to be changed must have been made.
need_stack()
{
    [ -f "$SMARTER_INI" ] || die "there is no stack in $VAR; ./smarterctl up makes one"
}

stack_restart()
{
    # shellcheck disable=SC2048,SC2086  # words
    want ${*:-$PARTS}
    need_stack
    make_dirs
    read_secrets
    # A source that does not compile must not cost a running server, either.
    if wanted httpd || wanted pickup || wanted workers; then build_programs; fi
    check_ini
    ! httpd_ready || httpd_check
    ! pickup_ready || pickup_check
    stack_down "$@"
    stack_up "$@"
}

# Have the running servers read the configuration again: httpd gracefully, programs by SIGHUP. What ends
# by itself reads it at its next start.
stack_reload()
{
    need_stack
    [ -n "$(stack_pids)" ] || die "nothing of the stack in $VAR runs; ./smarterctl up starts it"
    read_secrets
    check_ini
    if running httpd >/dev/null; then
        httpd_check
        kill -USR1 "$(running httpd)"
    fi
    if part_running pickup; then
        pickup_check
        for _face in external internal; do kill -USR1 "$(running pickup-$_face)"; done
    fi
    [ ! -f "$VAR/run/lz-watch.child" ] || kill -HUP "$(cat "$VAR/run/lz-watch.child")" 2>/dev/null
    for _worker in $(workers_processes); do
        ends_by_itself "$_worker" || [ ! -f "$VAR/run/workers/$_worker" ] ||
            kill -HUP "$(cat "$VAR/run/workers/$_worker")" 2>/dev/null
    done
    return 0
}

stack_status()
{
    read_secrets
    say_where
    _down=0
    for _part in $PARTS; do
        _pids=
        _gone=
        for _process in $(part_processes "$_part"); do
            if _pid=$(running "$_process"); then _pids="$_pids $_pid"; else _gone="$_gone $_process"; fi
        done
        if [ "$_part" = workers ] && [ -z "$_gone" ] && [ -n "$(workers_failing)" ]; then
            # shellcheck disable=SC2046  # on one line
            printf '%-10s FAILING   %s: being started again and again, see ./smarterctl logs\n' "$_part" "$(echo $(workers_failing))"
            _down=1
        elif [ -z "$_gone" ]; then
            printf '%-10s running   %s (pid%s)\n' "$_part" "$(part_address "$_part")" "$_pids"
        elif [ -z "$_pids" ]; then
            printf '%-10s stopped\n' "$_part"
            _down=1
        else
            printf '%-10s PARTLY    not running:%s\n' "$_part" "$_gone"
            _down=1
        fi
    done
    [ $_down -eq 0 ] || say "Start what is missing with ./smarterctl up"
    return $((_down * 3))
}

# What the names of a part's logs begin with. What workers of ours say is in a log of all programs.
part_logs()
{
    echo "$1"
    case $1 in
    workers) workers_processes && echo application ;;
    *) part_processes "$1" | tr ' ' '\n' ;;
    esac
}

# log_files WORD...: of parts, or those that begin so; each once, but for empty ones.
log_files()
{
    for _word; do
        case " $PARTS " in
        *" $_word "*) part_logs "$_word" ;;
        *) echo "$_word" ;;
        esac
    done | while read -r _name; do
        find "$VAR/log" -maxdepth 1 -name "$_name*.log" -size +0 2>/dev/null
    done | sort -u
}

stack_logs()
{
    _follow=
    if [ "${1-}" = -f ]; then
        _follow=-F
        shift
    fi
    [ $# -gt 0 ] || set -- ''
    _files=$(log_files "$@")
    [ -n "$_files" ] || die "no log${*:+ of '$*'} in $VAR/log, or nothing in it so far"
    # shellcheck disable=SC2086  # our own file names, without blanks
    tail $_follow -n 20 $_files
}

# KEY=value, quoted where a shell needs it.
pair()
{
    case $2 in
    *[!A-Za-z0-9_./:@%+=,-]*) printf "%s='%s'\n" "$1" "$2" ;;
    *) printf '%s=%s\n' "$1" "$2" ;;
    esac
}

stack_env()
{
    read_secrets
    FPR_LOADER=
    FPR_SENDER_NC=
    if [ -r "$VAR/keys/done" ]; then . "$VAR/keys/done"; fi
    pair SMARTER_VAR "$VAR"
    pair SMARTER_PORT_BASE "$SMARTER_PORT_BASE"
    pair SMARTER_URL "$SMARTER_URL"
    pair SMARTER_HTTP_URL "http://localhost:$PORT_HTTP"
    pair SMARTER_PICKUP_URL "$SMARTER_PICKUP_URL"
    pair SMARTER_PICKUP_INTERNAL_URL "$SMARTER_PICKUP_INTERNAL_URL"
    pair SMARTER_IDP_URL "http://127.0.0.1:$PORT_IDP"
    pair SMARTER_CA "$SMARTER_CA"
    pair SMARTER_INI "$SMARTER_INI"
    pair SMARTER_PICKUP_INI "$PICKUP_INI"
    pair SMARTER_PICKUP_DIR "$VAR/pickup"
    pair SMARTER_PG_HPZ_PASSWORD "${PW_HPZ-}"
    pair SMARTER_INST "$SMARTER_INST"
    pair SMARTER_SBIN "$SMARTER_SBIN"
    pair SMARTER_BUILD "$SMARTER_BUILD"
    pair SMARTER_ARRIVALS "$SMARTER_ARRIVALS"
    pair SMARTER_TENANT "$SMARTER_TENANT"
    pair SMARTER_STATE "$SMARTER_STATE"
    pair SMARTER_SCHEMA "$SMARTER_SCHEMA"
    pair SMARTER_PUBLIC_SCHEMA "$SMARTER_PUBLIC_SCHEMA"
    pair SMARTER_SAMPLE "$(cat "$VAR/done/sample" 2>/dev/null)"
    pair SMARTER_USERS "$(idp_users)"
    pair SMARTER_LOADER_USER "$(if is_root; then echo "$USER_LOADER"; else id -un; fi)"
    pair SMARTER_GPG_SENDER_HOME "$VAR/keys/sender-nc"
    pair SMARTER_GPG_RECIPIENT "$FPR_LOADER"
    pair SMARTER_GPG_LOADER_HOME "$VAR/keys/loader"
    pair SMARTER_GPG_SENDER_FPR "$FPR_SENDER_NC"
    pair SMARTER_AMQP_URL "amqp://smarter:${PW_AMQP-}@localhost:$PORT_AMQP"
    pair SMARTER_SFTP_PORT "$PORT_SSH"
    pair SMARTER_SFTP_USER "$LZ_USER"
    pair SMARTER_SFTP_KEY "$VAR/keys/lz/sender"
    pair SMARTER_SFTP_KNOWN_HOSTS "$VAR/keys/lz/known_hosts"
    pair SMARTER_LZ "$LZ"
    pair SMARTER_LZ_GROUP "$LZ_GROUP"
    pair SMARTER_LZ_FETCHER "$LZ_FETCHER"
    pair SMARTER_MEMCACHED "127.0.0.1:$PORT_CACHE1;127.0.0.1:$PORT_CACHE2"
    pair SMARTER_PG_WEB_PASSWORD "${PW_WEB-}"
    pair SMARTER_PG_LOADER_PASSWORD "${PW_LOADER-}"
    pair SMARTER_PG_PUBLIC_PASSWORD "${PW_PUBLIC-}"
    pair SMARTER_PG_SUPERUSER_PASSWORD "${PW_SUPERUSER-}"
    pair PGHOST 127.0.0.1
    pair PGPORT "$PORT_PG"
    pair PGUSER smarter_owner
    pair PGPASSWORD "$PW_OWNER"
    pair PGDATABASE smarter
}

stack_clean()
{
    # Only what is surely a stack's directory, or holds nothing but that of the tests.
    [ ! -d "$VAR" ] || [ -f "$VAR/.checkout" ] || [ -f "$VAR/test/.checkout" ] ||
        [ -z "$(find "$VAR" -mindepth 1 -maxdepth 1 ! -name .lock ! -name tests.pid ! -name test -print -quit)" ] ||
        die "$VAR does not look like a stack's directory; nothing was stopped or removed"
    end_tests
    stack_down
    sshd_clean
    # The tests' own stack, on other ports: a run that was killed leaves it running.
    [ ! -d "$VAR/test" ] ||
        SMARTER_VAR=$VAR/test SMARTER_PORT_BASE=$((SMARTER_PORT_BASE + 1000)) "$TOP/smarterctl" clean || exit 1
    rm -rf "$VAR"
    say "Removed $VAR"
}
