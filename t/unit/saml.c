/* lib/auth/sb_saml with Lasso, no server: a signed answer passes every check up to the table of used
 * assertions, which is away here; and thousands of messages bent at random, signed and not, are
 * judged without the process ending. SAML_MUTATIONS says how many of each, SAML_SEED which. */

#include "tap.h"

#include <sys/stat.h>
#include <unistd.h>
#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <zlib.h>
#include "../saml/seal.h"
#include "auth/sb_saml.h"
#include "auth/sb_saml_gate.h"
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "core/sb_xml.h"
#include "keys.h"

#define ACS "https://us.example/saml_post"
#define SLO_URL "https://us.example/logout_redirect"
#define ASKED "_0123456789abcdef0123456789abcdef01234567"
#define DSIG SB_SAML_NS_DSIG
#define SIGALG "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"

static apr_pool_t *p; /* of the test */
static apr_pool_t *q; /* of one message */
static sb_saml_t *saml;
static EVP_PKEY *idp_key, *our_key;

static void quiet(void *ctx, sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    (void)ctx;
    (void)level;
    (void)number;
    (void)rv;
    (void)text;
}

#ifdef __SANITIZE_ADDRESS__
#define MUTATIONS 100
/* Lasso loses the decoded signature of each query it verifies; whole stacks, to know it is there. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "fast_unwind_on_malloc=0";
}
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:lasso_logout_process_\nleak:sb_saml_logout_read\n";
}
#else
#define MUTATIONS 500
#endif

/* ---- messages ----------------------------------------------------------------------------------- */

static const char *stamp(int secs)
{
    char *buf = apr_palloc(q, SB_ISO_TIME_SIZE);

    return sb_time_iso(buf, apr_time_now() + apr_time_from_sec(secs));
}

static const char *answer(void)
{
    return apr_psprintf(
        q,
        "<samlp:Response xmlns:samlp='" SB_SAML_NS_PROTOCOL "' xmlns:saml='" SB_SAML_NS_ASSERTION
        "' ID='_r' Version='2.0' IssueInstant='%s' Destination='" ACS "' InResponseTo='" ASKED "'>"
        "<saml:Issuer>https://idp.example/</saml:Issuer><samlp:Status><samlp:StatusCode "
        "Value='urn:oasis:names:tc:SAML:2.0:status:Success'/></samlp:Status>"
        "<saml:Assertion ID='_a' Version='2.0' IssueInstant='%s'>"
        "<saml:Issuer>https://idp.example/</saml:Issuer><saml:Subject><saml:NameID>n1</saml:NameID>"
        "<saml:SubjectConfirmation Method='urn:oasis:names:tc:SAML:2.0:cm:bearer'>"
        "<saml:SubjectConfirmationData NotOnOrAfter='%s' Recipient='" ACS "' InResponseTo='" ASKED
        "'/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore='%s' "
        "NotOnOrAfter='%s'><saml:AudienceRestriction><saml:Audience>https://us.example/"
        "</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement "
        "AuthnInstant='%s' SessionIndex='_s'><saml:AuthnContext><saml:AuthnContextClassRef>"
        "urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef>"
        "</saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>"
        "<saml:Attribute Name='uid'><saml:AttributeValue>u1</saml:AttributeValue></saml:Attribute>"
        "<saml:Attribute Name='memberOf'><saml:AttributeValue>||GENERAL||||||nc|NC|||||||||"
        "</saml:AttributeValue></saml:Attribute></saml:AttributeStatement></saml:Assertion>"
        "</samlp:Response>",
        stamp(0), stamp(0), stamp(300), stamp(-30), stamp(300), stamp(0));
}

static const char *logout(const char *root, const char *attribute, const char *content)
{
    return apr_psprintf(q,
                        "<samlp:%s xmlns:samlp='" SB_SAML_NS_PROTOCOL
                        "' xmlns:saml='" SB_SAML_NS_ASSERTION
                        "' ID='_l%s' Version='2.0' IssueInstant='%s' Destination='" SLO_URL "'%s>"
                        "<saml:Issuer>https://idp.example/</saml:Issuer>%s</samlp:%s>",
                        root, stamp(0), stamp(0), attribute, content, root);
}

