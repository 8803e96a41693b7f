/* lib/core/sb_csv: however a file is cut into pieces, the same records come out. */

#include "fuzz.h"

#include "core/sb_csv.h"

typedef struct {
    uint64_t sum; /* of all that was delivered */
    int64_t last_line;
    int nfields;
} seen_t;

static uint64_t add(uint64_t sum, const void *data, size_t len)
{
    const unsigned char *s = data;

    sum = (sum ^ len) * 1099511628211u;
    for (; len; len--) {
        sum = (sum ^ *s++) * 1099511628211u;
    }
    return sum;
}

static apr_status_t on_record(void *ctx, apr_int64_t line, const sb_csv_field_t *fields, int n)
{
    seen_t *seen = ctx;
    int i;

    must(n >= 0);
    must(line > seen->last_line);
    seen->last_line = line;
    seen->sum = add(seen->sum, &line, sizeof(line));
    for (i = 0; i < n && i < 8; i++) {
        must(fields[i].len <= 64);
        seen->sum = add(seen->sum, fields[i].s, fields[i].len);
    }
    seen->sum = add(seen->sum, &n, sizeof(n));
    return APR_SUCCESS;
}

/* Feed in pieces of a size; 0: all at once. */
static apr_status_t parse(seen_t *seen, const uint8_t *data, size_t size, size_t piece)
{
    static const sb_csv_opts_t limits = {.max_fields = 8, .max_field = 64, .max_record = 400};
    apr_status_t rv;
    sb_csv_t *csv;
    size_t n;

    memset(seen, 0, sizeof(*seen));
    must(sb_csv_make(&csv, &limits, on_record, seen, fuzz_pool) == APR_SUCCESS);
    for (rv = APR_SUCCESS; size && rv == APR_SUCCESS; data += n, size -= n) {
        char *copy;

        n = piece && piece < size ? piece : size;
        copy = malloc(n); /* so that reading beyond a piece is seen */
        memcpy(copy, data, n);
        rv = sb_csv_feed(csv, copy, n);
        free(copy);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_csv_finish(csv);
    }
    must(rv == APR_SUCCESS || rv == SB_ETOOBIG || rv == SB_EINPUT);
    must(rv == APR_SUCCESS || *sb_csv_error(csv));
    return rv;
}

FUZZ(data, size)
{
    size_t pieces = size ? 1 + data[0] % 7 : 1;
    seen_t whole, cut;
    apr_status_t rv = parse(&whole, data, size, 0);

    must(parse(&cut, data, size, pieces) == rv);
    must(whole.sum == cut.sum);
}
