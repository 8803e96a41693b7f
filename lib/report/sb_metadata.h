#ifndef SB_METADATA_H
#define SB_METADATA_H

/**
 * What a state has set for its reports: branding, colours a subject (their number is the number of
 * levels), smallest group shown. Source: table custom_metadata; docs/reporting.md, "Metadata".
 */

#include "report/sb_subjects.h"

typedef struct {
    sb_subjects_t subjects;                    /* levels: as many as colours, if there are any */
    apr_int64_t min_cell;                      /* the one that counts: the state's or the default */
    const sb_json_t *branding;                 /* NULL none */
    const sb_json_t *colours[SB_SUBJECTS_MAX]; /* of a subject by number; NULL none */
    int has_min_cell;                          /* did the state set one? */
    int coding; /* per cent: shares below it and above 100 less it are told as that much; 0 as they are */
} sb_metadata_t;

/** Read a state's row, and its subjects. None, or one that is no JSON, means the defaults (the latter
 *  is logged). */
apr_status_t sb_metadata_find(sb_metadata_t *m, const sb_report_ctx_t *ctx,
                              apr_pool_t *p) SB_MUST_CHECK;

/** The pure part of it. @param text the JSON; NULL none. @return NULL or the complaint */
const char *sb_metadata_parse(sb_metadata_t *m, const sb_subjects_t *subjects, const char *text,
                              apr_pool_t *p);

/** A node of the metadata as it was stored; NULL: null. */
void sb_metadata_node_json(sb_jw_t *w, const char *key, const sb_json_t *node);

void sb_metadata_json(sb_jw_t *w, const char *key, const sb_metadata_t *m);

#endif
