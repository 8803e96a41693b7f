/* lib/auth/sb_saml_open: what is opened, and that all that is not looks alike. */

#include "tap.h"

#include <libxml/parser.h>
#include "../saml/seal.h"
#include "auth/sb_saml_gate.h"
#include "auth/sb_saml_open.h"
#include "core/sb_crypto.h"

#define NS                                                                                         \
    "xmlns:samlp='urn:oasis:names:tc:SAML:2.0:protocol' "                                          \
    "xmlns:saml='urn:oasis:names:tc:SAML:2.0:assertion'"
#define ASSERTION(content)                                                                         \
    "<saml:Assertion xmlns:saml='urn:oasis:names:tc:SAML:2.0:assertion' ID='_a'>" content          \
    "</saml:Assertion>"
#define ISSUER "<saml:Issuer>i</saml:Issuer>"

static const char plain[] = ASSERTION(ISSUER);

static apr_pool_t *p;
static EVP_PKEY *ours, *next, *foreign;
static apr_array_header_t *keys;

/* A response around it; then what opening it says, and what Lasso would be given. */
static const char *open_in(const char *before, const char *sealed, const char *after, int authentic,
                           const char **popen)
{
    const char *xml = apr_pstrcat(p, "<samlp:Response " NS " ID='_r'>" ISSUER, before, sealed,
                                  after, "</samlp:Response>", NULL);
    const char *value = sb_base64_encode(xml, strlen(xml), p), *clean, *bad;
    unsigned char *text;
    xmlNode *node;
    apr_size_t len;

    bad = sb_saml_gate_response(&clean, &node, value, strlen(value), p);
    if (bad) {
        return apr_pstrcat(p, "gate: ", bad, NULL);
    }
    if (!node || clean) {
        return "the gate did not see it";
    }
    bad = sb_saml_open(&clean, node, keys, authentic, p);
    if (!bad != (clean != NULL)) {
        return "a message and a refusal";
    }
    if (popen && clean && sb_base64_decode(&text, &len, clean, strlen(clean), p) == APR_SUCCESS) {
        *popen = (const char *)text;
    }
    return bad;
}

static const char *try_seal(const char *text, EVP_PKEY *to, const seal_t *how, int authentic)
{
    char *sealed = seal(text, strlen(text), to, how);
    const char *bad = sealed ? open_in("", sealed, "", authentic, NULL) : "the test is wrong";

    free(sealed);
    return bad;
}

#define BAD "encrypted"

static const struct {
    const char *title;
    seal_t how;
    const char *alone, *authentic; /* what is said without and with a signature around it */
} ways[] = {
    {"AES-256-GCM", {.content = "aes256-gcm"}, NULL, NULL},
    {"AES-192-GCM", {.content = "aes192-gcm"}, NULL, NULL},
    {"AES-128-GCM", {.content = "aes128-gcm"}, NULL, NULL},
    {"AES-256-CBC", {.content = "aes256-cbc"}, BAD, NULL},
    {"AES-192-CBC", {.content = "aes192-cbc"}, BAD, NULL},
    {"AES-128-CBC", {.content = "aes128-cbc"}, BAD, NULL},
    {"Triple DES", {.content = "tripledes-cbc"}, BAD, BAD},
    {"OAEP with SHA-256", {.digest = "sha256"}, NULL, NULL},
    {"OAEP with SHA-512", {.digest = "sha512"}, NULL, NULL},
    {"OAEP of XML Encryption 1.1", {.transport = "oaep11"}, NULL, NULL},
    {"the same with SHA-256", {.transport = "oaep11", .digest = "sha256"}, NULL, NULL},
    {"the same with SHA-384", {.transport = "oaep11", .digest = "sha384"}, NULL, NULL},
    {"RSA with PKCS#1 padding", {.transport = "pkcs1"}, BAD, BAD},
    {"the key beside the data", {.is_peer = 1}, NULL, NULL},
    {"a bit of the key", {.bend_key = 1}, BAD, BAD},
    {"a bit of the content, GCM", {.bend_content = 1}, BAD, BAD},
    {"nothing but the tag", {.bend_tag = 1}, BAD, BAD},
    {"the content cut short", {.cut = 1}, BAD, BAD},
    {"cut to nothing", {.cut = 100}, BAD, BAD},
    {"CBC cut short", {.content = "aes256-cbc", .cut = 1}, BAD, BAD},
    {"CBC cut by a block", {.content = "aes256-cbc", .cut = 16}, BAD, BAD},
    {"CBC cut to its beginning",
     {.content = "aes256-cbc", .cut = (int)((sizeof(plain) - 1) / 16 + 1) * 16},
     BAD,
     BAD},
    {"padding of nothing", {.content = "aes256-cbc", .pad = 256}, BAD, BAD},
    {"too much padding", {.content = "aes256-cbc", .pad = 17}, BAD, BAD},
    {"a short key", {.key_len = 16}, BAD, BAD},
    {"a long key", {.key_len = 48}, BAD, BAD},
};

