/* The CSV parser: every case is fed whole, byte by byte and in pieces; the answers must agree. */

#include "core/sb_csv.h"
#include "tap.h"

#include <apr_strings.h>

typedef struct {
    apr_pool_t *p;
    const char *text; /* "line:field|field;" for each record */
    int stop_at;      /* record after which the callback gives up; 0 never */
    int records;
} seen_t;

static apr_status_t record(void *ctx, apr_int64_t line, const sb_csv_field_t *f, int n)
{
    seen_t *seen = ctx;
    const char *text = apr_psprintf(seen->p, "%s%d:", seen->text, (int)line);
    int i;

    for (i = 0; i < n && i < 8; i++) {
        text = apr_psprintf(seen->p, "%s%s%.*s", text, i ? "|" : "", (int)f[i].len, f[i].s);
    }
    seen->text =
        apr_psprintf(seen->p, "%s%s;", text, n > 8 ? apr_psprintf(seen->p, "+%d", n - 8) : "");
    seen->records++;
    return seen->stop_at && seen->records == seen->stop_at ? APR_EGENERAL : APR_SUCCESS;
}

#define TEN_FIELDS                                                                                 \
    "0123456,0123456,0123456,0123456,0123456,0123456,0123456,0123456,0123456,0123456,"
#define LONG_RECORD TEN_FIELDS TEN_FIELDS TEN_FIELDS TEN_FIELDS TEN_FIELDS TEN_FIELDS

static const struct {
    const char *what, *in, *want;
    apr_status_t rv;
    const char *error;
} cases[] = {
    {"nothing", "", "", APR_SUCCESS, ""},
    {"one field", "a", "1:a;", APR_SUCCESS, ""},
    {"LF", "a,b\nc,d\n", "1:a|b;2:c|d;", APR_SUCCESS, ""},
    {"CRLF", "a,b\r\nc,d\r\n", "1:a|b;2:c|d;", APR_SUCCESS, ""},
    {"lone CR", "a,b\rc,d\r", "1:a|b;2:c|d;", APR_SUCCESS, ""},
    {"all three mixed", "a\nb\rc\r\nd", "1:a;2:b;3:c;4:d;", APR_SUCCESS, ""},
    {"LF CR is two line ends", "a\n\rb", "1:a;2:;3:b;", APR_SUCCESS, ""},
    {"blank lines", "a\n\n\r\nb\n", "1:a;2:;3:;4:b;", APR_SUCCESS, ""},
    {"empty fields", ",,\n,", "1:||;2:|;", APR_SUCCESS, ""},
    {"quoted", "\"a\",\"b,c\"\n", "1:a|b,c;", APR_SUCCESS, ""},
    {"quoted nothing is one empty field", "\"\"\n", "1:;", APR_SUCCESS, ""},
    {"doubled quotes", "\"a\"\"b\",\"\"\"\"\n", "1:a\"b|\";", APR_SUCCESS, ""},
    {"line breaks in quotes become LF and count", "\"a\r\nb\rc\nd\",e\nf", "1:a\nb\nc\nd|e;5:f;",
     APR_SUCCESS, ""},
    {"quote inside a field is text", "a\"b\",c\n", "1:a\"b\"|c;", APR_SUCCESS, ""},
    {"text behind the closing quote", "\"a\"b\"c\",d\n", "1:ab\"c\"|d;", APR_SUCCESS, ""},
    {"blank before a quote makes it text", " \"a\",b\n", "1: \"a\"|b;", APR_SUCCESS, ""},
    {"byte-order mark",
     "\xEF\xBB\xBF"
     "a,b\nc",
     "1:a|b;2:c;", APR_SUCCESS, ""},
    {"byte-order mark before a quote", "\xEF\xBB\xBF\"a\",b", "1:a|b;", APR_SUCCESS, ""},
    {"half a byte-order mark", "\xEF\xBB", "1:\xEF\xBB;", APR_SUCCESS, ""},
    {"last record quoted, no line end", "a\n\"b\"", "1:a;2:b;", APR_SUCCESS, ""},
    {"last field empty, no line end", "a,", "1:a|;", APR_SUCCESS, ""},
    {"more fields than are kept are counted", "1,2,3,4,5,6,7,8,9,10\n", "1:1|2|3|4|5|6|7|8+2;",
     APR_SUCCESS, ""},
    {"quote left open", "a\nb,\"c\nd", "1:a;", SB_EINPUT,
     "line 2: the quote opened here is never closed"},
    {"record over the limit, in short fields", LONG_RECORD "\n", "", SB_ETOOBIG,
     "line 1: the record is longer than 400 bytes"},
    {"field over the limit", "a\nb,0123456789012345678901234567890123456789\n", "1:a;", SB_ETOOBIG,
     "line 2: field 2 is longer than 32 bytes"},
    {"long row of short fields, past a block",
     "aaaaaaaa,bbbbbbbb,cccccccc,dddddddd,eeeeeeee,ffffffff,gggggggg,hhhhhhhh\nx\n",
     "1:aaaaaaaa|bbbbbbbb|cccccccc|dddddddd|eeeeeeee|ffffffff|gggggggg|hhhhhhhh;2:x;", APR_SUCCESS,
     ""},
};

