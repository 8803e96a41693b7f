#ifndef SB_UDL_RESULTS_H
#define SB_UDL_RESULTS_H

/**
 * What a row of results is beyond its single values: what must hold between its columns, between it
 * and the metadata, and the columns of the batch table that are computed. The metadata may come
 * behind the rows; then they are watched, and asked of the database at the end, so that the order in
 * the archive changes nothing.
 */

#include "udl/sb_udl_meta.h"

#define SB_UDL_FINDINGS_MAX 64 /* more than one row can have here */

typedef struct {
    int n;
    struct {
        unsigned char column, issue; /* of sb_udl_issue_t */
    } at[SB_UDL_FINDINGS_MAX];
} sb_udl_findings_t;

typedef struct {
    int min, max;
} sb_udl_span_t;

/** What the rows were like so far whose metadata is not known. */
typedef struct {
    apr_int64_t first_line;                    /* 0: there was none */
    const char *guid, *type, *subject;         /* of that first row */
    int other_guid, other_type, other_subject; /* some row differs from it */
    int no_overall;                            /* some row lacks an overall score */
    sb_udl_span_t score[SB_UDL_NBLOCKS], level[SB_UDL_NBLOCKS];
} sb_udl_seen_t;

void sb_udl_results_begin(sb_udl_seen_t *seen);

/** Judge a row by itself, whose values are fine one by one. @param found is set */
void sb_udl_results_check(sb_udl_findings_t *found, const sb_udl_value_t *v);

/**
 * Judge a row, which is fine by itself, by the metadata.
 * @param found is set
 * @param meta  NULL: not known yet; then seen is brought up to date, with texts in p
 */
void sb_udl_results_compare(sb_udl_findings_t *found, const sb_udl_value_t *v,
                            const sb_udl_meta_t *meta, sb_udl_seen_t *seen, apr_int64_t line,
                            apr_pool_t *p);

/** A question to the rows that were copied before the metadata was known. */
typedef struct {
    int column;
    sb_udl_issue_t issue;
    const char *where; /* condition, with $1 and $2 */
    const char *args[2];
    int nargs;
} sb_udl_question_t;

/** @return of sb_udl_question_t: only those that some row may answer with yes */
const apr_array_header_t *sb_udl_results_questions(const sb_udl_seen_t *seen,
                                                   const sb_udl_meta_t *meta, apr_pool_t *p);

/** Names of the computed columns, and how many. */
extern const char sb_udl_results_computed[];
#define SB_UDL_NCOMPUTED 5

/** Their values, in that order. */
void sb_udl_results_emit(sb_copy_t *copy, const sb_udl_value_t *v);

#endif
