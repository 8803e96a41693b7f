# shellcheck shell=sh
# Messages, waiting, and processes of the stack: each is started in a session of its own with its
# pid and start time recorded, and is stopped by that record, never by name.

say() { printf '%s\n' "$*" >&2; }

die()
{
    printf 'smarterctl: %s\n' "$*" >&2
    exit 1
}

is_root() { [ "$(id -u)" -eq 0 ]; }

now() { date +%s; }

# One smarterctl at a time changes a stack. What it runs (make, npm, initdb) holds the lock too: a call
# that was killed is waited for until that has ended. Only launch closes it, or a server would keep it.
locked()
{
    mkdir -p "$VAR" || die "cannot create $VAR: choose another place with SMARTER_VAR=DIR"
    # A redirection of exec that fails would end this shell with its own words.
    (: >>"$VAR/.lock") 2>/dev/null || die "cannot write $VAR/.lock: the stack in $VAR belongs to another user. Call smarterctl as that user, or choose another place with SMARTER_VAR=DIR and another SMARTER_PORT_BASE."
    exec 9>>"$VAR/.lock"
    flock -n 9 || {
        say "Waiting: another smarterctl, or what an interrupted one began, is busy in $VAR"
        flock -w 600 9
    } || die "$VAR has been busy for ten minutes; is something stuck? see: fuser -v $VAR/.lock"
    "$@"
    _locked=$?
    exec 9>&-
    return $_locked
}

