#ifndef SB_AUDIT_H
#define SB_AUDIT_H

/**
 * Lines of the audit stream (who asked for which report or extract) and of the security stream
 * (sign-in, denial, tampering). They name a person by guid, never by name, and tell no result.
 * Of a batch session "batch_session" is its name.
 * Source of the form: docs/operations.md, "Logs".
 */

#include "auth/sb_identity.h"
#include "jobs/sb_job_outcome.h"
#include "report/sb_params.h"

/**
 * {"asctime","msg":{"callable","params":{"args":{"params":..}},"session_id","principals"},
 *  "request_id","status"}
 * @param callable   name of the report or service
 * @param params     what was asked for; NULL none
 * @param found      how many persons the answer of a search names, as "found" beside "params"; -1: none
 *                   were searched
 * @param user       NULL: anonymous, "Unknown guid"
 * @param status     of the answer, as HTTP knows it
 */
void sb_audit_write(const char *callable, const sb_params_t *params, int found,
                    const sb_identity_t *user, const char *request_id, int status, apr_pool_t *p);

/**
 * What an operator did at the keyboard: the same form, callable "operator.ACTION", principals
 * ["operator:NAME"], args tenant, batch, detail.
 * @param batch  NULL: about no batch
 * @param detail in few words; no values of rows
 */
void sb_audit_operator(const char *action, const char *name, const char *tenant, const char *batch,
                       const char *detail, apr_pool_t *p);

/**
 * What became of what was asked for, and made later: the same form, callable KIND_job, args job, tenant, state, ended
 * (UTC) and files, of the person and with the request id of who asked. Status: 200 ready, 500 failed, 410 cancelled.
 * @return why it is not written
 */
apr_status_t sb_audit_job(const sb_job_outcome_t *o, apr_pool_t *p) SB_MUST_CHECK;

typedef enum { SB_SECURITY_INFO = 0, SB_SECURITY_WARNING = 1 } sb_security_t;

/**
 * {"asctime","msg":{"msg","type","host","user":{"guid","roles"}},"request_id","client","time"}
 * Of a request: sb_req_event(). All texts stand in docs/security.md, "Events".
 * @param text   one sentence without names, addresses' queries or secrets
 * @param user   NULL: {}
 * "asctime" is local time, as older readers want it; "time" is UTC.
 * @param client address of the browser; NULL: there is none
 */
void sb_security_write(sb_security_t type, const char *text, const sb_identity_t *user,
                       const char *request_id, const char *client, apr_pool_t *p);

#endif
