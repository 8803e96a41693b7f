/* memcached: the calls. sb_cache_ring.c says which server is asked. Every call is bounded: connect and
 * poll time-outs, each server asked once, or twice when a connection turns out to be dead. Large values
 * are packed. */

#include "store/sb_cache.h"

#include <stdlib.h>
#include <string.h>

#include <apr_network_io.h>
#include <apr_strings.h>
#include <libmemcached/memcached.h>
#include <zlib.h>

#include "core/sb_crypto.h"
#include "store/sb_cache_ring.h"

#define KEY_MAX_LEN 200
#define ITEM_MAX_LEN (1024 * 1024 - 1024) /* what a server stores at most */
#define VALUE_MAX_LEN (64 * 1024 * 1024)  /* before it is packed */
#define PACK_FROM (256 * 1024)            /* below, the time costs more than the room */
#define PACKED 1                          /* flag: 8 bytes of length, then a zlib stream */
#define LENGTH_SIZE 8
#define EXPIRE_MAX_SECS (30 * 24 * 3600)
#define DEFAULT_CONNECTIONS 32
#define DEFAULT_PORT 11211

struct sb_cache_t {
    const apr_array_header_t *servers; /* const char * */
    memcached_st *model;               /* never connected; what the ring and health checks copy */
    sb_ring_t *ring;
};

static const struct {
    memcached_behavior_t what;
    apr_uint64_t value;
} behaviours[] = {
    {MEMCACHED_BEHAVIOR_NO_BLOCK, 0},        {MEMCACHED_BEHAVIOR_TCP_NODELAY, 1},
    {MEMCACHED_BEHAVIOR_TCP_KEEPALIVE, 1},   {MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, 500}, /* ms */
    {MEMCACHED_BEHAVIOR_POLL_TIMEOUT, 1000}, /* ms: left out, its sessions have to sign in again */
    {MEMCACHED_BEHAVIOR_RETRY_TIMEOUT, 0},   /* connect again at once: the ring says when */
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

    if (c->model) {
        memcached_free(c->model);
    }
    return APR_SUCCESS;
}

/* A handle of some servers, not connected. */
static apr_status_t make_model(memcached_st **pm, const char *const *servers, int n, apr_pool_t *p)
{
    memcached_st *m = *pm = memcached_create(NULL);
    apr_status_t rv = m ? APR_SUCCESS : APR_ENOMEM;

    for (apr_size_t i = 0; rv == APR_SUCCESS && i < sizeof(behaviours) / sizeof(behaviours[0]);
         i++) {
        if (memcached_behavior_set(m, behaviours[i].what, behaviours[i].value) !=
            MEMCACHED_SUCCESS) {
            rv = SB_ECONFIG;
        }
    }
    for (int i = 0; rv == APR_SUCCESS && i < n; i++) {
        rv = add_server(m, apr_pstrdup(p, servers[i]), p);
    }
    return rv;
}

