/* Deeds of operators: see sb_operator.h. */

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>
#include <apr_strings.h>
#include "report/sb_audit.h"
#include "report/sb_operator.h"

const char *sb_operator_name(apr_pool_t *p)
{
    const char *sudo = geteuid() == 0 ? getenv("SUDO_USER") : NULL;
    const struct passwd *pw = sudo && *sudo ? NULL : getpwuid(getuid());

    return sudo && *sudo ? sudo : pw ? apr_pstrdup(p, pw->pw_name) : apr_itoa(p, (int)getuid());
}

apr_status_t sb_operator_note(sb_db_t *db, const char *schema, const char *who, const char *action,
                              const char *tenant, const char *batch, const char *detail,
                              apr_pool_t *p)
{
    const char *args[] = {who, action, tenant, batch, detail};

    sb_audit_operator(action, who, tenant, batch, detail, p);
    return sb_db_exec_text(NULL, db,
                           sb_sql(p,
                                  "INSERT INTO {schema}.operator_action"
                                  " (operator, action, tenant, batch_guid, detail)"
                                  " VALUES ($1, $2, $3, $4, $5)",
                                  "schema", schema, NULL),
                           5, args);
}
