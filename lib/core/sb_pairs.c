/* Query strings and forms. */

#include <string.h>
#include <apr_lib.h>
#include "core/sb_pairs.h"
#include "core/sb_path.h"

static int hex(char c)
{
    return apr_isdigit(c) ? c - '0' : apr_isxdigit(c) ? apr_tolower(c) - 'a' + 10 : -1;
}

/* One name or value; '+' is a blank. NULL: it is broken. */
static const char *decode(const char *text, apr_size_t len, apr_pool_t *p)
{
    char *out = apr_palloc(p, len + 1);
    apr_size_t n = 0;

    for (apr_size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            out[n++] = text[i] == '+' ? ' ' : text[i];
            continue;
        }
        if (i + 2 >= len || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0) {
            return NULL;
        }
        out[n] = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
        if (out[n++] == '\0') {
            return NULL;
        }
        i += 2;
    }
    out[n] = '\0';
    return sb_utf8_is_valid(out, n) ? out : NULL;
}

apr_status_t sb_pairs_read(const apr_array_header_t **ppairs, const char *text, apr_pool_t *p)
{
    apr_array_header_t *pairs = apr_array_make(p, 8, sizeof(sb_pair_t));

    *ppairs = NULL;
    while (text && *text) {
        apr_size_t len = strcspn(text, "&");
        const char *eq = memchr(text, '=', len);
        apr_size_t name_len = eq ? (apr_size_t)(eq - text) : len;
        sb_pair_t pair = {decode(text, name_len, p), ""};

        if (eq) {
            pair.value = decode(eq + 1, len - name_len - 1, p);
        }
        if (!pair.name || !pair.value) {
            return SB_EINPUT;
        }
        if (pairs->nelts == SB_PAIRS_MAX) {
            return SB_ETOOBIG;
        }
        if (len > 0) {
            APR_ARRAY_PUSH(pairs, sb_pair_t) = pair;
        }
        text += len + (text[len] == '&');
    }
    *ppairs = pairs;
    return APR_SUCCESS;
}

const char *sb_pairs_get(const apr_array_header_t *pairs, const char *name)
{
    for (int i = 0; i < pairs->nelts; i++) {
        const sb_pair_t *pair = &APR_ARRAY_IDX(pairs, i, sb_pair_t);

        if (!strcmp(pair->name, name)) {
            return pair->value;
        }
    }
    return NULL;
}
