/**
 * What anybody may see: reports of the public copies, and the short address of their page. And what makes
 * the ids in those addresses, for whoever administers the installation.
 *
 * Everything here reads public copies only, through pools of their own under a role that can read nothing
 * else (smarter_data.c chooses the pool by the report).
 */

#include "smarter.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include "core/sb_log.h"
#include "core/sb_sid.h"

#define PAGE "/assets/html/comparingPopulations.html?isPublic=true&sid="

/* A report's name inside the product: "public." before what the address says. */
static void name_report(sb_req_t *q)
{
    q->rest = apr_pstrcat(q->r->pool, "public.", q->rest, NULL);
}

int smarter_public_report(sb_req_t *q)
{
    /* Whoever is signed in is told what he may do; that nobody is, or that the session store does not
     * answer, makes no difference. A token brings nothing here. */
    if (sb_signin_find_session(q) != APR_SUCCESS) {
        q->session = NULL;
        q->user = NULL;
    }
    name_report(q);
    return smarter_data_report(q);
}

int smarter_public_describe(sb_req_t *q)
{
    name_report(q);
    return smarter_data_describe(q);
}

/* The page finds out whether there is such a state: the id is not decoded here, only looked at. */
int smarter_public_short(sb_req_t *q)
{
    if (!sb_sid_is_plausible(q->rest)) {
        return sb_web_page(q->r, HTTP_NOT_FOUND, NULL, NULL, NULL, NULL);
    }
    apr_table_setn(q->r->headers_out, "Location",
                   apr_pstrcat(q->r->pool, sb_signin_origin(q->signin), PAGE, q->rest, NULL));
    apr_table_setn(q->r->headers_out, "Expires", "Thu, 01 Jan 1970 00:00:00 GMT");
    apr_table_setn(q->r->headers_out, "Cache-Control", "no-store, no-cache, must-revalidate");
    return sb_web_send(q->r, HTTP_MOVED_PERMANENTLY, "text/plain; charset=UTF-8", "", 0);
}

/* ---- ids ------------------------------------------------------------------------------------- */

static const sb_param_t code_params[] = {
    {.name = "state_code",
     .type = SB_PARAM_STRING,
     .required = 1,
     .chars = "a-zA-Z0-9",
     .max_len = SB_SID_STATE_MAX},
    {.name = NULL},
};

/* In capital letters. @return NULL, or the complaint */
static const char *read_code(const char **pcode, sb_req_t *q)
{
    const char *complaint = sb_req_segment(q, code_params);
    char *code;

    if (!complaint) {
        *pcode = code = apr_pstrdup(q->r->pool, q->rest);
        for (; *code; code++) {
            *code = (char)apr_toupper(*code);
        }
    }
    return complaint;
}

int smarter_public_state_code(sb_req_t *q)
{
    const char *code = NULL, *sid, *complaint = read_code(&code, q);
    sb_jw_t *w = sb_jw_make(q->r->pool);
    const char *json;
    apr_status_t rv;
    apr_size_t len;

    if (complaint) {
        return sb_web_problem(q->r, HTTP_PRECONDITION_FAILED, complaint);
    }
    rv = sb_sid_encode(&sid, code, sb_conf_str(smarter_child(q)->conf, "edware.public.secret"),
                       q->r->pool);
    if (rv == SB_ECONFIG) {
        return sb_web_problem(q->r, HTTP_NOT_FOUND,
                              "There are no public reports: edware.public.secret is not set");
    }
    if (rv != APR_SUCCESS) {
        return sb_web_fail(q->r, rv, SBLOGNO(3040), "making a public id");
    }
    sb_jw_object(w, NULL);
    sb_jw_str(w, "state_code", code);
    sb_jw_str(w, "sid", sid);
    sb_jw_end(w);
    json = sb_jw_text(w, &len);
    return sb_web_json(q->r, json, len);
}
