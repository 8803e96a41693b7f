/* Hidden bars against somebody who solves every sum: random states of students, all bars without a filter
 * and under each value of each filter, on all levels. */
#include "tap.h"
#include "report/sb_privacy.h"

#define STATES 400
#define MIN_CELL 10

/* A little of each: the adversary solves with dense rows. */
#define DISTRICTS_MAX 4
#define SCHOOLS_MAX 4
#define GRADES_MAX 3
#define NODES_MAX (1 + DISTRICTS_MAX * (1 + SCHOOLS_MAX * (1 + GRADES_MAX)))
#define CELLS (SB_CELLS + GRADES_MAX)

#define SUM_PARTS_MAX NODES_MAX
#include "adversary.h"

typedef struct {
    int parent, level, grade, place, school; /* level 3: a grade of a school */
    sb_bar_cell_t cell[CELLS];
    int hidden[CELLS];
} node_t;

typedef struct {
    int n, ngrades;
    node_t node[NODES_MAX];
    sb_privacy_t *privacy;
} state_t;

static const struct {
    int first, n, never;
} dims[] = {{1, 3, -1},  {4, 3, -1},  {7, 3, -1}, {10, 3, 2},
            {13, 3, -1}, {16, 3, -1}, {19, 4, 3}, {23, 9, 8}};
#define NDIMS 8

static void count(node_t *node, sb_bar_cell_t *engine, int cell, int lower)
{
    node->cell[cell].total++;
    node->cell[cell].lower += (unsigned)lower;
    if (engine && cell < SB_CELLS) {
        engine[cell].total++;
        engine[cell].lower += (unsigned)lower;
    }
}

/* One student, into his grade, school, district and the state. */
static void add_student(state_t *s, int leaf, const int *weights, int low)
{
    int cells[1 + NDIMS], lower = (int)draw(100) < low;
    sb_bar_cell_t *engine =
        sb_privacy_grade(s->privacy, s->node[s->node[leaf].parent].place, s->node[leaf].grade);

    cells[0] = SB_CELL_ALL;
    for (int d = 0; d < NDIMS;
         d++) { /* the first value is common, the others are more or less rare */
        int value = 0;

        if (draw(100) < (unsigned)weights[d]) {
            value = (int)draw((unsigned)dims[d].n);
        }
        cells[1 + d] = dims[d].first + value;
    }
    for (int i = 0; i <= NDIMS; i++) {
        count(&s->node[leaf], engine, cells[i], lower);
        for (int v = s->node[leaf].parent; v >= 0; v = s->node[v].parent) {
            count(&s->node[v], NULL, cells[i], lower);
        }
    }
    for (int v = s->node[leaf].parent; v >= 0; v = s->node[v].parent) {
        count(&s->node[v], NULL, SB_CELLS + s->node[leaf].grade, lower);
    }
}

static int add_node(state_t *s, int parent, int level, int grade, int place)
{
    node_t *n = &s->node[s->n];

    memset(n, 0, sizeof(*n));
    n->parent = parent;
    n->level = level;
    n->grade = grade;
    n->place = place;
    return s->n++;
}

