/**
 * What signing in needs: read and judged in httpd's parent, made in each child process.
 */

#include "web/sb_signin_private.h"

#include <string.h>
#include <apr_lib.h>
#include <apr_shm.h>
#include <apr_strings.h>
#include <http_log.h>
#include "core/sb_log.h"

#define NEAR_SESSIONS (4 * 1024 * 1024) /* bytes of sessions that a process keeps opened */
/* Key of what outlives a reload, in the process's pool. It says how much there is: the reload may bring another
 * version of this module. */
#define SHARED "smarter-ended-" APR_STRINGIFY(SB_SESSION_GROUPS)

/* ---- shared by processes ------------------------------------------------------------------------- */

/* Made once and kept over reloads: processes of the old and of the new generation must see the same
 * sessions end. */
apr_status_t sb_signin_share(server_rec *s)
{
    apr_pool_t *p = s->process->pool;
    apr_shm_t *shm;
    void *known;
    apr_status_t rv;

    apr_pool_userdata_get(&known, SHARED, p);
    if (known) {
        return APR_SUCCESS;
    }
    rv = apr_shm_create(&shm, SB_SESSION_GROUPS * sizeof(apr_uint32_t), NULL, p); /* zeros */
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(3070), rv, "shared memory of ended sessions");
        return rv;
    }
    /* Not setn: the name is copied. A graceful restart loads this module anew, perhaps elsewhere, and
     * the pool outlives it. */
    return apr_pool_userdata_set(apr_shm_baseaddr_get(shm), SHARED, NULL, p);
}

static apr_uint32_t *ended_sessions(const server_rec *s)
{
    void *counters = NULL;

    apr_pool_userdata_get(&counters, SHARED, s->process->pool);
    return counters;
}

/* ---- configuration ------------------------------------------------------------------------------ */

static const char *const *secrets_of(const sb_conf_t *conf, apr_pool_t *p)
{
    const char **secrets = apr_pcalloc(p, 3 * sizeof(*secrets));

    secrets[0] = sb_conf_str(conf, "auth.session.secret");
    secrets[1] = sb_conf_str(conf, "auth.session.secret.previous");
    return secrets;
}

const char *sb_signin_check(sb_signin_config_t *config, const sb_conf_t *conf, apr_pool_t *p)
{
    const char *const *secrets = secrets_of(conf, p);
    const char *home = sb_conf_str(conf, "auth.home");
    const char *complaint;
    sb_keyring_t *ring;

    memset(config, 0, sizeof(*config));
    if (!secrets[0]) {
        return "auth.session.secret is not set: want at least 16 random characters, the same on all"
               " web nodes (openssl rand -hex 32)";
    }
    if (sb_keyring_make(&ring, secrets, SB_SESSION_KEYS, p) != APR_SUCCESS) {
        return "auth.session.secret, auth.session.secret.previous: want at least 16 characters "
               "each";
    }
    if (!sb_relay_target_is_ours(home)) {
        return apr_psprintf(
            p, "auth.home = %s: want a path of ours, such as /assets/html/index.html", home);
    }
    if (!sb_conf_str(conf, "security.db.url")) {
        return "security.db.url is not set: without the table of used assertions nobody may sign "
               "in";
    }
    complaint = sb_bearer_config_load(&config->bearer, conf, p);
    return complaint ? complaint : sb_saml_config_load(&config->saml, conf, p);
}

#define REPLAY_TIMEOUT apr_time_from_sec(5) /* one row, by its key */
#define REPLAY_LEASE apr_time_from_sec(8)

static apr_status_t make_replay_pool(sb_dbpool_t **ppool, const sb_signin_opts_t *o, apr_pool_t *p)
{
    const sb_conf_t *conf = o->conf;
    sb_db_opts_t opts = {
        .schema = sb_conf_str(conf, "security.db.schema_name"),
        .app = o->app,
        .wait = sb_conf_interval(conf, "edware.db.pool_timeout"),
        .lease = REPLAY_LEASE,
        .connect_timeout = sb_conf_interval(conf, "edware.db.connect_timeout"),
        .statement_timeout = REPLAY_TIMEOUT,
        .no_prepare = !sb_conf_bool(conf, "edware.db.prepare"),
    };

    return sb_dbpool_make(ppool, sb_conf_db_url(sb_conf_str(conf, "security.db.url"), p), &opts, p);
}

