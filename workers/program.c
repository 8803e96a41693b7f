/* Common main() of the programs: options, ini, logging, signals. See program.h. */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_pools.h>
#include <apr_strings.h>

#include "core/sb_log.h"
#include "core/sb_schedule.h"
#include "store/sb_schedule_run.h"
#include "workers/program.h"

#define FIRST_LONG 1000 /* getopt values of our options, above any character */
#define BACKOFF_FIRST apr_time_from_msec(500)
#define BACKOFF_MAX apr_time_from_sec(30)

typedef struct {
    const char *name;
    const char *value;
} given_t;

/* What the callbacks of a process need: there is one main(), hence one of these. */
static struct {
    program_t prog;
    apr_array_header_t *given; /* of given_t */
    sb_log_level_t level;
    int to_stream;
    apr_pool_t *conf_pool, *old_conf_pool; /* of the ini, and of the one before it */
} self;

static const program_option_t common_options[] = {
    {"config", 'c', "INI",
     "read this ini file (default $SMARTER_INI, else " SB_SYSCONFDIR "/smarter.ini)", 0},
    {"log", 0, "TARGET", "log to stderr, syslog, none or file:/PATH instead of where the ini says",
     0},
    {"verbose", 'v', NULL, "log debugging lines too", 0},
    {"help", 'h', NULL, "print this text", 0},
    {"version", 0, NULL, "print the version", 0},
    {NULL, 0, NULL, NULL, 0}};

static const program_option_t schedule_options[] = {
    {"if-due", 0, NULL, "do it if the schedule of the ini says so, and nobody did; for cron", 0},
    {NULL, 0, NULL, NULL, 0}};

/* ---- signals --------------------------------------------------------------------------------- */

static volatile sig_atomic_t stopping, hung_up;
static int stop_pipe[2] = {-1, -1};

static void on_stop(int sig)
{
    int saved = errno;
    ssize_t n;

    (void)sig;
    if (!stopping) {
        stopping = 1;
        n = write(stop_pipe[1], "", 1);
        (void)n;
    }
    errno = saved;
}

static void on_hangup(int sig)
{
    (void)sig;
    hung_up = 1;
}

static int install_signals(void)
{
    struct sigaction sa;

    if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK)) {
        return -1;
    }
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = on_stop;
    sigemptyset(&sa.sa_mask);
    if (sigaction(SIGTERM, &sa, NULL) || sigaction(SIGINT, &sa, NULL)) {
        return -1;
    }
    sa.sa_handler = on_hangup; /* without SA_RESTART: it ends a wait for something else */
    if (sigaction(SIGHUP, &sa, NULL)) {
        return -1;
    }
    sa.sa_handler = SIG_IGN;
    return sigaction(SIGPIPE, &sa, NULL);
}

int program_stopping(void)
{
    return stopping;
}

int program_hung_up(void)
{
    return hung_up;
}

int program_stop_fd(void)
{
    return stop_pipe[0];
}

int program_sleep(apr_interval_time_t t)
{
    struct pollfd pfd = {.fd = stop_pipe[0], .events = POLLIN};
    apr_time_t end = apr_time_now() + t;

    while (!stopping && t > 0) {
        poll(&pfd, 1, (int)(t / 1000) + 1);
        t = end - apr_time_now();
    }
    return stopping;
}

/* ---- logging --------------------------------------------------------------------------------- */

static void to_stderr(sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    static const char *const names[] = {"debug", "info", "notice", "warning", "error"};
    char buf[200];

    if (rv == APR_SUCCESS) {
        fprintf(stderr, "%s: %s: SB%d %s\n", self.prog.def->name, names[level], number, text);
    }
    else {
        fprintf(stderr, "%s: %s: SB%d %s: %s\n", self.prog.def->name, names[level], number, text,
                sb_strerror(rv, buf, sizeof buf));
    }
}

static void log_line(void *ctx, sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    if (level < self.level) {
        return;
    }
    if (self.to_stream) {
        sb_log_to_stream(ctx, level, number, rv, text);
    }
    else {
        to_stderr(level, number, rv, text);
    }
}

