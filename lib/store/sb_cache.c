/* memcached: one pool of connections, consistent hashing, dead servers left out until they return.
 * Every call is bounded: connect and poll time-outs, few tries. */

#include "store/sb_cache.h"

#include <stdlib.h>
#include <string.h>

#include <apr_atomic.h>
#include <apr_network_io.h>
#include <apr_strings.h>
#include <libmemcached/memcached.h>
#include <libmemcachedutil-1.0/pool.h>

#include "core/sb_crypto.h"
#include "core/sb_log.h"

#define KEY_MAX_LEN 200
#define VALUE_MAX_LEN (1024 * 1024 - 1024)
#define EXPIRE_MAX_SECS (30 * 24 * 3600)
#define DEFAULT_CONNECTIONS 32
#define DEFAULT_PORT 11211
#define COMPLAINT_GAP_SECS 10
/* Find the old connection dead, find the server dead, have it marked so, ask another. */
#define MAX_TRIES 4

struct sb_cache_t {
    memcached_st *model; /* never connected; what the pool and health checks copy */
    memcached_pool_st *pool;
    apr_uint32_t complained; /* second of the last log line: an outage must not flood the log */
};

/* The same settings on every node, or keys land on different servers. */
static const struct {
    memcached_behavior_t what;
    apr_uint64_t value;
} behaviours[] = {
    {MEMCACHED_BEHAVIOR_NO_BLOCK, 0},
    {MEMCACHED_BEHAVIOR_TCP_NODELAY, 1},
    {MEMCACHED_BEHAVIOR_TCP_KEEPALIVE, 1},
    {MEMCACHED_BEHAVIOR_KETAMA, 1},
    {MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, 200}, /* ms */
    {MEMCACHED_BEHAVIOR_POLL_TIMEOUT, 300},    /* ms */
    {MEMCACHED_BEHAVIOR_SERVER_FAILURE_LIMIT, 1},
    {MEMCACHED_BEHAVIOR_RETRY_TIMEOUT, 2}, /* s */
    {MEMCACHED_BEHAVIOR_DEAD_TIMEOUT, 5},  /* s */
    {MEMCACHED_BEHAVIOR_AUTO_EJECT_HOSTS, 1},
};

/* ---- making ---------------------------------------------------------------------------------- */

/* host, host:port, [v6]:port or /path/of/socket */
static apr_status_t add_server(memcached_st *m, char *spec, apr_pool_t *p)
{
    char *host, *scope;
    apr_port_t port;

    if (*spec == '/') {
        return memcached_server_add_unix_socket(m, spec) == MEMCACHED_SUCCESS ? APR_SUCCESS
                                                                              : SB_ECONFIG;
    }
    if (apr_parse_addr_port(&host, &scope, &port, spec, p) != APR_SUCCESS || !host ||
        (*spec != '[' && strchr(host, ':'))) {
        return SB_ECONFIG;
    }
    if (memcached_server_add(m, host, (in_port_t)(port ? port : DEFAULT_PORT)) !=
        MEMCACHED_SUCCESS) {
        return SB_ECONFIG;
    }
    return APR_SUCCESS;
}

static apr_status_t destroy(void *data)
{
    sb_cache_t *c = data;

    if (c->pool) {
        memcached_pool_destroy(c->pool);
    }
    if (c->model) {
        memcached_free(c->model);
    }
    return APR_SUCCESS;
}

