/* Pools of database connections. */

#include <poll.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include "core/sb_log.h"
#include "store/sb_db_private.h"

#define DEFAULT_CONNECTIONS 16
#define DEFAULT_WAIT apr_time_from_sec(5)

struct sb_dbpool_t {
    const char *url;
    sb_db_opts_t opts;
    apr_pool_t *pool;
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *freed;
    sb_db_t **idle; /* a stack: the most recently used is the warmest */
    int nidle, nopen, max;
};

static apr_status_t destroy_pool(void *data)
{
    sb_dbpool_t *dp = data;

    while (dp->nidle > 0) {
        apr_pool_destroy(dp->idle[--dp->nidle]->pool);
    }
    return APR_SUCCESS;
}

apr_status_t sb_dbpool_make(sb_dbpool_t **ppool, const char *url, const sb_db_opts_t *opts,
                            apr_pool_t *p)
{
    sb_dbpool_t *dp = apr_pcalloc(p, sizeof(*dp));
    apr_status_t rv;

    *ppool = NULL;
    dp->url = apr_pstrdup(p, url);
    if (opts) {
        dp->opts = *opts;
    }
    dp->opts.schema = apr_pstrdup(p, dp->opts.schema);
    dp->opts.app = apr_pstrdup(p, dp->opts.app);
    dp->max = dp->opts.max_connections > 0 ? dp->opts.max_connections : DEFAULT_CONNECTIONS;
    dp->pool = p;
    dp->idle = apr_pcalloc(p, (apr_size_t)dp->max * sizeof(*dp->idle));
    rv = apr_thread_mutex_create(&dp->mutex, APR_THREAD_MUTEX_DEFAULT, p);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&dp->freed, p);
    }
    if (rv == APR_SUCCESS) {
        apr_pool_cleanup_register(p, dp, destroy_pool, apr_pool_cleanup_null);
        *ppool = dp;
    }
    return rv;
}

/* Has the server hung up (or sent anything we did not ask for) while the connection was idle? */
static int is_stale(sb_db_t *db)
{
    struct pollfd pfd = {.fd = PQsocket(db->conn), .events = POLLIN};

    if (PQstatus(db->conn) != CONNECTION_OK) {
        return 1;
    }
    /* A server that shuts down says so first; the end of the stream is only the next thing to read. */
    while (poll(&pfd, 1, 0) > 0) {
        if (!PQconsumeInput(db->conn) || PQstatus(db->conn) != CONNECTION_OK) {
            return 1;
        }
    }
    return 0;
}

static apr_status_t give_back(void *data)
{
    sb_db_t *db = data;
    sb_dbpool_t *dp = db->home;
    int reusable = PQstatus(db->conn) == CONNECTION_OK && !db->gave_up &&
                   PQtransactionStatus(db->conn) == PQTRANS_IDLE;

    if (!reusable) {
        apr_pool_destroy(db->pool);
    }
    apr_thread_mutex_lock(dp->mutex);
    if (reusable) {
        dp->idle[dp->nidle++] = db;
    }
    else {
        dp->nopen--;
    }
    apr_thread_cond_signal(dp->freed);
    apr_thread_mutex_unlock(dp->mutex);
    return APR_SUCCESS;
}

apr_status_t sb_dbpool_get(sb_db_t **pdb, sb_dbpool_t *dp, apr_pool_t *p)
{
    apr_interval_time_t wait = dp->opts.wait ? dp->opts.wait : DEFAULT_WAIT;
    apr_time_t until = apr_time_now() + wait;
    apr_pool_t *own;
    apr_status_t rv;
    sb_db_t *db;

    *pdb = NULL;
    apr_thread_mutex_lock(dp->mutex);
    for (;;) {
        if (dp->nidle > 0) {
            db = dp->idle[--dp->nidle];
            apr_thread_mutex_unlock(dp->mutex);
            if (!is_stale(db)) {
                goto found;
            }
            apr_pool_destroy(db->pool);
            apr_thread_mutex_lock(dp->mutex);
            dp->nopen--;
            continue;
        }
        if (dp->nopen < dp->max) {
            dp->nopen++;
            apr_thread_mutex_unlock(dp->mutex);
            break;
        }
        rv = apr_thread_cond_timedwait(dp->freed, dp->mutex, wait);
        wait = until - apr_time_now();
        if (wait <= 0 || (rv != APR_SUCCESS && !APR_STATUS_IS_TIMEUP(rv))) {
            apr_thread_mutex_unlock(dp->mutex);
            sb_log(
                SB_LOG_WARN, SBLOGNO(1202), SB_NO_STATUS,
                "all %d database connections of this process are in use; none became free in time",
                dp->max);
            return SB_EUNAVAILABLE;
        }
    }
    rv = apr_pool_create_unmanaged_ex(&own, NULL, NULL);
    if (rv == APR_SUCCESS) {
        rv = sb_db_connect(&db, dp->url, &dp->opts, own);
        if (rv != APR_SUCCESS) {
            sb_log(SB_LOG_WARN, SBLOGNO(1203), rv, "connecting to the database: %s",
                   db ? sb_db_error(db) : "");
            apr_pool_destroy(own);
        }
    }
    if (rv != APR_SUCCESS) {
        apr_thread_mutex_lock(dp->mutex);
        dp->nopen--;
        apr_thread_cond_signal(dp->freed);
        apr_thread_mutex_unlock(dp->mutex);
        return rv;
    }
    db->home = dp;
found:
    sb_db_forget_error(db);
    apr_pool_cleanup_register(p, db, give_back, apr_pool_cleanup_null);
    *pdb = db;
    return APR_SUCCESS;
}
