/* Waiting for the server: never for ever where statements have a time limit. */

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include "core/sb_time.h"
#include "store/sb_db_private.h"

/* The server ends a statement that takes too long by itself. One second later it is not busy, it is gone:
 * stopped, cut off, or a pooler that forgot us. */
#define GRACE 1.0

double sb_db_deadline(const sb_db_t *db)
{
    return db->opts.statement_timeout
               ? sb_time_monotonic() + GRACE + (double)db->opts.statement_timeout / APR_USEC_PER_SEC
               : 0;
}

void sb_db_give_up(sb_db_t *db)
{
    db->gave_up = 1;
    shutdown(PQsocket(db->conn), SHUT_RDWR);
    PQconsumeInput(db->conn); /* lets libpq see it */
}

PGresult *sb_db_next(sb_db_t *db, double until)
{
    while (PQisBusy(db->conn)) {
        struct pollfd pfd = {.fd = PQsocket(db->conn), .events = POLLIN};
        double left = until ? until - sb_time_monotonic() : 0;
        int ready;

        if (PQflush(db->conn) > 0) { /* only a pipeline sends without waiting */
            pfd.events |= POLLOUT;
        }
        ready = poll(&pfd, 1, !until ? -1 : left > 0 ? (int)(1000 * left) + 1 : 0);
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready == 0) {
            sb_db_give_up(db);
        }
        if (ready <= 0 || !PQconsumeInput(db->conn)) {
            break; /* PQgetResult says what is wrong */
        }
    }
    return PQgetResult(db->conn);
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
