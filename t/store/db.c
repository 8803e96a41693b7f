/* sb_db against a real server: SMARTER_TEST_DB is its address, as a role that may create schemas. */
#include "../unit/tap.h"
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "store/sb_db.h"

#define SCHEMA "sb db \"test\""

static const sb_stmt_t insert_row = {
    .name = "t_insert",
    .nargs = 2,
    .sql = "INSERT INTO {schema}.t (id, name) VALUES ($1::bigint, $2)"};
static const sb_stmt_t count_rows = {
    .name = "t_count", .nargs = 0, .sql = "SELECT count(*), '{}'::int[] FROM {schema}.t"};
static const sb_stmt_t find_row = {
    .name = "t_find",
    .nargs = 1,
    .sql = "SELECT name, flag, small FROM {schema}.t WHERE id = $1::bigint"};
static const sb_stmt_t bad_cast = {
    .name = "t_cast", .nargs = 1, .sql = "SELECT $1::text::smallint"};
static const sb_stmt_t suicide = {
    .name = "t_kill", .nargs = 0, .sql = "SELECT pg_terminate_backend(pg_backend_pid())"};

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

static void statements(sb_db_t *db, apr_pool_t *p)
{
    const char *one[] = {"1", "first; DROP TABLE t --'\""}, *twice[] = {"1", "x"},
               *secret[] = {"Mary Smith"};
    apr_int64_t n;
    sb_rows_t *rows;

    ok(sb_db_exec(&n, db, &insert_row, one) == APR_SUCCESS && n == 1, "a row goes in: %s",
       sb_db_error(db));
    ok(sb_db_exec(&n, db, &insert_row, twice) == SB_ECONFLICT && n == 0,
       "the same key again conflicts");
    is_str(sb_db_sqlstate(db), "23505", "its SQLSTATE");
    ok(strstr(sb_db_error(db), "t_pkey") && !strstr(sb_db_error(db), "(1)"),
       "the message names the constraint, not the value");
    ok(sb_db_query(&rows, db, &find_row, one, p) == APR_SUCCESS && sb_rows_count(rows) == 1,
       "found");
    is_str(sb_rows_text(rows, 0, 0), one[1], "parameters are values, never SQL");
    ok(!sb_rows_text(rows, 0, 1) && sb_rows_bool(rows, 0, 1) == -1 &&
           sb_rows_int(rows, 0, 2, 7) == 7,
       "NULLs");
    ok(sb_db_query(&rows, db, &bad_cast, secret, p) == SB_EDB && !rows &&
           !strstr(sb_db_error(db), "Mary"),
       "a data exception does not quote the value: %s", sb_db_error(db));
    ok(sb_db_script(db, "SELEKT") == SB_EDB, "a syntax error");
    is_str(sb_sql(p, "SELECT '{}', '{{x}' FROM {a}.t", "a", "b\"c", NULL),
           "SELECT '{}', '{x}' FROM \"b\"\"c\".t", "a template");
}

static void transactions(sb_db_t *db, apr_pool_t *p)
{
    const char *two[] = {"2", NULL};

    ok(sb_db_begin(db, SB_TX_WRITE) == APR_SUCCESS &&
           sb_db_exec(NULL, db, &insert_row, two) == APR_SUCCESS,
       "inside a transaction");
    sb_db_rollback(db);
    is_int(count(db, p), 1, "rolled back");
    ok(sb_db_begin(db, SB_TX_WRITE) == APR_SUCCESS && sb_db_script(db, "SELEKT") == SB_EDB,
       "a failed transaction");
    ok(sb_db_commit(db) != APR_SUCCESS, "its commit says so");
    sb_db_rollback(db);
    ok(sb_db_begin(db, SB_TX_SNAPSHOT) == APR_SUCCESS &&
           sb_db_exec(NULL, db, &insert_row, two) != APR_SUCCESS,
       "a snapshot is read-only");
    sb_db_rollback(db);
    ok(sb_db_begin(db, SB_TX_WRITE) == APR_SUCCESS &&
           sb_db_end(db, sb_db_exec(NULL, db, &insert_row, two)) == APR_SUCCESS,
       "a good end");
    is_int(count(db, p), 2, "... is a commit");
    ok(sb_db_begin(db, SB_TX_WRITE) == APR_SUCCESS &&
           sb_db_script(db, sb_sql(p, "DELETE FROM {s}.t", "s", SCHEMA, NULL)) == APR_SUCCESS &&
           sb_db_end(db, SB_EINPUT) == SB_EINPUT,
       "a bad one says what it was told");
    is_int(count(db, p), 2, "... and is a rollback");
    ok(sb_db_script(db, sb_sql(p, "DELETE FROM {s}.t WHERE id = 2", "s", SCHEMA, NULL)) ==
           APR_SUCCESS,
       "tidied up");
}

