#ifndef SB_METADATA_H
#define SB_METADATA_H

/**
 * What a state has set for its reports: branding, colours a subject (their number is the number of
 * levels), smallest group shown. Source: table custom_metadata; docs/reporting.md, "Metadata".
 */

#include "report/sb_report.h"

typedef enum { SB_MATH, SB_ELA, SB_SUBJECTS } sb_subject_t;

/** "Math", "ELA": stored values and names on the wire. */
extern const char *const sb_subject_names[SB_SUBJECTS];
/** "subject1", "subject2": members of a response. */
extern const char *const sb_subject_aliases[SB_SUBJECTS];
/** @return SB_SUBJECTS for any other name */
sb_subject_t sb_subject_of(const char *name);

typedef struct {
    int levels[SB_SUBJECTS];
    apr_int64_t min_cell;                  /* the one that counts: the state's or the default */
    const sb_json_t *branding;             /* NULL none */
    const sb_json_t *colours[SB_SUBJECTS]; /* NULL none */
    int has_min_cell;                      /* did the state set one? */
} sb_metadata_t;

/** Read a state's row. None, or one that is no JSON, means the defaults (the latter is logged). */
apr_status_t sb_metadata_find(sb_metadata_t *m, const sb_report_ctx_t *ctx,
                              apr_pool_t *p) SB_MUST_CHECK;

/** The pure part of it. @param text the JSON; NULL none. @return NULL or the complaint */
const char *sb_metadata_parse(sb_metadata_t *m, const char *text, apr_pool_t *p);

void sb_metadata_json(sb_jw_t *w, const char *key, const sb_metadata_t *m);

#endif
