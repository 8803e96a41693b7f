/* smarter-datagen: the invented state. Names are put together from parts of our own. */

#include "workers/datagen.h"

#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

enum { FOR_DISTRICT = 1, FOR_SCHOOL, FOR_PLACES, FOR_PERSON, FOR_HOME, FOR_YEAR, FOR_FATE };

/* ---- random numbers -------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

dg_rng_t dg_rng(uint64_t seed, uint64_t what, uint64_t a, uint64_t b)
{
    dg_rng_t r = {mix(mix(mix(mix(seed + 0x9e3779b97f4a7c15u) + what) + a) + b)};

    return r;
}

uint64_t dg_next(dg_rng_t *r)
{
    return mix(r->state += 0x9e3779b97f4a7c15u);
}

int dg_below(dg_rng_t *r, int n)
{
    return (int)(((dg_next(r) >> 32) * (uint64_t)n) >> 32);
}

double dg_unit(dg_rng_t *r)
{
    return (double)(dg_next(r) >> 11) * 0x1p-53;
}

int dg_chance(dg_rng_t *r, double p)
{
    return dg_unit(r) < p;
}

/* A sum of eight uniform numbers: integers only, the same on every machine. */
double dg_normal(dg_rng_t *r)
{
    int64_t sum = 0;
    uint64_t x;
    int i, k;

    for (i = 0; i < 2; i++) {
        x = dg_next(r);
        for (k = 0; k < 4; k++, x >>= 16) {
            sum += (int64_t)(x & 0xffff);
        }
    }
    return (double)(2 * sum - 8 * 65535) / (2 * 53509.3); /* 65536 * sqrt(8 / 12) */
}

/* ---- words ----------------------------------------------------------------------------------- */

static const char *const place_first[] = {
    "Alder",   "Amber",   "Aspen",  "Birch",   "Briar",   "Brook",  "Cedar",  "Clover",
    "Copper",  "Coral",   "Crane",  "Dogwood", "Elder",   "Elm",    "Fern",   "Fox",
    "Garnet",  "Granite", "Hazel",  "Heron",   "Hickory", "Holly",  "Indigo", "Ivy",
    "Juniper", "Kestrel", "Larch",  "Laurel",  "Linden",  "Maple",  "Marsh",  "Meadow",
    "Mill",    "Nettle",  "Oak",    "Otter",   "Pebble",  "Piñon",  "Plum",   "Quail",
    "Raven",   "Reed",    "Rowan",  "Sable",   "Sage",    "Silver", "Sorrel", "Thistle",
    "Umber",   "Vesper",  "Walnut", "Willow",  "Wren",    "Yarrow", "Zéphyr"};
static const char *const place_second[] = {
    " Bay",    " Bend",     " Bluff",   " Bridge", " Canyon",  " Cove",   " Creek",   " Crossing",
    " Falls",  " Ferry",    " Fork",    " Glen",   " Grove",   " Harbor", " Heights", " Hill",
    " Hollow", " Junction", " Knoll",   " Lake",   " Landing", " Mesa",   " Mills",   " Park",
    " Pass",   " Point",    " Prairie", " Ridge",  " River",   " Run",    " Shore",   " Spring",
    " Summit", " Vale",     " Valley",  " View",   " Woods"};
static const char *const district_kinds[] = {"School District", "Unified School District",
                                             "County Schools", "City Schools", "Public Schools"};
static const char *const girl_first[] = {
    "Al", "Bri", "Cal", "Dor", "El",  "Fen", "Gwi", "Hal", "Is", "Jo",  "Ka",  "Li",
    "Ma", "Ne",  "Or",  "Per", "Qui", "Ro",  "Sel", "Ta",  "Ul", "Ve",  "Wen", "Xa",
    "Yo", "Ze",  "Mé",  "Zo",  "Lu",  "Añ",  "Éli", "Ja",  "So", "Tri", "Cla", "Ni"};
static const char *const girl_last[] = {"dra", "lina",  "mira", "nessa", "rella", "sie",
                                        "tia", "vanne", "wyn",  "bette", "lia",   "na",
                                        "rie", "ë",     "dell", "phine"};
static const char *const boy_first[] = {
    "Ad",  "Bar", "Cor", "Dav",  "Ed",   "Fal", "Gar", "Hol", "Iv",  "Jas", "Kel", "Lor",
    "Mal", "Nor", "Os",  "Pal",  "Quin", "Ral", "Sam", "Tor", "Ur",  "Val", "Wil", "Xan",
    "Yar", "Zan", "Jör", "Bren", "Dar",  "Ren", "Tob", "Él",  "Mar", "Che", "Dom", "Gus"};
