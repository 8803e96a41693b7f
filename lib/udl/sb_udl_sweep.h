#ifndef SB_UDL_SWEEP_H
#define SB_UDL_SWEEP_H

/**
 * What dying programs and full disks left behind of batches that have ended: packages that were not put
 * away, work directories, schemas of failed batches. For the trigger, now and then. What belongs to a
 * batch that has not ended is left alone.
 */

#include "udl/sb_udl_conf.h"
#include "store/sb_db.h"

/**
 * Sweep for one tenant.
 * @param db   a connection to the loader's database
 * @param keep how long schemas of failed batches are wanted
 */
apr_status_t sb_udl_sweep(sb_db_t *db, const sb_udl_conf_t *conf, apr_interval_time_t keep,
                          apr_pool_t *p) SB_MUST_CHECK;

#endif
