#ifndef SB_UDL_H
#define SB_UDL_H

/**
 * The pipeline: one package from its encrypted file to typed rows in the batch schema. Everything
 * of a batch lies in one transaction there, so an attempt that dies leaves nothing; the next attempt
 * with the same guid starts again. Memory does not grow with the package.
 */

#include "udl/sb_udl_log.h"

typedef struct {
    const char *guid;      /* of the batch */
    const char *package;   /* a .tar.gz.gpg; without take also a directory with its content */
    apr_time_t arrived;    /* the order of promotion; the same for every attempt */
    int take;              /* move the package out of arrivals and in the end to history */
    int (*stopping)(void); /* asked now and then: give up? NULL never */
    int attempts;          /* this one included; 0 is 1 */
    apr_int64_t claim;     /* sb_udl_package_t.claims; 0 none */
    const char *worker;    /* "host:pid", for people */
} sb_udl_job_t;

typedef struct {
    const char *guid;
    const char *tenant;
    const char
        *status; /* "udl.ingested", "udl.failed"; of an earlier attempt perhaps "migrate..." */
    const char *problem; /* why it failed: place, reason, code; NULL if it did not */
    const char *load_type;
    sb_udl_counts_t counts;
    const apr_array_header_t *refusals; /* of sb_udl_refusal_t; may be NULL */
    const apr_array_header_t *warnings; /* of sb_udl_warning_t; may be NULL */
    double seconds;
} sb_udl_result_t;

/**
 * Run it.
 * @param result its texts live in p
 * @return APR_SUCCESS: the batch has ended and its state is written, loaded or failed (result->status);
 *         SB_EUNAVAILABLE or another transient status: nothing is decided, try again;
 *         APR_EINTR stopping() said so; anything else: our own fault, logged
 */
apr_status_t sb_udl_run(sb_udl_result_t *result, sb_udl_log_t *log, const sb_udl_conf_t *conf,
                        const sb_udl_job_t *job, apr_pool_t *p) SB_MUST_CHECK;

/** Conclude a batch without running it: udl.failed with this problem; the package goes to history. */
apr_status_t sb_udl_give_up(sb_udl_result_t *result, sb_udl_log_t *log, const sb_udl_conf_t *conf,
                            const sb_udl_job_t *job, const char *problem,
                            apr_pool_t *p) SB_MUST_CHECK;

/** Did the batch load? */
int sb_udl_is_loaded(const sb_udl_result_t *result);

/** The first code in the text of a problem, "... (code 3006)"; 0 if it has none. */
int sb_udl_problem_code(const char *problem);

/** The result as one JSON object, as --once prints it. */
const char *sb_udl_result_json(const sb_udl_result_t *result, apr_pool_t *p);

#endif
