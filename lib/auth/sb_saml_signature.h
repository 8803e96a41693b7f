#ifndef SB_SAML_SIGNATURE_H
#define SB_SAML_SIGNATURE_H

/**
 * The signature of a response whose assertion is encrypted: it covers the encrypted form, so it is verified
 * before that is opened, by xmlsec, which Lasso has started. Every other signature is Lasso's to verify.
 */

#include <apr_tables.h>

struct _xmlNode;

typedef enum {
    SB_SAML_UNSIGNED,
    SB_SAML_SIGNED, /* by one of the keys */
    SB_SAML_WRONGLY_SIGNED
} sb_saml_signature_t;

/**
 * Is it signed, and by whom?
 * @param element passed the gate, so its signature refers to it alone, by an algorithm on our list
 * @param keys    struct evp_pkey_st *: of the identity provider; what the message says of keys is not read
 */
sb_saml_signature_t sb_saml_signature(struct _xmlNode *element, const apr_array_header_t *keys);

#endif
