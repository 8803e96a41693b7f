/**
 * The loop over words and scores.
 */

#include "report/sb_spread.h"

#include <string.h>

static unsigned at_most(unsigned value, unsigned most)
{
    return value < most ? value : most;
}

static void add(sb_spread_bar_t *bar, unsigned level, apr_int64_t score, int sign)
{
    bar->level[level] += (apr_uint32_t)sign;
    bar->sum += sign * score;
    bar->squares += sign * score * score;
}

void sb_spread_count(sb_spread_t *s, const void *words, apr_size_t len, const void *scores,
                     apr_size_t scores_len, int sign)
{
    static const unsigned first[] = {SB_CELL_LEP, SB_CELL_IEP, SB_CELL_504,
                                     SB_CELL_ECD, SB_CELL_MIG, SB_CELL_COMPLETE};
    apr_size_t n = len / 4 < scores_len / 2 ? len / 4 : scores_len / 2;

    for (apr_size_t i = 0; i < n; i++) {
        apr_uint32_t w = sb_pack_word(words, i);
        unsigned subject = SB_WORD_SUBJECT(w), level = SB_WORD_LEVEL(w);
        apr_int64_t score = sb_pack_score(scores, i);

        if (!SB_WORD_VALID(w)) {
            continue;
        }
        add(&s->cell[SB_CELL_ALL][subject], level, score, sign);
        for (unsigned k = 0; k < sizeof(first) / sizeof(first[0]); k++) {
            add(&s->cell[first[k] + at_most(SB_WORD_FLAG(w, k), 2)][subject], level, score, sign);
        }
        add(&s->cell[SB_CELL_SEX + SB_WORD_SEX(w)][subject], level, score, sign);
        add(&s->cell[SB_CELL_ETHNICITY + at_most(SB_WORD_ETHNICITY(w), 8)][subject], level, score,
            sign);
        add(&s->grade[SB_WORD_GRADE(w)][subject], level, score, sign);
    }
}

apr_status_t sb_spread_counts(sb_counts_t *counts, sb_scores_t *scores, const sb_spread_bar_t *bar)
{
    apr_status_t rv = APR_SUCCESS;

    memset(counts, 0, sizeof(*counts));
    *scores = (sb_scores_t){.sum = bar->sum, .squares = bar->squares};
    for (int level = 0; level < SB_PACK_LEVELS && rv == APR_SUCCESS; level++) {
        if (bar->level[level]) {
            rv = sb_counts_add(counts, level, bar->level[level]);
            scores->n += bar->level[level];
        }
    }
    return rv;
}
