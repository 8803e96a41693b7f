/*
 * Results of a batch leave production, and what they replaced comes back: see sb_withdraw.h.
 *
 * A key's history is a chain: each row but the newest was ended by a batch, most often the one of the row
 * after it. A row that is taken out hands its own end to the row before it.
 */

#include "config.h"

#include <apr_strings.h>

#include "migrate/sb_withdraw_run.h"

#define FOREVER "'99991231'"

/* $1 first id of the batch, $2 last one, everywhere below; statements name those they need. */

/* ---- dimensions: who else refers to them ------------------------------------------------------- */

/* The batch's rows of a dimension, and for those that results of later batches refer to the first of
 * these batches: heir. Facts of the batch itself have ids up to $2. */
#define FIND_ROWS(scratch, dim, id, key)                                                           \
    "CREATE TEMP TABLE " scratch " ON COMMIT DROP AS"                                              \
    " SELECT d." id " AS id, " key ", d.rec_status, d.to_date, d.ended_by,"                        \
    " a.batch_guid AS heir, a.first_id AS heir_id, a.from_date AS heir_date"                       \
    " FROM {schema}." dim " d LEFT JOIN"                                                           \
    " (SELECT DISTINCT ON (f.id) f.id, f.from_date, b.batch_guid, b.first_id FROM ("               \
    "SELECT f." id " AS id, f.asmt_outcome_vw_rec_id AS fact, f.from_date, f.batch_guid"           \
    " FROM {schema}.fact_asmt_outcome_vw f JOIN {schema}." dim " d USING (" id ")"                 \
    " WHERE f.asmt_outcome_vw_rec_id > $2::bigint AND d.batch_guid = $1 UNION ALL "                \
    "SELECT f." id ", f.asmt_outcome_rec_id, f.from_date, f.batch_guid"                            \
    " FROM {schema}.fact_block_asmt_outcome f JOIN {schema}." dim " d USING (" id ")"              \
    " WHERE f.asmt_outcome_rec_id > $2::bigint AND d.batch_guid = $1) f"                           \
    " JOIN {schema}.batch_applied b USING (batch_guid) ORDER BY f.id, f.fact) a ON a.id = d." id   \
    " WHERE d.batch_guid = $1"

/* Rows that stay: the first batch that needs them has them now, and ended what they replaced. */
#define PASS_ON(scratch, dim, id)                                                                  \
    "UPDATE {schema}." dim " d SET batch_guid = s.heir, from_date = s.heir_date FROM " scratch     \
    " s WHERE d." id " = s.id AND s.heir IS NOT NULL"
#define REMOVE(scratch, dim, id)                                                                   \
    "DELETE FROM {schema}." dim " d USING " scratch " s WHERE d." id " = s.id AND s.heir IS NULL"
#define BRING_BACK(scratch, dim, key)                                                              \
    "WITH u AS (UPDATE {schema}." dim " d"                                                         \
    " SET rec_status = CASE WHEN s.heir IS NULL THEN s.rec_status ELSE 'I' END,"                   \
    " to_date = CASE WHEN s.heir IS NULL THEN s.to_date ELSE s.heir_date END,"                     \
    " ended_by = CASE WHEN s.heir IS NULL THEN s.ended_by ELSE s.heir_id END"                      \
    " FROM " scratch " s WHERE d.ended_by = $1::bigint AND " key " RETURNING d.rec_status)"        \
    " SELECT count(*) FILTER (WHERE rec_status = 'C') FROM u"

typedef struct {
    const char *scratch, *find, *pass_on, *remove, *bring_back;
} dim_t;

#define DIM(scratch, dim, id, key, same)                                                           \
    {                                                                                              \
        scratch, FIND_ROWS(scratch, dim, id, key), PASS_ON(scratch, dim, id),                      \
            REMOVE(scratch, dim, id), BRING_BACK(scratch, dim, same)                               \
    }