/* The answer's assertion by itself, as it is before it is encrypted. */
static const char *assertion(void)
{
    const char *from = strstr(answer(), "<saml:Assertion ") + strlen("<saml:Assertion ");

    return apr_pstrcat(q, "<saml:Assertion xmlns:saml='" SB_SAML_NS_ASSERTION "' ",
                       apr_pstrmemdup(q, from, strlen(from) - strlen("</samlp:Response>")), NULL);
}

/* The answer with that in the place of its assertion, encrypted. */
static const char *sealed(const char *inside)
{
    const seal_t how = {0};
    const char *whole = answer();
    char *box = seal(inside, strlen(inside), our_key, &how);
    const char *xml = apr_pstrcat(
        q, apr_pstrmemdup(q, whole, (apr_size_t)(strstr(whole, "<saml:Assertion ") - whole)), box,
        "</samlp:Response>", NULL);

    free(box);
    return xml;
}

/* What is bent: a whole message, or what will be encrypted. */
static const char *sample(int kind)
{
    switch (kind) {
    case 0:
        return logout("LogoutRequest", "",
                      "<saml:NameID>n1</saml:NameID><samlp:SessionIndex>_s</samlp:SessionIndex>");
    case 1:
        return logout("LogoutResponse", " InResponseTo='" ASKED "'",
                      "<samlp:Status><samlp:StatusCode "
                      "Value='urn:oasis:names:tc:SAML:2.0:status:Success'/></samlp:Status>");
    case 2:
        return answer();
    default:
        return assertion();
    }
}

/* ---- signing ------------------------------------------------------------------------------------ */

static const char *signature_of(const char *data, apr_size_t len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char sig[512];
    size_t n = sizeof(sig);
    int good = EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, idp_key) == 1 &&
               EVP_DigestSign(ctx, sig, &n, (const unsigned char *)data, len) == 1;

    EVP_MD_CTX_free(ctx);
    return good ? sb_base64_encode(sig, n, q) : "";
}

/* An enveloped signature of the whole document, behind the first child or in front of nothing. */
static void sign(xmlDoc *doc)
{
    xmlNode *root = xmlDocGetRootElement(doc), *sig, *first;
    xmlDoc *made;
    xmlChar *octets, *id = xmlGetNoNsProp(root, BAD_CAST "ID");
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    const char *info, *text;
    int len = xmlC14NDocDumpMemory(doc, NULL, XML_C14N_EXCLUSIVE_1_0, NULL, 0, &octets);

    if (len > 0) {
        EVP_Digest(octets, (size_t)len, digest, &n, EVP_sha256(), NULL);
        xmlFree(octets);
    }
    /* Written as the canonical form is, so that these very octets can be signed. */
    info = apr_pstrcat(
        q,
        "<ds:SignedInfo xmlns:ds=\"" DSIG "\"><ds:CanonicalizationMethod "
        "Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:CanonicalizationMethod>"
        "<ds:SignatureMethod Algorithm=\"" SIGALG "\"></ds:SignatureMethod><ds:Reference URI=\"#",
        id ? sb_xml_escape((const char *)id, q) : "",
        "\"><ds:Transforms><ds:Transform Algorithm=\"" DSIG "enveloped-signature\"></ds:Transform>"
        "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"></ds:Transform>"
        "</ds:Transforms><ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\">"
        "</ds:DigestMethod><ds:DigestValue>",
        sb_base64_encode(digest, n, q), "</ds:DigestValue></ds:Reference></ds:SignedInfo>", NULL);
    xmlFree(id);
    text =
        apr_pstrcat(q, "<ds:Signature xmlns:ds=\"" DSIG "\">", info, "<ds:SignatureValue>",
                    signature_of(info, strlen(info)), "</ds:SignatureValue></ds:Signature>", NULL);
    made =
        xmlReadMemory(text, (int)strlen(text), NULL, NULL, XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!made) {
        return; /* an ID of odd characters: unsigned then */
    }
    sig = xmlDocCopyNode(xmlDocGetRootElement(made), doc, 1);
    xmlFreeDoc(made);
    first = root->children;
    if (first) {
        xmlAddNextSibling(first, sig);
    }
    else {
        xmlAddChild(root, sig);
    }
}

