/* Text for terminals and pipes: see smarter_text.h. */

#include "config.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include <apr_strings.h>

#include "core/sb_path.h"
#include "core/sb_time.h"
#include "workers/smarter_text.h"

#define MIN_WIDTH 40
#define MAX_WIDTH 1000
#define GAP 2
#define MAX_COLUMNS 32
#define LAST_MIN 12 /* what the last column shall have at least */

static int utf8;

void smarter_text_begin(void)
{
    setlocale(LC_CTYPE, "");
    utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
}

smarter_screen_t smarter_screen(void)
{
    const char *columns = getenv("COLUMNS"), *no_colour = getenv("NO_COLOR");
    smarter_screen_t s = {.tty = isatty(STDOUT_FILENO)};
    struct winsize size;

    if (s.tty && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size)) {
        s.width = size.ws_col;
        s.height = size.ws_row;
    }
    if (columns && atoi(columns) >= MIN_WIDTH && atoi(columns) <= MAX_WIDTH) {
        s.width = atoi(columns);
    }
    if (s.tty && !s.width) {
        s.width = 80;
    }
    s.colour = s.tty && (!no_colour || !*no_colour);
    return s;
}

/* ---- characters -------------------------------------------------------------------------------- */

/* Marks that change the order in which others are shown. */
static int turns(wchar_t c)
{
    return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

/* One character of a text. @return its bytes; 0 it is none, or none to be shown */
static size_t printable(const char *text, size_t len, wchar_t *pc)
{
    mbstate_t state;
    size_t n;

    *pc = 0;
    if ((unsigned char)*text < 0x80) {
        *pc = (unsigned char)*text;
        return *text >= 0x20 && *text != 0x7f;
    }
    if (!utf8) {
        return 0;
    }
    memset(&state, 0, sizeof state);
    n = mbrtowc(pc, text, len, &state);
    if (n == (size_t)-1 || n == (size_t)-2) {
        *pc = 0;
        return 0;
    }
    return iswprint((wint_t)*pc) && wcwidth(*pc) >= 0 && !turns(*pc) ? n : 0;
}

/* Bytes of the character that begins here; 1 for what is none. */
static size_t char_bytes(const char *text)
{
    static const unsigned char lead[] = {0xc2, 0xe0, 0xf0, 0xf5};
    size_t i, n;

    for (n = 2; n <= 4; n++) {
        if ((unsigned char)*text >= lead[n - 2] && (unsigned char)*text < lead[n - 1]) {
            for (i = 1; i < n && ((unsigned char)text[i] & 0xc0) == 0x80; i++) {
            }
            return i == n && sb_utf8_is_valid(text, n) ? n : 1;
        }
    }
    return 1;
}

static unsigned code_point(const char *text, size_t n)
{
    unsigned c = (unsigned char)*text & (0xffu >> (n + 1));
    size_t i;

    for (i = 1; i < n; i++) {
        c = c << 6 | ((unsigned char)text[i] & 0x3fu);
    }
    return c;
}

const char *smarter_safe(const char *text, apr_pool_t *p)
{
    size_t len = strlen(text), n;
    char *out = apr_palloc(p, len * 10 + 1), *to = out;
    wchar_t c;

    for (; len; text += n, len -= n) {
        n = printable(text, len, &c);
        if (n && c != '\\') {
            memcpy(to, text, n);
            to += n;
            continue;
        }
        if (n) { /* or an escape could be written by hand */
            to += apr_snprintf(to, 3, "\\\\");
            continue;
        }
        n = char_bytes(text);
        to += n == 1 ? apr_snprintf(to, 5, "\\x%02x", (unsigned)(unsigned char)*text)
                     : apr_snprintf(to, 11, "\\u{%x}", code_point(text, n));
    }
    *to = '\0';
    return out;
}

const char *smarter_line(const char *text, apr_pool_t *p)
{
    return text ? smarter_safe(apr_pstrmemdup(p, text, strcspn(text, "\r\n")), p) : "";
}

/* Columns a harmless text takes. */
static int columns_of(const char *text)
{
    size_t len = strlen(text), n;
    int width = 0;
    wchar_t c;

    for (; len; text += n, len -= n) {
        n = printable(text, len, &c);
        width += n > 1 ? wcwidth(c) : 1;
        n = n ? n : 1;
    }
    return width;
}

/* To so many columns, visibly. */
static const char *cut(const char *text, int width, apr_pool_t *p)
{
    const char *from = text;
    size_t len = strlen(text), n;
    int used = 0;
    wchar_t c;

    if (columns_of(text) <= width) {
        return text;
    }
    for (; len; text += n, len -= n) {
        int wide;

        n = printable(text, len, &c);
        wide = n > 1 ? wcwidth(c) : 1;
        n = n ? n : 1;
        if (used + wide > width - 1) {
            break;
        }
        used += wide;
    }
    return apr_pstrcat(p, apr_pstrmemdup(p, from, (apr_size_t)(text - from)), utf8 ? "…" : "~",
                       NULL);
}

/* ---- numbers ----------------------------------------------------------------------------------- */

const char *smarter_age(apr_interval_time_t age, apr_pool_t *p)
{
    apr_int64_t s = apr_time_sec(age);

    if (age < 0) {
        return "-";
    }
    return s < 120         ? apr_psprintf(p, "%ds", (int)s)
           : s < 120 * 60  ? apr_psprintf(p, "%dm", (int)(s / 60))
           : s < 48 * 3600 ? apr_psprintf(p, "%dh", (int)(s / 3600))
                           : apr_psprintf(p, "%dd", (int)(s / 86400));
}

const char *smarter_time(apr_time_t t, apr_pool_t *p)
{
    char iso[SB_ISO_TIME_SIZE];

    if (!t) {
        return "-";
    }
    sb_time_iso(iso, t);
    return apr_psprintf(p, "%.10s %.8s UTC", iso, iso + 11);
}

const char *smarter_short(double n, apr_pool_t *p)
{
    return n < 10000     ? apr_psprintf(p, "%.0f", n)
           : n < 1000000 ? apr_psprintf(p, "%.1fk", n / 1000)
                         : apr_psprintf(p, "%.1fM", n / 1000000);
}

const char *smarter_bytes(apr_int64_t n, apr_pool_t *p)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double d = (double)n;
    int i;

    for (i = 0; d >= 1024 && i < 4; i++) {
        d /= 1024;
    }
    return n < 0 ? "-" : apr_psprintf(p, i ? "%.1f %s" : "%.0f %s", d, units[i]);
}