static const char *const boy_last[] = {"ick", "an",  "en",   "is",  "on",  "ulf", "to",  "ric",
                                       "win", "der", "mond", "aël", "ley", "us",  "ton", "vin"};
static const char *const last_first[] = {
    "Ander", "Bar",  "Black", "Brad",   "Brans", "Carl",  "Clay",      "Dal",  "Del",
    "Dun",   "Ever", "Fair",  "Fen",    "Garde", "Glen",  "Gran",      "Hal",  "Harg",
    "Hol",   "Ing",  "Jess",  "Kel",    "Kings", "Lang",  "Lock",      "Mar",  "Mere",
    "Mont",  "Nor",  "Oak",   "Pem",    "Quarl", "Rad",   "Ren",       "Rook", "Sand",
    "Shel",  "Stan", "Thorn", "Tren",   "Under", "Van",   "Wade",      "Wex",  "Whit",
    "Win",   "Yar",  "Zel",   "O'Bran", "Núñ",   "Mc Al", "De la Cas", "Müh",  "Iba"};
static const char *const last_last[] = {"bury", "by",    "combe", "dale", "den",   "field", "ford",
                                        "gate", "ham",   "hurst", "ley",  "lin",   "man",   "mere",
                                        "moor", "ridge", "sey",   "son",  "stead", "ton",   "well",
                                        "wick", "wood",  "worth", "ez",   "oña",   "ström"};

/* ---- districts and schools ------------------------------------------------------------------- */

#define NPLACES (COUNT(place_first) * COUNT(place_second))

static const char *place(int at, apr_pool_t *p)
{
    return apr_pstrcat(p, place_first[at % COUNT(place_first)],
                       place_second[at / COUNT(place_first)], NULL);
}

static void make_districts(dg_world_t *w, apr_pool_t *p)
{
    double total = 0;
    int i, shift;
    dg_rng_t r = dg_rng(w->seed, FOR_PLACES, 0, 0);

    shift = dg_below(&r, NPLACES);
    for (i = 0; i < w->ndistricts; i++) {
        dg_district_t *d = &w->districts[i];

        r = dg_rng(w->seed, FOR_DISTRICT, (uint64_t)i, 0);
        d->id = apr_psprintf(p, "D%03d", i + 1);
        d->name =
            apr_psprintf(p, "%s %s", place((int)(((apr_int64_t)i * 1117 + shift) % NPLACES), p),
                         district_kinds[dg_below(&r, COUNT(district_kinds))]);
        d->effect = 0.22 * dg_normal(&r);
        d->diverse = dg_unit(&r);
        d->poor = 0.18 + 0.55 * dg_unit(&r);
        d->effect -= 0.5 * (d->poor - 0.45);
        if (i < w->ndistricts - w->ntiny) {
            total += 0.4 + 2 * dg_unit(&r) * dg_unit(&r); /* few large, many small */
        }
        d->until = total;
    }
    for (i = 0; i < w->ndistricts; i++) {
        w->districts[i].until /= total;
    }
}

/* Which levels of school a district's school number j of n is: bits for 03-05, 06-08, 11. */
static int school_levels(int j, int n)
{
    static const char pattern[] = "1241121421"; /* five in ten elementary, three middle, two high */

    if (n == 1) {
        return 7;
    }
    if (n == 2) {
        return j ? 6 : 1;
    }
    return pattern[j % 10] - '0';
}

static const char *school_kind(int levels, dg_rng_t *r)
{
    switch (levels) {
    case 1:
        return dg_chance(r, 0.12) ? "Elementary Academy" : "Elementary School";
    case 2:
        return dg_chance(r, 0.1) ? "Charter Academy" : "Middle School";
    case 4:
        return "High School";
    case 6:
        return "Middle-High School";
    default:
        return "Community School";
    }
}

