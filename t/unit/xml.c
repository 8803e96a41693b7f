/* lib/core/sb_xml: what a document from outside may hold, and what it may cost. */

#include "tap.h"

#include <time.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include "core/sb_xml.h"

static apr_pool_t *p;

static const struct {
    const char *xml;
    const char *why; /* NULL: fine */
} documents[] = {
    {"<a/>", NULL},
    {"<?xml version='1.0' encoding='UTF-8'?>\n<a><b c='d'>t &amp; &#65;&lt;</b></a>\n", NULL},
    {"<?xml version='1.0' encoding='utf-8'?><a/>", NULL},
    {"\xef\xbb\xbf<a/>", NULL},
    {"", "nothing"},
    {" ", "not well-formed"},
    {"<a>", "not well-formed"},
    {"<a/><b/>", "not well-formed"},
    {"<a/>text", "not well-formed"},
    {"<a b='1' b='2'/>", "not well-formed"},
    {"<x:a/>", "not well-formed"},
    {"<a>\x01</a>", "not well-formed"},
    {"<a>&#1;</a>", "not well-formed"},
    {"<a>&#0;</a>", "not well-formed"},
    {"<a>\xff</a>", "not UTF-8"},
    {"<a>\xc0\x80</a>", "not UTF-8"},
    {"<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
     "not UTF-8 or not XML 1.0 by its own declaration"},
    {"<?xml version='1.0' encoding='UTF-7'?><a/>",
     "not UTF-8 or not XML 1.0 by its own declaration"},
    {"<?xml version='1.1'?><a/>", "not UTF-8 or not XML 1.0 by its own declaration"},
    {"<!DOCTYPE a><a/>", "a document type declaration"},
    {"<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", "a document type declaration"},
    {"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "a document type declaration"},
    {"<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><a>&e;</a>",
     "a document type declaration"},
    {"<!DOCTYPE a [<!ENTITY % e SYSTEM 'file:///etc/passwd'>%e;]><a/>",
     "a document type declaration"},
    {"<a>&e;</a>", "not well-formed"},
    {"<a b='&e;'/>", "not well-formed"},
    {"<a>al<![CDATA[ice]]></a>", "a CDATA section"},
    {"<a><![CDATA[]]></a>", "a CDATA section"},
    {"<a>al<!-- x -->ice</a>", "a comment"},
    {"<!-- x --><a/>", "a comment"},
    {"<a/><!-- x -->", "a comment"},
    {"<a><?x y?></a>", "a processing instruction"},
    {"<?x y?><a/>", "a processing instruction"},
    {"<a/><?x y?>", "a processing instruction"},
    {"<a/><?x", "not well-formed"},
    {"<a xmlns='urn:n' xmlns:b='urn:n'><b:c/></a>", NULL},
};

static apr_status_t parse(xmlDoc **pdoc, const char **pwhy, const char *xml)
{
    return sb_xml_parse(pdoc, pwhy, xml, strlen(xml), NULL, p);
}

static void kinds(void)
{
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        const char *why = "unset";
        xmlDoc *doc;
        apr_status_t rv = parse(&doc, &why, documents[i].xml);

        if (!ok((rv == APR_SUCCESS) == !documents[i].why && (doc != NULL) == !documents[i].why &&
                    (documents[i].why ? why && !strcmp(why, documents[i].why) : !why),
                "%s: %s", documents[i].why ? documents[i].why : "fine", documents[i].xml)) {
            printf("# have: %s\n", why ? why : "fine");
        }
    }
}

static char *repeat(const char *open, int n, const char *middle, const char *close)
{
    char *out = apr_palloc(p, (strlen(open) + strlen(close)) * (size_t)n + strlen(middle) + 1);
    char *o = out;

    for (int i = 0; i < n; i++) {
        o = strcpy(o, open) + strlen(open);
    }
    o = strcpy(o, middle) + strlen(middle);
    for (int i = 0; i < n; i++) {
        o = strcpy(o, close) + strlen(close);
    }
    return out;
}

