# shellcheck shell=sh
# The landing zone: an sshd of our own on loopback, accounts of our own in jails below $LZ, the watcher. Root's
# work: as an ordinary user the part is left out. Other accounts, and the machine's own sshd, are not touched.

LZ=/var/lib/smarter-lz-$SMARTER_PORT_BASE # sshd wants jails where only root writes, up to /
LZ_GROUP=sblz$SMARTER_PORT_BASE
LZ_USER=sb${SMARTER_PORT_BASE}_nc      # a sender
LZ_FETCHER=sb${SMARTER_PORT_BASE}_get  # whom the file grabber is at the landing zone

sshd_ready() { is_root && [ -x "$SMARTER_SBIN/smarter-lz" ]; }

lz() { SMARTER_INI=$SMARTER_INI "$SMARTER_SBIN/smarter-lz" "$@" >>"$VAR/log/lz.log" 2>&1; }

lz_failed()
{
    tail -n 5 "$VAR/log/lz.log" >&2
    die "$1 failed; all of it is in $VAR/log/lz.log"
}

# Host key and the keys of sender and fetcher; what the others know of the host.
make_lz_keys()
{
    mkdir -p "$LZ/ssh" "$VAR/keys/lz"
    chmod 755 "$LZ"
    chmod 700 "$LZ/ssh"
    chmod 711 "$VAR/keys/lz"
    for _key in "$LZ/ssh/host" "$VAR/keys/lz/sender" "$VAR/keys/lz/fetcher"; do
        [ -f "$_key" ] || ssh-keygen -q -t ed25519 -N '' -C "${_key##*/}" -f "$_key" || exit 1
    done
    chown "$USER_LOADER:" "$VAR/keys/lz/fetcher"
    echo "[localhost]:$PORT_SSH $(cut -d ' ' -f 1,2 "$LZ/ssh/host.pub")" | replace "$VAR/keys/lz/known_hosts" || :
}

# Zones, accounts, sshd's configuration. Done before each start; what is there is left.
sshd_prepare()
{
    make_lz_keys
    lz init && lz tenant-add "$SMARTER_TENANT" &&
        lz user-add --user "$LZ_USER" --tenant "$SMARTER_TENANT" --ssh-key-file "$VAR/keys/lz/sender.pub" ||
        lz_failed "making the landing zone"
    id -u "$LZ_FETCHER" >/dev/null 2>&1 ||
        useradd --home-dir "$LZ/fetcher" --no-create-home --no-user-group --gid nogroup --shell /bin/sh --password '*' \
            "$LZ_FETCHER" >>"$VAR/log/lz.log" 2>&1 || lz_failed "making the account $LZ_FETCHER"
    echo "restrict $(cut -d ' ' -f 1,2 "$VAR/keys/lz/fetcher.pub")" | replace "$LZ/keys/$LZ_FETCHER" || :
    chown "$LZ_FETCHER:" "$LZ/staging" # what is released is his to fetch
    {
        cat <<END
# Made by smarterctl for the stack in $VAR.
ListenAddress 127.0.0.1
Port $PORT_SSH
HostKey $LZ/ssh/host
PidFile none
UsePAM no
PermitRootLogin no
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile $LZ/keys/%u
AllowUsers sb${SMARTER_PORT_BASE}_*
Subsystem sftp internal-sftp
END
        SMARTER_INI=$SMARTER_INI "$SMARTER_SBIN/smarter-lz" sshd-config
    } | replace "$LZ/ssh/sshd_config" 600 || :
}

sshd_start()
{
    sshd_prepare
    mkdir -p /run/sshd # sshd's own
    chmod 755 /run/sshd
    if ! running sshd >/dev/null; then
        launch sshd root /usr/sbin/sshd -D -e -f "$LZ/ssh/sshd_config"
    fi
    replace "$VAR/run/supervise" 755 <"$HARNESS/supervise" || :
    # root notes its pid where nobody else can put a link
    running lz-watch >/dev/null ||
        launch lz-watch root "$VAR/run/supervise" "$VAR/run/lz-watch.child" 1 "$SMARTER_SBIN/smarter-lz" -c "$SMARTER_INI" watch
}

sshd_await() { await sshd 10 listening "$PORT_SSH"; }

sshd_stop()
{
    halt lz-watch TERM 20
    halt sshd TERM 5
}

# Accounts of this landing zone and its directory; of nothing else.
sshd_clean()
{
    is_root || return 0
    getent passwd | awk -F : -v name="sb${SMARTER_PORT_BASE}_" -v home="$LZ/" \
        'index($1, name) == 1 && index($6, home) == 1 { print $1 }' | while read -r _user; do
        userdel "$_user" || say "the account $_user cannot be removed"
    done
    ! getent group "$LZ_GROUP" >/dev/null || groupdel "$LZ_GROUP"
    rm -rf "$LZ"
}
