/**
 * Packed results: filters as tables, and the loops over words.
 */

#include "report/sb_pack.h"

#include <stddef.h>
#include <string.h>
#include <arpa/inet.h>
#include <apr_strings.h>
#include "report/sb_filter.h"

/* Parts of a word that index the tables of a filter. */
#define SLOT(w) ((w)&8191) /* subject, grade, level */
#define WHO(w) ((w) >> 13 & 63)
#define FLAGS(w) ((w) >> 19 & 1023)
#define LAST(w) ((w) >> 29)

apr_uint32_t sb_pack_word(const void *words, apr_size_t i)
{
    apr_uint32_t w;

    memcpy(&w, (const unsigned char *)words + 4 * i, sizeof(w));
    return ntohl(w);
}

/* ---- codes ----------------------------------------------------------------------------------- */

apr_status_t sb_pack_open(sb_pack_codes_t *codes, int *pusable, const sb_report_ctx_t *ctx,
                          int year, apr_pool_t *p)
{
    static const sb_stmt_t st = {"report_pack_codes", 1,
                                 "SELECT kind, value, code FROM {schema}.report_code"
                                 " UNION ALL (SELECT 'stale', '', 0 FROM {schema}.report_pack_stale"
                                 "             WHERE asmt_year = $1::smallint LIMIT 1)"};
    const char *args[] = {apr_itoa(p, year)};
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query(&rows, ctx->db, &st, args, p);

    memset(codes, 0, sizeof(*codes));
    *pusable = 1;
    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        const char *kind = sb_rows_text(rows, i, 0), *value = sb_rows_text(rows, i, 1);
        apr_int64_t code = sb_rows_int(rows, i, 2, 0);

        if (!strcmp(kind, "stale")) {
            *pusable = 0;
        }
        else if (!strcmp(kind, "subject") && code < SB_PACK_SUBJECTS) {
            codes->subject[code] = value;
        }
        else if (!strcmp(kind, "grade") && code < SB_PACK_GRADES) {
            codes->grade[code] = value;
        }
    }
    return rv;
}

static int code_of(const char *const *texts, int n, const char *text)
{
    for (int i = 0; i < n; i++) {
        if (texts[i] && !strcmp(texts[i], text)) {
            return i;
        }
    }
    return -1;
}

int sb_pack_subject(const sb_pack_codes_t *codes, const char *subject)
{
    return code_of(codes->subject, SB_PACK_SUBJECTS, subject);
}

int sb_pack_grade(const sb_pack_codes_t *codes, const char *grade)
{
    return code_of(codes->grade, SB_PACK_GRADES, grade);
}

/* ---- filters --------------------------------------------------------------------------------- */

/* Where the value of a filter is: in which table, how many bits from its lowest, how wide; and where its
 * cells begin. Its number is its place here; grade comes after them. */
typedef struct {
    const char *name;
    apr_size_t offset, size; /* of the table */
    unsigned shift, mask;
    int cell;
    int (*code)(const char *value);
} place_t;

static int flag_code(const char *value)
{
    return !strcmp(value, "N") ? 0 : !strcmp(value, "Y") ? 1 : 2;
}

static int sex_code(const char *value)
{
    return !strcmp(value, "male") ? 0 : !strcmp(value, "female") ? 1 : 2;
}

static int digit(const char *value)
{
    return *value - '0';
}

#define IN(table)                                                                                  \
    offsetof(sb_pack_filter_t, table), sizeof(((sb_pack_filter_t *)0)->table) / sizeof(apr_uint16_t)
static const place_t places[] = {
    {"dmgPrgLep", IN(flags), 0, 3, SB_CELL_LEP, flag_code},
    {"dmgPrgIep", IN(flags), 2, 3, SB_CELL_IEP, flag_code},
    {"dmgPrg504", IN(flags), 4, 3, SB_CELL_504, flag_code},
    {"dmgStsEcd", IN(flags), 6, 3, SB_CELL_ECD, flag_code},
    {"dmgStsMig", IN(flags), 8, 3, SB_CELL_MIG, flag_code},
    {"complete", IN(last), 0, 3, SB_CELL_COMPLETE, flag_code},
    {"sex", IN(who), 0, 3, SB_CELL_SEX, sex_code},
    {"ethnicity", IN(who), 2, 15, SB_CELL_ETHNICITY, digit},
};
#define NPLACES (sizeof(places) / sizeof(places[0]))
#define GRADE_BIT (1U << NPLACES)
#define VALID_BIT (1U << (NPLACES + 1))

