# shellcheck shell=sh
# Where everything of a stack is, from two variables: SMARTER_VAR and SMARTER_PORT_BASE.

SMARTER_PORT_BASE=${SMARTER_PORT_BASE:-18000}
case $SMARTER_PORT_BASE in
*[!0-9]* | ?????? | ?) die "SMARTER_PORT_BASE=$SMARTER_PORT_BASE is no port; try 18000" ;;
esac
[ "$SMARTER_PORT_BASE" -ge 1024 ] && [ "$SMARTER_PORT_BASE" -le 65400 ] ||
    die "SMARTER_PORT_BASE=$SMARTER_PORT_BASE must lie between 1024 and 65400"

# Can the users the servers drop to enter this directory (or the nearest one that exists)?
enterable()
{
    is_root || return 0
    _dir=$1
    while [ ! -d "$_dir" ]; do _dir=$(dirname "$_dir"); done
    setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$_dir"
}

VAR=${SMARTER_VAR:-$TOP/var}
case $VAR in
/*) ;;
*) VAR=$PWD/$VAR ;;
esac
[ ! -d "$VAR" ] || VAR=$(CDPATH='' cd -- "$VAR" && pwd -P)
# Servers run as their own users, and socket paths end at 107 bytes (gpg adds 40 to ours).
VAR_MOVED=
if [ ${#VAR} -gt 64 ] || ! enterable "$VAR"; then
    VAR_MOVED=$VAR
    if is_root; then
        VAR=/var/lib/smarter-$SMARTER_PORT_BASE
    else
        VAR=${XDG_STATE_HOME:-$HOME/.local/state}/smarter-$SMARTER_PORT_BASE
        [ ${#VAR} -le 64 ] || die "the path $VAR_MOVED is too long for sockets: set SMARTER_VAR to a shorter one"
    fi
fi

PORT_HTTP=$SMARTER_PORT_BASE
PORT_HTTPS=$((SMARTER_PORT_BASE + 1))
PORT_PICKUP=$((SMARTER_PORT_BASE + 2))
PORT_PICKUP_IN=$((SMARTER_PORT_BASE + 3))
PORT_IDP=$((SMARTER_PORT_BASE + 5))
PORT_PG=$((SMARTER_PORT_BASE + 10))
PORT_AMQP=$((SMARTER_PORT_BASE + 20))
PORT_SSH=$((SMARTER_PORT_BASE + 40))
PORT_CACHE1=$((SMARTER_PORT_BASE + 30))
PORT_CACHE2=$((SMARTER_PORT_BASE + 31))
PORT_EPMD=$((SMARTER_PORT_BASE + 35))
PORT_DIST=$((SMARTER_PORT_BASE + 36))

# Other users' names: who runs what when we are root.
USER_WEB=www-data
USER_LOADER=daemon

SMARTER_BUILD=$VAR/build
SMARTER_INST=${SMARTER_INST:-$VAR/inst}
SMARTER_SBIN=$SMARTER_INST/sbin
SMARTER_INI=$VAR/etc/smarter.ini
SMARTER_URL=https://localhost:$PORT_HTTPS
SMARTER_PICKUP_URL=https://localhost:$PORT_PICKUP
SMARTER_PICKUP_INTERNAL_URL=https://localhost:$PORT_PICKUP_IN
SMARTER_CA=$VAR/tls/ca.pem
SMARTER_ARRIVALS=$VAR/arrivals
SMARTER_TENANT=nc
SMARTER_STATE=NC
SMARTER_SCHEMA=prod_nc
SMARTER_PUBLIC_SCHEMA=public_nc
SMARTER_UDL_WORKERS=${SMARTER_UDL_WORKERS:-2}

# The directories of a stack. What holds secrets or children's data is closed: keys, zones, data of the
# servers, their logs; the rest may be looked at.
make_dirs()
{
    mkdir -p "$VAR" || die "cannot create $VAR: choose another place with SMARTER_VAR=DIR"
    _owner=$TOP
    [ ! -f "$VAR/.checkout" ] || _owner=$(cat "$VAR/.checkout")
    if [ "$_owner" != "$TOP" ]; then
        [ ! -x "$_owner/smarterctl" ] ||
            die "$VAR belongs to the checkout $_owner. Use another SMARTER_PORT_BASE here, or run ./smarterctl clean there."
        say "Removing $VAR first: it belonged to the checkout $_owner, which is gone"
        stack_clean
        mkdir -p "$VAR" || die "cannot create $VAR again"
    fi
    [ -f "$VAR/.checkout" ] || echo "$TOP" >"$VAR/.checkout"
    mkdir -p "$VAR/run" "$VAR/log" "$VAR/etc" "$VAR/tls" "$VAR/done" "$VAR/home" \
        "$VAR/arrivals/$SMARTER_TENANT" "$VAR/work" "$VAR/history" "$VAR/keys" \
        "$VAR/extraction" "$VAR/item_level" "$VAR/raw_data" || exit 1
    own "$USER_LOADER" "$VAR/arrivals" "$VAR/work" "$VAR/history" "$VAR/extraction" "$VAR/item_level" "$VAR/raw_data"
    chmod 711 "$VAR/keys"
    chmod 750 "$VAR/arrivals" "$VAR/history"
    chmod 700 "$VAR/work" "$VAR/extraction" "$VAR/item_level" "$VAR/raw_data"
}

say_where()
{
    [ -z "$VAR_MOVED" ] ||
        say "The stack lives in $VAR: the servers' own users cannot work in $VAR_MOVED (closed to them, or its path is too long)."
}
