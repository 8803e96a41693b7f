# shellcheck shell=sh
# httpd, event MPM: the checkout's conf.d/smarter.conf on this stack's ports.

HTTPD=/usr/sbin/apache2
HTTPD_MODULES=/usr/lib/apache2/modules

# Is there a module to serve with? (Parts of the product may be built without it.)
httpd_ready() { [ -f "$SMARTER_INST/lib/smarter/modules/mod_smarter.so" ]; }

httpd_prepare()
{
    mkdir -p "$VAR/httpd"
    {
        cat <<END
# Made by smarterctl: this stack's server. What the product needs of it is $TOP/conf.d/smarter.conf.
ServerRoot $VAR/httpd
DefaultRuntimeDir $VAR/httpd
PidFile $VAR/httpd/httpd.pid
# fcntl locks of the same process deadlock between threads; these need no file.
Mutex pthread default
ServerName localhost
Listen 127.0.0.1:$PORT_HTTP
Listen 127.0.0.1:$PORT_HTTPS
ErrorLog $VAR/log/httpd.log
LogLevel warn smarter:info
END
        ! is_root || printf 'User %s\nGroup %s\n' "$USER_WEB" "$USER_WEB"
        for _module in mpm_event authz_core alias mime headers deflate filter ssl socache_shmcb reqtimeout remoteip; do
            echo "LoadModule ${_module}_module $HTTPD_MODULES/mod_$_module.so"
        done
        cat <<END
TypesConfig /etc/mime.types
SSLSessionCache shmcb:$VAR/httpd/tls_cache(512000)
# Two children, so that what must be shared between them is seen to be.
StartServers 2
ServerLimit 4
ThreadsPerChild 32
ThreadLimit 32
MaxRequestWorkers 64
AsyncRequestWorkerFactor 128
MinSpareThreads 1
MaxSpareThreads 64
Define SMARTER_URL $SMARTER_URL
Define SMARTER_HTTP_PORT $PORT_HTTP
Define SMARTER_HTTPS_PORT $PORT_HTTPS
Define SMARTER_TLS_CERT $VAR/tls/server.pem
Define SMARTER_TLS_KEY $VAR/tls/server.key
Define SMARTER_MODULES $SMARTER_INST/lib/smarter/modules
Define SMARTER_WEB $SMARTER_INST/share/smarter-reporting/web
Define SMARTER_INI $SMARTER_INI
Define SMARTER_LOGDIR $VAR/log
Define SMARTER_NO_HSTS
# What a test that connects from this address says of browsers behind it is believed.
Define SMARTER_PROXIES "127.0.9.1 127.0.9.2"
Include $TOP/conf.d/smarter.conf
END
    } | replace "$VAR/httpd/httpd.conf" && servers_stale
    mkdir -p "$SMARTER_INST/share/smarter-reporting/web"
}

httpd_check()
{
    httpd_prepare
    clean_env $HTTPD -t -f "$VAR/httpd/httpd.conf" >"$VAR/log/httpd-check.log" 2>&1 || {
        cat "$VAR/log/httpd-check.log" >&2
        die "httpd refuses this configuration (above); nothing was stopped or started. The files are $VAR/httpd/httpd.conf, $TOP/conf.d/smarter.conf and $SMARTER_INI."
    }
}

httpd_start()
{
    httpd_check
    rm -f "$VAR/httpd/httpd.pid"
    launch httpd root $HTTPD -f "$VAR/httpd/httpd.conf" -D FOREGROUND
}

httpd_await()
{
    await httpd 20 curl -sS -m 5 --cacert "$SMARTER_CA" -o /dev/null "$SMARTER_URL/services/ready"
}

httpd_stop() { halt httpd TERM 15; }
