/* JSON: writing into one growing buffer. A list of students is six thousand calls of these. */

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>
#include "core/sb_json.h"
#include "core/sb_path.h"

#define MAX_DEPTH 64
#define FIRST_SIZE 4096

struct sb_jw_t {
    apr_pool_t *pool;
    char *buf;
    apr_size_t len, cap;
    int comma; /* before the next member? */
    int depth;
    char kind[MAX_DEPTH]; /* '{' or '[' of each open level */
};

/* ---- the buffer ------------------------------------------------------------------------------ */

static apr_status_t free_buffer(void *data)
{
    free(((sb_jw_t *)data)->buf);
    return APR_SUCCESS;
}

/* Room for n more bytes and a NUL. Out of memory ends the process, as in apr_palloc. */
static void reserve(sb_jw_t *w, apr_size_t n)
{
    if (w->len + n < w->cap) {
        return;
    }
    while (w->len + n >= w->cap) {
        w->cap *= 2;
    }
    w->buf = realloc(w->buf, w->cap);
    if (!w->buf) {
        abort();
    }
}

sb_jw_t *sb_jw_make(apr_pool_t *p)
{
    sb_jw_t *w = apr_pcalloc(p, sizeof(*w));

    w->pool = p;
    w->cap = FIRST_SIZE;
    w->buf = malloc(w->cap);
    if (!w->buf) {
        abort();
    }
    apr_pool_cleanup_register(p, w, free_buffer, apr_pool_cleanup_null);
    return w;
}

static void put(sb_jw_t *w, const char *s, apr_size_t n)
{
    reserve(w, n);
    memcpy(w->buf + w->len, s, n);
    w->len += n;
}

static void put_char(sb_jw_t *w, char c)
{
    reserve(w, 1);
    w->buf[w->len++] = c;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* With U+FFFD for what is not UTF-8: an answer is not lost to one bad byte. */
static const char *repaired(apr_size_t *plen, const char *s, apr_size_t len, apr_pool_t *p)
{
    char *fixed = apr_palloc(p, len * 3);
    apr_size_t i, n = 0, step;

    for (i = 0; i < len; i += step) {
        for (step = 1; step < 4 && i + step < len && ((unsigned char)s[i + step] & 0xc0) == 0x80;
             step++) {
        }
        if (sb_utf8_is_valid(s + i, step)) {
            memcpy(fixed + n, s + i, step);
            n += step;
        }
        else {
            memcpy(fixed + n, "\xef\xbf\xbd", 3);
            n += 3;
            step = 1;
        }
    }
    *plen = n;
    return fixed;
}

static void put_escaped(sb_jw_t *w, unsigned char c)
{
    static const char from[] = "\"\\\n\r\t\f\b", to[] = "\"\\nrtfb";
    const char *at = c ? strchr(from, c) : NULL;
    char code[8];

    if (at) {
        code[0] = '\\';
        code[1] = to[at - from];
        put(w, code, 2);
    }
    else {
        put(w, code, (apr_size_t)snprintf(code, sizeof(code), "\\u%04X", (unsigned)c));
    }
}

/* What cannot be copied as it is: to be escaped, or not ASCII and to be judged. */
static const char special[256] = {[0 ... 0x1f] = 1, ['"'] = 1, ['\\'] = 1, [0x80 ... 0xff] = 1};

/* The rest of a text, from its first special character on. */
static void put_rest(sb_jw_t *w, const char *s, apr_size_t len)
{
    apr_size_t from = 0;

    if (!sb_utf8_is_valid(s, len)) {
        s = repaired(&len, s, len, w->pool);
    }
    for (apr_size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c < 0x80 && special[c]) {
            put(w, s + from, i - from);
            put_escaped(w, c);
            from = i + 1;
        }
    }
    put(w, s + from, len - from);
}

static void put_text(sb_jw_t *w, const char *s, apr_size_t len)
{
    apr_size_t i = 0;
    char *out;

    reserve(w, len + 2);
    out = w->buf + w->len;
    *out++ = '"';
    for (; i < len && !special[(unsigned char)s[i]]; i++) {
        *out++ = s[i];
    }
    w->len = (apr_size_t)(out - w->buf);
    if (i < len) { /* what was copied is ASCII: no character was cut */
        put_rest(w, s + i, len - i);
    }
    put_char(w, '"');
}

#define AT_ONCE 512 /* bytes of a text that are copied before anybody asks how long it is */