/* ---- JSON -------------------------------------------------------------------------------------- */

void smarter_json_time(sb_jw_t *w, const char *key, apr_time_t t)
{
    char iso[SB_ISO_TIME_SIZE];

    t > 0 ? sb_jw_str(w, key, sb_time_iso(iso, t)) : sb_jw_null(w, key);
}

void smarter_json_count(sb_jw_t *w, const char *key, apr_int64_t n)
{
    n < 0 ? sb_jw_null(w, key) : sb_jw_int(w, key, n);
}

void smarter_json_print(sb_jw_t *w)
{
    const char *text = sb_jw_text(w, NULL);
    size_t n;

    for (; *text; text += n) {
        unsigned c;

        n = char_bytes(text);
        c = n > 1 ? code_point(text, n) : (unsigned char)*text;
        if (c == 0x7f || (c >= 0x80 && c < 0xa0) || (c < 0x10000 && turns((wchar_t)c))) {
            printf("\\u%04x", c); /* only inside strings: all else of JSON is ASCII */
        }
        else {
            fwrite(text, 1, n, stdout);
        }
    }
    putchar('\n');
}

/* ---- tables ------------------------------------------------------------------------------------ */

typedef struct {
    const smarter_column_t *columns;
    int n;
    int width[MAX_COLUMNS]; /* 0: dropped */
} layout_t;

