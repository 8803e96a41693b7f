/* The checks of a response that are ours to make; the order follows the message. */

#include <string.h>
#include <apr_strings.h>
#include <libxml/tree.h>
#include "auth/sb_saml_check.h"
#include "auth/sb_saml_gate.h"
#include "core/sb_time.h"
#include "core/sb_xml.h"

#define NS SB_SAML_NS_ASSERTION
#define BEARER "urn:oasis:names:tc:SAML:2.0:cm:bearer"
#define ATTRIBUTES_MAX 5000

static int is(const char *have, const char *want)
{
    return have && !strcmp(have, want);
}

/* Does InResponseTo say what we know: our question, or that there was none? */
static int answers(const xmlNode *n, const sb_saml_want_t *want, apr_pool_t *p)
{
    const char *id = sb_xml_attr(n, "InResponseTo", p);

    return want->request_id ? is(id, want->request_id) : !id;
}

/* The only child element of this name; NULL none or several. */
static const xmlNode *only(const xmlNode *parent, const char *name)
{
    const xmlNode *child = sb_xml_child(parent, NULL, NS, name);

    return child && !sb_xml_child(parent, child, NS, name) ? child : NULL;
}

/* *pt: 0 if there is no such attribute. */
static const char *read_time(apr_time_t *pt, const xmlNode *n, const char *name, apr_pool_t *p)
{
    const char *text = sb_xml_attr(n, name, p);

    *pt = 0;
    return text && sb_time_parse_utc(pt, text) != APR_SUCCESS ? "time" : NULL;
}

static int is_over(apr_time_t end, const sb_saml_want_t *want)
{
    return want->now >= end + want->skew;
}

static int is_early(apr_time_t start, const sb_saml_want_t *want)
{
    return want->now < start - want->skew;
}

const char *sb_saml_check_response(const xmlNode *response, const sb_saml_want_t *want,
                                   apr_pool_t *p)
{
    const xmlNode *issuer = only(response, "Issuer");
    const char *bad;
    apr_time_t issued;

    if (!sb_xml_is(response, SB_SAML_NS_PROTOCOL, "Response") ||
        !is(sb_xml_attr(response, "Version", p), "2.0")) {
        return "root";
    }
    if (!is(sb_xml_attr(response, "Destination", p), want->acs_url)) {
        return "destination";
    }
    if (!answers(response, want, p)) {
        return "in_response_to";
    }
    if (!issuer || !is(sb_xml_text(issuer, p), want->issuer)) {
        return "issuer";
    }
    bad = read_time(&issued, response, "IssueInstant", p);
    if (bad) {
        return bad;
    }
    return is_early(issued, want) ? "not_yet_valid" : NULL;
}

/* ---- the assertion's parts --------------------------------------------------------------------- */

static const char *check_subject(sb_saml_claims_t *claims, const xmlNode *assertion,
                                 const sb_saml_want_t *want, apr_pool_t *p)
{
    const xmlNode *subject = only(assertion, "Subject"), *name, *confirmation, *data;
    const char *bad;
    apr_time_t end;

    name = subject ? only(subject, "NameID") : NULL;
    claims->name_id = name ? sb_xml_text(name, p) : NULL;
    if (!claims->name_id) {
        return "subject";
    }
    confirmation = only(subject, "SubjectConfirmation");
    data = confirmation ? only(confirmation, "SubjectConfirmationData") : NULL;
    if (!data || !is(sb_xml_attr(confirmation, "Method", p), BEARER)) {
        return "confirmation";
    }
    if (!is(sb_xml_attr(data, "Recipient", p), want->acs_url)) {
        return "recipient";
    }
    if (!answers(data, want, p)) {
        return "in_response_to";
    }
    if (sb_xml_attr(data, "NotBefore", p)) { /* the bearer profile forbids it */
        return "confirmation";
    }
    bad = read_time(&end, data, "NotOnOrAfter", p);
    if (bad || end == 0) {
        return bad ? bad : "confirmation";
    }
    claims->not_after = end;
    return is_over(end, want) ? "expired" : NULL;
}

/* One AudienceRestriction is fulfilled by any of its audiences; all restrictions must be. */
static int names_us(const xmlNode *restriction, const sb_saml_want_t *want, apr_pool_t *p)
{
    const xmlNode *a = NULL;

    while ((a = sb_xml_child(restriction, a, NS, "Audience")) != NULL) {
        if (is(sb_xml_text(a, p), want->audience)) {
            return 1;
        }
    }
    return 0;
}

