/**
 * Hiding bars of one subject: first places as a whole together with their grades, then each filter, for
 * which places are known or hidden altogether.
 *
 * Why that is enough. A filter's table is solved as if the sizes of all places were known; what stays
 * open then is open whatever else is known, since filters meet only in those sizes. A place that is hidden
 * as a whole lies on a circle of the first table; along that circle the same change is possible under
 * any one value of each filter, since all cells of its places are hidden.
 */

#include "report/sb_privacy.h"

#include <string.h>
#include <apr_tables.h>
#include "report/sb_privacy_table.h"

typedef enum { STATE, DISTRICT, SCHOOL } level_t;

typedef struct {
    level_t level;
    int parent;
    sb_bar_cell_t cell[SB_CELLS];
    sb_bar_cell_t grade[SB_PRIVACY_GRADES];
    int leaf[SB_PRIVACY_GRADES]; /* of a school: 1 + number of the leaf; 0 none */
    apr_uint32_t hidden, hidden_grades;
} place_t;

typedef struct {
    int school, grade;
    sb_bar_cell_t cell[SB_CELLS];
    apr_uint32_t hidden;
} leaf_t;

struct sb_privacy_t {
    apr_pool_t *p;
    apr_int64_t min_cell;
    apr_uint32_t askable; /* grades */
    apr_array_header_t *places, *leaves;
};

/* Values of a filter: where its cells begin, how many, which of them nobody can ask for. */
static const struct {
    int first, n, never;
} filters[] = {
    {SB_CELL_LEP, 3, -1}, {SB_CELL_IEP, 3, -1},      {SB_CELL_504, 3, -1},
    {SB_CELL_ECD, 3, 2},  {SB_CELL_MIG, 3, -1},      {SB_CELL_COMPLETE, 3, -1},
    {SB_CELL_SEX, 4, 3},  {SB_CELL_ETHNICITY, 9, 8},
};
#define NFILTERS ((int)(sizeof(filters) / sizeof(filters[0])))

#define PLACE(t, i) (&APR_ARRAY_IDX((t)->places, i, place_t))
#define LEAF(t, i) (&APR_ARRAY_IDX((t)->leaves, i, leaf_t))

/* ---- filling --------------------------------------------------------------------------------- */

static int add_place(sb_privacy_t *t, level_t level, int parent)
{
    place_t *place = apr_array_push(t->places);

    memset(place, 0, sizeof(*place));
    place->level = level;
    place->parent = parent;
    return t->places->nelts - 1;
}

sb_privacy_t *sb_privacy_make(apr_int64_t min_cell, apr_uint32_t grades, apr_pool_t *p)
{
    sb_privacy_t *t = apr_pcalloc(p, sizeof(*t));

    t->p = p;
    t->min_cell = min_cell;
    t->askable = grades;
    t->places = apr_array_make(p, 64, sizeof(place_t));
    t->leaves = apr_array_make(p, 64, sizeof(leaf_t));
    add_place(t, STATE, -1);
    return t;
}

int sb_privacy_district(sb_privacy_t *t)
{
    return add_place(t, DISTRICT, SB_PRIVACY_STATE);
}

int sb_privacy_school(sb_privacy_t *t, int district)
{
    return add_place(t, SCHOOL, district);
}

sb_bar_cell_t *sb_privacy_grade(sb_privacy_t *t, int school, int grade)
{
    int *at = &PLACE(t, school)->leaf[grade];

    if (!*at) {
        leaf_t *leaf = apr_array_push(t->leaves);

        memset(leaf, 0, sizeof(*leaf));
        leaf->school = school;
        leaf->grade = grade;
        *at = t->leaves->nelts;
    }
    return LEAF(t, *at - 1)->cell;
}

static void add_cells(sb_bar_cell_t *to, const sb_bar_cell_t *from, int n)
{
    for (int i = 0; i < n; i++) {
        to[i].total += from[i].total;
        to[i].lower += from[i].lower;
    }
}