static const dim_t dims[] = {
    DIM("withdraw_asmt", "dim_asmt", "asmt_rec_id", "d.asmt_guid", "d.asmt_guid = s.asmt_guid"),
    DIM("withdraw_inst", "dim_inst_hier", "inst_hier_rec_id",
        "d.state_code, d.district_id, d.school_id",
        "d.state_code = s.state_code AND d.district_id = s.district_id"
        " AND d.school_id = s.school_id"),
    DIM("withdraw_student", "dim_student", "student_rec_id", "d.student_id",
        "d.student_id = s.student_id")};
#define NDIMS (sizeof(dims) / sizeof(*dims))

static const char remove_levels[] = "DELETE FROM {schema}.asmt_level l USING withdraw_asmt s"
                                    " WHERE l.asmt_rec_id = s.id AND s.heir IS NULL";
static const char remove_claims[] = "DELETE FROM {schema}.asmt_claim c USING withdraw_asmt s"
                                    " WHERE c.asmt_rec_id = s.id AND s.heir IS NULL";

/* ---- facts ------------------------------------------------------------------------------------- */

#define SAME_RESULT(a, b)                                                                          \
    a ".student_id = " b ".student_id AND " a ".asmt_guid = " b ".asmt_guid AND " a                \
      ".date_taken = " b ".date_taken"

/* What leaves, and what the batch had ended. */
#define FIND_GONE(fact, id)                                                                        \
    "CREATE TEMP TABLE withdraw_gone ON COMMIT DROP AS SELECT student_id, asmt_guid, date_taken,"  \
    " rec_status, to_date, ended_by FROM {schema}." fact " WHERE " id                              \
    " BETWEEN $1::bigint AND $2::bigint"
#define FIND_ENDED(fact, id)                                                                       \
    "CREATE TEMP TABLE withdraw_ended ON COMMIT DROP AS SELECT " id " AS id, student_id,"          \
    " asmt_guid, date_taken FROM {schema}." fact " WHERE ended_by = $1::bigint"
#define REMOVE_GONE(fact, id)                                                                      \
    "DELETE FROM {schema}." fact " WHERE " id " BETWEEN $1::bigint AND $2::bigint"
#define TAKE_PLACE(fact, id)                                                                       \
    "WITH u AS (UPDATE {schema}." fact " f SET rec_status = g.rec_status, to_date = g.to_date,"    \
    " ended_by = g.ended_by FROM withdraw_ended e JOIN withdraw_gone g ON " SAME_RESULT(           \
        "g", "e") " WHERE f." id " = e.id RETURNING f.rec_status)"                                 \
                  " SELECT count(*) FILTER (WHERE rec_status = 'C') FROM u"
/* Deleted without another row in its place: it is current again, unless a later batch brought a row,
 * which then would have replaced it. */
#define UNDELETE(fact, id)                                                                         \
    "WITH next AS (SELECT e.id, min(f." id ") AS next FROM withdraw_ended e"                       \
    " LEFT JOIN withdraw_gone g ON " SAME_RESULT(                                                  \
        "g", "e") " LEFT JOIN {schema}." fact                                                      \
                  " f ON " SAME_RESULT(                                                            \
                      "f",                                                                         \
                      "e") " AND f." id " > $1::bigint"                                            \
                           " WHERE g.student_id IS NULL GROUP BY e.id),"                           \
                           " u AS (UPDATE {schema}." fact " f SET"                                 \
                           " rec_status = CASE WHEN s." id " IS NULL THEN 'C' ELSE 'I' END,"       \
                           " to_date = coalesce(s.from_date, " FOREVER "), ended_by = b.first_id"  \
                           " FROM next n LEFT JOIN {schema}." fact " s ON s." id " = n.next"       \
                           " LEFT JOIN {schema}.batch_applied b ON b.batch_guid = s.batch_guid"    \
                           " WHERE f." id " = n.id RETURNING f.rec_status)"                        \
                           " SELECT count(*) FILTER (WHERE rec_status = 'C') FROM u"

typedef struct {
    const char *find_gone, *find_ended, *remove_gone, *take_place, *undelete;
} fact_t;

