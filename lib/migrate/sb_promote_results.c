/*
 * Results of one batch become rows of the star, set by set: a dozen statements, whatever the size. See
 * sb_promote.h for what they mean together.
 */

#include "config.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "migrate/sb_promote_run.h"

#define MAX_BAD_LINES "1000"

typedef struct {
    sb_promotion_t *run;
    const sb_work_t *w;
    sb_promoted_t *result;
    apr_int64_t creates, deletes; /* lines */
    int blocks;                   /* interim assessment blocks: the other fact table */
    const char *asmt_id;          /* as a parameter */
    const char *asmt_ids;         /* all versions of the assessment, as bigint[] */
} results_t;

/* ---- columns, as they are called in batch and production -------------------------------------- */

/* clang-format off */
#define FACT_COLUMNS \
    "asmt_guid, student_id, state_code, district_id, school_id, where_taken_id, " \
    "where_taken_name, asmt_type, asmt_year, asmt_subject, asmt_grade, enrl_grade, " \
    "date_taken, date_taken_day, date_taken_month, date_taken_year, asmt_score, " \
    "asmt_score_range_min, asmt_score_range_max, asmt_perf_lvl, asmt_claim_1_score, " \
    "asmt_claim_1_score_range_min, asmt_claim_1_score_range_max, " \
    "asmt_claim_1_perf_lvl, asmt_claim_2_score, asmt_claim_2_score_range_min, " \
    "asmt_claim_2_score_range_max, asmt_claim_2_perf_lvl, asmt_claim_3_score, " \
    "asmt_claim_3_score_range_min, asmt_claim_3_score_range_max, " \
    "asmt_claim_3_perf_lvl, asmt_claim_4_score, asmt_claim_4_score_range_min, " \
    "asmt_claim_4_score_range_max, asmt_claim_4_perf_lvl, sex, dmg_eth_derived, " \
    "dmg_eth_hsp, dmg_eth_ami, dmg_eth_asn, dmg_eth_blk, dmg_eth_pcf, dmg_eth_wht, " \
    "dmg_eth_2om, dmg_prg_iep, dmg_prg_lep, dmg_prg_504, dmg_sts_ecd, dmg_sts_mig, " \
    "acc_asl_video_embed, acc_braile_embed, acc_closed_captioning_embed, " \
    "acc_text_to_speech_embed, acc_abacus_nonembed, " \
    "acc_alternate_response_options_nonembed, acc_calculator_nonembed, " \
    "acc_multiplication_table_nonembed, acc_print_on_demand_nonembed, " \
    "acc_print_on_demand_items_nonembed, acc_read_aloud_nonembed, " \
    "acc_scribe_nonembed, acc_speech_to_text_nonembed, acc_streamline_mode, " \
    "acc_noise_buffer_nonembed, complete, administration_condition"

#define BLOCK_COLUMNS \
    "asmt_guid, student_id, state_code, district_id, school_id, where_taken_id, " \
    "where_taken_name, asmt_type, asmt_year, asmt_subject, asmt_grade, enrl_grade, " \
    "date_taken, date_taken_day, date_taken_month, date_taken_year, " \
    "asmt_claim_1_score, asmt_claim_1_score_range_min, asmt_claim_1_score_range_max, " \
    "asmt_claim_1_perf_lvl, sex, dmg_eth_derived, dmg_eth_hsp, dmg_eth_ami, " \
    "dmg_eth_asn, dmg_eth_blk, dmg_eth_pcf, dmg_eth_wht, dmg_eth_2om, dmg_prg_iep, " \
    "dmg_prg_lep, dmg_prg_504, dmg_sts_ecd, dmg_sts_mig, acc_asl_video_embed, " \
    "acc_braile_embed, acc_closed_captioning_embed, acc_text_to_speech_embed, " \
    "acc_abacus_nonembed, acc_alternate_response_options_nonembed, " \
    "acc_calculator_nonembed, acc_multiplication_table_nonembed, " \
    "acc_print_on_demand_nonembed, acc_print_on_demand_items_nonembed, " \
    "acc_read_aloud_nonembed, acc_scribe_nonembed, acc_speech_to_text_nonembed, " \
    "acc_streamline_mode, acc_noise_buffer_nonembed, complete, " \
    "administration_condition"

