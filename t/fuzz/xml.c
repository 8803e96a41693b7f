/* lib/core/sb_xml: nothing of what it refuses is in the tree it gives. */

#include "fuzz.h"

#include <libxml/tree.h>

#include "core/sb_xml.h"

static void walk(const xmlNode *n, int depth, int *left)
{
    for (; n; n = n->next) {
        must(n->type == XML_ELEMENT_NODE || n->type == XML_TEXT_NODE);
        if (n->type == XML_ELEMENT_NODE) {
            must(depth <= 10);
            must(--*left >= 0);
            (void)sb_xml_attr(n, "ID", fuzz_pool);
            (void)sb_xml_text(n, fuzz_pool);
            walk(n->children, depth + 1, left);
        }
    }
}

FUZZ(data, size)
{
    static const sb_xml_limits_t limits = {
        .max_bytes = 1 << 16, .max_depth = 10, .max_elements = 200, .max_attributes = 8};
    char *copy = malloc(size ? size : 1);
    const char *why;
    struct _xmlDoc *doc;
    apr_status_t rv;
    int left = 200;

    memcpy(copy, data, size);
    rv = sb_xml_parse(&doc, &why, copy, size, &limits, fuzz_pool);
    free(copy);
    must(rv == APR_SUCCESS || rv == SB_EINPUT || rv == SB_ETOOBIG);
    must((rv == APR_SUCCESS) == (doc != NULL) && (rv == APR_SUCCESS) == (why == NULL));
    if (doc) {
        must(!doc->intSubset && !doc->extSubset);
        walk(doc->children, 1, &left);
    }
}
