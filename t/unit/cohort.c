/* Hidden cohorts against somebody who has every page of two years: everybody in both years, cohorts of every
 * place and grade. He solves the system of all sums and narrows bounds. Random states of students who stay,
 * change school or district, come, go, repeat a grade or skip one. */
#include "tap.h"
#include "report/sb_cohort.h"

#define STATES 3000
#define MIN_CELL 10

#define DISTRICTS_MAX 3
#define SCHOOLS_MAX 4
#define GRADES_MAX 4 /* of which one less have a cohort */
#define PLACES_MAX (1 + DISTRICTS_MAX * (1 + SCHOOLS_MAX))
#define ALL GRADES_MAX /* the column of all grades */
#define COLUMNS (1 + GRADES_MAX)

#define SUM_PARTS_MAX (2 + SCHOOLS_MAX + DISTRICTS_MAX + GRADES_MAX)
#include "adversary.h"

typedef enum { THEN, NOW, COHORT, MOVED, GONE, CAME, KINDS } kind_t; /* GONE, CAME: not matched */

typedef struct {
    unsigned total, lower[2]; /* of a cohort: then and now; else both the same */
    int hidden;
} bar_t;

typedef struct {
    int n, ngrades, parent[PLACES_MAX], level[PLACES_MAX];
    bar_t bar[KINDS][PLACES_MAX][COLUMNS];
} state_t;

/* ---- a state --------------------------------------------------------------------------------- */

static void count(bar_t *b, int lower_then, int lower_now)
{
    b->total++;
    b->lower[0] += (unsigned)lower_then;
    b->lower[1] += (unsigned)lower_now;
}

static void count_up(state_t *s, kind_t kind, int place, int grade, int lower_then, int lower_now)
{
    for (int v = place; v >= 0; v = s->parent[v]) {
        count(&s->bar[kind][v][grade], lower_then, lower_now);
        count(&s->bar[kind][v][ALL], lower_then, lower_now);
    }
}

/* One student: where and in which grade he was then and is now; place -1: nowhere. */
static void add_student(state_t *s, int then, int grade_then, int now, int grade_now,
                        const int *low)
{
    int lower_then = draw(100) < (unsigned)low[0], lower_now = draw(100) < (unsigned)low[1];
    int at = now;

    if (then >= 0) {
        count_up(s, THEN, then, grade_then, lower_then, lower_then);
    }
    if (now >= 0) {
        count_up(s, NOW, now, grade_now, lower_now, lower_now);
    }
    if (then < 0 || now < 0 || grade_now != grade_then + 1) {
        return;
    }
    if (then != now) {
        at = s->parent[then] == s->parent[now] ? s->parent[now] : 0;
        count(&s->bar[MOVED][at][grade_now], lower_then, lower_now);
        count(&s->bar[MOVED][at][ALL], lower_then, lower_now);
    }
    count_up(s, COHORT, at, grade_now, lower_then, lower_now);
}

static int a_school(const state_t *s, int below)
{
    int v;

    do {
        v = (int)draw((unsigned)s->n);
    } while (s->level[v] != 2 || (below && s->parent[v] != below));
    return v;
}

static void fill(state_t *s)
{
    int size = 6 + (int)draw(draw(2) ? 50 : 250), moving = draw(3) ? (int)draw(40) : 0;
    int coming = draw(3) ? (int)draw(40) : 0, going = draw(3) ? (int)draw(40) : 0;

    for (int v = 0; v < s->n; v++) {
        for (int g = 0; s->level[v] == 2 && g < s->ngrades; g++) {
            int low[] = {draw(8) ? 40 : 100, draw(8) ? 40 : 100};
            int n = (int)draw(draw(4) ? (unsigned)size : 12U);

            if (draw(8) == 0) {
                continue; /* not every school has every grade */
            }
            for (int i = 0; i < n; i++) {
                unsigned what = draw(100);
                int to = what < (unsigned)moving ? a_school(s, draw(2) ? s->parent[v] : 0) : v;
                int grade =
                    draw(40) ? g + 1 : g + 2 * (int)draw(2); /* next, or repeated or skipped */

                add_student(s, v, g, draw(100) < (unsigned)going || grade >= s->ngrades ? -1 : to,
                            grade, low);
                if (draw(100) < (unsigned)coming) {
                    add_student(s, -1, 0, v, g, low);
                }
            }
            while (g == 0 && n-- > 0) { /* the lowest grade is new each year */
                add_student(s, -1, 0, v, 0, low);
            }
        }
    }
}