static void locks(const char *url, sb_db_t *db, apr_pool_t *p)
{
    sb_db_opts_t opts = {.app = "sb-db-test"};
    apr_status_t rv = SB_EBUSY;
    apr_pool_t *theirs;
    sb_db_t *other;

    apr_pool_create(&theirs, p);
    ok(sb_db_open(&other, url, &opts, theirs) == APR_SUCCESS &&
           sb_db_lock(other, "sb-db-test one") == APR_SUCCESS,
       "a lock is taken");
    ok(sb_db_lock(db, "sb-db-test one") == SB_EBUSY, "nobody else gets it");
    ok(sb_db_lock(db, "sb-db-test two") == APR_SUCCESS, "another name is another lock");
    apr_pool_destroy(theirs);
    for (int i = 0; rv == SB_EBUSY && i < 100; i++) { /* the server notices when it notices */
        apr_sleep(apr_time_from_msec(50));
        rv = sb_db_lock(db, "sb-db-test one");
    }
    ok(rv == APR_SUCCESS, "it goes with its connection");
}

static void copies(sb_db_t *db, apr_pool_t *p)
{
    const char *sql =
        sb_sql(p, "COPY {s}.t (id, name, flag, small, medium) FROM STDIN (FORMAT binary)", "s",
               SCHEMA, NULL);
    const char *args[] = {"100100"};
    char *big = apr_palloc(p, 200000);
    sb_rows_t *rows;
    apr_int64_t n;
    sb_copy_t *c;
    int i, good = 1;

    memset(big, 'b', 200000);
    ok(sb_copy_begin(&c, db, sql, 5, p) == APR_SUCCESS, "COPY begins");
    for (i = 0; i < 20000 && good; i++) {
        good = sb_copy_row(c) == APR_SUCCESS;
        sb_copy_int8(c, 100000 + i);
        sb_copy_text(c, i == 100 ? "\xc3\xa9" : "name", i == 100 ? 2 : 4);
        if (i % 3) {
            sb_copy_bool(c, i % 3 == 1);
        }
        else {
            sb_copy_null(c);
        }
        sb_copy_int2(c, -5);
        sb_copy_int4(c, 1 << 30);
    }
    good = good && sb_copy_row(c) == APR_SUCCESS;
    sb_copy_int8(c, 1);
    sb_copy_text(c, big, 200000);
    sb_copy_null(c);
    sb_copy_null(c);
    sb_copy_null(c);
    ok(good && sb_copy_finish(c, &n) == SB_ECONFLICT,
       "a conflict in the last row fails the whole: %s", sb_db_error(db));
    is_int(count(db, p), 1, "nothing of it is there");

    ok(sb_copy_begin(&c, db, sql, 5, p) == APR_SUCCESS, "again, without it");
    for (i = 0; i < 20000; i++) {
        good = good && sb_copy_row(c) == APR_SUCCESS;
        sb_copy_int8(c, 100000 + i);
        sb_copy_text(c,
                     i == 200   ? big
                     : i == 100 ? "\xc3\xa9"
                                : "name",
                     i == 200   ? 200000
                     : i == 100 ? 2
                                : 4);
        sb_copy_bool(c, i & 1);
        sb_copy_int2(c, -5);
        sb_copy_int4(c, 1 << 30);
    }
    ok(good && sb_copy_finish(c, &n) == APR_SUCCESS && n == 20000, "20000 rows: %s",
       sb_db_error(db));
    ok(sb_db_query(&rows, db, &find_row, args, p) == APR_SUCCESS &&
           !strcmp(sb_rows_text(rows, 0, 0), "\xc3\xa9") && sb_rows_bool(rows, 0, 1) == 0 &&
           sb_rows_int(rows, 0, 2, 0) == -5,
       "typed values arrive");
    ok(sb_copy_begin(&c, db, sql, 5, p) == APR_SUCCESS, "and once more");
    sb_copy_abort(c, "test");
    is_int(count(db, p), 20001, "an aborted COPY leaves nothing, and the connection works");
}

