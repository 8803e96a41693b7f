/* What is said about a batch that has ended: see sb_notify_text.h. */

#include <string.h>

#include <apr_strings.h>

#include "notify/sb_notify_text.h"

int sb_notice_is_success(const sb_notice_t *n)
{
    return !strcmp(n->load_status, "migrate.ingested");
}

const char *sb_notice_str(const sb_notice_t *n, const char *key)
{
    const char *text = sb_json_str(sb_json_get(n->noted, key), NULL);

    return text && *text ? text : NULL;
}

apr_int64_t sb_notice_int(const sb_notice_t *n, const char *key, apr_int64_t min, apr_int64_t max,
                          apr_int64_t dflt)
{
    const sb_json_t *node = sb_json_get(n->noted, key);
    apr_int64_t v;

    return node && sb_json_int(&v, node) == APR_SUCCESS && v >= min && v <= max ? v : dflt;
}

static void number(sb_jw_t *w, const char *key, const sb_rows_t *rows, int row, int col)
{
    const char *text = sb_rows_text(rows, row, col);

    text ? sb_jw_raw(w, key, text, strlen(text)) : sb_jw_null(w, key);
}

/* Members that the first receivers did not know come last. */
static void write_more(sb_jw_t *w, const sb_notice_t *n)
{
    int i;

    sb_jw_str(w, "batch", n->batch);
    if (n->counts && sb_rows_count(n->counts)) {
        sb_jw_object(w, "counts");
        number(w, "read", n->counts, 0, 0);
        number(w, "loaded", n->counts, 0, 1);
        number(w, "rejected", n->counts, 0, 2);
        number(w, "deduplicated", n->counts, 0, 3);
        sb_jw_end(w);
    }
    if (n->errors && sb_rows_count(n->errors)) {
        sb_jw_array(w, "errors");
        for (i = 0; i < sb_rows_count(n->errors); i++) {
            sb_jw_object(w, NULL);
            number(w, "line", n->errors, i, 0);
            sb_jw_str(w, "column", sb_rows_text(n->errors, i, 1));
            number(w, "code", n->errors, i, 2);
            sb_jw_str(w, "reason", sb_rows_text(n->errors, i, 3));
            sb_jw_end(w);
        }
        sb_jw_end(w);
    }
}

const char *sb_notice_body(const sb_notice_t *n, apr_pool_t *p)
{
    int good = sb_notice_is_success(n);
    const char *problem = sb_notice_str(n, "error_desc"),
               *system = sb_notice_str(n, "reg_system_id");
    const sb_json_t *tsb_error = sb_json_get(n->noted, "tsb_error");
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "status", good ? "Success" : "Failed");
    sb_jw_array(w, "message");
    sb_jw_str(w, NULL, good ? "Job completed successfully" : problem ? problem : "");
    sb_jw_end(w);
    if (!strcmp(n->load_type, "studentregistration")) {
        sb_jw_str(w, "id", sb_notice_str(n, "student_reg_guid"));
    }
    if (system) {
        sb_jw_str(w, "testRegistrationId", system);
    }
    if (good) {
        sb_jw_int(w, "rowCount", sb_notice_int(n, "total_rows_loaded", 0, APR_INT64_MAX, 0));
    }
    if (tsb_error) {
        sb_jw_json(w, "tsb_error", tsb_error);
    }
    write_more(w, n);
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

const char *sb_notice_subject(const sb_notice_t *n, apr_pool_t *p)
{
    return apr_psprintf(p, "Data Load - %s - Batch %s",
                        sb_notice_is_success(n) ? "Success" : "Failed", n->batch);
}

const char *sb_notice_operator_text(const sb_notice_t *n, const char *phase, const char *step,
                                    const char *when, apr_pool_t *p)
{
    const char *problem = sb_notice_str(n, "error_desc");

    return apr_psprintf(p,
                        "A batch failed.\n\nbatch: %s\ntenant: %s\nload type: %s\nstatus: %s\n"
                        "phase: %s\nstep: %s\nfailed at: %s\nreason: %s\n\n"
                        "More about it: smarter batch %s\n",
                        n->batch, n->tenant, n->load_type, n->load_status, phase ? phase : "-",
                        step && *step ? step : "-", when ? when : "-", problem ? problem : "-",
                        n->batch);
}
