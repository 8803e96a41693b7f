/*
 * SAML by Lasso. One LassoServer a child process, constant and shared by all threads; LassoLogin and
 * LassoLogout live for one message. Texts stored into Lasso's objects are g_strdup'ed: it frees
 * them. Its own message ids come from no CSPRNG, so requests get ours.
 */

#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>
#include <lasso/xml/saml-2.0/samlp2_authn_request.h>
#include <lasso/xml/saml-2.0/samlp2_response.h>
#include <lasso/xml/saml-2.0/samlp2_status_response.h>
#include <libxml/xmlerror.h>
#include <xmlsec/errors.h>
#include "auth/sb_saml_check.h"
#include "auth/sb_saml_gate.h"
#include "auth/sb_saml_open.h"
#include "auth/sb_saml_private.h"
#include "auth/sb_saml_signature.h"
#include "core/sb_crypto.h"
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "core/sb_xml.h"

#define ID_BYTES 20
#define REQUEST_KEPT apr_time_from_sec(3600) /* longer than any caller keeps our request ids */
#define FORGET_ONE_IN 64
#define AUTHN_MAX_AGE                                                                              \
    apr_time_from_sec(600) /* with force_authn; no caller waits longer for an answer */

/* ---- starting Lasso ---------------------------------------------------------------------------- */

/* Its complaints may quote messages, and every refused message makes some: for debugging only. */
static void from_glib(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer data)
{
    (void)level;
    (void)data;
    sb_log(SB_LOG_DEBUG, SBLOGNO(1620), SB_NO_STATUS, "%s: %s", domain ? domain : "glib", text);
}

static void from_xmlsec(const char *file, int line, const char *func, const char *object,
                        const char *subject, int reason, const char *msg)
{
    (void)file;
    (void)line;
    sb_log(SB_LOG_DEBUG, SBLOGNO(1621), SB_NO_STATUS, "xmlsec %s %s %s: %d %s", func, object,
           subject, reason, msg);
}

__attribute__((format(printf, 2, 3))) static void from_libxml(void *ctx, const char *fmt, ...)
{
    (void)ctx;
    (void)fmt;
}

apr_status_t sb_saml_free_object(void *object)
{
    g_object_unref(object);
    return APR_SUCCESS;
}

/* An answer of the right issuer that nobody signed: does Lasso take it? */
static int takes_unsigned(const sb_saml_t *saml, LassoProfileSignatureVerifyHint hint,
                          apr_pool_t *p)
{
    const sb_saml_config_t *c = saml->config;
    const char *xml = apr_psprintf(
        p,
        "<samlp:Response xmlns:samlp=\"" SB_SAML_NS_PROTOCOL "\" xmlns:saml=\"" SB_SAML_NS_ASSERTION
        "\" ID=\"_t1\" Version=\"2.0\" IssueInstant=\"2020-01-01T00:00:00Z\" Destination=\"%s\">"
        "<saml:Issuer>%s</saml:Issuer><samlp:Status><samlp:StatusCode "
        "Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status>"
        "<saml:Assertion ID=\"_t2\" Version=\"2.0\" IssueInstant=\"2020-01-01T00:00:00Z\">"
        "<saml:Issuer>%s</saml:Issuer><saml:Subject><saml:NameID>trial</saml:NameID>"
        "<saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"/>"
        "</saml:Subject><saml:AuthnStatement AuthnInstant=\"2020-01-01T00:00:00Z\"/>"
        "</saml:Assertion></samlp:Response>",
        sb_xml_escape(c->acs_url, p), sb_xml_escape(c->idp_id, p), sb_xml_escape(c->idp_id, p));
    LassoLogin *login = lasso_login_new(saml->server);
    int rc;

    if (!login) {
        return -1;
    }
    lasso_profile_set_signature_verify_hint(LASSO_PROFILE(login), hint);
    rc = lasso_login_process_authn_response_msg(login,
                                                (gchar *)sb_base64_encode(xml, strlen(xml), p));
    lasso_login_destroy(login);
    return rc == 0;
}

