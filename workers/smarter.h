#ifndef SMARTER_H
#define SMARTER_H

/**
 * The commands of `smarter`, the operator's tool. A command is a program of its own (program.h): its
 * options, its usage line and a function, called "smarter NAME". To add one: define it in
 * workers/smarter_NAME.c, declare it here, and give it a line in the table of smarter.c.
 * A command with actions ("tenant add NC") takes the action as its first argument.
 *
 * Rules live in the library; a command reads its options, calls, and prints. What goes to a terminal
 * and comes from outside (names of files, complaints) passes smarter_safe().
 */

#include "workers/program.h"
#include "workers/smarter_text.h"

#define SMARTER_COMMAND "smarter " /* what the name of a command begins with */

extern const program_def_t smarter_status, smarter_batches, smarter_batch, smarter_retry,
    smarter_discard, smarter_withdraw, smarter_queues, smarter_tenant, smarter_metadata,
    smarter_cache, smarter_jobs, smarter_sessions, smarter_batch_session;

#endif