#define STUDENT_COLUMNS \
    "student_id, external_student_id, first_name, middle_name, last_name, birthdate, " \
    "sex, group_1_id, group_1_text, group_2_id, group_2_text, group_3_id, " \
    "group_3_text, group_4_id, group_4_text, group_5_id, group_5_text, group_6_id, " \
    "group_6_text, group_7_id, group_7_text, group_8_id, group_8_text, group_9_id, " \
    "group_9_text, group_10_id, group_10_text, dmg_eth_derived, dmg_eth_hsp, " \
    "dmg_eth_ami, dmg_eth_asn, dmg_eth_blk, dmg_eth_pcf, dmg_eth_wht, dmg_eth_2om, " \
    "dmg_prg_iep, dmg_prg_lep, dmg_prg_504, dmg_sts_ecd, dmg_sts_mig"

#define ASMT_COLUMNS \
    "asmt_guid, asmt_type, asmt_period, asmt_period_year, asmt_version, asmt_subject, " \
    "effective_date, asmt_claim_1_name, asmt_claim_2_name, asmt_claim_3_name, " \
    "asmt_claim_4_name, asmt_perf_lvl_name_1, asmt_perf_lvl_name_2, " \
    "asmt_perf_lvl_name_3, asmt_perf_lvl_name_4, asmt_perf_lvl_name_5, " \
    "asmt_claim_perf_lvl_name_1, asmt_claim_perf_lvl_name_2, " \
    "asmt_claim_perf_lvl_name_3, asmt_score_min, asmt_score_max, " \
    "asmt_claim_1_score_min, asmt_claim_1_score_max, asmt_claim_2_score_min, " \
    "asmt_claim_2_score_max, asmt_claim_3_score_min, asmt_claim_3_score_max, " \
    "asmt_claim_4_score_min, asmt_claim_4_score_max, asmt_cut_point_1, " \
    "asmt_cut_point_2, asmt_cut_point_3, asmt_cut_point_4"

#define ASMT_MATCHERS \
    "asmt_type, asmt_period, asmt_period_year, asmt_version, asmt_subject, " \
    "asmt_claim_1_name, asmt_claim_2_name, asmt_claim_3_name, asmt_claim_4_name, " \
    "asmt_perf_lvl_name_1, asmt_perf_lvl_name_2, asmt_perf_lvl_name_3, " \
    "asmt_perf_lvl_name_4, asmt_perf_lvl_name_5, asmt_claim_perf_lvl_name_1, " \
    "asmt_claim_perf_lvl_name_2, asmt_claim_perf_lvl_name_3, asmt_score_min, " \
    "asmt_score_max, asmt_claim_1_score_min, asmt_claim_1_score_max, " \
    "asmt_claim_2_score_min, asmt_claim_2_score_max, asmt_claim_3_score_min, " \
    "asmt_claim_3_score_max, asmt_claim_4_score_min, asmt_claim_4_score_max, " \
    "asmt_cut_point_1, asmt_cut_point_2, asmt_cut_point_3, asmt_cut_point_4"
/* clang-format on */

/* ---- statements ------------------------------------------------------------------------------ */

/* Lines by op, and how many are of another assessment than the batch. */
static const char count_lines[] =
    "SELECT op, count(*), max(file_line),"
    " count(*) FILTER (WHERE asmt_guid <> (SELECT min(asmt_guid) FROM {batch}.asmt))"
    " FROM {batch}.asmt_outcome GROUP BY op";

/* Fresh tables have no statistics; a small sample is enough to choose plans by. */
static const char sample[] = "SET LOCAL default_statistics_target = 10;"
                             "ANALYZE {batch}.asmt_outcome (file_line, op, asmt_guid, student_id,"
                             " date_taken, state_code, district_id, school_id)";

static const char sample_scratch[] = "ANALYZE promote_repeat, promote_inst, promote_student";

