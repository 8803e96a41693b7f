/**
 * Counting cohorts: who has results in both years, by the place that he was in all the time and by level; who
 * was there at all; what of that is hidden; and then place by place into the table.
 */

#include "report/sb_cohorts.h"

#include <stdlib.h>
#include <string.h>
#include <apr_hash.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "report/sb_cohort.h"
#include "report/sb_suppressed.h"

#define HIDDEN (-1) /* level of a row that says so */

enum { BEFORE, NOW };

/* One level of a cohort in both years. */
typedef struct {
    apr_int64_t n[2], sum[2], squares[2];
} level_t;

typedef struct {
    const char *district_id, *school_id; /* NULL: the state, the district */
    int parent;
} place_t;

typedef struct {
    apr_pool_t *p, *psubject;
    const sb_report_ctx_t *ctx;
    const char *year_arg, *version;
    int year;
    sb_metadata_t m;
    sb_pack_codes_t codes;
    const sb_suppressed_t *hidden[2];
    int ngrades, grade[2][SB_PRIVACY_GRADES]; /* codes of a grade before and of the next */
    sb_rows_t *wholes, *pairs;
    apr_array_header_t *places; /* place_t, in the order of the wholes; the state first */
    apr_hash_t *place_of;       /* "district\nschool" -> place_t * */
    level_t *levels;            /* of one subject: [place][value][level]; value 0 all grades */
} work_t;

#define PLACE(k, i) (&APR_ARRAY_IDX((k)->places, i, place_t))

/* ---- asking ---------------------------------------------------------------------------------- */

static apr_status_t ask(sb_rows_t **prows, const work_t *k, const char *sql, int nargs,
                        const char *const *args)
{
    return sb_db_query_text(prows, k->ctx->db, sb_sql(k->p, sql, "schema", k->ctx->schema, NULL),
                            nargs, args, k->p);
}

/* Everybody, by school, grade and year: a bar's total, and how many of it are in the lower half. */
static apr_status_t find_wholes(work_t *k)
{
    static const char sql[] =
        "SELECT h.district_id, h.school_id, c.asmt_subject, c.asmt_year, c.asmt_grade,"
        "       sum(c.n_valid)::bigint,"
        "       coalesce(sum(c.n_valid) FILTER (WHERE c.asmt_perf_lvl <= s.lower), 0)::bigint"
        "  FROM {schema}.report_count c"
        "  JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)"
        "  JOIN {schema}.report_code r ON r.kind = 'subject' AND r.value = c.asmt_subject"
        "  JOIN unnest($3::int[], $4::int[]) s (code, lower) ON s.code = r.code"
        " WHERE c.asmt_year IN ($1::smallint - 1, $1::smallint) AND c.asmt_type = 'SUMMATIVE'"
        "   AND c.n_valid > 0 AND h.state_code = $2"
        " GROUP BY 1, 2, 3, 4, 5"
        " ORDER BY 1, 2";
    const char *subjects = "{", *lower = "{", *args[4];

    for (int s = 0; s < k->m.subjects.n; s++) {
        subjects = apr_psprintf(k->p, "%s%s%d", subjects, s ? "," : "",
                                sb_pack_subject(&k->codes, k->m.subjects.name[s]));
        lower = apr_psprintf(k->p, "%s%s%d", lower, s ? "," : "", k->m.subjects.levels[s] / 2);
    }
    args[0] = k->year_arg;
    args[1] = sb_scope_state(k->ctx->scope);
    args[2] = apr_pstrcat(k->p, subjects, "}", NULL);
    args[3] = apr_pstrcat(k->p, lower, "}", NULL);
    return ask(&k->wholes, k, sql, 4, args);
}

/* Students are matched by the state's id; of several results in a year the latest counts. A pair belongs to
 * the smallest place that he was in in both years: '' stands for a district, '' twice for the state. */