static void make_schools(dg_world_t *w, apr_pool_t *p)
{
    int d, i, j, n, level, used = 0;
    dg_rng_t r;

    for (i = 0; i < w->nschools; i++) {
        dg_school_t *s = &w->schools[i];

        d = i % w->ndistricts;
        j = i / w->ndistricts;
        n = (w->nschools - d + w->ndistricts - 1) / w->ndistricts;
        r = dg_rng(w->seed, FOR_SCHOOL, (uint64_t)i, 0);
        s->id = apr_psprintf(p, "S%04d", i + 1);
        s->name = apr_psprintf(p, "%s %s", place(dg_below(&r, NPLACES), p),
                               school_kind(school_levels(j, n), &r));
        s->effect = 0.2 * dg_normal(&r);
    }
    for (d = 0; d < w->ndistricts; d++) {
        n = (w->nschools - d + w->ndistricts - 1) / w->ndistricts;
        for (level = 0; level < 3; level++) {
            w->districts[d].first[level] = used;
            for (j = 0; j < n; j++) {
                if (school_levels(j, n) & (1 << level)) {
                    w->roster[used++] = d + j * w->ndistricts;
                }
            }
            w->districts[d].count[level] = used - w->districts[d].first[level];
        }
    }
}

dg_world_t *dg_world_make(uint64_t seed, const char *state, int ndistricts, int nschools,
                          int nstudents, apr_pool_t *p)
{
    dg_world_t *w = apr_pcalloc(p, sizeof(*w));

    w->seed = seed;
    w->state = state;
    w->ndistricts = ndistricts;
    w->nschools = nschools;
    w->nstudents = nstudents;
    w->ntiny = ndistricts >= 6 && nstudents >= 100 * DG_NGRADES ? 2 : ndistricts >= 3 ? 1 : 0;
    w->districts = apr_pcalloc(p, sizeof(*w->districts) * (apr_size_t)ndistricts);
    w->schools = apr_pcalloc(p, sizeof(*w->schools) * (apr_size_t)nschools);
    w->roster = apr_pcalloc(p, sizeof(*w->roster) * 3 * (apr_size_t)nschools);
    make_districts(w, p);
    make_schools(w, p);
    return w;
}

/* ---- students -------------------------------------------------------------------------------- */

static const int grades[DG_NGRADES] = {3, 4, 5, 6, 7, 8, 11};

int dg_grade_size(const dg_world_t *w, int grade_index)
{
    return w->nstudents / DG_NGRADES + (grade_index < w->nstudents % DG_NGRADES);
}

/* How many of the last districts are too small to show: one student a grade, four a grade. */
static const dg_district_t *tiny_home(const dg_world_t *w, int k)
{
    if (w->ntiny >= 1 && k == 0) {
        return &w->districts[w->ndistricts - 1];
    }
    if (w->ntiny >= 2 && k <= 4) {
        return &w->districts[w->ndistricts - 2];
    }
    return NULL;
}

/* Where a student lives: where he lived in grade 3, unless the family has moved since. */
static const dg_district_t *home(const dg_world_t *w, int cohort, int k, int grade, double *pschool)
{
    dg_rng_t r = dg_rng(w->seed, FOR_HOME, (uint64_t)cohort, (uint64_t)k);
    const dg_district_t *tiny = tiny_home(w, k);
    double where = dg_unit(&r);
    int low = 0, high = w->ndistricts - w->ntiny - 1, g;

    *pschool = dg_unit(&r);
    for (g = 4; g <= grade; g++) {
        double moves = dg_unit(&r), to = dg_unit(&r);

        if (moves < 0.025) {
            where = to;
            *pschool = dg_unit(&r);
        }
    }
    if (tiny) {
        return tiny;
    }
    while (low < high) {
        int middle = (low + high) / 2;

        if (where < w->districts[middle].until) {
            high = middle;
        }
        else {
            low = middle + 1;
        }
    }
    return &w->districts[low];
}

static void name(char *buf, apr_size_t size, const char *a, const char *b)
{
    char *end = apr_cpystrn(buf, a, size);

    apr_cpystrn(end, b, size - (apr_size_t)(end - buf));
}

static void given_name(char *buf, apr_size_t size, dg_rng_t *r, int girl)
{
    const char *a = girl ? girl_first[dg_below(r, COUNT(girl_first))]
                         : boy_first[dg_below(r, COUNT(boy_first))];
    const char *b =
        girl ? girl_last[dg_below(r, COUNT(girl_last))] : boy_last[dg_below(r, COUNT(boy_last))];

    name(buf, size, a, b);
}

