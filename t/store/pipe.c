/* Pipelines of sb_db against a real server, and servers that do not answer. SMARTER_TEST_DB is its address. */
#include "../unit/tap.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "store/sb_db.h"

#define SCHEMA "sb pipe"

static const sb_stmt_t insert_row = {"p_insert", 2,
                                     "INSERT INTO {schema}.t VALUES ($1::int, $2) RETURNING id"};
static const sb_stmt_t count_rows = {"p_count", 0, "SELECT count(*) FROM {schema}.t"};
static const sb_stmt_t started = {"p_now", 0, "SELECT now()"};
static const sb_stmt_t bad_cast = {"p_cast", 1, "SELECT $1::text::smallint"};
static const sb_stmt_t no_table = {"p_nowhere", 0, "SELECT 1 FROM {schema}.nowhere"};
static const sb_stmt_t slow = {"p_slow", 0, "SELECT pg_sleep(30)"};
static const sb_stmt_t suicide = {"p_kill", 0, "SELECT pg_terminate_backend(pg_backend_pid())"};
static const sb_stmt_t prepared = {"p_prepared", 0, "SELECT count(*) FROM pg_prepared_statements"};

static void quiet(void *ctx, sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    (void)ctx, (void)level, (void)number, (void)rv, (void)text;
}

static apr_int64_t count(sb_db_t *db, apr_pool_t *p)
{
    sb_rows_t *rows;

    return sb_db_query(&rows, db, &count_rows, NULL, p) == APR_SUCCESS ? sb_rows_int(rows, 0, 0, -1)
                                                                       : -1;
}

static void results(sb_db_t *db, apr_pool_t *p)
{
    sb_pipe_t *pipe = sb_pipe_make(db, p);
    const char *args[] = {"1", "x'; DROP TABLE t --"}, *other[] = {"2", NULL}, *text[] = {"b"};
    sb_rows_t *before, *one, *two, *after, *said, *t1, *t2;

    ok(sb_pipe_run(pipe) == APR_SUCCESS, "nothing to ask is no fault");
    sb_pipe_query(&t1, pipe, &started, NULL);
    sb_pipe_query(&before, pipe, &count_rows, NULL);
    sb_pipe_query(&one, pipe, &insert_row, args);
    args[0] = "7"; /* the array was copied */
    sb_pipe_query(&two, pipe, &insert_row, other);
    sb_pipe_query_text(&said, pipe, "said", "SELECT $1 || 'c', NULL", 1, text);
    sb_pipe_query(&after, pipe, &count_rows, NULL);
    sb_pipe_query(&t2, pipe, &started, NULL);
    ok(!before && !after, "no rows before it runs");
    if (!ok(sb_pipe_run(pipe) == APR_SUCCESS, "seven statements: %s", sb_db_error(db))) {
        return;
    }
    ok(sb_rows_int(before, 0, 0, -1) == 0 && sb_rows_int(after, 0, 0, -1) == 2,
       "each sees what those before it did");
    ok(sb_rows_int(one, 0, 0, 0) == 1 && sb_rows_int(two, 0, 0, 0) == 2, "results in order");
    is_str(sb_rows_text(said, 0, 0), "bc", "SQL made at run time");
    ok(!sb_rows_text(said, 0, 1), "a NULL");
    is_str(sb_rows_text(t1, 0, 0), sb_rows_text(t2, 0, 0), "all sent together: one transaction");
    sb_pipe_query(&after, pipe, &count_rows, NULL);
    ok(sb_pipe_run(pipe) == APR_SUCCESS && sb_rows_int(after, 0, 0, -1) == 2, "once more");
    is_int(count(db, p), 2, "statements of their own go on");
}

