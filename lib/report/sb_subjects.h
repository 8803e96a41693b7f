#ifndef SB_SUBJECTS_H
#define SB_SUBJECTS_H

/**
 * The subjects of a state, in the order in which reports show them: those of table subject by
 * position, then others that have assessments, by name. On the wire a subject is an alias,
 * "subject1", "subject2", ...; every response says which is which.
 */

#include "report/sb_report.h"

#define SB_SUBJECTS_MAX 16

typedef struct {
    int n;
    const char *name[SB_SUBJECTS_MAX]; /* as stored: "Math" */
    int levels[SB_SUBJECTS_MAX]; /* performance levels, unless custom metadata says otherwise */
} sb_subjects_t;

/** "subject1" ... by number from 0. */
extern const char *const sb_subject_aliases[SB_SUBJECTS_MAX];

/** All subjects of the scope's state; further ones than SB_SUBJECTS_MAX are left out, and logged. */
apr_status_t sb_subjects_find(sb_subjects_t *s, const sb_report_ctx_t *ctx,
                              apr_pool_t *p) SB_MUST_CHECK;

/** Those a request asks for, in the order of all. @param names NULL or empty: all */
void sb_subjects_pick(sb_subjects_t *s, const sb_subjects_t *all, const apr_array_header_t *names);

/** Number of a subject; -1: none of them. */
int sb_subjects_index(const sb_subjects_t *s, const char *name);

/** alias -> name */
void sb_subjects_json(sb_jw_t *w, const char *key, const sb_subjects_t *s);

#endif
