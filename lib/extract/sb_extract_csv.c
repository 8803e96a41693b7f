/**
 * CSV as our files have it: a field in quotes only if it must be, CR LF, NULL empty, True and False. A row of
 * COPY's text form becomes a line in one pass: the server formats values, and this is done while it makes
 * the next ones.
 */

#include "extract/sb_extract_private.h"

#include <string.h>
#include <apr_strings.h>

#define OUT_SIZE (64 * 1024)

struct sb_csv_out_t {
    sb_zip_t *zip;
    apr_pool_t *p;
    apr_size_t used, size;
    int fields; /* of this line */
    char *buf;
};

sb_csv_out_t *sb_csv_out_make(sb_zip_t *zip, apr_pool_t *p)
{
    sb_csv_out_t *out = apr_pcalloc(p, sizeof(*out));

    out->zip = zip;
    out->p = p;
    out->size = OUT_SIZE;
    out->buf = apr_palloc(p, out->size);
    return out;
}

void sb_csv_out_flush(sb_csv_out_t *out)
{
    sb_zip_write(out->zip, out->buf, out->used);
    out->used = 0;
}

/* Room for n bytes more. */
static void room(sb_csv_out_t *out, apr_size_t n)
{
    if (out->used + n <= out->size) {
        return;
    }
    sb_csv_out_flush(out);
    if (n > out->size) {
        out->size = 2 * n;
        out->buf = apr_palloc(out->p, out->size);
    }
}

/* What is special in a field of COPY, and what in one of CSV. */
enum { PLAIN, ENDS, ESCAPE, QUOTES };
static const unsigned char classes[256] = {
    ['\t'] = ENDS, ['\n'] = ENDS, ['\\'] = ESCAPE, [','] = QUOTES, ['"'] = QUOTES};

/* The character an escape of COPY stands for. */
static char unescape(char c)
{
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'v':
        return '\v';
    default:
        return c;
    }
}

/* ---- fields ---------------------------------------------------------------------------------------- */

/* The bytes from start to the end of the buffer become a quoted field; there is room for twice as many. */
static void quote(sb_csv_out_t *out, apr_size_t start)
{
    apr_size_t len = out->used - start, quotes = 2;
    char *from = out->buf + out->used, *to;

    for (apr_size_t i = start; i < out->used; i++) {
        quotes += out->buf[i] == '"';
    }
    out->used = start + len + quotes;
    to = out->buf + out->used;
    *--to = '"';
    while (from > out->buf + start) { /* from the back: it is done in place */
        *--to = *--from;
        if (*from == '"') {
            *--to = '"';
        }
    }
    *--to = '"';
}

void sb_csv_out_field(sb_csv_out_t *out, const char *text)
{
    apr_size_t len = text ? strlen(text) : 0, start;

    room(out, 2 * len + 3);
    if (out->fields++) {
        out->buf[out->used++] = ',';
    }
    start = out->used;
    if (len) {
        memcpy(out->buf + start, text, len);
        out->used += len;
        if (strpbrk(text, ",\"\r\n")) {
            quote(out, start);
        }
    }
}

void sb_csv_out_line(sb_csv_out_t *out)
{
    room(out, 2);
    out->buf[out->used++] = '\r';
    out->buf[out->used++] = '\n';
    out->fields = 0;
}

/* ---- rows of COPY ---------------------------------------------------------------------------------- */

static void put(sb_csv_out_t *out, const char *text)
{
    apr_size_t len = strlen(text);

    memcpy(out->buf + out->used, text, len);
    out->used += len;
}

/* A boolean; anything else is as it is. */
static int put_bool(sb_csv_out_t *out, char c, char how)
{
    if (c != 't' && c != 'f') {
        return 0;
    }
    put(out,
        how == SB_CSV_BOOL ? (c == 't' ? "True" : "False") : (c == 't' ? "Complete" : "Partial"));
    return 1;
}

/* One field up to its tab or line end, which is not taken. There is room for it. */
static const char *put_copied(sb_csv_out_t *out, const char *c, const char *end, char how)
{
    apr_size_t start = out->used;
    int quoted = 0;

    if (c + 1 < end && c[0] == '\\' && c[1] == 'N') {
        return c + 2; /* NULL */
    }
    if (how != SB_CSV_TEXT && c + 1 < end && classes[(unsigned char)c[1]] == ENDS &&
        put_bool(out, *c, how)) {
        return c + 1;
    }
    for (;;) {
        const char *from = c;

        while (c < end && classes[(unsigned char)*c] == PLAIN) {
            c++;
        }
        memcpy(out->buf + out->used, from, (apr_size_t)(c - from));
        out->used += (apr_size_t)(c - from);
        if (c >= end || classes[(unsigned char)*c] == ENDS) {
            break;
        }
        if (*c == '\\' && c + 1 < end) {
            char meant = unescape(*++c);

            quoted |= meant == '\n' || meant == '\r';
            out->buf[out->used++] = meant;
        }
        else {
            quoted = 1;
            out->buf[out->used++] = *c;
        }
        c++;
    }
    if (quoted) {
        quote(out, start);
    }
    return c;
}

apr_status_t sb_csv_out_copy(sb_csv_out_t *out, const char *row, apr_size_t len, const char *how)
{
    const char *c = row, *end = row + len;

    room(out, 2 * len + 12 * strlen(how) + 2); /* quotes, words for booleans */
    for (const char *h = how; *h; h++) {
        if (h > how) {
            if (c >= end || *c != '\t') {
                return SB_EDB;
            }
            c++;
            out->buf[out->used++] = ',';
        }
        c = put_copied(out, c, end, *h);
    }
    if (c + 1 != end || *c != '\n') {
        return SB_EDB;
    }
    sb_csv_out_line(out);
    return APR_SUCCESS;
}

apr_status_t sb_copy_field(const char **pvalue, const char **prow, const char *end, apr_pool_t *p)
{
    const char *c = *prow;
    char *value, *to;

    *pvalue = NULL;
    if (c >= end) {
        return SB_EDB;
    }
    if (c + 1 < end && c[0] == '\\' && c[1] == 'N') {
        c += 2;
    }
    else {
        value = to = apr_palloc(p, (apr_size_t)(end - c) + 1);
        for (; c < end && classes[(unsigned char)*c] != ENDS; c++) {
            *to++ = *c == '\\' && c + 1 < end ? unescape(*++c) : *c;
        }
        *to = '\0';
        *pvalue = value;
    }
    *prow = c < end ? c + 1 : end; /* behind the tab or the line's end */
    return APR_SUCCESS;
}
