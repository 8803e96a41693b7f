/* Signing out by Lasso: our request, the identity provider's, and the answers to both. */

#include <string.h>
#include <apr_strings.h>
#include <lasso/xml/saml-2.0/samlp2_logout_request.h>
#include <lasso/xml/saml-2.0/samlp2_status_response.h>
#include "auth/sb_saml_check.h"
#include "auth/sb_saml_gate.h"
#include "auth/sb_saml_private.h"
#include "core/sb_log.h"
#include "core/sb_time.h"

#define LOGOUT_FRESH apr_time_from_sec(300) /* a LogoutRequest without NotOnOrAfter */

/* ---- sign-out, started here -------------------------------------------------------------------- */

static int build_logout(LassoLogout *logout, const sb_saml_t *saml, const char *id,
                        const char *dump, const char *relay_key)
{
    LassoProfile *profile = LASSO_PROFILE(logout);
    int rc = lasso_profile_set_session_from_dump(profile, dump);

    if (rc == 0) {
        rc = lasso_logout_init_request(logout, (char *)saml->config->idp_id,
                                       LASSO_HTTP_METHOD_REDIRECT);
    }
    if (rc == 0) {
        sb_saml_set(&LASSO_SAMLP2_REQUEST_ABSTRACT(profile->request)->ID, id);
        sb_saml_set(&profile->msg_relayState, relay_key);
        rc = lasso_logout_build_request_msg(logout);
    }
    return rc;
}

apr_status_t sb_saml_logout_begin(const char **predirect, const char **prequest_id,
                                  const sb_saml_t *saml, const char *lasso_dump,
                                  const char *relay_key, apr_pool_t *p)
{
    LassoLogout *logout;
    const char *id;
    apr_status_t rv = APR_SUCCESS;
    int rc;

    *predirect = *prequest_id = NULL;
    if (!saml->config->idp_has_logout || !lasso_dump) {
        return APR_NOTFOUND;
    }
    id = sb_saml_new_id(p);
    logout = lasso_logout_new(saml->server);
    if (!logout || !id) {
        rv = APR_EGENERAL;
        goto leave;
    }
    rc = build_logout(logout, saml, id, lasso_dump, relay_key);
    if (rc != 0 || !LASSO_PROFILE(logout)->msg_url) {
        rv = sb_saml_failed("making a sign-out request", rc);
        goto leave;
    }
    *predirect = apr_pstrdup(p, LASSO_PROFILE(logout)->msg_url);
    *prequest_id = id;
leave:
    if (logout) {
        lasso_logout_destroy(logout);
    }
    return rv;
}

/* ---- messages that arrive at slo_url ----------------------------------------------------------- */

static int is(const char *have, const char *want)
{
    return have && want && !strcmp(have, want);
}

/* The session it means; NULL all of the name, also if it lists several: rather too many than too few. */
static const char *session_index_of(LassoSamlp2LogoutRequest *q, apr_pool_t *p)
{
    GList *all = lasso_samlp2_logout_request_get_session_indexes(q);
    const char *index = all && !all->next ? apr_pstrdup(p, all->data) : NULL;

    g_list_free_full(all, g_free);
    return index;
}

/* A LogoutRequest is for us and fresh. */
static apr_status_t judge_logout_request(sb_saml_logout_t *out, const sb_saml_t *saml,
                                         apr_pool_t *p)
{
    LassoProfile *profile = LASSO_PROFILE(out->lasso);
    const sb_saml_config_t *c = saml->config;
    LassoSamlp2LogoutRequest *q = LASSO_SAMLP2_LOGOUT_REQUEST(profile->request);
    LassoSamlp2RequestAbstract *abstract = LASSO_SAMLP2_REQUEST_ABSTRACT(q);
    apr_time_t issued, end, now = apr_time_now();

    if (!is(abstract->Destination, c->slo_url)) {
        out->reason = "destination";
    }
    else if (!is(profile->remote_providerID, c->idp_id)) {
        out->reason = "issuer";
    }
    else if (!abstract->ID || !*abstract->ID || strlen(abstract->ID) > SB_SAML_ID_MAX) {
        out->reason = "id";
    }
    else if (!q->NameID || !q->NameID->content || !*q->NameID->content) {
        out->reason = "subject";
    }
    else if (!abstract->IssueInstant ||
             sb_time_parse_utc(&issued, abstract->IssueInstant) != APR_SUCCESS ||
             (q->NotOnOrAfter && sb_time_parse_utc(&end, q->NotOnOrAfter) != APR_SUCCESS)) {
        out->reason = "time";
    }
    else if (issued > now + c->skew) {
        out->reason = "not_yet_valid";
    }
    if (out->reason) {
        return SB_EDENIED;
    }
    if (!q->NotOnOrAfter || end > issued + LOGOUT_FRESH) {
        end = issued + LOGOUT_FRESH;
    }
    if (now >= end + c->skew) {
        out->reason = "expired";
        return SB_EDENIED;
    }
    out->name_id = apr_pstrdup(p, q->NameID->content);
    out->session_index = session_index_of(q, p);
    out->message_id = apr_pstrdup(p, abstract->ID);
    out->message_end = end + c->skew;
    return APR_SUCCESS;
}

