/* Loading again what a crashed server lost: see sb_udl_revive.h. Files first, then the states, so that
 * a call that dies is finished by the next one. */

#include <string.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "store/sb_schema.h"
#include "udl/sb_udl_revive.h"
#include "udl/sb_udl_zones.h"

typedef struct {
    const sb_udl_conf_t *conf;
    sb_db_t *udl, *stats, *target; /* perhaps one and the same */
    apr_pool_t *p;
} revive_t;

static apr_status_t connect_to(sb_db_t **pdb, const revive_t *r, const char *url)
{
    sb_db_opts_t opts = {.app = "smarter-udl-trigger"};

    *pdb = r->udl;
    return strcmp(url, r->conf->udl_url) ? sb_db_open(pdb, url, &opts, r->p) : APR_SUCCESS;
}

/* Is the schema of a batch there, with nothing in it? */
static apr_status_t is_empty(int *pempty, const revive_t *r, const char *guid)
{
    sb_rows_t *rows;
    apr_status_t rv;

    *pempty = 0;
    /* emptied by a crash a table's file has no bytes; asked of all, whatever kind of batch it is */
    rv = sb_db_query_text(
        &rows, r->target,
        "SELECT sum(pg_relation_size(c.oid)) = 0 FROM pg_class c JOIN pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r'",
        1, &guid, r->p);
    if (rv == APR_SUCCESS && sb_rows_count(rows)) {
        *pempty = sb_rows_bool(rows, 0, 0) == 1;
    }
    return rv == SB_EDB ? APR_SUCCESS : rv; /* dropped meanwhile */
}

/* Did the loader call this batch loaded, and nobody promote it? */
static apr_status_t is_waiting(int *pwaiting, const revive_t *r, const char *guid)
{
    const char *args[] = {guid, r->conf->tenant};
    sb_rows_t *rows;
    apr_status_t rv;

    *pwaiting = 0;
    rv = sb_db_query_text(
        &rows, r->stats,
        sb_sql(r->p,
               "SELECT FROM {schema}.udl_stats WHERE batch_guid = $1 AND tenant = $2"
               " AND load_status IN ('udl.received', 'udl.ingested')",
               "schema", r->conf->stats_schema, NULL),
        2, args, r->p);
    if (rv == APR_SUCCESS) {
        *pwaiting = sb_rows_count(rows) == 1;
    }
    return rv;
}

static apr_status_t send_again(int *pn, const revive_t *r, const char *guid)
{
    const char *args[] = {guid};
    sb_udl_zones_t zones;
    sb_rows_t *rows;
    apr_status_t rv;

    rv = sb_db_query_text(
        &rows, r->udl,
        sb_sql(r->p,
               "SELECT path, (extract(epoch FROM arrived_at) * 1e6)::bigint FROM {schema}.package"
               " WHERE batch_guid = $1 AND state = 'done'",
               "schema", r->conf->udl_schema, NULL),
        1, args, r->p);
    if (rv != APR_SUCCESS || !sb_rows_count(rows)) {
        return rv; /* loaded by hand, or under way already */
    }
    rv = sb_udl_zones_make(&zones, r->conf, sb_rows_text(rows, 0, 0), guid,
                           sb_rows_int(rows, 0, 1, 0), 0, r->p);
    if (rv == APR_SUCCESS) {
        rv = sb_udl_zones_bring_back(&zones);
        sb_udl_zones_clean(&zones);
    }
    if (APR_STATUS_IS_ENOENT(rv)) {
        sb_log(SB_LOG_ERROR, SBLOGNO(2231), rv,
               "batch %s is empty and its package is not in history: send it again", guid);
        /* or it would hold back later ones of the same content for ever */
        return sb_db_exec_text(NULL, r->stats,
                               sb_sql(r->p,
                                      "UPDATE {schema}.udl_stats SET load_status = 'migrate.failed'"
                                      " WHERE batch_guid = $1 AND load_status = 'udl.ingested'",
                                      "schema", r->conf->stats_schema, NULL),
                               1, args);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_exec_text(
            NULL, r->stats,
            sb_sql(
                r->p,
                "UPDATE {schema}.udl_stats SET load_status = 'udl.received' WHERE batch_guid = $1",
                "schema", r->conf->stats_schema, NULL),
            1, args);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_exec_text(
            NULL, r->udl,
            sb_sql(r->p,
                   "UPDATE {schema}.package SET state = 'new', attempts = 0, queued_at = NULL"
                   " WHERE batch_guid = $1 AND state = 'done'",
                   "schema", r->conf->udl_schema, NULL),
            1, args);
    }
    if (rv == APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2230), SB_NO_STATUS,
               "batch %s lost its rows when the server crashed: it is loaded again", guid);
        ++*pn;
    }
    return rv;
}

/* Batches of one target database. */
static apr_status_t revive_from(int *pn, revive_t *r, const char *target_url)
{
    apr_array_header_t *guids;
    apr_status_t rv = connect_to(&r->target, r, target_url);
    int i, yes;

    if (rv == APR_SUCCESS) {
        rv = sb_batch_schema_list(&guids, r->target, r->p);
    }
    for (i = 0; rv == APR_SUCCESS && i < guids->nelts; i++) {
        const char *guid = APR_ARRAY_IDX(guids, i, const char *);

        rv = is_waiting(&yes, r, guid);
        if (rv == APR_SUCCESS && yes) {
            rv = is_empty(&yes, r, guid);
        }
        if (rv == APR_SUCCESS && yes) {
            rv = send_again(pn, r, guid);
        }
    }
    return rv;
}

apr_status_t sb_udl_revive(int *pn, sb_db_t *db, const sb_udl_conf_t *conf, apr_pool_t *p)
{
    revive_t r = {.conf = conf, .udl = db, .p = p};
    apr_status_t rv, first = APR_SUCCESS;
    int i;

    *pn = 0;
    rv = connect_to(&r.stats, &r, conf->stats_url);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; conf->target_urls[i]; i++) {
        rv = revive_from(pn, &r, conf->target_urls[i]); /* one that is away stops no other */
        first = first == APR_SUCCESS ? rv : first;
    }
    return first;
}
