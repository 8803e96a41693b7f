/* Deeds of operators: see sb_operator.h. */

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>
#include <apr_strings.h>
#include "core/sb_json.h"
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "store/sb_operator.h"

const char *sb_operator_name(apr_pool_t *p)
{
    const char *sudo = geteuid() == 0 ? getenv("SUDO_USER") : NULL;
    const struct passwd *pw = sudo && *sudo ? NULL : getpwuid(getuid());

    return sudo && *sudo ? sudo : pw ? apr_pstrdup(p, pw->pw_name) : apr_itoa(p, (int)getuid());
}

/* In the form of the other lines of the stream: report/sb_audit.h. */
static void audit(const char *who, const char *action, const char *tenant, const char *batch,
                  const char *detail, apr_pool_t *p)
{
    char when[SB_ISO_TIME_SIZE];
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "asctime", sb_time_iso(when, apr_time_now()));
    sb_jw_object(w, "msg");
    sb_jw_str(w, "callable", action);
    sb_jw_object(w, "params");
    sb_jw_object(w, "args");
    sb_jw_str(w, "tenant", tenant);
    if (batch) {
        sb_jw_str(w, "batch", batch);
    }
    sb_jw_str(w, "detail", detail);
    sb_jw_end(w);
    sb_jw_end(w);
    sb_jw_str(w, "operator", who);
    sb_jw_end(w);
    sb_jw_end(w);
    sb_stream_write(SB_STREAM_AUDIT, sb_jw_text(w, NULL));
}

apr_status_t sb_operator_note(sb_db_t *db, const char *schema, const char *action,
                              const char *tenant, const char *batch, const char *detail,
                              apr_pool_t *p)
{
    const char *args[] = {sb_operator_name(p), action, tenant, batch, detail};

    audit(args[0], action, tenant, batch, detail, p);
    return sb_db_exec_text(NULL, db,
                           sb_sql(p,
                                  "INSERT INTO {schema}.operator_action"
                                  " (operator, action, tenant, batch_guid, detail)"
                                  " VALUES ($1, $2, $3, $4, $5)",
                                  "schema", schema, NULL),
                           5, args);
}