typedef struct {
    sb_dbpool_t *pool;
    int good;
} user_t;

static void *APR_THREAD_FUNC use_pool(apr_thread_t *t, void *data)
{
    user_t *u = data;
    apr_pool_t *p;
    sb_db_t *db;
    int i;

    for (i = 0; i < 50; i++) {
        apr_pool_create(&p, NULL);
        u->good += sb_dbpool_get(&db, u->pool, p) == APR_SUCCESS && count(db, p) == 20001;
        apr_pool_destroy(p);
    }
    (void)t;
    return NULL;
}

static void hear(void *heard, sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    (void)level, (void)number, (void)rv;
    apr_cpystrn(heard, text, 300);
}

static void pools(const char *url, apr_pool_t *p)
{
    sb_db_opts_t opts = {.schema = SCHEMA,
                         .app = "sb-db-test",
                         .max_connections = 3,
                         .wait = apr_time_from_msec(200)};
    apr_thread_t *threads[8];
    user_t users[8];
    apr_pool_t *req[4];
    sb_dbpool_t *pool;
    sb_db_t *db, *other;
    apr_status_t rv;
    char heard[300] = "";
    int i, total = 0;

    sb_log_set(hear, heard);
    rv = sb_db_open(&db, "postgresql://u:topsecret@[::1/db", &opts, p);
    ok(rv == SB_ECONFIG && strstr(heard, "cannot be read") && !strstr(heard, "topsecret"),
       "an address that is none is no server that is away, and no password is told");
    sb_log_set(quiet, NULL);
    ok(sb_dbpool_make(&pool, url, &opts, p) == APR_SUCCESS, "a pool");
    for (i = 0; i < 4; i++) {
        apr_pool_create(&req[i], p);
    }
    for (i = 0; i < 3; i++) {
        ok(sb_dbpool_get(&db, pool, req[i]) == APR_SUCCESS, "connection %d of 3", i + 1);
    }
    ok(sb_dbpool_get(&other, pool, req[3]) == SB_EUNAVAILABLE && !other, "no fourth");
    ok(sb_db_begin(db, SB_TX_WRITE) == APR_SUCCESS, "the last one is left in a transaction");
    for (i = 0; i < 3; i++) {
        apr_pool_clear(req[i]);
    }
    ok(sb_dbpool_get(&db, pool, req[0]) == APR_SUCCESS &&
           sb_db_exec(NULL, db, &suicide, NULL) == SB_EUNAVAILABLE,
       "a lost connection is told apart");
    apr_pool_clear(req[0]);
    ok(sb_dbpool_get(&db, pool, req[0]) == APR_SUCCESS && count(db, req[0]) == 20001,
       "and not handed out again");
    apr_pool_clear(req[0]);

    opts.wait = apr_time_from_sec(20);
    ok(sb_dbpool_make(&pool, url, &opts, p) == APR_SUCCESS, "a pool for eight threads");
    for (i = 0; i < 8; i++) {
        users[i] = (user_t){pool, 0};
        apr_thread_create(&threads[i], NULL, use_pool, &users[i], p);
    }
    for (i = 0; i < 8; i++) {
        apr_thread_join(&rv, threads[i]);
        total += users[i].good;
    }
    is_int(total, 400, "eight threads share three connections");
}

/* ---- answers that nobody wants ----------------------------------------------------------------- */

