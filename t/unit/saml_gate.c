/* The gate before Lasso: one sound message, and what each change of it is refused for. */
#include "tap.h"
#include <zlib.h>
#include "auth/sb_saml_gate.h"
#include "core/sb_crypto.h"

#define SIGNATURE(id)                                                                              \
    "<ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'><ds:SignedInfo>"                  \
    "<ds:CanonicalizationMethod Algorithm='http://www.w3.org/2001/10/xml-exc-c14n#'/>"             \
    "<ds:SignatureMethod Algorithm='http://www.w3.org/2001/04/xmldsig-more#rsa-sha256'/>"          \
    "<ds:Reference URI='#" id "'><ds:Transforms>"                                                  \
    "<ds:Transform Algorithm='http://www.w3.org/2000/09/xmldsig#enveloped-signature'/>"            \
    "<ds:Transform Algorithm='http://www.w3.org/2001/10/xml-exc-c14n#'/></ds:Transforms>"          \
    "<ds:DigestMethod Algorithm='http://www.w3.org/2001/04/xmlenc#sha256'/>"                       \
    "<ds:DigestValue>x</ds:DigestValue></ds:Reference></ds:SignedInfo>"                            \
    "<ds:SignatureValue>x</ds:SignatureValue></ds:Signature>"

#define TEN_PREFIXES "p00 p01 p02 p03 p04 p05 p06 p07 p08 p09 "
#define MANY_PREFIXES TEN_PREFIXES TEN_PREFIXES TEN_PREFIXES TEN_PREFIXES TEN_PREFIXES TEN_PREFIXES

static const char sound[] = "<samlp:Response xmlns:samlp='urn:oasis:names:tc:SAML:2.0:protocol' "
                            "xmlns:saml='urn:oasis:names:tc:SAML:2.0:assertion' "
                            "ID='_r'><saml:Issuer>i</saml:Issuer>" SIGNATURE(
                                "_r") "<samlp:Status/><saml:Assertion "
                                      "ID='_a'><saml:Issuer>i</"
                                      "saml:Issuer>" SIGNATURE("_a") "<saml:Subject><saml:NameID>n<"
                                                                     "/saml:NameID></saml:Subject>"
                                                                     "<saml:AttributeStatement><"
                                                                     "saml:Attribute "
                                                                     "Name='uid'><saml:"
                                                                     "AttributeValue>alice"
                                                                     "</saml:AttributeValue></"
                                                                     "saml:Attribute></"
                                                                     "saml:AttributeStatement></"
                                                                     "saml:Assertion>"
                                                                     "</samlp:Response>";