static apr_status_t find_pairs(work_t *k)
{
    static const char sql[] =
        "WITH result AS ("
        "SELECT DISTINCT ON (f.student_id, f.asmt_subject, f.asmt_year) f.student_id,"
        "       f.asmt_subject, f.asmt_year, f.asmt_grade, f.asmt_perf_lvl AS level,"
        "       f.asmt_score::bigint AS score, h.district_id, h.school_id"
        "  FROM {schema}.fact_asmt_outcome_vw f"
        "  JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)"
        " WHERE f.asmt_year IN ($1::smallint - 1, $1::smallint) AND f.asmt_type = 'SUMMATIVE'"
        "   AND f.rec_status = 'C' AND h.state_code = $2"
        "   AND (f.administration_condition = 'SD' OR f.administration_condition IS NULL)"
        " ORDER BY f.student_id, f.asmt_subject, f.asmt_year, f.date_taken DESC,"
        "       f.asmt_outcome_vw_rec_id DESC),"
        " pair AS ("
        "SELECT *, lag(asmt_year) OVER w AS year_b, lag(asmt_grade) OVER w AS grade_b,"
        "       lag(level) OVER w AS level_b, lag(score) OVER w AS score_b,"
        "       lag(district_id) OVER w AS district_b, lag(school_id) OVER w AS school_b"
        "  FROM result"
        " WINDOW w AS (PARTITION BY student_id, asmt_subject ORDER BY asmt_year)),"
        " matched AS ("
        "SELECT asmt_subject, CASE WHEN district_b = district_id THEN district_id ELSE '' END AS d,"
        "       CASE WHEN district_b = district_id AND school_b = school_id THEN school_id"
        "            ELSE '' END AS s,"
        "       asmt_grade, level_b, level, count(*) AS n, sum(score_b) AS sum_b,"
        "       sum(score_b * score_b) AS squares_b, sum(score) AS sum,"
        "       sum(score * score) AS squares"
        "  FROM pair"
        "  JOIN unnest($3::text[], $4::text[]) g (before, now)"
        "    ON g.before = grade_b AND g.now = asmt_grade"
        " WHERE year_b = asmt_year - 1"
        " GROUP BY 1, 2, 3, 4, 5, 6)"
        "SELECT asmt_subject, d, s, asmt_grade, v.level, sum(v.n_b)::bigint, sum(v.sum_b)::bigint,"
        "       sum(v.squares_b)::bigint, sum(v.n)::bigint, sum(v.sum)::bigint,"
        "       sum(v.squares)::bigint"
        "  FROM matched m, LATERAL (VALUES"
        "       (m.level_b, m.n, m.sum_b, m.squares_b, 0, 0, 0),"
        "       (m.level, 0, 0, 0, m.n, m.sum, m.squares)) v (level, n_b, sum_b, squares_b, n, sum,"
        "       squares)"
        " GROUP BY 1, 2, 3, 4, 5";
    const char *before = "{", *now = "{", *args[4];

    for (int g = 0; g < k->ngrades; g++) {
        before = apr_pstrcat(k->p, before, g ? "," : "", k->codes.grade[k->grade[BEFORE][g]], NULL);
        now = apr_pstrcat(k->p, now, g ? "," : "", k->codes.grade[k->grade[NOW][g]], NULL);
    }
    args[0] = k->year_arg;
    args[1] = sb_scope_state(k->ctx->scope);
    args[2] = apr_pstrcat(k->p, before, "}", NULL);
    args[3] = apr_pstrcat(k->p, now, "}", NULL);
    return ask(&k->pairs, k, sql, 4, args);
}

/* "04" is 4; -1 it is no number. */
static int grade_number(const char *grade)
{
    return grade && apr_isdigit(grade[0]) && (!grade[1] || (apr_isdigit(grade[1]) && !grade[2]))
               ? atoi(grade)
               : -1;
}

static void list_grades(work_t *k)
{
    for (int a = 0; a < SB_PACK_GRADES; a++) {
        int before = grade_number(k->codes.grade[a]);

        for (int b = 0; b < SB_PACK_GRADES && before >= 0; b++) {
            if (grade_number(k->codes.grade[b]) == before + 1 && k->ngrades < SB_PRIVACY_GRADES) {
                k->grade[BEFORE][k->ngrades] = a;
                k->grade[NOW][k->ngrades++] = b;
            }
        }
    }
}

static apr_status_t find_version(const char **pversion, const work_t *k)
{
    sb_rows_t *rows;
    apr_status_t rv = ask(&rows, k, "SELECT version FROM {schema}.data_version", 0, NULL);

    *pversion = rv == APR_SUCCESS && sb_rows_count(rows) ? sb_rows_text(rows, 0, 0) : NULL;
    return rv;
}

