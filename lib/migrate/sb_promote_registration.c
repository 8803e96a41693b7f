/*
 * A registration becomes the snapshot of its system and year. The one before it moves aside, the one
 * before that goes: one is kept, so that a withdrawal can bring it back.
 */

#include "config.h"

#include <apr_strings.h>

#include "migrate/sb_promote_run.h"

/* clang-format off */
#define COLUMNS \
    "state_code, state_name, district_id, district_name, school_id, school_name, student_id, " \
    "external_student_ssid, first_name, middle_name, last_name, birthdate, sex, enrl_grade, " \
    "dmg_eth_hsp, dmg_eth_ami, dmg_eth_asn, dmg_eth_blk, dmg_eth_pcf, dmg_eth_wht, " \
    "dmg_multi_race, dmg_prg_iep, dmg_prg_lep, dmg_prg_504, dmg_sts_ecd, dmg_sts_mig, " \
    "language_code, eng_prof_lvl, us_school_entry_date, lep_entry_date, lep_exit_date, " \
    "t3_program_type, prim_disability_type"
/* clang-format on */

static const char sample[] = "SET LOCAL default_statistics_target = 10;"
                             "ANALYZE {batch}.student_reg (file_line, student_id)";

/* A student is once at a school, as the later line says; one of two schools has two rows. Only rows of
 * students who come several times are compared. */
static const char find_repeats[] = "INSERT INTO promote_repeat SELECT file_line FROM ("
                                   "SELECT file_line, row_number() OVER (PARTITION BY student_id, "
                                   "school_id, district_id, state_code"
                                   " ORDER BY file_line DESC) AS nth FROM {batch}.student_reg "
                                   "WHERE student_id IN (SELECT student_id FROM {batch}.student_reg"
                                   " GROUP BY student_id HAVING count(*) > 1)) x WHERE nth > 1";

#define SNAPSHOT " WHERE academic_year = $1::smallint AND reg_system_id = $2"

static const char forget[] = "DELETE FROM {schema}.student_reg_replaced" SNAPSHOT;
static const char move_aside[] =
    "WITH old AS (DELETE FROM {schema}.student_reg" SNAPSHOT " RETURNING *)"
    " INSERT INTO {schema}.student_reg_replaced SELECT * FROM old";
static const char insert[] =
    "INSERT INTO {schema}.student_reg (student_reg_rec_id, " COLUMNS ", student_reg_guid,"
    " academic_year, extract_date, reg_system_id, batch_guid)"
    " SELECT $1::bigint + b.file_line, " COLUMNS ", r.student_reg_guid, r.academic_year,"
    " r.extract_date, r.reg_system_id, $2 FROM {batch}.student_reg b, {batch}.registration r"
    " WHERE NOT EXISTS (SELECT FROM promote_repeat p WHERE p.file_line = b.file_line)";

/* The batch's system and year, as arguments of SNAPSHOT. */
static apr_status_t judge_batch(const char **key, sb_promotion_t *run)
{
    const sb_work_t *w = &run->w;
    sb_rows_t *rows;
    apr_status_t rv =
        sb_work_query(w, &rows, "reading the registration",
                      "SELECT academic_year, reg_system_id FROM {batch}.registration", 0, NULL);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (sb_rows_count(rows) != 1) {
        return sb_work_unfit(w, "the batch has %d registrations, not one; load it again",
                             sb_rows_count(rows));
    }
    key[0] = sb_rows_text(rows, 0, 0);
    key[1] = sb_rows_text(rows, 0, 1);
    run->content_key = apr_pstrcat(w->p, "reg:", key[0], ":", key[1], NULL);
    rv = sb_work_script(w, "sampling the batch", sample);
    if (rv == APR_SUCCESS) {
        rv = sb_work_query(w, &rows, "counting lines",
                           "SELECT count(*), max(file_line) FROM {batch}.student_reg", 0, NULL);
    }
    if (rv == APR_SUCCESS && !sb_rows_int(rows, 0, 0, 0)) {
        return sb_work_unfit(w, "a registration without students would remove the whole snapshot");
    }
    return rv == APR_SUCCESS
               ? sb_promote_reserve(run, sb_rows_int(rows, 0, 0, 0), sb_rows_int(rows, 0, 1, 0))
               : rv;
}

apr_status_t sb_promote_registration(sb_promotion_t *run)
{
    const char *args[] = {NULL, run->job->batch_guid}, *key[2];
    const sb_work_t *w = &run->w;
    sb_promoted_t *r = run->result;
    apr_status_t rv = judge_batch(key, run);

    if (rv == APR_SUCCESS) {
        rv = sb_work_script(w, "making a scratch table",
                            "CREATE TEMP TABLE promote_repeat (file_line bigint) ON COMMIT DROP");
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(w, &r->deduplicated, "finding repeated lines", find_repeats, 0, NULL);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(w, NULL, "forgetting the snapshot before last", forget, 2, key);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_work_exec(w, &r->superseded, "moving the last snapshot aside", move_aside, 2, key);
    }
    if (rv == APR_SUCCESS) {
        args[0] = run->base_arg;
        rv = sb_work_exec(w, &r->inserted, "inserting the snapshot", insert, 2, args);
    }
    return rv;
}
