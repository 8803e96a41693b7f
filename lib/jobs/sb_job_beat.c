/* Heartbeats of a task at work: see sb_job_beat.h. */

#include <signal.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <apr_thread_proc.h>

#include "core/sb_log.h"
#include "core/sb_time.h"
#include "jobs/sb_job_beat.h"

#define SLOWEST 2.0 /* seconds between beats: a cancelled job is noticed within that */
#define AGAIN 0.5   /* seconds, after a beat that failed */

struct sb_job_beat_t {
    apr_thread_mutex_t *mutex; /* of all below up to the next comment */
    apr_thread_cond_t *changed;
    int ending;
    apr_int64_t task, claim; /* task 0: none */
    unsigned turn;           /* tells one task given to us from the next */
    double progress;
    sb_beat_word_t word;
    double until; /* of the lease, on the monotonic clock */

    /* set once */
    apr_thread_t *thread;
    const char *url, *schema;
    double lease, every; /* seconds */
    const char *lease_text;

    /* the thread's */
    apr_pool_t *pool;
    sb_db_t *db; /* NULL: not connected */
};

static const sb_stmt_t beat_stmt = {
    "job_task_beat", 4,
    "SELECT {schema}.task_beat($1::bigint, $2::bigint, $3::bigint * interval '1 us', $4::real)"};

/* ---- the thread ------------------------------------------------------------------------------ */

static apr_status_t send_beat(sb_beat_word_t *pword, sb_job_beat_t *beat, apr_int64_t task,
                              apr_int64_t claim, double progress)
{
    /* no answer in half a lease is none: another connection may still be in time */
    sb_db_opts_t opts = {.app = "smarter-job-beat",
                         .schema = beat->schema,
                         .connect_timeout = (apr_interval_time_t)(beat->lease / 2 * 1e6),
                         .statement_timeout = (apr_interval_time_t)(beat->lease / 2 * 1e6)};
    const char *args[4];
    apr_status_t rv = APR_SUCCESS;
    sb_rows_t *rows;
    apr_pool_t *p;

    if (!beat->db) {
        apr_pool_clear(beat->pool);
        rv = sb_db_open(&beat->db, beat->url, &opts, beat->pool);
    }
    if (rv != APR_SUCCESS || apr_pool_create(&p, beat->pool) != APR_SUCCESS) {
        beat->db = NULL;
        return rv != APR_SUCCESS ? rv : APR_ENOMEM;
    }
    args[0] = apr_psprintf(p, "%" APR_INT64_T_FMT, task);
    args[1] = apr_psprintf(p, "%" APR_INT64_T_FMT, claim);
    args[2] = beat->lease_text;
    args[3] = apr_psprintf(p, "%.4f", progress);
    rv = sb_db_query(&rows, beat->db, &beat_stmt, args, p);
    if (rv == APR_SUCCESS) {
        const char *word = sb_rows_text(rows, 0, 0);

        *pword = !strcmp(word, "go")       ? SB_BEAT_GO
                 : !strcmp(word, "cancel") ? SB_BEAT_CANCELLED
                                           : SB_BEAT_LOST;
    }
    apr_pool_destroy(p);
    if (rv != APR_SUCCESS) {
        beat->db = NULL; /* closed with the pool at the next attempt */
    }
    return rv;
}

/* One beat for the task there is now. The caller holds the mutex; it is free meanwhile. @return when the
 * next one is due */
static double one_beat(sb_job_beat_t *beat)
{
    apr_int64_t task = beat->task, claim = beat->claim;
    unsigned turn = beat->turn;
    double progress = beat->progress, sent = sb_time_monotonic();
    sb_beat_word_t word = SB_BEAT_LOST;
    apr_status_t rv;

    apr_thread_mutex_unlock(beat->mutex);
    rv = send_beat(&word, beat, task, claim, progress);
    apr_thread_mutex_lock(beat->mutex);
    if (beat->turn != turn) {
        return sent;
    }
    if (rv == APR_SUCCESS) {
        beat->word = word;
        beat->until = sent + beat->lease;
        return sent + beat->every;
    }
    if (sb_time_monotonic() > beat->until && beat->word == SB_BEAT_GO) {
        sb_log(SB_LOG_WARN, SBLOGNO(2350), rv, "no heartbeat for longer than the lease");
        beat->word = SB_BEAT_LOST;
    }
    return sb_time_monotonic() + AGAIN;
}