static void make_state(state_t *s, apr_pool_t *p)
{
    int weights[NDIMS], size = 4 + (int)draw(60);
    unsigned askable = draw(4) ? ~0U : ~1U; /* sometimes nobody can ask for the first grade */

    s->n = 0;
    s->ngrades = 1 + (int)draw(GRADES_MAX);
    s->privacy = sb_privacy_make(MIN_CELL, askable, p);
    for (int d = 0; d < NDIMS; d++) {
        weights[d] =
            draw(3)
                ? 0
                : (int)draw(100); /* most filters split nobody: the adversary has less to solve */
    }
    add_node(s, -1, 0, 0, SB_PRIVACY_STATE);
    for (int d = 1 + (int)draw(DISTRICTS_MAX); d > 0; d--) {
        int district = add_node(s, 0, 1, 0, sb_privacy_district(s->privacy));

        for (int k = 1 + (int)draw(SCHOOLS_MAX); k > 0; k--) {
            int school =
                add_node(s, district, 2, 0, sb_privacy_school(s->privacy, s->node[district].place));

            for (int g = 0; g < s->ngrades; g++) {
                int leaf = add_node(s, school, 3, g, 0), low = draw(6) ? 40 : 100;

                for (int i = (int)draw(draw(3) ? (unsigned)size : 9) + 1; i > 0; i--) {
                    add_student(s, leaf, weights, low);
                }
            }
        }
    }
    sb_privacy_solve(s->privacy);
    for (int i = 0; i < s->n; i++) {
        node_t *n = &s->node[i];
        apr_uint32_t hidden =
            n->level < 3 ? sb_privacy_hidden(s->privacy, n->place)
                         : sb_privacy_hidden_grade(s->privacy, s->node[n->parent].place, n->grade);
        apr_uint32_t grades = n->level < 3 ? sb_privacy_hidden_grades(s->privacy, n->place) : 0;

        for (int c = 0; c < SB_CELLS; c++) {
            n->hidden[c] = hidden >> c & 1;
        }
        for (int d = 0; d < NDIMS; d++) {
            if (dims[d].never >= 0) {
                n->hidden[dims[d].first + dims[d].never] = 1;
            }
        }
        for (int g = 0; g < s->ngrades && n->level < 3; g++) {
            n->hidden[SB_CELLS + g] = (grades >> g & 1) || (n->level < 2 && !(askable >> g & 1));
        }
    }
}

/* ---- the adversary --------------------------------------------------------------------------- */

/* Variables: cell c of node i is i * CELLS + c. The grade of a school is its row in the school's page. */
static int variable(const state_t *s, int i, int c)
{
    if (c >= SB_CELLS && s->node[i].level == 2) {
        for (int k = 0; k < s->n; k++) {
            if (s->node[k].parent == i && s->node[k].grade == c - SB_CELLS) {
                return k * CELLS;
            }
        }
    }
    return i * CELLS + c;
}

static int is_hidden(const state_t *s, int v)
{
    return s->node[v / CELLS].hidden[v % CELLS];
}

static const sb_bar_cell_t *truth(const state_t *s, int v)
{
    return &s->node[v / CELLS].cell[v % CELLS];
}

static int make_sums(sum_t *sums, const state_t *s)
{
    int m = 0;

    for (int i = 0; i < s->n; i++) {
        const node_t *n = &s->node[i];

        for (int c = 0; c < SB_CELLS + s->ngrades && n->level < 3; c++) {
            sum_t *sum = &sums[m];

            if (c >= SB_CELLS && n->level == 2) {
                continue;
            }
            sum->n = 0;
            sum->result = i * CELLS + c;
            for (int k = 0; k < s->n; k++) {
                if (s->node[k].parent == i) {
                    sum->part[sum->n++] = variable(s, k, c);
                }
            }
            m++;
        }
        for (int d = 0; d < NDIMS; d++) {
            sums[m].n = dims[d].n;
            sums[m].result = i * CELLS;
            for (int a = 0; a < dims[d].n; a++) {
                sums[m].part[a] = i * CELLS + dims[d].first + a;
            }
            m++;
        }
        if (n->level < 3) {
            sums[m].n = 0;
            sums[m].result = i * CELLS;
            for (int g = 0; g < s->ngrades; g++) {
                sums[m].part[sums[m].n++] = variable(s, i, SB_CELLS + g);
            }
            m++;
        }
    }
    return m;
}

/* ---- the test -------------------------------------------------------------------------------- */

typedef struct {
    int bars, shown_small, sensitive, solved, pinned, unions, unknown_max;
    int showable, kept;
} tally_t;

static int sensitive(const sb_bar_cell_t *c)
{
    return c->total && !sb_cell_showable(c->total, c->lower, MIN_CELL);
}

