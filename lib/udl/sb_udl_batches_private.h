#ifndef SB_UDL_BATCHES_PRIVATE_H
#define SB_UDL_BATCHES_PRIVATE_H

/** What the files of sb_udl_batches.h share: the two databases, and how their statements are written. */

#include "udl/sb_udl_batches.h"

struct sb_batches_t {
    const sb_conf_t *conf;
    const char *app;
    sb_db_t *udl, *stats; /* perhaps the same */
    const char *udl_schema, *stats_schema;
};

/** Of a timestamp in SQL: an apr_time_t. */
#define EPOCH(t) " (extract(epoch FROM " t ") * 1e6)::bigint"

/** A statement with the name of its schema for {schema}. */
const char *sb_batches_udl_sql(const sb_batches_t *b, const char *sql, apr_pool_t *p);
const char *sb_batches_stats_sql(const sb_batches_t *b, const char *sql, apr_pool_t *p);

#endif