static const struct {
    const char *title, *from, *to;
    const char *want; /* NULL: fine */
} changes[] = {
    {"sound", "", "", NULL},
    {"only the assertion is signed", SIGNATURE("_r"), "", NULL},
    {"no signature at all is Lasso's to refuse", SIGNATURE("_a"), "", NULL},
    {"blanks before", "<samlp:Response", " \n<samlp:Response", NULL},
    {"RSA-SHA512", "rsa-sha256", "rsa-sha512", NULL},
    {"SHA-384", "xmlenc#sha256", "xmldsig-more#sha384", NULL},
    {"CDATA in a value", "alice", "al<![CDATA[ice]]>", "xml: a CDATA section"},
    {"a value all CDATA", "alice", "<![CDATA[alice]]>", "xml: a CDATA section"},
    {"comment in a value", "alice", "al<!-- -->ice", "xml: a comment"},
    {"comment in NameID", ">n<", ">n<!-- -->.evil<", "xml: a comment"},
    {"comment at the end", "</samlp:Response>", "</samlp:Response><!-- -->", "xml: a comment"},
    {"processing instruction", "alice", "al<?x y?>ice", "xml: a processing instruction"},
    {"entity", "alice", "&e;", "xml: not well-formed"},
    {"DTD", "<samlp:Response", "<!DOCTYPE r><samlp:Response", "xml: a document type declaration"},
    {"DTD that makes IDs", "<samlp:Response",
     "<!DOCTYPE r [<!ATTLIST r ID ID #IMPLIED>]><samlp:Response",
     "xml: a document type declaration"},
    {"not well-formed", "</samlp:Response>", "", "xml: not well-formed"},
    {"something after", "</samlp:Response>", "</samlp:Response><x/>", "xml: not well-formed"},
    {"other root", "samlp:Response", "samlp:ArtifactResponse", "root"},
    {"root of another namespace", "xmlns:samlp='urn:oasis:names:tc:SAML:2.0:protocol'",
     "xmlns:samlp='urn:evil'", "root"},
    {"RSA-SHA1", "2001/04/xmldsig-more#rsa-sha256", "2000/09/xmldsig#rsa-sha1", "algorithm"},
    {"HMAC", "2001/04/xmldsig-more#rsa-sha256", "2001/04/xmldsig-more#hmac-sha256", "algorithm"},
    {"no algorithm", " Algorithm='http://www.w3.org/2001/04/xmldsig-more#rsa-sha256'", "",
     "algorithm"},
    {"algorithm with a blank", "rsa-sha256", "rsa-sha256 ", "algorithm"},
    {"SHA-1 digest", "2001/04/xmlenc#sha256", "2000/09/xmldsig#sha1", "digest"},
    {"MD5 digest", "2001/04/xmlenc#sha256", "2001/04/xmldsig-more#md5", "digest"},
    {"XSLT", "2001/10/xml-exc-c14n#'/></ds:Transforms>",
     "TR/1999/REC-xslt-19991116'/></ds:Transforms>", "transform"},
    {"XPath", "2000/09/xmldsig#enveloped-signature", "TR/1999/REC-xpath-19991116", "transform"},
    {"three transforms", "<ds:Transforms>",
     "<ds:Transforms><ds:Transform Algorithm='http://www.w3.org/2001/10/xml-exc-c14n#'/>",
     "transform"},
    {"a prefix list", "2001/10/xml-exc-c14n#'/></ds:Transforms>",
     "2001/10/xml-exc-c14n#'><c:InclusiveNamespaces xmlns:c='http://www.w3.org/2001/10/"
     "xml-exc-c14n#' PrefixList='xs xsi'/></ds:Transform></ds:Transforms>",
     NULL},
    {"a prefix list without end", "2001/10/xml-exc-c14n#'/></ds:Transforms>",
     "2001/10/xml-exc-c14n#'><c:InclusiveNamespaces xmlns:c='http://www.w3.org/2001/10/"
     "xml-exc-c14n#' PrefixList='" MANY_PREFIXES "'/></ds:Transform></ds:Transforms>",
     "canonicalization"},
    {"canonical XML with comments",
     "CanonicalizationMethod Algorithm='http://www.w3.org/2001/10/"
     "xml-exc-c14n#'",
     "CanonicalizationMethod Algorithm='http://www.w3.org/2001/10/"
     "xml-exc-c14n#WithComments'",
     "canonicalization"},
    {"ds:Object", "</ds:Signature>", "<ds:Object/></ds:Signature>", "element"},
    {"ds:RetrievalMethod", "</ds:Signature>",
     "<ds:KeyInfo><ds:RetrievalMethod URI='http://evil/'/></ds:KeyInfo></ds:Signature>", "element"},
    {"signature of something else", "URI='#_a'", "URI='#_b'", "signature_reference"},
    {"signature of the whole document", "URI='#_a'", "URI=''", "signature_reference"},
    {"signature of a far document", "URI='#_a'", "URI='http://evil/'", "signature_reference"},
    {"XPointer", "URI='#_a'", "URI='#xpointer(/)'", "signature_reference"},
    {"two references", "</ds:SignedInfo>", "<ds:Reference URI='#_x'/></ds:SignedInfo>",
     "signature_reference"},
    {"two SignedInfo", "</ds:SignedInfo>", "</ds:SignedInfo><ds:SignedInfo/>",
     "signature_reference"},
    {"two signatures", "<samlp:Status/>", SIGNATURE("_r") "<samlp:Status/>", "signature_count"},
    {"signature elsewhere", "<samlp:Status/>",
     "<samlp:Extensions ID='_e'>" SIGNATURE("_e") "</samlp:Extensions><samlp:Status/>", "element"},
    {"two assertions", "<samlp:Status/>", "<samlp:Status/><saml:Assertion ID='_b'/>",
     "assertion_count"},
    {"an assertion in Extensions", "<samlp:Status/>",
     "<samlp:Extensions><saml:Assertion ID='_b'/></samlp:Extensions><samlp:Status/>", "element"},
    {"an assertion in an assertion", "<saml:Subject>", "<saml:Assertion ID='_b'/><saml:Subject>",
     "assertion_count"},
    {"advice", "<saml:Subject>", "<saml:Advice/><saml:Subject>", "element"},
    {"an element of nobody", "alice", "<x/>", "element"},
    {"an element of another namespace", "alice", "<x xmlns='urn:x'/>", "element"},
    {"a known name of another namespace", "alice", "<NameID xmlns='urn:x'/>", "element"},
    {"an extension", "<samlp:Status/>", "<samlp:Extensions/><samlp:Status/>", "element"},
    {"an element of a value", "alice", "<saml:NameID>x</saml:NameID>", NULL},
    {"a LogoutRequest without NameID in a value", "alice", "<samlp:LogoutRequest/>", "element"},
    {"a value said to be a LogoutRequest", "<saml:AttributeValue>",
     "<saml:AttributeValue xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
     "xsi:type='samlp:LogoutRequest'>",
     "type"},
    {"a type without prefix", "<saml:AttributeValue>",
     "<saml:AttributeValue xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
     "xmlns='urn:oasis:names:tc:SAML:2.0:protocol' xsi:type='LogoutRequest'>",
     "type"},
    {"a type of no namespace", "<saml:AttributeValue>",
     "<saml:AttributeValue xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
     "xsi:type='string'>",
     "type"},
    {"xs:string", "<saml:AttributeValue>",
     "<saml:AttributeValue xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
     "xmlns:xs='http://www.w3.org/2001/XMLSchema' xsi:type='xs:string'>",
     NULL},
    {"a type elsewhere", "<saml:Subject>",
     "<saml:Subject xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
     "xmlns:xs='http://www.w3.org/2001/XMLSchema' xsi:type='xs:string'>",
     "type"},
    {"a known element out of place", "alice", "<saml:Subject/>", "element"},
    {"a status in an assertion", "<saml:Subject>", "<samlp:Status/><saml:Subject>", "element"},
    {"an element in an issuer", "<saml:Issuer>i", "<saml:Issuer>i<saml:NameID/>", "element"},
    {"cryptography out of place", "<saml:Subject>",
     "<ds:KeyInfo xmlns:ds='http://www.w3.org/2000/09/xmldsig#'/><saml:Subject>", "element"},
    {"an assertion in a signature", "<ds:SignatureValue>x", "<ds:SignatureValue><saml:NameID/>",
     "element"},
    {"part of a known place", "<saml:Subject>", "<saml:Audience/><saml:Subject>", "element"},
    {"an encrypted name", "<saml:NameID>n</saml:NameID>", "<saml:EncryptedID/>", "element"},
    {"an encrypted assertion", "<samlp:Status/>", "<samlp:Status/><saml:EncryptedAssertion/>",
     "encrypted"},
    {"an encrypted assertion somewhere", "alice", "<saml:EncryptedAssertion/>", "encrypted"},
    {"two of one ID", "ID='_a'", "ID='_r'", "duplicate_id"},
    {"one ID in two spellings", "<samlp:Status/>", "<samlp:Status Id='_a'/>", "duplicate_id"},
    {"xml:id", "<samlp:Status/>", "<samlp:Status xml:id='_x'/>", "xml_id"},
};

