/* lib/pickup/sb_multipart: one part of a form, however the form is cut. */

#include "tap.h"

#include "pickup/sb_multipart.h"

#define TYPE "multipart/form-data; boundary=XX"
#define PART                                                                                       \
    "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b\"\r\nContent-Type: "    \
    "x/y\r\n\r\n"
#define END "\r\n--XX--\r\n"

static apr_pool_t *pool;

typedef struct {
    char got[4096];
    apr_size_t len;
    apr_status_t say;
} sink_t;

static apr_status_t take(void *ctx, const void *data, apr_size_t len)
{
    sink_t *sink = ctx;

    memcpy(sink->got + sink->len, data, len);
    sink->len += len;
    sink->got[sink->len] = '\0';
    return sink->say;
}

/* Feed in pieces. @return what came of it */
static apr_status_t read_form(sink_t *sink, const char *type, const char *form, apr_size_t len,
                              apr_size_t piece)
{
    apr_status_t rv = APR_SUCCESS, say = sink->say;
    sb_multipart_t *m;

    memset(sink, 0, sizeof(*sink));
    sink->say = say;
    if (sb_multipart_make(&m, type, "file", take, sink, pool)) {
        return APR_EINIT;
    }
    while (len && rv == APR_SUCCESS) {
        apr_size_t n = piece < len ? piece : len;

        rv = sb_multipart_feed(m, form, n);
        form += n;
        len -= n;
    }
    rv = rv == APR_SUCCESS ? sb_multipart_end(m) : rv;
    ok((rv == APR_SUCCESS || sink->say != APR_SUCCESS) == !*sb_multipart_error(m),
       "it says what is wrong when something is");
    return rv;
}

static const struct {
    const char *what, *form, *got;
    apr_status_t rv;
} cases[] = {
    {"one file", PART "content" END, "content", APR_SUCCESS},
    {"an empty one", PART END, "", APR_SUCCESS},
    {"a preamble and an epilogue", "before\r\n" PART "content" END "after", "content", APR_SUCCESS},
    {"line breaks and half boundaries inside", PART "\r\n--X\r\n--XXY\r\n" END,
     "\r\n--X", SB_EINPUT},
    {"what begins like a boundary", PART "\r\n--X\r\n--\r\r\n\r\n-\r\n--X" END,
     "\r\n--X\r\n--\r\r\n\r\n-\r\n--X", APR_SUCCESS},
    {"CRs before it", PART "a\r\r\r" END, "a\r\r\r", APR_SUCCESS},
    {"a field before and one behind",
     "--XX\r\nContent-Disposition: form-data; name=note\r\n\r\nx\r\n" PART
     "content\r\n--XX\r\ncontent-disposition:form-data; name=\"z\"\r\n\r\n\r\n--XX--",
     "content", APR_SUCCESS},
    {"blanks behind a boundary",
     "--XX \t\r\nContent-Disposition: form-data; filename=f; name=file\r\n\r\nc" END, "c",
     APR_SUCCESS},
    {"a quoted quote",
     "--XX\r\nContent-Disposition: form-data; filename=\"a\\\";name=x\"; "
     "name=\"file\"\r\n\r\nc" END,
     "c", APR_SUCCESS},
    {"nothing", "", "", SB_EINPUT},
    {"only an end", "--XX--", "", APR_NOTFOUND},
    {"no such part",
     "--XX\r\nContent-Disposition: form-data; name=\"filex\"; filename=f\r\n\r\nc" END, "",
     APR_NOTFOUND},
    {"a plain value", "--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nc" END, "",
     APR_NOTFOUND},
    {"a name inside another parameter",
     "--XX\r\nContent-Disposition: form-data; name=x; filename=\"; name=file\"\r\n\r\nc" END, "",
     APR_NOTFOUND},
    {"two of them", PART "a\r\n" PART "b" END, "a", SB_ECONFLICT},
    {"it breaks off in the content", PART "conte", "conte", SB_EINPUT},
    {"... in the boundary", PART "content\r\n--X", "content", SB_EINPUT},
    {"... behind it", PART "content\r\n--XX", "content", SB_EINPUT},
    {"... before the last dash", PART "content\r\n--XX-", "content", SB_EINPUT},
    {"no Content-Disposition", "--XX\r\nX: y\r\n\r\nc" END, "", SB_EINPUT},
    {"no header", "--XX\r\n\r\nc" END, "", SB_EINPUT},
    {"not form-data",
     "--XX\r\nContent-Disposition: attachment; name=\"file\"; filename=f\r\n\r\nc" END, "",
     SB_EINPUT},
    {"no name", "--XX\r\nContent-Disposition: form-data; filename=f\r\n\r\nc" END, "", SB_EINPUT},
    {"an open quote", "--XX\r\nContent-Disposition: form-data; name=\"file\r\n\r\nc" END, "",
     SB_EINPUT},
};

