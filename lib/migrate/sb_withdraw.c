/* Taking a batch back: which one, whether it can be, the transaction, and what is noted. */

#include "config.h"

#include <string.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "core/sb_uuid.h"
#include "migrate/sb_migrate_db.h"
#include "migrate/sb_withdraw_run.h"

/* ---- the batch ----------------------------------------------------------------------------------- */

static const sb_stmt_t find_batch = {
    .name = "withdraw_find",
    .nargs = 1,
    .sql = "SELECT tenant, load_type, load_status FROM {schema}.udl_stats WHERE batch_guid = $1"};
static const sb_stmt_t set_status = {
    .name = "withdraw_set_status",
    .nargs = 1,
    .sql = "UPDATE {schema}.udl_stats SET load_status = 'migrate.withdrawn'"
           " WHERE batch_guid = $1 AND load_status <> 'migrate.withdrawn'"};

#define ISO(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"

static const char find_mark[] = "SELECT " ISO("applied_at") ", " ISO(
    "withdrawn_at") ", first_id, last_id, content_key,"
                    " withdrawn_version, superseded, (SELECT count(*) FROM {schema}.batch_applied l"
                    " WHERE l.first_id > a.first_id AND l.withdrawn_at IS NULL),"
                    " EXISTS (SELECT FROM {schema}.batch_applied l WHERE l.content_key = "
                    "a.content_key"
                    " AND l.first_id > a.first_id AND l.withdrawn_at IS NULL)"
                    " FROM {schema}.batch_applied a WHERE batch_guid = $1";

static const char mark[] =
    "WITH v AS (UPDATE {schema}.data_version SET version = version + 1, changed_at = now()"
    " RETURNING version) UPDATE {schema}.batch_applied"
    " SET withdrawn_at = now(), withdrawn_version = version FROM v WHERE batch_guid = $1"
    " RETURNING version, " ISO("withdrawn_at");

/* Fills in what production knows. @param preplaced a later batch has the same content
 * @param psuperseded how many rows it superseded */
static apr_status_t judge(sb_withdrawal_t *run, int *preplaced, apr_int64_t *psuperseded)
{
    const sb_work_t *w = &run->w;
    sb_withdrawn_t *r = run->result;
    sb_rows_t *rows;
    apr_status_t rv = sb_work_query(w, &rows, "asking for the batch", find_mark, 1, &r->batch);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!sb_rows_count(rows)) {
        return sb_work_unfit(w, "it is not in production");
    }
    r->applied_at = sb_rows_text(rows, 0, 0);
    r->withdrawn_at = sb_rows_text(rows, 0, 1);
    run->first_id = sb_rows_text(rows, 0, 2);
    run->last_id = sb_rows_text(rows, 0, 3);
    r->content_key = sb_rows_text(rows, 0, 4);
    r->data_version = sb_rows_int(rows, 0, 5, 0);
    *psuperseded = sb_rows_int(rows, 0, 6, 0);
    r->later = (int)sb_rows_int(rows, 0, 7, 0);
    *preplaced = sb_rows_bool(rows, 0, 8) == 1;
    r->already = r->withdrawn_at != NULL;
    if (!r->already && !run->first_id) {
        return sb_work_unfit(w, "it was promoted before it was written down which batch ended which"
                                " row: what it replaced cannot be told from the rest");
    }
    return APR_SUCCESS;
}

/* ---- registrations ------------------------------------------------------------------------------- */

#define SNAPSHOT                                                                                   \
    " WHERE (academic_year, reg_system_id) = (split_part($1, ':', 2)::smallint,"                   \
    " substr($1, 6 + length(split_part($1, ':', 2))))"

static const char count_kept[] = "SELECT count(*) FROM {schema}.student_reg_replaced" SNAPSHOT;
static const char remove_snapshot[] = "DELETE FROM {schema}.student_reg" SNAPSHOT;
static const char bring_snapshot_back[] =
    "WITH old AS (DELETE FROM {schema}.student_reg_replaced" SNAPSHOT " RETURNING *)"
    " INSERT INTO {schema}.student_reg SELECT * FROM old";

static apr_status_t withdraw_registration(sb_withdrawal_t *run, int replaced,
                                          apr_int64_t superseded)
{
    const sb_work_t *w = &run->w;
    sb_withdrawn_t *r = run->result;
    apr_int64_t kept;
    apr_status_t rv;

    if (replaced) {
        return sb_work_unfit(w, "a later registration of the same system and year has replaced it:"
                                " nothing of it is visible");
    }
    rv = sb_work_count(w, &kept, "looking for the snapshot before it", count_kept, 1,
                       &r->content_key);
    if (rv == APR_SUCCESS && superseded && !kept) {
        return sb_work_unfit(w, "the registration it replaced is not kept any more; send that one"
                                " again instead");
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(w, &r->leaving, "removing the snapshot", remove_snapshot, 1,
                          &r->content_key);
        r->current = r->leaving;
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(w, &r->returning, "bringing the snapshot before it back",
                          bring_snapshot_back, 1, &r->content_key);
    }
    return rv;
}

