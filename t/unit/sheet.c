/* lib/report/sb_sheet: what a spreadsheet could take for a formula, and what it must not lose. */

#include "report/sb_sheet.h"
#include "tap.h"

static apr_pool_t *p;

static const struct {
    const char *what, *in, *want; /* what stands between the quotes */
} cases[] = {
    {"nothing", NULL, ""},
    {"plain text", "Oak School", "Oak School"},
    {"a comma", "Oak, School", "Oak, School"},
    {"quotes are doubled", "the \"Oak\"", "the \"\"Oak\"\""},
    {"=", "=1+1", "'=1+1"},
    {"+", "+1+1", "'+1+1"},
    {"-", "-1+1", "'-1+1"},
    {"@", "@SUM(A1)", "'@SUM(A1)"},
    {"behind blanks", "  =1", "  '=1"},
    {"behind a tab, which is a blank", "\t=1", " '=1"},
    {"behind CR LF", "\r\n=1", "  '=1"},
    {"behind a quote", "\"=1", "\"\"'=1"},
    {"behind a quote further on", "a\"=1", "a\"\"'=1"},
    {"behind a semicolon, where others begin a cell", "a;=1", "a;'=1"},
    {"behind a semicolon and a blank", "a; -x", "a; '-x"},
    {"behind several quotes", "\"\"@x", "\"\"\"\"'@x"},
    {"wide =",
     "\xEF\xBC\x9D"
     "1",
     "'\xEF\xBC\x9D"
     "1"},
    {"wide + - @", "\xEF\xBC\x8B;\xEF\xBC\x8D;\xEF\xBC\xA0",
     "'\xEF\xBC\x8B;'\xEF\xBC\x8D;'\xEF\xBC\xA0"},
    {"in the middle of a word", "Smith-Jones", "Smith-Jones"},
    {"behind a comma", "a,=1", "a,=1"},
    {"a number", "1810", "1810"},
    {"a negative number", "-12", "-12"},
    {"one with a fraction", "-12.50", "-12.50"},
    {"a minus alone", "-", "'-"},
    {"a range", "-5-7", "'-5-7"},
    {"two points", "-1.2.3", "'-1.2.3"},
    {"a point and nothing", "-1.", "'-1."},
    {"a number with a sign nobody writes", "+5", "'+5"},
    {"a line break inside is a blank", "Oak\nSchool", "Oak School"},
    {"other control characters, too", "Oak\x01\x7F", "Oak  "},
    {"letters beyond ASCII",
     "Pe\xC3\xB1"
     "a",
     "Pe\xC3\xB1"
     "a"},
};

static const char *text_of(const sb_sheet_t *s)
{
    apr_size_t len;
    const char *text = sb_sheet_text(s, &len);

    return apr_pstrmemdup(p, text, len);
}

int main(void)
{
    sb_sheet_t *s, *more;
    char *whole;
    int n = 0;

    apr_initialize();
    apr_pool_create(&p, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        s = sb_sheet_make(p);
        sb_sheet_field(s, cases[i].in);
        is_str(text_of(s), apr_pstrcat(p, "\"", cases[i].want, "\"", NULL), cases[i].what);
    }
    s = sb_sheet_make(p);
    sb_sheet_field(s, "a");
    sb_sheet_fieldf(s, "=%d", 2);
    sb_sheet_line(s);
    sb_sheet_line(s);
    more = sb_sheet_make(p);
    sb_sheet_field(more, "b");
    sb_sheet_line(more);
    sb_sheet_append(s, more);
    is_str(text_of(s), "\"a\",\"'=2\"\r\n\r\n\"b\"\r\n", "fields, lines, another sheet");
    is_int(sb_sheet_lines(s), 3, "lines are counted");

    s = sb_sheet_make(p);
    for (int i = 0; i < 20000; i++) {
        sb_sheet_field(s, "abcdefgh");
    }
    whole = apr_pstrdup(p, text_of(s));
    for (const char *at = whole; (at = strstr(at, "\"abcdefgh\"")) != NULL; at++) {
        n++;
    }
    is_int(n, 20000, "it grows");
    is_int((long long)strlen(whole), 20000 * 11 - 1, "with nothing between");
    return done();
}