static const char scratch[] =
    /* lines of students that have several; last_line: what counts of the student, old_fact: a later line
     * counts instead */
    "CREATE TEMP TABLE promote_repeat (r_line bigint, r_last_line bigint, r_old_fact boolean)"
    " ON COMMIT DROP;"
    /* the schools of the batch: same: production has exactly that row */
    "CREATE TEMP TABLE promote_inst (i_state varchar(2) COLLATE \"C\","
    " i_district varchar(40) COLLATE \"C\", i_school varchar(40) COLLATE \"C\", i_line bigint,"
    " i_old_id bigint, i_id bigint, i_same boolean) ON COMMIT DROP;"
    /* the students of the batch by the line that counts: n new, s same as in production, x changed,
     * u not known yet */
    "CREATE TEMP TABLE promote_student (s_line bigint, s_old_id bigint, s_id bigint,"
    " s_state \"char\") ON COMMIT DROP";

/* Found by a digest, which is counted faster than ids of 32 letters; told apart by the ids. */
#define DIGEST "hashtextextended(student_id, 0)"
static const char find_repeats[] =
    "INSERT INTO promote_repeat"
    " SELECT file_line, max(file_line) OVER (PARTITION BY student_id),"
    " file_line < max(file_line) OVER (PARTITION BY student_id, asmt_guid, date_taken)"
    " FROM {batch}.asmt_outcome WHERE op = 'C' AND " DIGEST " IN"
    " (SELECT " DIGEST " FROM {batch}.asmt_outcome WHERE op = 'C'"
    " GROUP BY 1 HAVING count(*) > 1)";

/* Levels and claims of an assessment: of the batch, and as production has them. */
#define BATCH_LEVELS                                                                               \
    "SELECT l.level::smallint AS level, l.name, l.cut_point FROM {batch}.asmt b,"                  \
    " LATERAL (VALUES (1, b.asmt_perf_lvl_name_1::text, NULL::smallint),"                          \
    " (2, b.asmt_perf_lvl_name_2, b.asmt_cut_point_1),"                                            \
    " (3, b.asmt_perf_lvl_name_3, b.asmt_cut_point_2),"                                            \
    " (4, b.asmt_perf_lvl_name_4, b.asmt_cut_point_3),"                                            \
    " (5, b.asmt_perf_lvl_name_5, b.asmt_cut_point_4)) l (level, name, cut_point)"                 \
    " WHERE l.name IS NOT NULL OR l.cut_point IS NOT NULL"                                         \
    " UNION ALL SELECT x.level, x.name, x.cut_point FROM {batch}.asmt b,"                          \
    " LATERAL jsonb_to_recordset(b.levels) x (level smallint, name text, cut_point smallint)"      \
    " WHERE x.level > 5"
#define BATCH_CLAIMS                                                                               \
    "SELECT c.claim::smallint AS claim, c.name, c.score_min, c.score_max FROM {batch}.asmt b,"     \
    " LATERAL (VALUES"                                                                             \
    " (1, b.asmt_claim_1_name::text, b.asmt_claim_1_score_min, b.asmt_claim_1_score_max),"         \
    " (2, b.asmt_claim_2_name, b.asmt_claim_2_score_min, b.asmt_claim_2_score_max),"               \
    " (3, b.asmt_claim_3_name, b.asmt_claim_3_score_min, b.asmt_claim_3_score_max),"               \
    " (4, b.asmt_claim_4_name, b.asmt_claim_4_score_min, b.asmt_claim_4_score_max))"               \
    " c (claim, name, score_min, score_max) WHERE c.name IS NOT NULL"                              \
    " UNION ALL SELECT x.claim, x.name, x.score_min, x.score_max FROM {batch}.asmt b,"             \
    " LATERAL jsonb_to_recordset(b.claims)"                                                        \
    " x (claim smallint, name text, score_min smallint, score_max smallint) WHERE x.claim > 4"