/* Is this run one for people, who read stderr? */
static int for_people(const program_t *prog)
{
    const program_option_t *o;

    for (o = prog->def->options; o && o->name; o++) {
        if ((o->flags & PROGRAM_ONCE) && program_option(prog, o->name)) {
            return 1;
        }
    }
    return prog->def->flags & PROGRAM_TOOL;
}

static const char *open_log(program_t *prog)
{
    const char *target = program_option(prog, "log");

    if (!target && !for_people(prog) && prog->conf) {
        target = sb_conf_str(prog->conf, "logging.application");
    }
    if (!target || !strcmp(target, "stderr")) {
        return NULL;
    }
    self.to_stream = 1;
    return sb_stream_open(SB_STREAM_APPLICATION, target, prog->pool);
}

/* ---- options --------------------------------------------------------------------------------- */

static int usage_error(const program_t *prog, const char *text)
{
    fprintf(stderr, "%s: %s\nTry '%s --help'.\n", prog->def->name, text, prog->def->name);
    return PROGRAM_USAGE;
}

int program_complain(const program_t *prog, const char *what, const char *why)
{
    fprintf(stderr, "%s: %s: %s\n", prog->def->name, what, why);
    return PROGRAM_FAILED;
}

int program_number(int *pn, const char *text, int min, int max)
{
    char *end;
    long n = strtol(text, &end, 10);

    *pn = n < min ? min : n > max ? max : (int)n;
    return end != text && !*end && n == *pn;
}

int program_usage(const program_t *prog, const char *fmt, ...)
{
    const char *text;
    va_list ap;

    va_start(ap, fmt);
    text = apr_pvsprintf(prog->pool, fmt, ap);
    va_end(ap);
    return usage_error(prog, text);
}

static void help_option(const program_option_t *o)
{
    char left[80];

    if (o->letter) {
        snprintf(left, sizeof left, "-%c, --%s%s%s", o->letter, o->name, o->arg ? " " : "",
                 o->arg ? o->arg : "");
    }
    else {
        snprintf(left, sizeof left, "    --%s%s%s", o->name, o->arg ? " " : "",
                 o->arg ? o->arg : "");
    }
    printf("  %-28s  %s\n", left, o->help);
}

static void help_options(const program_option_t *o)
{
    for (; o && o->name; o++) {
        help_option(o);
    }
}

static void help(const program_def_t *def)
{

    printf("Usage: %s %s\n%s\n\n", def->name, def->usage ? def->usage : "[OPTION...]",
           def->summary);
    help_options(def->options);
    help_options(def->schedule ? schedule_options : NULL);
    help_options(common_options);
    puts("\nExit status: 0 done, 1 failed, 2 usage, 75 try again later.");
}

/* One table and one string for getopt_long from own and common options. */
static void add_options(const program_option_t *o, apr_array_header_t *longs,
                        apr_array_header_t *all, char **pshort, apr_pool_t *p)
{
    for (; o && o->name; o++) {
        struct option *l = apr_array_push(longs);

        l->name = o->name;
        l->has_arg = !o->arg ? no_argument : *o->arg == '[' ? optional_argument : required_argument;
        l->flag = NULL;
        l->val = FIRST_LONG + all->nelts;
        APR_ARRAY_PUSH(all, const program_option_t *) = o;
        if (o->letter) {
            *pshort = apr_psprintf(p, "%s%c%s", *pshort, o->letter,
                                   !o->arg          ? ""
                                   : *o->arg == '[' ? "::"
                                                    : ":");
        }
    }
}

static const program_option_t *option_of(const apr_array_header_t *all, int c)
{
    int i;

    for (i = 0; i < all->nelts; i++) {
        const program_option_t *o = APR_ARRAY_IDX(all, i, const program_option_t *);

        if (c == FIRST_LONG + i || (c < FIRST_LONG && c == o->letter)) {
            return o;
        }
    }
    return NULL;
}

