#ifndef PROGRAM_H
#define PROGRAM_H

/**
 * What every program in sbin has in common: options, ini file, logging, signals, exit status.
 * A program is a definition, a function that works, and
 *
 *     int main(int argc, char **argv)
 *     {
 *         return program_main(&def, argc, argv);
 *     }
 *
 * Common options: --help --version -c/--config INI, --log TARGET, -v/--verbose. The ini is
 * the one of -c, else $SMARTER_INI, else SYSCONFDIR/smarter.ini.
 *
 * A program with a schedule also has --if-due: cron calls it every minute on every machine, and it
 * works when the schedule of its prefix says so (core/sb_schedule.h), on one of them. Nothing to do:
 * exit status 0, without a word.
 *
 * SIGTERM and SIGINT ask to end, SIGHUP to read the ini again: program_reload().
 */

#include <apr_tables.h>
#include <apr_time.h>
#include "core/sb_conf.h"
#include "core/sb_status.h"

/* Exit status; design.md 4. */
#define PROGRAM_DONE 0
#define PROGRAM_FAILED 1
#define PROGRAM_USAGE 2
#define PROGRAM_AGAIN 75 /* a server is down: try again later (EX_TEMPFAIL) */

/* program_option_t.flags */
#define PROGRAM_ONCE 1 /* makes this run a one-shot for people: log as text on stderr */

/* program_def_t.flags */
#define PROGRAM_TOOL 1   /* always for people: log as text on stderr */
#define PROGRAM_NO_INI 2 /* runs without an ini; one named by -c is read all the same */

typedef struct {
    const char *name; /* without "--" */
    int letter;       /* short form, or 0 */
    const char *arg;  /* what the argument is called in the help; NULL: the option takes none;
                         "[NAME]": it may be left out, and is given as --option=VALUE */
    const char *help;
    int flags;
} program_option_t;

typedef struct program_t program_t;

typedef struct {
    const char *name;                /* as installed: "smarter-worker-udl" */
    const char *summary;             /* one line for --help */
    const char *usage;               /* "[OPTION...] FILE..." */
    const char *section;             /* of the ini: "app" or "app:main" */
    const program_option_t *options; /* own ones, ended by name NULL; may be NULL */
    int max_args;                    /* how many arguments besides options; more is a usage error */
    int flags;
    int (*run)(program_t *prog); /* the work; its value is the exit status */
    /* Prefix of its schedule; NULL: none. program_main deals with --if-due, and run() sees the option
     * only when it is due. With "<name>" in it, run() asks program_due() about each name itself. */
    const char *schedule;
} program_def_t;

struct program_t {
    const program_def_t *def;
    apr_pool_t *pool;         /* lives as long as the program */
    sb_conf_t *conf;          /* the section of def; NULL only with PROGRAM_NO_INI and no -c.
                                 Another one after program_reload() */
    const char *ini;          /* its path; NULL as above */
    apr_array_header_t *args; /* of const char *: arguments that are no options */
};

int program_main(const program_def_t *def, int argc, char **argv);

/** Value of an option (the last one given), "" if it has none, NULL if it was not given. */
const char *program_option(const program_t *prog, const char *name);

/** All values of an option in the order given; empty if none. */
const apr_array_header_t *program_options(const program_t *prog, const char *name);

/**
 * Is a key set without which there is nothing to do? If not, stderr says so: whoever starts a program looks there,
 * wherever its log may be.
 * @param other a key that stands for it as well, or NULL
 * @param hint  what may help, or NULL
 */
int program_has(const program_t *prog, const char *key, const char *other, const char *hint);

/** Load another section of the same ini; says what is wrong on stderr. @return NULL if it is bad */
sb_conf_t *program_section(program_t *prog, const char *section);

/**
 * Read the ini again if SIGHUP asked for it, and open the log anew. Call it between two pieces of
 * work. A file that is wrong is complained of in the log, and the old one stays.
 * @return 1: prog->conf is a new one. Texts of the old one are good until the next time this is 1.
 */
int program_reload(program_t *prog);

/** "HOST:PID", for people. */
const char *program_host_and_pid(apr_pool_t *p);

/** Was SIGHUP received since the last program_reload()? */
int program_hung_up(void);

/** A turn of a scheduled job: held until the end of the program or program_due_end(). */
typedef struct program_turn_t program_turn_t;

/**
 * Is a scheduled job due, and ours? For schedules with names ("file-grabber.<name>"), when --if-due
 * was given; what goes wrong is logged.
 * @param prefix "file-grabber.lz"
 * @param pturn  NULL unless APR_SUCCESS
 * @return APR_SUCCESS do it, then program_due_end(); APR_NOTFOUND not now, or not enabled;
 *         anything else: the statistics database cannot be asked
 */
apr_status_t program_due(program_turn_t **pturn, program_t *prog, const char *prefix) SB_MUST_CHECK;

/** The job is done. @param status as the exit status of a program */
void program_due_end(program_turn_t *turn, int status);

/** Say "NAME: text" and a hint at --help on stderr. @return PROGRAM_USAGE */
int program_usage(const program_t *prog, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/** Say "NAME: what: why" on stderr. @return PROGRAM_FAILED */
int program_complain(const program_t *prog, const char *what, const char *why);

/** A whole number within bounds, and nothing behind it. @return 0 it is none */
int program_number(int *pn, const char *text, int min, int max) SB_MUST_CHECK;

/** Was SIGTERM or SIGINT received? Safe from any thread. */
int program_stopping(void);

/** Becomes readable for good once the program is to stop: for poll(2). */
int program_stop_fd(void);

/** Sleep, or less when the program is to stop. @return program_stopping() */
int program_sleep(apr_interval_time_t t);

/** One run of a program_repeat().
 *  @param p     of this run
 *  @param aloud somebody waits for us: say how it went
 *  @return exit status */
typedef int program_once_t(program_t *prog, apr_pool_t *p, int aloud);

/* program_repeat() */
#define PROGRAM_GO_ON                                                                              \
    1 /* a run that failed does not end the program: the next one may find other work */

/**
 * The run() of a program with the options "once" and "every": does it once, or again and again with a pause of so
 * many seconds, a longer one after a run that could not be, and reads the ini again where SIGHUP asks for it.
 * @return exit status; with --every only of a run that failed, or PROGRAM_DONE when asked to stop
 */
int program_repeat(program_t *prog, program_once_t *once, int flags);

/** Another process is at it and will do the work. @return PROGRAM_DONE */
int program_leave_it(const program_t *prog, int aloud);

/** PROGRAM_DONE, PROGRAM_AGAIN (sb_is_transient) or PROGRAM_FAILED. */
int program_status(apr_status_t rv);

/** A growing pause between attempts: 0.5 s, 1 s, ... max 30 s; any success sets it back to zero. */
typedef struct {
    apr_interval_time_t next;
} program_backoff_t;
apr_interval_time_t program_backoff(program_backoff_t *b); /* the pause to take now */

/** For programs with the pickup zone's ini. */
#define PROGRAM_PICKUP_INI "the pickup zone has an ini of its own, to be named by -c"

#endif