/* A changed effective date alone is no change. */
static const char find_asmt[] =
    "SELECT d.asmt_rec_id,"
    " EXISTS (SELECT " ASMT_MATCHERS " FROM {schema}.dim_asmt WHERE asmt_rec_id = d.asmt_rec_id"
    " INTERSECT SELECT " ASMT_MATCHERS " FROM {batch}.asmt)"
    " AND (SELECT jsonb_agg(l ORDER BY level) FROM (" BATCH_LEVELS ") l) IS NOT DISTINCT FROM"
    " (SELECT jsonb_agg(l ORDER BY level) FROM (SELECT level, name, cut_point"
    " FROM {schema}.asmt_level WHERE asmt_rec_id = d.asmt_rec_id) l)"
    " AND (SELECT jsonb_agg(c ORDER BY claim) FROM (" BATCH_CLAIMS ") c) IS NOT DISTINCT FROM"
    " (SELECT jsonb_agg(c ORDER BY claim) FROM (SELECT claim, name, score_min, score_max"
    " FROM {schema}.asmt_claim WHERE asmt_rec_id = d.asmt_rec_id) c)"
    " FROM {schema}.dim_asmt d JOIN {batch}.asmt b USING (asmt_guid) WHERE d.rec_status = 'C'";
static const char retire_asmt[] =
    "UPDATE {schema}.dim_asmt SET rec_status = 'I', to_date = $2, ended_by = $3::bigint"
    " WHERE asmt_rec_id = $1::bigint AND rec_status = 'C'";
static const char insert_asmt[] =
    "INSERT INTO {schema}.dim_asmt (asmt_rec_id, " ASMT_COLUMNS ","
    " from_date, to_date, rec_status, batch_guid)"
    " SELECT $1::bigint, " ASMT_COLUMNS ", $2, '" SB_FOREVER "', 'C', $3 FROM {batch}.asmt";
static const char insert_levels[] =
    "INSERT INTO {schema}.asmt_level SELECT $1::bigint, l.* FROM (" BATCH_LEVELS ") l";
static const char insert_claims[] =
    "INSERT INTO {schema}.asmt_claim SELECT $1::bigint, c.* FROM (" BATCH_CLAIMS ") c";

/* The last line of a school names it. */
static const char find_insts[] =
    "INSERT INTO promote_inst"
    " SELECT state_code, district_id, school_id, file_line, old_id,"
    " CASE WHEN same THEN old_id ELSE $1::bigint + file_line END, same FROM ("
    "SELECT b.state_code, b.district_id, b.school_id, b.file_line, d.inst_hier_rec_id AS old_id,"
    " (d.district_name, d.school_name) IS NOT DISTINCT FROM (b.district_name, b.school_name) AS "
    "same"
    " FROM (SELECT DISTINCT ON (state_code, district_id, school_id) * FROM ("
    "SELECT state_code, district_id, school_id, district_name, school_name,"
    " max(file_line) AS file_line FROM {batch}.asmt_outcome WHERE op = 'C'"
    " GROUP BY 1, 2, 3, 4, 5) names"
    " ORDER BY state_code, district_id, school_id, file_line DESC) b"
    " LEFT JOIN {schema}.dim_inst_hier d ON d.state_code = b.state_code"
    " AND d.district_id = b.district_id AND d.school_id = b.school_id AND d.rec_status = 'C') x";
static const char retire_insts[] =
    "UPDATE {schema}.dim_inst_hier SET rec_status = 'I', to_date = $1, ended_by = $2::bigint"
    " FROM promote_inst"
    " WHERE inst_hier_rec_id = i_old_id AND NOT i_same AND rec_status = 'C'";
static const char insert_insts[] =
    "INSERT INTO {schema}.dim_inst_hier (inst_hier_rec_id, state_code, district_id, district_name,"
    " school_id, school_name, from_date, to_date, rec_status, batch_guid)"
    " SELECT i_id, state_code, district_id, district_name, school_id, school_name, $1,"
    " '" SB_FOREVER "', 'C', $2 FROM {batch}.asmt_outcome JOIN promote_inst ON i_line = file_line"
    " WHERE NOT i_same";