static void transactions(sb_db_t *db, apr_pool_t *p)
{
    sb_pipe_t *pipe = sb_pipe_make(db, p);
    const char *three[] = {"3", "c"};
    sb_rows_t *rows, *level;

    sb_pipe_begin(pipe, SB_TX_SNAPSHOT);
    sb_pipe_query(&rows, pipe, &count_rows, NULL);
    sb_pipe_query_text(&level, pipe, "level", "SHOW transaction_isolation", 0, NULL);
    sb_pipe_commit(pipe);
    ok(sb_pipe_run(pipe) == APR_SUCCESS && sb_rows_int(rows, 0, 0, -1) == 2, "a snapshot: %s",
       sb_db_error(db));
    is_str(sb_rows_text(level, 0, 0), "repeatable read", "as it was asked for");
    sb_pipe_begin(pipe, SB_TX_SNAPSHOT);
    sb_pipe_query(&rows, pipe, &insert_row, three);
    sb_pipe_commit(pipe);
    ok(sb_pipe_run(pipe) == SB_EUNAVAILABLE && !rows, "which is read-only: %s", sb_db_error(db));
    sb_pipe_begin(pipe, SB_TX_WRITE);
    sb_pipe_query(&rows, pipe, &insert_row, three);
    ok(sb_pipe_run(pipe) == APR_SUCCESS, "begun in one trip");
    ok(sb_db_commit(db) == APR_SUCCESS, "and ended in another");
    is_int(count(db, p), 3, "the row is there");
    ok(sb_db_begin(db, SB_TX_WRITE) == APR_SUCCESS && sb_db_script(db, "SELEKT") == SB_EDB,
       "a transaction that failed");
    sb_pipe_commit(pipe);
    ok(sb_pipe_run(pipe) == SB_EDB, "its commit says so: %s", sb_db_error(db));
    sb_db_rollback(db);
}

static void errors(sb_db_t *db, apr_pool_t *p)
{
    sb_pipe_t *pipe = sb_pipe_make(db, p);
    const char *secret[] = {"Mary Smith"}, *four[] = {"4", "d"}, *twice[] = {"1", "x"};
    sb_rows_t *first, *bad, *last, *never;

    sb_pipe_begin(pipe, SB_TX_WRITE);
    sb_pipe_query(&first, pipe, &insert_row, four);
    sb_pipe_query(&bad, pipe, &bad_cast, secret);
    sb_pipe_query_text(&never, pipe, "never", "SELECT 'never prepared'", 0, NULL);
    sb_pipe_query(&last, pipe, &count_rows, NULL);
    sb_pipe_commit(pipe);
    is_int(sb_pipe_run(pipe), SB_EDB, "a statement in the middle fails");
    ok(!strncmp(sb_db_error(db), "p_cast: ", 8) && !strstr(sb_db_error(db), "Mary"),
       "it is named, its values are not: %s", sb_db_error(db));
    is_str(sb_db_sqlstate(db), "22P02", "its SQLSTATE");
    ok(!first && !bad && !never && !last, "no rows of any");
    is_int(count(db, p), 3, "rolled back, and the connection works");
    sb_pipe_query(&never, pipe, &started, NULL);
    sb_pipe_query_text(&last, pipe, "never", "SELECT 'never prepared'", 0, NULL);
    ok(sb_pipe_run(pipe) == APR_SUCCESS, "those behind it can be asked again: %s", sb_db_error(db));
    for (int i = 0; i < 2; i++) {
        sb_pipe_query(&first, pipe, &count_rows, NULL);
        sb_pipe_query(&bad, pipe, &no_table, NULL);
        ok(sb_pipe_run(pipe) == SB_EDB && !strncmp(sb_db_error(db), "p_nowhere: ", 11),
           "one that cannot be prepared: %s", sb_db_error(db));
    }
    sb_pipe_query(&first, pipe, &insert_row, twice);
    is_int(sb_pipe_run(pipe), SB_ECONFLICT, "a conflict");
    is_int(count(db, p), 3, "still works");
}

/* More than any socket takes at once, both ways: whoever only sends would wait for ever. */
static void large(sb_db_t *db, apr_pool_t *p)
{
    enum { N = 40, LEN = 400000 };
    sb_pipe_t *pipe = sb_pipe_make(db, p);
    char *big = apr_palloc(p, LEN + 1);
    const char *args[] = {big};
    sb_rows_t *rows[N];
    int good = 0;

    memset(big, 'b', LEN);
    big[LEN] = '\0';
    for (int i = 0; i < N; i++) {
        sb_pipe_query_text(&rows[i], pipe, "large", "SELECT $1::text || 'e'", 1, args);
    }
    ok(sb_pipe_run(pipe) == APR_SUCCESS, "16 MB there and back: %s", sb_db_error(db));
    for (int i = 0; i < N && rows[i]; i++) {
        good += strlen(sb_rows_text(rows[i], 0, 0)) == LEN + 1;
    }
    is_int(good, N, "all of it");
}