static const struct {
    const char *title, *text, *want;
} insides[] = {
    {"an assertion", plain, NULL},
    {"nothing", "", BAD},
    {"no XML", "hello", BAD},
    {"a response", "<samlp:Response " NS "/>", BAD},
    {"a LogoutRequest, at which Lasso would end the process", "<samlp:LogoutRequest " NS "/>", BAD},
    {"an element of nobody", "<x/>", BAD},
    {"an assertion of no namespace", "<Assertion ID='_a'/>", BAD},
    {"a LogoutRequest inside", ASSERTION("<samlp:LogoutRequest " NS "/>"), BAD},
    {"a DTD", "<!DOCTYPE x [<!ENTITY e 'f'>]>" ASSERTION(ISSUER), BAD},
    {"a comment", ASSERTION(ISSUER "<!-- -->"), BAD},
    {"CDATA", ASSERTION("<saml:Issuer>i<![CDATA[i]]></saml:Issuer>"), BAD},
    {"two assertions", ASSERTION(ISSUER) ASSERTION(ISSUER), BAD},
    {"an assertion inside", ASSERTION(ISSUER "<saml:Assertion ID='_b'/>"), BAD},
    {"another encrypted one", ASSERTION(ISSUER "<saml:EncryptedAssertion/>"), BAD},
    {"the ID of the response",
     "<saml:Assertion xmlns:saml='urn:oasis:names:tc:SAML:2.0:assertion' ID='_r'/>", BAD},
    {"a prefix declared outside", "<saml:Assertion ID='_a'/>", BAD},
    {"a NUL after it", NULL, BAD},
};

static const char *sealed_twice(void)
{
    seal_t plainly = {0};
    char *one = seal(plain, strlen(plain), ours, &plainly);
    const char *bad = open_in("", one, one, 1, NULL);

    free(one);
    return bad;
}

static void structure(void)
{
    seal_t how = {0};
    char *sealed = seal(plain, strlen(plain), ours, &how);
    const char *opened = NULL, *cut;

    is_str(open_in("<samlp:Status/>", sealed, "", 0, &opened), NULL, "in its place");
    ok(opened && strstr(opened, "<samlp:Status/><saml:Assertion") && !strstr(opened, "Encrypted"),
       "the assertion stands where it was encrypted");
    opened = NULL;
    is_str(open_in("<ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'><ds:SignedInfo>"
                   "<ds:Reference URI='#_r'/></ds:SignedInfo></ds:Signature>",
                   sealed, "", 1, &opened),
           NULL, "in a signed response");
    ok(opened && !strstr(opened, "Signature"), "whose signature is verified before and goes");
    is_str(open_in("", sealed, plain, 1, NULL), "gate: assertion_count", "beside a plain one");
    is_str(open_in(plain, sealed, "", 1, NULL), "gate: assertion_count", "behind a plain one");
    is_str(sealed_twice(), "gate: assertion_count", "two of them");
    is_str(open_in("<samlp:Status>", sealed, "</samlp:Status>", 1, NULL), "gate: encrypted",
           "somewhere else");
    is_str(open_in("", "<saml:EncryptedAssertion/>", "", 1, NULL), BAD, "an empty one");
    cut = apr_pstrcat(p, "<saml:EncryptedAssertion>", strstr(sealed, "<xenc:EncryptedData"), NULL);
    is_str(open_in("", cut, "", 1, NULL), NULL, "as it was made");
    is_str(open_in("",
                   apr_pstrcat(p,
                               "<saml:EncryptedAssertion><xenc:EncryptedData xmlns:xenc='" SEAL_ENC
                               "'/>",
                               strstr(cut, "<xenc:EncryptedData"), NULL),
                   "", 1, NULL),
           BAD, "with more data");
    free(sealed);
}

/* Of each key, how many may wrap for it, and which of ours may be meant. */
static void by_keys(void)
{
    seal_t how = {0}, peer = {.is_peer = 1};
    char *one = seal(plain, strlen(plain), foreign, &peer),
         *mine = seal(plain, strlen(plain), ours, &how);
    const char *key = strstr(one, "<xenc:EncryptedKey"), *many;

    is_str(try_seal(plain, next, &how, 0), NULL, "for the next key");
    is_str(try_seal(plain, foreign, &how, 0), BAD, "for a foreign key");
    is_str(try_seal(plain, foreign, &how, 1), BAD, "which a signature does not make ours");
    many = apr_pstrcat(
        p, apr_pstrmemdup(p, mine, strlen(mine) - strlen("</saml:EncryptedAssertion>")), key, NULL);
    is_str(open_in("", many, "", 0, NULL), NULL, "for us and somebody else");
    many = apr_pstrcat(
        p, apr_pstrmemdup(p, many, strlen(many) - strlen("</saml:EncryptedAssertion>")), key, NULL);
    is_str(open_in("", many, "", 0, NULL), BAD, "for too many");
    free(one);
    free(mine);
}

int main(void)
{
    p = tap_pool();
    ours = EVP_RSA_gen(2048);
    next = EVP_RSA_gen(3072);
    foreign = EVP_RSA_gen(2048);
    keys = apr_array_make(p, 2, sizeof(EVP_PKEY *));
    APR_ARRAY_PUSH(keys, EVP_PKEY *) = ours;
    APR_ARRAY_PUSH(keys, EVP_PKEY *) = next;
    for (apr_size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        is_str(try_seal(plain, ours, &ways[i].how, 0), ways[i].alone,
               apr_pstrcat(p, ways[i].title, ", unsigned", NULL));
        is_str(try_seal(plain, ours, &ways[i].how, 1), ways[i].authentic,
               apr_pstrcat(p, ways[i].title, ", signed", NULL));
    }
    for (apr_size_t i = 0; i < sizeof(insides) / sizeof(insides[0]); i++) {
        seal_t how = {0};
        const char *text = insides[i].text;

        if (text) {
            is_str(try_seal(text, ours, &how, 0), insides[i].want,
                   apr_pstrcat(p, insides[i].title, " inside", NULL));
        }
        else {
            char *sealed = seal(plain, sizeof(plain), ours, &how);

            is_str(open_in("", sealed, "", 0, NULL), insides[i].want, insides[i].title);
            free(sealed);
        }
    }
    structure();
    by_keys();
    EVP_PKEY_free(ours);
    EVP_PKEY_free(next);
    EVP_PKEY_free(foreign);
    xmlCleanupParser();
    return done();
}