/* Only the narrow index of production is read here: student_id, id and digest. */
static const char find_students[] =
    "INSERT INTO promote_student"
    " SELECT b.file_line, d.student_rec_id,"
    " CASE WHEN d.student_hash = b.student_hash THEN d.student_rec_id"
    " ELSE $1::bigint + b.file_line END,"
    " CASE WHEN d.student_rec_id IS NULL THEN 'n' WHEN d.student_hash = b.student_hash THEN 's'"
    " WHEN d.student_hash <> b.student_hash THEN 'x' ELSE 'u' END"
    " FROM {batch}.asmt_outcome b LEFT JOIN {schema}.dim_student d"
    " ON d.student_id = b.student_id AND d.rec_status = 'C'"
    " WHERE b.op = 'C'"
    " AND NOT EXISTS (SELECT FROM promote_repeat WHERE r_line = b.file_line"
    " AND r_line < r_last_line)"; /* an anti-join: NOT IN would be quadratic over many repeats */
static const char count_students[] =
    "SELECT count(*) FILTER (WHERE s_state = 's'), count(*) FILTER (WHERE s_state = 'u')"
    " FROM promote_student";
/* Without a digest on either side the columns decide. */
static const char compare_students[] =
    "UPDATE promote_student SET s_state = 's', s_id = s_old_id WHERE s_state = 'u' AND s_line IN"
    " (SELECT s_line FROM ("
    "SELECT s_line, " STUDENT_COLUMNS
    " FROM {batch}.asmt_outcome JOIN promote_student ON s_line = file_line"
    " WHERE s_state = 'u' INTERSECT "
    "SELECT s_line, " STUDENT_COLUMNS " FROM {schema}.dim_student JOIN promote_student"
    " ON s_old_id = student_rec_id WHERE s_state = 'u') x)";
static const char retire_students[] =
    "UPDATE {schema}.dim_student SET rec_status = 'I', to_date = $1, ended_by = $2::bigint"
    " FROM promote_student"
    " WHERE student_rec_id = s_old_id AND s_state <> 's' AND rec_status = 'C'";
static const char insert_students[] =
    "INSERT INTO {schema}.dim_student (student_rec_id, " STUDENT_COLUMNS ","
    " from_date, to_date, rec_status, batch_guid, student_hash)"
    " SELECT s_id, " STUDENT_COLUMNS ", $1, '" SB_FOREVER "', 'C', $2, student_hash"
    " FROM {batch}.asmt_outcome JOIN promote_student ON s_line = file_line WHERE s_state <> 's'";

/* The two fact tables differ in name, in the name of their key, and in columns. */
#define FACTS "{schema}.fact_asmt_outcome_vw"
#define FACT_KEY "asmt_outcome_vw_rec_id"
#define BLOCKS "{schema}.fact_block_asmt_outcome"
#define BLOCK_KEY "asmt_outcome_rec_id"

/* $1: ids of all versions of the assessment, which say the same as its guid but are indexed: many
 * lines are found by assessment, few by student. */
#define SAME_KEY                                                                                   \
    "f.student_id = b.student_id AND f.asmt_guid = b.asmt_guid AND f.date_taken = b.date_taken"    \
    " AND f.rec_status = 'C' AND f.asmt_rec_id = ANY ($1::bigint[])"

#define FIND_BAD_DELETES(table)                                                                    \
    "SELECT file_line, code, student_id, asmt_guid, count(*) OVER (PARTITION BY code) FROM ("      \
    "SELECT b.file_line, CASE WHEN f.asmt_guid IS NULL THEN 1000 ELSE 1001 END AS code,"           \
    " b.student_id, b.asmt_guid FROM (SELECT file_line, student_id, asmt_guid, date_taken,"        \
    " count(*) OVER (PARTITION BY student_id, asmt_guid, date_taken) AS times"                     \
    " FROM {batch}.asmt_outcome WHERE op = 'W') b LEFT JOIN " table " f ON " SAME_KEY              \
    " WHERE f.asmt_guid IS NULL OR times > 1) x ORDER BY code, file_line LIMIT " MAX_BAD_LINES
