# shellcheck shell=sh
# SimpleSAMLphp on PHP's own web server, whose workers are children: stopped by process group.

idp_prepare()
{
    _idp=$VAR/idp
    mkdir -p "$_idp/cert" "$_idp/log" "$_idp/tmp" "$_idp/data" "$_idp/sessions"
    chmod 700 "$_idp"
    cp -R "$HARNESS/idp/config" "$HARNESS/idp/metadata" "$HARNESS/users" "$_idp/"
    cp "$VAR/tls/idp.key" "$VAR/tls/idp.pem" "$VAR/tls/sp.pem" "$_idp/cert/"
    chmod 600 "$_idp/cert/idp.key"
    own "$USER_WEB" "$_idp"
}

idp_start()
{
    [ -f /usr/share/simplesamlphp/www/index.php ] ||
        die "SimpleSAMLphp is not in /usr/share/simplesamlphp: apt-get install simplesamlphp"
    idp_prepare
    launch idp "$USER_WEB" env IDP_ROOT="$VAR/idp" IDP_PORT="$PORT_IDP" IDP_SALT="$PW_IDP_SALT" SP_URL="$SMARTER_URL" PICKUP_URL="$SMARTER_PICKUP_URL" \
        SIMPLESAMLPHP_CONFIG_DIR="$VAR/idp/config" PHP_CLI_SERVER_WORKERS=6 \
        php -d display_errors=0 -d log_errors=1 -S "127.0.0.1:$PORT_IDP" -t /usr/share/simplesamlphp/www
}

idp_await() { await idp 20 idp_metadata; }

# What the web tier must know of the identity provider, from itself.
idp_metadata()
{
    curl -fsS -m 5 -o "$VAR/etc/idp_metadata.xml.new" "http://127.0.0.1:$PORT_IDP/saml2/idp/metadata.php" &&
        grep -q '<ds:X509Certificate>' "$VAR/etc/idp_metadata.xml.new" &&
        mv -f "$VAR/etc/idp_metadata.xml.new" "$VAR/etc/idp_metadata.xml"
}

idp_stop() { halt idp TERM 5; }

# user:password:kind of every sign-in, on one line
idp_users()
{
    awk '!/^#/ && NF { printf "%s%s:%s:%s", sep, $1, $2, $3; sep = " " }' "$HARNESS/users"
}