static apr_pool_t *p;

/* text with every from replaced by to */
static const char *replace(const char *text, const char *from, const char *to)
{
    const char *out = "", *hit;

    if (!*from) {
        return text;
    }
    while ((hit = strstr(text, from)) != NULL) {
        out = apr_pstrcat(p, out, apr_pstrmemdup(p, text, (apr_size_t)(hit - text)), to, NULL);
        text = hit + strlen(from);
    }
    return apr_pstrcat(p, out, text, NULL);
}

static const char *gate(const char *xml)
{
    const char *value = sb_base64_encode(xml, strlen(xml), p), *clean, *bad;

    bad = sb_saml_gate_response(&clean, NULL, value, strlen(value), p);
    if ((clean != NULL) != (bad == NULL)) {
        ok(0, "the examined octets come with success only");
    }
    return bad;
}

static void responses(void)
{
    const char *value = sb_base64_encode(sound, strlen(sound), p), *clean, *wrapped;
    apr_size_t len = strlen(value);
    char *big, *nul;

    for (apr_size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const char *xml = replace(sound, changes[i].from, changes[i].to);

        if (*changes[i].from && !strcmp(xml, sound)) {
            ok(0, "%s: the change changes nothing", changes[i].title);
        }
        is_str(gate(xml), changes[i].want, changes[i].title);
    }
    is_str(gate("<samlp:Response xmlns:samlp='urn:oasis:names:tc:SAML:2.0:protocol'/>"),
           "no_assertion", "no assertion");
    wrapped = apr_pstrcat(p, apr_pstrmemdup(p, value, 76), "\r\n", value + 76, "\n", NULL);
    is_str(sb_saml_gate_response(&clean, NULL, wrapped, strlen(wrapped), p), NULL,
           "base64 in lines");
    is_str(clean, value, "Lasso gets one line of the same octets");
    is_str(sb_saml_gate_response(&clean, NULL, "", 0, p), "base64", "nothing");
    is_str(sb_saml_gate_response(&clean, NULL, sound, strlen(sound), p), "base64", "bare XML");
    is_str(sb_saml_gate_response(&clean, NULL, apr_pstrcat(p, value, "!", NULL), len + 1, p),
           "base64", "something after the base64");
    is_str(sb_saml_gate_response(&clean, NULL, apr_pstrcat(p, "A===", value, NULL), len + 4, p),
           "base64", "padding inside");
    is_str(sb_saml_gate_response(&clean, NULL, apr_pstrcat(p, value, value, NULL), 2 * len, p),
           len % 4 == 0 && value[len - 1] != '=' ? "xml: not well-formed" : "base64",
           "twice the message");
    nul = apr_pstrdup(p, value);
    nul[100] = '\0';
    is_str(sb_saml_gate_response(&clean, NULL, nul, len, p), "base64", "a NUL in the base64");
    big = apr_pstrmemdup(p, sound, strlen(sound));
    big[strlen(sound) - 1] = '\0';
    value = sb_base64_encode(big, strlen(sound), p);
    is_str(sb_saml_gate_response(&clean, NULL, value, strlen(value), p), "xml: a NUL",
           "a NUL in the XML");
    big = apr_palloc(p, 2 * SB_SAML_MAX_BYTES);
    memset(big, 'A', 2 * SB_SAML_MAX_BYTES);
    is_str(sb_saml_gate_response(&clean, NULL, big, 2 * SB_SAML_MAX_BYTES, p), "size", "too long");
    is_str(gate(replace(sound, "alice", replace(apr_psprintf(p, "%050d", 0), "0", "<saml:x>"))),
           "xml: nested too deep", "nested");
}

