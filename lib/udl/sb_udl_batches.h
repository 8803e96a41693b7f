#ifndef SB_UDL_BATCHES_H
#define SB_UDL_BATCHES_H

/**
 * What is known of batches, put together for people: the queue of packages, what the loader writes
 * down, and what became of it at promotion. The loader's tables and udl_stats may be on different
 * servers. Reads only; sb_udl_operate.h acts. Source: sql/udl, sql/stats.
 */

#include <apr_tables.h>
#include "core/sb_conf.h"
#include "store/sb_db.h"

typedef enum {
    SB_BATCH_WAITING, /* for a worker, or for promotion */
    SB_BATCH_RUNNING, /* is being loaded or promoted */
    SB_BATCH_HELD,    /* loaded; promotion passes it by */
    SB_BATCH_FAILED,  /* at loading or promotion, and nobody has dealt with it */
    SB_BATCH_DONE     /* in production, withdrawn, discarded, or sent through again */
} sb_batch_state_t;

/** "waiting", "running", "held", "failed", "done". */
const char *sb_batch_state_name(sb_batch_state_t state);

typedef struct {
    const char *guid, *tenant;
    const char
        *package;     /* name of the file, straight from the sender: escape it; NULL: not known */
    const char *kind; /* "summative", "interim", "blocks", "registration"; NULL: not known yet */
    sb_batch_state_t state;
    const char *stage;       /* one word or two: "queued", "loading", "promotion failed", ... */
    const char *load_status; /* of udl_stats; NULL: none yet */
    const char *content_key; /* NULL: not known */
    const char *stalled;     /* what is wrong and what to do; NULL: all is well */

    int place;    /* in the queue of packages, from 1; 0: not in it */
    int begun;    /* a worker had it once: it has a row in the table batch */
    int by_hand;  /* loaded by --once: it has no row in the table package */
    int claimed;  /* a worker holds it now */
    int attempts; /* 0: none yet */
    const char *worker;

    apr_int64_t package_bytes, bytes_total, bytes_done; /* -1: not known */
    apr_int64_t rows_read, rows_loaded, rows_rejected;
    apr_int64_t rows_deduplicated; /* -1: not known */
    apr_int64_t warnings;
    int percent; /* of loading; -1: not known */
    double rate; /* rows a second, of the running or last attempt; 0: not known */

    const char *problem; /* why it failed; NULL */
    const char *kept_in; /* directory in the history zone; NULL: none */
    const char *path;    /* where the package arrived; NULL: by hand */
    const char *behind;  /* HELD: the batch it waits for; NULL: none */
    const char *hold_reason;
    const char *retried_as; /* NULL */
    const char *retry_of;   /* the batch that was sent through again as this one; NULL */

    apr_time_t now; /* of the database server, as all the others; 0: not yet */
    apr_time_t arrived, started, progress, finished, discarded;

    const char *notification, *notification_status; /* JSON texts of udl_stats; NULL */
} sb_batch_t;

typedef struct sb_batches_t sb_batches_t;

/**
 * Connect to the loader's database and to the statistics.
 * @param conf   section app
 * @param perror the complaint, unless APR_SUCCESS
 */
apr_status_t sb_batches_open(sb_batches_t **pb, const char **perror, const sb_conf_t *conf,
                             const char *app, apr_pool_t *p) SB_MUST_CHECK;

/** The connections; the same one if both schemas are in one database. */
sb_db_t *sb_batches_udl(const sb_batches_t *b);
sb_db_t *sb_batches_stats(const sb_batches_t *b);

typedef struct {
    const char *tenant; /* NULL: all */
    int state;          /* of sb_batch_state_t; -1: all */
    apr_interval_time_t
        since; /* what arrived longer ago is left out, unless it is still under way */
    int limit; /* the newest ones; 0: all */
} sb_batches_filter_t;

/** @param plist of sb_batch_t, in the order of arrival: the newest comes last */
apr_status_t sb_batches_list(apr_array_header_t **plist, sb_batches_t *b,
                             const sb_batches_filter_t *filter, apr_pool_t *p) SB_MUST_CHECK;

/**
 * Find one by the beginning of its guid.
 * @param id      straight from an operator: at least 4 of 0-9, a-f and '-', in any case
 * @param pbatch  NULL unless APR_SUCCESS
 * @param plike   of sb_batch_t: SB_ECONFLICT several begin like this, the first ten; else NULL
 * @return APR_SUCCESS; APR_NOTFOUND there is none; SB_EINPUT id is nothing of that kind;
 *         SB_ECONFLICT; others as sb_db_query
 */
apr_status_t sb_batches_find(const sb_batch_t **pbatch, apr_array_header_t **plike, sb_batches_t *b,
                             const char *id, apr_pool_t *p) SB_MUST_CHECK;

/* ---- more about one -------------------------------------------------------------------------- */

typedef struct {
    const char *phase, *detail; /* as in udl_batch; detail NULL: none */
    int failed;
    apr_int64_t records, bytes; /* -1: none */
    apr_time_t start;
    double seconds;
    const char *error; /* NULL */
} sb_batch_step_t;

typedef struct {
    const char *column; /* NULL: the row or file as a whole */
    int code;
    const char *reason;
    apr_int64_t count, first_line;
} sb_batch_warning_t;

typedef struct {
    apr_int64_t line;   /* 0: the package as a whole */
    const char *column; /* NULL */
    int code;
    const char *reason;
    const char *student_id; /* a child's: not for every eye; NULL */
} sb_batch_reject_t;

typedef struct {
    apr_time_t at;
    const char *operator, * action, *detail;
} sb_batch_action_t;

/** One thing to be told to the sender or to operators: stats.notification. */
typedef struct {
    const char *channel; /* call_back, email, operator */
    const char *state;   /* pending, success, failure */
    int attempts;        /* begun so far */
    apr_time_t at, next; /* of the last attempt, and of the next one while it is pending */
    const char *error;   /* NULL */
} sb_batch_notice_t;

typedef struct {
    apr_array_header_t *steps;    /* of sb_batch_step_t */
    apr_array_header_t *warnings; /* of sb_batch_warning_t, most frequent first */
    apr_array_header_t *rejects;  /* of sb_batch_reject_t: the first ones */
    apr_array_header_t *errors;  /* of sb_batch_reject_t: lines that stopped promotion (err_list) */
    apr_array_header_t *actions; /* of sb_batch_action_t */
    apr_array_header_t *notices; /* of sb_batch_notice_t */
} sb_batch_details_t;

/** @param max how many rejects and errors @return as sb_db_query */
apr_status_t sb_batches_details(sb_batch_details_t *details, sb_batches_t *b,
                                const sb_batch_t *batch, int max, apr_pool_t *p) SB_MUST_CHECK;

/* ---- health ---------------------------------------------------------------------------------- */

typedef struct {
    const char *tenant;
    apr_time_t at; /* of its last promotion; 0: none yet; -1: its database does not answer */
} sb_batch_promotion_t;

typedef struct {
    int trigger;       /* does one watch? */
    int claims;        /* packages that workers hold now */
    int waiting;       /* packages no worker has */
    apr_time_t oldest; /* since when the first of them waits; 0: none */
    apr_time_t now;
    apr_array_header_t *promotions; /* of sb_batch_promotion_t, by tenant */
} sb_batches_health_t;

/** @return as sb_db_query, of the loader's database; productions that do not answer are told in promotions */
apr_status_t sb_batches_health(sb_batches_health_t *health, sb_batches_t *b,
                               apr_pool_t *p) SB_MUST_CHECK;

#endif
