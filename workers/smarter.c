/* smarter: the operator's tool. Finds the command and hands over to it; see smarter.h. */

#include "config.h"

#include <stdio.h>
#include <string.h>

#include "workers/smarter.h"

static const program_def_t *const commands[] = {
    &smarter_status,   &smarter_batches,  &smarter_batch,  &smarter_retry,
    &smarter_discard,  &smarter_withdraw, &smarter_queues, &smarter_tenant,
    &smarter_metadata, &smarter_cache,    &smarter_jobs,   &smarter_sessions,
    &smarter_batch_session};

#define NCOMMANDS ((int)(sizeof commands / sizeof commands[0]))

static const char *name_of(const program_def_t *def)
{
    return def->name + sizeof SMARTER_COMMAND - 1;
}

static const program_def_t *find(const char *word)
{
    int i;

    for (i = 0; i < NCOMMANDS; i++) {
        if (!strcmp(name_of(commands[i]), word)) {
            return commands[i];
        }
    }
    return NULL;
}

static void help(void)
{
    int i;

    puts("Usage: smarter COMMAND [OPTION...]\n"
         "what an operator asks and does: batches, their retry and withdrawal, health\n");
    for (i = 0; i < NCOMMANDS; i++) {
        printf("  %-13s  %s\n", name_of(commands[i]), commands[i]->summary);
    }
    puts("  help           print this text, or what a command understands: smarter help batches\n"
         "\nEvery command takes -c/--config INI; without it the ini is $SMARTER_INI, "
         "else\n" SB_SYSCONFDIR
         "/smarter.ini.\n\nExit status: 0 done, 1 failed or refused, 2 usage, 75 try again later.");
}

static int complain(const char *what, const char *word)
{
    fprintf(stderr, "smarter: %s '%s'\nTry 'smarter help'.\n", what, word);
    return PROGRAM_USAGE;
}

static int help_command(char *word)
{
    static char option[] = "--help";
    const program_def_t *def = find(word);
    char *args[] = {word, option, NULL};

    return def ? program_main(def, 2, args) : complain("there is no command", word);
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;
    const program_def_t *def;

    smarter_text_begin();
    if (!word) {
        fputs("smarter: which command?\nTry 'smarter help'.\n", stderr);
        return PROGRAM_USAGE;
    }
    if (!strcmp(word, "help") && argc > 2) {
        return help_command(argv[2]);
    }
    if (!strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h")) {
        help();
        return PROGRAM_DONE;
    }
    if (!strcmp(word, "--version")) {
        printf("smarter (Smarter Reporting) %s\n", PACKAGE_VERSION);
        return PROGRAM_DONE;
    }
    if (*word == '-') {
        return complain("options come after the command, not", word);
    }
    def = find(word);
    return def ? program_main(def, argc - 1, argv + 1) : complain("there is no command", word);
}
