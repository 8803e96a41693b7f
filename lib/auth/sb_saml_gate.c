/* The gate before Lasso: see the header for what it is for and what it is not. */

#include <stdlib.h>
#include <string.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <libxml/tree.h>
#include <zlib.h>
#include "auth/sb_saml_gate.h"
#include "core/sb_crypto.h"
#include "core/sb_path.h"
#include "core/sb_xml.h"

#define XMLDSIG_MORE "http://www.w3.org/2001/04/xmldsig-more#"
#define XMLENC "http://www.w3.org/2001/04/xmlenc#" /* of the digests */
#define EXC_C14N "http://www.w3.org/2001/10/xml-exc-c14n#"
#define XSI "http://www.w3.org/2001/XMLSchema-instance"
#define XML_SCHEMA "http://www.w3.org/2001/XMLSchema"
#define RAW_DEFLATE (-15)  /* window bits of zlib: no header */
#define TRANSFORMS_MAX 2   /* the enveloped signature and the canonical form */
#define SIGNATURE_MAX 2048 /* bytes: RSA with 16384 bits */
#define PREFIXES_MAX 200   /* bytes of a list of namespace prefixes */

/* ---- algorithms: each list ends with NULL ------------------------------------------------------ */

static const char *const signature_algorithms[] = {
    XMLDSIG_MORE "rsa-sha256", XMLDSIG_MORE "rsa-sha384", XMLDSIG_MORE "rsa-sha512", NULL};
static const char *const digests[] = {XMLENC "sha256", XMLDSIG_MORE "sha384", XMLENC "sha512",
                                      NULL};
static const char *const transforms[] = {SB_SAML_NS_DSIG "enveloped-signature", EXC_C14N, NULL};
static const char *const canonical_forms[] = {EXC_C14N, NULL};

/* Elements with an Algorithm, and what it may be. */
static const struct {
    const char *ns, *name;
    const char *const *list;
    const char *reason;
} rules[] = {
    {SB_SAML_NS_DSIG, "SignatureMethod", signature_algorithms, "algorithm"},
    {SB_SAML_NS_DSIG, "CanonicalizationMethod", canonical_forms, "canonicalization"},
    {SB_SAML_NS_DSIG, "Transform", transforms, "transform"},
    {SB_SAML_NS_DSIG, "DigestMethod", digests, "digest"},
};

static int is_listed(const char *text, const char *const *list)
{
    while (text && *list && strcmp(text, *list)) {
        list++;
    }
    return text && *list;
}

/* ---- elements ----------------------------------------------------------------------------------- */

/* Lasso makes an object of every element it knows, wherever it stands, or by xsi:type, before it
 * looks at signatures; a LogoutRequest whose NameID is not where it should be ends the process. So
 * only what a sign-in or sign-out needs comes in, where it belongs: no extensions, no EncryptedID,
 * no other protocol. */
typedef struct {
    const char *name;
    const char *parents; /* local names; NULL: anything of the namespaces of cryptography */
} element_t;

static const element_t protocol_elements[] = {{"SessionIndex", "LogoutRequest"},
                                              {"Status", "Response LogoutResponse"},
                                              {"StatusCode", "Status StatusCode"},
                                              {"StatusMessage", "Status"},
                                              {NULL, NULL}};
static const element_t assertion_elements[] = {
    {"Assertion", "Response"},
    {"Attribute", "AttributeStatement"},
    {"AttributeStatement", "Assertion"},
    {"AttributeValue", "Attribute"},
    {"Audience", "AudienceRestriction ProxyRestriction"},
    {"AudienceRestriction", "Conditions"},
    {"AuthenticatingAuthority", "AuthnContext"},
    {"AuthnContext", "AuthnStatement"},
    {"AuthnContextClassRef", "AuthnContext"},
    {"AuthnContextDeclRef", "AuthnContext"},
    {"AuthnStatement", "Assertion"},
    {"Conditions", "Assertion"},
    {"Issuer", "Assertion Response LogoutRequest LogoutResponse"},
    {"NameID", "Subject LogoutRequest AttributeValue"},
    {"OneTimeUse", "Conditions"},
    {"ProxyRestriction", "Conditions"},
    {"Subject", "Assertion"},
    {"SubjectConfirmation", "Subject"},
    {"SubjectConfirmationData", "SubjectConfirmation"},
    {"SubjectLocality", "AuthnStatement"},
    {NULL, NULL}};