/* ---- the whole ----------------------------------------------------------------------------------- */

static apr_status_t leave_mark(sb_withdrawal_t *run)
{
    sb_withdrawn_t *r = run->result;
    sb_rows_t *rows;
    apr_status_t rv = sb_work_query(&run->w, &rows, "marking the batch", mark, 1, &r->batch);

    if (rv == APR_SUCCESS) {
        r->data_version = sb_rows_int(rows, 0, 0, 0);
        r->withdrawn_at = sb_rows_text(rows, 0, 1);
    }
    return rv;
}

/* Inside the transaction. */
static apr_status_t withdraw(sb_withdrawal_t *run)
{
    apr_int64_t superseded = 0;
    int replaced = 0;
    apr_status_t rv = judge(run, &replaced, &superseded);

    if (rv != APR_SUCCESS || run->result->already) {
        return rv;
    }
    if (!strcmp(run->result->load_type, "studentregistration")) {
        rv = withdraw_registration(run, replaced, superseded);
    }
    else {
        rv = sb_withdraw_results(run);
    }
    return rv == APR_SUCCESS ? leave_mark(run) : rv;
}

/* Connects to what the batch is about. */
static apr_status_t open_databases(sb_withdrawal_t *run, sb_db_t **pstats,
                                   const sb_migrate_db_t *where)
{
    sb_withdrawn_t *r = run->result;
    sb_rows_t *rows;
    apr_status_t rv;

    if (!sb_uuid_is_valid(r->batch)) {
        *where->perror = "this is no batch guid";
        return APR_NOTFOUND;
    }
    rv = sb_migrate_db_stats(pstats, where);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = sb_db_query(&rows, *pstats, &find_batch, &r->batch, where->p);
    if (rv != APR_SUCCESS) {
        *where->perror = apr_pstrdup(where->p, sb_db_error(*pstats));
        return rv;
    }
    if (!sb_rows_count(rows)) {
        *where->perror = "there is no such batch";
        return APR_NOTFOUND;
    }
    r->tenant = sb_rows_text(rows, 0, 0);
    r->load_type = sb_rows_text(rows, 0, 1);
    rv = sb_migrate_db_production(&run->w.db, &run->w.schema, where, r->tenant);
    return rv == APR_NOTFOUND ? SB_EINPUT : rv;
}

static apr_status_t run_it(sb_withdrawn_t *result, const char **perror,
                           const sb_withdraw_opts_t *opts, int do_it, apr_pool_t *p)
{
    sb_migrate_db_t where = {opts->conf, opts->app, perror, p};
    sb_withdrawal_t run = {.w = {.batch = "", .perror = perror, .p = p}, .result = result};
    sb_db_t *stats;
    apr_status_t rv;

    memset(result, 0, sizeof(*result));
    *perror = NULL;
    result->batch = apr_pstrdup(p, opts->batch);
    rv = open_databases(&run, &stats, &where);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = sb_work_begin(&run.w, sb_conf_bytes(opts->conf, "migrate.work_mem"));
    if (rv == APR_SUCCESS) {
        rv = withdraw(&run);
    }
    if (!do_it) {
        sb_db_rollback(run.w.db);
        if (!result->already) {
            result->withdrawn_at = NULL;
        }
        return rv;
    }
    rv = sb_work_end(&run.w, rv);
    if (rv == APR_SUCCESS && sb_db_exec(NULL, stats, &set_status, &result->batch) != APR_SUCCESS) {
        *perror =
            apr_pstrcat(p, "it is withdrawn, but its status could not be set: ", sb_db_error(stats),
                        "; withdraw it again", NULL);
        return SB_EUNAVAILABLE;
    }
    return rv;
}

apr_status_t sb_withdraw_plan(sb_withdrawn_t *result, const char **perror,
                              const sb_withdraw_opts_t *opts, apr_pool_t *p)
{
    return run_it(result, perror, opts, 0, p);
}

apr_status_t sb_withdraw(sb_withdrawn_t *result, const char **perror,
                         const sb_withdraw_opts_t *opts, apr_pool_t *p)
{
    apr_status_t rv = run_it(result, perror, opts, 1, p);

    if (rv == APR_SUCCESS && !result->already) {
        sb_log(SB_LOG_NOTICE, SBLOGNO(2413), SB_NO_STATUS,
               "batch %s of %s is withdrawn: %" APR_INT64_T_FMT " rows left, %" APR_INT64_T_FMT
               " are current again",
               result->batch, result->tenant, result->leaving, result->returning);
    }
    return rv;
}