/* @return -1 to go on, else an exit status */
static int read_options(program_t *prog, int argc, char **argv)
{
    apr_pool_t *p = prog->pool;
    apr_array_header_t *longs = apr_array_make(p, 16, sizeof(struct option));
    apr_array_header_t *all = apr_array_make(p, 16, sizeof(const program_option_t *));
    char *shorts = apr_pstrdup(p, ":");
    int c;

    add_options(prog->def->options, longs, all, &shorts, p);
    add_options(prog->def->schedule ? schedule_options : NULL, longs, all, &shorts, p);
    add_options(common_options, longs, all, &shorts, p);
    memset(apr_array_push(longs), 0, sizeof(struct option));
    opterr = 0;
    while ((c = getopt_long(argc, argv, shorts, (const struct option *)longs->elts, NULL)) != -1) {
        const program_option_t *o = option_of(all, c);
        given_t *g;

        if (c == ':') {
            return program_usage(prog, "option '%s' needs an argument", argv[optind - 1]);
        }
        if (!o) {
            return program_usage(prog, "unknown option '%s'", argv[optind - 1]);
        }
        g = apr_array_push(self.given);
        g->name = o->name;
        g->value = o->arg && optarg ? optarg : "";
    }
    for (; optind < argc; optind++) {
        APR_ARRAY_PUSH(prog->args, const char *) = argv[optind];
    }
    if (program_option(prog, "help")) {
        help(prog->def);
        return PROGRAM_DONE;
    }
    if (program_option(prog, "version")) {
        printf("%s (Smarter Reporting) %s\n", prog->def->name, PACKAGE_VERSION);
        return PROGRAM_DONE;
    }
    if (prog->args->nelts > prog->def->max_args) {
        return program_usage(prog, "unexpected argument '%s'",
                             APR_ARRAY_IDX(prog->args, prog->def->max_args, const char *));
    }
    return -1;
}

const char *program_option(const program_t *prog, const char *name)
{
    int i;

    (void)prog;
    for (i = self.given->nelts - 1; i >= 0; i--) {
        const given_t *g = &APR_ARRAY_IDX(self.given, i, given_t);

        if (!strcmp(g->name, name)) {
            return g->value;
        }
    }
    return NULL;
}

const apr_array_header_t *program_options(const program_t *prog, const char *name)
{
    apr_array_header_t *values = apr_array_make(prog->pool, 4, sizeof(const char *));
    int i;

    for (i = 0; i < self.given->nelts; i++) {
        const given_t *g = &APR_ARRAY_IDX(self.given, i, given_t);

        if (!strcmp(g->name, name)) {
            APR_ARRAY_PUSH(values, const char *) = g->value;
        }
    }
    return values;
}

/* ---- ini ------------------------------------------------------------------------------------- */

sb_conf_t *program_section(program_t *prog, const char *section)
{
    const char *problem;
    sb_conf_t *conf;

    problem = sb_conf_load(&conf, prog->ini, section, prog->pool);
    if (problem) {
        fprintf(stderr, "%s: %s\n", prog->def->name, problem);
        return NULL;
    }
    return conf;
}

int program_has(const program_t *prog, const char *key, const char *other, const char *hint)
{
    if (sb_conf_str(prog->conf, key) || (other && sb_conf_str(prog->conf, other))) {
        return 1;
    }
    fprintf(stderr, "%s: %s: %s is not set%s%s\n", prog->def->name, prog->ini, key,
            hint ? "; " : "", hint ? hint : "");
    return 0;
}

/* @return -1 to go on, else an exit status */
static int read_ini(program_t *prog)
{
    const char *path = program_option(prog, "config");

    if (!path) {
        path = program_option(prog, "ini"); /* what some programs' older name of it is */
    }
    if (!path && (prog->def->flags & PROGRAM_NO_INI)) {
        return -1;
    }
    if (!path) {
        path = getenv("SMARTER_INI");
    }
    prog->ini = path && *path ? path : SB_SYSCONFDIR "/smarter.ini";
    if (access(prog->ini, F_OK) && !program_option(prog, "config")) {
        fprintf(stderr, "%s: there is no %s; name the ini by -c INI or $SMARTER_INI\n",
                prog->def->name, prog->ini);
        return PROGRAM_FAILED;
    }
    prog->conf = program_section(prog, prog->def->section);
    return prog->conf ? -1 : PROGRAM_FAILED;
}