static const element_t dsig_elements[] = {
    {"Signature", "Assertion Response LogoutRequest LogoutResponse"},
    {"CanonicalizationMethod", NULL},
    {"DigestMethod", NULL},
    {"DigestValue", NULL},
    {"Exponent", NULL},
    {"KeyInfo", NULL},
    {"KeyName", NULL},
    {"KeyValue", NULL},
    {"Modulus", NULL},
    {"RSAKeyValue", NULL},
    {"Reference", NULL},
    {"SignatureMethod", NULL},
    {"SignatureValue", NULL},
    {"SignedInfo", NULL},
    {"Transform", NULL},
    {"Transforms", NULL},
    {"X509Certificate", NULL},
    {"X509Data", NULL},
    {"X509IssuerName", NULL},
    {"X509IssuerSerial", NULL},
    {"X509SKI", NULL},
    {"X509SerialNumber", NULL},
    {"X509SubjectName", NULL},
    {NULL, NULL}};
static const element_t c14n_elements[] = {{"InclusiveNamespaces", NULL}, {NULL, NULL}};

static const struct {
    const char *ns;
    const element_t *elements;
    int cryptography;
} known[] = {
    {SB_SAML_NS_PROTOCOL, protocol_elements, 0},
    {SB_SAML_NS_ASSERTION, assertion_elements, 0},
    {SB_SAML_NS_DSIG, dsig_elements, 1},
    {EXC_C14N, c14n_elements, 1},
};
#define NKNOWN (sizeof(known) / sizeof(known[0]))

/* Index of an element's namespace in known[]; NKNOWN none. */
static apr_size_t space_of(const xmlNode *n)
{
    const char *ns = n && n->type == XML_ELEMENT_NODE && n->ns ? (const char *)n->ns->href : "";
    apr_size_t i = 0;

    while (i < NKNOWN && strcmp(ns, known[i].ns) != 0) {
        i++;
    }
    return i;
}

static int is_word_of(const char *words, const char *word)
{
    apr_size_t len = strlen(word);
    const char *hit = words;

    while ((hit = strstr(hit, word)) != NULL) {
        if ((hit == words || hit[-1] == ' ') && (hit[len] == ' ' || hit[len] == '\0')) {
            return 1;
        }
        hit += len;
    }
    return 0;
}

static int is_in_place(const xmlNode *n)
{
    apr_size_t space = space_of(n), parent = space_of(n->parent);
    const element_t *e = space < NKNOWN ? known[space].elements : NULL;

    while (e && e->name && strcmp(e->name, (const char *)n->name) != 0) {
        e++;
    }
    if (!e || !e->name || parent == NKNOWN) {
        return 0;
    }
    return e->parents ? is_word_of(e->parents, (const char *)n->parent->name)
                      : known[parent].cryptography;
}

/* xsi:type may say that a value is one of XML Schema's own types, such as xs:string. */
static int is_plain_type(const xmlNode *n, apr_pool_t *p)
{
    xmlChar *value = xmlGetNsProp(n, BAD_CAST "type", BAD_CAST XSI);
    char *prefix, *colon;
    const xmlNs *ns;

    if (!value) {
        return 1;
    }
    prefix = apr_pstrdup(p, (const char *)value);
    xmlFree(value);
    if (!sb_xml_is(n, SB_SAML_NS_ASSERTION, "AttributeValue")) {
        return 0;
    }
    colon = strchr(prefix, ':');
    if (colon) {
        *colon = '\0';
    }
    ns = xmlSearchNs(n->doc, (xmlNode *)n, colon ? BAD_CAST prefix : NULL);
    return ns && !strcmp((const char *)ns->href, XML_SCHEMA);
}

/* ---- trees ------------------------------------------------------------------------------------- */

typedef struct {
    const xmlNode *root;
    apr_hash_t *ids;
    int assertions;    /* encrypted ones too */
    int may_be_sealed; /* one may be encrypted: what is inside comes here again */
    xmlNode *sealed;
    apr_pool_t *pool;
} walk_t;

/* Two elements of one ID: a signature could be meant for either. */
static const char *judge_ids(walk_t *w, const xmlNode *n)
{
    static const char *const names[] = {"ID", "Id", "id"};

    for (apr_size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *id = sb_xml_attr(n, names[i], w->pool);

        if (id && apr_hash_get(w->ids, id, APR_HASH_KEY_STRING)) {
            return "duplicate_id";
        }
        if (id) {
            apr_hash_set(w->ids, id, APR_HASH_KEY_STRING, id);
        }
    }
    return xmlHasNsProp(n, BAD_CAST "id", XML_XML_NAMESPACE) ? "xml_id" : NULL;
}