#define FACT(fact, id)                                                                             \
    {                                                                                              \
        FIND_GONE(fact, id), FIND_ENDED(fact, id), REMOVE_GONE(fact, id), TAKE_PLACE(fact, id),    \
            UNDELETE(fact, id)                                                                     \
    }

static const fact_t facts[] = {FACT("fact_asmt_outcome_vw", "asmt_outcome_vw_rec_id"),
                               FACT("fact_block_asmt_outcome", "asmt_outcome_rec_id")};
#define NFACTS (sizeof(facts) / sizeof(*facts))

static const char sample_facts[] = "ANALYZE withdraw_gone, withdraw_ended";
static const char drop_facts[] = "DROP TABLE withdraw_gone, withdraw_ended";
static const char sample_dims[] = "ANALYZE withdraw_asmt, withdraw_inst, withdraw_student";

/* ---- taking back ------------------------------------------------------------------------------- */

static apr_status_t withdraw_facts(sb_withdrawal_t *run, const fact_t *f)
{
    const char *ids[] = {run->first_id, run->last_id};
    const sb_work_t *w = &run->w;
    sb_withdrawn_t *r = run->result;
    apr_int64_t gone = 0, current = 0, back = 0, undeleted = 0;
    apr_status_t rv = sb_work_exec(w, &gone, "finding its results", f->find_gone, 2, ids);

    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(w, NULL, "finding what it ended", f->find_ended, 1, ids);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_script(w, "sampling scratch tables", sample_facts);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_count(w, &current, "counting its current results",
                           "SELECT count(*) FROM withdraw_gone WHERE rec_status = 'C'", 0, NULL);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(w, &gone, "removing its results", f->remove_gone, 2, ids);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_count(w, &back, "bringing results back", f->take_place, 0, NULL);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_count(w, &undeleted, "bringing deleted results back", f->undelete, 1,
                           &run->last_id);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_script(w, "dropping scratch tables", drop_facts);
    }
    r->leaving += gone;
    r->current += current;
    r->returning += back + undeleted;
    return rv;
}

static apr_status_t find_dims(sb_withdrawal_t *run)
{
    const char *args[] = {run->result->batch, run->last_id};
    apr_status_t rv = APR_SUCCESS;
    apr_size_t i;

    for (i = 0; rv == APR_SUCCESS && i < NDIMS; i++) {
        rv = sb_work_exec(&run->w, NULL, "finding its dimension rows", dims[i].find, 2, args);
    }
    return rv == APR_SUCCESS ? sb_work_script(&run->w, "sampling scratch tables", sample_dims) : rv;
}

static apr_status_t withdraw_dim(sb_withdrawal_t *run, const dim_t *d, sb_withdrawn_dim_t *r)
{
    const sb_work_t *w = &run->w;
    apr_status_t rv = sb_work_exec(w, &r->kept, "passing dimension rows on", d->pass_on, 0, NULL);

    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(w, &r->leaving, "removing its dimension rows", d->remove, 0, NULL);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_count(w, &r->returning, "bringing dimension rows back", d->bring_back, 1,
                           &run->first_id);
    }
    return rv;
}

apr_status_t sb_withdraw_results(sb_withdrawal_t *run)
{
    sb_withdrawn_t *r = run->result;
    sb_withdrawn_dim_t *counts[NDIMS] = {&r->asmt, &r->inst_hier, &r->student};
    apr_status_t rv = find_dims(run);
    apr_size_t i;

    for (i = 0; rv == APR_SUCCESS && i < NFACTS; i++) {
        rv = withdraw_facts(run, &facts[i]);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(&run->w, NULL, "removing levels", remove_levels, 0, NULL);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(&run->w, NULL, "removing claims", remove_claims, 0, NULL);
    }
    for (i = 0; rv == APR_SUCCESS && i < NDIMS; i++) {
        rv = withdraw_dim(run, &dims[i], counts[i]);
    }
    return rv;
}
