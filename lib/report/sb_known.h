#ifndef SB_KNOWN_H
#define SB_KNOWN_H

/**
 * What a process remembers of a state from one request to the next: years, subjects, settings,
 * assessments. All of it changes with the data version only, in its transaction, and is remembered
 * under it: whoever uses it reads the version in the snapshot of his rows, and if it is another one he
 * looks again. So a page needs one round trip, and nothing old is shown.
 */

#include "report/sb_asmt.h"

typedef struct sb_known_t sb_known_t;

/** Of one process; safe for threads. Destroyed with p, after all that use it. */
apr_status_t sb_known_store_make(sb_known_store_t **pstore, apr_pool_t *p) SB_MUST_CHECK;

/**
 * What is remembered of the scope's state; read, in a transaction of its own, if nothing is.
 * @param pknown valid until p is cleared
 */
apr_status_t sb_known_get(sb_known_t **pknown, const sb_report_ctx_t *ctx,
                          apr_pool_t *p) SB_MUST_CHECK;

/** It was found to be old. */
void sb_known_forget(sb_known_t *known);

/** Queue the statement that tells whether it is still true, in the transaction of what depends on it. */
void sb_known_check(sb_rows_t **pversion, sb_pipe_t *pipe);
int sb_known_holds(const sb_known_t *known, const sb_rows_t *version);
/** The same by the text of SB_VERSION_SQL; NULL: there was none. */
int sb_known_is_of(const sb_known_t *known, const char *version);

/** The data version that it is of. */
const char *sb_known_version(const sb_known_t *known);
/** Years with assessments, newest first: sb_years_of_assessments(). */
const apr_array_header_t *sb_known_years(const sb_known_t *known);
const sb_metadata_t *sb_known_metadata(const sb_known_t *known);

/**
 * The assessments whose ids are in one column of a result, which is of the same version. Those nobody
 * asked for before are read.
 * @return APR_EAGAIN the data has changed since: begin again
 */
apr_status_t sb_known_asmts(sb_asmts_t **pasmts, sb_known_t *known, const sb_report_ctx_t *ctx,
                            const sb_rows_t *rows, int col, apr_pool_t *p) SB_MUST_CHECK;

#endif
