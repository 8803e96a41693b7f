# shellcheck shell=sh
# Secrets of one stack, made once: passwords, TLS, the SAML key pairs, the OpenPGP key rings.

random_hex() { head -c "$1" /dev/urandom | od -An -vtx1 | tr -d ' \n'; }

# etc/secrets: NAME=value lines, for this script and for nobody else.
make_secrets()
{
    if [ ! -f "$VAR/etc/secrets" ]; then
        for _name in SUPERUSER OWNER LOADER WEB JOBS ANALYST AMQP COOKIE IDP_SALT SESSION; do
            echo "PW_$_name=$(random_hex 32)"
        done | replace "$VAR/etc/secrets" 600
    fi
    . "$VAR/etc/secrets"
    # Those that came later, in a stack that is older.
    for _name in PUBLIC SID HPZ; do
        eval "[ -n \"\${PW_$_name-}\" ]" || echo "PW_$_name=$(random_hex 16)" >>"$VAR/etc/secrets"
    done
    . "$VAR/etc/secrets"
}

read_secrets()
{
    PW_OWNER=
    if [ -r "$VAR/etc/secrets" ]; then . "$VAR/etc/secrets"; fi
}

# A certificate that shows one of our clients to a server.
make_client_tls()
{
    [ ! -f "$VAR/tls/client.pem" ] || return 0
    (
        cd "$VAR/tls" || exit 1
        exec 2>>"$VAR/log/tls.log"
        umask 077
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=worker" -keyout client.key -out client.csr || exit 1
        printf '%s\n' 'basicConstraints=CA:FALSE' 'keyUsage=digitalSignature' 'extendedKeyUsage=clientAuth' >client.ext
        openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 820 -sha256 \
            -extfile client.ext -out client.new || exit 1
        rm -f client.csr client.ext
        chmod 644 client.new
        mv client.new client.pem
    ) || die "making the certificate of clients failed: see $VAR/log/tls.log"
}

# A private authority, the server's certificate, and the key pairs that sign SAML messages.
make_tls()
{
    [ ! -f "$VAR/tls/done" ] || return 0
    (
        cd "$VAR/tls" || exit 1
        exec 2>"$VAR/log/tls.log"
        umask 077
        openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj "/CN=Smarter private stack CA" \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
            -keyout ca.key -out ca.pem || exit 1
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" -keyout server.key -out server.csr || exit 1
        printf '%s\n' 'subjectAltName=DNS:localhost,IP:127.0.0.1' 'basicConstraints=CA:FALSE' \
            'keyUsage=digitalSignature' 'extendedKeyUsage=serverAuth' >server.ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 820 -sha256 \
            -extfile server.ext -out server.pem || exit 1
        for _who in sp idp; do
            openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj "/CN=$_who" \
                -keyout $_who.key -out $_who.pem || exit 1
        done
        rm -f server.csr server.ext
        chmod 644 ca.pem server.pem sp.pem idp.pem
        : >./done
    ) || die "making certificates failed: see $VAR/log/tls.log"
    chmod 755 "$VAR/tls"
    # The module may read its key again while it runs.
    ! is_root || chgrp "$USER_WEB" "$VAR/tls/sp.key"
    chmod 640 "$VAR/tls/sp.key"
}

# gpg as the user who owns the key ring.
key_gpg()
{
    _home=$1
    shift
    # shellcheck disable=SC2046  # $(as) is several words
    clean_env $(as "$USER_LOADER") gpg --homedir "$_home" --batch --quiet --no-tty "$@" </dev/null
}

key_fingerprint() { key_gpg "$1" --with-colons --list-keys "$2" | awk -F: '$1 == "fpr" { print $10; exit }'; }

# Two parties: the state signs and encrypts to the loader; the loader knows the state's public key.
make_gpg()
{
    if [ ! -f "$VAR/keys/done" ]; then
        rm -rf "$VAR/keys/loader" "$VAR/keys/sender-nc"
        mkdir -m 700 "$VAR/keys/loader" "$VAR/keys/sender-nc"
        own "$USER_LOADER" "$VAR/keys/loader" "$VAR/keys/sender-nc"
        {
            for _ring in loader sender-nc; do
                key_gpg "$VAR/keys/$_ring" --passphrase '' --quick-gen-key "$_ring@smarter.invalid" default default never ||
                    exit 1
            done
            key_gpg "$VAR/keys/sender-nc" --armor --export sender-nc@smarter.invalid >"$VAR/keys/sender-nc.asc" &&
                key_gpg "$VAR/keys/loader" --armor --export loader@smarter.invalid >"$VAR/keys/loader.asc" || exit 1
            key_gpg "$VAR/keys/loader" --import "$VAR/keys/sender-nc.asc" &&
                key_gpg "$VAR/keys/sender-nc" --import "$VAR/keys/loader.asc" || exit 1
            {
                echo "FPR_LOADER=$(key_fingerprint "$VAR/keys/loader" loader@smarter.invalid)"
                echo "FPR_SENDER_NC=$(key_fingerprint "$VAR/keys/sender-nc" sender-nc@smarter.invalid)"
            } >"$VAR/keys/done.new"
        } 2>"$VAR/log/gpg.log" || die "making OpenPGP keys failed: see $VAR/log/gpg.log"
        # The sender trusts the loader's key, or gpg refuses to encrypt to it.
        . "$VAR/keys/done.new"
        echo "$FPR_LOADER:6:" >"$VAR/keys/trust"
        key_gpg "$VAR/keys/sender-nc" --import-ownertrust "$VAR/keys/trust" 2>>"$VAR/log/gpg.log"
        mv "$VAR/keys/done.new" "$VAR/keys/done"
        stop_gpg_agents
    fi
    . "$VAR/keys/done"
}

stop_gpg_agents()
{
    for _ring in "$VAR"/keys/*/; do
        [ ! -d "$_ring" ] || gpgconf --homedir "${_ring%/}" --kill all 2>/dev/null
    done
}
