/* SQL templates: names of schemas and tables enter SQL here, quoted, and nowhere else. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include "store/sb_db_private.h"

static const char *quote_identifier(apr_pool_t *p, const char *text)
{
    char *out = apr_palloc(p, 2 * strlen(text) + 3), *o = out;

    *o++ = '"';
    for (; *text; text++) {
        if (*text == '"') {
            *o++ = '"';
        }
        *o++ = *text;
    }
    *o++ = '"';
    *o = '\0';
    return out;
}

/* Length of a "{name}" at s, 0 if there is none: array literals like '{}' are not taken for one. */
static apr_size_t placeholder(const char *s)
{
    apr_size_t n = 1;

    while ((s[n] >= 'a' && s[n] <= 'z') || s[n] == '_') {
        n++;
    }
    return n > 1 && s[n] == '}' ? n + 1 : 0;
}

const char *sb_db_expand(apr_pool_t *p, const char *template, const sb_db_place_t *places,
                         int nplaces)
{
    apr_array_header_t *parts = apr_array_make(p, 16, sizeof(const char *));
    const char *s = template, *open;
    int i;

    while ((open = strchr(s, '{')) != NULL) {
        apr_size_t n = open[1] == '{' ? 2 : placeholder(open);

        APR_ARRAY_PUSH(parts, const char *) = apr_pstrmemdup(p, s, (apr_size_t)(open - s));
        if (n == 0 || open[1] == '{') {
            APR_ARRAY_PUSH(parts, const char *) = "{";
            s = open + (n ? n : 1);
            continue;
        }
        for (i = 0; i < nplaces; i++) {
            if (strlen(places[i].name) == n - 2 && !strncmp(places[i].name, open + 1, n - 2)) {
                break;
            }
        }
        if (i == nplaces || !places[i].value) {
            fprintf(stderr, "sb_sql: nothing to put for %.*s\n", (int)n, open);
            abort();
        }
        APR_ARRAY_PUSH(parts, const char *) = quote_identifier(p, places[i].value);
        s = open + n;
    }
    APR_ARRAY_PUSH(parts, const char *) = s;
    return apr_array_pstrcat(p, parts, 0);
}

const char *sb_sql(apr_pool_t *p, const char *template, ...)
{
    sb_db_place_t places[8];
    va_list ap;
    int n = 0;

    va_start(ap, template);
    while (n < 8 && (places[n].name = va_arg(ap, const char *)) != NULL) {
        places[n++].value = va_arg(ap, const char *);
    }
    va_end(ap);
    return sb_db_expand(p, template, places, n);
}
