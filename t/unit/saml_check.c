/* The checks Lasso leaves to us: one sound response, and what each change of it is refused for. */
#include "tap.h"
#include <libxml/parser.h>
#include <libxml/tree.h>
#include "auth/sb_saml_check.h"
#include "core/sb_time.h"
#include "core/sb_xml.h"

static const char sound[] =
    "<samlp:Response xmlns:samlp='urn:oasis:names:tc:SAML:2.0:protocol' "
    "xmlns:saml='urn:oasis:names:tc:SAML:2.0:assertion' ID='_r' Version='2.0' "
    "IssueInstant='2024-03-01T10:00:00Z' Destination='https://sp/post' InResponseTo='_q'>"
    "<saml:Issuer>https://idp/</saml:Issuer>"
    "<saml:Assertion ID='_a' Version='2.0' IssueInstant='2024-03-01T10:00:00Z'>"
    "<saml:Issuer>https://idp/</saml:Issuer>"
    "<saml:Subject><saml:NameID>n1</saml:NameID>"
    "<saml:SubjectConfirmation Method='urn:oasis:names:tc:SAML:2.0:cm:bearer'>"
    "<saml:SubjectConfirmationData NotOnOrAfter='2024-03-01T10:05:00Z' "
    "Recipient='https://sp/post' InResponseTo='_q'/>"
    "</saml:SubjectConfirmation></saml:Subject>"
    "<saml:Conditions NotBefore='2024-03-01T09:59:30Z' NotOnOrAfter='2024-03-01T10:05:00Z'>"
    "<saml:AudienceRestriction><saml:Audience>https://sp/</saml:Audience>"
    "</saml:AudienceRestriction></saml:Conditions>"
    "<saml:AuthnStatement AuthnInstant='2024-03-01T10:00:00Z' SessionIndex='_s' "
    "SessionNotOnOrAfter='2024-03-01T18:00:00Z'/>"
    "<saml:AttributeStatement><saml:Attribute Name='uid'>"
    "<saml:AttributeValue>alice</saml:AttributeValue></saml:Attribute>"
    "<saml:Attribute Name='memberOf'><saml:AttributeValue>one</saml:AttributeValue>"
    "<saml:AttributeValue/><saml:AttributeValue><b>x</b></saml:AttributeValue>"
    "<saml:AttributeValue>t&amp;wo</saml:AttributeValue></saml:Attribute>"
    "</saml:AttributeStatement></saml:Assertion></samlp:Response>";

#define NOW "2024-03-01T10:00:10Z"
#define ISSUER "<saml:Issuer>https://idp/</saml:Issuer>"
#define OF_RESPONSE "InResponseTo='_q'>" /* what stands before its issuer */
#define OF_ASSERTION "'2024-03-01T10:00:00Z'>"
#define STATEMENT(more) "<saml:AuthnStatement AuthnInstant='2024-03-01T10:00:00Z'" more "/>"
#define AUDIENCE                                                                                   \
    "<saml:AudienceRestriction><saml:Audience>https://sp/</saml:Audience>"                         \
    "</saml:AudienceRestriction>"