static const char *percent(const char *base64)
{
    char *out = apr_palloc(q, strlen(base64) * 3 + 1), *to = out;

    for (; *base64; base64++) {
        if (strchr("+/=:#", *base64)) {
            to += sprintf(to, "%%%02X", (unsigned)*base64);
        }
        else {
            *to++ = *base64;
        }
    }
    *to = '\0';
    return out;
}

static const char *query(const char *name, const char *xml, int is_signed)
{
    apr_size_t room = strlen(xml) + 1000;
    unsigned char *out = apr_palloc(q, room);
    z_stream z = {.next_in = (unsigned char *)xml,
                  .avail_in = (uInt)strlen(xml),
                  .next_out = out,
                  .avail_out = (uInt)room};
    const char *text;

    deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY);
    deflate(&z, Z_FINISH);
    deflateEnd(&z);
    text = apr_pstrcat(q, name, "=", percent(sb_base64_encode(out, z.total_out, q)),
                       "&RelayState=r&SigAlg=", percent(SIGALG), NULL);
    return apr_pstrcat(q, text, "&Signature=",
                       is_signed ? percent(signature_of(text, strlen(text))) : "AAAA", NULL);
}

/* ---- judging ------------------------------------------------------------------------------------ */

/* @return the reason; NULL fine */
static const char *judge(int kind, const char *xml, int is_signed)
{
    const char *value;
    apr_status_t rv;

    if (kind < 2) {
        sb_saml_logout_t out;

        value = query(kind == 0 ? "SAMLRequest" : "SAMLResponse", xml, is_signed);
        rv = sb_saml_logout_read(&out, saml, value, ASKED, q);
        if (rv == APR_SUCCESS && out.is_request) {
            rv = sb_saml_logout_answer(&value, saml, &out, NULL, q);
            return rv == APR_SUCCESS ? NULL : "no answer was made";
        }
        return out.reason;
    }
    else {
        sb_saml_result_t res;

        value = sb_base64_encode(xml, strlen(xml), q);
        rv = sb_saml_finish(&res, saml, value, strlen(value), ASKED, q);
        return rv == APR_SUCCESS ? "an answer was taken without the table"
               : res.identity    ? "somebody comes out of a refused answer"
               : res.reason      ? res.reason
                                 : "no reason";
    }
}

/* ---- bending ------------------------------------------------------------------------------------ */

static unsigned seed;

static unsigned dice(unsigned sides)
{
    seed = seed * 1103515245u + 12345u;
    return sides ? (seed >> 12) % sides : 0;
}

static unsigned count(xmlNode *n)
{
    unsigned sum = 1;

    for (xmlNode *c = xmlFirstElementChild(n); c; c = xmlNextElementSibling(c)) {
        sum += count(c);
    }
    return sum;
}

/* The element of that number in document order. */
static xmlNode *pick(xmlNode *n, unsigned *number)
{
    xmlNode *hit = NULL;

    if ((*number)-- == 0) {
        return n;
    }
    for (xmlNode *c = xmlFirstElementChild(n); c && !hit; c = xmlNextElementSibling(c)) {
        hit = pick(c, number);
    }
    return hit;
}

static xmlNode *any_element(xmlNode *root)
{
    unsigned number = dice(count(root));

    return pick(root, &number);
}

static int is_inside(const xmlNode *n, const xmlNode *outer)
{
    while (n && n != outer) {
        n = n->parent;
    }
    return n != NULL;
}