static void make_names(dg_student_t *s, dg_rng_t *r, int girl)
{
    int special;

    given_name(s->first, sizeof(s->first), r, girl);
    s->middle[0] = '\0';
    if (dg_chance(r, 0.6)) {
        given_name(s->middle, sizeof(s->middle), r, girl);
        if (dg_chance(r, 0.3)) {
            memcpy(s->middle, "J.", 3);
        }
    }
    name(s->last, sizeof(s->last), last_first[dg_below(r, COUNT(last_first))],
         last_last[dg_below(r, COUNT(last_last))]);
    special = dg_below(r, 400);
    if (special == 0) {
        name(s->last + strlen(s->last), 6, ", Jr.", "");
    }
    else if (special < 12) {
        name(s->last + strlen(s->last), sizeof(s->last) - strlen(s->last), "-",
             place_first[dg_below(r, 12)]);
    }
    else if (special == 12) {
        name(s->first + strlen(s->first), 9, " \"Ace\"", "");
    }
}

static void make_birth(dg_student_t *s, dg_rng_t *r, int cohort)
{
    static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int month = dg_below(r, 12); /* counted from September */

    s->birth_year = cohort - 6 + (month >= 4);
    s->birth_month = 1 + (month + 8) % 12;
    s->birth_day = 1 + dg_below(r, days[s->birth_month - 1]);
    if (dg_chance(r, 0.005)) {
        s->birth_year = 0;
    }
}

static void make_flags(dg_student_t *s, dg_rng_t *r, const dg_district_t *d)
{
    double x = dg_unit(r), mixed = 0.5 + d->diverse;
    int i;

    for (i = 0; i < DG_NFLAGS; i++) {
        s->flags[i] = DG_NO;
    }
    if (x < 0.17 * mixed) {
        s->flags[DG_HSP] = DG_YES;
        s->flags[dg_chance(r, 0.8) ? DG_WHT : DG_BLK] = DG_YES;
    }
    else if (x < 0.37 * mixed) {
        s->flags[DG_BLK] = DG_YES;
    }
    else if (x < 0.42 * mixed) {
        s->flags[DG_ASN] = DG_YES;
    }
    else if (x < 0.435 * mixed) {
        s->flags[DG_AMI] = DG_YES;
    }
    else if (x < 0.44 * mixed) {
        s->flags[DG_PCF] = DG_YES;
    }
    else if (x < 0.48 * mixed) {
        s->flags[DG_2OM] = DG_YES;
        s->flags[DG_WHT] = s->flags[DG_BLK] = DG_YES;
    }
    else if (x < 0.985) {
        s->flags[DG_WHT] = DG_YES;
    } /* else: stated as none */
    s->flags[DG_ECD] = dg_chance(r, d->poor) ? DG_YES : DG_NO;
    s->flags[DG_LEP] = dg_chance(r, s->flags[DG_HSP]   ? 0.3
                                    : s->flags[DG_ASN] ? 0.2
                                                       : 0.02)
                           ? DG_YES
                           : DG_NO;
    s->flags[DG_IEP] = dg_chance(r, 0.12) ? DG_YES : DG_NO;
    s->flags[DG_504] = dg_chance(r, 0.035) ? DG_YES : DG_NO;
    s->flags[DG_MIG] = dg_chance(r, s->flags[DG_HSP] ? 0.03 : 0.004) ? DG_YES : DG_NO;
}

/* What a group is worth on the test, before anything is left out of the file. */
static double group_effect(const dg_student_t *s)
{
    double e = 0.15;

    e -= s->flags[DG_ECD] == DG_YES ? 0.38 : 0;
    e -= s->flags[DG_LEP] == DG_YES ? 0.55 : 0;
    e -= s->flags[DG_IEP] == DG_YES ? 0.75 : 0;
    e -= s->flags[DG_MIG] == DG_YES ? 0.25 : 0;
    e += s->flags[DG_ASN] == DG_YES ? 0.2 : 0;
    return e;
}

/* Some schools know little of some students. */
static void forget_flags(dg_student_t *s, dg_rng_t *r)
{
    int i;

    if (dg_chance(r, 0.01)) {
        for (i = DG_HSP; i <= DG_2OM; i++) {
            s->flags[i] = DG_UNKNOWN;
        }
    }
    for (i = DG_IEP; i < DG_NFLAGS; i++) {
        if (dg_chance(r, i == DG_ECD ? 0.03 : 0.012)) {
            s->flags[i] = DG_UNKNOWN;
        }
    }
}

