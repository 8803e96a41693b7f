/**
 * Registration reports: the lines, the queries, the sums, the arithmetic of a cell. PostgreSQL counts,
 * in one pass a query and by school, when it is asked or behind a promotion; here are only sums of schools.
 */

#include "report/sb_registration_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_hash.h>
#include <apr_strings.h>

/* ---- lines ----------------------------------------------------------------------------------- */

/* A row counts where its column is so; NULL of a boolean is no. */
static const struct {
    const char *category, *value, *column, *is;
} lines[SB_REG_LINES] = {
    {"Total", "Total", NULL, NULL},
    {"Sex", "Male", "sex", " = 'male'"},
    {"Sex", "Female", "sex", " = 'female'"},
    {"Ethnicity", "HispanicOrLatinoEthnicity", "dmg_eth_hsp", ""},
    {"Race", "AmericanIndianOrAlaskaNative", "dmg_eth_ami", ""},
    {"Race", "Asian", "dmg_eth_asn", ""},
    {"Race", "BlackOrAfricanAmerican", "dmg_eth_blk", ""},
    {"Race", "NativeHawaiianOrOtherPacificIslander", "dmg_eth_pcf", ""},
    {"Race", "White", "dmg_eth_wht", ""},
    {"Race", "DemographicRaceTwoOrMoreRaces", "dmg_multi_race", ""},
    {"Program", "IDEAIndicator", "dmg_prg_iep", ""},
    {"Program", "LEPStatus", "dmg_prg_lep", ""},
    {"Program", "504Status", "dmg_prg_504", ""},
    {"Program", "EconomicDisadvantageStatus", "dmg_sts_ecd", ""},
    {"Program", "MigrantStatus", "dmg_sts_mig", ""},
    {"Grade KG", "Total", "enrl_grade", " IN ('KG', 'Kg', 'kG', 'kg')"},
    {"Grade 01", "Total", "enrl_grade", " = '01'"},
    {"Grade 02", "Total", "enrl_grade", " = '02'"},
    {"Grade 03", "Total", "enrl_grade", " = '03'"},
    {"Grade 04", "Total", "enrl_grade", " = '04'"},
    {"Grade 05", "Total", "enrl_grade", " = '05'"},
    {"Grade 06", "Total", "enrl_grade", " = '06'"},
    {"Grade 07", "Total", "enrl_grade", " = '07'"},
    {"Grade 08", "Total", "enrl_grade", " = '08'"},
    {"Grade 09", "Total", "enrl_grade", " = '09'"},
    {"Grade 10", "Total", "enrl_grade", " = '10'"},
    {"Grade 11", "Total", "enrl_grade", " = '11'"},
    {"Grade 12", "Total", "enrl_grade", " = '12'"},
};

const char *sb_reg_category(int line)
{
    return lines[line].category;
}

const char *sb_reg_value(int line)
{
    return lines[line].value;
}

/* ---- columns --------------------------------------------------------------------------------- */

/* What students may have been assessed by, in the order of the measures; bit i of a mask is the i-th. */
static const struct {
    const char *title, *type, *subject; /* in lower case */
} assessed[] = {
    {"Summative Math", "summative", "math"},
    {"Summative ELA", "summative", "ela"},
    {"Interim Comprehensive Math", "interim comprehensive", "math"},
    {"Interim Comprehensive ELA", "interim comprehensive", "ela"},
};
#define ASSESSED ((int)(sizeof(assessed) / sizeof(assessed[0])))

int sb_reg_columns(sb_reg_kind_t kind)
{
    return kind == SB_REG_STATISTICS ? 9 : 1 + 2 * ASSESSED;
}

