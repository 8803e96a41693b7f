/* The store of sessions, as the ini has it: for httpd and for the operator's tool. */

#include <string.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include "auth/sb_session.h"

#define COOKIE "__Host-smarter"

const char *sb_session_origin(const char *url, apr_pool_t *p)
{
    const char *path = strchr(url + strlen("https://"), '/');

    return path ? apr_pstrmemdup(p, url, (apr_size_t)(path - url)) : url;
}

const char *sb_session_cookie_name(const char *origin, apr_pool_t *p)
{
    const char *port = strrchr(origin, ':') + 1; /* "//host" where there is none */

    return apr_isdigit(*port) && strcmp(port, "443") ? apr_pstrcat(p, COOKIE "-", port, NULL)
                                                     : COOKIE;
}

static const char *make_book(sb_session_store_t *store, const sb_conf_t *conf, apr_pool_t *p)
{
    const char *url = sb_conf_str(conf, "security.db.url");
    apr_status_t rv;

    if (!url) {
        return "security.db.url is not set";
    }
    rv = sb_session_book_make(&store->book, sb_conf_db_url(url, p),
                              sb_conf_str(conf, "security.db.schema_name"),
                              sb_conf_bool(conf, "edware.db.prepare"), p);
    return rv == APR_SUCCESS ? NULL : "the book of sessions cannot be made";
}

const char *sb_session_store_make(sb_session_store_t *store, const sb_conf_t *conf, apr_pool_t *p)
{
    const char *secrets[3] = {sb_conf_str(conf, "auth.session.secret"),
                              sb_conf_str(conf, "auth.session.secret.previous"), NULL};
    sb_keyring_t *keys;

    memset(store, 0, sizeof(*store));
    store->idle = sb_conf_interval(conf, "auth.session.idle");
    store->absolute = sb_conf_interval(conf, "auth.session.timeout");
    store->tenants = sb_tenants(conf, p);
    if (sb_cache_make(&store->cache, sb_conf_str(conf, "cache.session.url"), 0, p) != APR_SUCCESS) {
        return "cache.session.url: host:port;host:port is wanted";
    }
    if (!secrets[0] || sb_keyring_make(&keys, secrets, SB_SESSION_KEYS, p) != APR_SUCCESS) {
        return "auth.session.secret: want at least 16 random characters";
    }
    store->keys = keys;
    return make_book(store, conf, p);
}
