#ifndef SMARTER_SESSIONS_H
#define SMARTER_SESSIONS_H

/** What the commands about sessions share. */

#include "auth/sb_session.h"
#include "workers/program.h"

/** The store as httpd's processes have it, and the audit and security streams. Says what is wrong.
 *  @return exit status */
int smarter_sessions_open(sb_session_store_t *store, program_t *prog);

/** Say that a call failed. @return exit status */
int smarter_sessions_failed(const program_t *prog, const char *doing, apr_status_t rv);

/** Write to both streams what an operator did. @param detail without secrets */
void smarter_sessions_note(const program_t *prog, const char *action, const char *detail);

#endif