/* Inside a snapshot. */
static apr_status_t find(work_t *k, int *pusable)
{
    apr_status_t rv = find_version(&k->version, k);

    *pusable = 1;
    if (rv == APR_SUCCESS) {
        rv = sb_metadata_find(&k->m, k->ctx, k->p);
    }
    for (int i = BEFORE; rv == APR_SUCCESS && *pusable && i <= NOW; i++) {
        rv = sb_pack_open(&k->codes, pusable, k->ctx, k->year - 1 + i, k->p);
        if (rv == APR_SUCCESS && *pusable) {
            rv = sb_suppressed_find(&k->hidden[i], k->ctx, &k->m, &k->codes, k->year - 1 + i, NULL,
                                    NULL, SB_SUPPRESSED_BELOW, k->p);
        }
    }
    if (rv == APR_SUCCESS && *pusable) {
        list_grades(k);
        rv = find_wholes(k);
    }
    return rv == APR_SUCCESS && *pusable ? find_pairs(k) : rv;
}

/* ---- places ---------------------------------------------------------------------------------- */

static int add_place(work_t *k, const char *district_id, const char *school_id, int parent)
{
    place_t *place = apr_array_push(k->places);

    *place = (place_t){district_id, school_id, parent};
    return k->places->nelts - 1;
}

static void list_places(work_t *k)
{
    const char *district = NULL, *school = NULL;
    int at = 0;

    k->places = apr_array_make(k->p, 64, sizeof(place_t));
    k->place_of = apr_hash_make(k->p);
    add_place(k, NULL, NULL, -1);
    for (int i = 0; i < sb_rows_count(k->wholes); i++) {
        const char *d = sb_rows_text(k->wholes, i, 0), *s = sb_rows_text(k->wholes, i, 1);

        if (!district || strcmp(district, d)) {
            at = add_place(k, d, NULL, SB_PRIVACY_STATE);
            district = d;
            school = NULL;
        }
        if (!school || strcmp(school, s)) {
            add_place(k, d, s, at);
            school = s;
        }
    }
    for (int i = 0; i < k->places->nelts; i++) {
        const place_t *place = PLACE(k, i);

        apr_hash_set(k->place_of,
                     apr_pstrcat(k->p, place->district_id ? place->district_id : "", "\n",
                                 place->school_id ? place->school_id : "", NULL),
                     APR_HASH_KEY_STRING, place);
    }
}

/* Every result is counted among everybody, so its place is known. */
static int place_at(const work_t *k, const char *district_id, const char *school_id)
{
    const place_t *place =
        apr_hash_get(k->place_of, apr_pstrcat(k->psubject, district_id, "\n", school_id, NULL),
                     APR_HASH_KEY_STRING);

    return place ? (int)(place - (const place_t *)k->places->elts) : -1;
}

/* ---- filling --------------------------------------------------------------------------------- */

static int grade_index(const work_t *k, int when, const char *grade)
{
    for (int g = 0; g < k->ngrades; g++) {
        if (!strcmp(k->codes.grade[k->grade[when][g]], grade)) {
            return g;
        }
    }
    return -1;
}

static level_t *level_of(const work_t *k, int place, int value, int level)
{
    return &k->levels[(place * (1 + k->ngrades) + value) * SB_PACK_LEVELS + level];
}

static void add_level(level_t *to, const level_t *more)
{
    for (int i = BEFORE; i <= NOW; i++) {
        to->n[i] += more->n[i];
        to->sum[i] += more->sum[i];
        to->squares[i] += more->squares[i];
    }
}

static void add_bar(sb_bar_cell_t *bar, apr_int64_t n, int lower)
{
    bar->total += (apr_uint32_t)n;
    bar->lower += lower ? (apr_uint32_t)n : 0;
}

