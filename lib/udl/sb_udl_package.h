#ifndef SB_UDL_PACKAGE_H
#define SB_UDL_PACKAGE_H

/**
 * Packages that arrived (table package of the loader's schema): recorded by the trigger, claimed by
 * a worker. A claim is a session advisory lock and the state 'running': when a worker dies its lock
 * vanishes and the row can be announced again. Every call is one transaction of its own.
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
    int attempts; /* this one included */
} sb_udl_package_t;

/** Be the one trigger of this loader, as long as the session lasts. @return SB_EBUSY there is one */
apr_status_t sb_udl_package_watch(sb_db_t *db, const char *schema, apr_pool_t *p) SB_MUST_CHECK;

/**
 * Record a package that is complete.
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

/** The claimed package goes back: this attempt does not count; it is announced again. */
apr_status_t sb_udl_package_return(sb_db_t *db, const char *schema, const sb_udl_package_t *package,
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
