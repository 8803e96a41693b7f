/**
 * Hiding cohorts: a table of places by grades (sb_privacy_table.h), in which those who moved are places of
 * their own that nobody can ask for. It is solved for both years, which differ in who is in the lower half;
 * marks only grow, until both agree.
 */

#include "report/sb_cohort.h"

#include <string.h>
#include <apr_tables.h>
#include "report/sb_privacy_table.h"

#define NONE (-1)
#define UNKNOWN 1000000000 /* no bound */

typedef enum { STATE, DISTRICT, SCHOOL } level_t;

/* Arrays by value: 0 all grades, then the grades. */
typedef struct {
    level_t level;
    int parent;
    sb_cohort_cell_t *cell, *moved; /* moved: NULL of a school */
    unsigned char *veiled, *hidden;
} place_t;

struct sb_cohort_t {
    apr_pool_t *p;
    apr_int64_t min_cell;
    int nvalues;
    apr_array_header_t *places;
};

/* The table while it is solved. */
typedef struct {
    const sb_cohort_t *t;
    sb_table_t table;
    int *of_place; /* row of a place's movers; NONE */
} work_t;

#define PLACE(t, i) (&APR_ARRAY_IDX((t)->places, i, place_t))

/* ---- filling --------------------------------------------------------------------------------- */

static int add_place(sb_cohort_t *t, level_t level, int parent)
{
    apr_size_t n = (apr_size_t)t->nvalues;
    place_t *place = apr_array_push(t->places);

    memset(place, 0, sizeof(*place));
    place->level = level;
    place->parent = parent;
    place->cell = apr_pcalloc(t->p, n * sizeof(sb_cohort_cell_t));
    place->moved = level == SCHOOL ? NULL : apr_pcalloc(t->p, n * sizeof(sb_cohort_cell_t));
    place->veiled = apr_pcalloc(t->p, n);
    place->hidden = apr_pcalloc(t->p, n);
    return t->places->nelts - 1;
}

sb_cohort_t *sb_cohort_make(apr_int64_t min_cell, int ngrades, apr_pool_t *p)
{
    sb_cohort_t *t = apr_pcalloc(p, sizeof(*t));

    t->p = p;
    t->min_cell = min_cell;
    t->nvalues = 1 + ngrades;
    t->places = apr_array_make(p, 64, sizeof(place_t));
    add_place(t, STATE, NONE);
    return t;
}

int sb_cohort_district(sb_cohort_t *t)
{
    return add_place(t, DISTRICT, SB_PRIVACY_STATE);
}

int sb_cohort_school(sb_cohort_t *t, int district)
{
    return add_place(t, SCHOOL, district);
}

sb_cohort_cell_t *sb_cohort_stayed(sb_cohort_t *t, int school, int grade)
{
    return &PLACE(t, school)->cell[1 + grade];
}

sb_cohort_cell_t *sb_cohort_moved(sb_cohort_t *t, int place, int grade)
{
    return &PLACE(t, place)->moved[1 + grade];
}

void sb_cohort_veil(sb_cohort_t *t, int place, int grade)
{
    PLACE(t, place)->veiled[1 + grade] = 1;
}

/* ---- adding up ------------------------------------------------------------------------------- */

static void add_bar(sb_bar_cell_t *to, const sb_bar_cell_t *more)
{
    to->total += more->total;
    to->lower += more->lower;
}

static void add_cell(sb_cohort_cell_t *to, const sb_cohort_cell_t *more)
{
    add_bar(&to->then.cohort, &more->then.cohort);
    add_bar(&to->then.whole, &more->then.whole);
    add_bar(&to->now.cohort, &more->now.cohort);
    add_bar(&to->now.whole, &more->now.whole);
}

static int has_cohort(const sb_cohort_cell_t *c)
{
    return c->now.cohort.total > 0;
}

static void add_up(sb_cohort_t *t)
{
    for (int i = t->places->nelts - 1; i >= 0; i--) { /* children before their parents */
        place_t *place = PLACE(t, i);

        for (int a = 1; a < t->nvalues; a++) {
            if (place->moved) {
                add_cell(&place->cell[a], &place->moved[a]);
                add_cell(&place->moved[0], &place->moved[a]);
            }
            if (place->parent >= 0) {
                add_cell(&PLACE(t, place->parent)->cell[a], &place->cell[a]);
            }
            if (has_cohort(
                    &place->cell[a])) { /* of the others everybody knows that they are no part */
                add_cell(&place->cell[0], &place->cell[a]);
            }
        }
    }
}

/* ---- rests ----------------------------------------------------------------------------------- */

static void add_rest(sb_bar_cell_t *rest, const sb_cohort_side_t *side)
{
    rest->total += side->whole.total - side->cohort.total;
    rest->lower += side->whole.lower - side->cohort.lower;
}

static int may_tell(const sb_cohort_t *t, const sb_bar_cell_t *rest)
{
    return !rest->total || sb_cell_showable(rest->total, rest->lower, t->min_cell);
}

/* Would a cohort tell too much of those who are not in it? */
static int tells(const sb_cohort_t *t, const sb_cohort_cell_t *c)
{
    sb_bar_cell_t then = {0, 0}, now = {0, 0};

    add_rest(&then, &c->then);
    add_rest(&now, &c->now);
    return !may_tell(t, &then) || !may_tell(t, &now);
}

/* Must a cohort be hidden, whatever its size? That of all grades is a sum of wholes: none may be veiled. */
static int is_forced(const sb_cohort_t *t, const place_t *place, int a)
{
    if (!has_cohort(&place->cell[a])) {
        return 0;
    }
    for (int k = 1; k < t->nvalues && a == 0; k++) {
        if (place->veiled[k] && has_cohort(&place->cell[k])) {
            return 1;
        }
    }
    return place->veiled[a] || tells(t, &place->cell[a]);
}