apr_status_t sb_cache_make(sb_cache_t **pcache, const char *servers, int max_connections,
                           apr_pool_t *p)
{
    sb_cache_t *c = apr_pcalloc(p, sizeof(*c));
    apr_array_header_t *specs = apr_array_make(p, 4, sizeof(const char *));
    char *last, *spec;
    apr_status_t rv;

    *pcache = NULL;
    apr_pool_cleanup_register(p, c, destroy, apr_pool_cleanup_null);
    spec = apr_strtok(apr_pstrdup(p, servers ? servers : ""), ";, \t", &last);
    for (; spec; spec = apr_strtok(NULL, ";, \t", &last)) {
        APR_ARRAY_PUSH(specs, const char *) = spec;
    }
    if (!specs->nelts) {
        return SB_ECONFIG;
    }
    c->servers = specs;
    rv = make_model(&c->model, (const char *const *)specs->elts, specs->nelts, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = sb_ring_make(&c->ring, c->model,
                      max_connections > 0 ? max_connections : DEFAULT_CONNECTIONS, p);
    *pcache = rv == APR_SUCCESS ? c : NULL;
    return rv;
}

/* ---- one operation --------------------------------------------------------------------------- */

typedef struct {
    enum { OP_GET, OP_SET, OP_ADD, OP_REPLACE, OP_DELETE, OP_COUNT } kind;
    const char *key;
    apr_size_t key_len;
    const void *data;
    apr_size_t len;
    uint32_t flags;
    time_t expire;
    uint64_t count; /* OP_COUNT: what it is now */
    char *got;      /* OP_GET: from malloc; NULL for an empty value */
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

    switch (op->kind) {
    case OP_GET:
        op->got = memcached_get(m, op->key, op->key_len, &op->got_len, &op->flags, &rc);
        break;
    case OP_SET:
        rc = memcached_set(m, op->key, op->key_len, op->data, op->len, op->expire, op->flags);
        break;
    case OP_ADD:
        rc = memcached_add(m, op->key, op->key_len, op->data, op->len, op->expire, op->flags);
        break;
    case OP_REPLACE:
        rc = memcached_replace(m, op->key, op->key_len, op->data, op->len, op->expire, op->flags);
        break;
    case OP_DELETE:
        rc = memcached_delete(m, op->key, op->key_len, 0);
        break;
    case OP_COUNT:
        rc = memcached_increment(m, op->key, op->key_len, 1, &op->count);
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
    case MEMCACHED_SERVER_MEMORY_ALLOCATION_FAILURE: /* no room for this one; the server is well */
    case MEMCACHED_E2BIG:
        return SB_ETOOBIG;
    default:
        return SB_EUNAVAILABLE;
    }
}

static apr_status_t ask(memcached_return_t *prc, memcached_st *m, void *ctx)
{
    op_t *op = ctx;
    apr_status_t rv;

    *prc = call(m, op);
    rv = judge(op, *prc);
    if (rv != APR_SUCCESS) {
        free(op->got);
        op->got = NULL;
    }
    return rv;
}

static apr_status_t run(sb_cache_t *c, op_t *op)
{
    return sb_ring_run(c->ring, op->key, op->key_len, ask, op);
}

/* ---- packing: values above a server's limit, and what would keep the network busy -------------- */

/* Put a packed value in the place of op's own. @return SB_ETOOBIG it is too large even so */
static apr_status_t pack(op_t *op, char **pbuffer)
{
    uLongf room = compressBound(op->len);
    unsigned char *out;

    if (op->len > VALUE_MAX_LEN) {
        return SB_ETOOBIG;
    }
    out = malloc(LENGTH_SIZE + room);
    *pbuffer = (char *)out;
    if (!out) {
        return APR_ENOMEM;
    }
    for (int i = 0; i < LENGTH_SIZE; i++) {
        out[i] = (unsigned char)((apr_uint64_t)op->len >> 8 * (LENGTH_SIZE - 1 - i));
    }
    if (compress2(out + LENGTH_SIZE, &room, op->data, op->len, Z_BEST_SPEED) != Z_OK) {
        return APR_ENOMEM;
    }
    if (LENGTH_SIZE + room < op->len) {
        op->data = out;
        op->len = LENGTH_SIZE + room;
        op->flags = PACKED;
    }
    return op->len > ITEM_MAX_LEN ? SB_ETOOBIG : APR_SUCCESS;
}

/* @return APR_NOTFOUND: it is none of ours */
static apr_status_t unpack(char **pdata, apr_size_t *plen, const op_t *op, apr_pool_t *p)
{
    const unsigned char *in = (const unsigned char *)op->got;
    apr_uint64_t len = 0;
    uLongf got;

    for (int i = 0; i < LENGTH_SIZE && op->got_len > LENGTH_SIZE; i++) {
        len = len << 8 | in[i];
    }
    if (len == 0 || len > VALUE_MAX_LEN) {
        return APR_NOTFOUND;
    }
    *pdata = apr_palloc(p, (apr_size_t)len + 1);
    got = (uLongf)len;
    if (uncompress((unsigned char *)*pdata, &got, in + LENGTH_SIZE, op->got_len - LENGTH_SIZE) !=
            Z_OK ||
        got != len) {
        *pdata = NULL;
        return APR_NOTFOUND;
    }
    (*pdata)[len] = '\0';
    *plen = (apr_size_t)len;
    return APR_SUCCESS;
}

static apr_status_t store(sb_cache_t *c, op_t *op, const char *key, apr_interval_time_t expire)
{
    char hashed[SB_SHA256_HEX_SIZE], *packed = NULL;
    apr_interval_time_t secs = apr_time_sec(expire + APR_USEC_PER_SEC - 1);
    apr_status_t rv = APR_SUCCESS;

    if (!wire_key(op, key, hashed) || expire < 0) {
        return SB_EINPUT;
    }
    if (op->len >= PACK_FROM) {
        rv = pack(op, &packed);
    }
    if (rv == APR_SUCCESS) {
        op->expire = (time_t)(secs > EXPIRE_MAX_SECS ? EXPIRE_MAX_SECS : secs);
        rv = run(c, op);
    }
    free(packed);
    return rv;
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
    if (rv == APR_SUCCESS && op.flags & PACKED) {
        rv = unpack(pdata, plen, &op, p);
    }
    else if (rv == APR_SUCCESS) {
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

apr_status_t sb_cache_count(apr_uint64_t *pn, sb_cache_t *c, const char *key,
                            apr_interval_time_t expire)
{
    char hashed[SB_SHA256_HEX_SIZE];
    op_t op = {.kind = OP_COUNT};
    apr_status_t rv;

    *pn = 1;
    if (!wire_key(&op, key, hashed)) {
        return SB_EINPUT;
    }
    rv = run(c, &op);
    if (rv == APR_NOTFOUND) {
        rv = sb_cache_add(c, key, "1", 1, expire);
        if (rv != APR_EEXIST) {
            return rv;
        }
        rv = run(c, &op); /* somebody else was first in between */
    }
    *pn = op.count;
    return rv;
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

apr_status_t sb_cache_nodes(const apr_array_header_t **pnodes, sb_cache_t *c, apr_pool_t *p)
{
    apr_array_header_t *nodes = apr_array_make(p, c->servers->nelts, sizeof(sb_cache_node_t));

    *pnodes = nodes;
    for (int i = 0; i < c->servers->nelts; i++) {
        const char *server = APR_ARRAY_IDX(c->servers, i, const char *);
        sb_cache_node_t *node = apr_array_push(nodes);
        memcached_return_t rc = MEMCACHED_FAILURE;
        memcached_stat_st *st;
        memcached_st *m;
        apr_status_t rv = make_model(&m, &server, 1, p);

        *node = (sb_cache_node_t){.server = server};
        st = rv == APR_SUCCESS ? memcached_stat(m, NULL, &rc) : NULL;
        if (st && rc == MEMCACHED_SUCCESS) {
            node->answers = 1;
            node->items = (apr_int64_t)st->curr_items;
            node->bytes = (apr_int64_t)st->bytes;
            node->limit = (apr_int64_t)st->limit_maxbytes;
            node->hits = (apr_int64_t)st->get_hits;
            node->misses = (apr_int64_t)st->get_misses;
            node->evictions = (apr_int64_t)st->evictions;
            node->uptime = apr_time_from_sec((apr_int64_t)st->uptime);
        }
        if (st) {
            memcached_stat_free(m, st);
        }
        if (m) {
            memcached_free(m);
        }
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    return APR_SUCCESS;
}
