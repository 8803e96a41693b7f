/**
 * Packed results: filters as tables, and the loop over words.
 */

#include "report/sb_pack.h"

#include <stddef.h>
#include <string.h>
#include <arpa/inet.h>
#include "report/sb_filter.h"

/* Bits of a word; sql/prod, table report_pack. */
#define SUBJECT(w) ((w)&15)
#define GRADE(w) ((w) >> 4 & 31)
#define LEVEL(w) ((w) >> 9 & 15)
#define WHO(w) ((w) >> 13 & 63)
#define FLAGS(w) ((w) >> 19 & 1023)
#define LAST(w) ((w) >> 29)
#define VALID(w) ((w) >> 31)

/* ---- codes ----------------------------------------------------------------------------------- */

apr_status_t sb_pack_open(sb_pack_codes_t *codes, int *pusable, const sb_report_ctx_t *ctx,
                          apr_pool_t *p)
{
    static const sb_stmt_t st = {
        "report_pack_codes", 0,
        "SELECT kind, value, code FROM {schema}.report_code"
        " UNION ALL (SELECT 'stale', '', 0 FROM {schema}.report_pack_stale LIMIT 1)"};
    sb_rows_t *rows;
    apr_status_t rv = sb_db_query(&rows, ctx->db, &st, NULL, p);

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

/* ---- filters --------------------------------------------------------------------------------- */

/* Where the value of a filter is: in which table, how many bits from its lowest, how wide. */
typedef struct {
    const char *name;
    apr_size_t offset, size; /* of the table */
    unsigned shift, mask;
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

#define IN(table, shift, mask, code)                                                               \
    offsetof(sb_pack_filter_t, table), sizeof(((sb_pack_filter_t *)0)->table), shift, mask, code
static const place_t places[] = {
    {"dmgPrgLep", IN(flags, 0, 3, flag_code)}, {"dmgPrgIep", IN(flags, 2, 3, flag_code)},
    {"dmgPrg504", IN(flags, 4, 3, flag_code)}, {"dmgStsEcd", IN(flags, 6, 3, flag_code)},
    {"dmgStsMig", IN(flags, 8, 3, flag_code)}, {"sex", IN(who, 0, 3, sex_code)},
    {"ethnicity", IN(who, 2, 15, digit)},      {"complete", IN(last, 0, 3, flag_code)},
};

/* Close a table's entries whose part of the index is none of the values. */
static void restrict_table(sb_pack_filter_t *f, const place_t *place,
                           const apr_array_header_t *values)
{
    unsigned char *table = (unsigned char *)f + place->offset;
    unsigned allowed = 0;

    for (int i = 0; i < values->nelts; i++) {
        allowed |= 1U << place->code(APR_ARRAY_IDX(values, i, const char *));
    }
    for (apr_size_t k = 0; k < place->size; k++) {
        if (!(allowed >> (k >> place->shift & place->mask) & 1)) {
            table[k] = 0;
        }
    }
}

static void restrict_grades(sb_pack_filter_t *f, const sb_pack_codes_t *codes,
                            const apr_array_header_t *values)
{
    for (int g = 0; g < SB_PACK_GRADES; g++) {
        int found = 0;

        for (int i = 0; i < values->nelts && codes->grade[g]; i++) {
            found |= !strcmp(codes->grade[g], APR_ARRAY_IDX(values, i, const char *));
        }
        f->grade[g] = (unsigned char)found;
    }
}

void sb_pack_filter_make(sb_pack_filter_t *f, const sb_params_t *params,
                         const sb_pack_codes_t *codes)
{
    const apr_array_header_t *values;
    const char *name;
    int i = 0;

    memset(f, 1, sizeof(*f));
    for (int k = 0; k < 4; k++) {
        f->last[k] = 0; /* not valid */
    }
    while ((name = sb_filter_next(&i, &values, params)) != NULL) {
        if (!strcmp(name, "grade")) {
            restrict_grades(f, codes, values);
        }
        for (apr_size_t k = 0; k < sizeof(places) / sizeof(places[0]); k++) {
            if (!strcmp(places[k].name, name)) {
                restrict_table(f, &places[k], values);
            }
        }
    }
}

/* ---- counting -------------------------------------------------------------------------------- */

static inline apr_uint32_t word_at(const unsigned char *words, apr_size_t i)
{
    apr_uint32_t w;

    memcpy(&w, words + 4 * i, sizeof(w));
    return ntohl(w);
}

static inline unsigned passes(const sb_pack_filter_t *f, apr_uint32_t w)
{
    return f->flags[FLAGS(w)] & f->who[WHO(w)] & f->last[LAST(w)] & f->grade[GRADE(w)];
}

/* No branches: half of them would be mistaken. */
static inline void add(sb_pack_bars_t *bars, sb_pack_values_t *values, const sb_pack_filter_t *f,
                       apr_uint32_t w)
{
    bars->shown[SUBJECT(w)][LEVEL(w)] += passes(f, w);
    bars->all[SUBJECT(w)][LEVEL(w)] += VALID(w);
    values->flags[FLAGS(w)]++;
    values->who[WHO(w)]++;
}

void sb_pack_count(sb_pack_bars_t *bars, sb_pack_values_t *values, const sb_pack_filter_t *f,
                   const void *words, apr_size_t len)
{
    for (apr_size_t i = 0; i < len / 4; i++) {
        add(bars, values, f, word_at(words, i));
    }
}

void sb_pack_count_grades(sb_pack_bars_t bars[SB_PACK_GRADES], sb_pack_values_t *values,
                          const sb_pack_filter_t *f, const void *words, apr_size_t len)
{
    for (apr_size_t i = 0; i < len / 4; i++) {
        apr_uint32_t w = word_at(words, i);

        add(&bars[GRADE(w)], values, f, w);
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