static void bend(xmlNode *root)
{
    static const char *const texts[] = {"",
                                        "x",
                                        "-1",
                                        "99999999999999999999",
                                        "%n%s",
                                        ACS,
                                        " ",
                                        "#",
                                        "2024-01-01T00:00:00Z",
                                        "_a",
                                        "urn:oasis:names:tc:SAML:2.0:status:Responder"};
    xmlNode *n = any_element(root), *other = any_element(root);
    const char *text = texts[dice(sizeof(texts) / sizeof(texts[0]))];
    xmlAttr *attr = n->properties;

    for (unsigned i = dice(4); attr && attr->next && i > 0; i--) {
        attr = attr->next;
    }
    switch (dice(8)) {
    case 0: /* gone */
        if (n != root) {
            xmlUnlinkNode(n);
            xmlFreeNode(n);
        }
        break;
    case 1: /* without an attribute */
        if (attr) {
            xmlRemoveProp(attr);
        }
        break;
    case 2: /* an attribute says something else */
        if (attr) {
            xmlSetProp(n, attr->name, BAD_CAST text);
        }
        break;
    case 3: /* twice */
        xmlAddChild(other, xmlCopyNode(n, 1));
        break;
    case 4: /* elsewhere */
        if (n != root && !is_inside(other, n)) {
            xmlUnlinkNode(n);
            xmlAddChild(other, n);
        }
        break;
    case 5: /* text instead of what was there */
        xmlNodeSetContent(n, BAD_CAST sb_xml_escape(text, q));
        break;
    case 6: /* another name */
        if (n != root) {
            xmlNodeSetName(n, other->name);
            xmlSetNs(n, other->ns);
        }
        break;
    default: /* its brothers in another order */
        if (n != root && n->next) {
            xmlNode *parent = n->parent;

            xmlUnlinkNode(n);
            xmlAddChild(parent, n);
        }
        break;
    }
}

static const char *bent(int kind, int is_signed)
{
    const char *xml = sample(kind);
    xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, 0);
    xmlChar *octets;
    int len;

    for (unsigned i = dice(3) + 1; i > 0; i--) {
        bend(xmlDocGetRootElement(doc));
    }
    if (is_signed && kind >= 2) {
        sign(doc);
    }
    xmlDocDumpMemory(doc, &octets, &len);
    xml = apr_pstrmemdup(q, (const char *)octets, (apr_size_t)len);
    xmlFree(octets);
    xmlFreeDoc(doc);
    return kind == 3 ? sealed(xml) : xml;
}

/* ---- the test ----------------------------------------------------------------------------------- */

static const char *signed_sample(int kind)
{
    const char *text = sample(kind);
    xmlDoc *doc = xmlReadMemory(text, (int)strlen(text), NULL, NULL, 0);
    xmlChar *octets;
    const char *xml;
    int len;

    sign(doc);
    xmlDocDumpMemory(doc, &octets, &len);
    xml = apr_pstrmemdup(q, (const char *)octets, (apr_size_t)len);
    xmlFree(octets);
    xmlFreeDoc(doc);
    return xml;
}

static void sound(void)
{
    const char *url, *id;

    is_str(judge(2, signed_sample(2), 1), "replay_store",
           "a sound answer passes all but the table, which is away");
    is_str(judge(2, answer(), 0), "signature", "unsigned it does not");
    is_str(judge(3, sealed(signed_sample(3)), 1), "replay_store", "so does an encrypted one");
    is_str(judge(3, sealed(sample(3)), 0), "signature", "if it is signed");
    is_str(judge(0, sample(0), 1), NULL, "a LogoutRequest is fine, and answered");
    is_str(judge(0, sample(0), 0), "signature", "and unsigned not");
    is_str(judge(1, sample(1), 1), NULL, "a LogoutResponse is fine");
    is_str(judge(1, sample(1), 0), "signature", "and unsigned not");
    is_int(sb_saml_begin(&url, &id, saml, "key", 0, q), APR_SUCCESS, "a request is made");
    ok(!strncmp(url, "https://idp.example/sso?SAMLRequest=", 36) && strstr(url, "&RelayState=key&"),
       "for the identity provider, with our key");
    is_int((int)strlen(id), 41, "with an id of 160 bits");
    is_int(sb_saml_logout_begin(&url, &id, saml, "rubbish", "key", q), APR_EGENERAL,
           "no sign-out from a session that is none");
    is_int(sb_saml_logout_begin(&url, &id, saml, NULL, "key", q), APR_NOTFOUND, "nor without one");
}