static void fill_wholes(const work_t *k, sb_cohort_t *t, const char *subject)
{
    for (int i = 0; i < sb_rows_count(k->wholes); i++) {
        int when = (int)sb_rows_int(k->wholes, i, 3, 0) - k->year + 1, g, place;
        sb_cohort_side_t *side;
        sb_cohort_cell_t *cell;

        if (strcmp(sb_rows_text(k->wholes, i, 2), subject)) {
            continue;
        }
        g = grade_index(k, when, sb_rows_text(k->wholes, i, 4));
        place = place_at(k, sb_rows_text(k->wholes, i, 0), sb_rows_text(k->wholes, i, 1));
        if (g >= 0 && place >= 0) {
            cell = sb_cohort_stayed(t, place, g);
            side = when == BEFORE ? &cell->then : &cell->now;
            side->whole.total += (apr_uint32_t)sb_rows_int(k->wholes, i, 5, 0);
            side->whole.lower += (apr_uint32_t)sb_rows_int(k->wholes, i, 6, 0);
        }
    }
}

static void fill_pairs(work_t *k, sb_cohort_t *t, const char *subject, int levels)
{
    for (int i = 0; i < sb_rows_count(k->pairs); i++) {
        int level = (int)sb_rows_int(k->pairs, i, 4, 0), g, place;
        level_t counts = {{sb_rows_int(k->pairs, i, 5, 0), sb_rows_int(k->pairs, i, 8, 0)},
                          {sb_rows_int(k->pairs, i, 6, 0), sb_rows_int(k->pairs, i, 9, 0)},
                          {sb_rows_int(k->pairs, i, 7, 0), sb_rows_int(k->pairs, i, 10, 0)}};
        sb_cohort_cell_t *cell;

        if (strcmp(sb_rows_text(k->pairs, i, 0), subject)) {
            continue;
        }
        g = grade_index(k, NOW, sb_rows_text(k->pairs, i, 3));
        place = place_at(k, sb_rows_text(k->pairs, i, 1), sb_rows_text(k->pairs, i, 2));
        if (g < 0 || place < 0 || level < 0 || level >= SB_PACK_LEVELS) {
            continue; /* what no pack can hold: such years are not counted */
        }
        cell = PLACE(k, place)->school_id ? sb_cohort_stayed(t, place, g)
                                          : sb_cohort_moved(t, place, g);
        add_bar(&cell->then.cohort, counts.n[BEFORE], level <= levels / 2);
        add_bar(&cell->now.cohort, counts.n[NOW], level <= levels / 2);
        for (int v = place; v >= 0; v = PLACE(k, v)->parent) {
            add_level(level_of(k, v, 0, level), &counts);
            add_level(level_of(k, v, 1 + g, level), &counts);
        }
    }
}

/* Is the bar of everybody hidden? @param grade code; -1 all */
static int is_hidden(const work_t *k, int when, const place_t *at, int grade, int subject)
{
    const sb_suppressed_t *h = k->hidden[when];
    apr_uint32_t bits = sb_suppressed_cells(h, at->district_id, at->school_id, -1, subject);

    if (bits >> SB_CELL_ALL & 1 || grade < 0) {
        return bits >> SB_CELL_ALL & 1;
    }
    if (at->school_id) {
        bits = sb_suppressed_cells(h, at->district_id, at->school_id, grade, subject);
    }
    return bits >> SB_CELL_ALL & 1 ||
           sb_suppressed_grades(h, at->district_id, at->school_id, subject) >> grade & 1;
}

static void veil(const work_t *k, sb_cohort_t *t, int subject)
{
    for (int i = 0; i < k->places->nelts; i++) {
        const place_t *at = PLACE(k, i);

        for (int g = -1; g < k->ngrades; g++) {
            if (is_hidden(k, BEFORE, at, g < 0 ? -1 : k->grade[BEFORE][g], subject) ||
                is_hidden(k, NOW, at, g < 0 ? -1 : k->grade[NOW][g], subject)) {
                sb_cohort_veil(t, i, g);
            }
        }
    }
}

static sb_cohort_t *judge(work_t *k, int s)
{
    const char *subject = k->m.subjects.name[s];
    int code = sb_pack_subject(&k->codes, subject);
    sb_cohort_t *t;

    if (code < 0) {
        return NULL; /* no results */
    }
    t = sb_cohort_make(k->m.min_cell, k->ngrades, k->psubject);
    for (int i = 1; i < k->places->nelts; i++) {
        const place_t *place = PLACE(k, i);

        (void)(place->school_id ? sb_cohort_school(t, place->parent) : sb_cohort_district(t));
    }
    k->levels =
        apr_pcalloc(k->psubject, (apr_size_t)k->places->nelts * (apr_size_t)(1 + k->ngrades) *
                                     SB_PACK_LEVELS * sizeof(level_t));
    fill_wholes(k, t, subject);
    fill_pairs(k, t, subject, k->m.subjects.levels[s]);
    veil(k, t, code);
    sb_cohort_solve(t);
    return t;
}