const char *sb_reg_title(sb_reg_kind_t kind, int year, int column, apr_pool_t *p)
{
    int last = year - 1, of = (column - 1) / 2;

    if (kind == SB_REG_COMPLETION) {
        return column == 0  ? apr_psprintf(p, "AY%d Count of Registered Students", year)
               : column % 2 ? apr_psprintf(p, "AY%d Count of Students Assessed by %s", year,
                                           assessed[of].title)
                            : apr_psprintf(p, "AY%d Percent of Registered Students Assessed by %s",
                                           year, assessed[of].title);
    }
    switch (column) {
    case 0:
        return apr_psprintf(p, "AY%d Count", last);
    case 1:
        return apr_psprintf(p, "AY%d Percent of Total", last);
    case 2:
        return apr_psprintf(p, "AY%d Count", year);
    case 3:
        return apr_psprintf(p, "AY%d Percent of Total", year);
    case 4:
        return "Change in Count";
    case 5:
        return "Percent Difference in Count";
    case 6:
        return "Change in Percent of Total";
    case 7:
        return apr_psprintf(p, "AY%d Matched IDs to AY%d Count", year, last);
    default:
        return apr_psprintf(p, "AY%d Matched IDs Percent of AY%d Count", year, last);
    }
}

/* ---- cells ----------------------------------------------------------------------------------- */

static const sb_reg_cell_t blank = {.kind = SB_REG_BLANK};

static sb_reg_cell_t count_of(apr_int64_t n)
{
    return (sb_reg_cell_t){.kind = SB_REG_COUNT, .count = n};
}

static sb_reg_cell_t percent_of(double percent)
{
    return (sb_reg_cell_t){.kind = SB_REG_PERCENT, .percent = percent};
}

/* part of whole in per cent; blank if either is, or the whole is 0. Divides first: that decides how a tie
 * is rounded. */
static sb_reg_cell_t share(const sb_reg_cell_t *part, const sb_reg_cell_t *whole)
{
    return part->kind == SB_REG_COUNT && whole->kind == SB_REG_COUNT && whole->count != 0
               ? percent_of((double)part->count / (double)whole->count * 100)
               : blank;
}

static void statistics(sb_reg_cell_t *cell, const sb_reg_counts_t *counts, int line)
{
    int was = counts->n[SB_REG_PREVIOUS][0] > 0, is = counts->n[SB_REG_CURRENT][0] > 0;
    sb_reg_cell_t previous = was ? count_of(counts->n[SB_REG_PREVIOUS][line]) : blank;
    sb_reg_cell_t current = is ? count_of(counts->n[SB_REG_CURRENT][line]) : blank;
    sb_reg_cell_t matched = was && is ? count_of(counts->n[SB_REG_MATCHED][line]) : blank;
    sb_reg_cell_t change = was && is ? count_of(current.count - previous.count) : blank;
    sb_reg_cell_t total_previous = count_of(counts->n[SB_REG_PREVIOUS][0]),
                  total_current = count_of(counts->n[SB_REG_CURRENT][0]);

    cell[0] = previous;
    cell[1] = share(&previous, &total_previous);
    cell[2] = current;
    cell[3] = share(&current, &total_current);
    cell[4] = change;
    cell[5] = share(&change, &previous);
    cell[6] = was && is ? percent_of(cell[3].percent - cell[1].percent) : blank;
    cell[7] = matched;
    cell[8] = share(&matched, &previous);
}

static void completion(sb_reg_cell_t *cell, const sb_reg_counts_t *counts, int line)
{
    cell[0] = count_of(counts->n[SB_REG_REGISTERED][line]);
    for (int i = 0; i < ASSESSED; i++) {
        cell[1 + 2 * i] = count_of(counts->n[SB_REG_SUMMATIVE_MATH + i][line]);
        cell[2 + 2 * i] = share(&cell[1 + 2 * i], &cell[0]);
    }
}

void sb_reg_cells(sb_reg_cell_t cells[SB_REG_COLUMNS], sb_reg_kind_t kind,
                  const sb_reg_counts_t *counts, int line)
{
    (kind == SB_REG_STATISTICS ? statistics : completion)(cells, counts, line);
}

const char *sb_reg_text(char buf[SB_REG_TEXT_SIZE], const sb_reg_cell_t *cell)
{
    char *end;

    buf[0] = '\0';
    if (cell->kind == SB_REG_COUNT) {
        apr_snprintf(buf, SB_REG_TEXT_SIZE, "%" APR_INT64_T_FMT, cell->count);
    }
    else if (cell->kind == SB_REG_PERCENT) {
        /* the C library's rounds the exact value; APR's does not */
        snprintf(buf, SB_REG_TEXT_SIZE, "%.2f", cell->percent);
        end = buf + strlen(buf);
        while (end[-1] == '0') {
            *--end = '\0';
        }
        if (end[-1] == '.') {
            *--end = '\0';
        }
    }
    return buf;
}

