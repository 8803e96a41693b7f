/*
 * SAML by Lasso. One LassoServer a child process, constant and shared by all threads; LassoLogin and
 * LassoLogout live for one message. Texts stored into Lasso's objects are g_strdup'ed: it frees
 * them. Its own message ids come from no CSPRNG, so requests get ours.
 */

#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>
#include <lasso/lasso.h>
#include <lasso/xml/saml-2.0/samlp2_authn_request.h>
#include <lasso/xml/saml-2.0/samlp2_logout_request.h>
#include <lasso/xml/saml-2.0/samlp2_response.h>
#include <lasso/xml/saml-2.0/samlp2_status_response.h>
#include <libxml/xmlerror.h>
#include <xmlsec/errors.h>
#include "auth/sb_saml.h"
#include "auth/sb_saml_check.h"
#include "auth/sb_saml_gate.h"
#include "core/sb_crypto.h"
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "core/sb_xml.h"

#define ID_BYTES 20
#define REQUEST_KEPT apr_time_from_sec(3600) /* longer than any caller keeps our request ids */
#define LOGOUT_FRESH apr_time_from_sec(300)  /* a LogoutRequest without NotOnOrAfter */
#define FORGET_ONE_IN 64

struct sb_saml_t {
    const sb_saml_config_t *config;
    LassoServer *server;
    sb_dbpool_t *replay;
    const apr_array_header_t *tenants;
};

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

static apr_status_t free_object(void *object)
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
    apr_pool_cleanup_register(p, saml->server, free_object, apr_pool_cleanup_null);
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