static const char *check_conditions(const xmlNode *assertion, const sb_saml_want_t *want,
                                    apr_pool_t *p)
{
    const xmlNode *conditions = only(assertion, "Conditions");
    apr_time_t start, end;
    int restrictions = 0;
    const char *bad;

    if (!conditions) {
        return "conditions";
    }
    bad = read_time(&start, conditions, "NotBefore", p);
    if (!bad) {
        bad = read_time(&end, conditions, "NotOnOrAfter", p);
    }
    if (bad) {
        return bad;
    }
    if (start != 0 && is_early(start, want)) {
        return "not_yet_valid";
    }
    if (end != 0 && is_over(end, want)) {
        return "expired";
    }
    for (const xmlNode *n = conditions->children; n; n = n->next) {
        if (n->type != XML_ELEMENT_NODE) {
            continue;
        }
        if (sb_xml_is(n, NS, "AudienceRestriction")) {
            restrictions++;
            if (!names_us(n, want, p)) {
                return "audience";
            }
        }
        /* An assertion is used once anyway, and we hand none on. */
        else if (!sb_xml_is(n, NS, "OneTimeUse") && !sb_xml_is(n, NS, "ProxyRestriction")) {
            return "condition";
        }
    }
    return restrictions ? NULL : "audience";
}

static const char *check_authn(sb_saml_claims_t *claims, const xmlNode *assertion,
                               const sb_saml_want_t *want, apr_pool_t *p)
{
    const xmlNode *authn = NULL;
    int statements = 0;

    while ((authn = sb_xml_child(assertion, authn, NS, "AuthnStatement")) != NULL) {
        apr_time_t end, instant;
        const char *bad = read_time(&end, authn, "SessionNotOnOrAfter", p);

        if (!bad) {
            bad = read_time(&instant, authn, "AuthnInstant", p);
        }
        if (bad) {
            return bad;
        }
        if (want->authn_max_age && instant + want->authn_max_age + want->skew < want->now) {
            return "authn_instant";
        }
        if (end != 0 && (claims->session_end == 0 || end < claims->session_end)) {
            claims->session_end = end;
        }
        if (statements == 0 || instant < claims->proved) {
            claims->proved = instant;
        }
        if (statements++ == 0) {
            claims->session_index = sb_xml_attr(authn, "SessionIndex", p);
        }
    }
    if (!statements) {
        return "authn_statement";
    }
    return claims->session_end != 0 && claims->session_end <= want->now ? "session_expired" : NULL;
}

static const char *read_attributes(sb_saml_claims_t *claims, const xmlNode *assertion,
                                   apr_pool_t *p)
{
    apr_array_header_t *all = apr_array_make(p, 16, sizeof(sb_saml_attribute_t));
    const xmlNode *statement = NULL, *attribute, *value;

    while ((statement = sb_xml_child(assertion, statement, NS, "AttributeStatement")) != NULL) {
        attribute = NULL;
        while ((attribute = sb_xml_child(statement, attribute, NS, "Attribute")) != NULL) {
            const char *name = sb_xml_attr(attribute, "Name", p);

            value = NULL;
            while (name && (value = sb_xml_child(attribute, value, NS, "AttributeValue")) != NULL) {
                const char *text = sb_xml_text(value, p);

                if (text) {
                    APR_ARRAY_PUSH(all, sb_saml_attribute_t) = (sb_saml_attribute_t){name, text};
                }
                if (all->nelts > ATTRIBUTES_MAX) {
                    return "attributes";
                }
            }
        }
    }
    claims->attributes = all;
    return NULL;
}

const char *sb_saml_check_assertion(sb_saml_claims_t *claims, const xmlNode *assertion,
                                    const sb_saml_want_t *want, apr_pool_t *p)
{
    const xmlNode *issuer = only(assertion, "Issuer");
    apr_time_t issued;
    const char *bad;

    *claims = (sb_saml_claims_t){0};
    claims->id = sb_xml_attr(assertion, "ID", p);
    if (!sb_xml_is(assertion, NS, "Assertion") ||
        !is(sb_xml_attr(assertion, "Version", p), "2.0") || !claims->id || !*claims->id ||
        strlen(claims->id) > SB_SAML_ID_MAX) {
        return "assertion";
    }
    if (!issuer || !is(sb_xml_text(issuer, p), want->issuer)) {
        return "issuer";
    }
    bad = read_time(&issued, assertion, "IssueInstant", p);
    if (!bad && is_early(issued, want)) {
        bad = "not_yet_valid";
    }
    if (!bad) {
        bad = check_subject(claims, assertion, want, p);
    }
    if (!bad) {
        bad = check_conditions(assertion, want, p);
    }
    if (!bad) {
        bad = check_authn(claims, assertion, want, p);
    }
    if (!bad) {
        bad = read_attributes(claims, assertion, p);
    }
    return bad;
}
