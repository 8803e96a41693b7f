/* Turns of scheduled jobs: see sb_schedule_run.h. */

#include <apr_strings.h>
#include "store/sb_schedule_run.h"

/* The lock keeps two runs apart, the row two machines that saw the same match: one statement asks for
 * both. $4: the match is of this minute, so that a new schedule may start with it. A moment in the
 * future was written by a clock that was wrong. */
static const sb_stmt_t take_stmt = {
    "schedule_run_take", 5,
    "INSERT INTO {schema}.schedule_run AS r (name, schedule, due_at, taken, host)"
    " SELECT $1, $2, to_timestamp($3::bigint), $4::boolean, $5"
    "  WHERE pg_try_advisory_lock(hashtextextended('smarter schedule ' || $1, 0))"
    " ON CONFLICT (name) DO UPDATE SET"
    "   schedule = excluded.schedule, due_at = excluded.due_at, host = excluded.host,"
    "   started_at = now(), ended_at = NULL, status = NULL,"
    "   taken = CASE WHEN r.schedule = excluded.schedule AND r.due_at < excluded.due_at THEN true"
    "                ELSE excluded.taken AND r.due_at <> excluded.due_at END"
    "  WHERE r.schedule <> excluded.schedule OR r.due_at < excluded.due_at"
    "     OR r.due_at > now() + interval '1 hour'"
    " RETURNING taken"};

static const sb_stmt_t end_stmt = {"schedule_run_end", 3,
                                   "UPDATE {schema}.schedule_run"
                                   " SET ended_at = now(), status = $3::integer"
                                   " WHERE name = $1 AND host = $2"};

apr_status_t sb_schedule_run_take(sb_db_t *db, const char *name, const sb_schedule_t *s,
                                  const char *host, apr_time_t now, apr_pool_t *p)
{
    apr_int64_t due = apr_time_sec(sb_schedule_last(s, now));
    int this_minute = due >= apr_time_sec(now) - apr_time_sec(now) % 60;
    const char *args[] = {name, sb_schedule_text(s), apr_psprintf(p, "%" APR_INT64_T_FMT, due),
                          this_minute ? "true" : "false", host};
    sb_rows_t *rows;
    apr_status_t rv;

    if (due == 0) {
        return APR_NOTFOUND;
    }
    rv = sb_db_query(&rows, db, &take_stmt, args, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    return sb_rows_count(rows) > 0 && sb_rows_bool(rows, 0, 0) == 1 ? APR_SUCCESS : APR_NOTFOUND;
}

apr_status_t sb_schedule_run_end(sb_db_t *db, const char *name, const char *host, int status)
{
    char number[12];
    const char *args[] = {name, host, number};

    apr_snprintf(number, sizeof(number), "%d", status);
    return sb_db_exec(NULL, db, &end_stmt, args);
}
