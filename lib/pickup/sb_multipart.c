/* multipart/form-data as it arrives: see sb_multipart.h. */

#include "pickup/sb_multipart.h"

#include <string.h>
#include <apr_lib.h>
#include <apr_strings.h>

#define BOUNDARY_MAX 70 /* RFC 2046 5.1.1 */

typedef enum {
    PREAMBLE,  /* before the first boundary, or the content of a field nobody wants */
    CONTENT,   /* of the wanted part */
    BOUNDARY,  /* behind one: "--", or the end of its line */
    LAST_DASH, /* behind one and a '-' */
    LINE_END,  /* behind its CR */
    HEADER,    /* of a part */
    EPILOGUE   /* behind the last boundary */
} state_t;

struct sb_multipart_t {
    state_t state;
    const char *name;
    sb_multipart_fn *fn;
    void *ctx;
    char *delimiter; /* CR LF "--" boundary: has one CR, its first byte */
    apr_size_t delimiter_len;
    apr_size_t matched; /* of the delimiter, at the end of what was fed so far */
    char header[SB_MULTIPART_HEADER_MAX];
    apr_size_t header_len;
    apr_size_t skipped;
    int parts, found;
    const char *error;
};

/* ---- parameters of a header: ; name=value, value a token or quoted ------------------------------ */

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t");
}

/* @param pvalue in p. @return what follows the value; NULL it is malformed */
static const char *read_value(const char **pvalue, const char *s, apr_pool_t *p)
{
    char *value, *v;
    apr_size_t n;

    if (*s != '"') {
        n = strcspn(s, "; \t\"");
        *pvalue = apr_pstrmemdup(p, s, n);
        return n ? s + n : NULL;
    }
    value = v = apr_palloc(p, strlen(s));
    for (s++; *s && *s != '"'; s++) {
        if (*s == '\\' && s[1] && strchr("\"\\", s[1])) {
            s++;
        }
        *v++ = *s;
    }
    *v = '\0';
    *pvalue = value;
    return *s ? s + 1 : NULL;
}

/* @param s behind the header's first word. @return NULL there is none of that name, or it is malformed */
static const char *parameter(const char *s, const char *name, apr_pool_t *p)
{
    apr_size_t len = strlen(name);

    s += strcspn(s, ";");
    while (*s == ';') {
        const char *value, *key = skip_blanks(s + 1);
        apr_size_t n = strcspn(key, "=; \t");

        if (key[n] != '=') {
            return NULL;
        }
        s = read_value(&value, key + n + 1, p);
        if (!s) {
            return NULL;
        }
        if (n == len && !strncasecmp(key, name, len)) {
            return value;
        }
        s = skip_blanks(s);
    }
    return NULL;
}

static int is_boundary(const char *b)
{
    apr_size_t n = b ? strlen(b) : 0;

    for (apr_size_t i = 0; i < n; i++) {
        if (!apr_isalnum(b[i]) && !strchr("'()+_,-./:=? ", b[i])) {
            return 0;
        }
    }
    return n > 0 && n <= BOUNDARY_MAX && b[n - 1] != ' ';
}

const char *sb_multipart_make(sb_multipart_t **pm, const char *content_type, const char *name,
                              sb_multipart_fn *fn, void *ctx, apr_pool_t *p)
{
    static const char type[] = "multipart/form-data";
    const apr_size_t len = sizeof(type) - 1;
    sb_multipart_t *m;
    const char *boundary;

    *pm = NULL;
    if (!content_type || strncasecmp(content_type, type, len) ||
        !strchr("; \t", content_type[len])) {
        return "want Content-Type: multipart/form-data";
    }
    boundary = parameter(content_type + len, "boundary", p);
    if (!is_boundary(boundary)) {
        return "want Content-Type: multipart/form-data with a boundary";
    }
    m = apr_pcalloc(p, sizeof(*m));
    m->name = name;
    m->fn = fn;
    m->ctx = ctx;
    m->delimiter = apr_pstrcat(p, "\r\n--", boundary, NULL);
    m->delimiter_len = strlen(m->delimiter);
    m->matched = 2; /* the first one may begin the body */
    m->error = "";
    *pm = m;
    return NULL;
}

/* ---- pieces ------------------------------------------------------------------------------------- */

static apr_status_t fail(sb_multipart_t *m, apr_status_t rv, const char *error)
{
    m->error = error;
    return rv;
}

static apr_status_t skip(sb_multipart_t *m, apr_size_t len)
{
    m->skipped += len;
    return m->skipped > SB_MULTIPART_SKIPPED_MAX
               ? fail(m, SB_ETOOBIG, "more than 65536 bytes beside the file")
               : APR_SUCCESS;
}

/* Bytes between two boundaries. */
static apr_status_t hand_on(sb_multipart_t *m, const char *data, apr_size_t len)
{
    if (len == 0) {
        return APR_SUCCESS;
    }
    return m->state == CONTENT ? m->fn(m->ctx, data, len) : skip(m, len);
}

/* How much of the delimiter stands at s: all of it, as much as is there, or none. */
static apr_size_t delimiter_at(const sb_multipart_t *m, const char *s, apr_size_t len)
{
    apr_size_t n = len < m->delimiter_len ? len : m->delimiter_len;

    return memcmp(s, m->delimiter, n) ? 0 : n;
}

/* Look for the delimiter. It has one CR, at its beginning: where a match breaks off, the next one begins at
 * a CR behind it. @param pused how many bytes are dealt with */
