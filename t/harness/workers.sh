# shellcheck shell=sh
# The workers, each under a supervisor that starts it again when it ends.

# NAME WAIT COMMAND...: every supervised program. WAIT is the pause of a job that ends by itself.
workers_list()
{
    echo "udl-trigger 1 $SMARTER_SBIN/smarter-udl-trigger -c $SMARTER_INI"
    _n=1
    while [ $_n -le "$SMARTER_UDL_WORKERS" ]; do
        echo "worker-udl$_n 1 $SMARTER_SBIN/smarter-worker-udl -c $SMARTER_INI"
        _n=$((_n + 1))
    done
    # Fetches what the landing zone released, where there is one.
    ! is_root || echo "file-grabber 1 $SMARTER_SBIN/smarter-file-grabber -c $SMARTER_INI --every 3"
    echo "conductor 5 $SMARTER_SBIN/smarter-migrate-conductor -c $SMARTER_INI --once"
    echo "hpz-cleanup 60 $SMARTER_SBIN/smarter-hpz-cleanup -c $PICKUP_INI --if-due"
    echo "extract-cleanup 60 $SMARTER_SBIN/smarter-extract-cleanup -c $SMARTER_INI --if-due"
    echo "hpz-mail 1 $SMARTER_SBIN/smarter-hpz-mail -c $PICKUP_INI --every 5"
    echo "worker-extract 1 $SMARTER_SBIN/smarter-worker-extract -c $SMARTER_INI"
    echo "job-relay 1 $SMARTER_SBIN/smarter-job-relay -c $SMARTER_INI"
    echo "udl-notify 1 $SMARTER_SBIN/smarter-udl-notify -c $SMARTER_INI --every 5"
}

ends_by_itself()
{
    case $1 in conductor | hpz-cleanup | extract-cleanup) ;; *) return 1 ;; esac
}

workers_processes() { workers_list | cut -d ' ' -f 1; }

workers_ready() { [ -x "$SMARTER_SBIN/smarter-worker-udl" ]; }

# They wait for their servers themselves.
workers_await() { :; }

workers_start()
{
    mkdir -p "$VAR/run/workers"
    own "$USER_LOADER" "$VAR/run/workers"
    # In a reachable place: the loader's user may not be able to enter the checkout.
    replace "$VAR/run/supervise" 755 <"$HARNESS/supervise" || :
    workers_list | while read -r _worker _wait _command; do
        ! running "$_worker" >/dev/null || continue
        # shellcheck disable=SC2086  # $_command is several words, none with blanks
        launch "$_worker" "$USER_LOADER" "$VAR/run/supervise" "$VAR/run/workers/$_worker" "$_wait" $_command
    done
}

# Supervised programs that are not there just now: those that never end by themselves are in trouble.
workers_failing()
{
    for _worker in $(workers_processes); do
        ends_by_itself "$_worker" || [ -f "$VAR/run/workers/$_worker" ] || echo "$_worker"
    done
}

workers_stop()
{
    for _worker in $(workers_processes); do
        # All at once, then wait for each.
        ! _pid=$(running "$_worker") || kill -TERM "$_pid" 2>/dev/null
    done
    for _worker in $(workers_processes); do halt "$_worker" TERM 20; done
    # Workers of an earlier start with more of them.
    for _record in "$VAR"/run/worker-udl*.pid; do
        [ ! -f "$_record" ] || { _worker=${_record##*/} && halt "${_worker%.pid}" TERM 20; }
    done
}