static void mutations(int kind, int is_signed, int times)
{
    int passed = 0, wrong = 0;

    for (int i = 0; i < times; i++) {
        const char *bad, *xml = bent(kind, is_signed);

        bad = judge(kind, xml, is_signed);
        passed += !bad || !strcmp(bad, "replay_store");
        if (bad && strchr(bad, ' ') && strncmp(bad, "xml: ", 5) && strncmp(bad, "lasso ", 6)) {
            wrong++;
            printf("# %s: %s\n", bad, xml);
        }
        apr_pool_clear(q);
    }
    ok(!wrong && (is_signed || !passed), "%s %s: %d bent, %d harmless",
       is_signed ? "signed" : "unsigned",
       kind == 0   ? "LogoutRequest"
       : kind == 1 ? "LogoutResponse"
       : kind == 2 ? "answer"
                   : "encrypted assertion",
       times, passed);
}

/* Our configuration, and the identity provider's key. */
static sb_saml_config_t *configure(const char *dir)
{
    pair_t ours = make_pair(2048, p), theirs = make_pair(2048, p);
    BIO *bio = BIO_new_mem_buf(theirs.key, -1);
    const char *metadata =
        idp_metadata(key_descriptor(" use='signing'", theirs.der, p), SLO SSO, p);
    const char *ini = apr_pstrcat(
        p,
        "[app:main]\nauth.saml.issuer_name = https://us.example/\nauth.saml.acs_url = " ACS
        "\nauth.saml.slo_url = " SLO_URL "\nauth.saml.sp_key = ",
        tap_file(dir, "sp.key", ours.key, p),
        "\nauth.saml.sp_cert = ", tap_file(dir, "sp.pem", ours.cert, p),
        "\nauth.idp.metadata = ", tap_file(dir, "idp.xml", metadata, p), "\n", NULL);
    sb_saml_config_t *c = NULL;
    sb_conf_t *conf;
    const char *bad = sb_conf_load(&conf, tap_file(dir, "smarter.ini", ini, p), "app:main", p);

    idp_key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    bio = BIO_new_mem_buf(ours.key, -1);
    our_key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (!bad) {
        bad = sb_saml_config_load(&c, conf, p);
    }
    if (bad) {
        printf("Bail out! %s\n", bad);
        exit(EXIT_FAILURE);
    }
    for (const char *const *name =
             (const char *const[]){"sp.key", "sp.pem", "idp.xml", "smarter.ini", NULL};
         *name; name++) {
        unlink(apr_pstrcat(p, dir, "/", *name, NULL));
    }
    rmdir(dir);
    return c;
}

int main(void)
{
    char name[] = "/tmp/sb-saml-XXXXXX";
    const char *times = getenv("SAML_MUTATIONS"), *given = getenv("SAML_SEED");
    apr_array_header_t *tenants;
    sb_dbpool_t *nowhere;
    sb_db_opts_t opts = {.schema = "signin", .app = "t", .wait = apr_time_from_sec(1)};

    p = tap_pool();
    apr_pool_create(&q, p);
    sb_log_set(quiet, NULL);
    tenants = apr_array_make(p, 1, sizeof(sb_tenant_t));
    APR_ARRAY_PUSH(tenants, sb_tenant_t) = (sb_tenant_t){"nc", "NC"};
    if (sb_dbpool_make(&nowhere, "postgresql://127.0.0.1:1/none", &opts, p) != APR_SUCCESS) {
        puts("Bail out! no pool");
        return EXIT_FAILURE;
    }
    is_int(sb_saml_make(&saml, configure(mkdtemp(name)), nowhere, tenants, p), APR_SUCCESS,
           "Lasso starts, and refuses an unsigned message");
    sound();
    apr_pool_clear(q);
    seed = given ? (unsigned)atoi(given) : 1;
    for (int kind = 0; kind < 4; kind++) {
        mutations(kind, 0, times ? atoi(times) : MUTATIONS);
        mutations(kind, 1, times ? atoi(times) : MUTATIONS);
    }
    EVP_PKEY_free(idp_key);
    EVP_PKEY_free(our_key);
    return done();
}
