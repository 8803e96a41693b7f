#ifndef SB_PACK_H
#define SB_PACK_H

/**
 * Counting packed results under any combination of filters. A result is one 32-bit word (sql/prod,
 * report_pack says which bits); filters are four small tables that say which of them a word fails, so that
 * a word costs the same whatever was asked for. Pure but for sb_pack_open.
 */

#include "report/sb_parts.h"
#include "report/sb_privacy.h"

#define SB_PACK_SUBJECTS 16
#define SB_PACK_GRADES SB_PRIVACY_GRADES
#define SB_PACK_LEVELS 16

/* Bits of a word; sql/prod, table report_pack. */
#define SB_WORD_SUBJECT(w) ((w)&15)
#define SB_WORD_GRADE(w) ((w) >> 4 & 31)
#define SB_WORD_LEVEL(w) ((w) >> 9 & 15)
#define SB_WORD_SEX(w) ((w) >> 13 & 3)
#define SB_WORD_ETHNICITY(w) ((w) >> 15 & 15)
#define SB_WORD_FLAG(w, n) ((w) >> (19 + 2 * (n)) & 3) /* lep, iep, 504, ecd, mig, complete */
#define SB_WORD_VALID(w) ((w) >> 31)

/** A word of those stored. */
apr_uint32_t sb_pack_word(const void *words, apr_size_t i);

/** What the numbers in words mean; NULL: that number is not given. */
typedef struct {
    const char *subject[SB_PACK_SUBJECTS];
    const char *grade[SB_PACK_GRADES];
} sb_pack_codes_t;

/**
 * Read the codes.
 * @param pusable 0: some packs of that year are out of date, count facts instead
 */
apr_status_t sb_pack_open(sb_pack_codes_t *codes, int *pusable, const sb_report_ctx_t *ctx,
                          int year, apr_pool_t *p) SB_MUST_CHECK;

/** Number of a text; -1: it has none. */
int sb_pack_subject(const sb_pack_codes_t *codes, const char *subject);
int sb_pack_grade(const sb_pack_codes_t *codes, const char *grade);

/* How a result stands to the filters. */
enum {
    SB_PASSES = 0,
    SB_FAILS_ONE = 1, /* + number of the only filter it fails */
    SB_FILTERS = 10,  /* student groups are the last, of which words know nothing */
    SB_FAILS_MORE = SB_FAILS_ONE + SB_FILTERS,
    SB_NOT_VALID = SB_FAILS_MORE + 1, /* not counted by comparing populations */
    SB_CLASSES
};

/** The filters of a request. */
typedef struct {
    int n;               /* how many restrict */
    int by_grade;        /* is grade one of them? */
    apr_uint32_t grades; /* bits of the grades asked for; all, if none is */
    apr_uint32_t cells;  /* bits of the values asked for of the others (sb_privacy.h) */
    /* which fail, as bits, by parts of a word; and the class of such a set of bits */
    apr_uint16_t flags[1024]; /* lep, iep, 504, ecd, mig */
    apr_uint16_t who[64];     /* sex, ethnicity */
    apr_uint16_t last[8];     /* complete, valid */
    apr_uint16_t grade[SB_PACK_GRADES];
    unsigned char class_of[1024];
} sb_pack_filter_t;

void sb_pack_filter_make(sb_pack_filter_t *f, const sb_params_t *params,
                         const sb_pack_codes_t *codes);

/** Counts of a group of results: by grade, subject, level and class. */
typedef struct {
    int slots;
    apr_uint16_t slot
        [8192]; /* of subject, grade and level, as in a word; 0 is for codes that are not given */
    apr_uint32_t (*n)[SB_CLASSES];
} sb_pack_tally_t;

/** Make one, empty; shared slots serve many. */
void sb_pack_tally_make(sb_pack_tally_t *t, const sb_pack_codes_t *codes, apr_pool_t *p);
void sb_pack_tally_clear(sb_pack_tally_t *t);
const apr_uint32_t *sb_pack_tally(const sb_pack_tally_t *t, int subject, int grade, int level);

/** Counts of values, whatever the filter, valid or not. */
typedef struct {
    apr_uint32_t flags[1024];
    apr_uint32_t who[64];
} sb_pack_values_t;

/** Add words, or take away what is gone. @param words big-endian, as stored. @param len bytes
 *  @param sign 1 or -1 */
void sb_pack_count(sb_pack_tally_t *t, sb_pack_values_t *values, const sb_pack_filter_t *f,
                   const void *words, apr_size_t len, int sign);

/** Sums of the scores of those who pass, by grade and subject. */
typedef struct {
    apr_int64_t sum[SB_PACK_GRADES][SB_PACK_SUBJECTS], squares[SB_PACK_GRADES][SB_PACK_SUBJECTS];
} sb_pack_sums_t;

/** Score of a word of those stored. @param scores two bytes a word, big-endian */
int sb_pack_score(const void *scores, apr_size_t i);

/** Add scores. @param scores as many as words. @param len bytes of the words. @param sign 1 or -1 */
void sb_pack_sum(sb_pack_sums_t *sums, const sb_pack_filter_t *f, const void *words,
                 const void *scores, apr_size_t len, int sign);

/** "Not stated" from counts of values. */
void sb_pack_not_stated(sb_not_stated_t *n, const sb_pack_values_t *v);

/** Add words to the cells of a school's grades.
 *  @param lower bit n: level n is in the lower half
 *  @param sign  1 or -1 */
void sb_pack_cells(sb_privacy_t *t, int school, int subject, apr_uint32_t lower, const void *words,
                   apr_size_t len, int sign);

#endif
