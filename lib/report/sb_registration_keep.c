/**
 * Counts of registration reports, made behind a promotion: by the same expressions as when a report counts for
 * itself (sb_registration.c), of all schools of a year at once.
 */

#include "report/sb_registration_run.h"

#include <stdlib.h>
#include <apr_strings.h>
#include "core/sb_log.h"
#include "core/sb_time.h"

/* Counts of a query as one array. */
static const char *array_of(const char *counts, apr_pool_t *p)
{
    return apr_pstrcat(p, "ARRAY[", counts + 2, "]", NULL);
}

/* All states of the schema at once; $1 is the year. */
static const char *count_sql(sb_reg_counted_t kind, apr_pool_t *p)
{
    const char *into =
        "INSERT INTO {schema}.report_registration (kind, academic_year, key, state_code,"
        " state_name, district_id, district_name, school_id, school_name, counts) ";

    switch (kind) {
    case SB_REG_KEPT_YEARS:
        return apr_pstrcat(p, into, "SELECT 0, $1::smallint, 0, " SB_REG_PLACE_COLUMNS ", ",
                           array_of(sb_reg_line_counts("r", NULL, p), p),
                           " FROM {schema}.student_reg r WHERE r.academic_year = $1::smallint"
                           " GROUP BY " SB_REG_PLACE_COLUMNS,
                           NULL);
    case SB_REG_KEPT_MATCHED:
        return apr_pstrcat(p, into,
                           "SELECT 1, $1::smallint, (p.district_id = c.district_id)::int"
                           " + 2 * (p.school_id = c.school_id)::int, c.state_code, NULL,"
                           " c.district_id, NULL, c.school_id, NULL, ",
                           array_of(sb_reg_line_counts("c", "p", p), p),
                           " FROM {schema}.student_reg c JOIN {schema}.student_reg p"
                           " USING (state_code, student_id)"
                           " WHERE c.academic_year = $1::smallint"
                           " AND p.academic_year = $1::smallint - 1"
                           " GROUP BY 3, c.state_code, c.district_id, c.school_id",
                           NULL);
    default:
        return apr_pstrcat(
            p, into, "SELECT 2, $1::smallint, coalesce(a.mask, 0), " SB_REG_PLACE_COLUMNS ", ",
            array_of(sb_reg_line_counts("r", NULL, p), p),
            " FROM {schema}.student_reg r LEFT JOIN ", sb_reg_masks("$1", "true", p),
            " a USING (state_code, student_id)"
            " WHERE r.academic_year = $1::smallint GROUP BY 3, " SB_REG_PLACE_COLUMNS,
            NULL);
    }
}

static apr_status_t exec(sb_db_t *db, const char *schema, const char *sql, const char *kind,
                         const char *year, apr_pool_t *p)
{
    const char *args[] = {year, kind};

    return sb_db_exec_text(NULL, db, sb_sql(p, sql, "schema", schema, NULL),
                           kind   ? 2
                           : year ? 1
                                  : 0,
                           args);
}

/* In a transaction of its own. The lock first: whatever is committed later outdates what is counted here. */
static apr_status_t keep(sb_db_t *db, const char *schema, const char *kind, const char *year,
                         apr_pool_t *p)
{
    apr_status_t rv = sb_db_begin(db, SB_TX_WRITE);

    if (rv == APR_SUCCESS) {
        rv = sb_db_script(db,
                          sb_sql(p,
                                 "SET LOCAL work_mem = '64MB'; LOCK TABLE"
                                 " {schema}.report_registration_made IN SHARE ROW EXCLUSIVE MODE",
                                 "schema", schema, NULL));
    }
    if (rv == APR_SUCCESS) {
        rv = exec(db, schema,
                  "DELETE FROM {schema}.report_registration"
                  " WHERE academic_year = $1::smallint AND kind = $2::smallint",
                  kind, year, p);
    }
    if (rv == APR_SUCCESS) {
        rv = exec(db, schema, count_sql((sb_reg_counted_t)atoi(kind), p), NULL, year, p);
    }
    if (rv == APR_SUCCESS) {
        rv = exec(db, schema,
                  "INSERT INTO {schema}.report_registration_made (academic_year, kind, valid)"
                  " VALUES ($1::smallint, $2::smallint, true)"
                  " ON CONFLICT (kind, academic_year) DO UPDATE SET valid = true",
                  kind, year, p);
    }
    return sb_db_end(db, rv);
}

apr_status_t sb_reg_refresh(sb_db_t *db, const char *schema, int (*stopping)(void),
                            apr_pool_t *parent)
{
    /* years by jumps through the index: there are few, and millions of rows */
    static const char missing[] =
        "WITH RECURSIVE years AS ("
        "SELECT min(academic_year)::int AS y FROM {schema}.student_reg UNION ALL"
        " SELECT (SELECT min(academic_year)::int FROM {schema}.student_reg"
        "          WHERE academic_year > years.y) FROM years WHERE y IS NOT NULL)"
        "SELECT n.kind, n.y FROM (SELECT kind, y FROM years, generate_series(0, 2) kind"
        "                         UNION SELECT 0, y - 1 FROM years) n"
        " WHERE n.y IS NOT NULL AND NOT EXISTS (SELECT FROM {schema}.report_registration_made m"
        "       WHERE m.kind = n.kind AND m.academic_year = n.y AND m.valid)"
        " ORDER BY 2 DESC, 1";
    apr_pool_t *p;
    sb_rows_t *rows;
    apr_status_t rv;

    apr_pool_create(&p, parent);
    rv = exec(db, schema,
              "WITH gone AS (DELETE FROM {schema}.report_registration_made m WHERE NOT valid"
              " AND NOT EXISTS (SELECT FROM {schema}.student_reg r"
              "     WHERE r.academic_year IN (m.academic_year, m.academic_year + 1))"
              " RETURNING kind, academic_year)"
              "DELETE FROM {schema}.report_registration r USING gone g"
              " WHERE r.kind = g.kind AND r.academic_year = g.academic_year",
              NULL, NULL, p);
    if (rv == APR_SUCCESS) {
        rv = sb_db_query_text(&rows, db, sb_sql(p, missing, "schema", schema, NULL), 0, NULL, p);
    }
    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows) && !(stopping && stopping());
         i++) {
        double start = sb_time_monotonic();

        rv = keep(db, schema, sb_rows_text(rows, i, 0), sb_rows_text(rows, i, 1), p);
        if (rv == APR_SUCCESS) {
            sb_log(SB_LOG_INFO, SBLOGNO(2122), SB_NO_STATUS,
                   "registrations of %s counted, kind %s, in %.0f ms", sb_rows_text(rows, i, 1),
                   sb_rows_text(rows, i, 0), 1000 * (sb_time_monotonic() - start));
        }
    }
    apr_pool_destroy(p);
    return rv;
}
