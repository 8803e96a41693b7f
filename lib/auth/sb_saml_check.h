#ifndef SB_SAML_CHECK_H
#define SB_SAML_CHECK_H

/**
 * What Lasso leaves to its caller: is this response meant for us, now, in answer to our question?
 * Pure functions on trees that passed the gate and whose signature Lasso verified.
 */

#include <apr_tables.h>
#include <apr_time.h>
#include "auth/sb_identity_parse.h"

struct _xmlNode;

/** What we expect. */
typedef struct {
    const char *issuer;   /* entity id of the identity provider */
    const char *audience; /* ours */
    const char *acs_url;  /* where the answer was to be posted */
    const char
        *request_id; /* of our question; NULL: there was none, and the answer must name none */
    apr_interval_time_t authn_max_age; /* the person proved who he is no longer ago; 0: whenever */
    apr_time_t now;
    apr_interval_time_t skew;
} sb_saml_want_t;

typedef sb_attribute_t sb_saml_attribute_t; /* its value is never empty */

typedef struct {
    const char *id; /* of the assertion, at most SB_SAML_ID_MAX characters */
    const char *name_id;
    const char *session_index; /* NULL none */
    apr_time_t not_after;      /* past it (and the skew) the assertion is too old by itself */
    apr_time_t session_end;    /* SessionNotOnOrAfter; 0 none */
    apr_time_t proved; /* AuthnInstant, the earliest of several; 0 one of them does not say it */
    const apr_array_header_t *attributes; /* sb_saml_attribute_t, in document order */
} sb_saml_claims_t;

#define SB_SAML_ID_MAX 256

/** Destination, InResponseTo, Version and Issuer of the Response. @return NULL or the reason */
const char *sb_saml_check_response(const struct _xmlNode *response, const sb_saml_want_t *want,
                                   apr_pool_t *p) SB_MUST_CHECK;

/**
 * Everything about the assertion, and what it claims. An attribute value that is empty or holds
 * elements is not there.
 * @param claims in p, valid only with NULL
 * @return NULL or the reason: "assertion", "issuer", "subject", "confirmation", "recipient",
 *         "in_response_to", "expired", "not_yet_valid", "time", "conditions", "audience",
 *         "condition", "authn_statement", "authn_instant", "session_expired",
 *         "attributes"
 */
const char *sb_saml_check_assertion(sb_saml_claims_t *claims, const struct _xmlNode *assertion,
                                    const sb_saml_want_t *want, apr_pool_t *p) SB_MUST_CHECK;

#endif
