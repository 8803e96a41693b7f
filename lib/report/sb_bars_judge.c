/**
 * What is hidden of a page. Without a filter and under one filter it was decided for the whole state
 * (sb_suppressed.h). Several filters at once are judged here, from below: a place is hidden if it is too
 * small, if those whom one filter of them leaves out are, if it is hidden under any of the filters alone,
 * or if its hidden children could be computed from it.
 */

#include "report/sb_bars_work.h"

#include <string.h>

/* ---- counts ---------------------------------------------------------------------------------- */

static void add_counts(sb_bars_counts_t *to, const sb_bars_counts_t *from)
{
    for (int level = 0; level < SB_PACK_LEVELS; level++) {
        for (int i = 0; i < SB_CLASSES; i++) {
            to->n[level][i] += from->n[level][i];
        }
    }
}

/* Of a grade of the group that was read. */
void sb_bars_grade_counts(sb_bars_counts_t *to, const sb_bars_work_t *k, int s, int grade)
{
    for (int level = 0; level < SB_PACK_LEVELS; level++) {
        memcpy(to->n[level], sb_pack_tally(&k->tally, k->subject[s], grade, level),
               sizeof(to->n[level]));
    }
}

int sb_bars_anybody(const sb_bars_counts_t *c)
{
    apr_uint32_t n = 0;

    for (int level = 0; level < SB_PACK_LEVELS; level++) {
        for (int i = 0; i < SB_NOT_VALID; i++) {
            n |= c->n[level][i];
        }
    }
    return n != 0;
}

/* ---- judging --------------------------------------------------------------------------------- */

static int lower_half(const sb_bars_work_t *k, int s, int level)
{
    return level <= k->m->subjects.levels[s] / 2;
}

/* How many, and how many of them in the lower half, are of a class. */
static void add_class(apr_int64_t *ptotal, apr_int64_t *plower, const sb_bars_work_t *k, int s,
                      const sb_bars_counts_t *c, int class)
{
    apr_int64_t total = 0, lower = 0;

    for (int level = 0; level < SB_PACK_LEVELS; level++) {
        apr_int64_t n = c->n[level][class];

        total += n;
        lower += lower_half(k, s, level) ? n : 0;
    }
    *ptotal = total;
    *plower = lower;
}

static int showable(const sb_bars_work_t *k, apr_int64_t total, apr_int64_t lower)
{
    return total > k->m->min_cell && total != lower;
}

/* What is left of a shown group when another one is taken away must be nobody or enough. */
static int leaves_too_few(const sb_bars_work_t *k, int s, const sb_bars_counts_t *c)
{
    apr_int64_t total, lower, rest, rest_lower;

    add_class(&rest, &rest_lower, k, s, c, SB_FAILS_MORE);
    for (int i = 0; i < SB_FILTERS; i++) { /* with all filters but one, less those with all */
        add_class(&total, &lower, k, s, c, SB_FAILS_ONE + i);
        if (total && !showable(k, total, lower)) {
            return 1;
        }
        rest += total;
        rest_lower += lower;
    }
    return rest && !showable(k, rest, rest_lower);
}

/* Under several filters, but for what is below. */
static int hidden_alone(const sb_bars_work_t *k, int s, const sb_bars_counts_t *c,
                        const sb_bars_home_t *home, int grade)
{
    apr_int64_t total, lower;

    add_class(&total, &lower, k, s, c, SB_PASSES);
    return !showable(k, total, lower) || leaves_too_few(k, s, c) ||
           (k->hidden && sb_suppressed_bar(k->hidden, home->district_id, home->school_id, grade,
                                           k->subject[s], &k->filter));
}

static void add_hidden(sb_bars_below_t *to, const sb_bars_work_t *k, int s,
                       const sb_bars_counts_t *c)
{
    apr_int64_t total, lower;

    add_class(&total, &lower, k, s, c, SB_PASSES);
    to->count += total > 0;
    to->total += total;
    to->lower += lower;
}

/* Whoever sees the sum knows that each hidden part has somebody in it. */
static int gives_away(const sb_bars_work_t *k, const sb_bars_below_t *h)
{
    return h->count &&
           (h->count < 2 || h->total - h->count <= k->m->min_cell || h->total == h->lower);
}

/* Is a filter other than grade asked for? Of one grade it is the only one that counts. */
static int several_of_a_grade(const sb_bars_work_t *k)
{
    return !k->hidden || k->filter.n - k->filter.by_grade > 1 || k->several > 1;
}

/* ---- what is hidden of a page, without a filter or under one --------------------------------- */

