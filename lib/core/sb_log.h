#ifndef SB_LOG_H
#define SB_LOG_H

/**
 * Logging. The library speaks through a callback its host sets: a module writes to httpd's error
 * log, a worker to its application log. Every line of level info and above has its own number,
 * never reused: operators search for it, tests assert on it. Ranges: lib/core 1000, lib/store 1200,
 * lib/mq 1400, lib/auth 1600, lib/web 1800, lib/report 2000, lib/udl 2200,
 * lib/extract 2300, lib/jobs 2350, lib/migrate 2400, lib/lz 2700, lib/public 2800, lib/notify 2900,
 * mod_smarter 3000, mod_hpz 3200, lib/pickup 3230, workers 4000, programs 4500. Code that moves keeps its
 * numbers: what lib/web has from mod_smarter is among those. What is a warning or an error stands in docs/messages.md,
 * with what to do about it: t/unit/docs.t asks.
 *
 * Never a name, birth date, score, password or payload in a log line.
 */

#include "core/sb_status.h"

#define SBLOGNO(n) n
#define SB_NO_STATUS APR_SUCCESS

typedef enum { SB_LOG_DEBUG, SB_LOG_INFO, SB_LOG_NOTICE, SB_LOG_WARN, SB_LOG_ERROR } sb_log_level_t;

/** @param rv the status to print behind the text; APR_SUCCESS prints none */
typedef void sb_log_fn(void *ctx, sb_log_level_t level, int number, apr_status_t rv,
                       const char *text);

/** Set the host's callback, before threads start. The default writes text to stderr. */
void sb_log_set(sb_log_fn *fn, void *ctx);

/** The id that ties lines together: request id in a module, batch guid in the loader. Per thread;
 *  not copied, must outlive the work; NULL ends it. */
void sb_log_set_id(const char *id);
const char *sb_log_id(void);

void sb_log(sb_log_level_t level, int number, apr_status_t rv, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- streams: audit (who saw what), application, security (sign-in, denial, replay) ---------- */

typedef enum {
    SB_STREAM_AUDIT,       /* syslog local0 */
    SB_STREAM_APPLICATION, /* syslog local1 */
    SB_STREAM_SECURITY     /* syslog local2 */
} sb_stream_t;

/**
 * Say where a stream goes. Before threads start; again after a reload.
 * @param target "syslog", "stderr", "none" or "file:/absolute/path" (opened for append; one write
 *               a line, so that many processes may share it)
 * @return NULL, or what is wrong with the target, allocated in p
 */
const char *sb_stream_open(sb_stream_t stream, const char *target, apr_pool_t *p) SB_MUST_CHECK;

/**
 * Write one line; a newline is added.
 * @param json one JSON object without line breaks
 * @return why it is not in the file; of syslog nobody knows
 */
apr_status_t sb_stream_write(sb_stream_t stream, const char *json);

/** The callback of workers and programs: one JSON object a line to SB_STREAM_APPLICATION with
 *  time, level, no, program, id, text. @param ctx the program's name */
sb_log_fn sb_log_to_stream;

#endif
