/* XML signatures by xmlsec, with keys of ours only. */

#include <libxml/tree.h>
#include <libxml/valid.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <xmlsec/xmlsec.h>
#include <xmlsec/keys.h>
#include <xmlsec/openssl/evp.h>
#include <xmlsec/xmldsig.h>
#include "auth/sb_saml_gate.h"
#include "auth/sb_saml_signature.h"
#include "core/sb_xml.h"

/* Takes over nothing: the key is shared by reference count. */
static xmlSecKeyPtr key_for_xmlsec(EVP_PKEY *key)
{
    xmlSecKeyPtr made = xmlSecKeyCreate();
    xmlSecKeyDataPtr data;

    if (!made || EVP_PKEY_up_ref(key) != 1) {
        xmlSecKeyDestroy(made);
        return NULL;
    }
    data = xmlSecOpenSSLEvpKeyAdopt(key);
    if (!data) {
        EVP_PKEY_free(key);
        xmlSecKeyDestroy(made);
        return NULL;
    }
    if (xmlSecKeySetValue(made, data) < 0) {
        xmlSecKeyDataDestroy(data);
        xmlSecKeyDestroy(made);
        return NULL;
    }
    return made;
}

static int is_signed_by(xmlNode *signature, EVP_PKEY *key)
{
    xmlSecDSigCtxPtr ctx = xmlSecDSigCtxCreate(NULL);
    int good = 0;

    if (!ctx) {
        return 0;
    }
    ctx->enabledReferenceUris = xmlSecTransformUriTypeSameDocument;
    ctx->signKey = key_for_xmlsec(key); /* with a key given, KeyInfo is not looked at */
    if (ctx->signKey) {
        good = xmlSecDSigCtxVerify(ctx, signature) == 0 &&
               ctx->status == xmlSecDSigStatusSucceeded &&
               xmlSecPtrListGetSize(&ctx->signedInfoReferences) == 1;
    }
    xmlSecDSigCtxDestroy(ctx);
    return good;
}

sb_saml_signature_t sb_saml_signature(xmlNode *element, const apr_array_header_t *keys)
{
    xmlNode *signature = sb_xml_child(element, NULL, SB_SAML_NS_DSIG, "Signature");
    xmlAttr *id = xmlHasProp(element, BAD_CAST "ID");
    xmlChar *value;
    int good = 0;

    if (!signature) {
        return SB_SAML_UNSIGNED;
    }
    if (!id) {
        return SB_SAML_WRONGLY_SIGNED;
    }
    value = xmlNodeListGetString(element->doc, id->children, 1);
    if (value &&
        xmlAddID(NULL, element->doc, value, id)) { /* the only ID that a reference can mean */
        for (int i = 0; i < keys->nelts && !good; i++) {
            good = is_signed_by(signature, APR_ARRAY_IDX(keys, i, EVP_PKEY *));
        }
    }
    xmlFree(value);
    ERR_clear_error();
    return good ? SB_SAML_SIGNED : SB_SAML_WRONGLY_SIGNED;
}