/* ---- the queries ----------------------------------------------------------------------------- */

typedef struct {
    sb_reg_kind_t kind;
    int year;
    const char *district_id;
    sb_db_t *db;
    const char *schema;
    const sb_scope_t *scope;
    int kept; /* counts are: table report_registration */
    apr_pool_t *p;
    apr_hash_t *counts; /* by ids of state, district, school */
    apr_hash_t *seen;   /* places by ids and names */
    apr_array_header_t *places;
} work_t;

const char *sb_reg_line_counts(const char *alias, const char *other, apr_pool_t *p)
{
    apr_array_header_t *all = apr_array_make(p, SB_REG_LINES, sizeof(const char *));

    APR_ARRAY_PUSH(all, const char *) = ", count(*)";
    for (int i = 1; i < SB_REG_LINES; i++) {
        const char *column = lines[i].column;

        APR_ARRAY_PUSH(all, const char *) = apr_pstrcat(
            p, ", count(*) FILTER (WHERE ", alias, ".", column, lines[i].is,
            other ? apr_pstrcat(p, " AND ", other, ".", column, " = ", alias, ".", column, NULL)
                  : "",
            ")", NULL);
    }
    return apr_array_pstrcat(p, all, 0);
}

/* Take a value as parameter. @return its "$n" */
static const char *arg(const work_t *k, apr_array_header_t *args, const char *value)
{
    APR_ARRAY_PUSH(args, const char *) = value;
    return apr_psprintf(k->p, "$%d", args->nelts);
}

/* Which rows: of a year, of the scope, of the district if one is asked for. */
static const char *rows_of(const work_t *k, const char *alias, int year, apr_array_header_t *args)
{
    const char *sql = apr_pstrcat(
        k->p, alias, ".academic_year = ", arg(k, args, apr_itoa(k->p, year)), "::smallint AND ",
        sb_scope_sql(k->scope, alias, args->nelts + 1, args, k->p), NULL);

    return k->district_id ? apr_pstrcat(k->p, sql, " AND ", alias,
                                        ".district_id = ", arg(k, args, k->district_id), NULL)
                          : sql;
}

static apr_status_t query(sb_rows_t **prows, const work_t *k, const char *sql,
                          const apr_array_header_t *args)
{
    return sb_db_query_text(prows, k->db, sb_sql(k->p, sql, "schema", k->schema, NULL), args->nelts,
                            (const char *const *)args->elts, k->p);
}

#define PLACE SB_REG_PLACE_COLUMNS

/* Columns of a row that was kept, in the form of the queries below. */
static const char *kept_counts(apr_pool_t *p)
{
    const char *sql = "";

    for (int i = 1; i <= SB_REG_LINES; i++) {
        sql = apr_psprintf(p, "%s, r.counts[%d]", sql, i);
    }
    return sql;
}

/* "kind = ... AND year ... AND" of rows that were kept, of the scope and the district. */
static const char *kept_rows(const work_t *k, sb_reg_counted_t kind, int year,
                             apr_array_header_t *args)
{
    return apr_psprintf(k->p, " FROM {schema}.report_registration r WHERE r.kind = %d AND %s", kind,
                        rows_of(k, "r", year, args));
}