/* What is hidden of one year. */
static void hide_year(state_t *s, kind_t year, apr_pool_t *p)
{
    sb_privacy_t *t = sb_privacy_make(MIN_CELL, ~0U, p);

    for (int v = 1; v < s->n; v++) {
        (void)(s->level[v] == 2 ? sb_privacy_school(t, s->parent[v]) : sb_privacy_district(t));
    }
    for (int v = 1; v < s->n; v++) {
        for (int g = 0; g < s->ngrades && s->level[v] == 2; g++) {
            const bar_t *b = &s->bar[year][v][g];

            if (b->total) {
                *sb_privacy_grade(t, v, g) = (sb_bar_cell_t){b->total, b->lower[0]};
            }
        }
    }
    sb_privacy_solve(t);
    for (int v = 0; v < s->n; v++) {
        int whole = (int)(sb_privacy_hidden(t, v) >> SB_CELL_ALL & 1);

        s->bar[year][v][ALL].hidden = whole;
        for (int g = 0; g < s->ngrades; g++) {
            s->bar[year][v][g].hidden = whole || sb_privacy_hidden_grades(t, v) >> g & 1;
        }
    }
}

static void put(sb_cohort_side_t *then, sb_cohort_side_t *now, const bar_t *cohort)
{
    then->cohort = (sb_bar_cell_t){cohort->total, cohort->lower[0]};
    now->cohort = (sb_bar_cell_t){cohort->total, cohort->lower[1]};
}

/* Cohort number c is that of the grade c + 1 now. */
static void hide_cohorts(state_t *s, apr_pool_t *p)
{
    sb_cohort_t *t = sb_cohort_make(MIN_CELL, s->ngrades - 1, p);

    for (int v = 1; v < s->n; v++) {
        (void)(s->level[v] == 2 ? sb_cohort_school(t, s->parent[v]) : sb_cohort_district(t));
    }
    for (int v = 0; v < s->n; v++) {
        for (int c = 0; c < s->ngrades - 1; c++) {
            sb_cohort_cell_t *cell =
                s->level[v] == 2 ? sb_cohort_stayed(t, v, c) : sb_cohort_moved(t, v, c);
            const bar_t *then = &s->bar[THEN][v][c], *now = &s->bar[NOW][v][c + 1];

            put(&cell->then, &cell->now, &s->bar[s->level[v] == 2 ? COHORT : MOVED][v][c + 1]);
            if (s->level[v] == 2) {
                cell->then.whole = (sb_bar_cell_t){then->total, then->lower[0]};
                cell->now.whole = (sb_bar_cell_t){now->total, now->lower[0]};
            }
            if (then->hidden || now->hidden) {
                sb_cohort_veil(t, v, c);
            }
        }
        if (s->bar[THEN][v][ALL].hidden || s->bar[NOW][v][ALL].hidden) {
            sb_cohort_veil(t, v, SB_COHORT_ALL);
        }
    }
    sb_cohort_solve(t);
    for (int v = 0; v < s->n; v++) {
        s->bar[COHORT][v][ALL].hidden = sb_cohort_hidden(t, v, SB_COHORT_ALL);
        for (int c = 0; c < s->ngrades - 1; c++) {
            s->bar[COHORT][v][c + 1].hidden = sb_cohort_hidden(t, v, c);
        }
    }
}

/* Who is not matched, and that nobody tells of them nor of those who moved. */
static void make_rests(state_t *s)
{
    for (int v = 0; v < s->n; v++) {
        for (int g = 1; g < s->ngrades; g++) {
            const bar_t *c = &s->bar[COHORT][v][g], *then = &s->bar[THEN][v][g - 1];
            const bar_t *now = &s->bar[NOW][v][g];
            unsigned gone = then->lower[0] - c->lower[0], came = now->lower[0] - c->lower[1];

            s->bar[GONE][v][g] = (bar_t){then->total - c->total, {gone, gone}, 1};
            s->bar[CAME][v][g] = (bar_t){now->total - c->total, {came, came}, 1};
            s->bar[MOVED][v][g].hidden = 1;
        }
        s->bar[MOVED][v][ALL].hidden = 1;
    }
}

static void make_state(state_t *s, apr_pool_t *p)
{
    memset(s, 0, sizeof(*s));
    s->ngrades = 2 + (int)draw(GRADES_MAX - 1);
    s->parent[0] = -1;
    s->n = 1;
    for (int d = 1 + (int)draw(DISTRICTS_MAX); d > 0; d--) {
        int district = s->n++;

        s->level[district] = 1;
        for (int k = 1 + (int)draw(SCHOOLS_MAX); k > 0; k--) {
            s->level[s->n] = 2;
            s->parent[s->n++] = district;
        }
    }
    fill(s);
    hide_year(s, THEN, p);
    hide_year(s, NOW, p);
    hide_cohorts(s, p);
    make_rests(s);
}

/* ---- the adversary --------------------------------------------------------------------------- */

