/* lib/pickup/sb_multipart: however a form is cut into pieces, the same file comes out. The first line is the
 * Content-Type, the second byte of it how large pieces are. */

#include "fuzz.h"

#include <apr_strings.h>
#include "pickup/sb_multipart.h"

typedef struct {
    uint64_t sum;
    size_t len;
} seen_t;

static apr_status_t take(void *ctx, const void *data, apr_size_t len)
{
    const unsigned char *s = data;
    seen_t *seen = ctx;

    must(len > 0);
    seen->len += len;
    for (; len; len--) {
        seen->sum = (seen->sum ^ *s++) * 1099511628211u;
    }
    return APR_SUCCESS;
}

static apr_status_t parse(seen_t *seen, const char *type, const uint8_t *data, size_t size,
                          size_t piece)
{
    apr_status_t rv = APR_SUCCESS;
    sb_multipart_t *m;
    size_t n;

    memset(seen, 0, sizeof(*seen));
    if (sb_multipart_make(&m, type, "file", take, seen, fuzz_pool)) {
        return APR_EINIT;
    }
    for (; size && rv == APR_SUCCESS; data += n, size -= n) {
        char *copy;

        n = piece && piece < size ? piece : size;
        copy = malloc(n); /* so that reading beyond a piece is seen */
        memcpy(copy, data, n);
        rv = sb_multipart_feed(m, copy, n);
        free(copy);
    }
    rv = rv == APR_SUCCESS ? sb_multipart_end(m) : rv;
    must(rv == APR_SUCCESS || rv == SB_EINPUT || rv == SB_ETOOBIG || rv == SB_ECONFLICT ||
         rv == APR_NOTFOUND);
    must((rv == APR_SUCCESS) == !*sb_multipart_error(m));
    return rv;
}

FUZZ(data, size)
{
    const uint8_t *line_end = size ? memchr(data, '\n', size) : NULL;
    size_t pieces = size > 1 ? 1 + data[1] % 7 : 1, head;
    seen_t whole, cut;
    apr_status_t rv;
    char *type;

    if (!line_end) {
        return;
    }
    head = (size_t)(line_end - data);
    type = apr_pstrmemdup(fuzz_pool, (const char *)data, head);
    data += head + 1;
    size -= head + 1;
    rv = parse(&whole, type, data, size, 0);
    must(whole.len <= size);
    must(parse(&cut, type, data, size, pieces) == rv);
    /* a part that is refused may have been handed on as far as it was seen to be good */
    must(rv == SB_ETOOBIG || rv == SB_EINPUT || rv == SB_ECONFLICT ||
         (whole.len == cut.len && whole.sum == cut.sum));
}
