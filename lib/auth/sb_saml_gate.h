#ifndef SB_SAML_GATE_H
#define SB_SAML_GATE_H

/**
 * The gate before Lasso: pure functions on bytes that let through only messages which every reader
 * reads alike, signed by algorithms on our list. It trusts nothing and verifies no signature; that
 * is Lasso's part, after. Lasso 2.8 alone would drop the CDATA parts of a signed value, accept
 * SHA-1, take a second assertion, and end the process at some elements that nobody signed; see
 * docs/security.md.
 */

#include "core/sb_status.h"

struct _xmlNode;

#define SB_SAML_MAX_BYTES (1024 * 1024)
#define SB_SAML_MAX_QUERY (64 * 1024) /* raw, deflated */
#define SB_SAML_NS_PROTOCOL "urn:oasis:names:tc:SAML:2.0:protocol"
#define SB_SAML_NS_ASSERTION "urn:oasis:names:tc:SAML:2.0:assertion"
#define SB_SAML_NS_DSIG "http://www.w3.org/2000/09/xmldsig#"

/**
 * Judge a posted SAMLResponse.
 * @param pclean  the examined octets in base64 again, in p: what Lasso must be given instead of value,
 *                for two decoders may disagree; NULL unless fine
 * @param psealed the EncryptedAssertion of a response that has one in the place of its assertion, freed
 *                with p: its tree is for sb_saml_open(), and pclean is NULL; NULL: the message has none.
 *                A NULL pointer: such a message is refused.
 * @param value   form-decoded base64
 * @return NULL; or the reason, a code like "cdata" is told as "xml: a CDATA section", "algorithm",
 *         "transform", "assertion_count"; constant or in p
 */
const char *sb_saml_gate_response(const char **pclean, struct _xmlNode **psealed, const char *value,
                                  apr_size_t len, apr_pool_t *p) SB_MUST_CHECK;

/** The same rules for a tree, such as the assertion Lasso verified. @return NULL or the reason */
const char *sb_saml_gate_node(const struct _xmlNode *root, apr_pool_t *p) SB_MUST_CHECK;

/** The parts of a redirect-binding query, all in p. */
typedef struct {
    int is_request;    /* SAMLRequest, else SAMLResponse */
    const char *relay; /* RelayState, decoded; NULL none */
    const char *xml;   /* the message, inflated */
    apr_size_t xml_len;
    const char *octets; /* what the signature covers */
    int sha_bits;       /* of its algorithm, RSA with SHA-2: 256, 384, 512 */
    const unsigned char *signature;
    apr_size_t signature_len;
} sb_saml_query_t;

/**
 * Judge the raw query of a redirect-binding message: exactly one SAMLRequest or SAMLResponse, at
 * most one RelayState, one SigAlg on the list, one Signature, nothing else; a bounded message that
 * is a LogoutRequest or LogoutResponse.
 * @return NULL or the reason
 */
const char *sb_saml_gate_query(sb_saml_query_t *q, const char *query, apr_pool_t *p) SB_MUST_CHECK;

#endif
