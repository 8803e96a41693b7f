#ifndef SB_METADATA_EDIT_H
#define SB_METADATA_EDIT_H

/**
 * Writing a state's settings for its reports (sb_metadata.h reads them). The form, and nothing else:
 *
 *     { "min_cell_size": 1..1000 or null,
 *       "top_bottom_coding": 1..20 or null,
 *       "branding": { "display": text of at most 100 characters,
 *                     "image": path on this server, /... .png|svg|jpg|jpeg|gif|webp,
 *                     "higherEdLink": https address },
 *       "subjects": { NAME OF A SUBJECT: { "colors": 3 to 6 of
 *           { "bg_color", "text_color", and perhaps "start_gradient_bg_color", "end_gradient_bg_color":
 *             #rgb or #rrggbb } } } }
 *
 * Every member may be missing.
 */

#include <apr_tables.h>
#include "report/sb_metadata.h"

/**
 * Judge a text.
 * @param subjects of const char *: those there are; NULL: whatever it names
 * @return NULL, or the complaint, which begins with the JSON path: "$.min_cell_size: ..."
 */
const char *sb_metadata_judge(const char *text, apr_size_t len, const apr_array_header_t *subjects,
                              apr_pool_t *p) SB_MUST_CHECK;

typedef struct {
    const char *subject;
    const char *colours; /* "#bb231c,#e4c904,...": one a level; the text on each is black or white,
                            whichever can be read */
} sb_metadata_colours_t;

/** What an operator wants to be different. */
typedef struct {
    const char *whole;                 /* replaces everything; judged already; else NULL */
    apr_int64_t min_cell;              /* 0: as it is */
    apr_int64_t coding;                /* 0: as it is; -1: away with it */
    const apr_array_header_t *colours; /* of sb_metadata_colours_t: of these subjects; NULL: none */
    const char *display, *image, *higher_ed_link; /* NULL: as it is; "": away with it */
} sb_metadata_change_t;

/**
 * Apply a change to a text.
 * @param ptext the new one, judged
 * @param text  NULL: there is none yet
 * @param subjects as for sb_metadata_judge()
 * @return NULL, or the complaint as of sb_metadata_judge()
 */
const char *sb_metadata_change(const char **ptext, const char *text, const sb_metadata_change_t *c,
                               const apr_array_header_t *subjects, apr_pool_t *p) SB_MUST_CHECK;

typedef struct {
    int changed;         /* was it not so already? */
    apr_int64_t version; /* of the data, when changed */
    const char *text;    /* what is there now */
    const char *problem; /* as of sb_metadata_change(); then nothing was changed */
} sb_metadata_stored_t;

/**
 * Change a state's row, and raise the data version in the same transaction: no cached report of the old
 * settings is shown any more.
 * @param db with the schema of production, as the loader or the owner
 * @return SB_EINPUT: see stored->problem; others as sb_db_exec
 */
apr_status_t sb_metadata_store(sb_metadata_stored_t *stored, sb_db_t *db, const char *state,
                               const sb_metadata_change_t *c, apr_pool_t *p) SB_MUST_CHECK;

#endif