static const struct {
    const char *title, *from, *to, *now, *want;
} changes[] = {
    {"sound", "", "", NOW, NULL},
    /* the response */
    {"no Destination", " Destination='https://sp/post'", "", NOW, "destination"},
    {"other Destination", "Destination='https://sp/post", "Destination='https://sp/post/", NOW,
     "destination"},
    {"Destination in other case", "Destination='https://sp/post", "Destination='https://SP/post",
     NOW, "destination"},
    {"not solicited", " Destination='https://sp/post' InResponseTo='_q'",
     " Destination='https://sp/post'", NOW, "in_response_to"},
    {"answer to another question", "Destination='https://sp/post' InResponseTo='_q'",
     "Destination='https://sp/post' InResponseTo='_p'", NOW, "in_response_to"},
    {"SAML 1.1", "ID='_r' Version='2.0'", "ID='_r' Version='1.1'", NOW, "root"},
    {"no response", "samlp:Response", "samlp:ArtifactResponse", NOW, "root"},
    {"another issuer", OF_RESPONSE ISSUER, OF_RESPONSE "<saml:Issuer>https://evil/</saml:Issuer>",
     NOW, "issuer"},
    {"no issuer", OF_RESPONSE ISSUER, OF_RESPONSE, NOW, "issuer"},
    {"two issuers", OF_RESPONSE ISSUER, OF_RESPONSE ISSUER ISSUER, NOW, "issuer"},
    {"nonsense of a time", "'_r' Version='2.0' IssueInstant='2024",
     "'_r' Version='2.0' IssueInstant='x", NOW, "time"},
    {"response from the future", "'_r' Version='2.0' IssueInstant='2024-03-01T10:00:00Z'",
     "'_r' Version='2.0' IssueInstant='2024-03-01T10:02:00Z'", NOW, "not_yet_valid"},
    /* the assertion */
    {"no ID", " ID='_a'", "", NOW, "assertion"},
    {"empty ID", "ID='_a'", "ID=''", NOW, "assertion"},
    {"assertion of SAML 1.1", "'_a' Version='2.0'", "'_a' Version='1.1'", NOW, "assertion"},
    {"another issuer of the assertion", OF_ASSERTION ISSUER,
     OF_ASSERTION "<saml:Issuer>https://evil/</saml:Issuer>", NOW, "issuer"},
    {"no issuer of the assertion", OF_ASSERTION ISSUER, OF_ASSERTION, NOW, "issuer"},
    {"two issuers of the assertion", OF_ASSERTION ISSUER, OF_ASSERTION ISSUER ISSUER, NOW,
     "issuer"},
    {"nonsense of a time in the assertion", "'_a' Version='2.0' IssueInstant='2024",
     "'_a' Version='2.0' IssueInstant='x", NOW, "time"},
    {"no subject", "saml:Subject>", "saml:Other>", NOW, "subject"},
    {"no NameID", "<saml:NameID>n1</saml:NameID>", "", NOW, "subject"},
    {"empty NameID", ">n1<", "><", NOW, "subject"},
    {"element in NameID", ">n1<", "><b>n1</b><", NOW, "subject"},
    {"two NameIDs", "<saml:NameID>n1</saml:NameID>",
     "<saml:NameID>n1</saml:NameID><saml:NameID>n2</saml:NameID>", NOW, "subject"},
    {"holder of key", "cm:bearer", "cm:holder-of-key", NOW, "confirmation"},
    {"no method", " Method='urn:oasis:names:tc:SAML:2.0:cm:bearer'", "", NOW, "confirmation"},
    {"two confirmations", "</saml:SubjectConfirmation>",
     "</saml:SubjectConfirmation><saml:SubjectConfirmation/>", NOW, "confirmation"},
    {"nothing to confirm by",
     "<saml:SubjectConfirmationData NotOnOrAfter='2024-03-01T10:05:00Z' "
     "Recipient='https://sp/post' InResponseTo='_q'/>",
     "", NOW, "confirmation"},
    {"other recipient", "Recipient='https://sp/post'", "Recipient='https://other/post'", NOW,
     "recipient"},
    {"no recipient", "Recipient='https://sp/post'", "", NOW, "recipient"},
    {"confirms another question", "Recipient='https://sp/post' InResponseTo='_q'",
     "Recipient='https://sp/post' InResponseTo='_p'", NOW, "in_response_to"},
    {"confirms no question", "Recipient='https://sp/post' InResponseTo='_q'",
     "Recipient='https://sp/post'", NOW, "in_response_to"},
    {"no end", "SubjectConfirmationData NotOnOrAfter='2024-03-01T10:05:00Z'",
     "SubjectConfirmationData", NOW, "confirmation"},
    {"NotBefore in a bearer's confirmation", "SubjectConfirmationData ",
     "SubjectConfirmationData NotBefore='2024-03-01T09:00:00Z' ", NOW, "confirmation"},
    {"within the skew", "", "", "2024-03-01T10:05:59Z", NULL},
    {"at its end", "", "", "2024-03-01T10:06:00Z", "expired"},
    {"confirmation over", "SubjectConfirmationData NotOnOrAfter='2024-03-01T10:05:00Z'",
     "SubjectConfirmationData NotOnOrAfter='2024-03-01T09:59:10Z'", NOW, "expired"},
    {"conditions over", "NotBefore='2024-03-01T09:59:30Z' NotOnOrAfter='2024-03-01T10:05:00Z'",
     "NotOnOrAfter='2024-03-01T09:59:10Z'", NOW, "expired"},
    {"conditions without times",
     " NotBefore='2024-03-01T09:59:30Z' NotOnOrAfter='2024-03-01T10:05:00Z'", "", NOW, NULL},
    {"conditions not yet", "NotBefore='2024-03-01T09:59:30Z'", "NotBefore='2024-03-01T10:01:11Z'",
     NOW, "not_yet_valid"},
    {"conditions a little early", "NotBefore='2024-03-01T09:59:30Z'",
     "NotBefore='2024-03-01T10:01:10Z'", NOW, NULL},
    {"issued in the future", "'_a' Version='2.0' IssueInstant='2024-03-01T10:00:00Z'",
     "'_a' Version='2.0' IssueInstant='2024-03-02T10:00:00Z'", NOW, "not_yet_valid"},
    {"local time", "SubjectConfirmationData NotOnOrAfter='2024-03-01T10:05:00Z'",
     "SubjectConfirmationData NotOnOrAfter='2024-03-01T10:05:00'", NOW, "time"},
    {"time with a zone", "NotBefore='2024-03-01T09:59:30Z'",
     "NotBefore='2024-03-01T09:59:30+00:00'", NOW, "time"},
    {"nonsense time", "NotBefore='2024-03-01T09:59:30Z'", "NotBefore='x'", NOW, "time"},
    {"empty time", "NotBefore='2024-03-01T09:59:30Z'", "NotBefore=''", NOW, "time"},
    {"no such day", "NotBefore='2024-03-01T09:59:30Z'", "NotBefore='2024-02-30T09:59:30Z'", NOW,
     "time"},
    {"fraction of a second", "NotBefore='2024-03-01T09:59:30Z'",
     "NotBefore='2024-03-01T09:59:30.123Z'", NOW, NULL},
    {"no audience", AUDIENCE, "", NOW, "audience"},
    {"empty restriction", AUDIENCE, "<saml:AudienceRestriction/>", NOW, "audience"},
    {"other audience", "https://sp/<", "https://other/<", NOW, "audience"},
    {"several audiences, one ours", "<saml:Audience>",
     "<saml:Audience>https://other/</saml:Audience><saml:Audience>", NOW, NULL},
    {"several audiences, none ours", "<saml:Audience>https://sp/</saml:Audience>",
     "<saml:Audience>https://a/</saml:Audience><saml:Audience>https://b/</saml:Audience>", NOW,
     "audience"},
    {"two restrictions, one not ours", AUDIENCE,
     AUDIENCE "<saml:AudienceRestriction><saml:Audience>https://b/</saml:Audience>"
              "</saml:AudienceRestriction>",
     NOW, "audience"},
    {"one-time use", AUDIENCE, AUDIENCE "<saml:OneTimeUse/>", NOW, NULL},
    {"not to be handed on", AUDIENCE, AUDIENCE "<saml:ProxyRestriction/>", NOW, NULL},
    {"unknown condition", AUDIENCE, AUDIENCE "<saml:Condition/>", NOW, "condition"},
    {"condition of another namespace", AUDIENCE, AUDIENCE "<x xmlns='urn:x'/>", NOW, "condition"},
    {"condition without namespace", AUDIENCE, AUDIENCE "<x/>", NOW, "condition"},
    {"no AuthnStatement", "saml:AuthnStatement", "saml:Other", NOW, "authn_statement"},
    {"session over", "SessionNotOnOrAfter='2024-03-01T18:00:00Z'",
     "SessionNotOnOrAfter='2024-03-01T10:00:10Z'", NOW, "session_expired"},
    {"of two sessions the earlier end, first", "<saml:AuthnStatement",
     STATEMENT(" SessionNotOnOrAfter='2024-03-01T10:00:05Z'") "<saml:AuthnStatement", NOW,
     "session_expired"},
    {"or last", "<saml:AttributeStatement>",
     STATEMENT(" SessionNotOnOrAfter='2024-03-01T10:00:05Z'") "<saml:AttributeStatement>", NOW,
     "session_expired"},
    {"also beside one without an end", "SessionNotOnOrAfter='2024-03-01T18:00:00Z'/>",
     "SessionNotOnOrAfter='2024-03-01T10:00:05Z'/>" STATEMENT(""), NOW, "session_expired"},
    {"no end of session", "SessionNotOnOrAfter='2024-03-01T18:00:00Z'", "", NOW, NULL},
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

/* What the caller expects beyond the usual. */
static sb_saml_want_t special;

static const char *judge(sb_saml_claims_t *claims, const char *xml, const char *now)
{
    sb_saml_want_t want = {.issuer = "https://idp/",
                           .audience = "https://sp/",
                           .acs_url = "https://sp/post",
                           .request_id = special.request_id,
                           .authn_max_age = special.authn_max_age,
                           .skew = apr_time_from_sec(60)};
    const char *why;
    const xmlNode *root;
    xmlDoc *doc;

    if (sb_time_parse_utc(&want.now, now) != APR_SUCCESS ||
        sb_xml_parse(&doc, &why, xml, strlen(xml), NULL, p) != APR_SUCCESS) {
        return "the test is wrong";
    }
    root = xmlDocGetRootElement(doc);
    why = sb_saml_check_response(root, &want, p);
    return why ? why
               : sb_saml_check_assertion(claims, xmlLastElementChild((xmlNode *)root), &want, p);
}

/* An answer that nobody asked for; a sign-in that must be fresh. */
static void unasked(sb_saml_claims_t *claims)
{
    const char *none = replace(sound, " InResponseTo='_q'", "");

    special.request_id = NULL;
    is_str(judge(claims, none, NOW), NULL, "nobody asked, and it does not say so");
    is_str(judge(claims, sound, NOW), "in_response_to", "nobody asked, but it says so");
    is_str(judge(claims,
                 replace(sound, " Destination='https://sp/post' InResponseTo='_q'",
                         " Destination='https://sp/post'"),
                 NOW),
           "in_response_to", "or its confirmation does");
    special.request_id = "_q";
    is_str(judge(claims, none, NOW), "in_response_to", "we asked, and it does not say so");
    special.authn_max_age = apr_time_from_sec(300);
    is_str(judge(claims, sound, NOW), NULL, "signed in just now");
    is_str(judge(claims,
                 replace(sound, "AuthnInstant='2024-03-01T10:00", "AuthnInstant='2024-03-01T09:54"),
                 NOW),
           "authn_instant", "too long ago");
    is_str(judge(claims, replace(sound, "AuthnInstant='2024-03-01T10:00:00Z'", ""), NOW),
           "authn_instant", "who knows when");
    special.authn_max_age = 0;
}

/* When did the person prove who he is? */
static void proofs(sb_saml_claims_t *claims)
{
    const char *statement = "<saml:AttributeStatement>";
    char buf[SB_ISO_TIME_SIZE];

    is_str(judge(claims, sound, NOW), NULL, "one AuthnStatement");
    is_str(sb_time_iso(buf, claims->proved), "2024-03-01T10:00:00.000Z", "says when");
    is_str(judge(claims,
                 replace(sound, statement,
                         "<saml:AuthnStatement AuthnInstant='2024-03-01T08:00:00Z'/>"
                         "<saml:AuthnStatement AuthnInstant='2024-03-01T09:00:00Z'/>"
                         "<saml:AttributeStatement>"),
                 NOW),
           NULL, "of several");
    is_str(sb_time_iso(buf, claims->proved), "2024-03-01T08:00:00.000Z", "the earliest counts");
    is_str(judge(claims, replace(sound, "AuthnInstant='2024-03-01T10:00:00Z'", ""), NOW), NULL,
           "one that does not say it");
    ok(claims->proved == 0, "is told as such");
    is_str(judge(claims,
                 replace(sound, statement, "<saml:AuthnStatement/><saml:AttributeStatement>"), NOW),
           NULL, "also beside one that does");
    ok(claims->proved == 0, "which counts no more");
}

int main(void)
{
    sb_saml_claims_t claims;
    char buf[SB_ISO_TIME_SIZE];
    const char *many = "";

    p = tap_pool();
    special.request_id = "_q";
    for (apr_size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        const char *xml = replace(sound, changes[i].from, changes[i].to);

        if (*changes[i].from && !strcmp(xml, sound)) {
            ok(0, "%s: the change changes nothing", changes[i].title);
        }
        is_str(judge(&claims, xml, changes[i].now), changes[i].want, changes[i].title);
    }
    is_str(judge(&claims, replace(sound, "'_a'", apr_psprintf(p, "'_%0256d'", 1)), NOW),
           "assertion", "a long ID");

    is_str(judge(&claims, sound, NOW), NULL, "what the sound one claims");
    is_str(claims.id, "_a", "id");
    is_str(claims.name_id, "n1", "name");
    is_str(claims.session_index, "_s", "session index");
    is_str(sb_time_iso(buf, claims.not_after), "2024-03-01T10:05:00.000Z", "end of the assertion");
    is_str(sb_time_iso(buf, claims.session_end), "2024-03-01T18:00:00.000Z", "end of the session");
    is_int(claims.attributes->nelts, 3, "empty values and values with elements are not there");
    is_str(APR_ARRAY_IDX(claims.attributes, 0, sb_saml_attribute_t).value, "alice", "uid");
    is_str(APR_ARRAY_IDX(claims.attributes, 2, sb_saml_attribute_t).value, "t&wo", "memberOf");

    is_str(judge(&claims,
                 replace(sound, "<saml:AttributeStatement>",
                         "<saml:AttributeStatement><saml:Attribute>"
                         "<saml:AttributeValue>x</saml:AttributeValue></saml:Attribute>"),
                 NOW),
           NULL, "an attribute without a name");
    is_int(claims.attributes->nelts, 3, "is not there");
    is_str(judge(&claims, replace(sound, "saml:Assertion", "saml:Other"), NOW), "assertion",
           "no assertion");

    proofs(&claims);
    unasked(&claims);
    for (int i = 0; i < 51; i++) {
        many = apr_pstrcat(p, many, "<saml:AttributeValue>x</saml:AttributeValue>", NULL);
    }
    many = replace(apr_psprintf(p, "%0100d", 0), "0", many);
    is_str(judge(&claims, replace(sound, "<saml:AttributeValue>alice</saml:AttributeValue>", many),
                 NOW),
           "attributes", "too many values");
    xmlCleanupParser();
    return done();
}
