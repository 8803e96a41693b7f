/* smarter-datagen: how students do on tests. */

#include "workers/datagen.h"

#include <string.h>

enum { FOR_RESULT = 100, FOR_SCHOOL_YEAR, FOR_SCIENCE = 200, FOR_BLOCK, FOR_RETEST };

#define MEAN 1785.0
#define DEVIATION 205.0

const dg_subject_info_t dg_subjects[DG_NSUBJECTS] = {
    {"Math",
     "math",
     {"Concepts and Procedures", "Problem Solving and Data Analysis", "Communicating Reasoning",
      ""},
     {1590, 1790, 1985}},
    {"ELA", "ela", {"Reading", "Writing", "Listening", "Research and Inquiry"}, {1570, 1770, 1990}},
    {"Science",
     "science",
     {"Life Science", "Physical Science", "Earth and Space Science", ""},
     {1580, 1780, 1980}},
};

static int clamp(double x)
{
    int n = (int)(x + 0.5);

    return n < DG_MIN_SCORE ? DG_MIN_SCORE : n > DG_MAX_SCORE ? DG_MAX_SCORE : n;
}

static void make_score(dg_score_t *s, double theta, double error)
{
    double x = MEAN + DEVIATION * theta, off = x > MEAN ? x - MEAN : MEAN - x;
    double band = error * (1 + off / 900); /* tests measure worst at the ends */

    s->score = clamp(x);
    s->min = clamp(s->score - band);
    s->max = clamp(s->score + band);
}

static void judge_overall(dg_score_t *s, const dg_assessment_t *a)
{
    int i;

    s->level = 1;
    for (i = 0; i < a->levels - 1; i++) {
        s->level += s->score >= a->cuts[i];
    }
}

/* Below, near or above the third level, as far as the error band tells. */
static void judge_claim(dg_score_t *s, int cut)
{
    s->level = s->max < cut ? 1 : s->min >= cut ? 3 : 2;
}

/* Civil date of a day number counted from 1 January of a year; enough for a school year. */
static void make_date(dg_result_t *res, int year, int month, int plus)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int day = 1 + plus;

    while (day > days[month - 1]) {
        day -= days[month - 1];
        month = month % 12 + 1;
        year += month == 1;
    }
    res->year = year;
    res->month = month;
    res->day = day;
}

static void make_accommodations(dg_result_t *res, const dg_student_t *s, dg_rng_t *r)
{
    static const int used[] = {6, 7, 8, 15, 16, 17, 24, 25, 26}; /* codes that reports list */
    int i;

    memset(res->accommodations, 0, sizeof(res->accommodations));
    if (dg_chance(r, s->flexible)) {
        for (i = 1 + dg_below(r, 3); i > 0; i--) {
            res->accommodations[dg_below(r, DG_NACCOMMODATIONS)] = used[dg_below(r, 9)];
        }
    }
}

static uint64_t hash(const char *text)
{
    uint64_t h = 14695981039346656037u;

    for (; *text; text++) {
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    }
    return h;
}

/* Better or worse than before, and never the same. */
static double retest(const dg_walk_t *walk, const dg_student_t *s, const dg_assessment_t *a)
{
    dg_rng_t r = dg_rng(walk->world->seed, FOR_RETEST + (uint64_t)a->subject,
                        (uint64_t)(a->year * 10 + walk->delta->revision), hash(s->id));
    double by = 0.1 + 0.4 * dg_unit(&r);

    return walk->fate != DG_CHANGED ? 0 : dg_chance(&r, 0.7) ? by : -by;
}

static double ability(const dg_world_t *w, const dg_student_t *s, dg_subject_t subject)
{
    dg_rng_t r;

    if (subject != DG_SCIENCE) {
        return s->ability[subject];
    }
    r = dg_rng(w->seed, FOR_SCIENCE, hash(s->id), 0);
    return (s->ability[DG_MATH] + s->ability[DG_ELA]) / 2 + 0.3 * dg_normal(&r);
}

/* Without the random part of the day. */
static double expected(const dg_world_t *w, const dg_student_t *s, const dg_assessment_t *a)
{
    dg_rng_t year_of_school = dg_rng(w->seed, FOR_SCHOOL_YEAR, (uint64_t)(s->school - w->schools),
                                     (uint64_t)(a->year * 100 + s->grade * 2 + (int)a->subject));
    double theta = ability(w, s, a->subject) + s->district->effect + s->school->effect;

    theta += 0.12 * dg_normal(&year_of_school) + 0.035 * (a->year - 2015);
    return theta;
}

static void make_interim_condition(dg_result_t *res, dg_rng_t *r)
{
    res->condition = dg_chance(r, 0.75) ? "SD" : dg_chance(r, 0.5) ? "NS" : "";
}

/* A block has one score, which stands where the first claim's does. */
static void block_result(dg_result_t *res, const dg_walk_t *walk, const dg_student_t *s,
                         const dg_assessment_t *a)
{
    const dg_subject_info_t *info = &dg_subjects[a->subject];
    dg_rng_t r = dg_rng(walk->world->seed, FOR_BLOCK,
                        (uint64_t)(a->year * 1000 + (int)a->subject * 100 + a->block), hash(s->id));
    double theta = expected(walk->world, s, a) + retest(walk, s, a) - 0.2 + 0.4 * dg_normal(&r);

    memset(res, 0, sizeof(*res));
    make_score(&res->claims[0], theta, 65 + 20 * dg_unit(&r));
    judge_claim(&res->claims[0], info->cuts[1]);
    make_date(res, a->year - 1, 10, 6 + 25 * a->block + dg_below(&r, 20)); /* October to March */
    make_interim_condition(res, &r);
    res->complete = dg_chance(&r, 0.985) ? "Complete" : "Partial";
    make_accommodations(res, s, &r);
}

void dg_result(dg_result_t *res, const dg_walk_t *walk, const dg_student_t *s,
               const dg_assessment_t *a)
{
    const dg_subject_info_t *info = &dg_subjects[a->subject];
    dg_rng_t r;
    double theta;
    int i;

    if (a->kind == DG_BLOCKS) {
        block_result(res, walk, s, a);
        return;
    }
    r = dg_rng(walk->world->seed, FOR_RESULT + (uint64_t)a->subject * 2 + (uint64_t)a->kind,
               (uint64_t)a->year, hash(s->id));
    theta = expected(walk->world, s, a) + retest(walk, s, a);
    theta += 0.3 * dg_normal(&r) - (s->grade == 11 ? 0.1 : 0);
    theta -= a->kind == DG_INTERIM ? 0.3 : 0;
    make_score(&res->overall, theta, 28 + 6 * dg_unit(&r));
    judge_overall(&res->overall, a);
    for (i = 0; i < DG_NCLAIMS; i++) {
        memset(&res->claims[i], 0, sizeof(res->claims[i]));
        if (*info->claims[i]) {
            make_score(&res->claims[i], theta + 0.25 * dg_normal(&r), 60 + 20 * dg_unit(&r));
            judge_claim(&res->claims[i], info->cuts[1]);
        }
    }
    if (a->kind == DG_SUMMATIVE) {
        make_date(res, a->year, 3, 14 + dg_below(&r, 75)); /* mid March to end of May */
        res->condition = dg_chance(&r, 0.003) ? "IN" : "";
    }
    else {
        make_date(res, a->year - 1, 11, 9 + dg_below(&r, 95)); /* November to February */
        make_interim_condition(res, &r);
    }
    res->complete = dg_chance(&r, 0.985) ? "Complete" : "Partial";
    make_accommodations(res, s, &r);
}
