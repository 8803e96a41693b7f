#ifndef SMARTER_BATCH_H
#define SMARTER_BATCH_H

/** What the commands about batches share. */

#include "udl/sb_udl_batches.h"
#include "workers/program.h"
#include "workers/smarter_text.h"

/** Connect; says what is wrong. @return exit status */
int smarter_batches_open(sb_batches_t **pb, program_t *prog, apr_pool_t *p);

/** Find the batch an operator means; says so if there is none or more than one. @return exit status */
int smarter_batch_find(const sb_batch_t **pbatch, sb_batches_t *b, program_t *prog, const char *id,
                       apr_pool_t *p);

/** Say that a call of the library failed. @param db the connection it used; NULL none @return exit status,
 *  PROGRAM_DONE for APR_SUCCESS */
int smarter_failed(const program_t *prog, apr_status_t rv, const sb_db_t *db);

/** Is it NULL or a tenant of the ini? Says so if not. */
int smarter_tenant_is_known(program_t *prog, const char *tenant);

/** What matters most about a batch, harmless, in one line: why it failed, waits or stands still. */
const char *smarter_batch_note(const sb_batch_t *batch, apr_pool_t *p);

/** Members of the object that is open. */
void smarter_batch_json(sb_jw_t *w, const sb_batch_t *batch);

#endif
