#ifndef SB_SPREAD_H
#define SB_SPREAD_H

/**
 * Packed results of a place counted under each value of each filter at once, with their scores: the bars of
 * all its subgroups in one pass. Pure.
 */

#include "report/sb_scores.h"
#include "report/sb_pack.h"

/** Results of one subgroup in one subject. */
typedef struct {
    apr_uint32_t level[SB_PACK_LEVELS];
    apr_int64_t sum, squares; /* of scores */
} sb_spread_bar_t;

/** By number of the subject. */
typedef struct {
    sb_spread_bar_t cell[SB_CELLS][SB_PACK_SUBJECTS]; /* sb_privacy.h says which is which */
    sb_spread_bar_t grade[SB_PACK_GRADES][SB_PACK_SUBJECTS];
} sb_spread_t;

/**
 * Add words, or take them away. Valid ones only: the rule of comparing populations.
 * @param words big-endian, as stored
 * @param scores two bytes a word; they end with the shorter of both
 * @param sign  1 or -1
 */
void sb_spread_count(sb_spread_t *s, const void *words, apr_size_t len, const void *scores,
                     apr_size_t scores_len, int sign);

/** What population bars are made from. */
apr_status_t sb_spread_counts(sb_counts_t *counts, sb_scores_t *scores,
                              const sb_spread_bar_t *bar) SB_MUST_CHECK;

#endif