#define DELETE_FACTS(table)                                                                        \
    "UPDATE " table " f SET rec_status = 'D', ended_by = $2::bigint"                               \
    " FROM {batch}.asmt_outcome b"                                                                 \
    " WHERE b.op = 'W' AND " SAME_KEY
#define RETIRE_FACTS(table)                                                                        \
    "UPDATE " table " f SET rec_status = 'I', to_date = $2, ended_by = $3::bigint"                 \
    " FROM {batch}.asmt_outcome b"                                                                 \
    " WHERE b.op = 'C' AND " SAME_KEY
/* Left joins, of which each line finds one row: with them the planner reads the lines in their order and
 * hashes the rest. So rows and keys are stored in the order of the file, school by school as a rule. */
#define INSERT_FACTS(table, key, columns)                                                          \
    "INSERT INTO " table " (" key ", asmt_rec_id, student_rec_id, inst_hier_rec_id, " columns ","  \
    " from_date, to_date, rec_status, batch_guid)"                                                 \
    " SELECT $1::bigint + file_line, $2::bigint, s_id, i_id, " columns ","                         \
    " $3, '" SB_FOREVER "', 'C', $4 FROM {batch}.asmt_outcome"                                     \
    " LEFT JOIN promote_repeat ON r_line = file_line"                                              \
    " LEFT JOIN promote_student ON s_line = coalesce(r_last_line, file_line)"                      \
    " LEFT JOIN promote_inst ON i_school = school_id AND i_district = district_id"                 \
    " AND i_state = state_code WHERE op = 'C' AND r_old_fact IS NOT TRUE"

/* Statements of facts: [0] summative and comprehensive, [1] blocks. */
static const char *const find_bad_deletes[] = {FIND_BAD_DELETES(FACTS), FIND_BAD_DELETES(BLOCKS)};
static const char *const delete_facts[] = {DELETE_FACTS(FACTS), DELETE_FACTS(BLOCKS)};
static const char *const retire_facts[] = {RETIRE_FACTS(FACTS), RETIRE_FACTS(BLOCKS)};
static const char *const insert_facts[] = {INSERT_FACTS(FACTS, FACT_KEY, FACT_COLUMNS),
                                           INSERT_FACTS(BLOCKS, BLOCK_KEY, BLOCK_COLUMNS)};

/* ---- before anything changes ----------------------------------------------------------------- */

/* A server that crashed comes back with unlogged tables empty: that must not pass for a batch. */
static apr_status_t judge_batch(results_t *rs)
{
    apr_int64_t total = 0, last_line = 0;
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    rv =
        sb_work_query(rs->w, &rows, "reading the assessment",
                      "SELECT count(*), max(asmt_type), max(asmt_guid) FROM {batch}.asmt", 0, NULL);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (sb_rows_int(rows, 0, 0, 0) != 1) {
        return sb_work_unfit(rs->w, "the batch has %s assessments, not one; load it again",
                             sb_rows_text(rows, 0, 0));
    }
    rs->blocks = !strcmp(sb_rows_text(rows, 0, 1), "INTERIM ASSESSMENT BLOCKS");
    rs->run->content_key = apr_pstrcat(rs->w->p, "asmt:", sb_rows_text(rows, 0, 2), NULL);
    rv = sb_work_script(rs->w, "sampling the batch", sample);
    if (rv == APR_SUCCESS) {
        rv = sb_work_query(rs->w, &rows, "counting lines", count_lines, 0, NULL);
    }
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        const char *op = sb_rows_text(rows, i, 0);
        apr_int64_t n = sb_rows_int(rows, i, 1, 0), last = sb_rows_int(rows, i, 2, 0);

        *(*op == 'C' ? &rs->creates : *op == 'W' ? &rs->deletes : &rs->result->ignored) += n;
        total += n;
        last_line = last > last_line ? last : last_line;
        if (sb_rows_int(rows, i, 3, 0)) {
            return sb_work_unfit(rs->w, "%s lines are of another assessment",
                                 sb_rows_text(rows, i, 3));
        }
    }
    return rv == APR_SUCCESS ? sb_promote_reserve(rs->run, total, last_line) : rv;
}