/* One row a school, under each of its names, and year. The year comes first. */
static apr_status_t query_years(sb_rows_t **prows, const work_t *k)
{
    apr_array_header_t *args = apr_array_make(k->p, 8, sizeof(const char *));
    const char *sql, *now, *then;

    if (k->kept) {
        now = kept_rows(k, SB_REG_KEPT_YEARS, k->year, args);
        then = kept_rows(k, SB_REG_KEPT_YEARS, k->year - 1, args);
        sql =
            apr_pstrcat(k->p, "SELECT r.academic_year, " PLACE, kept_counts(k->p), now,
                        " UNION ALL SELECT r.academic_year, " PLACE, kept_counts(k->p), then, NULL);
    }
    else {
        now = rows_of(k, "r", k->year, args);
        then = rows_of(k, "r", k->year - 1, args);
        sql =
            apr_pstrcat(k->p, "SELECT r.academic_year, " PLACE, sb_reg_line_counts("r", NULL, k->p),
                        " FROM {schema}.student_reg r WHERE (", now, ") OR (", then,
                        ") GROUP BY r.academic_year, " PLACE, NULL);
    }
    return query(prows, k, sql, args);
}

/* Students who were registered the year before, too: one row a school of this year, and whether they were
 * in the same district and the same school. */
static apr_status_t query_matched(sb_rows_t **prows, const work_t *k)
{
    work_t anywhere = *k; /* he may have come from another district: that is no match, but a row */
    apr_array_header_t *args = apr_array_make(k->p, 8, sizeof(const char *));
    const char *now, *then, *sql;

    if (k->kept) {
        sql =
            apr_pstrcat(k->p,
                        "SELECT r.state_code, r.district_id, r.school_id, r.key & 1 = 1,"
                        " r.key & 2 = 2",
                        kept_counts(k->p), kept_rows(k, SB_REG_KEPT_MATCHED, k->year, args), NULL);
        return query(prows, k, sql, args);
    }
    now = rows_of(k, "c", k->year, args);
    anywhere.district_id = NULL;
    then = rows_of(&anywhere, "p", k->year - 1, args);
    sql = apr_pstrcat(
        k->p,
        "SELECT c.state_code, c.district_id, c.school_id, p.district_id = c.district_id,"
        " p.school_id = c.school_id",
        sb_reg_line_counts("c", "p", k->p),
        " FROM {schema}.student_reg c JOIN {schema}.student_reg p ON p.student_id = c.student_id"
        " WHERE ",
        now, " AND ", then, " GROUP BY 1, 2, 3, 4, 5", NULL);
    return query(prows, k, sql, args);
}

const char *sb_reg_masks(const char *year, const char *reach, apr_pool_t *p)
{
    const char *bit = "";

    for (int i = 0; i < ASSESSED; i++) {
        bit = apr_pstrcat(p, bit, " WHEN lower(f.asmt_type) = '", assessed[i].type,
                          "' AND lower(f.asmt_subject) = '", assessed[i].subject, "' THEN ",
                          apr_itoa(p, 1 << i), NULL);
    }
    return apr_pstrcat(p, "(SELECT f.state_code, f.student_id, bit_or(CASE", bit,
                       " ELSE 0 END) AS mask FROM {schema}.fact_asmt_outcome_vw f"
                       " WHERE f.rec_status = 'C' AND f.asmt_year = ",
                       year, "::smallint AND ", reach, " GROUP BY f.state_code, f.student_id)",
                       NULL);
}

/* One row a school, under each of its names, and way of having been assessed, a mask; it comes first. */
static apr_status_t query_assessed(sb_rows_t **prows, const work_t *k)
{
    apr_array_header_t *args = apr_array_make(k->p, 8, sizeof(const char *));
    const char *registered, *year, *sql;

    if (k->kept) {
        sql = apr_pstrcat(k->p, "SELECT r.key, " PLACE, kept_counts(k->p),
                          kept_rows(k, SB_REG_KEPT_ASSESSED, k->year, args), NULL);
        return query(prows, k, sql, args);
    }
    registered = rows_of(k, "r", k->year, args);
    year = arg(k, args, apr_itoa(k->p, k->year));
    sql = apr_pstrcat(
        k->p, "SELECT coalesce(a.mask, 0), " PLACE, sb_reg_line_counts("r", NULL, k->p),
        " FROM {schema}.student_reg r LEFT JOIN ",
        sb_reg_masks(year, sb_scope_sql(k->scope, "f", args->nelts + 1, args, k->p), k->p),
        " a USING (state_code, student_id) WHERE ", registered, " GROUP BY 1, " PLACE, NULL);
    return query(prows, k, sql, args);
}