static void limits(void)
{
    const char *why;
    xmlDoc *doc;
    char *attrs, *end;
    clock_t begun;

    is_int(parse(&doc, &why, repeat("<a>", 40, "", "</a>")), APR_SUCCESS, "40 deep");
    is_int(parse(&doc, &why, repeat("<a>", 41, "", "</a>")), SB_ETOOBIG, "41 deep");
    is_str(why, "nested too deep", "and says so");
    is_int(parse(&doc, &why, repeat("<a>", 100000, "", "</a>")), SB_ETOOBIG, "100,000 deep");
    is_int(parse(&doc, &why, apr_pstrcat(p, "<r>", repeat("<a/>", 19999, "", ""), "</r>", NULL)),
           APR_SUCCESS, "20,000 elements");
    is_int(parse(&doc, &why, apr_pstrcat(p, "<r>", repeat("<a/>", 20000, "", ""), "</r>", NULL)),
           SB_ETOOBIG, "one more");
    is_str(why, "too many elements", "and says so");
    attrs = apr_pstrdup(p, "<a");
    for (int i = 0; i < 65; i++) {
        attrs = apr_psprintf(p, "%s a%d=''", attrs, i);
    }
    is_int(parse(&doc, &why, apr_pstrcat(p, attrs, "/>", NULL)), SB_ETOOBIG, "65 attributes");
    attrs = apr_palloc(p, 1024 * 1024);
    end = attrs + sprintf(attrs, "<a");
    for (int i = 0; end < attrs + 1000000; i++) {
        end += sprintf(end, " %c%x=''", 'a' + i % 26, (unsigned)i);
    }
    strcpy(end, "/>");
    begun = clock();
    is_int(parse(&doc, &why, attrs), SB_ETOOBIG, "a megabyte of attributes");
    is_str(why, "too many attributes", "and says so");
    ok(clock() - begun < CLOCKS_PER_SEC / 2, "before it has compared each with all others");
    is_int(parse(&doc, &why, apr_pstrcat(p, "<a>", repeat("x", 1024 * 1024, "", ""), "</a>", NULL)),
           SB_ETOOBIG, "over a megabyte");
    is_str(why, "too long", "and says so");
    is_int(sb_xml_parse(&doc, &why, "<a>\0</a>", 8, NULL, p), SB_EINPUT, "a NUL");
    is_str(why, "a NUL", "and says so");
}

static void reading(void)
{
    const char *why;
    const xmlNode *root, *b;
    xmlDoc *doc;

    is_int(parse(&doc, &why,
                 "<n:a xmlns:n='urn:1' xmlns:m='urn:2'><m:b>other</m:b><n:b x='1' n:x='2'> one "
                 "&amp; 1</n:b><n:b><n:c/></n:b><n:b/></n:a>"),
           APR_SUCCESS, "a document");
    root = xmlDocGetRootElement(doc);
    ok(sb_xml_is(root, "urn:1", "a") && !sb_xml_is(root, "urn:2", "a") &&
           !sb_xml_is(root, "urn:1", "b") && !sb_xml_is(NULL, "urn:1", "a"),
       "an element is known by namespace and name");
    b = sb_xml_child(root, NULL, "urn:1", "b");
    is_str(sb_xml_text(b, p), " one & 1", "the first child of that name");
    is_str(sb_xml_attr(b, "x", p), "1", "its attribute without a namespace");
    ok(!sb_xml_attr(b, "y", p), "and none that is not there");
    b = sb_xml_child(root, b, "urn:1", "b");
    ok(b && !sb_xml_text(b, p), "the next one has no text but an element");
    b = sb_xml_child(root, b, "urn:1", "b");
    ok(b && !sb_xml_text(b, p), "the last one is empty");
    is_str(sb_xml_escape("<a b=\"c&d\">\xc3\xa9", p), "&lt;a b=&quot;c&amp;d&quot;&gt;\xc3\xa9",
           "text made fit for a document");
    ok(!sb_xml_child(root, b, "urn:1", "b") && !sb_xml_child(NULL, NULL, "urn:1", "b"),
       "and there is no other");
}

int main(void)
{
    p = tap_pool();
    kinds();
    limits();
    reading();
    apr_pool_destroy(p);
    xmlCleanupParser();
    return done();
}
