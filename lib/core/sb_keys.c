/**
 * Every configuration key there is: the one place that says its type, default and meaning.
 * `smarter-config keys` prints this table. Ordered by application, then by prefix.
 */

#include "core/sb_conf.h"

#define TEXT(name, dflt, help)                                                                     \
    {                                                                                              \
        name, SB_KEY_TEXT, dflt, 0, 0, NULL, help                                                  \
    }
#define SECRET(name, help)                                                                         \
    {                                                                                              \
        name, SB_KEY_SECRET, NULL, 0, 0, NULL, help                                                \
    }
#define URL(name, help)                                                                            \
    {                                                                                              \
        name, SB_KEY_URL, NULL, 0, 0, NULL, help                                                   \
    }
#define PATH(name, dflt, help)                                                                     \
    {                                                                                              \
        name, SB_KEY_PATH, dflt, 0, 0, NULL, help                                                  \
    }
#define INT(name, dflt, min, max, help)                                                            \
    {                                                                                              \
        name, SB_KEY_INT, dflt, min, max, NULL, help                                               \
    }
#define BOOL(name, dflt, help)                                                                     \
    {                                                                                              \
        name, SB_KEY_BOOL, dflt, 0, 0, NULL, help                                                  \
    }
#define SECONDS(name, dflt, min, max, help)                                                        \
    {                                                                                              \
        name, SB_KEY_SECONDS, dflt, min, max, NULL, help                                           \
    }
#define BYTES(name, dflt, min, max, help)                                                          \
    {                                                                                              \
        name, SB_KEY_BYTES, dflt, min, max, NULL, help                                             \
    }
#define LIST(name, dflt, help)                                                                     \
    {                                                                                              \
        name, SB_KEY_LIST, dflt, 0, 0, NULL, help                                                  \
    }
#define CHOICE(name, dflt, choices, help)                                                          \
    {                                                                                              \
        name, SB_KEY_CHOICE, dflt, 0, 0, choices, help                                             \
    }
#define RETIRED(name, help)                                                                        \
    {                                                                                              \
        name, SB_KEY_RETIRED, NULL, 0, 0, NULL, help                                               \
    }
#define NEVER(name, help)                                                                          \
    {                                                                                              \
        name, SB_KEY_NEVER, "False", 0, 0, NULL, help                                              \
    }

#define CRON(prefix)                                                                               \
    {                                                                                              \
        prefix ".schedule.cron.<field>", SB_KEY_CRON, NULL, 0, 0, NULL,                            \
            "when, in local time: year, month, day, week, day_of_week, hour, minute, second"       \
    }

/* A cache region of the replaced system: its lifetimes were guesses, here the data says when it changes. */
#define REGION(name)                                                                               \
    RETIRED("cache." name ".url", "cache.data.url"),                                               \
        RETIRED("cache." name ".expire", "cache.data.expire"),                                     \
        RETIRED("cache." name ".type", "memcached is what there is"),                              \
        RETIRED("cache." name ".lock_dir", "no lock files are needed")

