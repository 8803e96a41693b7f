/* memcached servers: who has a key, who is left out. */

#include "store/sb_cache_ring.h"

#include <apr_atomic.h>
#include <apr_strings.h>
#include <libmemcachedutil-1.0/pool.h>

#include "core/sb_log.h"
#include "core/sb_time.h"

#define AWAY_MSECS 2000 /* how long a server is left out that did not answer */
#define COMPLAINT_GAP_MSECS 10000
#define WAIT_SECS 2 /* for one of its connections; holders are inside one bounded call */
#define SERVERS_MAX 64

typedef struct {
    const char *name; /* host:port */
    apr_uint64_t seed;
    memcached_st *model;
    memcached_pool_st *pool;
    apr_uint32_t away; /* until when it is left out, in milliseconds of the ring; 0: it answers */
    apr_uint32_t complained; /* when, the same: an outage must not flood the log; 0: never */
} node_t;

struct sb_ring_t {
    double start;
    int n;
    node_t *nodes;
};

static apr_uint32_t now_of(const sb_ring_t *ring)
{
    return (apr_uint32_t)(1000 * (sb_time_monotonic() - ring->start)) + 1; /* never 0 */
}

/* ---- making ---------------------------------------------------------------------------------- */

static apr_uint64_t hash(const char *text, apr_size_t len) /* FNV-1a */
{
    apr_uint64_t h = 14695981039346656037u;

    for (apr_size_t i = 0; i < len; i++) {
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    }
    return h;
}

static apr_status_t destroy(void *data)
{
    sb_ring_t *ring = data;

    for (int i = 0; i < ring->n; i++) {
        if (ring->nodes[i].pool) {
            memcached_pool_destroy(ring->nodes[i].pool);
        }
        if (ring->nodes[i].model) {
            memcached_free(ring->nodes[i].model);
        }
    }
    return APR_SUCCESS;
}

static apr_status_t make_node(node_t *node, const memcached_st *model, int i, int connections,
                              apr_pool_t *p)
{
    const memcached_instance_st *server = memcached_server_instance_by_position(model, (uint32_t)i);
    const char *host = memcached_server_name(server);
    in_port_t port = memcached_server_port(server);
    memcached_return_t rc;

    node->name = port ? apr_psprintf(p, "%s:%d", host, (int)port) : apr_pstrdup(p, host);
    node->seed = hash(node->name, strlen(node->name));
    node->model = memcached_clone(NULL, model);
    if (!node->model) {
        return APR_ENOMEM;
    }
    memcached_servers_reset(node->model);
    rc = port ? memcached_server_add(node->model, host, port)
              : memcached_server_add_unix_socket(node->model, host);
    if (rc != MEMCACHED_SUCCESS) {
        return SB_ECONFIG;
    }
    node->pool = memcached_pool_create(node->model, 1, (uint32_t)connections);
    return node->pool ? APR_SUCCESS : APR_ENOMEM;
}

apr_status_t sb_ring_make(sb_ring_t **pring, const memcached_st *model, int connections,
                          apr_pool_t *p)
{
    sb_ring_t *ring = apr_pcalloc(p, sizeof(*ring));
    apr_status_t rv = APR_SUCCESS;

    *pring = NULL;
    ring->start = sb_time_monotonic();
    ring->n = (int)memcached_server_count(model);
    if (ring->n > SERVERS_MAX) {
        return SB_ECONFIG;
    }
    ring->nodes = apr_pcalloc(p, (apr_size_t)ring->n * sizeof(*ring->nodes));
    apr_pool_cleanup_register(p, ring, destroy, apr_pool_cleanup_null);
    for (int i = 0; i < ring->n && rv == APR_SUCCESS; i++) {
        rv = make_node(&ring->nodes[i], model, i, connections, p);
    }
    *pring = rv == APR_SUCCESS ? ring : NULL;
    return rv;
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* The order of the servers for one key is that of these: each key has its own, and a server that goes
 * moves no key but its own (rendezvous hashing). */
static apr_uint64_t weight(const node_t *node, apr_uint64_t key)
{
    apr_uint64_t z = node->seed ^ key;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* May it be asked? When its time is over, one caller tries and the others go on leaving it out. */
static int is_open(const sb_ring_t *ring, node_t *node)
{
    apr_uint32_t until = apr_atomic_read32(&node->away), now = now_of(ring);

    return until == 0 ||
           (now >= until && apr_atomic_cas32(&node->away, now + AWAY_MSECS, until) == until);
}

/* @return NULL: no server is left that may be asked */
static node_t *choose(apr_uint64_t *pasked, sb_ring_t *ring, apr_uint64_t key)
{
    for (;;) {
        int best = -1;

        for (int i = 0; i < ring->n; i++) {
            if (!(*pasked >> i & 1) &&
                (best < 0 || weight(&ring->nodes[i], key) > weight(&ring->nodes[best], key))) {
                best = i;
            }
        }
        if (best < 0) {
            return NULL;
        }
        *pasked |= (apr_uint64_t)1 << best;
        if (is_open(ring, &ring->nodes[best])) {
            return &ring->nodes[best];
        }
    }
}

static void complain(const sb_ring_t *ring, node_t *node, memcached_st *m, memcached_return_t rc)
{
    const char *text = m ? memcached_last_error_message(m) : NULL;
    apr_uint32_t last = apr_atomic_read32(&node->complained), now = now_of(ring);

    if ((last == 0 || now - last >= COMPLAINT_GAP_MSECS) &&
        apr_atomic_cas32(&node->complained, now, last) == last) {
        sb_log(SB_LOG_WARN, SBLOGNO(1260), SB_EUNAVAILABLE, "memcached %s: %s", node->name,
               text ? text : memcached_strerror(m, rc));
    }
}

static apr_status_t ask_node(sb_ring_t *ring, node_t *node, sb_ring_ask_t *ask, void *ctx)
{
    struct timespec wait = {WAIT_SECS, 0};
    memcached_return_t rc = MEMCACHED_SUCCESS;
    memcached_st *m = memcached_pool_fetch(node->pool, &wait, &rc);
    apr_status_t rv = SB_EUNAVAILABLE;

    if (m) {
        rv = ask(&rc, m, ctx);
        /* The server may have been started again since this connection was made. */
        if (rv == SB_EUNAVAILABLE && rc != MEMCACHED_TIMEOUT) {
            rv = ask(&rc, m, ctx);
        }
    }
    if (rv == SB_EUNAVAILABLE) {
        apr_atomic_set32(&node->away, now_of(ring) + AWAY_MSECS);
        complain(ring, node, m, rc);
    }
    else if (apr_atomic_read32(&node->away) != 0) {
        apr_atomic_set32(&node->away, 0);
    }
    if (m) {
        memcached_pool_release(node->pool, m);
    }
    return rv;
}

apr_status_t sb_ring_run(sb_ring_t *ring, const char *key, apr_size_t len, sb_ring_ask_t *ask,
                         void *ctx)
{
    apr_uint64_t h = hash(key, len), asked = 0;
    apr_status_t rv = SB_EUNAVAILABLE;
    node_t *node;

    while (rv == SB_EUNAVAILABLE && (node = choose(&asked, ring, h)) != NULL) {
        rv = ask_node(ring, node, ask, ctx);
    }
    return rv;
}