/* The trial counts only if nothing but the missing signature is wrong with the message. */
static int verifies(const sb_saml_t *saml, apr_pool_t *p)
{
    return takes_unsigned(saml, LASSO_PROFILE_SIGNATURE_VERIFY_HINT_IGNORE, p) == 1 &&
           takes_unsigned(saml, LASSO_PROFILE_SIGNATURE_VERIFY_HINT_MAYBE, p) == 0;
}

static apr_status_t make_server(sb_saml_t *saml, apr_pool_t *p)
{
    const sb_saml_config_t *c = saml->config;

    /* Without our certificate: Lasso takes it for a file name whenever it signs (and leaks), and only
     * signatures inside XML would show it; ours are in queries. */
    saml->server = lasso_server_new_from_buffers(c->sp_metadata, c->sp_key, NULL, NULL);
    if (!saml->server) {
        sb_log(SB_LOG_ERROR, SBLOGNO(1601), SB_NO_STATUS, "Lasso does not take our own metadata");
        return SB_ECONFIG;
    }
    apr_pool_cleanup_register(p, saml->server, sb_saml_free_object, apr_pool_cleanup_null);
    saml->server->signature_method = LASSO_SIGNATURE_METHOD_RSA_SHA256;
    /* No CA chain: with one, metadata without keys would switch verification off. */
    if (lasso_server_add_provider_from_buffer(saml->server, LASSO_PROVIDER_ROLE_IDP,
                                              c->idp_metadata, NULL, NULL) != 0) {
        sb_log(SB_LOG_ERROR, SBLOGNO(1602), SB_NO_STATUS, "Lasso does not take auth.idp.metadata");
        return SB_ECONFIG;
    }
    return APR_SUCCESS;
}

apr_status_t sb_saml_make(sb_saml_t **psaml, const sb_saml_config_t *config, sb_dbpool_t *replay,
                          const apr_array_header_t *tenants, apr_pool_t *p)
{
    sb_saml_t *saml = apr_pcalloc(p, sizeof(*saml));
    apr_status_t rv;

    *psaml = NULL;
    saml->config = config;
    saml->replay = replay;
    saml->tenants = tenants;
    unsetenv("LASSO_FLAG"); /* "no-verify-signature" there would mean just that */
    /* Lasso works out the local time for each debug line, two hundred a message, also of those that
     * nobody writes; libc then looks at the zone's file every time, unless TZ names it. */
    setenv("TZ", ":/etc/localtime", 0);
    g_log_set_default_handler(from_glib, NULL);
    xmlSetGenericErrorFunc(NULL, from_libxml);
    xmlThrDefSetGenericErrorFunc(NULL, from_libxml);
    if (lasso_init() != 0) {
        sb_log(SB_LOG_ERROR, SBLOGNO(1603), SB_NO_STATUS, "Lasso does not start");
        return SB_ECONFIG;
    }
    xmlSecErrorsSetCallback(from_xmlsec);
    rv = make_server(saml, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!verifies(saml, p)) {
        sb_log(SB_LOG_ERROR, SBLOGNO(1604), SB_NO_STATUS,
               "Lasso does not tell signed from unsigned messages: nobody will be signed in");
        return SB_ECONFIG;
    }
    *psaml = saml;
    return APR_SUCCESS;
}

const char *sb_saml_metadata(const sb_saml_t *saml)
{
    return saml->config->sp_metadata;
}

/* ---- used once --------------------------------------------------------------------------------- */

static const sb_stmt_t use_answer = {
    .name = "saml_use_answer",
    .nargs = 5,
    .sql = "WITH a AS (INSERT INTO {schema}.used_assertion (issuer, assertion_id, not_after)"
           " VALUES ($1, $2, to_timestamp($3::bigint)))"
           " INSERT INTO {schema}.used_request (request_id, not_after)"
           " VALUES ($4, to_timestamp($5::bigint))"};

static const sb_stmt_t use_unasked = {
    .name = "saml_use_unasked",
    .nargs = 3,
    .sql = "INSERT INTO {schema}.used_assertion (issuer, assertion_id, not_after)"
           " VALUES ($1, $2, to_timestamp($3::bigint))"};

static const sb_stmt_t forget = {
    .name = "saml_forget", .nargs = 0, .sql = "SELECT {schema}.forget_expired()"};