void sb_bars_hide_row(const sb_bars_work_t *k, sb_bars_row_t *row, const sb_bars_home_t *home,
                      int grade)
{
    for (int s = 0; s < k->m->subjects.n; s++) {
        sb_bar_t *bar = &row->bar[s];
        sb_pack_filter_t none = {.n = 0};

        if (k->subject[s] < 0) {
            continue;
        }
        if (!k->hidden) { /* that much is not known: not to be told beside what is filtered */
            bar->hide_all = k->filtered;
            continue;
        }
        bar->whole = bar->hide_all = sb_suppressed_bar(
            k->hidden, home->district_id, home->school_id, grade, k->subject[s], &none);
        bar->hide |= bar->whole || (!k->several &&
                                    sb_suppressed_bar(k->hidden, home->district_id, home->school_id,
                                                      grade, k->subject[s], &k->filter));
        row->seen |= bar->whole && bar->all.n > 0;
    }
}

void sb_bars_note_seen(sb_bars_row_t *row, int nsubjects)
{
    for (int s = 0; s < nsubjects; s++) {
        row->seen |= row->bar[s].shown.n > 0;
    }
}

/* ---- groups: a district or a school ---------------------------------------------------------- */

/* One school under several filters: its grades, then itself. @return is it hidden? */
static int judge_school(sb_bars_work_t *k, int s, sb_bars_counts_t *school,
                        const sb_bars_home_t *home)
{
    sb_bars_below_t below = {0};
    int hide;

    memset(school, 0, sizeof(*school));
    for (int g = 0; g < SB_PACK_GRADES; g++) {
        sb_bars_counts_t c;
        int hidden;

        if (!k->codes.grade[g]) {
            continue;
        }
        sb_bars_grade_counts(&c, k, s, g);
        if (!sb_bars_anybody(&c)) {
            continue;
        }
        add_counts(school, &c);
        hidden = several_of_a_grade(k)
                     ? hidden_alone(k, s, &c, home, g)
                     : sb_suppressed_bar(k->hidden, home->district_id, home->school_id, g,
                                         k->subject[s], &k->filter);
        if (hidden) {
            add_hidden(&below, k, s, &c);
        }
        if (k->page == SCHOOL_PAGE) {
            sb_bars_row_of(k, k->codes.grade[g], k->codes.grade[g])->bar[s].hide |= hidden;
        }
    }
    hide = hidden_alone(k, s, school, home, -1) || gives_away(k, &below);
    return hide;
}

/* Enter the group that was read, a school, into the page: several filters. */
void sb_bars_add_school(sb_bars_work_t *k, const sb_bars_home_t *home, sb_bars_counts_t *district)
{
    for (int s = 0; s < k->m->subjects.n; s++) {
        sb_bars_counts_t school;
        int hide;

        if (k->subject[s] < 0) {
            continue;
        }
        hide = judge_school(k, s, &school, home);
        add_counts(&district[s], &school);
        if (hide) {
            add_hidden(&k->hidden_below[s], k, s, &school);
        }
        if (k->page == DISTRICT_PAGE && sb_bars_anybody(&school)) {
            sb_bars_row_of(k, home->school_id, home->school_name)->bar[s].hide |= hide;
        }
        if (k->page == SCHOOL_PAGE) {
            k->bars->sum.bar[s].hide |= hide;
        }
    }
}

/* The same of a district whose schools are through. */
void sb_bars_end_district(sb_bars_work_t *k, const sb_bars_home_t *home, sb_bars_counts_t *district,
                          sb_bars_counts_t *state)
{
    for (int s = 0; s < k->m->subjects.n; s++) {
        sb_bars_home_t whole = {home->district_id, home->district_name, NULL, NULL, 0};
        int hide;

        if (k->subject[s] < 0) {
            continue;
        }
        hide = hidden_alone(k, s, &district[s], &whole, -1) || gives_away(k, &k->hidden_below[s]);
        if (hide) {
            add_hidden(&k->hidden_sum[s], k, s, &district[s]);
        }
        if (k->page == STATE_PAGE && sb_bars_anybody(&district[s])) {
            sb_bars_row_of(k, home->district_id, home->district_name)->bar[s].hide |= hide;
        }
        if (k->page == DISTRICT_PAGE) {
            k->bars->sum.bar[s].hide |= hide;
        }
        add_counts(&state[s], &district[s]);
        memset(&k->hidden_below[s], 0, sizeof(k->hidden_below[s]));
        memset(&district[s], 0, sizeof(district[s]));
    }
}

void sb_bars_end_state(sb_bars_work_t *k, sb_bars_counts_t *state)
{
    static const sb_bars_home_t whole = {NULL, NULL, NULL, NULL, 0};

    for (int s = 0; s < k->m->subjects.n && k->page == STATE_PAGE; s++) {
        if (k->subject[s] >= 0) {
            k->bars->sum.bar[s].hide |=
                hidden_alone(k, s, &state[s], &whole, -1) || gives_away(k, &k->hidden_sum[s]);
        }
    }
}
