/**
 * Making the archives of a request: one connection, one snapshot, one after the other. Rows come, become
 * lines and are compressed while the next ones come; in memory is a row and what is on its way.
 */

#include "extract/sb_extract_private.h"

#include <string.h>

#define SORT_MEMORY "SET LOCAL work_mem = '64MB'" /* of the server, for the order of names */
#define PROGRESS_EACH 1000                        /* rows */

apr_status_t sb_extract_look(sb_extract_work_t *k)
{
    return k->run->progress ? k->run->progress(k->run->ctx, k->result->rows, k->result->plan.rows)
                            : APR_SUCCESS;
}

apr_status_t sb_extract_did(sb_extract_work_t *k, apr_int64_t n)
{
    sb_extract_result_t *r = k->result;
    apr_int64_t before = r->rows / PROGRESS_EACH;
    apr_status_t rv;

    r->rows += n;
    if (r->rows / PROGRESS_EACH == before) {
        return APR_SUCCESS;
    }
    rv = sb_zip_status(k->zip);
    return rv == APR_SUCCESS ? sb_extract_look(k) : rv;
}

apr_status_t sb_extract_next_part(sb_extract_work_t *k)
{
    apr_status_t rv = k->zip ? sb_zip_end(k->zip) : APR_SUCCESS;

    k->part += k->zip != NULL;
    k->zip = NULL;
    return rv == APR_SUCCESS ? k->run->open(&k->zip, k->run->ctx, k->part) : rv;
}

static apr_status_t make_kind(sb_extract_work_t *k)
{
    switch (k->x->kind) {
    case SB_EXTRACT_ASSESSMENT:
        return sb_extract_results(k);
    case SB_EXTRACT_ITEMS:
        return sb_extract_items(k);
    case SB_EXTRACT_RAW:
        return sb_extract_raw(k);
    default:
        return sb_extract_registration(k);
    }
}

/* Inside the snapshot. */
static apr_status_t make(sb_extract_work_t *k)
{
    sb_extract_plan_t *plan = &k->result->plan;
    apr_status_t rv = sb_extract_plan(plan, k->x, k->run->conf, k->run->db, k->p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    k->result->moved = k->x->version && strcmp(k->x->version, plan->version);
    if (plan->parts == 0) {
        return APR_NOTFOUND;
    }
    if (k->x->parts > 0) {
        plan->parts = k->x->parts; /* that many were promised */
    }
    rv = sb_db_script(k->run->db, SORT_MEMORY);
    if (rv == APR_SUCCESS) {
        rv = sb_extract_next_part(k);
    }
    if (rv == APR_SUCCESS) {
        rv = make_kind(k);
    }
    while (rv == APR_SUCCESS && k->part + 1 < plan->parts) { /* there was less than promised */
        rv = sb_extract_next_part(k);
    }
    return rv == APR_SUCCESS ? sb_zip_end(k->zip) : rv;
}

/* While the server counts or sorts there are no rows to look between. */
static apr_status_t look_while_waiting(void *work)
{
    return sb_extract_look(work);
}

apr_status_t sb_extract_make(sb_extract_result_t *result, const sb_extract_t *x,
                             const sb_extract_run_t *run, apr_pool_t *p)
{
    sb_extract_work_t k = {.x = x, .run = run, .result = result, .p = p};
    apr_status_t rv;

    memset(result, 0, sizeof(*result));
    sb_db_watch(run->db, look_while_waiting, &k);
    rv = sb_db_begin(run->db, SB_TX_SNAPSHOT);
    if (rv == APR_SUCCESS) {
        rv = make(&k);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_commit(run->db);
    }
    sb_db_watch(run->db, NULL, NULL);
    sb_db_rollback(run->db); /* whatever is left of it */
    return rv;
}
