#ifndef SB_PACK_H
#define SB_PACK_H

/**
 * Counting packed results under any combination of filters. A result is one 32-bit word (sql/prod,
 * report_pack says which bits); a filter is four small tables of what lets a word through, so that a word
 * costs four look-ups whatever was asked for. Pure but for sb_pack_open.
 */

#include "report/sb_parts.h"

#define SB_PACK_SUBJECTS 16
#define SB_PACK_GRADES 32
#define SB_PACK_LEVELS 16

/** What the numbers in words mean; NULL: that number is not given. */
typedef struct {
    const char *subject[SB_PACK_SUBJECTS];
    const char *grade[SB_PACK_GRADES];
} sb_pack_codes_t;

/**
 * Read the codes.
 * @param pusable 0: some packs are out of date, count facts instead
 */
apr_status_t sb_pack_open(sb_pack_codes_t *codes, int *pusable, const sb_report_ctx_t *ctx,
                          apr_pool_t *p) SB_MUST_CHECK;

/** Which words pass. Valid ones only: the rule of comparing populations. */
typedef struct {
    unsigned char flags[1024]; /* lep, iep, 504, ecd, mig */
    unsigned char who[64];     /* sex, ethnicity */
    unsigned char last[8];     /* complete, valid */
    unsigned char grade[SB_PACK_GRADES];
} sb_pack_filter_t;

void sb_pack_filter_make(sb_pack_filter_t *f, const sb_params_t *params,
                         const sb_pack_codes_t *codes);

typedef apr_uint32_t sb_pack_tally_t[SB_PACK_SUBJECTS][SB_PACK_LEVELS];

/** Counts of one row of a report, by number of subject and level. */
typedef struct {
    sb_pack_tally_t shown; /* what passes the filter */
    sb_pack_tally_t all;   /* what is valid */
} sb_pack_bars_t;

/** Counts of values, whatever the filter, valid or not. */
typedef struct {
    apr_uint32_t flags[1024];
    apr_uint32_t who[64];
} sb_pack_values_t;

/** Add words. @param words big-endian, as stored. @param len bytes */
void sb_pack_count(sb_pack_bars_t *bars, sb_pack_values_t *values, const sb_pack_filter_t *f,
                   const void *words, apr_size_t len);

/** The same with a row for each grade. */
void sb_pack_count_grades(sb_pack_bars_t bars[SB_PACK_GRADES], sb_pack_values_t *values,
                          const sb_pack_filter_t *f, const void *words, apr_size_t len);

/** How many results there are, and of how many something is not stated; see sb_not_stated_t. */
void sb_pack_not_stated(sb_not_stated_t *n, const sb_pack_values_t *values);

#endif