apr_status_t sb_cache_make(sb_cache_t **pcache, const char *servers, int max_connections,
                           apr_pool_t *p)
{
    sb_cache_t *c = apr_pcalloc(p, sizeof(*c));
    char *last, *spec;
    apr_size_t i;
    apr_status_t rv;

    *pcache = NULL;
    c->model = memcached_create(NULL);
    if (!c->model) {
        return APR_ENOMEM;
    }
    apr_pool_cleanup_register(p, c, destroy, apr_pool_cleanup_null);
    for (i = 0; i < sizeof(behaviours) / sizeof(behaviours[0]); i++) {
        if (memcached_behavior_set(c->model, behaviours[i].what, behaviours[i].value) !=
            MEMCACHED_SUCCESS) {
            return SB_ECONFIG;
        }
    }
    spec = apr_strtok(apr_pstrdup(p, servers ? servers : ""), ";, \t", &last);
    for (; spec; spec = apr_strtok(NULL, ";, \t", &last)) {
        rv = add_server(c->model, spec, p);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    if (!memcached_server_count(c->model)) {
        return SB_ECONFIG;
    }
    c->pool = memcached_pool_create(
        c->model, 1, (uint32_t)(max_connections > 0 ? max_connections : DEFAULT_CONNECTIONS));
    if (!c->pool) {
        return APR_ENOMEM;
    }
    *pcache = c;
    return APR_SUCCESS;
}

/* ---- one operation --------------------------------------------------------------------------- */

typedef struct {
    enum { OP_GET, OP_SET, OP_ADD, OP_REPLACE, OP_DELETE } kind;
    const char *key;
    apr_size_t key_len;
    const void *data;
    apr_size_t len;
    time_t expire;
    char *got; /* OP_GET: from malloc; NULL for an empty value */
    size_t got_len;
} op_t;

/* The key as it is sent, or NULL if it is none. */
static const char *wire_key(op_t *op, const char *key, char hashed[SB_SHA256_HEX_SIZE])
{
    const unsigned char *s;

    for (s = (const unsigned char *)key; *s; s++) {
        if (*s <= ' ' || *s >= 0x7f) {
            return NULL;
        }
    }
    op->key = key;
    op->key_len = (apr_size_t)((const char *)s - key);
    if (op->key_len > KEY_MAX_LEN) {
        op->key = sb_sha256_hex(hashed, key, op->key_len);
        op->key_len = SB_SHA256_HEX_SIZE - 1;
    }
    return op->key_len ? op->key : NULL;
}

static memcached_return_t call(memcached_st *m, op_t *op)
{
    memcached_return_t rc = MEMCACHED_FAILURE;
    uint32_t flags;

    switch (op->kind) {
    case OP_GET:
        op->got = memcached_get(m, op->key, op->key_len, &op->got_len, &flags, &rc);
        break;
    case OP_SET:
        rc = memcached_set(m, op->key, op->key_len, op->data, op->len, op->expire, 0);
        break;
    case OP_ADD:
        rc = memcached_add(m, op->key, op->key_len, op->data, op->len, op->expire, 0);
        break;
    case OP_REPLACE:
        rc = memcached_replace(m, op->key, op->key_len, op->data, op->len, op->expire, 0);
        break;
    case OP_DELETE:
        rc = memcached_delete(m, op->key, op->key_len, 0);
        break;
    }
    return rc;
}

static apr_status_t judge(const op_t *op, memcached_return_t rc)
{
    switch (rc) {
    case MEMCACHED_SUCCESS:
        return APR_SUCCESS;
    case MEMCACHED_NOTFOUND:
        return op->kind == OP_DELETE ? APR_SUCCESS : APR_NOTFOUND;
    case MEMCACHED_NOTSTORED:
    case MEMCACHED_DATA_EXISTS:
        return op->kind == OP_ADD       ? APR_EEXIST
               : op->kind == OP_REPLACE ? APR_NOTFOUND
                                        : SB_EUNAVAILABLE;
    case MEMCACHED_E2BIG:
        return SB_ETOOBIG;
    default:
        return SB_EUNAVAILABLE;
    }
}

static void complain(sb_cache_t *c, memcached_st *m, memcached_return_t rc)
{
    apr_uint32_t now = (apr_uint32_t)apr_time_sec(apr_time_now());
    apr_uint32_t last = apr_atomic_read32(&c->complained);
    const char *text = m ? memcached_last_error_message(m) : NULL;

    if (now - last >= COMPLAINT_GAP_SECS && apr_atomic_cas32(&c->complained, now, last) == last) {
        sb_log(SB_LOG_WARN, SBLOGNO(1260), SB_EUNAVAILABLE, "memcached: %s",
               text ? text : memcached_strerror(m, rc));
    }
}

static apr_status_t run(sb_cache_t *c, op_t *op)
{
    memcached_return_t rc;
    memcached_st *m;
    apr_status_t rv = SB_EUNAVAILABLE;
    int tries;

    /* Blocking is bounded: whoever holds a connection is inside one bounded call. */
    m = memcached_pool_pop(c->pool, true, &rc);
    if (!m) {
        complain(c, NULL, rc);
        return SB_EUNAVAILABLE;
    }
    for (tries = 0; tries < MAX_TRIES && rv == SB_EUNAVAILABLE; tries++) {
        rc = call(m, op);
        rv = judge(op, rc);
        if (rv != APR_SUCCESS) {
            free(op->got);
            op->got = NULL;
        }
    }
    if (rv == SB_EUNAVAILABLE) {
        complain(c, m, rc);
    }
    memcached_pool_push(c->pool, m);
    return rv;
}

static apr_status_t store(sb_cache_t *c, op_t *op, const char *key, apr_interval_time_t expire)
{
    char hashed[SB_SHA256_HEX_SIZE];
    apr_interval_time_t secs = apr_time_sec(expire + APR_USEC_PER_SEC - 1);

    if (!wire_key(op, key, hashed) || expire < 0) {
        return SB_EINPUT;
    }
    if (op->len > VALUE_MAX_LEN) {
        return SB_ETOOBIG;
    }
    op->expire = (time_t)(secs > EXPIRE_MAX_SECS ? EXPIRE_MAX_SECS : secs);
    return run(c, op);
}

/* ---- the calls ------------------------------------------------------------------------------- */

apr_status_t sb_cache_get(char **pdata, apr_size_t *plen, sb_cache_t *c, const char *key,
                          apr_pool_t *p)
{
    char hashed[SB_SHA256_HEX_SIZE];
    op_t op = {.kind = OP_GET};
    apr_status_t rv;

    *pdata = NULL;
    *plen = 0;
    if (!wire_key(&op, key, hashed)) {
        return SB_EINPUT;
    }
    rv = run(c, &op);
    if (rv == APR_SUCCESS) {
        *plen = op.got_len;
        *pdata = apr_pstrmemdup(p, op.got ? op.got : "", op.got_len);
    }
    free(op.got);
    return rv;
}

apr_status_t sb_cache_set(sb_cache_t *c, const char *key, const void *data, apr_size_t len,
                          apr_interval_time_t expire)
{
    op_t op = {.kind = OP_SET, .data = data, .len = len};

    return store(c, &op, key, expire);
}

apr_status_t sb_cache_add(sb_cache_t *c, const char *key, const void *data, apr_size_t len,
                          apr_interval_time_t expire)
{
    op_t op = {.kind = OP_ADD, .data = data, .len = len};

    return store(c, &op, key, expire);
}

apr_status_t sb_cache_replace(sb_cache_t *c, const char *key, const void *data, apr_size_t len,
                              apr_interval_time_t expire)
{
    op_t op = {.kind = OP_REPLACE, .data = data, .len = len};

    return store(c, &op, key, expire);
}

apr_status_t sb_cache_delete(sb_cache_t *c, const char *key)
{
    char hashed[SB_SHA256_HEX_SIZE];
    op_t op = {.kind = OP_DELETE};

    return wire_key(&op, key, hashed) ? run(c, &op) : SB_EINPUT;
}

apr_status_t sb_cache_ping(sb_cache_t *c)
{
    /* A copy of its own: libmemcached asks a version only once a connection. */
    memcached_st *m = memcached_clone(NULL, c->model);
    apr_status_t rv = SB_EUNAVAILABLE;
    uint32_t i;

    if (!m) {
        return APR_ENOMEM;
    }
    (void)memcached_version(m); /* fails if one server fails: look at each */
    for (i = 0; i < memcached_server_count(m); i++) {
        if (memcached_server_major_version(memcached_server_instance_by_position(m, i)) !=
            UINT8_MAX) {
            rv = APR_SUCCESS;
        }
    }
    memcached_free(m);
    return rv;
}
