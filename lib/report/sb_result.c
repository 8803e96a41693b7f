/**
 * Results of students: the query, and how their parts are written.
 */

#include "report/sb_result.h"

#include <string.h>
#include <apr_strings.h>

/* ---- the query ------------------------------------------------------------------------------- */

#define COLUMNS                                                                                    \
    "f.asmt_rec_id, f.student_id, s.first_name, s.middle_name, s.last_name, f.state_code,"         \
    " f.district_id, f.school_id, f.enrl_grade, f.asmt_grade, f.asmt_type, f.asmt_subject,"        \
    " f.date_taken, f.administration_condition, coalesce(f.complete, true),"                       \
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

apr_status_t sb_results_find(sb_rows_t **prows, const sb_report_ctx_t *ctx, sb_results_kind_t kind,
                             const char *more, const char *where, const char *order,
                             apr_array_header_t *args, apr_pool_t *p)
{
    const char *scope = sb_scope_sql(ctx->scope, "f", args->nelts + 1, args, p);
    const char *sql = apr_pstrcat(
        p, "SELECT ", kinds[kind].columns, more, " FROM {schema}.", kinds[kind].table,
        " f JOIN {schema}.dim_student s USING (student_rec_id) WHERE f.rec_status = 'C' AND ",
        where, " AND ", kinds[kind].visible, " AND ", scope, " ORDER BY ", order, NULL);

    return sb_db_query_text(prows, ctx->db, sb_sql(p, sql, "schema", ctx->schema, NULL),
                            args->nelts, (const char *const *)args->elts, p);
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

int sb_result_claim(int claim, int what)
{
    return SB_R_CLAIM1 + SB_R_CLAIM_COLS * claim + what;
}

void sb_result_claim_level_json(sb_jw_t *w, const sb_rows_t *rows, int i, int claim,
                                const sb_asmt_t *a)
{
    int col = sb_result_claim(claim, SB_R_CLAIM_LEVEL);

    sb_jw_str(w, "perf_lvl", sb_result_text(rows, i, col));
    sb_jw_str(w, "perf_lvl_name", sb_asmt_claim_level(a, sb_rows_text(rows, i, col)));
}

void sb_result_claim_scores_json(sb_jw_t *w, const sb_rows_t *rows, int i, int claim)
{
    const char *score = sb_rows_text(rows, i, sb_result_claim(claim, SB_R_CLAIM_SCORE)),
               *min = sb_rows_text(rows, i, sb_result_claim(claim, SB_R_CLAIM_MIN)),
               *max = sb_rows_text(rows, i, sb_result_claim(claim, SB_R_CLAIM_MAX));

    sb_jw_str(w, "score", score);
    sb_jw_str(w, "range_min_score", min);
    sb_jw_str(w, "range_max_score", max);
    if (score && min) {
        sb_jw_fmt(w, "confidence", "%" APR_INT64_T_FMT, apr_atoi64(score) - apr_atoi64(min));
    }
    else {
        sb_jw_null(w, "confidence");
    }
}

/* ---- which administrations there are --------------------------------------------------------- */

#define PLACE                                                                                      \
    " AND ($2::text IS NULL OR f.district_id = $2) AND ($3::text IS NULL OR f.school_id = $3)"     \
    " AND ($4::text IS NULL OR f.asmt_grade = $4)"                                                 \
    " AND ($5::smallint IS NULL OR f.asmt_year = $5::smallint)"

apr_status_t sb_administrations_json(sb_jw_t *w, const char *key, const sb_report_ctx_t *ctx,
                                     const char *district_id, const char *school_id,
                                     const char *grade, const char *year, const char *student_id,
                                     apr_pool_t *p)
{
    static const sb_stmt_t of_place = {
        "report_administrations", 5,
        "(SELECT c.asmt_year, c.asmt_type, c.asmt_grade, NULL FROM {schema}.report_count c"
        "   JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)"
        "  WHERE h.state_code = $1 AND ($2::text IS NULL OR h.district_id = $2)"
        "    AND ($3::text IS NULL OR h.school_id = $3) AND c.n > 0"
        "    AND c.asmt_type IN ('SUMMATIVE', 'INTERIM COMPREHENSIVE')"
        "    AND ($4::text IS NULL OR c.asmt_grade = $4)"
        "    AND ($5::smallint IS NULL OR c.asmt_year = $5::smallint)"
        "  GROUP BY 1, 2, 3 ORDER BY 2 DESC, 1 DESC, 3)"
        " UNION ALL "
        "(SELECT DISTINCT d.asmt_period_year, x.asmt_type, NULL, NULL FROM"
        " (SELECT DISTINCT f.asmt_rec_id, f.asmt_type FROM {schema}.fact_block_asmt_outcome f"
        "   WHERE f.state_code = $1 AND f.rec_status = 'C'"
        "     AND f.asmt_type = 'INTERIM ASSESSMENT BLOCKS'" PLACE
        " ) x JOIN {schema}.dim_asmt d USING (asmt_rec_id) ORDER BY 1 DESC)"};
    static const sb_stmt_t of_student = {
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
        "    AND f.asmt_type = 'INTERIM ASSESSMENT BLOCKS' ORDER BY 1 DESC)"};
    const char *state = sb_scope_state(ctx->aggregates);
    const char *place[] = {state, district_id, school_id, grade, year};
    const char *student[] = {student_id, state};
    sb_rows_t *rows;
    apr_status_t rv = student_id ? sb_db_query(&rows, ctx->db, &of_student, student, p)
                                 : sb_db_query(&rows, ctx->db, &of_place, place, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
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
    return APR_SUCCESS;
}
