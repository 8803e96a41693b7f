/* Pools of database connections. */

#include <poll.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "store/sb_db_private.h"

#define DEFAULT_CONNECTIONS 16
#define DEFAULT_WAIT apr_time_from_sec(5)
#define HANGS_SECS 1.0 /* connecting that failed and took longer was not refused */

struct sb_dbpool_t {
    const char *url;
    sb_db_opts_t opts;
    apr_pool_t *pool;
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *freed;
    sb_db_t **idle; /* a stack: the most recently used is the warmest */
    int nidle, nopen, max;
    apr_interval_time_t wait;
    double moved; /* when one was last opened, taken or came back, sb_time_monotonic() */
    int hangs;    /* the server did not answer in time the last time somebody asked */
    int on_trial; /* somebody is trying whether it does again */
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
    dp->wait = dp->opts.wait ? dp->opts.wait : DEFAULT_WAIT;
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
    int gave_up = db->gave_up;
    int hung = gave_up && db->stopped == APR_SUCCESS; /* else it was we who did not want to wait */
    int reusable = !gave_up && PQstatus(db->conn) == CONNECTION_OK &&
                   PQtransactionStatus(db->conn) == PQTRANS_IDLE;

    if (reusable) {
        sb_db_watch(db, NULL, NULL);
    }
    else {
        apr_pool_destroy(db->pool);
    }
    apr_thread_mutex_lock(dp->mutex);
    if (reusable) {
        dp->idle[dp->nidle++] = db;
    }
    else {
        dp->nopen--;
    }
    dp->hangs = dp->hangs || hung;
    dp->moved = sb_time_monotonic();
    apr_thread_cond_signal(dp->freed);
    apr_thread_mutex_unlock(dp->mutex);
    return APR_SUCCESS;
}

/* ---- borrowing: each of these is called and left under the mutex ------------------------------- */

/* Wait until a connection comes back. */
static apr_status_t wait_for_one(sb_dbpool_t *dp, double until)
{
    double now = sb_time_monotonic();

    if (now >= until || now - dp->moved > (double)dp->wait / APR_USEC_PER_SEC) {
        sb_log(SB_LOG_WARN, SBLOGNO(1202), SB_NO_STATUS,
               "all %d database connections of this process are in use; none became free in time",
               dp->max);
        return SB_EUNAVAILABLE;
    }
    (void)apr_thread_cond_timedwait(dp->freed, dp->mutex,
                                    (apr_interval_time_t)((until - now) * APR_USEC_PER_SEC) + 1);
    return APR_SUCCESS;
}

/* The connection used last; NULL when the server has hung up on it. */
static sb_db_t *take_idle(sb_dbpool_t *dp)
{
    sb_db_t *db = dp->idle[--dp->nidle];

    if (is_stale(db)) {
        apr_pool_destroy(db->pool);
        dp->nopen--;
        return NULL;
    }
    return db;
}

static apr_status_t open_new(sb_db_t **pdb, sb_dbpool_t *dp)
{
    double start = sb_time_monotonic();
    apr_pool_t *own;
    apr_status_t rv;

    dp->nopen++;
    dp->moved = start;
    apr_thread_mutex_unlock(dp->mutex);
    rv = apr_pool_create_unmanaged_ex(&own, NULL, NULL);
    if (rv == APR_SUCCESS) {
        rv = sb_db_connect(pdb, dp->url, &dp->opts, own);
        if (rv != APR_SUCCESS) {
            sb_log(SB_LOG_WARN, SBLOGNO(1203), rv, "connecting to the database: %s",
                   *pdb ? sb_db_error(*pdb) : "");
            apr_pool_destroy(own);
            *pdb = NULL;
        }
    }
    apr_thread_mutex_lock(dp->mutex);
    if (rv != APR_SUCCESS) {
        dp->nopen--;
        /* A server that refuses does so at once and holds up nobody. */
        dp->hangs = sb_time_monotonic() - start > HANGS_SECS;
        apr_thread_cond_signal(dp->freed);
    }
    return rv;
}

/* The server hung: does it answer again? Who is the first to ask tries it, with one connection. */
static apr_status_t try_again(sb_db_t **pdb, sb_dbpool_t *dp)
{
    apr_status_t rv = SB_EUNAVAILABLE;

    if (dp->on_trial) {
        return rv;
    }
    dp->on_trial = 1;
    if (dp->nidle > 0) {
        *pdb = dp->idle[--dp->nidle];
        apr_thread_mutex_unlock(dp->mutex);
        rv = sb_db_ping(*pdb);
        if (rv != APR_SUCCESS) {
            apr_pool_destroy((*pdb)->pool);
            *pdb = NULL;
        }
        apr_thread_mutex_lock(dp->mutex);
        dp->nopen -= rv != APR_SUCCESS;
    }
    else if (dp->nopen < dp->max) {
        rv = open_new(pdb, dp);
    }
    if (rv == APR_SUCCESS) {
        dp->hangs = 0;
    }
    dp->on_trial = 0;
    return rv;
}

apr_status_t sb_dbpool_get(sb_db_t **pdb, sb_dbpool_t *dp, apr_pool_t *p)
{
    double until = sb_time_monotonic() + (double)dp->wait / APR_USEC_PER_SEC;
    apr_status_t rv = APR_SUCCESS;
    sb_db_t *db = NULL;

    *pdb = NULL;
    apr_thread_mutex_lock(dp->mutex);
    while (!db && rv == APR_SUCCESS) {
        if (dp->hangs) {
            rv = try_again(&db, dp);
        }
        else if (dp->nidle > 0) {
            db = take_idle(dp);
        }
        else if (dp->nopen < dp->max) {
            rv = open_new(&db, dp);
        }
        else {
            rv = wait_for_one(dp, until);
        }
    }
    if (rv == APR_SUCCESS) {
        dp->moved = sb_time_monotonic();
    }
    apr_thread_mutex_unlock(dp->mutex);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    db->home = dp;
    db->until = 0;
    if (dp->opts.lease) {
        sb_db_limit(db, dp->opts.lease);
    }
    sb_db_forget_error(db);
    apr_pool_cleanup_register(p, db, give_back, apr_pool_cleanup_null);
    *pdb = db;
    return APR_SUCCESS;
}
