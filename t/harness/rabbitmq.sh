# shellcheck shell=sh
# RabbitMQ, one node, with a port mapper of its own: the slowest part, started first, awaited last.

RABBITMQ_VHOSTS='edudl edmigrate services edextract smarter_score_batcher'

rabbitmq_definitions()
{
    _salt=$(printf %s "$PW_COOKIE" | cut -c 1-4)
    _hash=$({
        printf %s "$_salt"
        printf %s "$_salt$PW_AMQP" | openssl dgst -sha256 -binary
    } | base64 -w 0)
    printf '{"users":[{"name":"smarter","password_hash":"%s","hashing_algorithm":"rabbit_password_hashing_sha256","tags":["administrator"]}],\n' "$_hash"
    _sep='"vhosts":['
    for _vhost in $RABBITMQ_VHOSTS; do
        printf '%s{"name":"%s"}' "$_sep" "$_vhost"
        _sep=,
    done
    _sep='],
"permissions":['
    for _vhost in $RABBITMQ_VHOSTS; do
        printf '%s{"user":"smarter","vhost":"%s","configure":".*","write":".*","read":".*"}' "$_sep" "$_vhost"
        _sep=,
    done
    printf ']}\n'
}

rabbitmq_prepare()
{
    _mq=$VAR/rabbitmq
    # A first start that was cut off leaves half a database, which a node does not repair.
    [ -f "$VAR/done/rabbitmq" ] || rm -rf "$_mq"
    mkdir -p "$_mq/home" "$_mq/log"
    [ -f "$_mq/home/.erlang.cookie" ] || {
        printf %s "$PW_COOKIE" >"$_mq/home/.erlang.cookie"
        chmod 400 "$_mq/home/.erlang.cookie"
    }
    rabbitmq_definitions | replace "$_mq/definitions.json" 600 || :
    echo '[].' >"$_mq/enabled_plugins"
    replace "$_mq/rabbitmq.conf" <<END || :
listeners.tcp.1 = 127.0.0.1:$PORT_AMQP
load_definitions = $_mq/definitions.json
log.console = false
log.file.level = info
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
END
    own rabbitmq "$_mq"
}

# The environment of a node and of rabbitmqctl, as words for launch and clean_env. Not the packaged
# wrappers: they use system paths.
rabbitmq_run()
{
    _mq=$VAR/rabbitmq
    _how=$1
    shift
    $_how env HOME="$_mq/home" RABBITMQ_NODENAME=smarter@localhost \
        RABBITMQ_NODE_PORT="$PORT_AMQP" RABBITMQ_DIST_PORT="$PORT_DIST" RABBITMQ_CONFIG_FILE="$_mq/rabbitmq" \
        RABBITMQ_MNESIA_BASE="$_mq/mnesia" RABBITMQ_LOG_BASE="$_mq/log" RABBITMQ_PID_FILE="$_mq/pid" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$_mq/enabled_plugins" RABBITMQ_ADVANCED_CONFIG_FILE="$_mq/advanced" \
        RABBITMQ_CONF_ENV_FILE=/dev/null ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$PORT_EPMD" \
        ERL_CRASH_DUMP="$_mq/log/crash.dump" \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none" \
        RABBITMQ_CTL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}" "$@"
}

rabbitmq_start()
{
    rabbitmq_prepare
    if ! running epmd >/dev/null; then
        launch epmd rabbitmq epmd -address 127.0.0.1 -port "$PORT_EPMD"
        await epmd 10 listening "$PORT_EPMD"
    fi
    rabbitmq_run "launch rabbitmq rabbitmq" /usr/lib/rabbitmq/bin/rabbitmq-server
}

# The port opens before the definitions are read; the vhosts are there when a quick login works,
# which rabbitmqctl tells.
rabbitmq_await()
{
    await rabbitmq 120 listening "$PORT_AMQP"
    # shellcheck disable=SC2046  # $(as) is several words
    await rabbitmq 60 rabbitmq_run "clean_env $(as rabbitmq)" /usr/lib/rabbitmq/bin/rabbitmqctl -q await_startup --timeout 30
    : >"$VAR/done/rabbitmq"
}

rabbitmq_stop()
{
    halt rabbitmq TERM 30
    halt epmd TERM 5
}
