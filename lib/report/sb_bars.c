/**
 * Bars of a page. Results come as packs of words, or as counts of facts where words cannot say it (student
 * groups; packs that are out of date), and are counted by district, school, grade, subject, level and how
 * they stand to the filters. What is hidden of them: sb_bars_judge.c.
 */

#include "report/sb_bars_work.h"

#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>
#include "report/sb_filter.h"
#include "report/sb_where.h"

/* ---- rows ------------------------------------------------------------------------------------ */

static sb_bar_t *make_bars(const sb_metadata_t *m, apr_pool_t *p)
{
    return apr_pcalloc(p, (apr_size_t)m->subjects.n * sizeof(sb_bar_t));
}

static sb_bars_row_t *make_row(sb_bars_t *bars, const sb_metadata_t *m, const char *id,
                               const char *name, apr_pool_t *p)
{
    sb_bars_row_t *row = apr_pcalloc(p, sizeof(*row));

    row->id = id;
    row->name = name;
    row->bar = make_bars(m, p);
    APR_ARRAY_PUSH(bars->rows, sb_bars_row_t *) = row;
    return row;
}

sb_bars_row_t *sb_bars_row(sb_bars_t *bars, const sb_metadata_t *m, const char *id,
                           const char *name, apr_pool_t *p)
{
    for (int i = 0; i < bars->rows->nelts; i++) {
        sb_bars_row_t *row = APR_ARRAY_IDX(bars->rows, i, sb_bars_row_t *);

        if (!strcmp(row->id, id)) {
            return row;
        }
    }
    return make_row(bars, m, id, name, p);
}

sb_bars_row_t *sb_bars_row_of(sb_bars_work_t *k, const char *id, const char *name)
{
    sb_bars_row_t *row = apr_hash_get(k->by_id, id, APR_HASH_KEY_STRING);

    if (!row) {
        row = make_row(k->bars, k->m, id, name, k->p);
        apr_hash_set(k->by_id, id, APR_HASH_KEY_STRING, row);
    }
    return row;
}

/* ---- adding up ------------------------------------------------------------------------------- */

static apr_status_t add_to_bar(sb_bar_t *bar, const sb_bars_counts_t *c)
{
    apr_status_t rv = APR_SUCCESS;

    for (int level = 0; level < SB_PACK_LEVELS && rv == APR_SUCCESS; level++) {
        apr_int64_t all = 0;

        for (int i = 0; i < SB_NOT_VALID; i++) {
            all += c->n[level][i];
        }
        if (all) {
            rv = sb_counts_add(&bar->all, level, all);
        }
        if (rv == APR_SUCCESS && c->n[level][SB_PASSES]) {
            rv = sb_counts_add(&bar->shown, level, c->n[level][SB_PASSES]);
        }
    }
    return rv;
}

/* Of those who pass. */
static sb_scores_t grade_scores(const sb_bars_work_t *k, int s, int grade,
                                const sb_bars_counts_t *c)
{
    sb_scores_t scores = {.sum = k->sums->sum[grade][k->subject[s]],
                          .squares = k->sums->squares[grade][k->subject[s]]};

    for (int level = 0; level < SB_PACK_LEVELS; level++) {
        scores.n += c->n[level][SB_PASSES];
    }
    return scores;
}

static apr_status_t add_to_page(sb_bars_work_t *k, sb_bars_row_t *row, int s, int grade,
                                const sb_bars_counts_t *c)
{
    apr_status_t rv = add_to_bar(&row->bar[s], c);

    if (k->sums) {
        sb_scores_t scores = grade_scores(k, s, grade, c);

        sb_scores_add(&row->bar[s].scores, &scores);
        sb_scores_add(&k->bars->sum.bar[s].scores, &scores);
    }

    return rv == APR_SUCCESS ? add_to_bar(&k->bars->sum.bar[s], c) : rv;
}

