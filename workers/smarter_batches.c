/* smarter batches: one line for each batch, once or again and again. */

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

#include "workers/smarter.h"
#include "workers/smarter_batch.h"

#define SHORT_ID 8
#define BAR 10
#define MAX_SECONDS 3600
#define CLEAR_LINE "\033[K"
#define CLEAR_REST "\033[J"

typedef struct {
    program_t *prog;
    sb_batches_filter_t filter;
    smarter_screen_t screen;
    int json, watch;
    apr_interval_time_t every;
    apr_hash_t *shown; /* watch into a pipe: guid to the line that was printed last */
    apr_pool_t *pshown;
} list_t;

/* ---- one line ---------------------------------------------------------------------------------- */

/* So many characters of a guid that the listed ones differ. */
static int id_length(const apr_array_header_t *list)
{
    int i, j, n = SHORT_ID;

    for (i = 0; i < list->nelts; i++) {
        for (j = 0; j < i; j++) {
            const char *a = APR_ARRAY_IDX(list, i, sb_batch_t).guid,
                       *b = APR_ARRAY_IDX(list, j, sb_batch_t).guid;
            int same = 0;

            while (a[same] && a[same] == b[same]) {
                same++;
            }
            n = same >= n ? same + 1 : n;
        }
    }
    return n;
}

static const char *progress(const list_t *l, const sb_batch_t *b, apr_pool_t *p)
{
    char bar[BAR + 1];
    int full = b->percent * BAR / 100;

    if (b->percent < 0) {
        return "";
    }
    if (!l->watch || !l->screen.tty || b->state != SB_BATCH_RUNNING) {
        return apr_psprintf(p, "%d%%", b->percent);
    }
    memset(bar, '.', BAR);
    memset(bar, '#', (size_t)full);
    bar[BAR] = '\0';
    return apr_psprintf(p, "[%s] %3d%%", bar, b->percent);
}

static const char *count(apr_int64_t n, int begun, apr_pool_t *p)
{
    return !begun || n < 0 ? "" : apr_psprintf(p, "%" APR_INT64_T_FMT, n);
}

static const char *const *cells(const list_t *l, const sb_batch_t *b, int id_len, apr_pool_t *p)
{
    const char **c = apr_pcalloc(p, 13 * sizeof *c);

    c[0] = apr_pstrndup(p, b->guid, (apr_size_t)id_len);
    c[1] = b->tenant;
    c[2] = b->package ? smarter_safe(b->package, p) : "-";
    c[3] = b->kind ? b->kind : "";
    c[4] = apr_pstrcat(p, b->stage, b->stalled ? " !" : "", NULL);
    c[5] = progress(l, b, p);
    c[6] = b->rate > 0 ? apr_pstrcat(p, smarter_short(b->rate, p), "/s", NULL) : "";
    c[7] = count(b->rows_read, b->begun, p);
    c[8] = count(b->rows_loaded, b->begun || b->load_status, p);
    c[9] = count(b->rows_rejected, b->begun, p);
    c[10] = count(b->rows_deduplicated, b->begun, p);
    c[11] = smarter_age(b->now - b->arrived, p);
    c[12] = smarter_batch_note(b, p);
    return c;
}

static const smarter_column_t columns[] = {
    {"BATCH", 0, 0, 0, 0},    {"TENANT", 0, 0, 0, 0}, {"PACKAGE", 0, 0, 40, 14},
    {"KIND", 0, 7, 0, 0},     {"STAGE", 0, 0, 0, 0},  {"DONE", 1, 0, 0, 0},
    {"RATE", 1, 8, 0, 0},     {"READ", 1, 6, 0, 0},   {"LOADED", 1, 0, 0, 0},
    {"REJECTED", 1, 2, 0, 0}, {"DUP", 1, 9, 0, 0},    {"AGE", 1, 0, 0, 0},
    {"NOTE", 0, 0, 0, 0}};

#define NCOLUMNS ((int)(sizeof columns / sizeof columns[0]))

/* @return of const char *: titles, then one for each batch */
static apr_array_header_t *lines_of(const list_t *l, const apr_array_header_t *list, apr_pool_t *p)
{
    apr_array_header_t *rows = apr_array_make(p, list->nelts + 1, sizeof(const char *const *));
    int i, id_len = id_length(list);

    for (i = 0; i < list->nelts; i++) {
        APR_ARRAY_PUSH(rows, const char *const *) =
            cells(l, &APR_ARRAY_IDX(list, i, sb_batch_t), id_len, p);
    }
    return smarter_table(columns, NCOLUMNS, rows, l->screen.width, p);
}