/* ---- keeping --------------------------------------------------------------------------------- */

/* Is all that a report needs kept, and true? Only of whole states: of less a match means less. */
static apr_status_t find_kept(work_t *k)
{
    const char *sql = k->kind == SB_REG_STATISTICS
                          ? "SELECT count(*) = 3 FROM {schema}.report_registration_made"
                            " WHERE valid AND (kind, academic_year) IN ((0, $1::smallint),"
                            " (0, $1::smallint - 1), (1, $1::smallint))"
                          : "SELECT count(*) = 1 FROM {schema}.report_registration_made"
                            " WHERE valid AND kind = 2 AND academic_year = $1::smallint";
    apr_array_header_t *args = apr_array_make(k->p, 1, sizeof(const char *));
    sb_rows_t *rows;
    apr_status_t rv;

    if (!sb_scope_is_whole(k->scope)) {
        return APR_SUCCESS;
    }
    arg(k, args, apr_itoa(k->p, k->year));
    rv = query(&rows, k, sql, args);
    k->kept = rv == APR_SUCCESS && sb_rows_bool(rows, 0, 0) == 1;
    return rv;
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* Texts joined by a character that no name has, NULLs ending them. */
static const char *key_of(apr_pool_t *p, const char *a, const char *b, const char *c)
{
    return apr_pstrcat(p, a, b ? "\x1f" : NULL, b, c ? "\x1f" : NULL, c, NULL);
}

/* The counts of a place, made when they are asked for the first time. */
static sb_reg_counts_t *counts_of(const work_t *k, const char *state, const char *district,
                                  const char *school)
{
    const char *key = key_of(k->p, state, district, school);
    sb_reg_counts_t *counts = apr_hash_get(k->counts, key, APR_HASH_KEY_STRING);

    if (!counts) {
        counts = apr_pcalloc(k->p, sizeof(*counts));
        apr_hash_set(k->counts, key, APR_HASH_KEY_STRING, counts);
    }
    return counts;
}

static void add(sb_reg_counts_t *counts, int measure, const sb_rows_t *rows, int row, int col)
{
    for (int i = 0; i < SB_REG_LINES; i++) {
        counts->n[measure][i] += sb_rows_int(rows, row, col + i, 0);
    }
}

static void take_place(work_t *k, const sb_reg_place_t *place)
{
    const char *ids = key_of(k->p, place->state_code, place->district_id, place->school_id);
    const char *names = key_of(k->p, place->state_name, place->district_name, place->school_name);
    const char *key = apr_pstrcat(k->p, ids, "\x1e", names, NULL);

    if (!apr_hash_get(k->seen, key, APR_HASH_KEY_STRING)) {
        apr_hash_set(k->seen, key, APR_HASH_KEY_STRING, key);
        APR_ARRAY_PUSH(k->places, sb_reg_place_t) = *place;
    }
}

enum { C_KEY, C_STATE, C_STATE_NAME, C_DISTRICT, C_DISTRICT_NAME, C_SCHOOL, C_SCHOOL_NAME, C_N };

/* A school's row, counted for itself, its district and its state; also what these are called. */
static void take_school(work_t *k, const sb_rows_t *rows, int row, const int *measures,
                        int nmeasures)
{
    const char *state = sb_rows_text(rows, row, C_STATE),
               *district = sb_rows_text(rows, row, C_DISTRICT),
               *school = sb_rows_text(rows, row, C_SCHOOL);
    const char *state_name = sb_rows_text(rows, row, C_STATE_NAME),
               *district_name = sb_rows_text(rows, row, C_DISTRICT_NAME),
               *school_name = sb_rows_text(rows, row, C_SCHOOL_NAME);
    const sb_reg_place_t at[] = {
        {state, NULL, NULL, state_name, NULL, NULL, counts_of(k, state, NULL, NULL)},
        {state, district, NULL, state_name, district_name, NULL,
         counts_of(k, state, district, NULL)},
        {state, district, school, state_name, district_name, school_name,
         counts_of(k, state, district, school)},
    };

    for (int level = k->district_id ? 1 : 0; level < 3; level++) {
        take_place(k, &at[level]);
        for (int m = 0; m < nmeasures; m++) {
            add((sb_reg_counts_t *)at[level].counts, measures[m], rows, row, C_N);
        }
    }
}

static apr_status_t find_statistics(work_t *k)
{
    enum { M_STATE, M_DISTRICT, M_SCHOOL, M_SAME_DISTRICT, M_SAME_SCHOOL, M_N };
    sb_rows_t *rows;
    apr_status_t rv = query_years(&rows, k);

    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        int measure = sb_rows_int(rows, i, C_KEY, 0) == k->year ? SB_REG_CURRENT : SB_REG_PREVIOUS;

        take_school(k, rows, i, &measure, 1);
    }
    if (rv == APR_SUCCESS) {
        rv = query_matched(&rows, k);
    }
    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        const char *state = sb_rows_text(rows, i, M_STATE),
                   *district = sb_rows_text(rows, i, M_DISTRICT),
                   *school = sb_rows_text(rows, i, M_SCHOOL);

        add(counts_of(k, state, NULL, NULL), SB_REG_MATCHED, rows, i, M_N);
        if (sb_rows_bool(rows, i, M_SAME_DISTRICT) == 1) {
            add(counts_of(k, state, district, NULL), SB_REG_MATCHED, rows, i, M_N);
        }
        if (sb_rows_bool(rows, i, M_SAME_SCHOOL) == 1) {
            add(counts_of(k, state, district, school), SB_REG_MATCHED, rows, i, M_N);
        }
    }
    return rv;
}