/* Requests of the identity provider share the table: their ids are as unique as its assertions'. */
static const sb_stmt_t use_message = {
    .name = "saml_use_message",
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

/* @return APR_SUCCESS; SB_EDENIED used before; SB_EUNAVAILABLE; with reason */
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

static const char *seconds(apr_time_t t, apr_pool_t *p)
{
    return apr_psprintf(p, "%" APR_TIME_T_FMT, apr_time_sec(t) + 1);
}

/* ---- what requests and answers share ----------------------------------------------------------- */

static const char *new_id(apr_pool_t *p)
{
    const char *hex = sb_random_hex(ID_BYTES, p);

    return hex ? apr_pstrcat(p, "_", hex, NULL) : NULL;
}

static void set(gchar **ptext, const char *text)
{
    g_free(*ptext);
    *ptext = g_strdup(text);
}

/* Lasso says no: a word for the security event. */
static const char *lasso_reason(int rc, apr_pool_t *p)
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

static apr_status_t failed(const char *doing, int rc)
{
    sb_log(SB_LOG_ERROR, SBLOGNO(1605), SB_NO_STATUS, "%s: Lasso says %d, %s", doing, rc,
           lasso_strerror(rc));
    return APR_EGENERAL;
}

/* ---- our question ------------------------------------------------------------------------------ */

static int build_request(LassoLogin *login, const sb_saml_t *saml, const char *id,
                         const char *relay_key)
{
    LassoProfile *profile = LASSO_PROFILE(login);
    LassoSamlp2AuthnRequest *q;
    int rc =
        lasso_login_init_authn_request(login, saml->config->idp_id, LASSO_HTTP_METHOD_REDIRECT);

    if (rc != 0) {
        return rc;
    }
    q = LASSO_SAMLP2_AUTHN_REQUEST(profile->request);
    set(&LASSO_SAMLP2_REQUEST_ABSTRACT(q)->ID, id);
    q->ForceAuthn = FALSE;
    q->IsPassive = FALSE;
    set(&q->ProtocolBinding, LASSO_SAML2_METADATA_BINDING_POST);
    if (q->NameIDPolicy) {
        set(&q->NameIDPolicy->Format, LASSO_SAML2_NAME_IDENTIFIER_FORMAT_TRANSIENT);
        q->NameIDPolicy->AllowCreate = TRUE;
    }
    set(&profile->msg_relayState, relay_key); /* before building: it is signed, too */
    return lasso_login_build_authn_request_msg(login);
}

apr_status_t sb_saml_begin(const char **predirect, const char **prequest_id, const sb_saml_t *saml,
                           const char *relay_key, apr_pool_t *p)
{
    LassoLogin *login = lasso_login_new(saml->server);
    const char *id = new_id(p);
    apr_status_t rv = APR_SUCCESS;
    int rc;

    *predirect = *prequest_id = NULL;
    if (!login || !id) {
        rv = APR_EGENERAL;
        goto leave;
    }
    rc = build_request(login, saml, id, relay_key);
    if (rc != 0 || !LASSO_PROFILE(login)->msg_url) {
        rv = failed("making a sign-in request", rc);
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
                         const sb_saml_t *saml, const char *expected_id, apr_pool_t *p)
{
    const sb_saml_config_t *c = saml->config;
    LassoProfile *profile = LASSO_PROFILE(login);
    const sb_saml_want_t want = {.issuer = c->idp_id,
                                 .audience = c->issuer,
                                 .acs_url = c->acs_url,
                                 .request_id = expected_id,
                                 .now = apr_time_now(),
                                 .skew = c->skew};
    LassoSamlp2Response *response;
    const xmlNode *node;
    const char *bad;

    if (!LASSO_IS_SAMLP2_RESPONSE(profile->response)) {
        return "root";
    }
    if (c->require_signed_response && profile->signature_status != 0) {
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
    res->identity = apr_pcalloc(p, sizeof(*res->identity));
    sb_identity_parse(res->identity, &c->parser, claims->attributes, saml->tenants, p);
    return NULL;
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

    return use_once(&res->reason, saml, &use_answer, args, p);
}

apr_status_t sb_saml_finish(sb_saml_result_t *res, const sb_saml_t *saml, const char *value,
                            apr_size_t len, const char *expected_id, apr_pool_t *p)
{
    sb_saml_claims_t claims;
    const char *clean;
    LassoLogin *login;
    apr_status_t rv = SB_EDENIED;
    int rc;

    *res = (sb_saml_result_t){0};
    res->reason = sb_saml_gate_response(&clean, value, len, p);
    if (res->reason) {
        return SB_EDENIED;
    }
    login = lasso_login_new(saml->server);
    if (!login) {
        res->reason = "lasso";
        return SB_EDENIED;
    }
    rc = lasso_login_process_authn_response_msg(login, (gchar *)clean);
    res->reason = rc ? lasso_reason(rc, p) : judge(res, &claims, login, saml, expected_id, p);
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
        set(&LASSO_SAMLP2_REQUEST_ABSTRACT(profile->request)->ID, id);
        set(&profile->msg_relayState, relay_key);
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
    id = new_id(p);
    logout = lasso_logout_new(saml->server);
    if (!logout || !id) {
        rv = APR_EGENERAL;
        goto leave;
    }
    rc = build_logout(logout, saml, id, lasso_dump, relay_key);
    if (rc != 0 || !LASSO_PROFILE(logout)->msg_url) {
        rv = failed("making a sign-out request", rc);
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

/* A LogoutRequest is for us, fresh and new. */
static apr_status_t judge_logout_request(sb_saml_logout_t *out, const sb_saml_t *saml,
                                         apr_pool_t *p)
{
    LassoProfile *profile = LASSO_PROFILE(out->lasso);
    const sb_saml_config_t *c = saml->config;
    LassoSamlp2LogoutRequest *q = LASSO_SAMLP2_LOGOUT_REQUEST(profile->request);
    LassoSamlp2RequestAbstract *abstract = LASSO_SAMLP2_REQUEST_ABSTRACT(q);
    apr_time_t issued, end, now = apr_time_now();
    const char *args[3];

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
    args[0] = c->idp_id;
    args[1] = abstract->ID;
    args[2] = seconds(end + c->skew, p);
    return use_once(&out->reason, saml, &use_message, args, p);
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
    /* Lasso verifies it again; but it makes objects before it does, and loses the memory of each
     * signature it looks at. That is not for anybody to use. */
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
    apr_pool_cleanup_register(p, out->lasso, free_object, apr_pool_cleanup_null);
    out->is_request = parts.is_request;
    out->relay_key = parts.relay;
    rc = parts.is_request ? lasso_logout_process_request_msg(out->lasso, (char *)query)
                          : lasso_logout_process_response_msg(out->lasso, (char *)query);
    if (rc != 0) { /* no code is harmless */
        out->reason = lasso_reason(rc, p);
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
        return failed("answering a sign-out request", rc);
    }
    if (r->Status && r->Status->StatusCode) { /* whatever was there is ended now */
        set(&r->Status->StatusCode->Value, LASSO_SAML2_STATUS_CODE_SUCCESS);
        if (r->Status->StatusCode->StatusCode) {
            g_object_unref(r->Status->StatusCode->StatusCode);
            r->Status->StatusCode->StatusCode = NULL;
        }
    }
    rc = lasso_logout_build_response_msg(logout->lasso);
    if (rc != 0 || !profile->msg_url) {
        return failed("answering a sign-out request", rc);
    }
    *predirect = apr_pstrdup(p, profile->msg_url);
    return APR_SUCCESS;
}
