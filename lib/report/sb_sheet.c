/**
 * CSV for spreadsheets.
 */

#include "report/sb_sheet.h"

#include <stdarg.h>
#include <string.h>
#include <apr_lib.h>
#include <apr_strings.h>

#define FIRST_SIZE 16384

struct sb_sheet_t {
    apr_pool_t *p;
    char *text;
    apr_size_t used, size;
    int fields; /* of this line */
    int lines;
};

sb_sheet_t *sb_sheet_make(apr_pool_t *p)
{
    sb_sheet_t *s = apr_pcalloc(p, sizeof(*s));

    s->p = p;
    s->size = FIRST_SIZE;
    s->text = apr_palloc(p, s->size);
    return s;
}

static void put(sb_sheet_t *s, const char *text, apr_size_t len)
{
    if (s->used + len > s->size) {
        char *bigger = apr_palloc(s->p, 2 * (s->size + len));

        memcpy(bigger, s->text, s->used);
        s->text = bigger;
        s->size = 2 * (s->size + len);
    }
    memcpy(s->text + s->used, text, len);
    s->used += len;
}

static int is_control(char c)
{
    return (unsigned char)c < ' ' || c == '\x7F';
}

/* ---- formulas ---------------------------------------------------------------------------------- */

static int is_number(const char *text)
{
    text += *text == '-';
    if (!apr_isdigit(*text)) {
        return 0;
    }
    text += strspn(text, "0123456789");
    if (*text == '.' && apr_isdigit(text[1])) {
        text++;
        text += strspn(text, "0123456789");
    }
    return !*text;
}

/* Does a formula begin so? The wide forms of the same characters do where Japanese is written. */
static int is_formula(const char *text)
{
    static const char *const wide[] = {"\xEF\xBC\x9D", "\xEF\xBC\x8B", "\xEF\xBC\x8D",
                                       "\xEF\xBC\xA0"}; /* = + - @ */

    for (int i = 0; i < 4; i++) {
        if (!strncmp(text, wide[i], 3)) {
            return 1;
        }
    }
    return *text && strchr("=+-@", *text) != NULL;
}

static void put_guarded(sb_sheet_t *s, const char *text)
{
    int begins = 1; /* a cell may begin here */

    for (; *text; text++) {
        char c = is_control(*text) ? ' ' : *text;

        if (begins && is_formula(text)) {
            put(s, "'", 1);
        }
        begins = c == '"' || c == ';' || (begins && c == ' ');
        put(s, &c, 1);
        if (c == '"') {
            put(s, "\"", 1);
        }
    }
}

/* ---- fields and lines -------------------------------------------------------------------------- */

void sb_sheet_field(sb_sheet_t *s, const char *text)
{
    text = text ? text : "";
    if (s->fields++) {
        put(s, ",", 1);
    }
    put(s, "\"", 1);
    if (is_number(text)) {
        put(s, text, strlen(text));
    }
    else {
        put_guarded(s, text);
    }
    put(s, "\"", 1);
}

void sb_sheet_fieldf(sb_sheet_t *s, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    sb_sheet_field(s, apr_pvsprintf(s->p, fmt, args));
    va_end(args);
}

void sb_sheet_line(sb_sheet_t *s)
{
    put(s, "\r\n", 2);
    s->fields = 0;
    s->lines++;
}

int sb_sheet_lines(const sb_sheet_t *s)
{
    return s->lines;
}

void sb_sheet_append(sb_sheet_t *s, const sb_sheet_t *other)
{
    put(s, other->text, other->used);
    s->lines += other->lines;
}

const char *sb_sheet_text(const sb_sheet_t *s, apr_size_t *plen)
{
    *plen = s->used;
    return s->text;
}
