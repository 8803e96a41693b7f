/* Names of files that others give, on their way into a header. */

#include <string.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include "core/sb_path.h"
#include "pickup/sb_deposit.h"

/* Characters that are not seen but change how a name is read, in UTF-8: "x", RIGHT-TO-LEFT OVERRIDE, "piz.exe"
 * looks like "xexe.zip". @return bytes of the one at s; 0: it is none */
static apr_size_t unseen(const char *s)
{
    static const struct {
        const char *lead;
        unsigned char from, to; /* of the byte behind it */
    } ranges[] = {
        {"\xc2", 0x80, 0x9f},     /* C1 controls */
        {"\xd8", 0x9c, 0x9c},     /* Arabic letter mark */
        {"\xe2\x80", 0x8b, 0x8f}, /* zero width, left-to-right, right-to-left marks */
        {"\xe2\x80", 0xa8, 0xae}, /* line and paragraph ends, embeddings, overrides */
        {"\xe2\x81", 0xa0, 0xaf}, /* word joiner, isolates */
        {"\xef\xbb", 0xbf, 0xbf}, /* byte order mark */
    };

    if (apr_iscntrl(*s)) {
        return 1;
    }
    for (apr_size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        apr_size_t n = strlen(ranges[i].lead);
        unsigned char next = strncmp(s, ranges[i].lead, n) ? 0 : (unsigned char)s[n];

        if (next >= ranges[i].from && next <= ranges[i].to) {
            return n + 1;
        }
    }
    return 0;
}

const char *sb_deposit_name(const char *offered, apr_pool_t *p)
{
    const char *last = offered;
    apr_size_t n = 0;
    char *name;

    if (!sb_utf8_is_valid(offered, strlen(offered))) { /* before anything is taken out of it */
        return NULL;
    }
    for (const char *c = offered; *c; c++) {
        if (*c == '/' || *c == '\\') {
            last = c + 1;
        }
    }
    name = apr_palloc(p, strlen(last) + 1);
    while (*last) {
        apr_size_t skipped = unseen(last);

        if (!skipped) {
            name[n++] = *last;
        }
        last += skipped ? skipped : 1;
    }
    name[n] = '\0';
    name += strspn(name, ". "); /* no hidden file, no "..", and no blanks around it */
    n = strlen(name);
    while (n > 0 && name[n - 1] == ' ') {
        name[--n] = '\0';
    }
    return n > 0 && n <= SB_DEPOSIT_NAME_MAX ? name : NULL;
}

/* RFC 8187 3.2.1, attr-char */
static int is_plain(unsigned char c)
{
    return c < 128 && (apr_isalnum(c) || (c && strchr("!#$&+-.^_`|~", c)));
}

const char *sb_deposit_disposition(const char *name, apr_pool_t *p)
{
    static const char hex[] = "0123456789ABCDEF";
    apr_size_t len = strlen(name);
    char *ascii = apr_palloc(p, len + 1), *a = ascii;
    char *coded = apr_palloc(p, 3 * len + 1), *e = coded;
    int plain = 1;

    for (const char *s = name; *s; s++) {
        unsigned char c = (unsigned char)*s;

        plain &= is_plain(c);
        *a++ = c >= ' ' && c < 127 && !strchr("\"\\%", c) ? (char)c : '_';
        if (is_plain(c)) {
            *e++ = (char)c;
        }
        else {
            *e++ = '%';
            *e++ = hex[c >> 4];
            *e++ = hex[c & 15];
        }
    }
    *a = *e = '\0';
    return plain ? apr_pstrcat(p, "attachment; filename=\"", name, "\"", NULL)
                 : apr_pstrcat(p, "attachment; filename=\"", ascii, "\"; filename*=UTF-8''", coded,
                               NULL);
}

const char *sb_deposit_type(const char *name)
{
    static const struct {
        const char *ending, *type;
    } types[] = {{".zip", "application/zip"},
                 {".pdf", "application/pdf"},
                 {".csv", "text/csv; charset=UTF-8"},
                 {".gpg", "application/pgp-encrypted"}};
    apr_size_t len = strlen(name);

    for (apr_size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        apr_size_t n = strlen(types[i].ending);

        if (len > n && !strcasecmp(name + len - n, types[i].ending)) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}