/* ---- keeping --------------------------------------------------------------------------------- */

static void put_text(sb_copy_t *c, const char *text)
{
    sb_copy_text(c, text ? text : "", text ? strlen(text) : 0);
}

static void put_row(sb_copy_t *c, const work_t *k, int s, int place, int g, int level,
                    const level_t *counts)
{
    if (sb_copy_row(c) != APR_SUCCESS) {
        return; /* comes out in the end */
    }
    sb_copy_int2(c, k->year);
    put_text(c, sb_scope_state(k->ctx->scope));
    put_text(c, PLACE(k, place)->district_id);
    put_text(c, PLACE(k, place)->school_id);
    put_text(c, g < 0 ? "" : k->codes.grade[k->grade[NOW][g]]);
    put_text(c, k->m.subjects.name[s]);
    sb_copy_int2(c, level);
    for (int i = BEFORE; i <= NOW; i++) {
        sb_copy_int4(c, (apr_int32_t)counts->n[i]);
        sb_copy_int8(c, counts->sum[i]);
        sb_copy_int8(c, counts->squares[i]);
    }
}

static void put_subject(sb_copy_t *c, const work_t *k, const sb_cohort_t *t, int s)
{
    static const level_t nothing;

    for (int i = 0; i < k->places->nelts; i++) {
        for (int g = SB_COHORT_ALL; g < k->ngrades; g++) {
            if (sb_cohort_hidden(t, i, g)) {
                put_row(c, k, s, i, g, HIDDEN, &nothing);
                continue;
            }
            for (int l = 0; l < SB_PACK_LEVELS; l++) {
                const level_t *counts = level_of(k, i, 1 + g, l);

                if (counts->n[BEFORE] || counts->n[NOW]) {
                    put_row(c, k, s, i, g, l, counts);
                }
            }
        }
    }
}

