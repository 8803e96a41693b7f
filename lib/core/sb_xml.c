/* XML from outside: libxml2's tree builder behind SAX callbacks that count and refuse. */

#include <string.h>
#include <strings.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlerror.h>
#include <apr_strings.h>
#include "core/sb_path.h"
#include "core/sb_xml.h"

#define EQUALS_MAX 1000 /* between two tags; far above what a tag may hold */

/* ---- parsing --------------------------------------------------------------------------------- */

typedef struct {
    sb_xml_limits_t limits;
    startElementNsSAX2Func start;
    endElementNsSAX2Func end;
    int depth, elements;
    apr_status_t status;
    const char *why;
} reader_t;

static void refuse(void *ctx, apr_status_t status, const char *why)
{
    xmlParserCtxtPtr parser = ctx;
    reader_t *r = parser->_private;

    if (!r->why) {
        r->status = status;
        r->why = why;
    }
    xmlStopParser(parser);
}

static void on_start(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
                     int nns, const xmlChar **ns, int nattr, int ndefaulted, const xmlChar **attrs)
{
    reader_t *r = ((xmlParserCtxtPtr)ctx)->_private;

    if (r->why) {
        return;
    }
    if (++r->depth > r->limits.max_depth) {
        refuse(ctx, SB_ETOOBIG, "nested too deep");
    }
    else if (++r->elements > r->limits.max_elements) {
        refuse(ctx, SB_ETOOBIG, "too many elements");
    }
    else if (nattr + nns > r->limits.max_attributes) {
        refuse(ctx, SB_ETOOBIG, "too many attributes");
    }
    else {
        r->start(ctx, name, prefix, uri, nns, ns, nattr, ndefaulted, attrs);
    }
}

static void on_end(void *ctx, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
    reader_t *r = ((xmlParserCtxtPtr)ctx)->_private;

    if (!r->why) {
        r->depth--;
        r->end(ctx, name, prefix, uri);
    }
}

static void on_subset(void *ctx, const xmlChar *name, const xmlChar *public_id,
                      const xmlChar *system_id)
{
    (void)name;
    (void)public_id;
    (void)system_id;
    refuse(ctx, SB_EINPUT, "a document type declaration");
}

static void on_reference(void *ctx, const xmlChar *name)
{
    (void)name;
    refuse(ctx, SB_EINPUT, "an entity reference");
}

static void on_cdata(void *ctx, const xmlChar *text, int len)
{
    (void)text;
    (void)len;
    refuse(ctx, SB_EINPUT, "a CDATA section");
}

static void on_comment(void *ctx, const xmlChar *text)
{
    (void)text;
    refuse(ctx, SB_EINPUT, "a comment");
}

static void on_pi(void *ctx, const xmlChar *target, const xmlChar *text)
{
    (void)target;
    (void)text;
    refuse(ctx, SB_EINPUT, "a processing instruction");
}

static void quiet(void *ctx, xmlErrorPtr error)
{
    (void)ctx;
    (void)error; /* the status says enough, and the text may quote the document */
}

static apr_status_t free_doc(void *doc)
{
    xmlFreeDoc(doc);
    return APR_SUCCESS;
}

static void set_defaults(sb_xml_limits_t *l, const sb_xml_limits_t *given)
{
    *l = given ? *given : (sb_xml_limits_t){0};
    l->max_bytes = l->max_bytes ? l->max_bytes : 1024 * 1024;
    l->max_depth = l->max_depth ? l->max_depth : 40;
    l->max_elements = l->max_elements ? l->max_elements : 20000;
    l->max_attributes = l->max_attributes ? l->max_attributes : 64;
}

/* The parser compares each attribute of an element with all others before it tells us of the element:
 * a tag of a megabyte would cost seconds. So signs of equality are counted beforehand, from one '<' to
 * the next: quotes and '>' can be made to mislead who has not parsed yet. */
static int has_long_tag(const char *data, apr_size_t len)
{
    int count = 0;

    for (const char *c = data; c < data + len; c++) {
        if (*c == '<') {
            count = 0;
        }
        else if (*c == '=' && ++count > EQUALS_MAX) {
            return 1;
        }
    }
    return 0;
}

/* Bytes that another reader might take for something else. @return NULL, or what is wrong */
static const char *judge_bytes(const char *data, apr_size_t len)
{
    if (len == 0) {
        return "nothing";
    }
    if (memchr(data, '\0', len)) {
        return "a NUL";
    }
    if (!sb_utf8_is_valid(data, len)) {
        return "not UTF-8";
    }
    return NULL;
}