static const char *judge_algorithm(const walk_t *w, const xmlNode *n)
{
    for (apr_size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (sb_xml_is(n, rules[i].ns, rules[i].name) &&
            !is_listed(sb_xml_attr(n, "Algorithm", w->pool), rules[i].list)) {
            return rules[i].reason;
        }
    }
    return NULL;
}

/* Each transform and each listed prefix walks through the whole message again, and that happens
 * before the signature is known to be wrong. */
static const char *judge_effort(const walk_t *w, const xmlNode *n)
{
    const xmlNode *transform = NULL;
    const char *prefixes;
    int count = 0;

    if (sb_xml_is(n, SB_SAML_NS_DSIG, "Transforms")) {
        while ((transform = sb_xml_child(n, transform, SB_SAML_NS_DSIG, "Transform")) != NULL) {
            count++;
        }
        return count > TRANSFORMS_MAX ? "transform" : NULL;
    }
    if (sb_xml_is(n, EXC_C14N, "InclusiveNamespaces")) {
        prefixes = sb_xml_attr(n, "PrefixList", w->pool);
        return prefixes && strlen(prefixes) > PREFIXES_MAX ? "canonicalization" : NULL;
    }
    return NULL;
}

/* A signature must stand in what it signs and sign just that. */
static const char *judge_signature(const walk_t *w, const xmlNode *sig)
{
    const xmlNode *owner = sig->parent, *info, *reference;
    const char *id, *uri;

    if (owner != w->root && !sb_xml_is(owner, SB_SAML_NS_ASSERTION, "Assertion")) {
        return "signature_place";
    }
    if (sb_xml_child(owner, sb_xml_child(owner, NULL, SB_SAML_NS_DSIG, "Signature"),
                     SB_SAML_NS_DSIG, "Signature")) {
        return "signature_count";
    }
    info = sb_xml_child(sig, NULL, SB_SAML_NS_DSIG, "SignedInfo");
    reference = info ? sb_xml_child(info, NULL, SB_SAML_NS_DSIG, "Reference") : NULL;
    if (!reference || sb_xml_child(sig, info, SB_SAML_NS_DSIG, "SignedInfo") ||
        sb_xml_child(info, reference, SB_SAML_NS_DSIG, "Reference")) {
        return "signature_reference";
    }
    id = sb_xml_attr(owner, "ID", w->pool);
    uri = sb_xml_attr(reference, "URI", w->pool);
    return id && *id && uri && uri[0] == '#' && !strcmp(uri + 1, id) ? NULL : "signature_reference";
}

/* One in the place of an assertion; nothing reads it but sb_saml_open(). */
static int is_sealed(const walk_t *w, const xmlNode *n)
{
    return sb_xml_is(n, SB_SAML_NS_ASSERTION, "EncryptedAssertion") && w->may_be_sealed &&
           n->parent == w->root;
}

static const char *judge_element(walk_t *w, const xmlNode *n)
{
    const char *bad;

    /* What is inside must be judged before Lasso makes objects of it, and anybody can encrypt. */
    if (sb_xml_is(n, SB_SAML_NS_ASSERTION, "EncryptedAssertion")) {
        return "encrypted";
    }
    if (sb_xml_is(n, SB_SAML_NS_ASSERTION, "Assertion") && ++w->assertions > 1) {
        return "assertion_count";
    }
    if (n != w->root && !is_in_place(n)) { /* the root is judged by who knows what it should be */
        return "element";
    }
    if (!is_plain_type(n, w->pool)) {
        return "type";
    }
    bad = judge_ids(w, n);
    if (!bad) {
        bad = judge_algorithm(w, n);
    }
    if (!bad) {
        bad = judge_effort(w, n);
    }
    if (!bad && sb_xml_is(n, SB_SAML_NS_DSIG, "Signature")) {
        bad = judge_signature(w, n);
    }
    return bad;
}

/* Depth is bounded by whoever parsed the tree; Lasso's parser has libxml2's bound of 256. */
static const char *walk(walk_t *w, const xmlNode *n)
{
    const char *bad = NULL;

    if (n->type != XML_ELEMENT_NODE) {
        /* Lasso's trees come from its own parser */
        return n->type == XML_TEXT_NODE            ? NULL
               : n->type == XML_CDATA_SECTION_NODE ? "xml: a CDATA section"
               : n->type == XML_COMMENT_NODE       ? "xml: a comment"
               : n->type == XML_PI_NODE            ? "xml: a processing instruction"
                                                   : "xml: an entity reference";
    }
    if (is_sealed(w, n)) {
        w->sealed = (xmlNode *)n;
        return ++w->assertions > 1 ? "assertion_count" : NULL;
    }
    bad = judge_element(w, n);
    for (const xmlNode *child = n->children; child && !bad; child = child->next) {
        bad = walk(w, child);
    }
    return bad;
}