/* clang-format off */
const sb_key_t sb_keys[] = {
    /* ---- both applications ---- */
    TEXT("logging.audit", "syslog", "where audit lines go: syslog (local0), stderr, none, file:/PATH"),
    TEXT("logging.application", "syslog", "where application lines go: syslog (local1), stderr, none, file:/PATH"),
    TEXT("logging.security", "syslog", "where security events go: syslog (local2), stderr, none, file:/PATH"),
    URL("edware_stats.db.url", "statistics database, schema edware_stats"),
    TEXT("edware_stats.db.schema_name", "edware_stats", "schema of the statistics tables"),
    TEXT("operator.reload", NULL, "command that makes the servers of this machine read the ini again, for smarter tenant --reload; run without a shell"),
    URL("schema.owner.url", "database as its owner, for smarter-schema; default: each kind's own"),

    /* ---- schedules: cron calls PROGRAM --if-due every minute; core/sb_schedule.h ---- */
    BOOL("migrate.conductor.enable", "False", "smarter-migrate-conductor --if-due does something at all"),
    CRON("migrate.conductor"),
    BOOL("file-grabber.<name>.enable", "False", "smarter-file-grabber --if-due fetches from this source"),
    CRON("file-grabber.<name>"),
    BOOL("report.enable", "True", "smarter-udl-report --if-due does something at all"),
    { "report.schedule.cron.hour", SB_KEY_CRON, "16", 0, 0, NULL, "when the daily report is made" },
    CRON("report"),
    BOOL("trigger.pdf.enable", "False", "accepted for old files; nothing acts on it: reports are made when asked for"),
    CRON("trigger.pdf"),
    BOOL("trigger.recache.enable", "False", "smarter-cache-warm --if-due does something at all"),
    { "trigger.recache.schedule.cron.day", SB_KEY_CRON, "*/1", 0, 0, NULL, "when reports are made in advance" },
    CRON("trigger.recache"),
    PATH("trigger.recache.filter.file", "/opt/edware/conf/comparing_populations_precache_filters.json", "filters under which they are made, as JSON: lists state, district, <tenant or state code>.state, ....district"),
    SECONDS("trigger.recache.timeout", "60s", 1, 3600, "how long GET /services/trigger/cache works at most; 503 after it, and the next run goes on"),
    BOOL("trigger.assessment.enable", "False", "accepted for old files; nothing acts on it yet"),
    CRON("trigger.assessment"),
    BOOL("migrate_public.enable", "False", "smarter-public-copy --if-due does something at all"),
    CRON("migrate_public"),

    /* ---- reporting: section [app:main] ---- */
    CHOICE("mode", "prod", "dev|test|prod", "accepted for old files; nothing acts on it"),
    URL("edware.db.<tenant>.url", "production database of a tenant, as the read-only web role"),
    TEXT("edware.db.<tenant>.schema_name", NULL, "production schema of a tenant"),
    TEXT("edware.db.<tenant>.state_code", NULL, "two-letter code of the tenant's state"),
    INT("edware.db.<tenant>.pool_size", "16", 1, 1000, "connections a web server process keeps per tenant"),
    INT("edware.db.pool_size", "16", 1, 1000, "the same for all tenants"),
    SECONDS("edware.db.statement_timeout", "30s", 1, 3600, "longest query of a page; 503 after it"),
    SECONDS("edware.db.request_timeout", "40s", 1, 3600, "how long one request may use the database in all, also when it answers nothing; 503 after it"),
    SECONDS("edware.db.connect_timeout", "5s", 2, 3600, "how long connecting to a database may take; 503 after it"),
    SECONDS("edware.db.pool_timeout", "5s", 1, 3600, "how long a request waits while all connections are in use; 503 after it"),
    BOOL("edware.db.prepare", "True", "prepared statements; False behind a pooler in transaction mode"),
    URL("edware.public.db.<tenant>.url", "public copy of a tenant, as the role that reads nothing else; none: no public report"),
    TEXT("edware.public.db.<tenant>.schema_name", NULL, "schema of the public copy"),
    TEXT("edware.public.db.<tenant>.state_code", NULL, "two-letter code of its state; default edware.db.<tenant>.state_code"),
    INT("edware.public.db.<tenant>.pool_size", "8", 1, 1000, "connections a web server process keeps per public copy"),
    INT("edware.public.db.pool_size", "8", 1, 1000, "the same for all public copies"),
    SECRET("edware.public.secret", "makes public ids of states: 16, 24 or 32 bytes, the same on all web nodes; another one breaks published addresses"),
    TEXT("cache.session.url", "127.0.0.1:11211", "memcached servers of the sessions: host:port;host:port"),
    TEXT("cache.data.url", "127.0.0.1:11211", "memcached servers of report data: host:port;host:port"),
    SECONDS("cache.data.expire", "30d", 0, 2592000, "how long a report stays cached at most; promotions outdate it by themselves"),
    BYTES("cache.data.near", "32M", 0, 4294967296, "what each httpd process keeps of cached reports in its own memory; 0: nothing"),
    RETIRED("cache.regions", "the caches are cache.session.url and cache.data.url"),
    RETIRED("cache.url", "cache.session.url and cache.data.url"),
    RETIRED("cache.expire", "cache.data.expire"),
    RETIRED("cache.type", "memcached is what there is"),
    RETIRED("cache.lock_dir", "no lock files are needed"),
    RETIRED("cache.session.type", "memcached is what there is"),
    REGION("public.data"),
    REGION("public.filtered_data"),
    REGION("public.shortlived"),
    REGION("public.very_shortlived"),
    PATH("extract.work_zone_base_dir", "/opt/edware/extraction", "where archives are made: one directory a tenant and request"),
    INT("extract.compression_level", "1", 1, 9, "of archives: 1 quick to 9 small"),
    TEXT("extract.job.queue.async", "extract", "queue of smarter-worker-extract"),
    RETIRED("extract.job.queue.sync", "what is answered at once is made by the web server"),
    RETIRED("extract.job.queue.archive", "archives are made by the same worker"),
    RETIRED("extract.retries_allowed", "jobs.max_attempts"),
    RETIRED("extract.retry_delay", "jobs.retry_delay"),
    BOOL("extract.cleanup.enable", "True", "smarter-extract-cleanup --if-due does something at all"),
    { "extract.cleanup.schedule.cron.day", SB_KEY_CRON, "last", 0, 0, NULL, "when it forgets what became of old extracts" },
    CRON("extract.cleanup"),
    SECONDS("extract.cleanup.keep", "31d", 0, 3660 * 86400, "how long extract_stats tells what became of an extract; 0: nothing is kept over a cleanup"),
    SECONDS("extract.celery_timeout", "30", 1, 3600, "time limit of an extract that is answered at once; 503 after it"),
    SECONDS("extract.request_timeout", "30", 1, 3600, "time limit of asking for an extract for later: counting, announcing all of its files to the pickup zone, making the job; 503 after it"),
    INT("extract.sync.max", "4", 1, 1000, "how many of these at a time in one web server process; 503 for more"),
    INT("extract.sync.max_per_user", "1", 1, 1000, "the same of one user; 429 for more"),
    PATH("extract.sync.dir", "/var/tmp", "where they are made, without a name"),
    INT("extract.per_minute", "30", 0, 100000, "how often a user may ask for an extract in a minute; 0: as often as he likes"),
    INT("extract.max_open", "20", 1, 100000, "extracts of a user that are not made yet; 429 for more"),
    INT("extract.max_kept", "50", 0, 100000, "extracts of a user that wait in the pickup zone; 429 for more until he deletes some; 0: as many as he likes"),
    PATH("extract.item_level_base_dir", "/opt/edware/item_level", "tree of item files that score batches write"),
    PATH("extract.raw_data_base_dir", "/opt/edware/raw_data", "tree of XML files that score batches write"),
    INT("extract.partial_file.size.soft_limit", "30000000", -1, 1000000000000, "bytes of a part of item and raw data extracts; not above 0: one part"),
    INT("extract.partial_file.size.average.csv", "30000", -1, 1000000000, "bytes an item file usually has, to tell how many parts there will be"),
    INT("extract.partial_file.size.average.xml", "300000", -1, 1000000000, "bytes an XML file usually has"),
    INT("smarter.search.per_minute", "60", 0, 100000, "how often a user may search in a minute; 0: as often as he likes"),
    TEXT("smarter.heartbeat.addresses", NULL, "who may hear from /services/heartbeat what is wrong: addresses and networks of monitors, 10.0.0.7, 10.1.0.0/16; anybody else must be a super user and is told only whether all is well"),
    SECONDS("smarter.search.timeout", "5s", 1, 3600, "longest search; 503 after it"),
    INT("smarter.reports.year_back", "5", 1, 50, "number of academic years offered"),
    NEVER("disable.context.security", "accepted for old files when False"),

    PATH("auth.idp.metadata", NULL, "SAML metadata of the identity provider"),
    TEXT("auth.saml.issuer_name", NULL, "our entity id, as the identity provider knows us"),
    URL("auth.saml.acs_url", "https address of our /saml_post, as browsers see it"),
    URL("auth.saml.slo_url", "https address of our /logout_redirect, as browsers see it"),
    PATH("auth.saml.sp_key", NULL, "our RSA key: signs requests and opens encrypted assertions, PEM"),
    PATH("auth.saml.sp_cert", NULL, "its certificate, PEM"),
    PATH("auth.saml.sp_key.next", NULL, "the key that will follow it: announced already, opens, does not sign"),
    PATH("auth.saml.sp_cert.next", NULL, "its certificate"),
    PATH("auth.saml.sp_key.previous", NULL, "the key before it: still announced for signatures, opens, does not sign"),
    PATH("auth.saml.sp_cert.previous", NULL, "its certificate"),
    CHOICE("auth.saml.encryption", "accepted", "refused|accepted|required", "encrypted assertions; required: no others"),
    BOOL("auth.saml.sign_requests", "True", "sign-in requests are signed; sign-out messages are always"),
    BOOL("auth.saml.force_authn", "False", "the identity provider asks for the password at each sign-in, whoever it knows already"),
    BOOL("auth.saml.idp_initiated", "False", "sign-ins that begin at the identity provider are taken; they lead to auth.home"),
    INT("auth.saml.acs_index", NULL, 0, 65535, "requests name auth.saml.acs_url by this index, as the identity provider knows it; default: by its address"),
    BOOL("auth.saml.require_signed_response", "False", "a signed assertion inside an unsigned response is refused"),
    SECONDS("auth.clock_skew", "60s", 0, 60, "how much the identity provider's clock may differ"),
    RETIRED("auth.saml.idp_server_login_url", "the metadata of the identity provider names it"),
    RETIRED("auth.saml.idp_server_logout_url", "the metadata of the identity provider names it"),
    RETIRED("auth.saml.name_qualifier", "taken from the name the identity provider sent"),
    TEXT("auth.saml.identity_parser", "sbac", "what its attributes mean: sbac, sbac-live, basic; or a class name of the original's"),
    URL("auth.oauth2.introspection_url", "https address that tells about bearer tokens (RFC 7662)"),
    URL("auth.oauth2.idp_server_verify_url", "or the https address of a tokeninfo service as the original had it, asked by GET with access_token behind it"),
    SECONDS("auth.oauth2.idp_server_verify_url.timeout", "10s", 1, 60, "how long an answer of either may take"),
    TEXT("auth.oauth2.client_id", NULL, "who we are to the introspection address"),
    SECRET("auth.oauth2.client_secret", "its secret, or"),
    PATH("auth.oauth2.client_secret_file", NULL, "the file with it, read as root at start"),
    PATH("auth.oauth2.ca_file", NULL, "PEM: the authorities its certificate is verified by, instead of the system's"),
    LIST("auth.oauth2.audience", NULL, "a token must be for one of these (aud); this or clients has to be said; *: for anybody"),
    LIST("auth.oauth2.clients", NULL, "a token must have been given to one of these (client_id); *: to anybody"),
    TEXT("auth.oauth2.issuer", NULL, "a token must be by this one (iss); not set: by anybody"),
    TEXT("auth.oauth2.scope.view", NULL, "the scope a token needs for reading; not set: none, unless scope.load is: then no token reads"),
    TEXT("auth.oauth2.scope.load", NULL, "the scope a token needs for handing in scores; not set: none, unless scope.view is: then no token hands any in"),
    SECONDS("auth.oauth2.cache", "10s", 0, 300, "how long a good answer is believed, at most as long as the token lives; 0: every request asks"),
    INT("auth.oauth2.refused_per_minute", "60", 0, 1000000, "bearer tokens from one address that nobody vouches for, in a minute; from then on the verifier is not asked about what it sends; 0: no limit"),
    INT("auth.oauth2.connections", "8", 1, 64, "questions at once, in one process"),
    INT("auth.oauth2.breaker.failures", "5", 1, 100, "questions in a row without an answer, after which it is not asked for a while"),
    SECONDS("auth.oauth2.breaker.pause", "10s", 1, 600, "how long that is"),
    TEXT("auth.oauth2.identity_parser", "sbac", "what an answer about a bearer token means: sbac, sbac-live, basic; or a class name of the original's"),
    TEXT("ldap.base.dn", NULL, "parser basic: a person's tenant is the ou right below this name of the directory"),
    RETIRED("auth.state.secret", "the state stays on our side"),
    NEVER("auth.skip.verify", "accepted for old files when False: signatures are always verified"),

    SECRET("auth.session.secret", "seals sessions: at least 16 random characters, the same on all web nodes"),
    SECRET("auth.session.secret.previous", "the secret before it: what it sealed stays readable"),
    SECONDS("auth.session.timeout", "20min", 60, 86400, "how long a session lasts at most; changed rights take effect after it"),
    SECONDS("auth.session.idle", "20min", 60, 86400, "how long a session lasts unused"),
    INT("auth.session.per_minute", "120", 0, 1000000, "how often a session may list or end sessions in a minute; 0: as often as it likes"),
    INT("auth.signin.per_minute", "1200", 0, 1000000, "sign-ins that browsers of one address may begin in a minute: a school may have one address; 0: no limit"),
    INT("auth.signin.strays_per_minute", "60", 0, 1000000, "messages of signing in or out from one address that belong to nothing begun here, in a minute; from then on they are not looked at; 0: no limit"),
    INT("auth.signin.at_once", "16", 1, 10000, "messages of signing in and out that a process of httpd judges at one time; who comes then is asked to come again"),
    SECONDS("batch.user.session.timeout", "300000s", 60, 2592000, "how long a session made by smarter batch-session lasts at most"),
    TEXT("auth.home", "/assets/html/index.html", "path shown after signing in when no other was asked for"),
    RETIRED("auth.policy.secret", "sessions are found by a random id; nothing is signed"),
    RETIRED("auth.policy.cookie_name", "the name is fixed: __Host-smarter"),
    RETIRED("auth.policy.hashalg", "sessions are found by a random id; nothing is signed"),
    RETIRED("auth.policy.http_only", "always on"),
    RETIRED("auth.policy.secure", "always on"),
    RETIRED("auth.policy.timeout", "auth.session.timeout and auth.session.idle"),
    RETIRED("auth.policy.max_age", "the cookie ends with the browser"),
    RETIRED("auth.policy.reissue_time", "auth.session.idle"),
    RETIRED("auth.policy.include_ip", "addresses change while people move"),
    RETIRED("auth.policy.wild_domain", "the cookie is bound to this host"),
    RETIRED("auth.policy.path", "always /"),
    RETIRED("auth.policy.debug", "see httpd's LogLevel"),
    RETIRED("cache.session.expire", "auth.session.timeout and auth.session.idle"),
    URL("security.db.url", "database of what may be used once at sign-in, as the web role"),
    TEXT("security.db.schema_name", "signin", "its schema"),

    /* ---- jobs: what users ask for and fetch later; section [app:main] ---- */
    URL("jobs.db.url", "database of jobs, as the web role; on the primary"),
    URL("jobs.worker.db.url", "the same as the role of jobs, for smarter-job-relay and workers; default jobs.db.url"),
    TEXT("jobs.db.schema_name", "jobs", "its schema"),
    INT("jobs.db.pool_size", "4", 1, 100, "connections of a web process to it"),
    URL("jobs.broker.url", "amqp://user:password@host:port/edextract, or amqps://: where the queues of all jobs are"),
    PATH("jobs.broker.ca_file", NULL, "authorities (PEM) trusted for amqps://; without it the system's"),
    SECONDS("jobs.lease", "60", 2, 3600, "a worker that was not heard of for so long is taken for dead"),
    INT("jobs.max_attempts", "4", 1, 100, "attempts at a task before it fails; waiting for a server that is down is none"),
    SECONDS("jobs.retry_delay", "30", 0, 3600, "before the second attempt; doubled before each further one, up to 15 min"),
    SECONDS("jobs.give_up_after", "24h", 1, 30 * 86400, "a job that is not ready by then fails"),
    SECONDS("jobs.keep", "7d", 1, 366 * 86400, "how long a result can be had; no longer than the pickup zone keeps files"),
    SECONDS("jobs.forget_after", "30d", 1, 3660 * 86400, "how long a job that is over stays in the database"),
    SECONDS("jobs.relay.poll", "5", 0, 60, "smarter-job-relay looks for due messages and dead workers so often, besides being told of new messages"),
    SECONDS("jobs.relay.overdue", "60", 1, 86400, "a task that nobody claimed for so long, though its queue is empty, is announced again"),

    /* ---- pickup zone: section [app:main] of hpz.ini ---- */
    URL("hpz.db.url", "database of the pickup zone, as its role"),
    TEXT("hpz.db.schema_name", "hpz", "its schema"),
    INT("hpz.db.pool_size", "8", 1, 1000, "connections an httpd process of the pickup zone keeps"),
    PATH("hpz.frs.upload_base_path", "/opt/edware/hpz/uploads", "where files wait: a directory of their own, on a disk that is encrypted"),
    BYTES("hpz.frs.file_size_limit", "4294967296", 1, 0, "size of a file above which an upload is refused (413)"),
    URL("hpz.frs.download_base_url", "https address of the external face, as browsers see it; links are made from it"),
    INT("hpz.frs.max_uploads", "24", 1, 100000, "uploads at a time in one httpd process; 503 for more. Three quarters of its threads at most"),
    INT("hpz.frs.max_downloads", "24", 1, 100000, "the same for downloads"),
    INT("hpz.frs.max_downloads_per_user", "6", 1, 100000, "how many of them one person may have, while more than a third are free; 429 for more"),
    INT("hpz.record_expiration", "7", 1, 36500, "days a file waits before smarter-hpz-cleanup removes it"),
    BOOL("hpz.record_expiration.enable", "True", "smarter-hpz-cleanup --if-due does something at all"),
    { "hpz.record_expiration.schedule.cron.hour", SB_KEY_CRON, "4", 0, 0, NULL, "when it removes what is too old" },
    CRON("hpz.record_expiration"),
    TEXT("hpz.mail.server", NULL, "mail server that tells owners their file is ready; None: nobody is told"),
    INT("hpz.mail.port", "465", 1, 65535, "its port"),
    CHOICE("hpz.mail.tls", "auto", "auto|plain|starttls|tls", "auto: port 465 tls, port 25 without a login plain, else starttls"),
    PATH("hpz.mail.ca_file", NULL, "authorities (PEM) trusted besides the system's when mailing"),
    TEXT("hpz.mail.sender", "DoNotReply@SmarterBalanced.org", "sender of that mail"),
    TEXT("hpz.mail.return_path", NULL, "where mail that cannot be delivered goes; default hpz.mail.sender"),
    TEXT("hpz.mail.subject", "Your file is ready", "subject of that mail"),
    TEXT("hpz.mail.failed_subject", "Your file could not be made", "subject of the mail that says so"),
    TEXT("hpz.mail.smtp_username", NULL, "login at the mail server; default none"),
    SECRET("hpz.mail.smtp_password", "its password"),
    INT("hpz.mail.max_attempts", "20", 1, 100, "how often a mail is tried"),

    /* ---- pickup zone, as its clients see it: section [app:main] of smarter.ini ---- */
    URL("hpz.file_registration_url", "where files are announced: https://HOST:PORT/registration of the internal face"),
    URL("hpz.file_upload_base_url", "where they are delivered: https://HOST:PORT/files of the internal face"),
    BOOL("hpz.ignore_certificate", "False", "do not verify the pickup zone's certificate: for development only"),
    PATH("hpz.ca_file", NULL, "authorities (PEM) trusted besides the system's for it"),
    PATH("hpz.client_cert", NULL, "certificate (PEM) shown to the internal face; default none"),
    PATH("hpz.client_key", NULL, "its key (PEM)"),
    SECONDS("hpz.register_timeout", "10s", 1, 300, "time limit of an announcement"),
    SECONDS("hpz.stall_timeout", "60s", 5, 3600, "how long a delivery may stand still before it is given up"),

    /* ---- migration: section [app:main] ---- */
    URL("migrate_source.db.<tenant>.url", "where batch schemas are, as the loader role; several with blanks between"),
    URL("migrate_dest.db.<tenant>.url", "production database of a tenant, as the loader role"),
    TEXT("migrate_dest.db.<tenant>.schema_name", NULL, "production schema of a tenant"),
    URL("migrate_stats.db.url", "statistics database as the loader role; default edware_stats.db.url"),
    URL("migrate_errors.db.url", "the loader's database (order of arrival, err_list) as the loader role; default migrate_stats.db.url"),
    TEXT("migrate_errors.db.schema_name", "udl2", "the loader's schema"),
    URL("migrate_private.db.<tenant>.url", "production that is copied for the public, as a role that reads it; default edware.db.<tenant>.url"),
    TEXT("migrate_private.db.<tenant>.schema_name", NULL, "its schema; default edware.db.<tenant>.schema_name"),
    URL("migrate_public.db.<tenant>.url", "where smarter-public-copy makes the public copy, as the loader role"),
    TEXT("migrate_public.db.<tenant>.schema_name", NULL, "its schema; default edware.public.db.<tenant>.schema_name"),
    SECONDS("migrate.failed.keep", "7d", 0, 31536000, "how long the schema of a failed batch is kept"),
    BYTES("migrate.work_mem", "128M", 65536, 68719476736, "memory the server may use for one sort or hash of a promotion"),

    /* ---- landing zone: section [app:main] ---- */
    PATH("sftp.home", "/", "what a relative sftp.base_dir lies below; must exist before smarter-lz init"),
    TEXT("sftp.base_dir", "/sftp/opt/edware/home", "root of the senders' jails; ends with sftp.user_home_base_dir"),
    TEXT("sftp.arrivals_dir", "arrivals", "zone below base_dir: what senders bring"),
    TEXT("sftp.sftp_departures_dir", "departures", "zone below base_dir: what is fetched"),
    TEXT("sftp.sftp_filerouter_dir", NULL, "zone below base_dir of the role filerouter; empty: base_dir itself"),
    PATH("sftp.user_home_base_dir", "/opt/edware/home", "where homes are according to the password file; nothing need be there"),
    TEXT("sftp.user_path_sftparrivals_dir", "file_drop", "writable directory in a jail of the role sftparrivals"),
    TEXT("sftp.user_path_sftpdepartures_dir", "reports", "writable directory in a jail of the role sftpdepartures"),
    TEXT("sftp.user_path_filerouter_dir", "route", "writable directory in a jail of the role filerouter"),
    TEXT("sftp.group", "edwaredataadmin", "group of all accounts of the landing zone"),
    PATH("sftp.authorized_keys_dir", "/etc/smarter/sftp_keys", "public keys of senders, one file a user, outside their jails"),
    PATH("sftp.staging_dir", "/sftp/opt/edware/staging", "where released files go; they belong to the owner of this directory"),
    CHOICE("sftp.file_move_type", "local", "local|sftp", "release files into staging_dir, or push them to the loader's host"),
    LIST("sftp.file_patterns_to_watch", "*.gpg, *.gpg.done", "names of packages and of their companions"),
    SECONDS("sftp.file_stat_watch_interval", "2", 0, 3600, "pause between two looks while a file may become complete"),
    SECONDS("sftp.file_stat_watch_period", "10", 0, 86400, "how long a file without companion must stay unchanged"),
    SECONDS("sftp.file_system_scan_delay", "10", 0, 3600, "pause between two looks when inotify reports nothing"),
    SECONDS("sftp.quarantine_after", "24h", 1, 31536000, "age at which what has not become complete goes to quarantine"),
    BYTES("sftp.max_file_bytes", "8G", 1, 0, "size of a file above which it goes to quarantine"),
    BYTES("sftp.user_max_bytes", "64G", 1, 0, "what a user may have waiting before it is reported, and what his quarantine may hold"),
    INT("sftp.user_max_files", "10000", 1, 1000000, "files of a user looked at in one pass, and what his quarantine may hold"),
    TEXT("sftp.remote.landing_zone_hostname", NULL, "file_move_type sftp: the loader's host"),
    INT("sftp.remote.port", "22", 1, 65535, "file_move_type sftp: port of its sshd"),
    TEXT("sftp.remote.sftp_user", "udl2", "file_move_type sftp: who puts files there"),
    PATH("sftp.remote.private_key_file", NULL, "file_move_type sftp: his key; without it ssh's default"),
    PATH("sftp.remote.known_hosts", NULL, "file_move_type sftp: host keys; without it ssh's default"),
    TEXT("sftp.remote.arrivals_path", "/opt/edware/zones/landing/arrivals", "file_move_type sftp: arrivals directory there"),
    SECONDS("sftp.remote.timeout", "30min", 1, 86400, "file_move_type sftp: time limit of one file"),
    RETIRED("sftp.roles", "the roles are sftparrivals, sftpdepartures, filerouter"),
    RETIRED("sftp.jail.base_path", "was read by extracts only"),
    RETIRED("sftp.sftp_base_dir", "sftp.base_dir"),

    TEXT("migrate.notification.mail_server", NULL, "host or host:port that mails senders; default mail.server_host"),
    TEXT("migrate.notification.mail_sender", NULL, "sender of those mails; without it none are sent"),

    /* ---- loader: section [app] ---- */
    PATH("zones.arrivals", "/opt/edware/zones/landing/arrivals", "where packages arrive: one directory a tenant"),
    PATH("zones.work", "/opt/edware/zones/landing/work", "scratch directories of running batches"),
    PATH("zones.history", "/opt/edware/zones/landing/history", "where packages are kept after loading"),
    PATH("gpg_home", "/opt/edware/keys", "key ring with the loader's private key and the senders' public keys"),
    SECRET("passphrase", "passphrase of the loader's private key"),
    URL("udl2_db_conn.url", "loader database, as the loader role"),
    TEXT("udl2_db_conn.db_schema", "udl2", "schema of the loader's tables"),
    URL("target_db_conn.<tenant>.url", "where the batch schemas of a tenant are made; of several with blanks between, the first that answers"),
    URL("prod_db_conn.<tenant>.url", "production database of a tenant"),
    TEXT("prod_db_conn.<tenant>.db_schema", NULL, "production schema of a tenant"),
    TEXT("tenant.<tenant>.state_code", NULL, "two-letter code of the tenant's state"),
    LIST("tenant.<tenant>.senders", NULL, "OpenPGP fingerprints whose packages are accepted"),
    BOOL("tenant.<tenant>.require_signature", "True", "refuse packages that no known sender signed"),
    URL("udl2.broker.url", "amqp://user:password@host:port/edudl, or amqps://"),
    PATH("udl2.broker.ca_file", NULL, "authorities (PEM) trusted for amqps://; without it the system's"),
    TEXT("udl2.queue", "celery", "queue of packages to load"),
    PATH("tenant.<tenant>.reports_dir", NULL, "where copies of a batch's errors.csv and outcome.json go, e.g. a sender's departures"),
    LIST("tenant.<tenant>.policy", NULL, "what is done about bad values: CODE=ACTION or Header/CODE=ACTION; accept, warn, reject, fail"),
    BYTES("udl2.max_package_bytes", "4G", 1024, 0, "size of a decrypted package"),
    BYTES("udl2.max_unpacked_bytes", "16G", 1024, 0, "size of what a package unpacks to"),
    INT("udl2.max_members", "16", 2, 1000, "members of a package's archive"),
    INT("udl2.max_ratio", "250", 2, 100000, "bytes unpacked for one byte packed"),
    INT("udl2.max_rejected_rows", "1000", 0, 1000000, "rejected rows recorded one by one for each batch; all are counted"),
    INT("udl2.max_attempts", "3", 1, 100, "how often a package is tried whose worker died"),
    BYTES("udl2.min_free_bytes", "256M", 0, 0, "room in the work zone below which a worker takes no more packages; 0: not asked"),
    SECONDS("udl2.failed_schema_keep", "0", 0, 0, "how long the schema of a failed batch is kept; 0: not at all"),
    LIST("udl2_trigger.file_patterns_to_watch", "*.gpg, *.gpg.done", "names of packages and of their companions"),
    SECONDS("udl2_trigger.file_system_scan_delay", "10", 1, 3600, "pause between two scans of arrivals, behind inotify"),
    SECONDS("udl2_trigger.file_stat_watch_period", "10", 0, 3600, "how long a file without companion must stay unchanged that was not moved into place"),
    SECONDS("udl2_trigger.stray_after", "86400", 0, 0, "age at which a file in arrivals that is not going to be loaded goes to quarantine; 0: never"),
    BOOL("udl2_trigger.require_done", "False", "load nothing without its .done companion"),
    INT("udl2_trigger.max_queued", "1000", 1, 1000000, "packages in the queue above which no more are announced"),
    RETIRED("udl2_trigger.base_dir", "zones.arrivals says where packages arrive"),
    RETIRED("udl2_trigger.source_dir", "zones.arrivals says where packages arrive"),
    RETIRED("udl2_trigger.file_stat_watch_interval", "changes are watched by inotify"),
    RETIRED("udl2_trigger.file_checksum_threshold_wait_period", "a companion is waited for as long as it takes"),
    TEXT("file-grabber.<name>.args.remote_host", NULL, "host of the source; empty: a directory of this machine"),
    INT("file-grabber.<name>.args.remote_port", "22", 1, 65535, "port of its sshd"),
    TEXT("file-grabber.<name>.args.remote_user", NULL, "who reads and removes files there"),
    PATH("file-grabber.<name>.args.remote_dir", NULL, "directory that is emptied: one directory a tenant"),
    PATH("file-grabber.<name>.args.landing", NULL, "where files go; default zones.arrivals"),
    PATH("file-grabber.<name>.args.private_key", NULL, "key for the source; without it ssh's default"),
    PATH("file-grabber.<name>.args.known_hosts", NULL, "host keys; without it ssh's default"),
    CHOICE("file-grabber.<name>.args.host_key_checking", "yes", "yes|accept-new", "accept-new: take the host's key at first sight"),
    SECONDS("file-grabber.<name>.args.timeout", "1h", 1, 86400, "time limit of one transfer; the next run goes on from there"),
    PATH("file-grabber.<name>.args.archive_dir", NULL, "keep a copy of everything here, by time of arrival; nothing removes it"),
    RETIRED("file-grabber.<name>.args.archive_s3_bucket_name", "zones.history keeps every package; or archive_dir"),
    RETIRED("file-grabber.<name>.args.archive_s3_to_glacier_after_days", "zones.history keeps every package; or archive_dir"),
    RETIRED("file-grabber.<name>.args.archive_s3_prefix", "zones.history keeps every package; or archive_dir"),
    INT("notification_max_attempts", "5", 1, 100, "how often the sender is called back"),
    SECONDS("notification_retry_interval", "30", 1, 86400, "pause after the first call; doubled each time, up to an hour"),
    SECONDS("notification_timeout_interval", "30", 1, 3600, "time limit of one call"),
    LIST("notification.hosts", NULL, "hosts that may be called back: host or .suffix, each with :port or not; empty: nobody is called"),
    LIST("notification.allow_addresses", NULL, "networks (10.1.0.0/16) called although they are not public"),
    BOOL("notification.http", "False", "call http:// too"),
    PATH("notification.ca_file", NULL, "authorities (PEM) trusted besides the system's when calling back"),
    INT("notification.max_parallel", "16", 1, 200, "calls and mails under way at a time"),
    LIST("notification.mail_domains", NULL, "domains or .suffixes senders may be mailed at; empty: any"),
    TEXT("mail.server_host", "localhost", "mail server"),
    INT("mail.server_port", "25", 1, 65535, "its port"),
    CHOICE("mail.tls", "auto", "auto|plain|starttls|tls", "auto: port 465 tls, port 25 without a login plain, else starttls"),
    PATH("mail.ca_file", NULL, "authorities (PEM) trusted besides the system's when mailing"),
    TEXT("mail.smtp_username", NULL, "login at the mail server; default none"),
    SECRET("mail.smtp_password", "its password"),
    BOOL("mail.udl_fail.enabled", "False", "tell operators by mail when a batch fails"),
    LIST("mail.udl_fail.to", NULL, "their mailboxes"),
    TEXT("mail.udl_fail.from", NULL, "sender of that mail"),
    TEXT("mail.udl_fail.subject", "UDL Task Failure", "subject of that mail"),
    RETIRED("mail.udl_fail.template_filename", "the text of the mail is fixed"),
    BOOL("mail.udl_report.enabled", "False", "mail the daily report"),
    LIST("mail.udl_report.to", NULL, "mailboxes it goes to"),
    TEXT("mail.udl_report.from", NULL, "sender of that mail"),
    TEXT("mail.udl_report.subject", "UDL Report", "subject of that mail"),

    { NULL, SB_KEY_TEXT, NULL, 0, 0, NULL, NULL }
};
/* clang-format on */