/* Entries whose part of the index is none of the values fail this filter. */
static void restrict_table(sb_pack_filter_t *f, apr_size_t number, const apr_array_header_t *values)
{
    const place_t *place = &places[number];
    apr_uint16_t *table = (apr_uint16_t *)((unsigned char *)f + place->offset);
    unsigned allowed = 0;

    for (int i = 0; i < values->nelts; i++) {
        allowed |= 1U << place->code(APR_ARRAY_IDX(values, i, const char *));
    }
    for (apr_size_t k = 0; k < place->size; k++) {
        if (!(allowed >> (k >> place->shift & place->mask) & 1)) {
            table[k] |= (apr_uint16_t)(1U << number);
        }
    }
    f->cells |= (apr_uint32_t)allowed << place->cell;
}

static void restrict_grades(sb_pack_filter_t *f, const sb_pack_codes_t *codes,
                            const apr_array_header_t *values)
{
    f->by_grade = 1;
    f->grades = 0;
    for (int i = 0; i < values->nelts; i++) {
        int code = sb_pack_grade(codes, APR_ARRAY_IDX(values, i, const char *));

        f->grades |= code >= 0 ? 1U << code : 0;
    }
    for (int g = 0; g < SB_PACK_GRADES; g++) {
        f->grade[g] = (apr_uint16_t)(f->grades >> g & 1 ? 0 : GRADE_BIT);
    }
}

static int class_of(unsigned fails)
{
    if (fails & VALID_BIT) {
        return SB_NOT_VALID;
    }
    for (int i = 0; i < SB_FILTERS; i++) {
        if (fails == 1U << i) {
            return SB_FAILS_ONE + i;
        }
    }
    return fails ? SB_FAILS_MORE : SB_PASSES;
}

void sb_pack_filter_make(sb_pack_filter_t *f, const sb_params_t *params,
                         const sb_pack_codes_t *codes)
{
    const apr_array_header_t *values;
    const char *name;
    int i = 0;

    memset(f, 0, sizeof(*f));
    f->grades = ~0U;
    for (int k = 0; k < 4; k++) {
        f->last[k] = VALID_BIT;
    }
    for (unsigned fails = 0; fails < 1024; fails++) {
        f->class_of[fails] = (unsigned char)class_of(fails);
    }
    while ((name = sb_filter_next(&i, &values, params)) != NULL) {
        f->n++;
        if (!strcmp(name, "grade")) {
            restrict_grades(f, codes, values);
        }
        for (apr_size_t k = 0; k < NPLACES; k++) {
            if (!strcmp(places[k].name, name)) {
                restrict_table(f, k, values);
            }
        }
    }
}

/* ---- counting -------------------------------------------------------------------------------- */

void sb_pack_tally_make(sb_pack_tally_t *t, const sb_pack_codes_t *codes, apr_pool_t *p)
{
    memset(t, 0, sizeof(*t));
    t->slots = 1;
    for (unsigned k = 0; k < 8192; k++) {
        if (codes->subject[SB_WORD_SUBJECT(k)] && codes->grade[SB_WORD_GRADE(k)]) {
            t->slot[k] = (apr_uint16_t)t->slots++;
        }
    }
    t->n = apr_palloc(p, (apr_size_t)t->slots * sizeof(*t->n));
    sb_pack_tally_clear(t);
}

void sb_pack_tally_clear(sb_pack_tally_t *t)
{
    memset(t->n, 0, (apr_size_t)t->slots * sizeof(*t->n));
}

const apr_uint32_t *sb_pack_tally(const sb_pack_tally_t *t, int subject, int grade, int level)
{
    return t->n[t->slot[subject | grade << 4 | level << 9]];
}

static inline unsigned fails(const sb_pack_filter_t *f, apr_uint32_t w)
{
    return (unsigned)f->flags[FLAGS(w)] | f->who[WHO(w)] | f->last[LAST(w)] |
           f->grade[SB_WORD_GRADE(w)];
}

