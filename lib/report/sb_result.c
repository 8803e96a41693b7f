/**
 * Results of students: the query, and how their parts are written.
 */

#include "report/sb_result.h"

#include <string.h>
#include <apr_strings.h>
#include "core/sb_log.h"
#include "report/sb_version.h"

/* ---- the query ------------------------------------------------------------------------------- */

#define PERSON "f.asmt_rec_id, f.student_id, s.first_name, s.middle_name, s.last_name"
#define PLACE ", f.state_code, f.district_id, f.school_id"
#define NO_PLACE ", NULL, NULL, NULL"
#define GRADE ", f.enrl_grade, f.asmt_grade"
#define NO_GRADE ", f.enrl_grade, NULL"
#define ASMT ", f.asmt_type, f.asmt_subject"
#define NO_ASMT ", NULL, NULL"
#define COLUMNS                                                                                    \
    ", f.date_taken, f.administration_condition, coalesce(f.complete, true),"                      \
    " f.dmg_prg_iep, f.dmg_prg_504, f.dmg_prg_lep, f.dmg_sts_ecd, f.dmg_sts_mig,"                  \
    " f.dmg_eth_derived, f.sex"
#define CLAIM(n)                                                                                   \
    ", f.asmt_claim_" n "_perf_lvl, f.asmt_claim_" n "_score, f.asmt_claim_" n                     \
    "_score_range_min, f.asmt_claim_" n "_score_range_max"
#define NO_CLAIM ", NULL, NULL, NULL, NULL"

/* Which conditions of administration may be shown: an invalidated (IN) result only of a summative
 * assessment, interim comprehensive results whatever it is. */
static const struct {
    const char *table, *columns, *visible;
} kinds[] = {
    {"fact_asmt_outcome_vw",
     COLUMNS CLAIM("1") CLAIM("2") CLAIM("3") CLAIM("4") ", f.asmt_score, f.asmt_score_range_min,"
                                                         " f.asmt_score_range_max, f.asmt_perf_lvl",
     "(f.asmt_type = 'INTERIM COMPREHENSIVE' OR f.administration_condition IS NULL"
     " OR f.administration_condition IN ('SD', 'NS')"
     " OR f.asmt_type = 'SUMMATIVE' AND f.administration_condition = 'IN')"},
    {"fact_block_asmt_outcome",
     COLUMNS CLAIM("1") NO_CLAIM NO_CLAIM NO_CLAIM ", NULL, NULL, NULL, NULL",
     "(f.administration_condition IS NULL OR f.administration_condition IN ('SD', 'NS'))"},
};

/* Alone, it tells the version that its rows are of: one statement sees one snapshot, so it needs no
 * transaction around it. There is a row to tell it by, then, also when there is no result. */
#define VERSION_AND " FROM (SELECT (" SB_VERSION_SQL ") AS version) v LEFT JOIN ({schema}."
#define STUDENTS " f JOIN {schema}.dim_student s USING (student_rec_id)"

static const char *select_of(sb_results_kind_t kind, const sb_results_query_t *q, const char *scope,
                             int alone, apr_pool_t *p)
{
    return apr_pstrcat(p, "SELECT " PERSON, q->of_place ? NO_PLACE : PLACE,
                       q->of_grade ? NO_GRADE : GRADE, q->of_asmt ? NO_ASMT : ASMT,
                       kinds[kind].columns, alone ? ", v.version" : ", NULL", q->more,
                       alone ? VERSION_AND : " FROM {schema}.", kinds[kind].table, STUDENTS,
                       q->joins, alone ? ") ON" : " WHERE", " f.rec_status = 'C' AND ", q->where,
                       " AND ", kinds[kind].visible, " AND ", scope, NULL);
}

