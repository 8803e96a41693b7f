#ifndef SB_SAML_H
#define SB_SAML_H

/**
 * SAML 2.0 service provider: Web Browser SSO (our request by redirect, the answer by POST) and single
 * logout (redirect, both directions). Only sb_saml.c and sb_saml_logout.c talk to Lasso. Every message
 * passes sb_saml_gate before Lasso sees it, and the checks Lasso leaves to its caller after.
 * What is checked, and where: docs/security.md.
 *
 * Cookies, relay keys and sessions are the caller's business: a relay key here is an opaque text.
 */

#include "auth/sb_identity_parse.h"
#include "store/sb_db.h"

/* ---- configuration: read in httpd's parent, as root, without Lasso ---------------------------- */

typedef enum {
    SB_SAML_ENCRYPTION_REFUSED,
    SB_SAML_ENCRYPTION_ACCEPTED,
    SB_SAML_ENCRYPTION_REQUIRED /* an assertion that is not encrypted is refused */
} sb_saml_encryption_t;

/** Texts of what the configuration names; nothing is read from disk later. */
typedef struct {
    const char *issuer;  /* our entity id */
    const char *acs_url; /* where answers are posted: Destination and Recipient */
    const char *slo_url; /* where logout messages arrive */
    const char *sp_key;  /* PEM; signs */
    /* struct evp_pkey_st *: it, the next, the previous, as far as there are; freed with p */
    const apr_array_header_t *sp_keys;
    const char *sp_metadata; /* made from the above */
    const char *idp_metadata;
    const char *idp_id;                 /* entity id of the identity provider */
    const apr_array_header_t *idp_keys; /* struct evp_pkey_st *: it may sign by any; freed with p */
    int idp_has_logout;                 /* it has a redirect address for LogoutRequests */
    int require_signed_response;
    sb_identity_parser_t parser;     /* what its attributes mean */
    sb_saml_encryption_t encryption; /* of assertions */
    int sign_requests;               /* AuthnRequests; logout messages are signed always */
    int force_authn;                 /* the password each time; no older sign-in is believed */
    int idp_initiated;               /* take answers that nobody asked for */
    const char *acs_index;           /* requests name acs_url by this number; NULL: by itself */
    apr_interval_time_t skew;        /* between its clock and ours */
} sb_saml_config_t;

/**
 * Read and judge auth.idp.metadata and auth.saml.*: files, addresses, our pairs of key
 * and certificate, one identity provider with a signing key and redirect endpoints.
 * @return NULL; or the complaint: key, value, remedy
 */
const char *sb_saml_config_load(sb_saml_config_t **pconfig, const sb_conf_t *conf,
                                apr_pool_t *p) SB_MUST_CHECK;

/** Did the identity provider sign these octets? RSA with SHA-2 of that many bits. */
int sb_saml_config_verifies(const sb_saml_config_t *config, int sha_bits, const char *octets,
                            const unsigned char *signature, apr_size_t len);

/* ---- one child process ------------------------------------------------------------------------ */

typedef struct sb_saml_t sb_saml_t; /* shared by all threads, constant */

/**
 * Start Lasso: once a process, in child_init, never in httpd's parent (a reload would leave GLib
 * with types of a library that is gone). Tries itself on an unsigned answer, which must be refused.
 * @param config  outlives the result
 * @param replay  pool of the database with schema security.db.schema_name
 * @param tenants sb_tenant_t
 * @return APR_SUCCESS; SB_ECONFIG Lasso does not take the configuration, or failed its trial (logged)
 */
apr_status_t sb_saml_make(sb_saml_t **psaml, const sb_saml_config_t *config, sb_dbpool_t *replay,
                          const apr_array_header_t *tenants, apr_pool_t *p) SB_MUST_CHECK;

/** SP metadata, served at /saml_metadata as application/samlmetadata+xml. */
const char *sb_saml_metadata(const sb_saml_t *saml);

/* ---- sign-in ---------------------------------------------------------------------------------- */

/**
 * Make a signed AuthnRequest.
 * @param predirect   address at the identity provider, for Location
 * @param prequest_id our random id: keep it under relay_key, pass it to sb_saml_finish
 * @param fresh       ForceAuthn: the person is to prove who he is, whatever the provider remembers; asked for always
 *                    where the configuration says so
 */