static void print_line(const list_t *l, const char *text, const sb_batch_t *b, const char *end)
{
    const char *colour = "";

    if (l->screen.colour) {
        colour = !b                             ? "\033[1m"
                 : b->state == SB_BATCH_FAILED  ? "\033[31m"
                 : b->stalled                   ? "\033[33m"
                 : b->state == SB_BATCH_RUNNING ? "\033[36m"
                 : b->state == SB_BATCH_DONE    ? "\033[2m"
                                                : "";
    }
    printf("%s%s%s%s", colour, text, *colour ? "\033[0m" : "", end);
}

/* ---- all of them ------------------------------------------------------------------------------- */

static void print_json(const apr_array_header_t *list, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    int i;

    sb_jw_array(w, NULL);
    for (i = 0; i < list->nelts; i++) {
        sb_jw_object(w, NULL);
        smarter_batch_json(w, &APR_ARRAY_IDX(list, i, sb_batch_t));
        sb_jw_end(w);
    }
    sb_jw_end(w);
    smarter_json_print(w);
}

static void print_all(const list_t *l, const apr_array_header_t *list, const char *end,
                      apr_pool_t *p)
{
    const apr_array_header_t *lines = lines_of(l, list, p);
    int i, first = 0;

    if (l->watch && l->screen.height && lines->nelts > l->screen.height - 2) {
        first = lines->nelts - (l->screen.height - 2); /* the newest ones fit */
    }
    print_line(l, APR_ARRAY_IDX(lines, 0, const char *), NULL, end);
    for (i = first; i < list->nelts; i++) {
        print_line(l, APR_ARRAY_IDX(lines, i + 1, const char *),
                   &APR_ARRAY_IDX(list, i, sb_batch_t), end);
    }
    if (!list->nelts && l->screen.tty) {
        printf("no batch%s", end);
    }
}

/* Into a pipe: what is new, a line each. Age and rate alone are no news. */
static void print_changes(list_t *l, const apr_array_header_t *list, apr_pool_t *p)
{
    const apr_array_header_t *lines = lines_of(l, list, p);
    int i, first = l->shown == NULL;

    if (first) {
        l->shown = apr_hash_make(l->pshown);
        if (!l->json) {
            puts(APR_ARRAY_IDX(lines, 0, const char *));
        }
    }
    for (i = 0; i < list->nelts; i++) {
        const sb_batch_t *b = &APR_ARRAY_IDX(list, i, sb_batch_t);
        const char *news = apr_psprintf(p, "%s %s %d %d %" APR_INT64_T_FMT, b->stage,
                                        b->stalled ? "!" : "", b->percent, b->place, b->rows_read),
                   *old = apr_hash_get(l->shown, b->guid, APR_HASH_KEY_STRING);

        if (old && !strcmp(old, news)) {
            continue;
        }
        apr_hash_set(l->shown, apr_pstrdup(l->pshown, b->guid), APR_HASH_KEY_STRING,
                     apr_pstrdup(l->pshown, news));
        if (l->json) {
            sb_jw_t *w = sb_jw_make(p);

            sb_jw_object(w, NULL);
            smarter_batch_json(w, b);
            sb_jw_end(w);
            smarter_json_print(w);
        }
        else {
            puts(APR_ARRAY_IDX(lines, i + 1, const char *));
        }
    }
}

static int once(list_t *l, apr_pool_t *p)
{
    apr_array_header_t *list;
    sb_batches_t *b;
    int status = smarter_batches_open(&b, l->prog, p);

    if (status != PROGRAM_DONE) {
        return status;
    }
    status = smarter_failed(l->prog, sb_batches_list(&list, b, &l->filter, p), sb_batches_udl(b));
    if (status != PROGRAM_DONE) {
        return status;
    }
    if (l->watch && l->screen.tty) {
        fputs("\033[H", stdout);
        print_all(l, list, CLEAR_LINE "\n", p);
        printf("%s%s  ^C ends" CLEAR_LINE CLEAR_REST, l->screen.colour ? "\033[0m" : "",
               smarter_time(apr_time_now(), p));
    }
    else if (l->watch) {
        print_changes(l, list, p);
    }
    else if (l->json) {
        print_json(list, p);
    }
    else {
        print_all(l, list, "\n", p);
    }
    fflush(stdout);
    return PROGRAM_DONE;
}