static void add_up(sb_privacy_t *t)
{
    for (int i = 0; i < t->leaves->nelts; i++) {
        const leaf_t *leaf = LEAF(t, i);
        place_t *school = PLACE(t, leaf->school);

        add_cells(school->cell, leaf->cell, SB_CELLS);
        add_cells(&school->grade[leaf->grade], leaf->cell, 1);
    }
    for (int i = t->places->nelts - 1; i > 0; i--) {
        place_t *place = PLACE(t, i), *above = PLACE(t, place->parent);

        add_cells(above->cell, place->cell, SB_CELLS);
        add_cells(above->grade, place->grade, SB_PRIVACY_GRADES);
    }
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void make_table(sb_table_t *t, const sb_privacy_t *from, int nplaces, int nvalues,
                       apr_pool_t *p)
{
    apr_size_t n = (apr_size_t)nplaces * (apr_size_t)nvalues;

    memset(t, 0, sizeof(*t));
    t->n = nplaces;
    t->nvalues = nvalues;
    t->min_cell = from->min_cell;
    t->cell = apr_pcalloc(p, n * sizeof(sb_bar_cell_t));
    t->mark = apr_pcalloc(p, n);
}

/* Places by grade, the whole place as value 0. */
static void solve_places(sb_privacy_t *t, apr_pool_t *p)
{
    int grades[SB_PRIVACY_GRADES], n = 0, *parent;
    unsigned char *lowest;
    sb_table_t table;

    for (int g = 0; g < SB_PRIVACY_GRADES; g++) {
        if (PLACE(t, SB_PRIVACY_STATE)->grade[g].total) {
            grades[n++] = g;
        }
    }
    make_table(&table, t, t->places->nelts, n + 1, p);
    table.parent = parent = apr_pcalloc(p, (apr_size_t)table.n * sizeof(int));
    table.lowest = lowest = apr_pcalloc(p, (apr_size_t)table.n);
    for (int i = 0; i < table.n; i++) {
        const place_t *place = PLACE(t, i);

        parent[i] = place->parent;
        lowest[i] = place->level == SCHOOL;
        table.cell[i * (n + 1)] = place->cell[SB_CELL_ALL];
        for (int k = 0; k < n; k++) {
            table.cell[i * (n + 1) + 1 + k] = place->grade[grades[k]];
            if (place->level != SCHOOL && !(t->askable >> grades[k] & 1)) {
                table.mark[i * (n + 1) + 1 + k] = SB_MARK_NEVER;
            }
        }
    }
    sb_privacy_table(&table, p);
    for (int i = 0; i < table.n; i++) {
        place_t *place = PLACE(t, i);

        if (table.mark[i * (n + 1)] & SB_MARK_HIDDEN) {
            place->hidden = ~0U;
            place->hidden_grades = ~0U;
        }
        for (int k = 0; k < n; k++) {
            if (table.mark[i * (n + 1) + 1 + k] & SB_MARK_HIDDEN) {
                place->hidden_grades |= 1U << grades[k];
            }
        }
    }
    for (int i = 0; i < t->leaves->nelts; i++) { /* the same bars, seen from the school */
        leaf_t *leaf = LEAF(t, i);

        leaf->hidden = PLACE(t, leaf->school)->hidden_grades >> leaf->grade & 1 ? ~0U : 0;
    }
}

/* Places and the grades of schools by the values of one filter. */
static void solve_filter(sb_privacy_t *t, int f, apr_pool_t *p)
{
    int nplaces = t->places->nelts, first = filters[f].first, n = filters[f].n, *parent;
    unsigned char *lowest, *whole;
    sb_table_t table;

    make_table(&table, t, nplaces + t->leaves->nelts, n, p);
    table.parent = parent = apr_pcalloc(p, (apr_size_t)table.n * sizeof(int));
    table.lowest = lowest = apr_pcalloc(p, (apr_size_t)table.n);
    table.row_hidden = whole = apr_pcalloc(p, (apr_size_t)table.n);
    for (int i = 0; i < table.n; i++) {
        const leaf_t *leaf = i < nplaces ? NULL : LEAF(t, i - nplaces);
        const sb_bar_cell_t *cell = leaf ? leaf->cell : PLACE(t, i)->cell;

        parent[i] = leaf ? leaf->school : PLACE(t, i)->parent;
        lowest[i] = leaf != NULL;
        whole[i] = (leaf ? leaf->hidden : PLACE(t, i)->hidden) & 1U << SB_CELL_ALL ? 1 : 0;
        memcpy(&table.cell[i * n], &cell[first], (apr_size_t)n * sizeof(*cell));
        for (int a = 0; a < n; a++) {
            table.mark[i * n + a] = whole[i]                ? SB_MARK_HIDDEN | SB_MARK_FORCED
                                    : a == filters[f].never ? SB_MARK_NEVER
                                                            : 0;
        }
    }
    sb_privacy_table(&table, p);
    for (int i = 0; i < table.n; i++) {
        apr_uint32_t *hidden = i < nplaces ? &PLACE(t, i)->hidden : &LEAF(t, i - nplaces)->hidden;

        for (int a = 0; a < n; a++) {
            *hidden |= table.mark[i * n + a] & SB_MARK_HIDDEN ? 1U << (first + a) : 0;
        }
    }
}

void sb_privacy_solve(sb_privacy_t *t)
{
    apr_pool_t *p;

    add_up(t);
    apr_pool_create(&p, t->p);
    solve_places(t, p);
    for (int f = 0; f < NFILTERS; f++) {
        apr_pool_clear(p);
        solve_filter(t, f, p);
    }
    apr_pool_destroy(p);
}

/* ---- what was decided ------------------------------------------------------------------------ */

apr_uint32_t sb_privacy_hidden(const sb_privacy_t *t, int place)
{
    return PLACE(t, place)->hidden;
}

apr_uint32_t sb_privacy_hidden_grades(const sb_privacy_t *t, int place)
{
    return PLACE(t, place)->hidden_grades;
}

apr_uint32_t sb_privacy_hidden_grade(const sb_privacy_t *t, int school, int grade)
{
    int leaf = PLACE(t, school)->leaf[grade];

    return leaf ? LEAF(t, leaf - 1)->hidden : 0;
}