static void name_cookies(sb_signin_t *s, apr_pool_t *p)
{
    const char *port = strrchr(s->origin, ':') + 1; /* "//host" where there is none */
    const char *suffix =
        apr_isdigit(*port) && strcmp(port, "443") ? apr_pstrcat(p, "-", port, NULL) : "";

    s->session_cookie = sb_session_cookie_name(s->origin, p);
    s->browser_cookie = apr_pstrcat(p, "__Host-signin", suffix, NULL);
}

static apr_status_t make_bearers(sb_signin_t *s, const sb_signin_opts_t *o,
                                 const char *const *secrets, apr_pool_t *p)
{
    sb_bearer_opts_t opts = {.config = o->config->bearer,
                             .cache = s->sessions.cache,
                             .generations = o->generations,
                             .tenants = o->tenants};
    sb_keyring_t *keys;
    apr_status_t rv = sb_keyring_make(&keys, secrets, SB_BEARER_KEYS, p);

    opts.keys = keys;
    return rv == APR_SUCCESS ? sb_bearers_make(&s->bearers, &opts, p) : rv;
}

apr_status_t sb_signin_make(sb_signin_t **psignin, const sb_signin_opts_t *o, server_rec *server,
                            apr_pool_t *p)
{
    const char *const *secrets = secrets_of(o->conf, p);
    sb_signin_t *s = apr_pcalloc(p, sizeof(*s));
    sb_session_store_t *store = &s->sessions;
    const char *complaint = sb_session_store_make(store, o->conf, p);
    sb_keyring_t *relay_keys;
    sb_saml_t *saml;
    apr_status_t rv;

    if (complaint) {
        sb_log(SB_LOG_ERROR, SBLOGNO(3140), SB_NO_STATUS, "sessions: %s", complaint);
        return SB_ECONFIG;
    }
    s->origin = sb_session_origin(o->config->saml->acs_url, p);
    s->home = sb_conf_str(o->conf, "auth.home");
    s->idp_initiated = o->config->saml->idp_initiated;
    s->limits.begun = sb_conf_int(o->conf, "auth.signin.per_minute");
    s->limits.strays = sb_conf_int(o->conf, "auth.signin.strays_per_minute");
    s->limits.tokens = sb_conf_int(o->conf, "auth.oauth2.refused_per_minute");
    s->limits.sessions = sb_conf_int(o->conf, "auth.session.per_minute");
    s->limits.at_once = (apr_uint32_t)sb_conf_int(o->conf, "auth.signin.at_once");
    name_cookies(s, p);
    store->tenants = o->tenants;
    store->generations = o->generations;
    store->service = o->service;
    store->ended = ended_sessions(server);
    rv = sb_near_make(&store->near, NEAR_SESSIONS, p);
    if (rv == APR_SUCCESS) {
        rv = sb_keyring_make(&relay_keys, secrets, SB_RELAY_KEYS, p);
    }
    if (rv == APR_SUCCESS) {
        s->relay_keys = relay_keys;
        rv = make_replay_pool(&s->pool, o, p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_saml_make(&saml, o->config->saml, s->pool, o->tenants, p);
    }
    if (rv == APR_SUCCESS && o->config->bearer) {
        rv = make_bearers(s, o, secrets, p);
    }
    if (rv == APR_SUCCESS) {
        s->saml = saml;
        *psignin = s;
    }
    return rv;
}

const sb_session_store_t *sb_signin_sessions(const sb_signin_t *s)
{
    return &s->sessions;
}

sb_dbpool_t *sb_signin_pool(const sb_signin_t *s)
{
    return s->pool;
}

const char *sb_signin_cookie_name(const sb_signin_t *s)
{
    return s->session_cookie;
}

const char *sb_signin_origin(const sb_signin_t *s)
{
    return s->origin;
}
