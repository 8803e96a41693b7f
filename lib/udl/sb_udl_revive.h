#ifndef SB_UDL_REVIVE_H
#define SB_UDL_REVIVE_H

/**
 * Batches emptied by a crash of their database server. The tables of a batch are unlogged: such a
 * crash leaves the schema and takes the rows. The package is in history, so it is loaded again.
 */

#include "udl/sb_udl_conf.h"
#include "store/sb_db.h"

/**
 * Find batches of one tenant that are waiting for promotion, or were refused by it, with nothing in
 * them, and send their packages through the loader once more.
 * @param db a connection to the loader's database
 * @param n  how many
 */
apr_status_t sb_udl_revive(int *n, sb_db_t *db, const sb_udl_conf_t *conf,
                           apr_pool_t *p) SB_MUST_CHECK;

#endif