#define VARIABLES (KINDS * PLACES_MAX * COLUMNS)
#define SUMS_MAX (KINDS * PLACES_MAX * (COLUMNS + 1))

static int variable(kind_t kind, int place, int column)
{
    return (kind * PLACES_MAX + place) * COLUMNS + column;
}

static const bar_t *truth(const state_t *s, int v)
{
    return &s->bar[v / COLUMNS / PLACES_MAX][v / COLUMNS % PLACES_MAX][v % COLUMNS];
}

static sum_t *new_sum(sum_t *sums, int *pm, int result)
{
    sum_t *sum = &sums[(*pm)++];

    sum->n = 0;
    sum->result = result;
    return sum;
}

static void add_part(sum_t *sum, int v)
{
    sum->part[sum->n++] = v;
}

/* Places and grades of one kind; with it those who moved. */
static void sums_of(sum_t *sums, int *pm, const state_t *s, kind_t kind, int moved)
{
    for (int v = 0; v < s->n; v++) {
        sum_t *row = new_sum(sums, pm, variable(kind, v, ALL));

        for (int g = 0; g < s->ngrades; g++) {
            add_part(row, variable(kind, v, g));
        }
        for (int a = 0; a <= ALL && s->level[v] < 2; a++) {
            sum_t *sum;

            if (a != ALL && a >= s->ngrades) {
                continue;
            }
            sum = new_sum(sums, pm, variable(kind, v, a));
            for (int k = 0; k < s->n; k++) {
                if (s->parent[k] == v) {
                    add_part(sum, variable(kind, k, a));
                }
            }
            if (moved) {
                add_part(sum, variable(MOVED, v, a));
            }
        }
        if (moved && s->level[v] < 2) {
            row = new_sum(sums, pm, variable(MOVED, v, ALL));
            for (int g = 0; g < s->ngrades; g++) {
                add_part(row, variable(MOVED, v, g));
            }
        }
    }
}

static int make_sums(sum_t *sums, const state_t *s)
{
    int m = 0;

    sums_of(sums, &m, s, COHORT, 1); /* first, see judge() */
    sums_of(sums, &m, s, THEN, 0);
    sums_of(sums, &m, s, NOW, 0);
    for (int v = 0; v < s->n; v++) {
        for (int g = 1; g < s->ngrades; g++) {
            sum_t *then = new_sum(sums, &m, variable(THEN, v, g - 1));
            sum_t *now = new_sum(sums, &m, variable(NOW, v, g));

            add_part(then, variable(COHORT, v, g));
            add_part(then, variable(GONE, v, g));
            add_part(now, variable(COHORT, v, g));
            add_part(now, variable(CAME, v, g));
        }
    }
    return m;
}

/* ---- the test -------------------------------------------------------------------------------- */

typedef struct {
    int shown_small, rest_small, sensitive, solved, pinned, unions, rests;
    int fit, told, matched, unknown_max;
    int fit_at[3], told_at[3];
} tally_t;

static int too_small(const bar_t *b)
{
    return b->total && (!sb_cell_showable(b->total, b->lower[0], MIN_CELL) ||
                        !sb_cell_showable(b->total, b->lower[1], MIN_CELL));
}

static void add(bar_t *to, const bar_t *more)
{
    to->total += more->total;
    to->lower[0] += more->lower[0];
    to->lower[1] += more->lower[1];
}

/* What is told, and whether it may be. */
static void judge_told(tally_t *t, const state_t *s)
{
    for (int v = 0; v < s->n; v++) {
        bar_t gone = {0}, came = {0};

        for (int g = 1; g < s->ngrades; g++) {
            const bar_t *c = &s->bar[COHORT][v][g];
            int rests = too_small(&s->bar[GONE][v][g]) || too_small(&s->bar[CAME][v][g]);
            int veiled = s->bar[THEN][v][g - 1].hidden || s->bar[NOW][v][g].hidden;

            if (!c->total) {
                continue;
            }
            t->matched++;
            t->fit += !too_small(c) && !rests && !veiled;
            t->fit_at[s->level[v]] += !too_small(c) && !rests && !veiled;
            t->told += !c->hidden;
            t->told_at[s->level[v]] += !c->hidden;
            t->shown_small += !c->hidden && too_small(c);
            t->rest_small += !c->hidden && (rests || veiled);
            if (c->hidden) {
                add(&gone, &s->bar[GONE][v][g]);
                add(&came, &s->bar[CAME][v][g]);
            }
        }
        if (s->bar[COHORT][v][ALL].total && !s->bar[COHORT][v][ALL].hidden) {
            t->shown_small += too_small(&s->bar[COHORT][v][ALL]);
            t->rests += too_small(&gone) || too_small(&came);
        }
    }
}

