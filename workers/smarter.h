#ifndef SMARTER_H
#define SMARTER_H

/**
 * The commands of `smarter`, the operator's tool. A command is a program of its own (program.h): its
 * options, its usage line and a function, called "smarter NAME". To add one: define it in
 * workers/smarter_NAME.c, declare it here, and give it a line in the table of smarter.c.
 * A command with actions ("tenant add NC") takes the action as its first argument.
 *
 * Rules live in the library; a command reads its options, calls, and prints. What goes to a terminal
 * and comes from outside (names of files, complaints) is made harmless first.
 */

#include "workers/program.h"

#define SMARTER_COMMAND "smarter " /* what the name of a command begins with */

extern const program_def_t smarter_queues;

#endif