# One field of a living process's stat, counted from its state; fails for zombies and for the gone.
proc_stat()
{
    _field=$2
    { read -r _stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # shellcheck disable=SC2086  # fields after "pid (comm) ": state is the first of them
    set -- ${_stat##*) }
    [ "$1" != Z ] && [ "$1" != X ] && eval "echo \${$_field}"
}

# Start time in clock ticks since boot, and the session.
proc_start() { proc_stat "$1" 20; }
proc_session() { proc_stat "$1" 4; }

# The pid in a record, if it lives; else failure.
alive()
{
    { read -r _pid _start <"$1"; } 2>/dev/null || return 1
    [ "$(proc_start "$_pid")" = "$_start" ] && echo "$_pid"
}

# The pid of a part that lives, or failure.
running() { alive "$VAR/run/$1.pid"; }

# as USER: the words to put before a command so that it runs as USER; none for an ordinary user.
as()
{
    if is_root && [ "$1" != root ]; then
        echo "setpriv --reuid $1 --regid $(id -gn "$1") --clear-groups"
    fi
}

# The clean environment of everything the stack runs. SMARTER_STACK marks our processes.
clean_env() { (exec_clean "$@"); }

exec_clean()
{
    exec env -i PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin HOME="$VAR/home" \
        LC_ALL=C.UTF-8 TZ=UTC SMARTER_STACK="$VAR" "$@"
}

# launch NAME USER COMMAND...: start in the background, output to the log, record the process.
launch()
{
    _name=$1
    _as=$(as "$2")
    shift 2
    # A server's complaint may quote what it was given.
    (umask 077 && : >>"$VAR/log/$_name.log")
    # shellcheck disable=SC2086  # $_as is several words
    exec_clean setsid $_as "$@" </dev/null >>"$VAR/log/$_name.log" 2>&1 9>&- &
    echo "$! $(proc_start $!)" >"$VAR/run/$_name.pid"
}

# What lives on of a process that was killed: the rest of its session, if it bears our mark (the number
# may be somebody else's by now). It would hold the ports.
sweep()
{
    ! running "$1" >/dev/null && { read -r _leader _ <"$VAR/run/$1.pid"; } 2>/dev/null || return 0
    for _pid in $(stack_pids); do
        [ "$(proc_session "$_pid")" != "$_leader" ] || kill -KILL "$_pid" 2>/dev/null
    done
    for _pid in $(stack_pids); do
        while [ "$(proc_session "$_pid")" = "$_leader" ]; do sleep 0.05; done
    done
}

# Processes of ours that descend from none recorded: a start was cut off before it could be recorded.
# (The agents of gpg are nobody's children either, but may be at work for somebody.)
end_strays()
{
    _recorded=" $(cat "$VAR"/run/*.pid 2>/dev/null | cut -d ' ' -f 1 | tr '\n' ' ')"
    for _pid in $(stack_pids); do
        [ "$(cat "/proc/$_pid/comm" 2>/dev/null)" != gpg-agent ] || continue
        _up=$_pid
        while [ "${_up:-1}" -gt 1 ]; do
            case $_recorded in
            *" $_up "*) continue 2 ;;
            esac
            _up=$(proc_stat "$_up" 2)
        done
        kill -KILL "$_pid" 2>/dev/null
    done
}

# halt NAME SIGNAL SECONDS: ask the process to end, wait, then end its whole group.
halt()
{
    if _halt=$(running "$1"); then
        kill "-$2" "$_halt" 2>/dev/null
        _until=$(($(now) + $3))
        while proc_start "$_halt" >/dev/null; do
            if [ "$(now)" -ge "$_until" ]; then
                say "  $1 (pid $_halt) did not end within $3 s; killed"
                break
            fi
            sleep 0.05
        done
        kill -KILL -- "-$_halt" 2>/dev/null
        while proc_start "$_halt" >/dev/null; do sleep 0.05; done
    else
        sweep "$1"
    fi
    rm -f "$VAR/run/$1.pid"
}

# await NAME SECONDS COMMAND...: until the command succeeds. Dies, showing the log, when the part's
# process has ended or the time is up.
await()
{
    _part=$1
    _secs=$2
    _until=$(($(now) + $2))
    shift 2
    while ! "$@" >/dev/null 2>&1; do
        running "$_part" >/dev/null || await_failed "$_part" "ended while starting"
        [ "$(now)" -lt "$_until" ] || await_failed "$_part" "was not ready within $_secs s"
        sleep 0.1
    done
}

await_failed()
{
    say "--- the last lines of $VAR/log/$1.log:"
    tail -n 15 "$VAR/log/$1.log" >&2
    die "$1 $2. When the cause is mended, ./smarterctl up goes on from here."
}

# Does anybody listen on this TCP port?
listening()
{
    awk -v port="$(printf ':%04X' "$1")" \
        '$4 == "0A" && index($2, port) == length($2) - 4 { found = 1 } END { exit !found }' \
        /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

# Who listens there: the first of the processes that share the port; nothing where we may not look.
port_holder()
{
    for _inode in $(awk -v port="$(printf ':%04X' "$1")" \
        '$4 == "0A" && index($2, port) == length($2) - 4 { print $10 }' /proc/net/tcp /proc/net/tcp6 2>/dev/null); do
        find /proc/[0-9]*/fd -lname "socket:\\[$_inode\\]" 2>/dev/null
    done | cut -d / -f 3 | sort -nu | head -n 1
}

# need_free_port PORT WHAT: dies, saying who has it and how to end that. What is left of this stack itself
# is ended before a start.
need_free_port()
{
    listening "$1" || return 0
    _pid=$(port_holder "$1")
    _stack=
    if [ -z "$_pid" ]; then
        _who="another user's program (as root, ss -ltnp shows it). Have it ended"
    else
        _stack=$(tr '\0' '\n' <"/proc/$_pid/environ" 2>/dev/null | sed -n 's/^SMARTER_STACK=//p')
        [ "$_stack" != "$VAR" ] || return 0
        _who="pid $_pid ($(cat "/proc/$_pid/comm" 2>/dev/null))"
        if [ -n "$_stack" ]; then
            _who="$_who of the stack in $_stack. End that stack: SMARTER_VAR=$_stack ./smarterctl down"
        else
            _who="$_who. End it: kill $_pid"
        fi
    fi
    # shellcheck disable=SC2154  # the word smarterctl was called with
    die "port $1, wanted for $2, is taken by $_who; or choose other ports: SMARTER_PORT_BASE=$((SMARTER_PORT_BASE + 1000)) ./smarterctl $command"
}

living() { while IFS=/ read -r _ _ _pid _; do proc_start "$_pid" >/dev/null && echo "$_pid"; done; }

# Processes of this stack by their mark, whether recorded or not.
stack_pids() { grep -lsxzF "SMARTER_STACK=$VAR" /proc/[0-9]*/environ | living; }

# Tests that run on this stack, what they started, and the stacks they made for themselves.
test_pids()
{
    {
        grep -lsxzF "SMARTER_TESTS=$VAR" /proc/[0-9]*/environ
        grep -lszF "SMARTER_STACK=$VAR/tmp/" /proc/[0-9]*/environ
    } | living
}

# A run that was killed leaves its tests, and they would start servers anew.
end_tests()
{
    ! _run=$(alive "$VAR/tests.pid") || [ "$_run" = $$ ] || {
        say "Ending the test run of pid $_run"
        kill -KILL "$_run" 2>/dev/null
    }
    rm -f "$VAR/tests.pid"
    _until=$(($(now) + 10))
    while
        _left=$(test_pids)
        [ -n "$_left" ] && [ "$(now)" -lt $_until ]
    do
        for _pid in $_left; do kill -KILL "$_pid" 2>/dev/null; done
        sleep 0.05
    done
}

# replace FILE [MODE [OWNER:GROUP]]: standard input becomes the file, in one step. Fails when it is unchanged.
replace()
{
    (umask 077 && cat >"$1.new") || die "cannot write $1.new"
    chmod "${2:-644}" "$1.new"
    if is_root && [ -n "${3-}" ]; then chown "$3" "$1.new"; fi
    if cmp -s "$1.new" "$1"; then
        rm -f "$1.new"
        return 1
    fi
    mv -f "$1.new" "$1"
}

# own USER PATH...: give to the server's user, when we can.
own()
{
    ! is_root || {
        _owner=$1
        shift
        chown -R "$_owner:" "$@"
    }
}