static apr_status_t judge_logout_response(sb_saml_logout_t *out, const sb_saml_t *saml,
                                          const char *expected_id, apr_pool_t *p)
{
    LassoProfile *profile = LASSO_PROFILE(out->lasso);
    LassoSamlp2StatusResponse *r = LASSO_SAMLP2_STATUS_RESPONSE(profile->response);

    if (!is(r->Destination, saml->config->slo_url)) {
        out->reason = "destination";
    }
    else if (!is(profile->remote_providerID, saml->config->idp_id)) {
        out->reason = "issuer";
    }
    else if (!is(r->InResponseTo, expected_id)) {
        out->reason = "in_response_to";
    }
    if (out->reason) {
        return SB_EDENIED;
    }
    out->in_response_to = apr_pstrdup(p, r->InResponseTo);
    out->success = r->Status && r->Status->StatusCode &&
                   is(r->Status->StatusCode->Value, LASSO_SAML2_STATUS_CODE_SUCCESS);
    return APR_SUCCESS;
}

apr_status_t sb_saml_logout_read(sb_saml_logout_t *out, const sb_saml_t *saml, const char *query,
                                 const char *expected_id, apr_pool_t *p)
{
    sb_saml_query_t parts;
    apr_status_t rv;
    int rc;

    *out = (sb_saml_logout_t){0};
    out->reason = sb_saml_gate_query(&parts, query, p);
    if (out->reason) {
        return SB_EDENIED;
    }
    /* Lasso makes objects before it verifies anything: that is not for anybody to use. */
    if (!sb_saml_config_verifies(saml->config, parts.sha_bits, parts.octets, parts.signature,
                                 parts.signature_len)) {
        out->reason = "signature";
        return SB_EDENIED;
    }
    out->lasso = lasso_logout_new(saml->server);
    if (!out->lasso) {
        out->reason = "lasso";
        return SB_EDENIED;
    }
    apr_pool_cleanup_register(p, out->lasso, sb_saml_free_object, apr_pool_cleanup_null);
    out->is_request = parts.is_request;
    out->relay_key = parts.relay;
    /* It reads the very octets that were verified, and not the signature: it would lose the memory
     * of each one. */
    lasso_profile_set_signature_verify_hint(LASSO_PROFILE(out->lasso),
                                            LASSO_PROFILE_SIGNATURE_VERIFY_HINT_IGNORE);
    rc = parts.is_request ? lasso_logout_process_request_msg(out->lasso, (char *)parts.octets)
                          : lasso_logout_process_response_msg(out->lasso, (char *)parts.octets);
    if (rc != 0) { /* no code is harmless */
        out->reason = sb_saml_lasso_reason(rc, p);
        return SB_EDENIED;
    }
    out->issuer = saml->config->idp_id;
    rv = out->is_request ? judge_logout_request(out, saml, p)
                         : judge_logout_response(out, saml, expected_id, p);
    return rv;
}

const char *sb_saml_query_relay(const char *query, apr_pool_t *p)
{
    sb_saml_query_t parts;
    const char *bad = sb_saml_gate_query(&parts, query, p);

    return bad ? NULL : parts.relay;
}

apr_status_t sb_saml_logout_answer(const char **predirect, const sb_saml_t *saml,
                                   const sb_saml_logout_t *logout, const char *lasso_dump,
                                   apr_pool_t *p)
{
    LassoProfile *profile = LASSO_PROFILE(logout->lasso);
    LassoSamlp2StatusResponse *r;
    int rc;

    (void)saml;
    *predirect = NULL;
    if (lasso_dump && lasso_profile_set_session_from_dump(profile, lasso_dump) != 0) {
        sb_log(SB_LOG_WARN, SBLOGNO(1606), SB_NO_STATUS, "a session's Lasso dump is not readable");
    }
    rc = lasso_logout_validate_request(logout->lasso);
    r = profile->response ? LASSO_SAMLP2_STATUS_RESPONSE(profile->response) : NULL;
    if (!r) {
        return sb_saml_failed("answering a sign-out request", rc);
    }
    if (r->Status && r->Status->StatusCode) { /* whatever was there is ended now */
        sb_saml_set(&r->Status->StatusCode->Value, LASSO_SAML2_STATUS_CODE_SUCCESS);
        if (r->Status->StatusCode->StatusCode) {
            g_object_unref(r->Status->StatusCode->StatusCode);
            r->Status->StatusCode->StatusCode = NULL;
        }
    }
    rc = lasso_logout_build_response_msg(logout->lasso);
    if (rc != 0 || !profile->msg_url) {
        return sb_saml_failed("answering a sign-out request", rc);
    }
    *predirect = apr_pstrdup(p, profile->msg_url);
    return APR_SUCCESS;
}
