#ifndef SB_UDL_PACKAGE_H
#define SB_UDL_PACKAGE_H

/**
 * Packages that arrived (table package of the loader's schema): recorded by the trigger, claimed by
 * a worker. A claim is a session advisory lock and the state 'running': when a worker dies its lock
 * vanishes and the row can be announced again. Every call is one transaction of its own.
 *
 * A worker that is cut off from the loader's database loses its claim without noticing. What keeps it
 * from doing harm: it writes down what it did on the connection that holds the claim, it commits rows
 * only behind the fence of the batch, and after asking whether the claim still holds
 * (sb_udl_log_stage), and its work directory is of this claim alone.
 */

#include <apr_tables.h>
#include "store/sb_db.h"

typedef struct {
    apr_int64_t id;
    const char *guid; /* of the batch */
    const char *path;
    const char *tenant;
    apr_int64_t size;
    apr_time_t mtime;
    apr_time_t arrived;
    int attempts;       /* this one included */
    apr_int64_t claims; /* the number of this claim */
} sb_udl_package_t;

/**
 * Prepare a connection that is to hold locks: the server gives up a client that it cannot reach within
 * a minute, not after two hours.
 */
apr_status_t sb_udl_package_session(sb_db_t *db) SB_MUST_CHECK;

/** Be the one trigger of this loader, as long as the session lasts. @return SB_EBUSY there is one */
apr_status_t sb_udl_package_watch(sb_db_t *db, const char *schema, apr_pool_t *p) SB_MUST_CHECK;

/**
 * Record a package that is complete. Of two calls the later one has the later arrived_at.
 * @param pguid the batch guid it got, or has already
 * @return APR_SUCCESS; APR_EEXIST that path is waiting or being loaded already
 */
apr_status_t sb_udl_package_add(const char **pguid, sb_db_t *db, const char *schema,
                                const char *path, const char *tenant, apr_int64_t size,
                                apr_time_t mtime, apr_pool_t *p) SB_MUST_CHECK;

/**
 * Claim a package for this session.
 * @param worker "host:pid", for people
 * @return APR_SUCCESS; SB_EBUSY another worker has it; APR_NOTFOUND no such package, or it is done
 */
apr_status_t sb_udl_package_claim(sb_udl_package_t *package, sb_db_t *db, const char *schema,
                                  const char *guid, const char *worker,
                                  apr_pool_t *p) SB_MUST_CHECK;

/** The claimed package ended. @param error NULL if it was loaded */
apr_status_t sb_udl_package_end(sb_db_t *db, const char *schema, const sb_udl_package_t *package,
                                const char *error, apr_pool_t *p) SB_MUST_CHECK;

/**
 * The claimed package goes back: this attempt does not count, and it is announced again.
 * @param later 0: at once; 1: after a pause, longer each time up to a minute, for what it needs was
 *              not there
 */
apr_status_t sb_udl_package_return(sb_db_t *db, const char *schema, const sb_udl_package_t *package,
                                   int later, apr_pool_t *p) SB_MUST_CHECK;

/**
 * The same for a claim whose connection was lost: the attempt does not count, though another worker
 * may have the package by now. To be called once.
 */
apr_status_t sb_udl_package_forgive(sb_db_t *db, const char *schema, const char *guid,
                                    apr_int64_t claims, apr_pool_t *p) SB_MUST_CHECK;

/**
 * Inside the transaction that makes the batch schema: be the only one who writes this batch there. A
 * worker that lost its claim and does not know it is cut off; what it had done is rolled back.
 * @return SB_EUNAVAILABLE it would not go
 */
apr_status_t sb_udl_package_fence(sb_db_t *target, const char *guid, apr_pool_t *p) SB_MUST_CHECK;

/** The same for who only clears up: nobody is cut off. @return SB_EBUSY somebody writes the batch */
apr_status_t sb_udl_package_try_fence(sb_db_t *target, const char *guid,
                                      apr_pool_t *p) SB_MUST_CHECK;

/**
 * Packages to announce: new ones; queued ones whose message is overdue; running ones whose worker is
 * gone. Oldest first.
 * @param overdue age of a message that is taken for lost
 * @param ppackages of sb_udl_package_t, of which guid and attempts are set
 */
apr_status_t sb_udl_package_waiting(apr_array_header_t **ppackages, sb_db_t *db, const char *schema,
                                    apr_interval_time_t overdue, int max,
                                    apr_pool_t *p) SB_MUST_CHECK;

/** Its message is at the broker. */
apr_status_t sb_udl_package_announced(sb_db_t *db, const char *schema,
                                      const sb_udl_package_t *package, apr_pool_t *p) SB_MUST_CHECK;

#endif