static const char *walk_all(walk_t *w, const xmlNode *root, int may_be_sealed, apr_pool_t *p)
{
    *w = (walk_t){.root = root, .ids = apr_hash_make(p), .may_be_sealed = may_be_sealed, .pool = p};
    return walk(w, root);
}

const char *sb_saml_gate_node(const xmlNode *root, apr_pool_t *p)
{
    walk_t w;

    return walk_all(&w, root, 0, p);
}

/* ---- posted responses -------------------------------------------------------------------------- */

static const char *parse(xmlNode **proot, const void *data, apr_size_t len, apr_pool_t *p)
{
    xmlDoc *doc;
    const char *why;

    *proot = NULL;
    if (sb_xml_parse(&doc, &why, data, len, NULL, p) != APR_SUCCESS) {
        return apr_pstrcat(p, "xml: ", why, NULL);
    }
    *proot = xmlDocGetRootElement(doc);
    return NULL;
}

const char *sb_saml_gate_response(const char **pclean, xmlNode **psealed, const char *value,
                                  apr_size_t len, apr_pool_t *p)
{
    unsigned char *data;
    apr_size_t n;
    xmlNode *root;
    const char *bad;
    walk_t w;

    *pclean = NULL;
    if (psealed) {
        *psealed = NULL;
    }
    if (len > SB_SAML_MAX_BYTES / 3 * 4 + SB_SAML_MAX_BYTES / 16) { /* room for line breaks */
        return "size";
    }
    if (sb_base64_decode(&data, &n, value, len, p) != APR_SUCCESS || n == 0) {
        return "base64";
    }
    bad = parse(&root, data, n, p);
    if (bad) {
        return bad;
    }
    if (!sb_xml_is(root, SB_SAML_NS_PROTOCOL, "Response")) {
        return "root";
    }
    bad = walk_all(&w, root, psealed != NULL, p);
    if (bad) {
        return bad;
    }
    if (w.assertions == 0) {
        return "no_assertion"; /* the identity provider says no */
    }
    if (w.sealed) {
        *psealed = w.sealed;
        return NULL;
    }
    *pclean = sb_base64_encode(data, n, p);
    return NULL;
}

/* ---- queries ----------------------------------------------------------------------------------- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* %XX only; a '+' is not a blank to every reader, so only RelayState may have one. @return NULL bad */
static char *decode(const char *from, int plus, apr_pool_t *p)
{
    char *out = apr_palloc(p, strlen(from) + 1), *to = out;

    while (*from) {
        int hi, lo;

        if (*from == '+' && !plus) {
            return NULL;
        }
        if (*from != '%') {
            *to++ = *from == '+' ? ' ' : *from;
            from++;
            continue;
        }
        hi = hex_value(from[1]);
        lo = hi < 0 ? -1 : hex_value(from[2]);
        if (lo < 0 || (hi == 0 && lo == 0)) {
            return NULL;
        }
        *to++ = (char)(hi * 16 + lo);
        from += 3;
    }
    *to = '\0';
    return out;
}

/* @return NULL or the reason */
static const char *inflate_all(sb_saml_query_t *q, const unsigned char *data, apr_size_t len,
                               apr_pool_t *p)
{
    unsigned char *out = apr_palloc(p, SB_SAML_MAX_BYTES / 4);
    z_stream z = {.next_in = (unsigned char *)data,
                  .avail_in = (uInt)len,
                  .next_out = out,
                  .avail_out = SB_SAML_MAX_BYTES / 4};
    int st;

    if (inflateInit2(&z, RAW_DEFLATE) != Z_OK) {
        return "inflate";
    }
    st = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    if (st == Z_BUF_ERROR && z.avail_out == 0) {
        return "size";
    }
    if (st != Z_STREAM_END || z.avail_in != 0) {
        return "inflate";
    }
    q->xml = (const char *)out;
    q->xml_len = z.total_out;
    return NULL;
}

enum { SAML_REQUEST, SAML_RESPONSE, RELAY_STATE, SIG_ALG, SIGNATURE, N_PARAMS };
static const char *const param_names[N_PARAMS] = {"SAMLRequest", "SAMLResponse", "RelayState",
                                                  "SigAlg", "Signature"};