/* ---- queries ----------------------------------------------------------------------------------- */

#define LOGOUT(content)                                                                            \
    "<samlp:LogoutRequest xmlns:samlp='urn:oasis:names:tc:SAML:2.0:protocol' "                     \
    "xmlns:saml='urn:oasis:names:tc:SAML:2.0:assertion' ID='_l'>" content "</samlp:LogoutRequest>"
#define ISSUER "<saml:Issuer>i</saml:Issuer>"
#define NAME_ID "<saml:NameID>n</saml:NameID>"
#define INDEX "<samlp:SessionIndex>s</samlp:SessionIndex>"
static const char logout[] = LOGOUT(ISSUER NAME_ID INDEX);

/* What Lasso could end the process at. */
static const char *const wrong_logouts[] = {
    LOGOUT(""),
    LOGOUT(ISSUER),
    LOGOUT(NAME_ID),
    LOGOUT(ISSUER INDEX NAME_ID),
    LOGOUT(NAME_ID ISSUER),
    LOGOUT(ISSUER NAME_ID NAME_ID),
    LOGOUT(ISSUER NAME_ID ISSUER),
    LOGOUT(ISSUER ISSUER NAME_ID),
    LOGOUT(ISSUER "<saml:NameID>n" ISSUER "</saml:NameID>"),
    LOGOUT("<saml:Issuer>" NAME_ID "</saml:Issuer>"),
    LOGOUT(ISSUER "<saml:EncryptedID/>"),
    LOGOUT(ISSUER "<saml:BaseID/>"),
    LOGOUT(ISSUER "<NameID>n</NameID>"),
    LOGOUT(ISSUER "<samlp:NameID>n</samlp:NameID>"),
    LOGOUT(ISSUER NAME_ID "<samlp:SessionIndex>" NAME_ID "</samlp:SessionIndex>"),
    LOGOUT(ISSUER "<samlp:Extensions/>" NAME_ID),
    LOGOUT(ISSUER NAME_ID "<samlp:LogoutRequest/>"),
};
static const char answer[] = "<samlp:LogoutResponse xmlns:samlp='urn:oasis:names:tc:SAML:2.0:"
                             "protocol' ID='_l'/>";