static void forget_sometimes(sb_db_t *db, apr_pool_t *p)
{
    unsigned char dice;
    sb_rows_t *rows;
    apr_status_t rv;

    if (sb_random(&dice, 1) != APR_SUCCESS || dice % FORGET_ONE_IN != 0) {
        return;
    }
    rv = sb_db_query(&rows, db, &forget, NULL, p);
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(1611), rv, "forgetting old assertion ids: %s", sb_db_error(db));
    }
}

/* @return APR_SUCCESS; SB_EDENIED used before; SB_EUNAVAILABLE; the latter two with a reason */
static apr_status_t use_once(const char **preason, const sb_saml_t *saml, const sb_stmt_t *st,
                             const char *const *args, apr_pool_t *p)
{
    apr_pool_t *sub;
    sb_db_t *db;
    apr_status_t rv;

    apr_pool_create(&sub, p);
    rv = sb_dbpool_get(&db, saml->replay, sub);
    if (rv == APR_SUCCESS) {
        rv = sb_db_exec(NULL, db, st, args);
        if (rv == APR_SUCCESS) {
            forget_sometimes(db, sub);
        }
        else if (rv != SB_ECONFLICT) {
            sb_log(SB_LOG_ERROR, SBLOGNO(1612), rv, "table of used assertions: %s",
                   sb_db_error(db));
        }
    }
    else {
        sb_log(SB_LOG_ERROR, SBLOGNO(1613), rv, "the database of used assertions");
    }
    apr_pool_destroy(sub);
    if (rv == APR_SUCCESS) {
        return APR_SUCCESS;
    }
    *preason = rv == SB_ECONFLICT ? "replay" : "replay_store";
    return rv == SB_ECONFLICT ? SB_EDENIED : SB_EUNAVAILABLE;
}

/* A time as argument of the statements above: whole seconds, rounded up. */
static const char *seconds(apr_time_t t, apr_pool_t *p)
{
    return apr_psprintf(p, "%" APR_TIME_T_FMT, apr_time_sec(t) + 1);
}

/* ---- what requests and answers share ----------------------------------------------------------- */

const char *sb_saml_new_id(apr_pool_t *p)
{
    const char *hex = sb_random_hex(ID_BYTES, p);

    return hex ? apr_pstrcat(p, "_", hex, NULL) : NULL;
}

void sb_saml_set(gchar **ptext, const char *text)
{
    g_free(*ptext);
    *ptext = g_strdup(text);
}

const char *sb_saml_lasso_reason(int rc, apr_pool_t *p)
{
    switch (rc) {
    case LASSO_DS_ERROR_SIGNATURE_NOT_FOUND:
    case LASSO_DS_ERROR_INVALID_SIGNATURE:
    case LASSO_DS_ERROR_SIGNATURE_VERIFICATION_FAILED:
    case LASSO_DS_ERROR_DIGEST_COMPUTE_FAILED:
    case LASSO_DS_ERROR_INVALID_SIGALG:
    case LASSO_DS_ERROR_INVALID_REFERENCE_FOR_SAML:
    case LASSO_PROFILE_ERROR_CANNOT_VERIFY_SIGNATURE:
    case LASSO_LOGIN_ERROR_INVALID_ASSERTION_SIGNATURE:
        return "signature";
    case LASSO_SERVER_ERROR_PROVIDER_NOT_FOUND:
        return "issuer";
    case LASSO_PROFILE_ERROR_STATUS_NOT_SUCCESS:
    case LASSO_LOGIN_ERROR_REQUEST_DENIED:
    case LASSO_LOGIN_ERROR_STATUS_NOT_SUCCESS:
    case LASSO_LOGOUT_ERROR_REQUEST_DENIED:
        return "status";
    default:
        return apr_psprintf(p, "lasso %d", rc);
    }
}

apr_status_t sb_saml_failed(const char *doing, int rc)
{
    sb_log(SB_LOG_ERROR, SBLOGNO(1605), SB_NO_STATUS, "%s: Lasso says %d, %s", doing, rc,
           lasso_strerror(rc));
    return APR_EGENERAL;
}

/* ---- our question ------------------------------------------------------------------------------ */