/* Counts of the group that was read, into the row it belongs to: of a school's page into its grades. */
static apr_status_t add_group(sb_bars_work_t *k, const sb_bars_home_t *home)
{
    apr_status_t rv = APR_SUCCESS;

    for (int s = 0; s < k->m->subjects.n; s++) {
        for (int g = 0; g < SB_PACK_GRADES && rv == APR_SUCCESS; g++) {
            sb_bars_counts_t c;
            sb_bars_row_t *row;

            if (k->subject[s] < 0 || !k->codes.grade[g]) {
                continue;
            }
            sb_bars_grade_counts(&c, k, s, g);
            if (!sb_bars_anybody(&c)) {
                continue;
            }
            row = k->page == STATE_PAGE ? sb_bars_row_of(k, home->district_id, home->district_name)
                  : k->page == DISTRICT_PAGE
                      ? sb_bars_row_of(k, home->school_id, home->school_name)
                      : sb_bars_row_of(k, k->codes.grade[g], k->codes.grade[g]);
            rv = add_to_page(k, row, s, g, &c);
        }
    }
    return rv;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Results of one place, in whatever form. */
typedef struct {
    sb_bars_home_t home;
    int row;
} item_t;

static int by_home(const void *a, const void *b)
{
    const item_t *x = a, *y = b;
    int order = strcmp(x->home.district_id, y->home.district_id);

    order = order ? order : strcmp(x->home.school_id, y->home.school_id);
    return order ? order : x->row - y->row;
}

/* Columns 0..4 of a row: district and its name, school and its name, is it current? */
static item_t *sort_items(const sb_rows_t *rows, apr_pool_t *p)
{
    int n = sb_rows_count(rows);
    item_t *items = apr_palloc(p, ((apr_size_t)n + 1) * sizeof(*items));

    for (int i = 0; i < n; i++) {
        items[i].home = (sb_bars_home_t){sb_rows_text(rows, i, 0), sb_rows_text(rows, i, 1),
                                         sb_rows_text(rows, i, 2), sb_rows_text(rows, i, 3),
                                         !strcmp(sb_rows_text(rows, i, 4), "C")};
        items[i].row = i;
    }
    qsort(items, (apr_size_t)n, sizeof(*items), by_home);
    return items;
}

/* A place that was renamed within the year has results under both names: the current one, else the first. */
static void keep_name(const char **pname, int *pcurrent, const char *name, int current)
{
    if (!*pname || (current && !*pcurrent) || (current == *pcurrent && strcmp(name, *pname) < 0)) {
        *pname = name;
        *pcurrent = current;
    }
}

static void settle_names(const sb_bars_work_t *k, const item_t *items, int n)
{
    apr_hash_t *best = apr_hash_make(k->p);

    for (int i = 0; i < n && k->page != SCHOOL_PAGE; i++) {
        const sb_bars_home_t *h = &items[i].home;
        const char *id = k->page == STATE_PAGE ? h->district_id : h->school_id;
        item_t *b = apr_hash_get(best, id, APR_HASH_KEY_STRING);

        if (!b) {
            b = apr_pcalloc(k->p, sizeof(*b));
            apr_hash_set(best, id, APR_HASH_KEY_STRING, b);
        }
        keep_name(&b->home.school_name, &b->home.current,
                  k->page == STATE_PAGE ? h->district_name : h->school_name, h->current);
    }
    for (int i = 0; i < k->bars->rows->nelts && k->page != SCHOOL_PAGE; i++) {
        sb_bars_row_t *row = APR_ARRAY_IDX(k->bars->rows, i, sb_bars_row_t *);
        const item_t *b = apr_hash_get(best, row->id, APR_HASH_KEY_STRING);

        row->name = b ? b->home.school_name : row->name;
    }
}

typedef void (*read_t)(sb_bars_work_t *k, const sb_rows_t *rows, int row);

static int same_group(const sb_bars_work_t *k, const sb_bars_home_t *a, const sb_bars_home_t *b)
{
    return !strcmp(a->district_id, b->district_id) &&
           ((k->page == STATE_PAGE && !k->several) || !strcmp(a->school_id, b->school_id));
}

static apr_status_t read_groups(sb_bars_work_t *k, const sb_rows_t *rows, read_t read)
{
    apr_size_t n = (apr_size_t)k->m->subjects.n;
    const item_t *items = sort_items(rows, k->p);
    sb_bars_counts_t *district = apr_pcalloc(k->p, n * sizeof(*district));
    sb_bars_counts_t *state = apr_pcalloc(k->p, n * sizeof(*state));
    apr_status_t rv = APR_SUCCESS;
    int i = 0, count = sb_rows_count(rows);

    while (i < count && rv == APR_SUCCESS) {
        const sb_bars_home_t *home = &items[i].home;

        sb_pack_tally_clear(&k->tally);
        if (k->sums) {
            memset(k->sums, 0, sizeof(*k->sums));
        }
        for (; i < count && same_group(k, home, &items[i].home); i++) {
            read(k, rows, items[i].row);
        }
        rv = add_group(k, home);
        if (rv == APR_SUCCESS && k->several) {
            sb_bars_add_school(k, home, district);
            if (i == count || strcmp(home->district_id, items[i].home.district_id)) {
                sb_bars_end_district(k, home, district, state);
            }
        }
    }
    if (rv == APR_SUCCESS && k->several) {
        sb_bars_end_state(k, state);
    }
    settle_names(k, items, count);
    return rv;
}

/* Conditions of the page's place on dim_inst_hier h; $1 is the year. */
static const char *place_sql(const sb_bars_work_t *k, apr_array_header_t *args)
{
    APR_ARRAY_PUSH(args, const char *) = apr_itoa(k->p, k->year);
    return sb_where_sql(k->ctx, "h", args, k->p);
}

#define HOME "h.district_id, h.district_name, h.school_id, h.school_name, h.rec_status"

static apr_status_t query(sb_rows_t **prows, const sb_bars_work_t *k, const char *sql,
                          const apr_array_header_t *args)
{
    return sb_db_query_binary(prows, k->ctx->db, sb_sql(k->p, sql, "schema", k->ctx->schema, NULL),
                              args->nelts, (const char *const *)args->elts, k->p);
}

static void read_pack(sb_bars_work_t *k, const sb_rows_t *rows, int row)
{
    for (int gone = 0; gone < 2; gone++) {
        int sign = gone ? -1 : 1;
        apr_size_t len, scores_len;
        const void *words = sb_rows_bytes(rows, row, 5 + gone, &len);

        sb_pack_count(&k->tally, k->values, &k->filter, words, len, sign);
        if (k->sums) {
            const void *scores = sb_rows_bytes(rows, row, 7 + gone, &scores_len);

            sb_pack_sum(k->sums, &k->filter, words, scores,
                        len < 2 * scores_len ? len : 2 * scores_len, sign);
        }
    }
}

static apr_status_t count_packs(sb_bars_work_t *k)
{
    apr_array_header_t *args = apr_array_make(k->p, 8, sizeof(const char *));
    const char *sql = apr_psprintf(k->p,
                                   "SELECT " HOME ", p.words, p.gone%s FROM {schema}.report_pack p"
                                   "  JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)"
                                   " WHERE %s AND p.asmt_year = $1::smallint",
                                   k->sums ? ", p.scores, p.gone_scores" : "", place_sql(k, args));
    sb_rows_t *rows;
    apr_status_t rv = query(&rows, k, sql, args);

    if (rv == APR_SUCCESS) {
        rv = read_groups(k, rows, read_pack);
    }
    sb_pack_not_stated(&k->bars->not_stated, k->values);
    return rv;
}

/* @param fails bits of filters (sb_filter.h) */
static int class_of(unsigned fails)
{
    int i = 0;

    if (fails & (fails - 1)) {
        return SB_FAILS_MORE;
    }
    while (fails >> i > 1) {
        i++;
    }
    return fails ? SB_FAILS_ONE + i : SB_PASSES;
}

/* A row of counts: subject, grade, level, which filters they fail, how many, sums of their
 * scores. */
static void read_count(sb_bars_work_t *k, const sb_rows_t *rows, int row)
{
    int subject = sb_pack_subject(&k->codes, sb_rows_text(rows, row, 5));
    int grade = sb_pack_grade(&k->codes, sb_rows_text(rows, row, 6));
    int level = atoi(sb_rows_text(rows, row, 7));
    int class = class_of((unsigned)strtoul(sb_rows_text(rows, row, 8), NULL, 10));

    if (subject < 0 || grade < 0 || level < 0 || level >= SB_PACK_LEVELS) {
        return; /* more kinds than a page shows */
    }
    k->tally.n[k->tally.slot[subject | grade << 4 | level << 9]][class] +=
        (apr_uint32_t)strtoul(sb_rows_text(rows, row, 9), NULL, 10);
    if (k->sums && class == SB_PASSES) {
        k->sums->sum[grade][subject] += atoll(sb_rows_text(rows, row, 10));
        k->sums->squares[grade][subject] += atoll(sb_rows_text(rows, row, 11));
    }
}

/* From the facts, one pass: who passes, who fails one filter only, and who there is. */
static apr_status_t count_facts(sb_bars_work_t *k)
{
    apr_array_header_t *args = apr_array_make(k->p, 16, sizeof(const char *));
    const char *place = place_sql(k, args);
    const char *fails = sb_filter_fails_sql(k->ctx->params, "f", "s", args, k->p);
    const char *sql = apr_psprintf(
        k->p,
        "SELECT " HOME ", c.asmt_subject, c.asmt_grade, c.asmt_perf_lvl::text, c.fails::text,"
        "       c.n::text, c.score_sum::text, c.score_squares::text"
        "  FROM (SELECT f.inst_hier_rec_id, f.asmt_subject, f.asmt_grade, f.asmt_perf_lvl,"
        "               x.fails, count(*) AS n, coalesce(sum(f.asmt_score), 0) AS score_sum,"
        "               coalesce(sum(f.asmt_score::int * f.asmt_score), 0) AS score_squares"
        "          FROM {schema}.fact_asmt_outcome_vw f"
        "          JOIN {schema}.dim_student s USING (student_rec_id),"
        "          LATERAL (SELECT %s AS fails) x"
        "         WHERE f.inst_hier_rec_id IN (SELECT inst_hier_rec_id"
        "                 FROM {schema}.dim_inst_hier h WHERE %s)"
        "           AND f.asmt_year = $1::smallint"
        "           AND f.asmt_type = 'SUMMATIVE' AND f.rec_status = 'C'"
        "           AND (f.administration_condition = 'SD' OR f.administration_condition IS NULL)"
        "         GROUP BY 1, 2, 3, 4, 5) AS c"
        "  JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)",
        fails, place);
    sb_rows_t *rows;
    apr_status_t rv = query(&rows, k, sql, args);

    if (rv == APR_SUCCESS) {
        rv = read_groups(k, rows, read_count);
    }
    return rv == APR_SUCCESS ? sb_not_stated_find(&k->bars->not_stated, k->ctx, "SUMMATIVE",
                                                  k->year, k->district_id, k->school_id, k->p)
                             : rv;
}

/* ---- the page -------------------------------------------------------------------------------- */

/* Subjects and grades get numbers here where packs gave none. */
static void number_the_rest(sb_bars_work_t *k)
{
    int next = 0;

    for (int s = 0; s < k->m->subjects.n; s++) {
        if (sb_pack_subject(&k->codes, k->m->subjects.name[s]) < 0) {
            while (next < SB_PACK_SUBJECTS && k->codes.subject[next]) {
                next++;
            }
            if (next < SB_PACK_SUBJECTS) {
                k->codes.subject[next] = k->m->subjects.name[s];
            }
        }
    }
}

static apr_status_t find_grades(sb_bars_work_t *k)
{
    static const sb_stmt_t st = {"report_grades", 0,
                                 "SELECT DISTINCT asmt_grade FROM {schema}.report_count"
                                 " WHERE asmt_type = 'SUMMATIVE' AND n > 0 ORDER BY 1"};
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query(&rows, k->ctx->db, &st, NULL, k->p);

    for (int i = 0, next = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        const char *grade = sb_rows_text(rows, i, 0);

        if (sb_pack_grade(&k->codes, grade) >= 0) {
            continue;
        }
        while (next < SB_PACK_GRADES && k->codes.grade[next]) {
            next++;
        }
        if (next < SB_PACK_GRADES) {
            k->codes.grade[next] = grade;
        }
    }
    return rv;
}

static apr_status_t prepare(sb_bars_work_t *k)
{
    int groups = sb_params_has(k->ctx->params, "studentGroupId");
    apr_status_t rv = sb_pack_open(&k->codes, &k->codes_usable, k->ctx, k->year, k->p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!k->codes_usable) {
        number_the_rest(k);
        rv = find_grades(k);
    }
    sb_pack_filter_make(&k->filter, k->ctx->params, &k->codes);
    k->filtered = sb_filter_any(k->ctx->params);
    k->several = !k->codes_usable || groups ? 2 : k->filter.n > 1;
    for (int s = 0; s < k->m->subjects.n; s++) {
        k->subject[s] = sb_pack_subject(&k->codes, k->m->subjects.name[s]);
    }
    sb_pack_tally_make(&k->tally, &k->codes, k->p);
    if (rv == APR_SUCCESS && k->codes_usable) {
        rv = sb_suppressed_find(&k->hidden, k->ctx, k->m, &k->codes, k->year, k->district_id,
                                k->school_id, k->several ? SB_SUPPRESSED_BELOW : SB_SUPPRESSED_PAGE,
                                k->p);
    }
    return rv;
}

static void hide(sb_bars_work_t *k)
{
    sb_bars_home_t place = {k->district_id, NULL, k->school_id, NULL, 0};

    for (int i = 0; i < k->bars->rows->nelts; i++) {
        sb_bars_row_t *row = APR_ARRAY_IDX(k->bars->rows, i, sb_bars_row_t *);
        sb_bars_home_t home = place;

        if (k->page == STATE_PAGE) {
            home.district_id = row->id;
        }
        if (k->page == DISTRICT_PAGE) {
            home.school_id = row->id;
        }
        sb_bars_hide_row(k, row, &home,
                         k->page == SCHOOL_PAGE ? sb_pack_grade(&k->codes, row->id) : -1);
        sb_bars_note_seen(row, k->m->subjects.n);
    }
    sb_bars_hide_row(k, &k->bars->sum, &place, -1);
    if (k->hidden) {
        sb_suppressed_not_stated(&k->bars->not_stated, k->hidden, &k->codes, k->district_id,
                                 k->school_id);
    }
    else { /* what small groups they would tell is not known */
        sb_not_stated_hide(&k->bars->not_stated);
    }
}

apr_status_t sb_bars_find(sb_bars_t *bars, const sb_report_ctx_t *ctx, const sb_metadata_t *m,
                          int year, const char *district_id, const char *school_id, int averages,
                          apr_pool_t *p)
{
    sb_bars_work_t *k = apr_pcalloc(p, sizeof(*k));
    apr_size_t n = (apr_size_t)m->subjects.n;
    apr_status_t rv;

    memset(bars, 0, sizeof(*bars));
    bars->rows = apr_array_make(p, 64, sizeof(sb_bars_row_t *));
    bars->sum.bar = make_bars(m, p);
    *k = (sb_bars_work_t){.ctx = ctx, .m = m, .p = p, .bars = bars, .year = year};
    k->district_id = district_id;
    k->school_id = school_id;
    k->page = school_id ? SCHOOL_PAGE : district_id ? DISTRICT_PAGE : STATE_PAGE;
    k->by_id = apr_hash_make(p);
    k->values = apr_pcalloc(p, sizeof(*k->values));
    k->sums = averages ? apr_pcalloc(p, sizeof(*k->sums)) : NULL;
    k->hidden_below = apr_pcalloc(p, n * sizeof(sb_bars_below_t));
    k->hidden_sum = apr_pcalloc(p, n * sizeof(sb_bars_below_t));
    rv = prepare(k);
    if (rv == APR_SUCCESS) {
        rv = k->codes_usable && k->several < 2 ? count_packs(k) : count_facts(k);
    }
    if (rv == APR_SUCCESS) {
        hide(k);
    }
    return rv;
}

/* ---- populations ----------------------------------------------------------------------------- */

void sb_bar_population(sb_population_t *pop, const sb_bar_t *bar, int levels, apr_int64_t min_cell)
{
    sb_population_make(pop, &bar->shown, levels, min_cell);
    if (bar->hide && (pop->total || (bar->whole && sb_counts_total(&bar->all)))) {
        sb_population_hide(pop);
    }
}

void sb_bar_population_all(sb_population_t *pop, const sb_bar_t *bar, int levels,
                           apr_int64_t min_cell)
{
    sb_population_make(pop, &bar->all, levels, min_cell);
    if (bar->hide_all && pop->total) {
        sb_population_hide(pop);
    }
}