static void many_texts(sb_db_t *db, apr_pool_t *p)
{
    sb_pipe_t *pipe = sb_pipe_make(db, p);
    sb_rows_t *rows, *other;
    int good = 0;

    for (int i = 0; i < 350; i++) {
        sb_pipe_query(&other, pipe, &count_rows, NULL);
        sb_pipe_query_text(&rows, pipe, "text", apr_psprintf(p, "SELECT %d", i), 0, NULL);
        good += sb_pipe_run(pipe) == APR_SUCCESS && sb_rows_int(rows, 0, 0, -1) == i;
    }
    ok(good == 350, "any number of different texts: %d; %s", good, sb_db_error(db));
    good = sb_db_query(&rows, db, &prepared, NULL, p) == APR_SUCCESS;
    ok(good && sb_rows_int(rows, 0, 0, 999) < 130, "few stay prepared: %s",
       good ? sb_rows_text(rows, 0, 0) : sb_db_error(db));
}

/* Resident memory of this process, in KiB. */
static long resident(void)
{
    long all, pages = 0;
    FILE *in = fopen("/proc/self/statm", "r");

    if (!in || fscanf(in, "%ld %ld", &all, &pages) != 2 || fclose(in)) {
        puts("Bail out! /proc/self/statm cannot be read");
        exit(EXIT_FAILURE);
    }
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* A long statement, and two that cannot be prepared; so many texts beside it that it is forgotten each time.
 * @return of these three, how many answered as they should */
static int ask_much(sb_db_t *db, const char *comment, int turn, apr_pool_t *p)
{
    const sb_stmt_t good = {"p_long", 0, apr_psprintf(p, "SELECT 1 /* %s */", comment)};
    const sb_stmt_t bad = {"p_bad", 0, apr_psprintf(p, "SELECT 1 FROM nowhere /* %s */", comment)};
    sb_pipe_t *pipe = sb_pipe_make(db, p);
    sb_rows_t *rows, *text;
    int n;

    sb_pipe_query(&rows, pipe, &good, NULL);
    for (int i = 0; i < 90; i++) {
        sb_pipe_query_text(&text, pipe, "text", apr_psprintf(p, "SELECT %d", 90 * turn + i), 0,
                           NULL);
    }
    n = sb_pipe_run(pipe) == APR_SUCCESS;
    sb_pipe_query_text(&text, pipe, "wrong",
                       apr_psprintf(p, "SELECT 2 FROM nowhere /* %s */", comment), 0, NULL);
    n += sb_pipe_run(pipe) == SB_EDB;
    return n + (sb_db_exec(NULL, db, &bad, NULL) == SB_EDB);
}

/* A connection of a web server lives for weeks: what is prepared anew, or cannot be, costs no memory. */
static void stays_small(const char *url, apr_pool_t *p)
{
    enum { LEN = 50000, FIRST = 20, TURNS = 300 };
    char *comment = apr_palloc(p, LEN + 1);
    sb_db_opts_t opts = {.schema = SCHEMA};
    apr_pool_t *request;
    int answered = 0;
    long more = 0;
    sb_db_t *db;

    memset(comment, 'x', LEN);
    comment[LEN] = '\0';
    if (!ok(sb_db_open(&db, url, &opts, p) == APR_SUCCESS, "a connection that lasts")) {
        return;
    }
    apr_pool_create(&request, p);
    for (int i = 0; i < TURNS; i++) {
        if (i == FIRST) {
            more = resident();
        }
        answered += ask_much(db, comment, i, request);
        apr_pool_clear(request);
    }
    more = resident() - more;
    is_int(answered, 3 * TURNS, "answers as they should be");
    ok(more < 4 * 1024, "and %ld KiB more in use", more);
}

static void time_limits(const char *url, apr_pool_t *p)
{
    sb_db_opts_t opts = {.schema = SCHEMA, .statement_timeout = apr_time_from_msec(300)};
    sb_rows_t *rows, *other;
    sb_pipe_t *pipe;
    sb_db_t *db;

    if (!ok(sb_db_open(&db, url, &opts, p) == APR_SUCCESS, "statements of at most 300 ms")) {
        return;
    }
    pipe = sb_pipe_make(db, p);
    sb_pipe_begin(pipe, SB_TX_SNAPSHOT);
    sb_pipe_query(&other, pipe, &started, NULL);
    sb_pipe_query(&rows, pipe, &slow, NULL);
    sb_pipe_commit(pipe);
    ok(sb_pipe_run(pipe) == SB_EUNAVAILABLE && !strncmp(sb_db_error(db), "p_slow: ", 8),
       "one that takes longer: %s", sb_db_error(db));
    sb_pipe_query(&other, pipe, &started, NULL);
    ok(sb_pipe_run(pipe) == APR_SUCCESS, "costs no connection");
    sb_pipe_query(&other, pipe, &started, NULL);
    sb_pipe_query(&rows, pipe, &suicide, NULL);
    ok(sb_pipe_run(pipe) == SB_EUNAVAILABLE && !other, "a connection lost in the middle: %s",
       sb_db_error(db));
    sb_pipe_query(&other, pipe, &started, NULL);
    ok(sb_pipe_run(pipe) == SB_EUNAVAILABLE, "stays lost");
}

static void without_preparing(const char *url, apr_pool_t *p)
{
    sb_db_opts_t opts = {.schema = SCHEMA, .no_prepare = 1};
    const char *args[] = {"c"};
    sb_rows_t *rows, *text, *none;
    sb_pipe_t *pipe;
    sb_db_t *db;

    ok(sb_db_open(&db, url, &opts, p) == APR_SUCCESS, "behind a pooler of transactions");
    pipe = sb_pipe_make(db, p);
    sb_pipe_begin(pipe, SB_TX_SNAPSHOT);
    sb_pipe_query(&rows, pipe, &count_rows, NULL);
    sb_pipe_query_text(&text, pipe, "text", "SELECT $1 || 'd'", 1, args);
    sb_pipe_query(&none, pipe, &prepared, NULL);
    sb_pipe_commit(pipe);
    ok(sb_pipe_run(pipe) == APR_SUCCESS && sb_rows_int(rows, 0, 0, -1) == 3 &&
           !strcmp(sb_rows_text(text, 0, 0), "cd"),
       "the same answers: %s", sb_db_error(db));
    is_int(none ? sb_rows_int(none, 0, 0, -1) : -1, 0, "nothing is prepared");
}

/* ---- a server that stops ------------------------------------------------------------------------- */

/* Hands on what client and server say until it is told to stop: the connection stays, nothing comes. */
typedef struct {
    int listener, server;
    volatile int stopped, ended;
} relay_t;

static int connect_to(const char *host, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int s = socket(AF_INET, SOCK_STREAM, 0);

    inet_pton(AF_INET, host, &to.sin_addr);
    return connect(s, (struct sockaddr *)&to, sizeof(to)) ? -1 : s;
}

static void *APR_THREAD_FUNC relay(apr_thread_t *t, void *data)
{
    relay_t *r = data;
    int client = accept(r->listener, NULL, NULL);
    char buf[65536];

    while (!r->ended) {
        struct pollfd fds[] = {{client, POLLIN, 0}, {r->server, POLLIN, 0}};

        if (r->stopped) {
            usleep(10000);
            continue;
        }
        poll(fds, 2, 10);
        for (int i = 0; i < 2; i++) {
            if (fds[i].revents && !r->stopped) {
                ssize_t n = read(fds[i].fd, buf, sizeof(buf));

                if (n <= 0 || write(fds[1 - i].fd, buf, (size_t)n) != n) {
                    r->ended = 1;
                }
            }
        }
    }
    close(client);
    close(r->server);
    (void)t;
    return NULL;
}

/* How long until a question to it is given up? @return seconds; -1 it was answered, or wrongly */
static double asked_in_vain(const char *url, const char *host, int port, int by_pipe, apr_pool_t *p)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    relay_t r = {.listener = socket(AF_INET, SOCK_STREAM, 0)};
    sb_db_opts_t opts = {.schema = SCHEMA, .statement_timeout = apr_time_from_msec(300)};
    apr_pool_t *own;
    apr_thread_t *thread;
    apr_status_t rv, gone;
    sb_rows_t *rows;
    sb_pipe_t *pipe;
    sb_db_t *db;
    double start;

    apr_pool_create(&own, p);
    bind(r.listener, (struct sockaddr *)&at, sizeof(at));
    listen(r.listener, 1);
    getsockname(r.listener, (struct sockaddr *)&at, &len);
    r.server = connect_to(host, port);
    apr_thread_create(&thread, NULL, relay, &r, p);
    rv = sb_db_open(&db, apr_psprintf(p, "%s:%d/%s", url, ntohs(at.sin_port), getenv("PGDATABASE")),
                    &opts, own);
    if (rv != APR_SUCCESS) {
        ok(0, "a way to the server");
        return -1;
    }
    rv = sb_db_query(&rows, db, &count_rows, NULL, own);
    r.stopped = 1;
    start = sb_time_monotonic();
    if (rv == APR_SUCCESS && by_pipe) {
        pipe = sb_pipe_make(db, own);
        sb_pipe_query(&rows, pipe, &count_rows, NULL);
        rv = sb_pipe_run(pipe);
    }
    else if (rv == APR_SUCCESS) {
        rv = sb_db_query(&rows, db, &count_rows, NULL, own);
    }
    start = sb_time_monotonic() - start;
    ok(rv == SB_EUNAVAILABLE, "a server that stops answering: %s", sb_db_error(db));
    ok(sb_db_query(&rows, db, &count_rows, NULL, own) == SB_EUNAVAILABLE, "is asked nothing more");
    apr_pool_destroy(own);
    r.ended = 1;
    apr_thread_join(&gone, thread);
    close(r.listener);
    return start;
}

