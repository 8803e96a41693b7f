#ifndef SB_SAML_OPEN_H
#define SB_SAML_OPEN_H

/**
 * Encrypted assertions, opened by ourselves before Lasso sees anything of them: anybody can encrypt with
 * our public key, so what comes out passes the gate like a message from anywhere. Pure functions on trees;
 * OpenSSL does the work.
 *
 * Taken: RSA-OAEP (SHA-1 or SHA-2) for the key, AES-GCM for the content; AES-CBC only in a response whose
 * signature is already verified, since nothing else tells a bent text from a good one. RSA with PKCS#1
 * padding, Triple DES and references to data elsewhere are not taken. Whatever is wrong, the reason is
 * the same, and a key that cannot be unwrapped costs the time of one that can: whoever tries messages
 * learns nothing of our key from the answers.
 */

#include <apr_tables.h>
#include "core/sb_status.h"

struct _xmlNode;

/**
 * The response with the assertion in the place of its encrypted form. A signature of the response, which
 * covers the encrypted form, is taken out: verify it before.
 * @param pclean    base64 for Lasso, passed by sb_saml_gate_response(); NULL unless fine
 * @param sealed    of sb_saml_gate_response(); its tree is changed
 * @param keys      struct evp_pkey_st *: ours, any may be meant
 * @param authentic the response around it has a verified signature
 * @return NULL; "encrypted" whatever it was
 */
const char *sb_saml_open(const char **pclean, struct _xmlNode *sealed,
                         const apr_array_header_t *keys, int authentic,
                         apr_pool_t *p) SB_MUST_CHECK;

#endif