apr_status_t sb_saml_begin(const char **predirect, const char **prequest_id, const sb_saml_t *saml,
                           const char *relay_key, int fresh, apr_pool_t *p) SB_MUST_CHECK;

/** What a verified answer says; or, with SB_EDENIED and SB_EUNAVAILABLE, only reason. */
typedef struct {
    const char *reason;      /* short code for the security event, e.g. "audience"; NULL fine */
    sb_identity_t *identity; /* built: grants, roles; "NONE" if nothing usable was sent */
    const char *issuer;      /* entity id of the identity provider */
    const char *name_id;
    const char *session_index; /* NULL none */
    const char *lasso_dump;    /* keep it in the session, for sb_saml_logout_*; 5-6 KB */
    apr_time_t not_after;      /* the session ends no later (SessionNotOnOrAfter); 0 not limited */
    apr_time_t proved; /* by our clock the person proved who he is no later than this; 0 not told */
} sb_saml_result_t;

/**
 * Judge the form value SAMLResponse; all checks, fail closed. On success assertion and request id
 * are used up.
 * @param value       form-decoded, still base64
 * @param expected_id request id stored for this browser. NULL: nobody asked, so the answer must not say
 *                    that anybody did; only where the configuration has idp_initiated
 * @return APR_SUCCESS; SB_EDENIED refused, for res->reason; SB_EUNAVAILABLE the table of used
 *         assertions cannot be reached, so nobody may sign in (reason "replay_store")
 */
apr_status_t sb_saml_finish(sb_saml_result_t *res, const sb_saml_t *saml, const char *value,
                            apr_size_t len, const char *expected_id, apr_pool_t *p) SB_MUST_CHECK;

/* ---- sign-out --------------------------------------------------------------------------------- */

/**
 * Make a signed LogoutRequest. End the local session before redirecting.
 * @param lasso_dump of the session
 * @return APR_SUCCESS; APR_NOTFOUND the identity provider has no logout address (end locally only)
 */
apr_status_t sb_saml_logout_begin(const char **predirect, const char **prequest_id,
                                  const sb_saml_t *saml, const char *lasso_dump,
                                  const char *relay_key, apr_pool_t *p) SB_MUST_CHECK;

/** A verified message that arrived at slo_url. */
typedef struct {
    const char *reason;        /* as above */
    int is_request;            /* LogoutRequest: sb_session_end_named, then sb_saml_logout_answer */
    const char *issuer;        /* entity id of the sender */
    const char *message_id;    /* request only: it may be followed once */
    apr_time_t message_end;    /* request only: by then it is too old anyway */
    const char *name_id;       /* request only */
    const char *session_index; /* request only; NULL: all sessions of name_id */
    const char *relay_key;     /* RelayState, decoded; NULL none. Text of the sender: only a key */
    const char *in_response_to; /* response only */
    int success;                /* response only: the top-level status */
    struct _LassoLogout *lasso; /* internal; released with the pool */
} sb_saml_logout_t;

/**
 * Verify a redirect-binding message. Whether a LogoutRequest came before is not looked at: using it up and ending
 * the sessions is one step.
 * @param query       the raw query string, undecoded: the signature covers these octets
 * @param expected_id request id stored for this browser by sb_saml_logout_begin; NULL none. A
 *                    LogoutResponse is refused unless it answers it; a LogoutRequest ignores it.
 * @return APR_SUCCESS; SB_EDENIED refused for out->reason
 */
apr_status_t sb_saml_logout_read(sb_saml_logout_t *out, const sb_saml_t *saml, const char *query,
                                 const char *expected_id, apr_pool_t *p) SB_MUST_CHECK;

/** RelayState of a raw query, decoded, to find expected_id before verifying. NULL none or twice. */
const char *sb_saml_query_relay(const char *query, apr_pool_t *p);

/**
 * The signed LogoutResponse to a verified LogoutRequest, after the sessions were ended. It says
 * success also if there was no session left: what was asked for is so.
 * @param lasso_dump of one of the ended sessions; NULL none was found
 */
apr_status_t sb_saml_logout_answer(const char **predirect, const sb_saml_t *saml,
                                   const sb_saml_logout_t *logout, const char *lasso_dump,
                                   apr_pool_t *p) SB_MUST_CHECK;

#endif