static apr_status_t find_completion(work_t *k)
{
    sb_rows_t *rows;
    apr_status_t rv = query_assessed(&rows, k);

    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        int mask = (int)sb_rows_int(rows, i, C_KEY, 0), measures[SB_REG_MEASURES], n = 0;

        measures[n++] = SB_REG_REGISTERED;
        for (int b = 0; b < ASSESSED; b++) {
            if (mask & 1 << b) {
                measures[n++] = SB_REG_SUMMATIVE_MATH + b;
            }
        }
        take_school(k, rows, i, measures, n);
    }
    return rv;
}

/* ---- order ----------------------------------------------------------------------------------- */

/* Absent, being a level above, comes first. UTF-8 in the order of bytes is that of code points. */
static int compare(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int level_of(const sb_reg_place_t *place)
{
    return (place->district_id != NULL) + (place->school_id != NULL);
}

static int by_place(const void *a, const void *b)
{
    const sb_reg_place_t *x = a, *y = b;
    int order = level_of(x) - level_of(y);

    order = order ? order : compare(x->state_name, y->state_name);
    order = order ? order : compare(x->district_name, y->district_name);
    order = order ? order : compare(x->school_name, y->school_name);
    order = order ? order : compare(x->state_code, y->state_code);
    order = order ? order : compare(x->district_id, y->district_id);
    return order ? order : compare(x->school_id, y->school_id);
}

apr_status_t sb_reg_find(const apr_array_header_t **pplaces, sb_reg_kind_t kind, int year,
                         const char *district_id, sb_db_t *db, const char *schema,
                         const sb_scope_t *scope, apr_pool_t *p)
{
    work_t k = {.kind = kind,
                .year = year,
                .district_id = district_id,
                .db = db,
                .schema = schema,
                .scope = scope,
                .p = p,
                .counts = apr_hash_make(p),
                .seen = apr_hash_make(p),
                .places = apr_array_make(p, 64, sizeof(sb_reg_place_t))};
    apr_status_t rv;

    *pplaces = k.places;
    if (year < 2 || year > 9999) { /* a smallint there; no such year is registered */
        return APR_SUCCESS;
    }
    rv = sb_db_script(db, "SET LOCAL work_mem = '64MB'");
    if (rv == APR_SUCCESS) {
        rv = find_kept(&k);
    }
    if (rv == APR_SUCCESS) {
        rv = kind == SB_REG_STATISTICS ? find_statistics(&k) : find_completion(&k);
    }
    qsort(k.places->elts, (size_t)k.places->nelts, sizeof(sb_reg_place_t), by_place);
    return rv;
}
