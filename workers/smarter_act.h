#ifndef SMARTER_ACT_H
#define SMARTER_ACT_H

/** What the commands share that change something: asking, the audit stream. */

#include "workers/program.h"
#include "workers/smarter_batch.h"

/** Open the audit stream, and act as the owner of the zones from here on. Says what is wrong.
 *  @return 0 nothing may be done */
int smarter_act_begin(program_t *prog);

/** Argument ID and option --reason. @param preason NULL: none given @return exit status */
int smarter_act_read(program_t *prog, const char **preason);

/** Option --yes, or a yes from the terminal. @return exit status */
int smarter_act_confirm(const program_t *prog);

#endif