static apr_status_t not_for_long(void *asked)
{
    return ++*(int *)asked < 3 ? APR_SUCCESS : APR_EINTR;
}

static apr_status_t take_row(void *rows, const char *data, apr_size_t len)
{
    (void)data;
    (void)len;
    ++*(int *)rows;
    return APR_SUCCESS;
}

static const char sleeping[] = "COPY (SELECT pg_sleep(20)) TO STDOUT";

static int asleep(sb_db_t *db, apr_pool_t *p)
{
    sb_rows_t *rows;

    return sb_db_query_text(&rows, db,
                            "SELECT count(*) FROM pg_stat_activity WHERE application_name ="
                            " 'sb-db-watch' AND state = 'active' AND query LIKE 'COPY%'",
                            0, NULL, p) == APR_SUCCESS
               ? (int)sb_rows_int(rows, 0, 0, -1)
               : -1;
}

static void unwanted(const char *url, sb_db_t *mine, apr_pool_t *p)
{
    sb_db_opts_t opts = {.app = "sb-db-watch", .max_connections = 2};
    double begun = sb_time_monotonic();
    apr_pool_t *one, *two;
    int asked = 0, rows = 0;
    sb_dbpool_t *pool;
    sb_db_t *db, *other;
    apr_int64_t n;
    apr_status_t rv;

    apr_pool_create(&one, p);
    apr_pool_create(&two, p);
    ok(sb_dbpool_make(&pool, url, &opts, p) == APR_SUCCESS &&
           sb_dbpool_get(&db, pool, one) == APR_SUCCESS,
       "a connection to be watched");
    sb_db_watch(db, not_for_long, &asked);
    rv = sb_db_begin(db, SB_TX_SNAPSHOT);
    ok(rv == APR_SUCCESS && !asked, "what is answered at once is not asked about");
    rv = sb_copy_out(&n, db, sleeping, 0, NULL, take_row, &rows, one);
    ok(rv == APR_EINTR && !rows, "nobody wants the answer: %s", sb_db_error(db));
    is_int(asked, 3, "which was asked three times");
    for (int i = 0; i < 40 && asleep(mine, p); i++) {
        apr_sleep(apr_time_from_msec(50));
    }
    is_int(asleep(mine, p), 0, "the server does not work on it any more");
    sb_db_rollback(db);
    apr_pool_clear(one);
    ok(sb_dbpool_get(&db, pool, one) == APR_SUCCESS &&
           sb_dbpool_get(&other, pool, two) == APR_SUCCESS &&
           sb_db_script(db, "SELECT 1") == APR_SUCCESS,
       "the pool does not take the server for one that hangs");
    sb_db_limit(db, apr_time_from_msec(300));
    ok(sb_copy_out(&n, db, sleeping, 0, NULL, take_row, &rows, one) == SB_EUNAVAILABLE,
       "a COPY has a limit of time, too: %s", sb_db_error(db));
    ok(sb_time_monotonic() - begun < 6, "none of this took long");
    apr_pool_clear(one);
    apr_pool_clear(two);
}

/* ---- a server that is silent ------------------------------------------------------------------- */

static void pass_on(int from, int to)
{
    char some[4096];
    ssize_t n = read(from, some, sizeof(some));

    if (n <= 0 || write(to, some, (size_t)n) != n) {
        _exit(0);
    }
}

static int to_server(int port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) ? -1 : fd;
}

/* A process between us and the server, for one connection; others are accepted by the kernel, and never served.
 * @param purl its address, like url; @return the process */
