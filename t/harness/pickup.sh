# shellcheck shell=sh
# The pickup zone: two httpd of its own, one for each face, on the checkout's conf.d/hpz.conf.

PICKUP_FACES='external internal'
PICKUP_INI=$VAR/etc/hpz.ini

pickup_ready() { [ -f "$SMARTER_INST/lib/smarter/modules/mod_hpz.so" ]; }

pickup_port() { if [ "$1" = external ]; then echo "$PORT_PICKUP"; else echo "$PORT_PICKUP_IN"; fi; }

pickup_ini_text()
{
    _pg=127.0.0.1:$PORT_PG/smarter
    cat <<END
# Made by smarterctl for the stack in $VAR.
# Lines you change are kept: smarterctl replaces this file only while nobody has edited it.
# What each key means: smarter-config keys

[app:main]
hpz.db.url = postgresql://smarter_hpz:$PW_HPZ@$_pg
hpz.db.schema_name = hpz
hpz.frs.upload_base_path = $VAR/pickup
hpz.frs.download_base_url = $SMARTER_PICKUP_URL
edware.db.nc.state_code = $SMARTER_STATE
edware_stats.db.url = postgresql://smarter_hpz:$PW_HPZ@$_pg
security.db.url = postgresql://smarter_web:$PW_WEB@$_pg
cache.session.url = 127.0.0.1:$PORT_CACHE1;127.0.0.1:$PORT_CACHE2
auth.idp.metadata = $VAR/etc/idp_metadata.xml
auth.saml.issuer_name = $SMARTER_PICKUP_URL/saml_post
auth.saml.sp_key = $VAR/tls/sp.key
auth.saml.sp_cert = $VAR/tls/sp.pem
auth.saml.acs_url = $SMARTER_PICKUP_URL/saml_post
auth.saml.slo_url = $SMARTER_PICKUP_URL/logout_redirect
auth.session.secret = $PW_SESSION
auth.home = /
auth.signin.per_minute = 0
auth.signin.strays_per_minute = 0
logging.audit = file:$VAR/log/audit.log
logging.application = file:$VAR/log/application.log
logging.security = file:$VAR/log/security.log
END
}

# As make_ini does; and the directory, in which web children write and the cleanup, of another user, removes.
make_pickup()
{
    mkdir -p "$VAR/pickup"
    ! is_root || chown "$USER_WEB:$(id -gn "$USER_LOADER")" "$VAR/pickup"
    chmod 2770 "$VAR/pickup"
    _text=$(pickup_ini_text) || die "the pickup zone's ini cannot be made"
    if [ ! -f "$PICKUP_INI" ] || cmp -s "$PICKUP_INI" "$PICKUP_INI.default"; then
        ! echo "$_text" | replace "$PICKUP_INI" 640 "$USER_LOADER:$USER_WEB" || servers_stale
        echo "$_text" | replace "$PICKUP_INI.default" 600 || :
    elif echo "$_text" | replace "$PICKUP_INI.default" 600; then
        say "Kept your edited $PICKUP_INI; the new default is $PICKUP_INI.default"
    fi
}

pickup_conf()
{
    _face=$1
    _upper=$(echo "$_face" | tr a-z A-Z)
    cat <<END
# Made by smarterctl: the $_face face of this stack's pickup zone. What the product needs of it is $TOP/conf.d/hpz.conf.
ServerRoot $VAR/pickup-$_face
DefaultRuntimeDir $VAR/pickup-$_face
PidFile $VAR/pickup-$_face/httpd.pid
Mutex pthread default
ServerName localhost
Listen 127.0.0.1:$(pickup_port "$_face")
ErrorLog $VAR/log/pickup-$_face.log
LogLevel warn hpz:info
END
    ! is_root || printf 'User %s\nGroup %s\n' "$USER_WEB" "$USER_WEB"
    for _module in mpm_event authz_core authz_host alias mime headers ssl socache_shmcb reqtimeout remoteip; do
        echo "LoadModule ${_module}_module $HTTPD_MODULES/mod_$_module.so"
    done
    cat <<END
TypesConfig /etc/mime.types
SSLSessionCache shmcb:$VAR/pickup-$_face/tls_cache(512000)
# Uploads and downloads hold a thread each: hpz.frs.max_uploads leaves eight of these to other requests.
StartServers 1
ServerLimit 2
ThreadsPerChild 32
ThreadLimit 32
MaxRequestWorkers 64
AsyncRequestWorkerFactor 128
MinSpareThreads 1
MaxSpareThreads 64
Define HPZ_$_upper
Define HPZ_URL $SMARTER_PICKUP_URL
Define HPZ_EXTERNAL_PORT $PORT_PICKUP
Define HPZ_INTERNAL_PORT $PORT_PICKUP_IN
Define HPZ_TLS_CERT $VAR/tls/server.pem
Define HPZ_TLS_KEY $VAR/tls/server.key
Define HPZ_NETWORKS 127.0.0.1
Define HPZ_CLIENT_CA $SMARTER_CA
Define HPZ_MODULES $SMARTER_INST/lib/smarter/modules
Define HPZ_WEB $SMARTER_INST/share/smarter-reporting/web
Define HPZ_INI $PICKUP_INI
Define HPZ_LOGDIR $VAR/log
Define HPZ_NO_HSTS
# So that a test need not wait long for who stands still.
Define HPZ_BODY_SECONDS 3
Include $TOP/conf.d/hpz.conf
END
}

pickup_prepare()
{
    make_pickup
    for _each in $PICKUP_FACES; do
        mkdir -p "$VAR/pickup-$_each"
        ! pickup_conf "$_each" | replace "$VAR/pickup-$_each/httpd.conf" || servers_stale
    done
}

pickup_check()
{
    pickup_prepare
    for _each in $PICKUP_FACES; do
        clean_env $HTTPD -t -f "$VAR/pickup-$_each/httpd.conf" >"$VAR/log/pickup-check.log" 2>&1 || {
            cat "$VAR/log/pickup-check.log" >&2
            die "httpd refuses the $_each face of the pickup zone (above); nothing was stopped or started. The files are $VAR/pickup-$_each/httpd.conf, $TOP/conf.d/hpz.conf and $PICKUP_INI."
        }
    done
}

pickup_start()
{
    pickup_check
    for _each in $PICKUP_FACES; do
        ! running "pickup-$_each" >/dev/null || continue
        rm -f "$VAR/pickup-$_each/httpd.pid"
        launch "pickup-$_each" root $HTTPD -f "$VAR/pickup-$_each/httpd.conf" -D FOREGROUND
    done
}

pickup_await()
{
    for _each in $PICKUP_FACES; do
        await "pickup-$_each" 20 curl -fsS -m 5 --cacert "$SMARTER_CA" -o /dev/null "https://localhost:$(pickup_port "$_each")/services/ready"
    done
}

pickup_stop() { for _each in $PICKUP_FACES; do halt "pickup-$_each" TERM 15; done; }
