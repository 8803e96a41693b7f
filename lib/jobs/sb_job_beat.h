#ifndef SB_JOB_BEAT_H
#define SB_JOB_BEAT_H

/**
 * The heartbeat of a worker: a thread with a connection of its own that renews the lease of the task at
 * work, writes its progress and hears whether to go on. It connects at the first beat, so short tasks
 * cost no connection.
 */

#include "store/sb_db.h"

typedef struct sb_job_beat_t sb_job_beat_t;

typedef enum {
    SB_BEAT_GO,
    SB_BEAT_CANCELLED, /* the job is over */
    SB_BEAT_LOST       /* the claim is gone, or nobody can say for longer than the lease */
} sb_beat_word_t;

/**
 * Start the thread; it ends when p is cleared. Signals go to other threads.
 * @param url as for sb_db_open
 */
apr_status_t sb_job_beat_start(sb_job_beat_t **pbeat, const char *url, const char *schema,
                               apr_interval_time_t lease, apr_pool_t *p) SB_MUST_CHECK;

/** A task was claimed just now: keep it. */
void sb_job_beat_for(sb_job_beat_t *beat, apr_int64_t task, apr_int64_t claim);

/** No task any more. Beats under way are without effect. */
void sb_job_beat_off(sb_job_beat_t *beat);

void sb_job_beat_progress(sb_job_beat_t *beat, double fraction);

/** What the last beat said. */
sb_beat_word_t sb_job_beat_word(sb_job_beat_t *beat);

#endif