static void judge(tally_t *t, const state_t *s, apr_pool_t *p)
{
    int nvars = s->n * CELLS, n = 0;
    int *unknown = apr_palloc(p, (apr_size_t)nvars * sizeof(int));
    long long *low = apr_pcalloc(p, (apr_size_t)nvars * sizeof(*low));
    long long *high = apr_pcalloc(p, (apr_size_t)nvars * sizeof(*high));
    sum_t *sums = apr_palloc(p, (apr_size_t)(s->n * (CELLS + NDIMS + 1)) * sizeof(*sums));
    int m = make_sums(sums, s);
    unsigned char *solved;

    for (int v = 0; v < nvars; v++) {
        const sb_bar_cell_t *c = truth(s, v);
        const node_t *node = &s->node[v / CELLS];
        int never = 0;

        for (int d = 0; d < NDIMS; d++) {
            never |= v % CELLS == dims[d].first + dims[d].never && dims[d].never >= 0;
        }
        unknown[v] = -1;
        low[v] = high[v] = c->total;
        if (v % CELLS >= SB_CELLS && node->level >= 2) {
            continue; /* seen as the grade's own row */
        }
        if (!is_hidden(s, v)) {
            t->shown_small += sensitive(c);
        }
        else {
            unknown[v] = n++;
            high[v] = 100000;
            /* a place that is shown says which of its values are empty */
            low[v] = node->hidden[SB_CELL_ALL] || never || v % CELLS >= SB_CELLS ? 0 : 1;
            low[v] = v % CELLS == SB_CELL_ALL ? 1 : low[v];
            low[v] = c->total ? low[v] : 0;
        }
        if (c->total && !never) {
            t->bars++;
            t->showable += !sensitive(c);
            t->kept += !sensitive(c) && !is_hidden(s, v);
        }
    }
    solved = apr_pcalloc(p, (apr_size_t)n + 1);
    t->unknown_max = n > t->unknown_max ? n : t->unknown_max;
    solve(solved, sums, m, unknown, n, p);
    narrow(low, high, sums, m);
    for (int v = 0; v < nvars; v++) {
        if (unknown[v] >= 0 && sensitive(truth(s, v))) {
            t->sensitive++;
            if (solved[unknown[v]]) {
                t->solved++;
                if (getenv("PRIVACY_VERBOSE")) {
                    fprintf(stderr, "solved: node %d level %d cell %d total %u\n", v / CELLS,
                            s->node[v / CELLS].level, v % CELLS, truth(s, v)->total);
                }
            }
            t->pinned += low[v] == high[v];
            if (low[v] == high[v] && getenv("PRIVACY_VERBOSE")) {
                fprintf(stderr,
                        "pinned: node %d (parent %d) level %d cell %d total %u lower %u of %u\n",
                        v / CELLS, s->node[v / CELLS].parent, s->node[v / CELLS].level, v % CELLS,
                        truth(s, v)->total, truth(s, v)->lower, s->node[v / CELLS].cell[0].total);
            }
        }
    }
    for (int i = 0; i < m; i++) {
        unsigned total = 0, lower = 0;

        for (int k = 0; k < sums[i].n; k++) {
            int v = sums[i].part[k];

            if (unknown[v] >= 0) {
                total += truth(s, v)->total;
                lower += truth(s, v)->lower;
            }
        }
        t->unions +=
            unknown[sums[i].result] < 0 && total && !sb_cell_showable(total, lower, MIN_CELL);
    }
}

int main(void)
{
    tally_t t = {0};
    apr_pool_t *all = tap_pool(), *p;
    state_t *s = apr_palloc(all, sizeof(*s));
    const char *from = getenv("PRIVACY_SEED");

    apr_pool_create(&p, all);
    for (int i = 0; i < STATES; i++) {
        int before = t.solved + t.pinned + t.unions;

        seed = (unsigned long long)(i + 1) * 7919 + (from ? strtoull(from, NULL, 10) : 0);
        make_state(s, p);
        judge(&t, s, p);
        if (t.solved + t.pinned + t.unions > before && getenv("PRIVACY_VERBOSE")) {
            fprintf(stderr, "state %d: solved %d pinned %d unions %d\n", i, t.solved, t.pinned,
                    t.unions);
        }
        apr_pool_clear(p);
    }
    printf("# %d bars, %d too small, %d of %d others shown; at most %d unknown\n", t.bars,
           t.sensitive, t.kept, t.showable, t.unknown_max);
    ok(t.sensitive > 1000, "there is something to hide: %d bars", t.sensitive);
    is_int(t.shown_small, 0, "no bar that is too small is shown");
    is_int(t.solved, 0, "the system of all sums tells none of them");
    is_int(t.pinned, 0, "nor do bounds");
    is_int(t.unions, 0, "no sum leaves a remainder that is too small");
    ok(t.kept * 100 > t.showable * 50, "most others are shown: %d of %d", t.kept, t.showable);
    return done();
}
