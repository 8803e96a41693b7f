#ifndef SB_ASMT_H
#define SB_ASMT_H

/**
 * Assessments (rows of dim_asmt with their levels and claims) as reports about students show them.
 * A roster has thousands of results of a handful of assessments: they are read once (sb_known.h), not
 * joined to every row. Source of the rules: docs/reporting.md, "Assessments".
 */

#include "report/sb_metadata.h"

#define SB_ASMT_BLOCKS "INTERIM ASSESSMENT BLOCKS"

/** The kinds, as stored and as parameter asmtType; ended by NULL. */
extern const char *const sb_asmt_types[];

#define SB_ASMT_LEVELS_MAX 9
#define SB_ASMT_CLAIMS_MAX 16      /* claims shown of an assessment */
#define SB_ASMT_CLAIMS_SCORED 4    /* the first ones: facts hold a student's scores of these */
#define SB_ASMT_CLAIM_LEVELS_MAX 3 /* levels a claim may have */

typedef struct {
    const char *name; /* NULL none */
    int cut_point;    /* score where it begins; of level 1, or if it has none, 0 */
} sb_asmt_level_t;

typedef struct {
    const char *name;                  /* NULL: the assessment has no such claim */
    const char *score_min, *score_max; /* as texts; NULL none */
} sb_asmt_claim_t;

typedef struct {
    const char *guid, *type, *period, *subject;
    int period_year;
    int score_min, score_max;
    int nlevels;
    sb_asmt_level_t level[SB_ASMT_LEVELS_MAX];              /* level 1 is [0] */
    sb_asmt_claim_t claim[SB_ASMT_CLAIMS_MAX];              /* claim 1 is [0] */
    const char *claim_level_name[SB_ASMT_CLAIM_LEVELS_MAX]; /* level 1 is [0]; NULL none */
} sb_asmt_t;

typedef struct sb_asmts_t sb_asmts_t;

sb_asmts_t *sb_asmts_make(apr_pool_t *p);
/** By the text of its id, which stays the caller's. NULL: it was not put there. */
const sb_asmt_t *sb_asmts_get(const sb_asmts_t *asmts, const char *rec_id);
void sb_asmts_put(sb_asmts_t *asmts, const char *rec_id, const sb_asmt_t *a);

/** The ids in one column of a result, each once. Array of const char *. */
apr_array_header_t *sb_asmts_ids(const sb_rows_t *rows, int col, apr_pool_t *p);

/** Queue what reads assessments, and take what came. @param ids "{1,5}"; p must live as long as rows */
void sb_asmts_queue(sb_rows_t **prows, sb_rows_t **pparts, sb_pipe_t *pipe, const char *ids);
void sb_asmts_take(sb_asmts_t *asmts, const sb_rows_t *rows, const sb_rows_t *parts, apr_pool_t *p);

/**
 * [{"name", "interval", colour...}] from the lowest level up: where each ends, which is where the next
 * begins, the last with the highest score. An assessment without names of levels has four.
 * @param colours of the subject; NULL none
 */
void sb_asmt_cut_points_json(sb_jw_t *w, const char *key, const sb_asmt_t *a,
                             const sb_json_t *colours);

/** Name of a level of claims; "None" if there is none, as clients expect. @param level text or NULL */
const char *sb_asmt_claim_level(const sb_asmt_t *a, const char *level);

/** Members "name" and "name2" of claim i (from 0). */
void sb_asmt_claim_names_json(sb_jw_t *w, const sb_asmt_t *a, int i);

/** "INTERIM COMPREHENSIVE" -> "Interim Comprehensive" */
const char *sb_asmt_type_shown(const char *type, apr_pool_t *p);

#endif
