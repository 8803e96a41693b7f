/* Names from outside on their way to a file system. */

#include <string.h>
#include <apr_strings.h>
#include "core/sb_path.h"

/* Length of the well-formed UTF-8 sequence at s, 0 if there is none (Unicode 15, table 3-7). */
static apr_size_t utf8_length(const unsigned char *s, apr_size_t left)
{
    unsigned char lo = 0x80, hi = 0xbf;
    apr_size_t n, i;

    if (s[0] < 0x80) {
        return 1;
    }
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        n = 2;
    }
    else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        n = 3;
        lo = s[0] == 0xe0 ? 0xa0 : lo; /* no overlong forms */
        hi = s[0] == 0xed ? 0x9f : hi; /* no surrogates */
    }
    else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        n = 4;
        lo = s[0] == 0xf0 ? 0x90 : lo;
        hi = s[0] == 0xf4 ? 0x8f : hi; /* nothing above U+10FFFF */
    }
    else {
        return 0;
    }
    if (left < n || s[1] < lo || s[1] > hi) {
        return 0;
    }
    for (i = 2; i < n; i++) {
        if (s[i] < 0x80 || s[i] > 0xbf) {
            return 0;
        }
    }
    return n;
}

int sb_utf8_is_valid(const char *s, apr_size_t len)
{
    const unsigned char *u = (const unsigned char *)s;
    apr_size_t i = 0, n;

    while (i < len) {
        apr_uint64_t word;

        if (len - i >= sizeof(word)) { /* eight ASCII bytes at a time: nearly all there is */
            memcpy(&word, u + i, sizeof(word));
            if (!(word & APR_UINT64_C(0x8080808080808080))) {
                i += sizeof(word);
                continue;
            }
        }
        n = utf8_length(u + i, len - i);
        if (n == 0) {
            return 0;
        }
        i += n;
    }
    return 1;
}

const char *sb_path_component(const char **pname, const char *text, apr_size_t len, apr_pool_t *p)
{
    apr_size_t i;

    *pname = NULL;
    if (!text || len == 0) {
        return "is empty";
    }
    if (len > SB_PATH_COMPONENT_MAX) {
        return apr_psprintf(p, "is longer than %d bytes", SB_PATH_COMPONENT_MAX);
    }
    if (text[0] == '.') {
        return "starts with a dot";
    }
    for (i = 0; i < len; i++) {
        if (text[i] == '/') {
            return "holds a slash";
        }
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            return "holds a control character";
        }
    }
    if (!sb_utf8_is_valid(text, len)) {
        return "is not UTF-8";
    }
    *pname = apr_pstrmemdup(p, text, len);
    return NULL;
}
