# shellcheck shell=sh
# The stack's smarter.ini: [app:main] for the web tier and the migration, [app] for the loader.

ini_text()
{
    _pg=127.0.0.1:$PORT_PG/smarter
    _owner=postgresql://smarter_owner:$PW_OWNER@$_pg
    _loader=postgresql://smarter_loader:$PW_LOADER@$_pg
    _jobs=postgresql://smarter_jobs:$PW_JOBS@$_pg
    _web=postgresql://smarter_web:$PW_WEB@$_pg
    _public=postgresql://smarter_public:$PW_PUBLIC@$_pg
    _cache="127.0.0.1:$PORT_CACHE1;127.0.0.1:$PORT_CACHE2"
    _amqp=amqp://smarter:$PW_AMQP@localhost:$PORT_AMQP
    cat <<END
# Made by smarterctl for the stack in $VAR.
# Lines you change are kept: smarterctl replaces this file only while nobody has edited it.
# What each key means: smarter-config keys

[app:main]
operator.reload = /usr/bin/env SMARTER_VAR=$VAR SMARTER_PORT_BASE=$SMARTER_PORT_BASE SMARTER_INST=$SMARTER_INST $TOP/smarterctl reload
edware.db.nc.url = $_web
edware.db.nc.schema_name = $SMARTER_SCHEMA
edware.db.nc.state_code = $SMARTER_STATE
edware.public.db.nc.url = $_public
edware.public.db.nc.schema_name = $SMARTER_PUBLIC_SCHEMA
edware.public.secret = $PW_SID
migrate_public.db.nc.url = $_loader
edware_stats.db.url = $_web
edware_stats.db.schema_name = edware_stats
security.db.url = $_web
security.db.schema_name = signin
jobs.db.url = $_web
jobs.worker.db.url = $_jobs
jobs.broker.url = $_amqp/edextract
hpz.file_registration_url = $SMARTER_PICKUP_INTERNAL_URL/registration
hpz.file_upload_base_url = $SMARTER_PICKUP_INTERNAL_URL/files
hpz.ca_file = $SMARTER_CA
extract.work_zone_base_dir = $VAR/extraction
extract.item_level_base_dir = $VAR/item_level
extract.raw_data_base_dir = $VAR/raw_data
migrate_source.db.nc.url = $_loader
migrate_dest.db.nc.url = $_loader
migrate_dest.db.nc.schema_name = $SMARTER_SCHEMA
migrate_stats.db.url = $_loader
cache.session.url = $_cache
cache.data.url = $_cache
trigger.recache.filter.file = $VAR/etc/precache_filters.json
auth.idp.metadata = $VAR/etc/idp_metadata.xml
auth.saml.issuer_name = $SMARTER_URL/saml_post
auth.saml.sp_key = $VAR/tls/sp.key
auth.saml.sp_cert = $VAR/tls/sp.pem
auth.saml.acs_url = $SMARTER_URL/saml_post
auth.saml.slo_url = $SMARTER_URL/logout_redirect
auth.session.secret = $PW_SESSION
auth.signin.per_minute = 0
auth.signin.strays_per_minute = 0
smarter.heartbeat.addresses = 127.0.0.1, ::1
$(lz_ini_text)
logging.audit = file:$VAR/log/audit.log
logging.application = file:$VAR/log/application.log
logging.security = file:$VAR/log/security.log

[app]
zones.arrivals = $SMARTER_ARRIVALS
zones.work = $VAR/work
zones.history = $VAR/history
$(grabber_ini_text)
gpg_home = $VAR/keys/loader
udl2_db_conn.url = $_loader
udl2_db_conn.db_schema = udl2
target_db_conn.nc.url = $_loader
prod_db_conn.nc.url = $_loader
prod_db_conn.nc.db_schema = $SMARTER_SCHEMA
edware_stats.db.url = $_loader
edware_stats.db.schema_name = edware_stats
udl2.broker.url = $_amqp/edudl
udl2.queue = celery
tenant.nc.senders = $FPR_SENDER_NC
tenant.nc.require_signature = true
tenant.nc.state_code = $SMARTER_STATE
logging.application = file:$VAR/log/application.log
END
}

# The landing zone needs root; without it there is none.
lz_ini_text()
{
    ! is_root || cat <<END
sftp.base_dir = $LZ/home
sftp.user_home_base_dir = $LZ/home
sftp.authorized_keys_dir = $LZ/keys
sftp.staging_dir = $LZ/staging
sftp.group = $LZ_GROUP
sftp.file_stat_watch_interval = 500ms
sftp.file_stat_watch_period = 2
END
}

grabber_ini_text()
{
    ! is_root || cat <<END
file-grabber.lz.enable = True
file-grabber.lz.args.remote_host = localhost
file-grabber.lz.args.remote_port = $PORT_SSH
file-grabber.lz.args.remote_user = $LZ_FETCHER
file-grabber.lz.args.remote_dir = $LZ/staging
file-grabber.lz.args.private_key = $VAR/keys/lz/fetcher
file-grabber.lz.args.known_hosts = $VAR/keys/lz/known_hosts
END
}

# Write it; a file that somebody edited stays, with the new default beside it.
make_ini()
{
    _ini=$SMARTER_INI
    replace "$VAR/etc/precache_filters.json" 644 <"$TOP/conf.d/comparing_populations_precache_filters.json" || :
    # Web children and loader processes read it; nobody else.
    if [ ! -f "$_ini" ] || cmp -s "$_ini" "$_ini.default"; then
        ! ini_text | replace "$_ini" 640 "$USER_LOADER:$USER_WEB" || servers_stale
        ini_text | replace "$_ini.default" 600 || :
    elif ini_text | replace "$_ini.default" 600; then
        say "Kept your edited $_ini; the new default is $_ini.default"
    fi
    for _log in audit application security; do
        [ -f "$VAR/log/$_log.log" ] || : >>"$VAR/log/$_log.log"
        ! is_root || chown "$USER_WEB:$USER_LOADER" "$VAR/log/$_log.log"
        chmod 660 "$VAR/log/$_log.log"
    done
}

# Refuses a configuration that a server would not start with.
check_ini()
{
    [ -x "$SMARTER_SBIN/smarter-config" ] || return 0
    for _each in "$SMARTER_INI" "$PICKUP_INI"; do
        [ ! -f "$_each" ] || "$SMARTER_SBIN/smarter-config" check "$_each" >/dev/null ||
            die "the configuration $_each is not usable (above); nothing was stopped or started. Mend it, or remove it: ./smarterctl up writes a fresh one."
    done
}