static void stalled(const char *url, apr_pool_t *p)
{
    const char *at = strrchr(url, '@'), *colon = at ? strchr(at, ':') : NULL;

    if (!colon) {
        ok(0, "an address of the form user:password@host:port");
        return;
    }
    for (int by_pipe = 0; by_pipe < 2; by_pipe++) {
        const char *host = apr_pstrmemdup(p, at + 1, (apr_size_t)(colon - at - 1));
        double waited = asked_in_vain(
            apr_pstrcat(p, apr_pstrmemdup(p, url, (apr_size_t)(at - url)), "@127.0.0.1", NULL),
            !strcmp(host, "localhost") ? "127.0.0.1" : host, atoi(colon + 1), by_pipe, p);

        ok(waited > 0.25 && waited < 5, "%s gives up in time: %.1f s",
           by_pipe ? "a pipeline" : "a statement", waited);
    }
}

int main(void)
{
    const char *url = getenv("SMARTER_TEST_DB");
    sb_db_opts_t opts = {.schema = SCHEMA, .app = "sb-pipe-test"};
    apr_pool_t *p = tap_pool();
    sb_db_t *db;

    if (!url) {
        puts("Bail out! SMARTER_TEST_DB is not set");
        return EXIT_FAILURE;
    }
    sb_log_set(quiet, NULL);
    if (!ok(sb_db_open(&db, url, &opts, p) == APR_SUCCESS, "connected")) {
        return done();
    }
    ok(sb_db_script(db, sb_sql(p,
                               "DROP SCHEMA IF EXISTS {s} CASCADE; CREATE SCHEMA {s};"
                               " CREATE TABLE {s}.t (id int PRIMARY KEY, name text)",
                               "s", SCHEMA, NULL)) == APR_SUCCESS,
       "a schema: %s", sb_db_error(db));
    results(db, p);
    transactions(db, p);
    errors(db, p);
    large(db, p);
    many_texts(db, p);
    stays_small(url, p);
    time_limits(url, p);
    without_preparing(url, p);
    stalled(url, p);
    ok(sb_db_script(db, sb_sql(p, "DROP SCHEMA {s} CASCADE", "s", SCHEMA, NULL)) == APR_SUCCESS,
       "cleaned up");
    return done();
}