static void forms(void)
{
    for (apr_size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sink_t sink = {.say = APR_SUCCESS};

        for (apr_size_t piece = 1; piece <= 1000; piece = piece < 12 ? piece + 1 : piece * 10) {
            apr_status_t rv = read_form(&sink, TYPE, cases[i].form, strlen(cases[i].form), piece);

            if (rv != cases[i].rv || strcmp(sink.got, cases[i].got)) {
                ok(0, "%s, in pieces of %d: %d, have '%s'", cases[i].what, (int)piece, rv,
                   sink.got);
            }
        }
        ok(1, "%s", cases[i].what);
    }
}

static void limits(void)
{
    char *many = apr_pstrdup(pool, ""), *wide = apr_palloc(pool, 70001);
    sink_t sink = {.say = APR_SUCCESS};

    for (int i = 0; i < SB_MULTIPART_PARTS_MAX + 1; i++) {
        many = apr_pstrcat(pool, many, "--XX\r\nContent-Disposition: form-data; name=n\r\n\r\n\r\n",
                           NULL);
    }
    is_int(read_form(&sink, TYPE, many, strlen(many), 100), SB_ETOOBIG, "too many parts");
    memset(wide, 'x', 70000);
    wide[70000] = '\0';
    many = apr_pstrcat(pool, "--XX\r\nX: ", wide, NULL);
    is_int(read_form(&sink, TYPE, many, strlen(many), 1000), SB_ETOOBIG, "an endless header");
    is_int(read_form(&sink, TYPE, wide, 70000, 1000), SB_ETOOBIG, "an endless preamble");
    many = apr_pstrcat(pool, PART "c" END, wide, NULL);
    is_int(read_form(&sink, TYPE, many, strlen(many), 1000), SB_ETOOBIG, "an endless epilogue");
    sink.say = APR_ENOSPC;
    is_int(read_form(&sink, TYPE, PART "c" END, strlen(PART "c" END), 5), APR_ENOSPC,
           "what the taker says comes out");
}

static void types(void)
{
    static const char *const bad[] = {
        NULL,
        "",
        "text/plain",
        "multipart/form-data",
        "multipart/form-datax; boundary=b",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a",
        "multipart/form-data; boundary=\"a\rb\"",
        "multipart/form-data; boundary=a@b",
        "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; xboundary=b",
        "multipart/form-data; "
        "boundary=01234567890123456789012345678901234567890123456789012345678901234567890"};
    static const char *const good[] = {
        "multipart/form-data; boundary=b", "Multipart/Form-Data ; charset=x ; BOUNDARY=\"a b\"",
        "multipart/form-data;boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW"};
    sb_multipart_t *m;

    for (apr_size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ok(sb_multipart_make(&m, bad[i], "file", take, NULL, pool) != NULL && !m, "refused: %s",
           bad[i] ? bad[i] : "(none)");
    }
    for (apr_size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ok(!sb_multipart_make(&m, good[i], "file", take, NULL, pool), "accepted: %s", good[i]);
    }
}

int main(void)
{
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    forms();
    limits();
    types();
    return done();
}