void sb_results_queue(sb_results_t *r, sb_pipe_t *pipe, const sb_report_ctx_t *ctx,
                      const sb_results_query_t *q, apr_pool_t *p)
{
    const char *scope = sb_scope_sql(ctx->scope, "f", q->args->nelts + 1, q->args, p), *sql;

    r->alone = q->kind != SB_RESULTS_BOTH;
    sql = r->alone ? select_of(q->kind, q, scope, 1, p)
                   : apr_pstrcat(p, select_of(SB_RESULTS_WHOLE, q, scope, 0, p), " UNION ALL ",
                                 select_of(SB_RESULTS_BLOCKS, q, scope, 0, p), NULL);
    sql = apr_pstrcat(p, sql, " ORDER BY ", q->order, NULL);

    sb_pipe_query_text(&r->rows, pipe, "report_results",
                       sb_sql(p, sql, "schema", ctx->schema, NULL), q->args->nelts,
                       (const char *const *)q->args->elts);
}

/* ---- reading --------------------------------------------------------------------------------- */

#define TRIES 5 /* a promotion takes longer than this many reads */

static apr_status_t read_once(sb_results_t *r, const sb_report_ctx_t *ctx, sb_results_ask_t *ask,
                              void *baton, apr_pool_t *p)
{
    sb_pipe_t *pipe = sb_pipe_make(ctx->db, p);
    sb_rows_t *version;
    apr_status_t rv = sb_known_get(&r->known, ctx, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    ask(r, pipe, baton);
    if (!r->alone) {
        sb_known_check(&version, pipe);
    }
    if (sb_pipe_length(pipe) > 1) {
        sb_pipe_enclose(pipe, SB_TX_SNAPSHOT);
    }
    rv = sb_pipe_run(pipe);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (r->alone ? !sb_known_is_of(r->known, sb_rows_text(r->rows, 0, SB_R_VERSION))
                 : !sb_known_holds(r->known, version)) {
        sb_known_forget(r->known);
        return APR_EAGAIN;
    }
    if (r->alone && !sb_rows_text(r->rows, 0, SB_R_ASMT)) {
        sb_rows_cut(r->rows, 0);
    }
    return sb_known_asmts(&r->asmts, r->known, ctx, r->rows, SB_R_ASMT, p);
}

apr_status_t sb_results_read(sb_results_t *r, const sb_report_ctx_t *ctx, sb_results_ask_t *ask,
                             void *baton, apr_pool_t *p)
{
    /* facts refer to assessments; should one not, it is a result of an assessment without a name */
    static const sb_asmt_t unknown = {.guid = "", .type = "", .subject = ""};
    apr_status_t rv = APR_EAGAIN;
    int n;

    memset(r, 0, sizeof(*r));
    for (int i = 0; i < TRIES && APR_STATUS_IS_EAGAIN(rv); i++) {
        rv = read_once(r, ctx, ask, baton, p);
    }
    if (APR_STATUS_IS_EAGAIN(rv)) {
        sb_log(SB_LOG_WARN, SBLOGNO(2010), SB_NO_STATUS,
               "the data of %s changed %d times while a report was read", ctx->schema, TRIES);
        return SB_EUNAVAILABLE;
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    n = sb_rows_count(r->rows);
    r->asmt_of = apr_palloc(p, ((apr_size_t)n + 1) * sizeof(*r->asmt_of));
    for (int i = 0; i < n; i++) {
        const sb_asmt_t *a = sb_asmts_get(r->asmts, sb_rows_text(r->rows, i, SB_R_ASMT));

        r->asmt_of[i] = a ? a : &unknown;
    }
    return APR_SUCCESS;
}

const char *sb_results_visible(sb_results_kind_t kind)
{
    return kinds[kind].visible;
}

/* ---- parts ----------------------------------------------------------------------------------- */

void sb_result_demographic_json(sb_jw_t *w, const char *key, const sb_rows_t *rows, int i)
{
    static const struct {
        const char *name;
        int col;
    } flags[] = {{"dmgPrgIep", SB_R_IEP},
                 {"dmgPrg504", SB_R_504},
                 {"dmgPrgLep", SB_R_LEP},
                 {"dmgStsEcd", SB_R_ECD},
                 {"dmgStsMig", SB_R_MIG}};

    sb_jw_object(w, key);
    for (apr_size_t k = 0; k < sizeof(flags) / sizeof(flags[0]); k++) {
        int truth = sb_rows_bool(rows, i, flags[k].col);

        sb_jw_str(w, flags[k].name, truth < 0 ? "NS" : truth ? "Y" : "N");
    }
    sb_jw_str(w, "ethnicity", sb_result_text(rows, i, SB_R_ETHNICITY));
    sb_jw_str(w, "sex", sb_rows_text(rows, i, SB_R_SEX));
    sb_jw_end(w);
}

/* The first character, which may be several bytes of UTF-8. */
static const char *initial(const char *name, apr_pool_t *p)
{
    apr_size_t len = 1;

    while ((name[len] & 0xc0) == 0x80) {
        len++;
    }
    return apr_pstrmemdup(p, name, len);
}

const char *sb_result_full_name(const sb_rows_t *rows, int i, apr_pool_t *p)
{
    const char *first = sb_rows_text(rows, i, SB_R_FIRST_NAME),
               *middle = sb_rows_text(rows, i, SB_R_MIDDLE_NAME),
               *last = sb_rows_text(rows, i, SB_R_LAST_NAME);
    const char *name = first ? first : "";

    if (middle && *middle) {
        name = apr_pstrcat(p, name, *name ? " " : "", initial(middle, p), ".", NULL);
    }
    return last && *last ? apr_pstrcat(p, name, *name ? " " : "", last, NULL) : name;
}

const char *sb_result_text(const sb_rows_t *rows, int i, int col)
{
    const char *text = sb_rows_text(rows, i, col);

    return text ? text : "None";
}

void sb_result_number_json(sb_jw_t *w, const char *key, const sb_rows_t *rows, int i, int col)
{
    const char *text = sb_rows_text(rows, i, col);

    if (text) {
        sb_jw_raw(w, key, text, strlen(text));
    }
    else {
        sb_jw_null(w, key);
    }
}

const char *sb_result_claim(const sb_rows_t *rows, int i, int claim, int what)
{
    return claim < SB_ASMT_CLAIMS_SCORED
               ? sb_rows_text(rows, i, SB_R_CLAIM1 + SB_R_CLAIM_COLS * claim + what)
               : NULL;
}

void sb_result_claim_level_json(sb_jw_t *w, const sb_rows_t *rows, int i, int claim,
                                const sb_asmt_t *a)
{
    const char *level = sb_result_claim(rows, i, claim, SB_R_CLAIM_LEVEL);

    sb_jw_str(w, "perf_lvl", level ? level : "None");
    sb_jw_str(w, "perf_lvl_name", sb_asmt_claim_level(a, level));
}

void sb_result_claim_scores_json(sb_jw_t *w, const sb_rows_t *rows, int i, int claim)
{
    const char *score = sb_result_claim(rows, i, claim, SB_R_CLAIM_SCORE),
               *min = sb_result_claim(rows, i, claim, SB_R_CLAIM_MIN),
               *max = sb_result_claim(rows, i, claim, SB_R_CLAIM_MAX);

    sb_jw_str(w, "score", score);
    sb_jw_str(w, "range_min_score", min);
    sb_jw_str(w, "range_max_score", max);
    if (score && min) {
        sb_jw_int_text(w, "confidence", apr_atoi64(score) - apr_atoi64(min));
    }
    else {
        sb_jw_null(w, "confidence");
    }
}

/* ---- which administrations there are --------------------------------------------------------- */

/* Of one school and year; report_count knows which grades it has results of, blocks are looked up. */
#define OF_SCHOOL(grade_of_counts, grade_of_blocks)                                                \
    "(SELECT c.asmt_year, c.asmt_type, c.asmt_grade, NULL FROM {schema}.report_count c"            \
    "   JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)"                                    \
    "  WHERE h.state_code = $1 AND h.district_id = $2 AND h.school_id = $3"                        \
    "    AND c.asmt_year = $4::smallint AND c.n > 0"                                               \
    "    AND c.asmt_type IN ('SUMMATIVE', 'INTERIM COMPREHENSIVE')" grade_of_counts                \
    "  GROUP BY 1, 2, 3 ORDER BY 2 DESC, 1 DESC, 3)"                                               \
    " UNION ALL "                                                                                  \
    "(SELECT DISTINCT d.asmt_period_year, x.asmt_type, NULL, NULL FROM"                            \
    " (SELECT DISTINCT f.asmt_rec_id, f.asmt_type FROM {schema}.fact_block_asmt_outcome f"         \
    "   WHERE f.state_code = $1 AND f.district_id = $2 AND f.school_id = $3"                       \
    "     AND f.asmt_year = $4::smallint AND f.rec_status = 'C'"                                   \
    "     AND f.asmt_type = '" SB_ASMT_BLOCKS "'" grade_of_blocks                                  \
    " ) x JOIN {schema}.dim_asmt d USING (asmt_rec_id) ORDER BY 1 DESC)"

void sb_administrations_of_school(sb_rows_t **prows, sb_pipe_t *pipe, const sb_report_ctx_t *ctx,
                                  const char *district_id, const char *school_id, const char *grade,
                                  const char *year)
{
    static const sb_stmt_t any_grade = {"report_administrations", 4, OF_SCHOOL("", "")};
    static const sb_stmt_t one_grade = {
        "report_grade_administrations", 5,
        OF_SCHOOL(" AND c.asmt_grade = $5", " AND f.asmt_grade = $5")};
    const char *args[] = {sb_scope_state(ctx->aggregates), district_id, school_id, year, grade};

    sb_pipe_query(prows, pipe, grade ? &one_grade : &any_grade, args);
}

void sb_administrations_of_student(sb_rows_t **prows, sb_pipe_t *pipe, const sb_report_ctx_t *ctx,
                                   const char *student_id)
{
    static const sb_stmt_t st = {
        "report_student_administrations", 2,
        "(SELECT d.asmt_period_year, f.asmt_type, f.asmt_grade, f.date_taken"
        "   FROM {schema}.fact_asmt_outcome_vw f JOIN {schema}.dim_asmt d USING (asmt_rec_id)"
        "  WHERE f.student_id = $1 AND f.state_code = $2 AND f.rec_status = 'C'"
        "    AND f.asmt_type IN ('SUMMATIVE', 'INTERIM COMPREHENSIVE')"
        "  GROUP BY 1, 2, 3, 4 ORDER BY 2 DESC, 1 DESC, 4 DESC)"
        " UNION ALL "
        "(SELECT DISTINCT d.asmt_period_year, f.asmt_type, NULL, NULL"
        "   FROM {schema}.fact_block_asmt_outcome f JOIN {schema}.dim_asmt d USING (asmt_rec_id)"
        "  WHERE f.student_id = $1 AND f.state_code = $2 AND f.rec_status = 'C'"
        "    AND f.asmt_type = '" SB_ASMT_BLOCKS "' ORDER BY 1 DESC)"};
    const char *args[] = {student_id, sb_scope_state(ctx->aggregates)};

    sb_pipe_query(prows, pipe, &st, args);
}

void sb_administrations_json(sb_jw_t *w, const char *key, const sb_rows_t *rows)
{
    sb_jw_array(w, key);
    for (int i = 0; i < sb_rows_count(rows); i++) {
        sb_jw_object(w, NULL);
        sb_jw_int(w, "asmt_period_year", sb_rows_int(rows, i, 0, 0));
        sb_jw_str(w, "asmt_type", sb_rows_text(rows, i, 1));
        if (sb_rows_text(rows, i, 2)) {
            sb_jw_str(w, "asmt_grade", sb_rows_text(rows, i, 2));
        }
        if (sb_rows_text(rows, i, 3)) {
            sb_jw_str(w, "date_taken", sb_rows_text(rows, i, 3));
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
}
