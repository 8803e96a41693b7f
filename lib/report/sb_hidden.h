#ifndef SB_HIDDEN_H
#define SB_HIDDEN_H

/**
 * A report about one student found nothing: was there nothing, or nothing that the user may see? The
 * client is told the same; the security stream is not. Only whether somebody exists is asked, and at
 * every such answer, so that its time tells nothing either.
 */

#include "report/sb_report.h"

/**
 * @param ctx connected; parameter studentId, if the report has it. Outside a transaction
 * @return 1 there is a student of that id in the state, none of whose results the scope reaches
 */
int sb_hidden_student(const sb_report_ctx_t *ctx, apr_pool_t *p);

#endif