/* What is hidden of shown sums. */
static void judge_unions(tally_t *t, const state_t *s, const sum_t *sums, int m)
{
    for (int i = 0; i < m; i++) {
        bar_t all = {0};

        for (int k = 0; k < sums[i].n; k++) {
            const bar_t *b = truth(s, sums[i].part[k]);

            if (b->hidden) {
                add(&all, b);
            }
        }
        t->unions += !truth(s, sums[i].result)->hidden && too_small(&all);
    }
}

static void judge(tally_t *t, const state_t *s, apr_pool_t *p)
{
    int *unknown = apr_palloc(p, VARIABLES * sizeof(int)), n = 0, m, of_cohorts = 0;
    long long *low = apr_pcalloc(p, VARIABLES * sizeof(*low));
    long long *high = apr_pcalloc(p, VARIABLES * sizeof(*high));
    sum_t *sums = apr_palloc(p, SUMS_MAX * sizeof(*sums));
    unsigned char *solved;

    for (int v = 0; v < VARIABLES; v++) {
        const bar_t *b = truth(s, v);
        int kind = v / COLUMNS / PLACES_MAX;

        unknown[v] = -1;
        low[v] = high[v] = b->total;
        if (b->hidden) {
            unknown[v] = n++;
            low[v] = b->total && kind <= COHORT ? 1 : 0; /* a row says so */
            high[v] = 100000;
        }
    }
    m = make_sums(sums, s);
    while (of_cohorts < m && sums[of_cohorts].result / COLUMNS / PLACES_MAX >= COHORT) {
        of_cohorts++;
    }
    solved = apr_pcalloc(p, (apr_size_t)n + 1);
    t->unknown_max = n > t->unknown_max ? n : t->unknown_max;
    solve(solved, sums, m, unknown, n, p);
    narrow(low, high, sums, m);
    for (int v = 0; v < VARIABLES; v++) {
        const bar_t *b = truth(s, v);

        if (unknown[v] < 0 || !too_small(b)) {
            continue;
        }
        t->sensitive++;
        t->solved += solved[unknown[v]];
        t->pinned += low[v] == high[v];
        if ((solved[unknown[v]] || low[v] == high[v]) && getenv("COHORT_VERBOSE")) {
            fprintf(stderr, "%s: kind %d place %d (level %d of %d) column %d: %u\n",
                    solved[unknown[v]] ? "solved" : "pinned", v / COLUMNS / PLACES_MAX,
                    v / COLUMNS % PLACES_MAX, s->level[v / COLUMNS % PLACES_MAX],
                    s->parent[v / COLUMNS % PLACES_MAX], v % COLUMNS, b->total);
        }
    }
    judge_told(t, s);
    judge_unions(t, s, sums, of_cohorts);
}

int main(void)
{
    tally_t t = {0};
    apr_pool_t *all = tap_pool(), *p;
    state_t *s = apr_palloc(all, sizeof(*s));
    const char *from = getenv("COHORT_SEED"), *states = getenv("COHORT_STATES");
    int nstates = states ? atoi(states) : STATES;

    apr_pool_create(&p, all);
    for (int i = 0; i < nstates; i++) {
        int before = t.solved + t.pinned + t.unions + t.rests;

        seed = (unsigned long long)(i + 1) * 7919 + (from ? strtoull(from, NULL, 10) : 0);
        make_state(s, p);
        judge(&t, s, p);
        if (t.solved + t.pinned + t.unions + t.rests > before && getenv("COHORT_VERBOSE")) {
            fprintf(stderr, "state %d: solved %d pinned %d unions %d rests %d\n", i, t.solved,
                    t.pinned, t.unions, t.rests);
        }
        apr_pool_clear(p);
    }
    printf(
        "# %d cohorts of a grade, %d of them could be told by themselves, %d are: state %d of %d,"
        " districts %d of %d, schools %d of %d; %d bars too small; at most %d unknown\n",
        t.matched, t.fit, t.told, t.told_at[0], t.fit_at[0], t.told_at[1], t.fit_at[1],
        t.told_at[2], t.fit_at[2], t.sensitive, t.unknown_max);
    ok(t.sensitive > 1000, "there is something to hide: %d bars", t.sensitive);
    is_int(t.shown_small, 0, "no cohort that is too small is told");
    is_int(t.rest_small, 0, "nor one that tells of a rest too small, or of a hidden whole");
    is_int(t.solved, 0, "the system of all sums tells nothing that is too small");
    is_int(t.pinned, 0, "nor do bounds");
    is_int(t.unions, 0, "no sum of cohorts leaves a remainder that is too small");
    is_int(t.rests, 0, "nor do the rests of all grades");
    ok(t.told * 2 > t.fit, "most others are told: %d of %d", t.told, t.fit);
    return done();
}