int program_reload(program_t *prog)
{
    const char *problem;
    apr_pool_t *p;
    sb_conf_t *conf;

    if (!hung_up || !prog->conf) {
        return 0;
    }
    hung_up = 0;
    apr_pool_create(&p, prog->pool);
    problem = sb_conf_load(&conf, prog->ini, prog->def->section, p);
    if (problem) {
        sb_log(SB_LOG_ERROR, SBLOGNO(4501), SB_NO_STATUS, "keeping the configuration I have: %s",
               problem);
        apr_pool_destroy(p);
        return 0;
    }
    if (self.old_conf_pool) {
        apr_pool_destroy(self.old_conf_pool);
    }
    self.old_conf_pool = self.conf_pool;
    self.conf_pool = p;
    prog->conf = conf;
    problem = open_log(prog);
    if (problem) {
        sb_log(SB_LOG_ERROR, SBLOGNO(4502), SB_NO_STATUS, "logging as before: %s", problem);
    }
    sb_log(SB_LOG_INFO, SBLOGNO(4500), SB_NO_STATUS, "read %s again", prog->ini);
    return 1;
}

/* ---- schedules ------------------------------------------------------------------------------- */

struct program_turn_t {
    apr_pool_t *p;
    sb_db_t *db; /* holds the turn */
    const char *prefix, *host;
};

const char *program_host_and_pid(apr_pool_t *p)
{
    char host[256] = "";

    gethostname(host, sizeof host - 1);
    return apr_psprintf(p, "%s:%d", host, (int)getpid());
}

static apr_status_t take_turn(program_turn_t *turn, const sb_conf_t *conf, const sb_schedule_t *s)
{
    const char *url = sb_conf_str(conf, "migrate_stats.db.url");
    sb_db_opts_t opts = {.app = self.prog.def->name,
                         .schema = sb_conf_str(conf, "edware_stats.db.schema_name")};
    apr_status_t rv;

    url = url ? url : sb_conf_str(conf, "edware_stats.db.url");
    if (!url) {
        sb_log(SB_LOG_ERROR, SBLOGNO(4503), SB_NO_STATUS, "%s: edware_stats.db.url is needed",
               sb_conf_path(conf));
        return SB_ECONFIG;
    }
    rv = sb_db_open(&turn->db, sb_conf_db_url(url, turn->p), &opts, turn->p);
    if (rv == APR_SUCCESS) {
        rv = sb_schedule_run_take(turn->db, turn->prefix, s, turn->host, apr_time_now(), turn->p);
    }
    if (rv != APR_SUCCESS && !APR_STATUS_IS_NOTFOUND(rv)) {
        sb_log(sb_is_transient(rv) ? SB_LOG_WARN : SB_LOG_ERROR, SBLOGNO(4504), rv,
               "%s: asking whether it is due: %s", turn->prefix,
               turn->db ? sb_db_error(turn->db) : "no connection");
    }
    return rv;
}

apr_status_t program_due(program_turn_t **pturn, program_t *prog, const char *prefix)
{
    program_turn_t *turn;
    sb_schedule_t *s;
    apr_status_t rv;
    apr_pool_t *p;

    *pturn = NULL;
    rv = apr_pool_create(&p, prog->pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    turn = apr_pcalloc(p, sizeof *turn);
    turn->p = p;
    turn->prefix = apr_pstrdup(p, prefix);
    turn->host = program_host_and_pid(p);
    s = sb_schedule_read(prog->conf, prefix, p);
    rv = s ? take_turn(turn, prog->conf, s) : APR_NOTFOUND;
    if (rv == APR_SUCCESS) {
        *pturn = turn;
    }
    else {
        apr_pool_destroy(p);
    }
    return rv;
}

void program_due_end(program_turn_t *turn, int status)
{
    apr_status_t rv = sb_schedule_run_end(turn->db, turn->prefix, turn->host, status);

    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(4505), rv, "%s: its end is not noted", turn->prefix);
    }
    apr_pool_destroy(turn->p);
}

/* run(), or with --if-due perhaps not. */
static int run(program_t *prog)
{
    const char *schedule = prog->def->schedule;
    program_turn_t *turn;
    apr_status_t rv;
    int status;

    if (!schedule || strchr(schedule, '<') || !program_option(prog, "if-due")) {
        return prog->def->run(prog);
    }
    rv = program_due(&turn, prog, schedule);
    if (rv != APR_SUCCESS) {
        return APR_STATUS_IS_NOTFOUND(rv) ? PROGRAM_DONE : program_status(rv);
    }
    status = prog->def->run(prog);
    program_due_end(turn, status);
    return status;
}