/* No branches: half of them would be mistaken. */
void sb_pack_count(sb_pack_tally_t *t, sb_pack_values_t *values, const sb_pack_filter_t *f,
                   const void *words, apr_size_t len, int sign)
{
    apr_uint32_t one = (apr_uint32_t)sign;

    for (apr_size_t i = 0; i < len / 4; i++) {
        apr_uint32_t w = sb_pack_word(words, i);

        t->n[t->slot[SLOT(w)]][f->class_of[fails(f, w)]] += one;
        values->flags[FLAGS(w)] += one;
        values->who[WHO(w)] += one;
    }
}

int sb_pack_score(const void *scores, apr_size_t i)
{
    const unsigned char *s = (const unsigned char *)scores + 2 * i;

    return (apr_int16_t)(s[0] << 8 | s[1]);
}

void sb_pack_sum(sb_pack_sums_t *sums, const sb_pack_filter_t *f, const void *words,
                 const void *scores, apr_size_t len, int sign)
{
    for (apr_size_t i = 0; i < len / 4; i++) {
        apr_uint32_t w = sb_pack_word(words, i);
        apr_int64_t score = f->class_of[fails(f, w)] == SB_PASSES ? sb_pack_score(scores, i) : 0;

        sums->sum[SB_WORD_GRADE(w)][SB_WORD_SUBJECT(w)] += sign * score;
        sums->squares[SB_WORD_GRADE(w)][SB_WORD_SUBJECT(w)] += sign * score * score;
    }
}

/* Values whose bits at a place are the number that means "not stated". */
static apr_int64_t values_with(const apr_uint32_t *count, apr_size_t n, unsigned shift,
                               unsigned mask, unsigned number)
{
    apr_int64_t sum = 0;

    for (apr_size_t i = 0; i < n; i++) {
        sum += (i >> shift & mask) == number ? count[i] : 0;
    }
    return sum;
}

void sb_pack_not_stated(sb_not_stated_t *n, const sb_pack_values_t *v)
{
    n->total = values_with(v->flags, 1024, 0, 0, 0);
    n->ethnicity = values_with(v->who, 64, 2, 15, 0);
    n->sex = values_with(v->who, 64, 0, 3, 2);
    n->dmg_prg_lep = values_with(v->flags, 1024, 0, 3, 2);
    n->dmg_prg_iep = values_with(v->flags, 1024, 2, 3, 2);
    n->dmg_prg_504 = values_with(v->flags, 1024, 4, 3, 2);
    n->dmg_sts_mig = values_with(v->flags, 1024, 8, 3, 2);
}

/* ---- cells ----------------------------------------------------------------------------------- */

static unsigned at_most(unsigned value, unsigned most)
{
    return value < most ? value : most;
}

void sb_pack_cells(sb_privacy_t *t, int school, int subject, apr_uint32_t lower, const void *words,
                   apr_size_t len, int sign)
{
    static const int first[] = {SB_CELL_LEP, SB_CELL_IEP, SB_CELL_504,
                                SB_CELL_ECD, SB_CELL_MIG, SB_CELL_COMPLETE};
    apr_uint32_t one = (apr_uint32_t)sign;

    for (apr_size_t i = 0; i < len / 4; i++) {
        apr_uint32_t w = sb_pack_word(words, i);
        apr_uint32_t low = lower >> SB_WORD_LEVEL(w) & 1 ? one : 0;
        sb_bar_cell_t *cell;

        if (SB_WORD_SUBJECT(w) != (unsigned)subject || !SB_WORD_VALID(w)) {
            continue;
        }
        cell = sb_privacy_grade(t, school, (int)SB_WORD_GRADE(w));
#define COUNT(c) (cell[c].total += one, cell[c].lower += low)
        COUNT(SB_CELL_ALL);
        for (unsigned k = 0; k < sizeof(first) / sizeof(first[0]); k++) {
            COUNT((unsigned)first[k] + at_most(SB_WORD_FLAG(w, k), 2));
        }
        COUNT(SB_CELL_SEX + SB_WORD_SEX(w));
        COUNT(SB_CELL_ETHNICITY + at_most(SB_WORD_ETHNICITY(w), 8));
#undef COUNT
    }
}
