/**
 * Audit and security lines.
 */

#include "report/sb_audit.h"

#include <string.h>
#include <unistd.h>
#include <apr_strings.h>
#include <apr_time.h>
#include "core/sb_log.h"
#include "core/sb_time.h"

#define LOCAL_TIME_SIZE 64

/* Local time with milliseconds behind a comma. */
static const char *local_time(char buf[LOCAL_TIME_SIZE])
{
    apr_time_exp_t t;

    apr_time_exp_lt(&t, apr_time_now());
    apr_snprintf(buf, LOCAL_TIME_SIZE, "%04d-%02d-%02d %02d:%02d:%02d,%03d", t.tm_year + 1900,
                 t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec, (int)(t.tm_usec / 1000));
    return buf;
}

static void write_texts(sb_jw_t *w, const char *key, const apr_array_header_t *texts)
{
    sb_jw_array(w, key);
    for (int i = 0; texts && i < texts->nelts; i++) {
        sb_jw_str(w, NULL, APR_ARRAY_IDX(texts, i, const char *));
    }
    sb_jw_end(w);
}

void sb_audit_write(const char *callable, const sb_params_t *params, int found,
                    const sb_identity_t *user, const char *request_id, int status, apr_pool_t *p)
{
    char when[LOCAL_TIME_SIZE];
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "asctime", local_time(when));
    sb_jw_object(w, "msg");
    sb_jw_str(w, "callable", callable);
    sb_jw_object(w, "params");
    sb_jw_object(w, "args");
    if (params) {
        sb_params_json(w, "params", params);
    }
    if (found >= 0) {
        sb_jw_int(w, "found", found);
    }
    sb_jw_end(w);
    sb_jw_end(w);
    sb_jw_str(w, "session_id", user ? user->guid : "Unknown guid");
    write_texts(w, "principals", user ? user->roles : NULL);
    if (user && user->batch) {
        sb_jw_str(w, "batch_session", user->batch);
    }
    sb_jw_end(w);
    sb_jw_str(w, "request_id", request_id);
    sb_jw_int(w, "status", status);
    sb_jw_end(w);
    sb_stream_write(SB_STREAM_AUDIT, sb_jw_text(w, NULL));
}

void sb_audit_operator(const char *action, const char *name, const char *tenant, const char *batch,
                       const char *detail, apr_pool_t *p)
{
    char when[LOCAL_TIME_SIZE];
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "asctime", local_time(when));
    sb_jw_object(w, "msg");
    sb_jw_fmt(w, "callable", "operator.%s", action);
    sb_jw_object(w, "params");
    sb_jw_object(w, "args");
    sb_jw_str(w, "tenant", tenant);
    sb_jw_str(w, "batch", batch);
    sb_jw_str(w, "detail", detail);
    sb_jw_end(w);
    sb_jw_end(w);
    sb_jw_str(w, "session_id", NULL);
    sb_jw_array(w, "principals");
    sb_jw_fmt(w, NULL, "operator:%s", name);
    sb_jw_end(w);
    sb_jw_end(w);
    sb_jw_str(w, "request_id", NULL);
    sb_jw_int(w, "status", 200);
    sb_jw_end(w);
    sb_stream_write(SB_STREAM_AUDIT, sb_jw_text(w, NULL));
}

apr_status_t sb_audit_job(const sb_job_outcome_t *o, apr_pool_t *p)
{
    char when[LOCAL_TIME_SIZE], ended[SB_ISO_TIME_SIZE];
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "asctime", local_time(when));
    sb_jw_object(w, "msg");
    sb_jw_fmt(w, "callable", "%s_job", o->kind);
    sb_jw_object(w, "params");
    sb_jw_object(w, "args");
    sb_jw_str(w, "job", o->job);
    sb_jw_str(w, "tenant", o->tenant);
    sb_jw_str(w, "state", o->state);
    sb_jw_str(w, "ended", sb_time_iso(ended, o->ended));
    sb_jw_raw(w, "files", o->files, strlen(o->files));
    sb_jw_end(w);
    sb_jw_end(w);
    sb_jw_str(w, "session_id", o->guid ? o->guid : "Unknown guid");
    write_texts(w, "principals", NULL);
    sb_jw_end(w);
    sb_jw_str(w, "request_id", o->request_id);
    sb_jw_int(w, "status",
              !strcmp(o->state, "ready")    ? 200
              : !strcmp(o->state, "failed") ? 500
                                            : 410);
    sb_jw_end(w);
    return sb_stream_write(SB_STREAM_AUDIT, sb_jw_text(w, NULL));
}

void sb_security_write(sb_security_t type, const char *text, const sb_identity_t *user,
                       const char *request_id, const char *client, apr_pool_t *p)
{
    char when[LOCAL_TIME_SIZE], utc[SB_ISO_TIME_SIZE], host[256] = "";
    sb_jw_t *w = sb_jw_make(p);

    gethostname(host, sizeof(host) - 1);
    sb_jw_object(w, NULL);
    sb_jw_str(w, "asctime", local_time(when));
    sb_jw_object(w, "msg");
    sb_jw_str(w, "msg", text);
    sb_jw_int(w, "type", type);
    sb_jw_str(w, "host", host);
    sb_jw_object(w, "user");
    if (user) {
        sb_jw_str(w, "guid", user->guid);
        write_texts(w, "roles", user->roles);
        if (user->batch) {
            sb_jw_str(w, "batch_session", user->batch);
        }
    }
    sb_jw_end(w);
    sb_jw_end(w);
    sb_jw_str(w, "request_id", request_id);
    sb_jw_str(w, "client", client);
    sb_jw_str(w, "time", sb_time_iso(utc, apr_time_now()));
    sb_jw_end(w);
    sb_stream_write(SB_STREAM_SECURITY, sb_jw_text(w, NULL));
}
