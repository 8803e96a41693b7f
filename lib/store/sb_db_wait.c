/* Waiting for the server: never for ever where statements have a time limit. */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "store/sb_db_private.h"

/* The server ends a statement that takes too long by itself. One second later it is not busy, it is gone:
 * stopped, cut off, or a pooler that forgot us. */
#define GRACE 1.0
#define ASK_MSECS 250 /* how long it may go unnoticed that nobody wants the answer */

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

void sb_db_cancel(sb_db_t *db)
{
    PGcancel *cancel = PQgetCancel(db->conn);
    char why[256] = "";

    if (cancel && !PQcancel(cancel, why, sizeof(why))) {
        sb_log(SB_LOG_WARN, SBLOGNO(1205), SB_NO_STATUS,
               "a statement goes on at the database: %.*s", (int)strcspn(why, "\n"), why);
    }
    PQfreeCancel(cancel);
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
    sb_db_cancel(db);
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