static int total(const layout_t *t)
{
    int i, sum = -GAP;

    for (i = 0; i < t->n; i++) {
        sum += t->width[i] ? t->width[i] + GAP : 0;
    }
    return sum;
}

/* Cut what may be cut, then drop what may be dropped. */
static void squeeze(layout_t *t, int room)
{
    int i, worst;

    for (i = 0; i < t->n - 1 && total(t) > room; i++) {
        int min = t->columns[i].min, over = total(t) - room;

        if (min && t->width[i] > min) {
            t->width[i] = t->width[i] - over > min ? t->width[i] - over : min;
        }
    }
    while (total(t) > room) {
        for (i = 0, worst = -1; i < t->n - 1; i++) {
            if (t->width[i] && t->columns[i].drop &&
                (worst < 0 || t->columns[i].drop > t->columns[worst].drop)) {
                worst = i;
            }
        }
        if (worst < 0) {
            return;
        }
        t->width[worst] = 0;
    }
}

static void lay_out(layout_t *t, const apr_array_header_t *rows, int width)
{
    int i, r, last = t->n - 1, wanted;

    for (i = 0; i < t->n; i++) {
        const smarter_column_t *c = &t->columns[i];

        t->width[i] = columns_of(c->title);
        for (r = 0; r < rows->nelts; r++) {
            int w = columns_of(APR_ARRAY_IDX(rows, r, const char *const *)[i]);

            t->width[i] = w > t->width[i] ? w : t->width[i];
        }
        t->width[i] = c->max && t->width[i] > c->max ? c->max : t->width[i];
    }
    if (!width) {
        return;
    }
    wanted = t->width[last];
    t->width[last] = wanted < LAST_MIN ? wanted : LAST_MIN;
    squeeze(t, width);
    t->width[last] += width - total(t);
    t->width[last] = t->width[last] > wanted ? wanted : t->width[last];
}

static const char *line(const layout_t *t, const char *const *cells, apr_pool_t *p)
{
    apr_array_header_t *parts = apr_array_make(p, 3 * t->n, sizeof(const char *));
    int i, pending = 0; /* blanks that are due before the next text */

    for (i = 0; i < t->n; i++) {
        const char *text;
        int fill;

        if (!t->width[i]) {
            continue;
        }
        text = cut(cells[i], t->width[i], p);
        fill = t->width[i] - columns_of(text);
        pending += t->columns[i].right ? fill : 0;
        if (*text) {
            APR_ARRAY_PUSH(parts, const char *) = apr_psprintf(p, "%*s", pending, "");
            APR_ARRAY_PUSH(parts, const char *) = text;
            pending = 0;
        }
        pending += (t->columns[i].right ? 0 : fill) + GAP;
    }
    return apr_array_pstrcat(p, parts, 0);
}

apr_array_header_t *smarter_table(const smarter_column_t *columns, int ncols,
                                  const apr_array_header_t *rows, int width, apr_pool_t *p)
{
    apr_array_header_t *lines = apr_array_make(p, rows->nelts + 1, sizeof(const char *));
    layout_t t = {.columns = columns, .n = ncols};
    const char *titles[MAX_COLUMNS];
    int i;

    for (i = 0; i < ncols; i++) {
        titles[i] = columns[i].title;
    }
    lay_out(&t, rows, width);
    APR_ARRAY_PUSH(lines, const char *) = line(&t, titles, p);
    for (i = 0; i < rows->nelts; i++) {
        APR_ARRAY_PUSH(lines, const char *) =
            line(&t, APR_ARRAY_IDX(rows, i, const char *const *), p);
    }
    return lines;
}

void smarter_table_print(const smarter_column_t *columns, int ncols, const apr_array_header_t *rows,
                         apr_pool_t *p)
{
    const apr_array_header_t *lines =
        smarter_table(columns, ncols, rows, smarter_screen().width, p);
    int i;

    for (i = 0; i < lines->nelts; i++) {
        puts(APR_ARRAY_IDX(lines, i, const char *));
    }
}