static void *APR_THREAD_FUNC run(apr_thread_t *thread, void *data)
{
    sb_job_beat_t *beat = data;
    unsigned turn = 0;
    double due = 0;

    (void)thread;
    apr_thread_mutex_lock(beat->mutex);
    while (!beat->ending) {
        double left;

        if (!beat->task) {
            apr_thread_cond_wait(beat->changed, beat->mutex);
            continue;
        }
        if (turn != beat->turn) {
            turn = beat->turn;
            due = beat->until - beat->lease + beat->every;
        }
        left = due - sb_time_monotonic();
        if (left > 0) {
            apr_thread_cond_timedwait(beat->changed, beat->mutex,
                                      (apr_interval_time_t)(left * 1e6) + 1);
        }
        else {
            due = one_beat(beat);
        }
    }
    apr_thread_mutex_unlock(beat->mutex);
    return NULL;
}

/* ---- the other side -------------------------------------------------------------------------- */

static apr_status_t end(void *data)
{
    sb_job_beat_t *beat = data;
    apr_status_t ended;

    apr_thread_mutex_lock(beat->mutex);
    beat->ending = 1;
    apr_thread_cond_signal(beat->changed);
    apr_thread_mutex_unlock(beat->mutex);
    apr_thread_join(&ended, beat->thread);
    apr_pool_destroy(beat->pool);
    return APR_SUCCESS;
}

apr_status_t sb_job_beat_start(sb_job_beat_t **pbeat, const char *url, const char *schema,
                               apr_interval_time_t lease, apr_pool_t *p)
{
    sb_job_beat_t *beat = apr_pcalloc(p, sizeof *beat);
    sigset_t all, before;
    apr_status_t rv;

    *pbeat = beat;
    beat->url = apr_pstrdup(p, url);
    beat->schema = apr_pstrdup(p, schema);
    beat->lease = (double)lease / 1e6;
    beat->lease_text = apr_psprintf(p, "%" APR_INT64_T_FMT, lease);
    beat->every = beat->lease / 3 < SLOWEST ? beat->lease / 3 : SLOWEST;
    rv = apr_thread_mutex_create(&beat->mutex, APR_THREAD_MUTEX_DEFAULT, p);
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&beat->changed, p);
    }
    if (rv == APR_SUCCESS) { /* of nobody else's: pools are for one thread */
        rv = apr_pool_create(&beat->pool, NULL);
    }
    if (rv == APR_SUCCESS) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        rv = apr_thread_create(&beat->thread, NULL, run, beat, p);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (rv == APR_SUCCESS) {
        apr_pool_pre_cleanup_register(p, beat, end);
    }
    return rv;
}

static void set_task(sb_job_beat_t *beat, apr_int64_t task, apr_int64_t claim)
{
    apr_thread_mutex_lock(beat->mutex);
    beat->task = task;
    beat->claim = claim;
    beat->turn++;
    beat->progress = 0;
    beat->word = SB_BEAT_GO;
    beat->until = sb_time_monotonic() + beat->lease;
    apr_thread_cond_signal(beat->changed);
    apr_thread_mutex_unlock(beat->mutex);
}

void sb_job_beat_for(sb_job_beat_t *beat, apr_int64_t task, apr_int64_t claim)
{
    set_task(beat, task, claim);
}

void sb_job_beat_off(sb_job_beat_t *beat)
{
    set_task(beat, 0, 0);
}

void sb_job_beat_progress(sb_job_beat_t *beat, double fraction)
{
    apr_thread_mutex_lock(beat->mutex);
    beat->progress = fraction > 0 ? fraction < 1 ? fraction : 1 : 0;
    apr_thread_mutex_unlock(beat->mutex);
}

sb_beat_word_t sb_job_beat_word(sb_job_beat_t *beat)
{
    sb_beat_word_t word;

    apr_thread_mutex_lock(beat->mutex);
    word = beat->word;
    apr_thread_mutex_unlock(beat->mutex);
    return word;
}
