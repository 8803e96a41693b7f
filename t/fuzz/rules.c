/* lib/udl: the header of a file and every rule on any value. The first byte chooses. */

#include "fuzz.h"

#include "core/sb_path.h"
#include "udl/sb_udl_columns.h"
#include "udl/sb_udl_rules.h"

static int characters(const char *s, apr_size_t len)
{
    int n = 0;

    for (; len; len--, s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}

static void one_value(const uint8_t *data, size_t size)
{
    const sb_udl_format_t *format = &sb_udl_formats[data[0] % SB_UDL_NFORMATS];
    const sb_udl_column_t *c = &format->columns[data[0] / SB_UDL_NFORMATS % format->ncolumns];
    char *in = malloc(size), *scratch = malloc(SB_UDL_SCRATCH);
    const char *s = in;
    apr_size_t len = size - 1, used = 0;
    sb_udl_value_t v;
    sb_udl_issue_t issue;
    int flags = c->flags | SB_UDL_NOT_PLAIN;

    flags |= sb_utf8_is_valid((const char *)data + 1, len) ? 0 : SB_UDL_AS_1252;
    memcpy(in, data + 1, len);
    issue = sb_udl_convert(&v, c->rule, c->max, flags, s, len, scratch, &used);
    must(issue >= SB_UDL_FINE && issue < SB_UDL_NISSUES);
    must(used <= SB_UDL_SCRATCH);
    if (sb_udl_issue_info[issue].action < SB_UDL_REJECT) { /* it will be stored */
        switch (v.kind) {
        case SB_UDL_V_TEXT:
            must(sb_utf8_is_valid(v.s, v.len));
            must(!memchr(v.s, '\0', v.len));
            must(c->max == 0 || characters(v.s, v.len) <= c->max);
            break;
        case SB_UDL_V_INT:
            must(v.number >= -32768 && v.number <= 32767);
            break;
        case SB_UDL_V_BOOL:
            must(v.number == 0 || v.number == 1);
            break;
        case SB_UDL_V_NULL:
            must(!(c->flags & SB_UDL_REQUIRED));
            break;
        }
    }
    free(in);
    free(scratch);
}

static apr_status_t on_header(void *ctx, apr_int64_t line, const sb_csv_field_t *fields, int n)
{
    sb_udl_map_t map;
    const char *complaint = sb_udl_map_header(&map, NULL, fields, n, fuzz_pool);
    int i;

    (void)ctx, (void)line;
    for (i = 0; !complaint && i < map.format->ncolumns; i++) {
        must(map.place[i] >= -1 && map.place[i] < n);
        must(map.place[i] >= 0 || (map.format->columns[i].flags & SB_UDL_OPTIONAL));
    }
    return SB_EINPUT; /* only the first line */
}

FUZZ(data, size)
{
    sb_csv_t *csv;

    if (size && data[0] < 200) {
        one_value(data, size);
    }
    else if (size && sb_csv_make(&csv, NULL, on_header, NULL, fuzz_pool) == APR_SUCCESS) {
        (void)!sb_csv_feed(csv, (const char *)data + 1, size - 1);
    }
}