/* A database that is away for a while is said once a round, and asked again. */
static int watch(list_t *l)
{
    apr_pool_t *p;

    if (apr_pool_create(&p, l->prog->pool) != APR_SUCCESS) {
        return PROGRAM_AGAIN;
    }
    if (l->screen.tty) {
        fputs("\033[2J", stdout);
    }
    do {
        l->screen = smarter_screen(); /* it may have been resized */
        if (once(l, p) == PROGRAM_FAILED) {
            return PROGRAM_FAILED;
        }
        apr_pool_clear(p);
    } while (!ferror(stdout) && !program_sleep(l->every));
    if (l->screen.tty) {
        putchar('\n');
    }
    return PROGRAM_DONE;
}

/* ---- options ----------------------------------------------------------------------------------- */

/* "90", "90s", "30m", "12h", "2d", "1w". @return -1 it is none */
static apr_interval_time_t interval(const char *text)
{
    static const char units[] = "smhdw";
    static const int secs[] = {1, 60, 3600, 86400, 7 * 86400};
    const char *unit;
    char *end;
    long n;

    n = strtol(text, &end, 10);
    if (end == text || n < 0 || n > 1000000 || (*end && end[1])) {
        return -1;
    }
    unit = *end ? strchr(units, *end) : units;
    return unit ? apr_time_from_sec((apr_interval_time_t)n * secs[unit - units]) : -1;
}

static int read_state(int *pstate, const char *name)
{
    int i;

    *pstate = -1;
    for (i = SB_BATCH_WAITING; i <= SB_BATCH_DONE; i++) {
        if (!strcmp(name, sb_batch_state_name((sb_batch_state_t)i))) {
            *pstate = i;
        }
    }
    return *pstate >= 0 || !strcmp(name, "all");
}

static int run(program_t *prog)
{
    const char *state = program_option(prog, "state"), *since = program_option(prog, "since"),
               *limit = program_option(prog, "limit"), *every = program_option(prog, "watch");
    list_t l = {.prog = prog, .filter = {.tenant = program_option(prog, "tenant")}};
    int secs = 2;

    l.filter.since = interval(since ? since : "2d");
    l.json = program_option(prog, "json") != NULL;
    l.watch = every != NULL;
    if (l.watch && prog->args->nelts) {
        every = APR_ARRAY_IDX(prog->args, 0, const char *); /* "--watch 5" */
    }
    else if (prog->args->nelts) {
        return program_usage(prog, "unexpected argument '%s'",
                             APR_ARRAY_IDX(prog->args, 0, const char *));
    }
    if (l.filter.since < 0) {
        return program_usage(prog, "--since %s: a time such as 90s, 30m, 12h, 2d, 1w", since);
    }
    if (!read_state(&l.filter.state, state ? state : "all")) {
        return program_usage(prog, "--state %s: waiting, running, held, failed, done or all",
                             state);
    }
    if (!program_number(&l.filter.limit, limit ? limit : "50", 0, 100000)) {
        return program_usage(prog, "--limit %s: a number, 0 for all", limit);
    }
    if (every && *every && !program_number(&secs, every, 1, MAX_SECONDS)) {
        return program_usage(prog, "--watch %s: seconds from 1 to %d", every, MAX_SECONDS);
    }
    if (!smarter_tenant_is_known(prog, l.filter.tenant)) {
        return PROGRAM_FAILED;
    }
    l.every = apr_time_from_sec(secs);
    l.screen = smarter_screen();
    l.pshown = prog->pool;
    return l.watch ? watch(&l) : once(&l, prog->pool);
}

static const program_option_t options[] = {
    {"tenant", 't', "TENANT", "only batches of this one", 0},
    {"state", 's', "STATE", "only waiting, running, held, failed or done ones (default all)", 0},
    {"since", 0, "TIME",
     "arrived within this time: 90s, 30m, 12h, 2d, 1w (default 2d); what is under way is always "
     "shown",
     0},
    {"limit", 'n', "NUMBER", "at most so many, the newest (default 50; 0: all)", 0},
    {"watch", 'w', "[SECONDS]",
     "again and again (default every 2 s): in place on a terminal, else a line for each change", 0},
    {"json", 0, NULL, "a JSON array; with --watch one object a line", 0},
    {NULL, 0, NULL, NULL, 0}};

const program_def_t smarter_batches = {
    .name = SMARTER_COMMAND "batches",
    .summary = "list batches and what they are doing, the newest last",
    .usage = "[--tenant TENANT] [--state STATE] [--since TIME] [--watch [SECONDS]] [--json]",
    .section = "app",
    .options = options,
    .max_args = 1,
    .flags = PROGRAM_TOOL,
    .run = run};
