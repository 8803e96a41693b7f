/* Waiting for the server: never for ever where statements have a time limit. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "store/sb_db_private.h"

/* The server ends a statement that takes too long by itself. One second later it is not busy, it is gone:
 * stopped, cut off, or a pooler that forgot us. */
#define GRACE 1.0
#define ASK_MSECS 250 /* how long it may go unnoticed that nobody wants the answer */
#define CANCEL_MSECS 1000
#define WHY_SIZE 256

double sb_db_deadline(const sb_db_t *db)
{
    double statement =
        sb_time_monotonic() + GRACE + (double)db->opts.statement_timeout / APR_USEC_PER_SEC;

    if (!db->opts.statement_timeout || (db->until && db->until < statement)) {
        return db->until;
    }
    return statement;
}

void sb_db_limit(sb_db_t *db, apr_interval_time_t limit)
{
    double until = sb_time_monotonic() + (double)limit / APR_USEC_PER_SEC;

    if (!db->until || until < db->until) {
        db->until = until;
    }
}

apr_status_t sb_db_ping(sb_db_t *db)
{
    PGresult *res;
    apr_status_t rv;

    db->until = 0;
    sb_db_limit(db, db->opts.connect_timeout ? db->opts.connect_timeout : SB_DB_CONNECT_TIMEOUT);
    res = sb_db_finish(db, PQsendQuery(db->conn, ""));
    rv = PQresultStatus(res) == PGRES_EMPTY_QUERY ? APR_SUCCESS : sb_db_failed(db, res);
    PQclear(res);
    return rv;
}

void sb_db_give_up(sb_db_t *db)
{
    db->gave_up = 1;
    shutdown(PQsocket(db->conn), SHUT_RDWR);
    PQconsumeInput(db->conn); /* lets libpq see it */
}

/* PQcancel waits for a server that is silent as long as it likes, so a thread of its own does, and we hear of it
 * through a pipe: a complaint, or its end. */
typedef struct {
    PGcancel *cancel;
    int done;
} request_t;

static void *ask_to_cancel(void *data)
{
    request_t *req = data;
    char why[WHY_SIZE] = "";

    if (!PQcancel(req->cancel, why, sizeof(why))) {
        (void)!write(req->done, why, strlen(why));
    }
    PQfreeCancel(req->cancel);
    close(req->done);
    free(req);
    return NULL;
}

/* @return 0: there is no such thread */
static int start_asking(sb_db_t *db, int done)
{
    request_t *req = malloc(sizeof(*req));
    sigset_t all, before;
    pthread_t thread;
    int failed = 1;

    if (!req) {
        return 0;
    }
    *req = (request_t){PQgetCancel(db->conn), done};
    sigfillset(&all); /* for other threads; SIGPIPE of one that is not waited for is for none */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (req->cancel) {
        failed = pthread_create(&thread, NULL, ask_to_cancel, req);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        PQfreeCancel(req->cancel);
        free(req);
        return 0;
    }
    pthread_detach(thread);
    return 1;
}

int sb_db_cancel(sb_db_t *db)
{
    char why[WHY_SIZE] = "it does not answer";
    struct pollfd pfd = {.events = POLLIN};
    int ends[2], started;

    if (pipe2(ends, O_CLOEXEC)) {
        return 0;
    }
    started = start_asking(db, ends[1]);
    if (!started) {
        close(ends[1]);
    }
    pfd.fd = ends[0];
    if (started && poll(&pfd, 1, CANCEL_MSECS) > 0) {
        ssize_t n = read(ends[0], why, sizeof(why) - 1);

        why[n > 0 ? n : 0] = '\0';
    }
    close(ends[0]);
    if (*why) {
        sb_log(SB_LOG_WARN, SBLOGNO(1205), SB_NO_STATUS,
               "a statement may go on at the database: %.*s", (int)strcspn(why, "\n"), why);
    }
    return !*why;
}

void sb_db_watch(sb_db_t *db, apr_status_t (*ask)(void *ctx), void *ctx)
{
    db->ask = ask;
    db->ask_ctx = ctx;
}

/* @return 0: nobody wants the answer, and the connection is given up */
static int is_wanted(sb_db_t *db)
{
    db->stopped = db->ask(db->ask_ctx);
    if (db->stopped == APR_SUCCESS) {
        return 1;
    }
    (void)sb_db_cancel(db);
    sb_db_give_up(db);
    return 0;
}

int sb_db_await(sb_db_t *db, double until)
{
    struct pollfd pfd = {.fd = PQsocket(db->conn), .events = POLLIN};
    double left = until ? until - sb_time_monotonic() : 0;
    int msecs = !until ? -1 : left > 0 ? (int)(1000 * left) + 1 : 0, ready;
    int is_asked = db->ask && (msecs < 0 || msecs > ASK_MSECS);

    if (PQflush(db->conn) > 0) { /* only a pipeline sends without waiting */
        pfd.events |= POLLOUT;
    }
    ready = poll(&pfd, 1, is_asked ? ASK_MSECS : msecs);
    if (ready < 0 && errno == EINTR) {
        return 1;
    }
    if (ready == 0 && is_asked) {
        return is_wanted(db);
    }
    if (ready == 0) {
        sb_db_give_up(db);
    }
    return ready > 0 && PQconsumeInput(db->conn);
}

PGresult *sb_db_next(sb_db_t *db, double until)
{
    while (PQisBusy(db->conn) && sb_db_await(db, until)) {
    }
    return PQgetResult(db->conn); /* which says what is wrong */
}

PGresult *sb_db_finish(sb_db_t *db, int sent)
{
    double until = sb_db_deadline(db);
    PGresult *last = NULL, *next;

    while (sent && (next = sb_db_next(db, until)) != NULL) {
        if (PQresultStatus(last) == PGRES_FATAL_ERROR && last) {
            PQclear(next); /* the first complaint is the one that matters */
            continue;
        }
        PQclear(last);
        last = next;
    }
    return last;
}