static apr_status_t find_repeated(results_t *rs)
{
    apr_status_t rv = sb_work_script(rs->w, "making scratch tables", scratch);

    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(rs->w, NULL, "finding repeated lines", find_repeats, 0, NULL);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_count(rs->w, &rs->result->deduplicated, "counting repeated lines",
                           "SELECT count(*) FROM promote_repeat WHERE r_old_fact", 0, NULL);
    }
    return rv;
}

/* ---- dimensions ------------------------------------------------------------------------------ */

static apr_status_t find_versions(results_t *rs)
{
    sb_rows_t *rows;
    apr_status_t rv = sb_work_query(rs->w, &rows, "finding versions of the assessment",
                                    "SELECT array_agg(asmt_rec_id) FROM {schema}.dim_asmt"
                                    " JOIN {batch}.asmt USING (asmt_guid)",
                                    0, NULL);

    if (rv == APR_SUCCESS) {
        rs->asmt_ids = sb_rows_text(rows, 0, 0);
    }
    return rv;
}

static apr_status_t promote_asmt(results_t *rs)
{
    const sb_promotion_t *run = rs->run;
    const char *args[] = {run->base_arg, run->job->today, run->job->batch_guid};
    sb_promoted_dim_t *r = &rs->result->asmt;
    sb_rows_t *rows;
    apr_status_t rv = sb_work_query(rs->w, &rows, "finding the assessment", find_asmt, 0, NULL);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (sb_rows_count(rows) && sb_rows_bool(rows, 0, 1) == 1) {
        rs->asmt_id = sb_rows_text(rows, 0, 0);
        r->shadowed = 1;
        return APR_SUCCESS;
    }
    rs->asmt_id = run->base_arg;
    if (sb_rows_count(rows)) {
        const char *old[] = {sb_rows_text(rows, 0, 0), run->job->today, run->base_arg};

        rv = sb_work_exec(rs->w, &r->superseded, "retiring the assessment", retire_asmt, 3, old);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(rs->w, &r->inserted, "inserting the assessment", insert_asmt, 3, args);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(rs->w, NULL, "inserting its levels", insert_levels, 1, args);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(rs->w, NULL, "inserting its claims", insert_claims, 1, args);
    }
    return rv;
}

static apr_status_t promote_insts(results_t *rs)
{
    const sb_promotion_t *run = rs->run;
    const char *args[] = {run->job->today, run->job->batch_guid};
    const char *old[] = {run->job->today, run->base_arg};
    sb_promoted_dim_t *r = &rs->result->inst_hier;
    apr_int64_t all = 0;
    apr_status_t rv = sb_work_exec(rs->w, &all, "finding schools", find_insts, 1, &run->base_arg);

    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(rs->w, &r->superseded, "retiring schools", retire_insts, 2, old);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(rs->w, &r->inserted, "inserting schools", insert_insts, 2, args);
    }
    r->shadowed = all - r->inserted;
    return rv;
}