static const char *escape(const char *text)
{
    return replace(replace(replace(text, "+", "%2B"), "/", "%2f"), "=", "%3D");
}

static const char *deflated(const void *data, apr_size_t len, const char *tail)
{
    apr_size_t room = len + 1000 + strlen(tail);
    unsigned char *out = apr_palloc(p, room);
    z_stream z = {.next_in = (unsigned char *)data,
                  .avail_in = (uInt)len,
                  .next_out = out,
                  .avail_out = (uInt)room};

    deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY);
    deflate(&z, Z_FINISH);
    deflateEnd(&z);
    memcpy(out + z.total_out, tail, strlen(tail));
    return escape(sb_base64_encode(out, z.total_out + strlen(tail), p));
}

#define SIGALG "&SigAlg=http%3A%2F%2Fwww.w3.org%2F2001%2F04%2Fxmldsig-more%23rsa-sha256"
#define SIGNED SIGALG "&Signature=eA%3D%3D"

static void queries(void)
{
    const char *m = deflated(logout, strlen(logout), ""), *many;
    char *bomb = apr_palloc(p, 8 * SB_SAML_MAX_BYTES);
    sb_saml_query_t q;
    const struct {
        const char *title, *query, *want;
    } cases[] = {
        {"request", apr_pstrcat(p, "SAMLRequest=", m, "&RelayState=r", SIGNED, NULL), NULL},
        {"no relay state", apr_pstrcat(p, "SAMLRequest=", m, SIGNED, NULL), NULL},
        {"other order", apr_pstrcat(p, "RelayState=r&SAMLRequest=", m, SIGNED, NULL), NULL},
        {"nothing", "", "query"},
        {"unsigned", apr_pstrcat(p, "SAMLRequest=", m, NULL), "unsigned"},
        {"no signature", apr_pstrcat(p, "SAMLRequest=", m, SIGALG, NULL), "unsigned"},
        {"empty signature", apr_pstrcat(p, "SAMLRequest=", m, SIGALG "&Signature=", NULL),
         "unsigned"},
        {"no algorithm", apr_pstrcat(p, "SAMLRequest=", m, "&Signature=eA", NULL), "unsigned"},
        {"RSA-SHA1",
         apr_pstrcat(
             p, "SAMLRequest=", m,
             "&SigAlg=http%3A%2F%2Fwww.w3.org%2F2000%2F09%2Fxmldsig%23rsa-sha1&Signature=eA", NULL),
         "algorithm"},
        {"an algorithm that is broken off",
         apr_pstrcat(p, "SAMLRequest=", m, "&SigAlg=http%3&Signature=eA", NULL), "algorithm"},
        {"a signature that is no base64",
         apr_pstrcat(p, "SAMLRequest=", m, SIGALG "&Signature=%21", NULL), "signature"},
        {"one that is broken off",
         apr_pstrcat(p, "SAMLRequest=", m, SIGALG "&Signature=eA%3", NULL), "signature"},
        {"one that is longer than any key's",
         apr_pstrcat(p, "SAMLRequest=", m, SIGALG "&Signature=",
                     replace(apr_psprintf(p, "%0683d", 0), "0", "AAAA"), NULL),
         "signature"},
        {"two messages", apr_pstrcat(p, "SAMLRequest=", m, "&SAMLRequest=", m, SIGNED, NULL),
         "query_twice"},
        {"both kinds", apr_pstrcat(p, "SAMLRequest=", m, "&SAMLResponse=", m, SIGNED, NULL),
         "query"},
        {"neither", "RelayState=r" SIGNED, "query"},
        {"two relay states",
         apr_pstrcat(p, "SAMLRequest=", m, "&RelayState=a&RelayState=b", SIGNED, NULL),
         "query_twice"},
        {"two signatures", apr_pstrcat(p, "SAMLRequest=", m, SIGNED "&Signature=eA", NULL),
         "query_twice"},
        {"two algorithms", apr_pstrcat(p, "SAMLRequest=", m, SIGNED SIGALG, NULL), "query_twice"},
        {"another parameter", apr_pstrcat(p, "SAMLRequest=", m, SIGNED "&x=y", NULL),
         "query_unknown"},
        {"a name in disguise", apr_pstrcat(p, "SAMLRequest=", m, SIGNED "&RelaySt%61te=y", NULL),
         "query_unknown"},
        {"a name without value", apr_pstrcat(p, "SAMLRequest=", m, SIGNED "&x", NULL), "query"},
        {"semicolon", apr_pstrcat(p, "SAMLRequest=", m, ";RelayState=x", SIGNED, NULL), "query"},
        {"a NUL", apr_pstrcat(p, "SAMLRequest=", m, "&RelayState=%00", SIGNED, NULL), "query"},
        {"bad percent", apr_pstrcat(p, "SAMLRequest=", m, "&RelayState=%4", SIGNED, NULL), "query"},
        {"relay state is no UTF-8",
         apr_pstrcat(p, "SAMLRequest=", m, "&RelayState=%ff", SIGNED, NULL), "query"},
        {"plus in the message", apr_pstrcat(p, "SAMLRequest=+", m, SIGNED, NULL), "base64"},
        {"no base64", "SAMLRequest=!" SIGNED, "base64"},
        {"not deflated",
         apr_pstrcat(p, "SAMLRequest=", escape(sb_base64_encode(logout, strlen(logout), p)), SIGNED,
                     NULL),
         "inflate"},
        {"something after the deflated",
         apr_pstrcat(p, "SAMLRequest=", deflated(logout, strlen(logout), "x"), SIGNED, NULL),
         "inflate"},
        {"a response as request",
         apr_pstrcat(p, "SAMLRequest=", deflated(answer, strlen(answer), ""), SIGNED, NULL),
         "root"},
        {"a response",
         apr_pstrcat(p, "SAMLResponse=", deflated(answer, strlen(answer), ""), SIGNED, NULL), NULL},
        {"no XML", apr_pstrcat(p, "SAMLRequest=", deflated("x", 1, ""), SIGNED, NULL),
         "xml: not well-formed"},
        {"DTD", apr_pstrcat(p, "SAMLRequest=", deflated("<!DOCTYPE x><x/>", 16, ""), SIGNED, NULL),
         "xml: a document type declaration"},
        {"a bomb",
         apr_pstrcat(p, "SAMLRequest=",
                     deflated(memset(bomb, ' ', 8 * SB_SAML_MAX_BYTES), 8 * SB_SAML_MAX_BYTES, ""),
                     SIGNED, NULL),
         "size"},
    };

    for (apr_size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_str(sb_saml_gate_query(&q, cases[i].query, p), cases[i].want,
               apr_pstrcat(p, "query: ", cases[i].title, NULL));
    }
    for (apr_size_t i = 0; i < sizeof(wrong_logouts) / sizeof(wrong_logouts[0]); i++) {
        const char *xml = wrong_logouts[i];

        m = apr_pstrcat(p, "SAMLRequest=", deflated(xml, strlen(xml), ""), SIGNED, NULL);
        is_str(sb_saml_gate_query(&q, m, p), "element", strchr(xml, '>'));
    }
    is_str(sb_saml_gate_query(&q, NULL, p), "query", "no query");
    many = replace(apr_psprintf(p, "%09000d", 0), "0", "12345678");
    is_str(sb_saml_gate_query(&q, many, p), "size", "a long query");
    if (!sb_saml_gate_query(&q, cases[0].query, p)) {
        ok(q.is_request && q.xml_len == strlen(logout) && !memcmp(q.xml, logout, q.xml_len),
           "the message comes out whole");
        is_str(q.relay, "r", "and its relay state");
    }
}

int main(void)
{
    p = tap_pool();
    responses();
    queries();
    return done();
}