/* Each name at most once and no other. values: raw. */
static const char *split(char *values[N_PARAMS], const char *query, apr_pool_t *p)
{
    char *last, *pair;

    if (strchr(query, ';')) {
        return "query"; /* some readers take it for '&' */
    }
    for (pair = apr_strtok(apr_pstrdup(p, query), "&", &last); pair;
         pair = apr_strtok(NULL, "&", &last)) {
        char *eq = strchr(pair, '=');
        int i = 0;

        if (!eq) {
            return "query";
        }
        *eq = '\0';
        while (i < N_PARAMS && strcmp(pair, param_names[i])) {
            i++;
        }
        if (i == N_PARAMS) {
            return "query_unknown";
        }
        if (values[i]) {
            return "query_twice";
        }
        values[i] = eq + 1;
    }
    return NULL;
}

static const xmlNode *next_element(const xmlNode *n)
{
    while (n && n->type != XML_ELEMENT_NODE) {
        n = n->next;
    }
    return n;
}

/* The sequence of the schema, which Lasso relies on: Issuer, Signature?, NameID, SessionIndex*. */
static int is_logout_request(const xmlNode *root)
{
    const xmlNode *n = next_element(root->children);

    if (!n || !sb_xml_is(n, SB_SAML_NS_ASSERTION, "Issuer")) {
        return 0;
    }
    n = next_element(n->next);
    if (n && sb_xml_is(n, SB_SAML_NS_DSIG, "Signature")) {
        n = next_element(n->next);
    }
    if (!n || !sb_xml_is(n, SB_SAML_NS_ASSERTION, "NameID") || next_element(n->children)) {
        return 0;
    }
    while ((n = next_element(n->next)) != NULL) {
        if (!sb_xml_is(n, SB_SAML_NS_PROTOCOL, "SessionIndex") || next_element(n->children)) {
            return 0;
        }
    }
    return 1;
}

/* The signature and what it covers: these parameters in this order, as they were written. */
static const char *read_signature(sb_saml_query_t *q, char *const *values, apr_pool_t *p)
{
    const char *algorithm = decode(values[SIG_ALG], 0, p), *text = decode(values[SIGNATURE], 0, p);
    int message = q->is_request ? SAML_REQUEST : SAML_RESPONSE;
    unsigned char *data;
    apr_size_t n;

    if (!is_listed(algorithm, signature_algorithms)) {
        return "algorithm";
    }
    if (!text || sb_base64_decode(&data, &n, text, strlen(text), p) != APR_SUCCESS || n == 0 ||
        n > SIGNATURE_MAX) {
        return "signature";
    }
    q->sha_bits = atoi(algorithm + strlen(algorithm) - strlen("256"));
    q->signature = data;
    q->signature_len = n;
    q->octets = apr_pstrcat(
        p, param_names[message], "=", values[message], values[RELAY_STATE] ? "&RelayState=" : "",
        values[RELAY_STATE] ? values[RELAY_STATE] : "", "&SigAlg=", values[SIG_ALG], NULL);
    return NULL;
}

const char *sb_saml_gate_query(sb_saml_query_t *q, const char *query, apr_pool_t *p)
{
    char *values[N_PARAMS] = {NULL};
    const char *bad, *text;
    unsigned char *data;
    apr_size_t n;
    xmlNode *root;

    *q = (sb_saml_query_t){0};
    if (!query || strlen(query) > SB_SAML_MAX_QUERY) {
        return query ? "size" : "query";
    }
    bad = split(values, query, p);
    if (bad) {
        return bad;
    }
    if (!values[SAML_REQUEST] == !values[SAML_RESPONSE]) {
        return "query";
    }
    if (!values[SIGNATURE] || !*values[SIGNATURE] || !values[SIG_ALG]) {
        return "unsigned";
    }
    q->is_request = values[SAML_REQUEST] != NULL;
    bad = read_signature(q, values, p);
    if (bad) {
        return bad;
    }
    if (values[RELAY_STATE]) {
        q->relay = decode(values[RELAY_STATE], 1, p);
        if (!q->relay || !sb_utf8_is_valid(q->relay, strlen(q->relay))) {
            return "query";
        }
    }
    text = decode(values[q->is_request ? SAML_REQUEST : SAML_RESPONSE], 0, p);
    if (!text || sb_base64_decode(&data, &n, text, strlen(text), p) != APR_SUCCESS || n == 0) {
        return "base64";
    }
    bad = inflate_all(q, data, n, p);
    if (!bad) {
        bad = parse(&root, q->xml, q->xml_len, p);
    }
    if (bad) {
        return bad;
    }
    if (!sb_xml_is(root, SB_SAML_NS_PROTOCOL, q->is_request ? "LogoutRequest" : "LogoutResponse")) {
        return "root";
    }
    if (q->is_request && !is_logout_request(root)) {
        return "element";
    }
    return sb_saml_gate_node(root, p);
}