static int declares_other_form(const xmlDoc *doc)
{
    return (doc->encoding && strcasecmp((const char *)doc->encoding, "UTF-8")) ||
           (doc->version && strcmp((const char *)doc->version, "1.0"));
}

apr_status_t sb_xml_parse(xmlDoc **pdoc, const char **pwhy, const void *data, apr_size_t len,
                          const sb_xml_limits_t *limits, apr_pool_t *p)
{
    reader_t r = {.status = SB_EINPUT};
    xmlParserCtxtPtr parser;
    xmlDoc *doc;

    *pdoc = NULL;
    set_defaults(&r.limits, limits);
    if (len > r.limits.max_bytes) {
        *pwhy = "too long";
        return SB_ETOOBIG;
    }
    *pwhy = judge_bytes(data, len);
    if (*pwhy) {
        return SB_EINPUT;
    }
    if (has_long_tag(data, len)) {
        *pwhy = "too many attributes";
        return SB_ETOOBIG;
    }
    parser = xmlNewParserCtxt();
    if (!parser) {
        *pwhy = "no memory";
        return APR_ENOMEM;
    }
    r.start = parser->sax->startElementNs;
    r.end = parser->sax->endElementNs;
    parser->_private = &r;
    parser->sax->startElementNs = on_start;
    parser->sax->endElementNs = on_end;
    parser->sax->internalSubset = on_subset;
    parser->sax->reference = on_reference;
    parser->sax->cdataBlock = on_cdata;
    parser->sax->comment = on_comment;
    parser->sax->processingInstruction = on_pi;
    parser->sax->serror = quiet;
    doc = xmlCtxtReadMemory(parser, data, (int)len, NULL, NULL,
                            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!r.why && doc && declares_other_form(doc)) {
        r.why = "not UTF-8 or not XML 1.0 by its own declaration";
    }
    if (!r.why &&
        (!doc || !parser->wellFormed || !parser->nsWellFormed || !xmlDocGetRootElement(doc))) {
        r.why = "not well-formed";
    }
    if (!doc && parser->myDoc) { /* what was built before it was refused */
        xmlFreeDoc(parser->myDoc);
        parser->myDoc = NULL;
    }
    xmlFreeParserCtxt(parser);
    *pwhy = r.why;
    if (r.why) {
        xmlFreeDoc(doc);
        return r.status;
    }
    apr_pool_cleanup_register(p, doc, free_doc, apr_pool_cleanup_null);
    *pdoc = doc;
    return APR_SUCCESS;
}

/* ---- reading --------------------------------------------------------------------------------- */

int sb_xml_is(const xmlNode *n, const char *ns, const char *name)
{
    return n && n->type == XML_ELEMENT_NODE && n->ns && n->ns->href &&
           !strcmp((const char *)n->ns->href, ns) && !strcmp((const char *)n->name, name);
}

xmlNode *sb_xml_child(const xmlNode *parent, const xmlNode *after, const char *ns, const char *name)
{
    xmlNode *n = after ? after->next : parent ? parent->children : NULL;

    while (n && !sb_xml_is(n, ns, name)) {
        n = n->next;
    }
    return n;
}

const char *sb_xml_attr(const xmlNode *n, const char *name, apr_pool_t *p)
{
    xmlChar *value = n ? xmlGetNoNsProp((xmlNode *)n, (const xmlChar *)name) : NULL;
    const char *copy = value ? apr_pstrdup(p, (const char *)value) : NULL;

    xmlFree(value);
    return copy;
}

const char *sb_xml_text(const xmlNode *n, apr_pool_t *p)
{
    const xmlNode *c;
    const char *copy;
    xmlChar *text;

    if (!n || n->type != XML_ELEMENT_NODE || !n->children) {
        return NULL;
    }
    for (c = n->children; c; c = c->next) {
        if (c->type != XML_TEXT_NODE) {
            return NULL;
        }
    }
    text = xmlNodeGetContent(n);
    copy = text && *text ? apr_pstrdup(p, (const char *)text) : NULL;
    xmlFree(text);
    return copy;
}

const char *sb_xml_escape(const char *text, apr_pool_t *p)
{
    char *out = apr_palloc(p, strlen(text) * (sizeof("&quot;") - 1) + 1), *to = out;

    for (; *text; text++) {
        const char *name = *text == '&'   ? "&amp;"
                           : *text == '<' ? "&lt;"
                           : *text == '>' ? "&gt;"
                           : *text == '"' ? "&quot;"
                                          : NULL;

        if (name) {
            to = apr_cpystrn(to, name, sizeof("&quot;"));
        }
        else {
            *to++ = *text;
        }
    }
    *to = '\0';
    return out;
}
