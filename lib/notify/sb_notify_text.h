#ifndef SB_NOTIFY_TEXT_H
#define SB_NOTIFY_TEXT_H

/** What is said about a batch that has ended: no names, no student ids, no values. Loader contract 14. */

#include "core/sb_json.h"
#include "store/sb_db.h"

typedef struct {
    const char *batch, *tenant, *load_status, *load_type;
    const sb_json_t *noted; /* udl_stats.notification; NULL: none, or no JSON */
    const sb_rows_t
        *counts; /* rows_read, rows_loaded, rows_rejected, rows_deduplicated; may be empty */
    const sb_rows_t *errors; /* line, column_name, code, reason: the first ones */
} sb_notice_t;

/** Is it in production? */
int sb_notice_is_success(const sb_notice_t *n);

/** Text of a member of noted; NULL if it has none, or an empty one. */
const char *sb_notice_str(const sb_notice_t *n, const char *key);
/** Number of a member of noted between min and max, else dflt. */
apr_int64_t sb_notice_int(const sb_notice_t *n, const char *key, apr_int64_t min, apr_int64_t max,
                          apr_int64_t dflt);

/** The JSON object that is posted, and mailed. */
const char *sb_notice_body(const sb_notice_t *n, apr_pool_t *p);
const char *sb_notice_subject(const sb_notice_t *n, apr_pool_t *p);

/** The mail to the operators. @param phase, step where it failed; NULL: not known */
const char *sb_notice_operator_text(const sb_notice_t *n, const char *phase, const char *step,
                                    const char *when, apr_pool_t *p);

#endif