/* ---- again and again ------------------------------------------------------------------------- */

#define EVERY_MAX 86400 /* seconds */

static int go_round(program_t *prog, program_once_t *once, int flags, apr_interval_time_t every)
{
    program_backoff_t backoff = {0};
    apr_pool_t *p;

    if (apr_pool_create(&p, prog->pool) != APR_SUCCESS) {
        return PROGRAM_AGAIN;
    }
    while (!stopping) {
        apr_interval_time_t pause = every, longer;
        int status = once(prog, p, 0);

        apr_pool_clear(p);
        if (status == PROGRAM_FAILED && !(flags & PROGRAM_GO_ON)) {
            return status; /* an operator has to mend something */
        }
        if (status == PROGRAM_DONE) {
            backoff.next = 0;
        }
        else {
            longer = program_backoff(&backoff);
            pause = longer > pause ? longer : pause;
        }
        program_sleep(pause);
        program_reload(prog);
    }
    return PROGRAM_DONE;
}

int program_repeat(program_t *prog, program_once_t *once, int flags)
{
    const char *every = program_option(prog, "every");
    int due = program_option(prog, "if-due") != NULL, secs;

    if ((every != NULL) + (program_option(prog, "once") != NULL) + due != 1) {
        return program_usage(prog, "say --once, %sor --every SECONDS",
                             prog->def->schedule ? "--if-due, " : "");
    }
    if (!every) {
        return once(prog, prog->pool, !due);
    }
    if (!program_number(&secs, every, 1, EVERY_MAX)) {
        return program_usage(prog, "--every %s: seconds from 1 to %d", every, EVERY_MAX);
    }
    return go_round(prog, once, flags, apr_time_from_sec(secs));
}

int program_leave_it(const program_t *prog, int aloud)
{
    if (aloud) {
        fprintf(stderr, "%s: another one is running; it will do the work\n", prog->def->name);
    }
    return PROGRAM_DONE;
}

/* ---- the whole ------------------------------------------------------------------------------- */

int program_status(apr_status_t rv)
{
    return rv == APR_SUCCESS ? PROGRAM_DONE : sb_is_transient(rv) ? PROGRAM_AGAIN : PROGRAM_FAILED;
}

apr_interval_time_t program_backoff(program_backoff_t *b)
{
    apr_interval_time_t now = b->next ? b->next : BACKOFF_FIRST;

    b->next = now * 2 > BACKOFF_MAX ? BACKOFF_MAX : now * 2;
    return now;
}

static int start(program_t *prog, int argc, char **argv)
{
    const char *problem;
    int status;

    status = read_options(prog, argc, argv);
    if (status >= 0) {
        return status;
    }
    if (install_signals()) {
        perror(prog->def->name);
        return PROGRAM_FAILED;
    }
    self.level = program_option(prog, "verbose") ? SB_LOG_DEBUG : SB_LOG_INFO;
    if (for_people(prog) && !program_option(prog, "verbose")) {
        self.level = SB_LOG_WARN;
    }
    sb_log_set(log_line, (void *)(uintptr_t)prog->def->name);
    status = read_ini(prog);
    if (status >= 0) {
        return status;
    }
    problem = open_log(prog);
    if (problem) {
        fprintf(stderr, "%s: %s\n", prog->def->name, problem);
        return PROGRAM_FAILED;
    }
    return run(prog);
}

int program_main(const program_def_t *def, int argc, char **argv)
{
    program_t *prog = &self.prog;
    int status;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&prog->pool, NULL) != APR_SUCCESS) {
        fprintf(stderr, "%s: no memory\n", def->name);
        return PROGRAM_AGAIN;
    }
    prog->def = def;
    prog->args = apr_array_make(prog->pool, 4, sizeof(const char *));
    self.given = apr_array_make(prog->pool, 8, sizeof(given_t));
    status = start(prog, argc, argv);
    if (fflush(stdout) && status == PROGRAM_DONE) {
        perror(def->name);
        status = PROGRAM_FAILED;
    }
    apr_pool_destroy(prog->pool);
    apr_terminate();
    return status;
}