static apr_status_t put_all(work_t *k)
{
    const char *copy = sb_sql(k->p,
                              "COPY {schema}.report_cohort (asmt_year, state_code, district_id,"
                              " school_id, asmt_grade, asmt_subject, asmt_perf_lvl, n_before,"
                              " score_sum_before, score_squares_before, n, score_sum,"
                              " score_squares) FROM STDIN (FORMAT binary)",
                              "schema", k->ctx->schema, NULL);
    sb_copy_t *c;
    apr_status_t rv = sb_copy_begin(&c, k->ctx->db, copy, 13, k->p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (int s = 0; s < k->m.subjects.n; s++) {
        const sb_cohort_t *t = judge(k, s);

        if (t) {
            put_subject(c, k, t, s);
        }
        apr_pool_clear(k->psubject);
    }
    return sb_copy_finish(c, NULL);
}

/* Inside a transaction. Whoever outdates a year takes the lock, too: nobody marks as true what has just
 * changed; and what has changed since the snapshot is left to the next run. */
static apr_status_t keep(work_t *k, int *pkept)
{
    const char *args[] = {k->year_arg, sb_scope_state(k->ctx->scope)}, *version;
    sb_db_t *db = k->ctx->db;
    apr_status_t rv = sb_db_exec_text(
        NULL, db,
        sb_sql(k->p, "LOCK TABLE {schema}.report_hidden_made IN SHARE ROW EXCLUSIVE MODE", "schema",
               k->ctx->schema, NULL),
        0, NULL);

    *pkept = 0;
    if (rv == APR_SUCCESS) {
        rv = find_version(&version, k);
    }
    if (rv != APR_SUCCESS || !version || !k->version || strcmp(version, k->version)) {
        return rv;
    }
    rv = sb_db_exec_text(NULL, db,
                         sb_sql(k->p,
                                "DELETE FROM {schema}.report_cohort"
                                " WHERE asmt_year = $1::smallint AND state_code = $2",
                                "schema", k->ctx->schema, NULL),
                         2, args);
    if (rv == APR_SUCCESS) {
        rv = put_all(k);
    }
    if (rv == APR_SUCCESS) {
        *pkept = 1;
        rv = sb_db_exec_text(
            NULL, db,
            sb_sql(k->p,
                   "INSERT INTO {schema}.report_cohort_made"
                   " VALUES ($1::smallint, $2, true)"
                   " ON CONFLICT (asmt_year, state_code) DO UPDATE SET valid = true",
                   "schema", k->ctx->schema, NULL),
            2, args);
    }
    return rv;
}

static apr_status_t refresh(int *pkept, sb_report_ctx_t *ctx, int year, apr_pool_t *p)
{
    double start = sb_time_monotonic();
    work_t k = {.p = p, .ctx = ctx, .year = year, .year_arg = apr_itoa(p, year)};
    int usable = 0;
    apr_status_t rv = sb_db_begin(ctx->db, SB_TX_SNAPSHOT);

    *pkept = 0;
    apr_pool_create(&k.psubject, p);
    if (rv == APR_SUCCESS) {
        rv = sb_db_script(ctx->db, "SET LOCAL work_mem = '64MB'"); /* it sorts two years */
    }
    if (rv == APR_SUCCESS) {
        rv = find(&k, &usable);
    }
    rv = sb_db_end(ctx->db, rv);
    if (rv != APR_SUCCESS || !usable) {
        return rv;
    }
    list_places(&k);
    rv = sb_db_begin(ctx->db, SB_TX_WRITE);
    if (rv == APR_SUCCESS) {
        rv = keep(&k, pkept);
    }
    rv = sb_db_end(ctx->db, rv);
    if (rv == APR_SUCCESS && *pkept) {
        sb_log(SB_LOG_INFO, SBLOGNO(2120), SB_NO_STATUS,
               "cohorts of %s in %d: %d places in %.0f ms", sb_scope_state(ctx->scope), year,
               k.places->nelts, 1000 * (sb_time_monotonic() - start));
    }
    return rv;
}

apr_status_t sb_cohorts_refresh(int *pyears, sb_db_t *db, const char *tenant, const char *schema,
                                int (*stopping)(void), apr_pool_t *parent)
{
    static const char missing[] =
        "WITH hidden AS (SELECT asmt_year, state_code FROM {schema}.report_hidden_made)"
        "SELECT asmt_year, state_code FROM hidden y"
        " WHERE (asmt_year - 1, state_code) IN (SELECT asmt_year, state_code FROM hidden)"
        "   AND NOT EXISTS (SELECT FROM {schema}.report_cohort_made m"
        "       WHERE m.asmt_year = y.asmt_year AND m.state_code = y.state_code AND m.valid)"
        " ORDER BY 1 DESC, 2";
    static const char withdrawn[] =
        "WITH gone AS (DELETE FROM {schema}.report_cohort_made m WHERE NOT valid AND NOT EXISTS"
        "       (SELECT FROM {schema}.report_pack a JOIN {schema}.report_pack b"
        "          ON b.asmt_year = a.asmt_year - 1 WHERE a.asmt_year = m.asmt_year)"
        " RETURNING asmt_year, state_code)"
        "DELETE FROM {schema}.report_cohort c USING gone g"
        " WHERE c.state_code = g.state_code AND c.asmt_year = g.asmt_year";
    apr_pool_t *p, *pyear;
    sb_rows_t *rows;
    apr_status_t rv;
    int n = 0, kept;

    apr_pool_create(&p, parent);
    apr_pool_create(&pyear, p);
    rv = sb_db_exec_text(NULL, db, sb_sql(p, withdrawn, "schema", schema, NULL), 0, NULL);
    if (rv == APR_SUCCESS) {
        rv = sb_db_query_text(&rows, db, sb_sql(p, missing, "schema", schema, NULL), 0, NULL, p);
    }
    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows) && !(stopping && stopping());
         i++) {
        const sb_scope_t *scope =
            sb_scope_system(tenant, sb_rows_text(rows, i, 1), "counting cohorts", pyear);
        sb_report_ctx_t ctx = {.scope = scope, .aggregates = scope, .schema = schema, .db = db};

        rv = refresh(&kept, &ctx, (int)sb_rows_int(rows, i, 0, 0), pyear);
        n += rv == APR_SUCCESS && kept;
        apr_pool_clear(pyear);
    }
    if (pyears) {
        *pyears = n;
    }
    apr_pool_destroy(p);
    return rv;
}