static apr_status_t promote_students(results_t *rs)
{
    const sb_promotion_t *run = rs->run;
    const char *args[] = {run->job->today, run->job->batch_guid};
    const char *old[] = {run->job->today, run->base_arg};
    sb_promoted_dim_t *r = &rs->result->student;
    apr_int64_t all = 0, more = 0;
    sb_rows_t *rows;
    apr_status_t rv =
        sb_work_exec(rs->w, &all, "finding students", find_students, 1, &run->base_arg);

    if (rv == APR_SUCCESS) {
        rv = sb_work_query(rs->w, &rows, "counting students", count_students, 0, NULL);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    r->shadowed = sb_rows_int(rows, 0, 0, 0);
    if (sb_rows_int(rows, 0, 1, 0)) {
        rv = sb_work_exec(rs->w, &more, "comparing students", compare_students, 0, NULL);
        r->shadowed += more;
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_script(rs->w, "sampling scratch tables", sample_scratch);
    }
    if (rv == APR_SUCCESS && r->shadowed < all) {
        rv = sb_work_exec(rs->w, &r->superseded, "retiring students", retire_students, 2, old);
        if (rv == APR_SUCCESS) {
            rv = sb_work_exec(rs->w, &r->inserted, "inserting students", insert_students, 2, args);
        }
    }
    return rv;
}

/* ---- facts ----------------------------------------------------------------------------------- */

static apr_status_t bad_deletes(results_t *rs, const sb_rows_t *rows)
{
    apr_array_header_t *bad = apr_array_make(rs->w->p, 16, sizeof(sb_promote_bad_line_t));
    apr_int64_t all = sb_rows_int(rows, 0, 4, 0); /* of which some are listed */
    int code = (int)sb_rows_int(rows, 0, 1, 0), i;

    for (i = 0; i < sb_rows_count(rows) && sb_rows_int(rows, i, 1, 0) == code; i++) {
        sb_promote_bad_line_t line = {sb_rows_int(rows, i, 0, 0), code, sb_rows_text(rows, i, 2),
                                      sb_rows_text(rows, i, 3)};
        APR_ARRAY_PUSH(bad, sb_promote_bad_line_t) = line;
    }
    *rs->run->pbad = bad;
    return sb_work_unfit(
        rs->w, "%" APR_INT64_T_FMT " line%s a result %s; the first is line %" APR_INT64_T_FMT, all,
        all == 1 ? " deletes" : "s delete",
        code == 1000 ? "that is not there" : "that another line deletes too",
        APR_ARRAY_IDX(bad, 0, sb_promote_bad_line_t).line);
}

static apr_status_t delete_results(results_t *rs)
{
    const char *args[] = {rs->asmt_ids, rs->run->base_arg};
    sb_rows_t *rows;
    apr_status_t rv;

    if (!rs->deletes) {
        return APR_SUCCESS;
    }
    rv = sb_work_query(rs->w, &rows, "finding results to delete", find_bad_deletes[rs->blocks], 1,
                       args);
    if (rv == APR_SUCCESS && sb_rows_count(rows)) {
        return bad_deletes(rs, rows);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(rs->w, &rs->result->deleted, "deleting results", delete_facts[rs->blocks],
                          2, args);
    }
    return rv;
}

static apr_status_t promote_facts(results_t *rs)
{
    const sb_promotion_t *run = rs->run;
    const char *args[] = {run->base_arg, rs->asmt_id, run->job->today, run->job->batch_guid};
    const char *old[] = {rs->asmt_ids, run->job->today, run->base_arg};
    sb_promoted_t *r = rs->result;
    apr_status_t rv = delete_results(rs);

    /* An assessment nobody knew has no results to retire. */
    if (rv == APR_SUCCESS && (r->asmt.shadowed || r->asmt.superseded)) {
        rv = sb_work_exec(rs->w, &r->superseded, "retiring results", retire_facts[rs->blocks], 3,
                          old);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(rs->w, &r->inserted, "inserting results", insert_facts[rs->blocks], 4,
                          args);
    }
    if (rv == APR_SUCCESS && r->inserted != rs->creates - r->deduplicated) {
        sb_work_unfit(rs->w, "%" APR_INT64_T_FMT " results were inserted of %" APR_INT64_T_FMT,
                      r->inserted, rs->creates - r->deduplicated);
        rv = SB_EDB;
    }
    return rv;
}

apr_status_t sb_promote_results(sb_promotion_t *run)
{
    static apr_status_t (*const steps[])(results_t *) = {
        judge_batch,   find_repeated,    promote_asmt, find_versions,
        promote_insts, promote_students, promote_facts};
    results_t rs = {.run = run, .w = &run->w, .result = run->result};
    apr_status_t rv = APR_SUCCESS;
    apr_size_t i;

    for (i = 0; rv == APR_SUCCESS && i < sizeof(steps) / sizeof(*steps); i++) {
        rv = steps[i](&rs);
    }
    return rv;
}