/* ---- the table ------------------------------------------------------------------------------- */

static apr_uint32_t lesser(apr_uint32_t a, apr_uint32_t b)
{
    return a < b ? a : b;
}

static void make_table(work_t *k, const sb_cohort_t *t, apr_pool_t *p)
{
    sb_table_t *table = &k->table;
    int n = t->places->nelts, *parent;
    unsigned char *lowest;

    memset(k, 0, sizeof(*k));
    k->t = t;
    k->of_place = apr_palloc(p, (apr_size_t)n * sizeof(int));
    table->n = n;
    for (int i = 0; i < n; i++) {
        k->of_place[i] = PLACE(t, i)->moved ? table->n++ : NONE;
    }
    table->nvalues = t->nvalues;
    table->min_cell = t->min_cell;
    table->parent = parent = apr_pcalloc(p, (apr_size_t)table->n * sizeof(int));
    table->lowest = lowest = apr_pcalloc(p, (apr_size_t)table->n);
    n = table->n * t->nvalues;
    table->cell = apr_pcalloc(p, (apr_size_t)n * sizeof(*table->cell));
    table->mark = apr_pcalloc(p, (apr_size_t)n);
    table->most = apr_palloc(p, (apr_size_t)n * sizeof(*table->most));
    for (int e = 0; e < n; e++) {
        table->most[e] = UNKNOWN;
    }
    for (int i = 0; i < t->places->nelts; i++) {
        const place_t *place = PLACE(t, i);
        int row = k->of_place[i];

        parent[i] = place->parent;
        lowest[i] = place->level == SCHOOL;
        if (row != NONE) {
            parent[row] = i;
            lowest[row] = 1;
            memset(&table->mark[row * t->nvalues], SB_MARK_NEVER, (apr_size_t)t->nvalues);
        }
        for (int a = 0; a < t->nvalues; a++) {
            const sb_cohort_cell_t *c = &place->cell[a];

            if (is_forced(t, place, a)) {
                table->mark[i * t->nvalues + a] = SB_MARK_HIDDEN | SB_MARK_GUARD;
            }
            if (a && !place->veiled[a]) { /* nobody is matched who is not there */
                table->most[i * t->nvalues + a] = lesser(c->then.whole.total, c->now.whole.total);
            }
        }
    }
}

static void solve_side(work_t *k, int now, apr_pool_t *p)
{
    const sb_cohort_t *t = k->t;

    for (int i = 0; i < t->places->nelts; i++) {
        const place_t *place = PLACE(t, i);

        for (int a = 0; a < t->nvalues; a++) {
            const sb_cohort_cell_t *c = &place->cell[a];

            k->table.cell[i * t->nvalues + a] = now ? c->now.cohort : c->then.cohort;
            if (place->moved) {
                c = &place->moved[a];
                k->table.cell[k->of_place[i] * t->nvalues + a] =
                    now ? c->now.cohort : c->then.cohort;
            }
        }
    }
    sb_privacy_table(&k->table, p);
}

static unsigned char *mark_of(work_t *k, int place, int a)
{
    return &k->table.mark[place * k->t->nvalues + a];
}

/* Grades that are hidden of a place, of which all grades together are told: their rests are told as one. */
static int keep_rest(work_t *k, int place)
{
    const sb_cohort_t *t = k->t;
    const sb_cohort_cell_t *cell = PLACE(t, place)->cell;
    sb_bar_cell_t then = {0, 0}, now = {0, 0};
    int smallest = 0; /* else all grades together */

    if (!has_cohort(&cell[0]) || *mark_of(k, place, 0) & SB_MARK_HIDDEN) {
        return 0;
    }
    for (int a = 1; a < t->nvalues; a++) {
        if (!has_cohort(&cell[a])) {
            continue;
        }
        if (*mark_of(k, place, a) & SB_MARK_HIDDEN) {
            add_rest(&then, &cell[a].then);
            add_rest(&now, &cell[a].now);
        }
        else if (!smallest || cell[a].now.cohort.total < cell[smallest].now.cohort.total) {
            smallest = a;
        }
    }
    if (may_tell(t, &then) && may_tell(t, &now)) {
        return 0;
    }
    *mark_of(k, place, smallest) |= SB_MARK_HIDDEN | SB_MARK_GUARD;
    return 1;
}

static int count_hidden(const work_t *k)
{
    int n = 0;

    for (int e = 0; e < k->table.n * k->table.nvalues; e++) {
        n += k->table.mark[e] & SB_MARK_HIDDEN ? 1 : 0;
    }
    return n;
}

void sb_cohort_solve(sb_cohort_t *t)
{
    apr_pool_t *p;
    work_t k;
    int before;

    apr_pool_create(&p, t->p);
    add_up(t);
    make_table(&k, t, p);
    do {
        before = count_hidden(&k);
        solve_side(&k, 1, p);
        solve_side(&k, 0, p);
        for (int i = 0; i < t->places->nelts; i++) {
            while (keep_rest(&k, i)) {
                ;
            }
        }
    } while (count_hidden(&k) > before);
    for (int i = 0; i < t->places->nelts; i++) {
        for (int a = 0; a < t->nvalues; a++) {
            PLACE(t, i)->hidden[a] =
                *mark_of(&k, i, a) & SB_MARK_HIDDEN && has_cohort(&PLACE(t, i)->cell[a]);
        }
    }
    apr_pool_destroy(p);
}

/* ---- what was decided ------------------------------------------------------------------------ */

int sb_cohort_hidden(const sb_cohort_t *t, int place, int grade)
{
    return PLACE(t, place)->hidden[1 + grade];
}
