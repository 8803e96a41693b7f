#ifndef SB_OPERATOR_H
#define SB_OPERATOR_H

/** What operators do by hand, written down: table udl2.operator_action, and a line of the audit stream. */

#include "store/sb_db.h"

/** Who is at the keyboard: SUDO_USER of root, else the account. */
const char *sb_operator_name(apr_pool_t *p);

/**
 * Note a deed: what takes a moment after it was done; what somebody might kill half way before, as
 * "ACTION begun", too.
 * @param schema of the loader
 * @param who    sb_operator_name(), asked before privileges were given up
 * @param action a few words: "metadata set"
 * @param batch  NULL none
 * @param detail what was changed; never a secret, nor anything about a child
 */
apr_status_t sb_operator_note(sb_db_t *db, const char *schema, const char *who, const char *action,
                              const char *tenant, const char *batch, const char *detail,
                              apr_pool_t *p) SB_MUST_CHECK;

#endif