/* The same for a text that ends with a NUL, most of which are short: one pass, since NUL is special, too. */
static void put_textz(sb_jw_t *w, const char *s)
{
    apr_size_t i = 0;
    char *out;

    reserve(w, AT_ONCE + 2);
    out = w->buf + w->len;
    *out++ = '"';
    for (; i < AT_ONCE && !special[(unsigned char)s[i]]; i++) {
        out[i] = s[i];
    }
    w->len += 1 + i;
    if (s[i]) {
        put_rest(w, s + i, strlen(s + i));
    }
    put_char(w, '"');
}

/* ---- members --------------------------------------------------------------------------------- */

/* A wrong sequence of calls is a bug in ours, never in data: stop at once. */
static void must(int good)
{
    if (!good) {
        fputs("sb_json: wrong sequence of calls\n", stderr);
        abort();
    }
}

/* What stands before a value. */
static void begin(sb_jw_t *w, const char *key)
{
    must(w->depth > 0 ? (key != NULL) == (w->kind[w->depth - 1] == '{') : !key && w->len == 0);
    if (w->comma) {
        put_char(w, ',');
    }
    if (key) {
        put_textz(w, key);
        put_char(w, ':');
    }
    w->comma = 1;
}

static void open_level(sb_jw_t *w, const char *key, char kind)
{
    begin(w, key);
    must(w->depth < MAX_DEPTH);
    w->kind[w->depth++] = kind;
    put_char(w, kind);
    w->comma = 0;
}

void sb_jw_object(sb_jw_t *w, const char *key)
{
    open_level(w, key, '{');
}

void sb_jw_array(sb_jw_t *w, const char *key)
{
    open_level(w, key, '[');
}

void sb_jw_end(sb_jw_t *w)
{
    must(w->depth > 0);
    put_char(w, w->kind[--w->depth] == '{' ? '}' : ']');
    w->comma = 1;
}

void sb_jw_strn(sb_jw_t *w, const char *key, const char *value, apr_size_t len)
{
    begin(w, key);
    put_text(w, value, len);
}

void sb_jw_str(sb_jw_t *w, const char *key, const char *value)
{
    if (!value) {
        sb_jw_null(w, key);
        return;
    }
    begin(w, key);
    put_textz(w, value);
}

void sb_jw_fmt(sb_jw_t *w, const char *key, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    sb_jw_str(w, key, apr_pvsprintf(w->pool, fmt, ap));
    va_end(ap);
}

void sb_jw_raw(sb_jw_t *w, const char *key, const char *json, apr_size_t len)
{
    begin(w, key);
    put(w, json, len);
}

#define DIGITS 24 /* of any 64-bit number, its sign and two quotes */

/* From the end of the buffer to its front. @return where it begins */
static char *put_digits(char *end, apr_int64_t value)
{
    apr_uint64_t rest = value < 0 ? 0 - (apr_uint64_t)value : (apr_uint64_t)value;

    do {
        *--end = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        *--end = '-';
    }
    return end;
}

void sb_jw_int(sb_jw_t *w, const char *key, apr_int64_t value)
{
    char digits[DIGITS], *d = put_digits(digits + DIGITS, value);

    sb_jw_raw(w, key, d, (apr_size_t)(digits + DIGITS - d));
}

void sb_jw_int_text(sb_jw_t *w, const char *key, apr_int64_t value)
{
    char digits[DIGITS], *d;

    digits[DIGITS - 1] = '"';
    d = put_digits(digits + DIGITS - 1, value);
    *--d = '"';
    sb_jw_raw(w, key, d, (apr_size_t)(digits + DIGITS - d));
}

void sb_jw_real(sb_jw_t *w, const char *key, double value)
{
    char text[40];
    int n = snprintf(text, sizeof(text) - 2, "%.17g", value);

    if (!isfinite(value)) {
        sb_jw_null(w, key);
        return;
    }
    if (strspn(text, "-0123456789") == (size_t)n) { /* a number with a fraction, whatever it is */
        memcpy(text + n, ".0", 3);
        n += 2;
    }
    sb_jw_raw(w, key, text, (apr_size_t)n);
}

void sb_jw_bool(sb_jw_t *w, const char *key, int value)
{
    sb_jw_raw(w, key, value ? "true" : "false", value ? 4 : 5);
}

void sb_jw_null(sb_jw_t *w, const char *key)
{
    sb_jw_raw(w, key, "null", 4);
}

const char *sb_jw_text(sb_jw_t *w, apr_size_t *plen)
{
    must(w->depth == 0);
    w->buf[w->len] = '\0';
    if (plen) {
        *plen = w->len;
    }
    return w->buf;
}
