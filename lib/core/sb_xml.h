#ifndef SB_XML_H
#define SB_XML_H

/**
 * XML from outside, by libxml2, with limits that hold while parsing: a document over a limit is
 * given up at once, not built and then thrown away. Nothing is ever fetched or expanded.
 */

#include "core/sb_status.h"

struct _xmlDoc;
struct _xmlNode;

typedef struct {
    apr_size_t max_bytes; /* 0: 1 MiB */
    int max_depth;        /* elements inside each other; 0: 40 */
    int max_elements;     /* 0: 20000 */
    int max_attributes;   /* of one element, namespace declarations included; 0: 64 */
} sb_xml_limits_t;

/**
 * Parse a document of elements, attributes and text. A DTD, entity references but the five of XML,
 * CDATA sections, comments, processing instructions, NULs, bytes that are not UTF-8 and a
 * declaration of another encoding or XML version are refused: two readers could disagree on them.
 * @param pdoc   freed with p; NULL unless APR_SUCCESS
 * @param pwhy   why it is refused, a constant; NULL on success
 * @param limits NULL: the defaults
 * @return APR_SUCCESS; SB_EINPUT; SB_ETOOBIG over a limit; APR_ENOMEM
 */
apr_status_t sb_xml_parse(struct _xmlDoc **pdoc, const char **pwhy, const void *data,
                          apr_size_t len, const sb_xml_limits_t *limits,
                          apr_pool_t *p) SB_MUST_CHECK;

/** Is it the element name of namespace ns? NULL node is not. */
int sb_xml_is(const struct _xmlNode *n, const char *ns, const char *name);

/** First child element of that name and namespace; after: the next one behind it, or NULL. */
struct _xmlNode *sb_xml_child(const struct _xmlNode *parent, const struct _xmlNode *after,
                              const char *ns, const char *name);

/** Attribute without a namespace, in p; NULL if it is not there. */
const char *sb_xml_attr(const struct _xmlNode *n, const char *name, apr_pool_t *p);

/** Text of an element that holds nothing but text, in p, surrounding blanks kept; NULL if it is
 *  empty or holds anything else. */
const char *sb_xml_text(const struct _xmlNode *n, apr_pool_t *p);

/** Text made fit for character data and for attribute values in double quotes, in p. */
const char *sb_xml_escape(const char *text, apr_pool_t *p);

#endif