static void place_student(dg_student_t *s, const dg_world_t *w, int cohort, int k, double school)
{
    int level = s->grade <= 5 ? 0 : s->grade <= 8 ? 1 : 2, n = s->district->count[level];
    dg_rng_t r = dg_rng(w->seed, FOR_YEAR, (uint64_t)cohort * 16 + (uint64_t)s->grade, (uint64_t)k);

    s->school = &w->schools[w->roster[s->district->first[level] + (int)(school * n)]];
    s->group = dg_chance(&r, 0.35) ? 1 + dg_below(&r, 4) : 0;
    s->club = dg_chance(&r, 0.08) ? 1 + dg_below(&r, 2) : 0;
}

void dg_student(dg_student_t *s, const dg_world_t *w, int year, int grade_index, int k)
{
    int cohort = year - grades[grade_index], girl;
    dg_rng_t r = dg_rng(w->seed, FOR_PERSON, (uint64_t)cohort, (uint64_t)k);
    double school, common;

    s->grade = grades[grade_index];
    apr_snprintf(s->id, sizeof(s->id), "%s%04d%07d", w->state, cohort, k + 1);
    apr_snprintf(s->external_id, sizeof(s->external_id), "X%09d", dg_below(&r, 1000000000));
    girl = dg_chance(&r, 0.49);
    s->sex = dg_chance(&r, 0.005) ? "NS" : girl ? "Female" : "Male";
    make_names(s, &r, girl);
    make_birth(s, &r, cohort);
    s->district = home(w, cohort, k, 3, &school);
    make_flags(s, &r, s->district);
    common = group_effect(s) + 0.7 * dg_normal(&r);
    s->ability[DG_MATH] = common + 0.4 * dg_normal(&r) - (girl ? 0.02 : 0);
    s->ability[DG_ELA] = common + 0.4 * dg_normal(&r) + (girl ? 0.12 : -0.05);
    s->flexible = s->flags[DG_IEP] == DG_YES || s->flags[DG_504] == DG_YES ? 0.5
                  : s->flags[DG_LEP] == DG_YES                             ? 0.25
                                                                           : 0.02;
    forget_flags(s, &r);
    s->district = home(w, cohort, k, s->grade, &school);
    place_student(s, w, cohort, k, school);
}

/* ---- a year of students ---------------------------------------------------------------------- */

/* What a school's office learns later: another name, another household, another programme. */
static void change_person(dg_student_t *s, dg_rng_t *r)
{
    switch (dg_below(r, 4)) {
    case 0:
        name(s->last, sizeof(s->last), last_first[dg_below(r, COUNT(last_first))],
             last_last[dg_below(r, COUNT(last_last))]);
        break;
    case 1:
        s->flags[DG_ECD] = s->flags[DG_ECD] == DG_YES ? DG_NO : DG_YES;
        break;
    case 2:
        s->flags[DG_LEP] = s->flags[DG_LEP] == DG_YES ? DG_NO : DG_YES;
        break;
    default: /* only the results */
        break;
    }
}

void dg_walk_begin(dg_walk_t *walk, const dg_world_t *w, const dg_delta_t *delta, int year,
                   int from, int to)
{
    memset(walk, 0, sizeof(*walk));
    walk->world = w;
    walk->delta = delta;
    walk->year = year;
    walk->at = from;
    walk->to = to;
}

/* The same for a student in all files of a delivery. */
static dg_fate_t fate(dg_walk_t *walk, dg_rng_t *r, int k)
{
    const dg_delta_t *d = walk->delta;
    double x;

    if (!d->revision) {
        return DG_SAME;
    }
    *r = dg_rng(walk->world->seed, FOR_FATE,
                (uint64_t)(walk->year - grades[walk->grade]) * 1000 + (uint64_t)d->revision,
                (uint64_t)k);
    x = 100 * dg_unit(r);
    return x < d->deletes ? DG_DELETED : x < d->deletes + d->updates ? DG_CHANGED : DG_SAME;
}

int dg_walk_next(dg_walk_t *walk, dg_student_t *s)
{
    dg_rng_t r = {0};
    int k;

    for (; walk->at < walk->to; walk->at++) {
        while (walk->at - walk->first >= dg_grade_size(walk->world, walk->grade)) {
            walk->first += dg_grade_size(walk->world, walk->grade++);
        }
        k = walk->at - walk->first;
        walk->fate = fate(walk, &r, k);
        if (walk->fate == DG_SAME && walk->delta->only) {
            continue;
        }
        dg_student(s, walk->world, walk->year, walk->grade, k);
        if (walk->fate == DG_CHANGED) {
            change_person(s, &r);
        }
        walk->at++;
        return 1;
    }
    return 0;
}
