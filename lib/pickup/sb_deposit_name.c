/* Names of files that others give, on their way into a header. */

#include <string.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include "core/sb_path.h"
#include "pickup/sb_deposit.h"

const char *sb_deposit_name(const char *offered, apr_pool_t *p)
{
    const char *last = offered;
    apr_size_t n = 0;
    char *name;

    for (const char *c = offered; *c; c++) {
        if (*c == '/' || *c == '\\') {
            last = c + 1;
        }
    }
    name = apr_palloc(p, strlen(last) + 1);
    for (; *last; last++) {
        if (!apr_iscntrl(*last)) {
            name[n++] = *last;
        }
    }
    name[n] = '\0';
    name += strspn(name, ". "); /* no hidden file, no "..", and no blanks around it */
    n = strlen(name);
    while (n > 0 && name[n - 1] == ' ') {
        name[--n] = '\0';
    }
    return n > 0 && n <= SB_DEPOSIT_NAME_MAX && sb_utf8_is_valid(name, n) ? name : NULL;
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