static const sb_csv_opts_t small = {.max_fields = 8, .max_field = 32, .max_record = 400};

static apr_status_t parse(seen_t *seen, const char **perror, const char *in, apr_size_t len,
                          apr_size_t piece, apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;
    apr_size_t at;
    sb_csv_t *csv;

    if (sb_csv_make(&csv, &small, record, seen, p) != APR_SUCCESS) {
        abort();
    }
    for (at = 0; at < len && rv == APR_SUCCESS; at += piece) {
        /* a copy of its own size, so that the sanitizer sees reads behind it */
        apr_size_t n = len - at < piece ? len - at : piece;
        char *copy = malloc(n);

        memcpy(copy, in + at, n);
        rv = sb_csv_feed(csv, copy, n);
        free(copy);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_csv_finish(csv);
    }
    *perror = sb_csv_error(csv);
    return rv;
}

static void table(apr_pool_t *p)
{
    static const apr_size_t pieces[] = {1000, 1, 2, 3, 7};
    apr_size_t i, k;

    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (k = 0; k < sizeof pieces / sizeof *pieces; k++) {
            seen_t seen = {p, "", 0, 0};
            const char *error;
            apr_status_t rv = parse(&seen, &error, cases[i].in, strlen(cases[i].in), pieces[k], p);

            if (rv != cases[i].rv || strcmp(seen.text, cases[i].want) ||
                strcmp(error, cases[i].error)) {
                printf("# have: %s (%s)\n# want: %s (%s)\n", seen.text, error, cases[i].want,
                       cases[i].error);
                ok(0, "%s, in pieces of %d", cases[i].what, (int)pieces[k]);
                break;
            }
        }
        if (k == sizeof pieces / sizeof *pieces) {
            ok(1, "%s", cases[i].what);
        }
    }
}

/* A record far larger than any buffer needs no second scan and meets its limit. */
static apr_status_t count(void *ctx, apr_int64_t line, const sb_csv_field_t *f, int n)
{
    int *last = ctx;

    (void)line;
    (void)f;
    *last = n;
    return APR_SUCCESS;
}

static void large(apr_pool_t *p)
{
    static char piece[65536];
    apr_status_t rv = APR_SUCCESS;
    sb_csv_t *csv;
    int i, last = -1;

    memset(piece, ',', sizeof piece);
    ok(sb_csv_make(&csv, NULL, count, &last, p) == APR_SUCCESS, "a parser");
    for (i = 0; i < 32 && rv == APR_SUCCESS; i++) {
        rv = sb_csv_feed(csv, piece, sizeof piece);
    }
    ok(rv == APR_SUCCESS && sb_csv_finish(csv) == APR_SUCCESS, "a record of 2 MiB");
    is_int(last, 32 * 65536 + 1, "all its fields are counted");

    ok(sb_csv_make(&csv, NULL, count, &last, p) == APR_SUCCESS, "another parser");
    for (i = 0, rv = APR_SUCCESS; i < 200 && rv == APR_SUCCESS; i++) {
        rv = sb_csv_feed(csv, piece, sizeof piece);
    }
    is_int(rv, SB_ETOOBIG, "a record over 4 MiB is refused");
    is_str(sb_csv_error(csv), "line 1: the record is longer than 4194304 bytes", "and named");

    memset(piece, 'x', sizeof piece);
    ok(sb_csv_make(&csv, NULL, count, &last, p) == APR_SUCCESS, "a third parser");
    for (i = 0, rv = sb_csv_feed(csv, "h\n\"", 3); i < 200 && rv == APR_SUCCESS; i++) {
        rv = sb_csv_feed(csv, piece, sizeof piece);
    }
    is_int(rv, SB_ETOOBIG, "an endless quoted field is refused");
    is_int(i, 3, "as soon as it passes 128 KiB");
    is_str(sb_csv_error(csv), "line 2: field 1 is longer than 131072 bytes", "and named");
}

int main(void)
{
    apr_pool_t *p = tap_pool();
    seen_t seen = {p, "", 2, 0};
    const char *error;

    table(p);
    is_int(parse(&seen, &error, "a\nb\nc\n", 6, 100, p), APR_EGENERAL,
           "the callback's status comes out");
    is_str(seen.text, "1:a;2:b;", "and ends the parsing");
    large(p);
    return done();
}