static int build_request(LassoLogin *login, const sb_saml_t *saml, const char *id,
                         const char *relay_key, int fresh)
{
    LassoProfile *profile = LASSO_PROFILE(login);
    const sb_saml_config_t *c = saml->config;
    LassoSamlp2AuthnRequest *q;
    int rc = lasso_login_init_authn_request(login, c->idp_id, LASSO_HTTP_METHOD_REDIRECT);

    if (rc != 0) {
        return rc;
    }
    q = LASSO_SAMLP2_AUTHN_REQUEST(profile->request);
    sb_saml_set(&LASSO_SAMLP2_REQUEST_ABSTRACT(q)->ID, id);
    q->ForceAuthn = c->force_authn || fresh;
    q->IsPassive = FALSE;
    if (c->acs_index) { /* the number stands for address and binding */
        sb_saml_set(&q->ProtocolBinding, NULL);
        q->AssertionConsumerServiceIndex = atoi(c->acs_index);
    }
    else {
        sb_saml_set(&q->ProtocolBinding, LASSO_SAML2_METADATA_BINDING_POST);
        sb_saml_set(&q->AssertionConsumerServiceURL, c->acs_url);
    }
    if (q->NameIDPolicy) {
        sb_saml_set(&q->NameIDPolicy->Format, LASSO_SAML2_NAME_IDENTIFIER_FORMAT_TRANSIENT);
        q->NameIDPolicy->AllowCreate = TRUE;
    }
    if (!c->sign_requests) {
        lasso_profile_set_signature_hint(profile, LASSO_PROFILE_SIGNATURE_HINT_FORBID);
    }
    sb_saml_set(&profile->msg_relayState, relay_key); /* before building: it is signed, too */
    return lasso_login_build_authn_request_msg(login);
}

apr_status_t sb_saml_begin(const char **predirect, const char **prequest_id, const sb_saml_t *saml,
                           const char *relay_key, int fresh, apr_pool_t *p)
{
    LassoLogin *login = lasso_login_new(saml->server);
    const char *id = sb_saml_new_id(p);
    apr_status_t rv = APR_SUCCESS;
    int rc;

    *predirect = *prequest_id = NULL;
    if (!login || !id) {
        rv = APR_EGENERAL;
        goto leave;
    }
    rc = build_request(login, saml, id, relay_key, fresh);
    if (rc != 0 || !LASSO_PROFILE(login)->msg_url) {
        rv = sb_saml_failed("making a sign-in request", rc);
        goto leave;
    }
    *predirect = apr_pstrdup(p, LASSO_PROFILE(login)->msg_url);
    *prequest_id = id;
leave:
    if (login) {
        lasso_login_destroy(login);
    }
    return rv;
}

/* ---- the answer -------------------------------------------------------------------------------- */

/* Lasso verified the message: now everything it left to us. */
static const char *judge(sb_saml_result_t *res, sb_saml_claims_t *claims, LassoLogin *login,
                         const sb_saml_t *saml, const char *expected_id, int response_signed,
                         apr_pool_t *p)
{
    const sb_saml_config_t *c = saml->config;
    LassoProfile *profile = LASSO_PROFILE(login);
    const sb_saml_want_t want = {.issuer = c->idp_id,
                                 .audience = c->issuer,
                                 .acs_url = c->acs_url,
                                 .request_id = expected_id,
                                 .authn_max_age = c->force_authn ? AUTHN_MAX_AGE : 0,
                                 .now = apr_time_now(),
                                 .skew = c->skew};
    LassoSamlp2Response *response;
    const xmlNode *node;
    const char *bad;

    if (!LASSO_IS_SAMLP2_RESPONSE(profile->response)) {
        return "root";
    }
    if (c->require_signed_response && profile->signature_status != 0 && !response_signed) {
        return "signature";
    }
    response = LASSO_SAMLP2_RESPONSE(profile->response);
    node = lasso_node_get_original_xmlnode(LASSO_NODE(response));
    bad = node ? sb_saml_check_response(node, &want, p) : "root";
    if (bad) {
        return bad;
    }
    if (g_list_length(response->Assertion) != 1 ||
        !LASSO_IS_SAML2_ASSERTION(response->Assertion->data)) {
        return "assertion_count";
    }
    /* The node that was verified; nothing is read from Lasso's own view of it. */
    node = lasso_node_get_original_xmlnode(LASSO_NODE(response->Assertion->data));
    if (!node) {
        return "assertion";
    }
    bad = sb_saml_gate_node(node, p);
    if (!bad) {
        bad = sb_saml_check_assertion(claims, node, &want, p);
    }
    if (bad) {
        return bad;
    }
    res->issuer = c->idp_id;
    res->name_id = claims->name_id;
    res->session_index = claims->session_index;
    res->not_after = claims->session_end;
    res->proved = claims->proved ? claims->proved + c->skew : 0;
    res->identity = apr_pcalloc(p, sizeof(*res->identity));
    sb_identity_parse(res->identity, &c->parser, claims->attributes, saml->tenants, p);
    return sb_identity_is_somebody(res->identity) ? NULL : "no_user";
}