static pid_t stand_between(const char **purl, const char *url, apr_pool_t *p)
{
    struct sockaddr_in sa = {.sin_family = AF_INET};
    const char *port = strchr(strchr(url, '@'), ':') + 1, *rest = strchr(port, '/');
    int lis = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof(sa);
    pid_t pid;

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(lis, (struct sockaddr *)&sa, len) || listen(lis, 8) ||
        getsockname(lis, (struct sockaddr *)&sa, &len)) {
        return -1;
    }
    *purl = apr_psprintf(p, "%.*s%d%s", (int)(port - url), url, ntohs(sa.sin_port), rest);
    pid = fork();
    if (pid == 0) {
        struct pollfd fds[2] = {{.events = POLLIN}, {.events = POLLIN}};

        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also while it stands still */
        fds[0].fd = accept(lis, NULL, NULL);
        fds[1].fd = to_server(atoi(port));
        while (poll(fds, 2, -1) > 0) {
            for (int i = 0; i < 2; i++) {
                if (fds[i].revents) {
                    pass_on(fds[i].fd, fds[1 - i].fd);
                }
            }
        }
        _exit(0);
    }
    close(lis); /* the process has it */
    return pid;
}

static apr_status_t silence(void *pid, const char *data, apr_size_t len)
{
    (void)data;
    (void)len;
    kill(*(pid_t *)pid, SIGSTOP);
    return APR_EINTR; /* no more */
}

/* Neither who waits for a first row, nor who has had enough of them, is held by a server that does not take the word
 * to cancel. */
static void silent(const char *url, apr_pool_t *p)
{
    static const char *const what[] = {"before the first row", "behind it"};

    for (int i = 0; i < 2; i++) {
        double begun = sb_time_monotonic();
        const char *between = NULL;
        pid_t pid = stand_between(&between, url, p);
        int asked = 0;
        apr_status_t rv;
        apr_int64_t n;
        sb_db_t *db;

        ok(pid > 0 && sb_db_open(&db, between, NULL, p) == APR_SUCCESS, "silent %s", what[i]);
        alarm(20); /* else for ever */
        if (i == 0) {
            sb_db_watch(db, not_for_long, &asked);
            kill(pid, SIGSTOP);
            rv = sb_copy_out(&n, db, sleeping, 0, NULL, take_row, &asked, p);
        }
        else {
            rv = sb_copy_out(&n, db, "COPY (SELECT 1) TO STDOUT", 0, NULL, silence, &pid, p);
        }
        alarm(0);
        ok(rv == APR_EINTR && sb_time_monotonic() - begun < 6, "... it is left soon");
        ok(sb_db_script(db, "SELECT 1") != APR_SUCCESS, "... for good");
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}

int main(void)
{
    const char *url = getenv("SMARTER_TEST_DB");
    sb_db_opts_t opts = {.schema = SCHEMA, .app = "sb-db-test"};
    apr_pool_t *p = tap_pool();
    sb_db_t *db;

    if (!url) {
        puts("Bail out! SMARTER_TEST_DB is not set");
        return EXIT_FAILURE;
    }
    sb_log_set(quiet, NULL);
    ok(sb_db_open(&db, "postgresql://nobody@127.0.0.1:1/x", NULL, p) == SB_EUNAVAILABLE && !db,
       "nobody listens");
    if (!ok(sb_db_open(&db, url, &opts, p) == APR_SUCCESS, "connected")) {
        return done();
    }
    ok(sb_db_script(db, sb_sql(p,
                               "DROP SCHEMA IF EXISTS {s} CASCADE; CREATE SCHEMA {s}; CREATE TABLE "
                               "{s}.t (id bigint "
                               "CONSTRAINT t_pkey PRIMARY KEY, name text, flag boolean, small "
                               "smallint, medium int)",
                               "s", SCHEMA, NULL)) == APR_SUCCESS,
       "a schema with an odd name: %s", sb_db_error(db));
    statements(db, p);
    transactions(db, p);
    locks(url, db, p);
    copies(db, p);
    pools(url, p);
    unwanted(url, db, p);
    silent(url, p);
    ok(sb_db_wait_notify(db, apr_time_from_msec(20)) == APR_TIMEUP, "no notice");
    ok(sb_db_script(db, "LISTEN x; NOTIFY x") == APR_SUCCESS &&
           sb_db_wait_notify(db, apr_time_from_sec(1)) == APR_SUCCESS,
       "a notice");
    ok(sb_db_script(db, sb_sql(p, "DROP SCHEMA {s} CASCADE", "s", SCHEMA, NULL)) == APR_SUCCESS,
       "cleaned up");
    return done();
}