static apr_status_t search(sb_multipart_t *m, const char *data, apr_size_t len, apr_size_t *pused)
{
    const char *at = data, *end = data + len;
    apr_status_t rv;

    if (m->matched) { /* goes on with what the last piece ended with */
        apr_size_t n = m->delimiter_len - m->matched, had = m->matched;

        n = n < len ? n : len;
        if (!memcmp(data, m->delimiter + had, n)) {
            m->matched += n;
            *pused = n;
            if (m->matched == m->delimiter_len) {
                m->matched = 0;
                m->state = BOUNDARY;
            }
            return APR_SUCCESS;
        }
        m->matched = 0; /* it was content after all; at the very beginning it was nothing */
        rv = m->parts || m->state == CONTENT ? hand_on(m, m->delimiter, had) : APR_SUCCESS;
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    while (at < end && (at = memchr(at, '\r', (apr_size_t)(end - at))) != NULL) {
        apr_size_t n = delimiter_at(m, at, (apr_size_t)(end - at));

        if (n) {
            rv = hand_on(m, data, (apr_size_t)(at - data));
            *pused = (apr_size_t)(at - data) + n;
            m->matched = n == m->delimiter_len ? 0 : n;
            m->state = n == m->delimiter_len ? BOUNDARY : m->state;
            return rv;
        }
        at++;
    }
    *pused = len;
    return hand_on(m, data, len);
}

/* A part begins: is it the one? */
static apr_status_t judge_part(sb_multipart_t *m)
{
    static const char wanted[] = "\r\nContent-Disposition:";
    apr_status_t rv = APR_SUCCESS;
    const char *name, *line;
    apr_pool_t *p;
    int ours;

    m->state = PREAMBLE;
    if (++m->parts > SB_MULTIPART_PARTS_MAX) {
        return fail(m, SB_ETOOBIG, "too many parts");
    }
    line = m->header;
    while (line && strncasecmp(line, wanted, sizeof(wanted) - 1)) {
        line = strstr(line + 2, "\r\n");
    }
    if (!line) {
        return fail(m, SB_EINPUT, "a part without Content-Disposition");
    }
    apr_pool_create(&p, NULL);
    line += sizeof(wanted) - 1;
    line = apr_pstrmemdup(p, line, strcspn(line, "\r"));
    line = skip_blanks(line);
    name = strncasecmp(line, "form-data", 9) ? NULL : parameter(line + 9, "name", p);
    ours = name && !strcmp(name, m->name) && parameter(line + 9, "filename", p);
    if (!name) {
        rv = fail(m, SB_EINPUT, "a part whose Content-Disposition is not form-data with a name");
    }
    else if (ours && m->found) {
        rv = fail(m, SB_ECONFLICT, "the part is there twice");
    }
    else if (ours) {
        m->found = 1;
        m->state = CONTENT;
    }
    apr_pool_destroy(p);
    return rv;
}

/* One byte of a part's header; an empty line ends it. */
static apr_status_t header_byte(sb_multipart_t *m, char c)
{
    if (m->header_len == sizeof(m->header) - 1) {
        return fail(m, SB_ETOOBIG, "the header of a part is too long");
    }
    if (c == '\0') {
        return fail(m, SB_EINPUT, "a NUL in the header of a part");
    }
    m->header[m->header_len++] = c;
    if (c == '\n' && m->header_len >= 4 && !memcmp(m->header + m->header_len - 4, "\r\n\r\n", 4)) {
        m->header[m->header_len] = '\0';
        return judge_part(m);
    }
    return APR_SUCCESS;
}

/* One byte outside of contents. */
static apr_status_t step(sb_multipart_t *m, char c)
{
    static const char broken[] = "a boundary that does not end its line";

    switch (m->state) {
    case BOUNDARY:
        if (c == ' ' || c == '\t') {
            return skip(m, 1);
        }
        m->state = c == '-' ? LAST_DASH : LINE_END;
        return c == '-' || c == '\r' ? APR_SUCCESS : fail(m, SB_EINPUT, broken);
    case LAST_DASH:
        m->state = EPILOGUE;
        return c == '-' ? APR_SUCCESS : fail(m, SB_EINPUT, broken);
    case LINE_END:
        m->state = HEADER;
        memcpy(m->header, "\r\n", 2); /* so that every line has a line break before it */
        m->header_len = 2;
        return c == '\n' ? APR_SUCCESS : fail(m, SB_EINPUT, broken);
    default:
        return header_byte(m, c);
    }
}

apr_status_t sb_multipart_feed(sb_multipart_t *m, const void *data, apr_size_t len)
{
    const char *s = data;
    apr_status_t rv = APR_SUCCESS;

    while (len > 0 && rv == APR_SUCCESS) {
        apr_size_t used = 1;

        if (m->state == PREAMBLE || m->state == CONTENT) {
            rv = search(m, s, len, &used);
        }
        else if (m->state == EPILOGUE) {
            used = len;
            rv = skip(m, len);
        }
        else {
            rv = step(m, *s);
        }
        s += used;
        len -= rv == APR_SUCCESS ? used : 0;
    }
    return rv;
}

apr_status_t sb_multipart_end(sb_multipart_t *m)
{
    if (m->state != EPILOGUE) {
        return fail(m, SB_EINPUT, "the body ends before its last boundary");
    }
    return m->found ? APR_SUCCESS : fail(m, APR_NOTFOUND, "there is no such file part");
}

const char *sb_multipart_error(const sb_multipart_t *m)
{
    return m->error;
}