/* What single logout needs of Lasso later. */
static const char *dump_session(LassoLogin *login, apr_pool_t *p)
{
    LassoSession *session;
    gchar *dump;
    const char *copy;

    if (lasso_login_accept_sso(login) != 0) {
        return NULL;
    }
    session = lasso_profile_get_session(LASSO_PROFILE(login));
    dump = session ? lasso_session_dump(session) : NULL;
    copy = dump ? apr_pstrdup(p, dump) : NULL;
    g_free(dump);
    return copy;
}

static apr_status_t use_up(sb_saml_result_t *res, const sb_saml_t *saml,
                           const sb_saml_claims_t *claims, const char *request_id, apr_pool_t *p)
{
    const char *args[] = {saml->config->idp_id, claims->id,
                          seconds(claims->not_after + saml->config->skew, p), request_id,
                          seconds(apr_time_now() + REQUEST_KEPT, p)};

    return use_once(&res->reason, saml, request_id ? &use_answer : &use_unasked, args, p);
}

/* A message that Lasso may be given. @param psigned the response around an encrypted assertion was signed */
static const char *admit(const char **pclean, int *psigned, const sb_saml_t *saml,
                         const char *value, apr_size_t len, apr_pool_t *p)
{
    const sb_saml_config_t *c = saml->config;
    xmlNode *sealed = NULL;
    const char *bad = sb_saml_gate_response(
        pclean, c->encryption == SB_SAML_ENCRYPTION_REFUSED ? NULL : &sealed, value, len, p);
    sb_saml_signature_t by;

    *psigned = 0;
    if (bad || !sealed) {
        return bad ? bad : c->encryption == SB_SAML_ENCRYPTION_REQUIRED ? "not_encrypted" : NULL;
    }
    by = sb_saml_signature(sealed->parent, c->idp_keys);
    if (by == SB_SAML_WRONGLY_SIGNED) {
        return "signature";
    }
    *psigned = by == SB_SAML_SIGNED;
    return sb_saml_open(pclean, sealed, c->sp_keys, *psigned, p);
}

apr_status_t sb_saml_finish(sb_saml_result_t *res, const sb_saml_t *saml, const char *value,
                            apr_size_t len, const char *expected_id, apr_pool_t *p)
{
    sb_saml_claims_t claims;
    const char *clean;
    LassoLogin *login;
    apr_status_t rv = SB_EDENIED;
    int rc, response_signed;

    *res = (sb_saml_result_t){0};
    res->reason = admit(&clean, &response_signed, saml, value, len, p);
    if (!res->reason && !expected_id && !saml->config->idp_initiated) {
        res->reason = "in_response_to";
    }
    if (res->reason) {
        return SB_EDENIED;
    }
    login = lasso_login_new(saml->server);
    if (!login) {
        res->reason = "lasso";
        return SB_EDENIED;
    }
    rc = lasso_login_process_authn_response_msg(login, (gchar *)clean);
    res->reason = rc ? sb_saml_lasso_reason(rc, p)
                     : judge(res, &claims, login, saml, expected_id, response_signed, p);
    if (res->reason) {
        goto leave;
    }
    res->lasso_dump = dump_session(login, p);
    if (!res->lasso_dump) {
        res->reason = "lasso";
        goto leave;
    }
    rv = use_up(res, saml, &claims, expected_id, p);
leave:
    lasso_login_destroy(login);
    if (rv != APR_SUCCESS) { /* nothing of a refused message may be taken for somebody */
        *res = (sb_saml_result_t){.reason = res->reason};
    }
    return rv;
}
