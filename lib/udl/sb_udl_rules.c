/* The rules of single values: see sb_udl_rules.h. Called some ninety times a row, hence the short
 * ways through for texts of plain ASCII. */

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "core/sb_path.h"
#include "udl/sb_udl_rules_private.h"

#define TEXT_MAX 255 /* characters; the original's text variables held no more */

/* ---- characters ------------------------------------------------------------------------------ */

int sb_udl_is_plain(const char *s, apr_size_t len)
{
    apr_size_t i = 0;

#if defined(__SSE2__)
    const __m128i low = _mm_set1_epi8(0x1f), del = _mm_set1_epi8(0x7f);

    for (; i + 16 <= len; i += 16) {
        /* signed compare: bytes of 0x80 and above are negative and fail the first test */
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
        __m128i good = _mm_andnot_si128(_mm_cmpeq_epi8(v, del), _mm_cmpgt_epi8(v, low));

        if (_mm_movemask_epi8(good) != 0xffff) {
            return 0;
        }
    }
#endif
    for (; i < len; i++) {
        if (s[i] < 0x20 || s[i] > 0x7e) {
            return 0;
        }
    }
    return 1;
}

/* Bytes of the first n characters of UTF-8 text, or len if it has fewer. */
static apr_size_t prefix_bytes(const char *s, apr_size_t len, int n)
{
    apr_size_t i;

    if (len <= (apr_size_t)n) {
        return len;
    }
    for (i = 0; i < len; i++) {
        if (((unsigned char)s[i] & 0xc0) != 0x80 && n-- == 0) {
            return i;
        }
    }
    return len;
}

static int has_control(const char *s, apr_size_t len)
{
    apr_size_t i;

    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (c < 0x20 || c == 0x7f) {
            return 1;
        }
        if (c == 0xc2 && i + 1 < len && (unsigned char)s[i + 1] < 0xa0) {
            return 1; /* U+0080..U+009F */
        }
    }
    return 0;
}

/* Does the upper-cased text start with word (itself upper case)? */
static int starts(const char *s, apr_size_t len, const char *word)
{
    apr_size_t i;

    for (i = 0; word[i]; i++) {
        if (i >= len || upper(s[i]) != word[i]) {
            return 0;
        }
    }
    return 1;
}

static int is_word(const char *s, apr_size_t len, const char *word)
{
    return len == strlen(word) && starts(s, len, word);
}

/* ---- values ---------------------------------------------------------------------------------- */

static sb_udl_issue_t text(sb_udl_value_t *v, const char *s, apr_size_t len)
{
    v->kind = SB_UDL_V_TEXT;
    v->s = s;
    v->len = len;
    return SB_UDL_FINE;
}

static sb_udl_issue_t flag(sb_udl_value_t *v, int truth)
{
    v->kind = SB_UDL_V_BOOL;
    v->number = truth;
    return SB_UDL_FINE;
}

/* Text that goes into a column of max characters. */
static sb_udl_issue_t fitted(sb_udl_value_t *v, const char *s, apr_size_t len, int max, int flags)
{
    apr_size_t fits = prefix_bytes(s, len, max);

    text(v, s, fits);
    if (fits == len) {
        return SB_UDL_FINE;
    }
    return flags & SB_UDL_IS_ID ? SB_UDL_CUT_ID : SB_UDL_CUT;
}

static const char *upper_copy(const char *s, apr_size_t len, char *scratch, apr_size_t *used)
{
    char *copy = scratch + *used;
    apr_size_t i;

    for (i = 0; i < len; i++) {
        copy[i] = upper(s[i]);
    }
    *used += len;
    return copy;
}

/* Text that is in no list: upper-cased, cut, and said. */
static sb_udl_issue_t unlisted(sb_udl_value_t *v, const char *s, apr_size_t len, int max,
                               char *scratch, apr_size_t *used)
{
    fitted(v, upper_copy(s, len, scratch, used), len, max, 0);
    return SB_UDL_UNKNOWN;
}

typedef struct {
    const char *word;  /* upper case; the input starts with it */
    const char *value; /* stored */
} listed_t;

/* @return SB_UDL_NISSUES if nothing in the list fits */
static sb_udl_issue_t from_list(sb_udl_value_t *v, const listed_t *list, const char *s,
                                apr_size_t len)
{
    for (; list->word; list++) {
        if (starts(s, len, list->word)) {
            text(v, list->value, strlen(list->value));
            return len == strlen(list->word) ? SB_UDL_FINE : SB_UDL_LOOSE;
        }
    }
    return SB_UDL_NISSUES;
}

/* Longer words first: the first fit decides whether the match was exact. */
static const listed_t sexes[] = {
    {"MALE", "male"},        {"M", "male"},           {"BOY", "male"},    {"B", "male"},
    {"FEMALE", "female"},    {"F", "female"},         {"GIRL", "female"}, {"G", "female"},
    {"NOT_SPECIFIED", "NS"}, {"NOT SPECIFIED", "NS"}, {"NS", "NS"},       {NULL, NULL}};

static const listed_t types[] = {{"INTERIM ASSESSMENT BLOCKS", "INTERIM ASSESSMENT BLOCKS"},
                                 {"INTERIM ASSESSMENT BLOCK", "INTERIM ASSESSMENT BLOCKS"},
                                 {"INTERIM COMPREHENSIVE", "INTERIM COMPREHENSIVE"},
                                 {"SUMMATIVE", "SUMMATIVE"},
                                 {NULL, NULL}};

static const listed_t conditions[] = {
    {"INVALID", "IN"}, {"IN", "IN"}, {"NS", "NS"}, {"SD", "SD"}, {NULL, NULL}};

/* Case matters here: MaTh is kept as it is, and said. */
static sb_udl_issue_t subject(sb_udl_value_t *v, const char *s, apr_size_t len, int max)
{
    static const listed_t subjects[] = {{"Math", "Math"},
                                        {"ELA", "ELA"},
                                        {"MATH", "Math"},
                                        {"math", "Math"},
                                        {"ela", "ELA"},
                                        {"Ela", "ELA"},
                                        {"English Language Arts", "ELA"},
                                        {NULL, NULL}};
    sb_udl_issue_t issue;
    const listed_t *l;

    for (l = subjects; l->word; l++) {
        apr_size_t n = strlen(l->word);

        if (len >= n && !memcmp(s, l->word, n)) {
            text(v, l->value, strlen(l->value));
            return len == n || (len == 11 && !memcmp(s + 1, "athematics", 10)) ? SB_UDL_FINE
                                                                               : SB_UDL_LOOSE;
        }
    }
    issue = fitted(v, s, len, max, 0);
    if (issue == SB_UDL_FINE &&
        (starts(s, len, "MATH") || starts(s, len, "ELA") || starts(s, len, "ENGLISH"))) {
        return SB_UDL_UNKNOWN;
    }
    return issue; /* another subject */
}

/* What PostgreSQL's boolean input takes: unique prefixes of the words. */
static int truth_word(const char *s, apr_size_t len)
{
    static const struct {
        const char *word;
        apr_size_t shortest;
        int truth;
    } words[] = {{"TRUE", 1, 1}, {"FALSE", 1, 0}, {"YES", 1, 1}, {"NO", 1, 0},
                 {"ON", 2, 1},   {"OFF", 2, 0},   {"1", 1, 1},   {"0", 1, 0}};
    apr_size_t i, k;

    for (i = 0; i < sizeof words / sizeof *words; i++) {
        if (len < words[i].shortest || len > strlen(words[i].word)) {
            continue;
        }
        for (k = 0; k < len && upper(s[k]) == words[i].word[k]; k++) {
        }
        if (k == len) {
            return words[i].truth;
        }
    }
    return -1;
}

static sb_udl_issue_t yes_no(sb_udl_value_t *v, const char *s, apr_size_t len)
{
    int truth;

    if (len == 1 && (*s == '0' || *s == '1')) {
        return flag(v, *s == '1');
    }
    truth = truth_word(s, len);
    if (truth >= 0) {
        return flag(v, truth);
    }
    if (strchr("N0FY1T", upper(*s))) {
        flag(v, strchr("Y1T", upper(*s)) != NULL);
        return SB_UDL_LOOSE;
    }
    return SB_UDL_NO_FLAG;
}

/* Registration: the words; what the other files' rule understands besides is said. */
static sb_udl_issue_t sr_sex(sb_udl_value_t *v, const char *s, apr_size_t len)
{
    sb_udl_issue_t issue = from_list(v, sexes, s, len);

    return issue == SB_UDL_FINE && (len == 1 || is_word(s, len, "BOY") || is_word(s, len, "GIRL"))
               ? SB_UDL_LOOSE
               : issue;
}

static sb_udl_issue_t sr_yes_no(sb_udl_value_t *v, const char *s, apr_size_t len)
{
    int truth = truth_word(s, len);

    if (truth >= 0) {
        return flag(v, truth);
    }
    if (starts(s, len, "YES") || starts(s, len, "NO")) {
        flag(v, upper(*s) == 'Y');
        return SB_UDL_LOOSE;
    }
    return SB_UDL_NO_FLAG;
}

static sb_udl_issue_t complete(sb_udl_value_t *v, const char *s, apr_size_t len)
{
    int truth;

    if (starts(s, len, "COMPLETE") || starts(s, len, "PARTIAL")) {
        flag(v, upper(*s) == 'C');
        return is_word(s, len, "COMPLETE") || is_word(s, len, "PARTIAL") ? SB_UDL_FINE
                                                                         : SB_UDL_LOOSE;
    }
    truth = truth_word(s, len);
    return truth < 0 ? SB_UDL_NO_FLAG : flag(v, truth);
}

static sb_udl_issue_t op(sb_udl_value_t *v, const char *s, apr_size_t len)
{
    char c = upper(*s);

    if (c == 'C' || c == 'I' || c == 'D') {
        text(v, c == 'D' ? "W" : "C", 1);
        return len == 1 || is_word(s, len, "CREATE") || is_word(s, len, "INSERT") ||
                       is_word(s, len, "DELETE")
                   ? SB_UDL_FINE
                   : SB_UDL_LOOSE;
    }
    return c == 'W' && len == 1 ? text(v, "W", 1) : SB_UDL_NO_OP;
}

/* What may follow a whole number without changing it: nothing, or a point and zeros. */
static sb_udl_issue_t behind_number(const char *s, apr_size_t len, sb_udl_issue_t fraction)
{
    apr_size_t i;

    if (len == 0) {
        return SB_UDL_FINE;
    }
    if (*s != '.') {
        return SB_UDL_LOOSE;
    }
    for (i = 1; i < len; i++) {
        if (s[i] != '0') {
            return fraction;
        }
    }
    return SB_UDL_LOOSE;
}

/* Only digits, behind a sign or a zero: 00, 014, -1. Numbers like 3 or 03 have no such thing. */
static int is_no_grade(const char *s, apr_size_t len)
{
    apr_size_t i;

    if (len < 1 || (s[0] != '0' && s[0] != '-' && s[0] != '+')) {
        return 0;
    }
    for (i = 1; i < len && is_digit(s[i]); i++) {
    }
    return i == len && (len > 1 || s[0] == '0');
}

static sb_udl_issue_t grade(sb_udl_value_t *v, const char *s, apr_size_t len, int max,
                            char *scratch, apr_size_t *used)
{
    int n = s[0] - '0';
    apr_size_t digits = 1;
    char *padded;

    if (len == 2 && s[0] == '0' && s[1] >= '1' && s[1] <= '9') {
        return text(v, s, len);
    }
    if (is_no_grade(s, len)) {
        return SB_UDL_NO_GRADE;
    }
    if (s[0] < '1' || s[0] > '9') {
        sb_udl_issue_t issue = fitted(v, s, len, max, 0);

        return issue != SB_UDL_FINE || is_word(s, len, "KG") ? issue : SB_UDL_UNKNOWN;
    }
    for (; digits < len && is_digit(s[digits]); digits++) {
        n = digits < 4 ? 10 * n + (s[digits] - '0') : n;
    }
    if (n > 13) {
        return SB_UDL_NO_GRADE;
    }
    padded = scratch + *used;
    padded[0] = (char)('0' + n / 10);
    padded[1] = (char)('0' + n % 10);
    *used += 2;
    text(v, padded, 2);
    return behind_number(s + digits, len - digits, SB_UDL_NO_GRADE);
}

/* Groups of three digits behind commas: 1,200. @return bytes taken, 0 if it is none */
static apr_size_t grouped(int *pn, const char *s, apr_size_t len)
{
    apr_size_t at = 0, lead;
    int n = 0;

    for (lead = 0; lead < len && lead < 3 && is_digit(s[lead]); lead++) {
        n = 10 * n + (s[lead] - '0');
    }
    for (at = lead; at < len && s[at] == ','; at += 4) {
        if (at + 4 > len || !is_digit(s[at + 1]) || !is_digit(s[at + 2]) || !is_digit(s[at + 3]) ||
            n > 99999) {
            return 0;
        }
        n = 1000 * n + 100 * (s[at + 1] - '0') + 10 * (s[at + 2] - '0') + (s[at + 3] - '0');
    }
    *pn = n;
    return lead && at > lead && (at == len || !is_digit(s[at])) ? at : 0;
}

static sb_udl_issue_t number(sb_udl_value_t *v, const char *s, apr_size_t len)
{
    int negative = *s == '-', n = 0;
    apr_size_t at = negative || *s == '+', first = at;
    sb_udl_issue_t issue = SB_UDL_FINE;

    for (; at < len && is_digit(s[at]); at++) {
        n = n < 100000 ? 10 * n + (s[at] - '0') : n;
    }
    if (at == first) {
        return SB_UDL_NO_NUMBER;
    }
    if (at < len) {
        apr_size_t all = s[at] == ',' ? grouped(&n, s + first, len - first) : 0;

        if (all) {
            at = first + all;
        }
        if (at < len && (s[at] != '.' ||
                         behind_number(s + at, len - at, SB_UDL_NO_NUMBER) == SB_UDL_NO_NUMBER)) {
            return SB_UDL_NO_NUMBER;
        }
        issue = SB_UDL_NUMBER_FORM;
    }
    n = negative ? -n : n;
    if (n < INT16_MIN || n > INT16_MAX) {
        return SB_UDL_NUMBER_RANGE;
    }
    v->kind = SB_UDL_V_INT;
    v->number = n;
    return issue;
}

/* ---- dates ----------------------------------------------------------------------------------- */

static int has_digits_only(const char *s, apr_size_t len)
{
    while (len && is_digit(*s)) {
        s++;
        len--;
    }
    return len == 0;
}

static sb_udl_issue_t date(sb_udl_value_t *v, const char *s, apr_size_t len, int max,
                           sb_udl_issue_t none, char *scratch, apr_size_t *used)
{
    int ymd[3], i, n;
    sb_udl_issue_t issue;
    char *out = scratch + *used;

    issue = sb_udl_read_date(ymd, s, len);
    if (issue == SB_UDL_NO_DATE) {
        fitted(v, s, len, max, 0);
        return none;
    }
    if (issue == SB_UDL_NO_SUCH_DAY) {
        return issue;
    }
    if (len == 8 && has_digits_only(s, len)) {
        return text(v, s, len); /* YYYYMMDD already */
    }
    n = ymd[0] * 10000 + ymd[1] * 100 + ymd[2];
    for (i = 7; i >= 0; i--, n /= 10) {
        out[i] = (char)('0' + n % 10);
    }
    *used += 8;
    text(v, out, 8);
    return issue;
}

/* Registration wants YYYY-MM-DD. */
static sb_udl_issue_t sr_date(sb_udl_value_t *v, const char *s, apr_size_t len, int max,
                              char *scratch, apr_size_t *used)
{
    sb_udl_issue_t issue = date(v, s, len, max, SB_UDL_NO_DATE, scratch, used);

    if (issue != SB_UDL_FINE || v->s == s) { /* eight digits are how it is stored */
        return issue;
    }
    return is_digit(s[1]) && is_digit(s[2]) && s[4] == '-' ? SB_UDL_FINE : SB_UDL_DATE_FORM;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Remove CR and LF. @return SB_UDL_OVERLONG if what remains cannot fit any column */
static sb_udl_issue_t remove_breaks(const char **ps, apr_size_t *plen, char *scratch,
                                    apr_size_t *used)
{
    const apr_size_t room = 4 * TEXT_MAX; /* the rest is for upper_copy and dates */
    char *out = scratch + *used;
    apr_size_t i, n = 0;

    for (i = 0; i < *plen; i++) {
        char c = (*ps)[i];

        if (c != '\r' && c != '\n') {
            if (n == room) {
                return SB_UDL_OVERLONG;
            }
            out[n++] = c;
        }
    }
    *ps = out;
    *plen = n;
    *used += n;
    return SB_UDL_FINE;
}

static sb_udl_issue_t convert_text(sb_udl_value_t *v, sb_udl_rule_t rule, int max, int flags,
                                   const char *s, apr_size_t len, char *scratch, apr_size_t *used)
{
    sb_udl_issue_t issue;

    switch (rule) {
    case SB_UDL_CLEAN:
        return fitted(v, s, len, max, flags);
    case SB_UDL_UPPER:
        return fitted(v, upper_copy(s, len, scratch, used), len, max, flags);
    case SB_UDL_SEX:
        issue = from_list(v, sexes, s, len);
        return issue != SB_UDL_NISSUES ? issue : unlisted(v, s, len, max, scratch, used);
    case SB_UDL_TYPE:
        issue = from_list(v, types, s, len);
        return issue != SB_UDL_NISSUES ? issue : unlisted(v, s, len, max, scratch, used);
    case SB_UDL_CONDITION:
        issue = from_list(v, conditions, s, len);
        if (issue == SB_UDL_NISSUES) {
            return len > (apr_size_t)max ? SB_UDL_NO_CONDITION
                                         : unlisted(v, s, len, max, scratch, used);
        }
        return issue;
    case SB_UDL_SUBJECT:
        return subject(v, s, len, max);
    case SB_UDL_GRADE:
        return grade(v, s, len, max, scratch, used);
    case SB_UDL_YES_NO:
        return yes_no(v, s, len);
    case SB_UDL_COMPLETE:
        return complete(v, s, len);
    case SB_UDL_OP:
        return op(v, s, len);
    case SB_UDL_DATE:
        return date(v, s, len, max, SB_UDL_NO_DATE, scratch, used);
    case SB_UDL_DAY_TAKEN:
        return date(v, s, len, max, SB_UDL_NO_DAY_TAKEN, scratch, used);
    case SB_UDL_NUMBER:
        return number(v, s, len);
    case SB_UDL_SR_SEX:
        issue = sr_sex(v, s, len);
        return issue != SB_UDL_NISSUES ? issue : unlisted(v, s, len, max, scratch, used);
    case SB_UDL_SR_YES_NO:
        return sr_yes_no(v, s, len);
    case SB_UDL_SR_DATE:
        return sr_date(v, s, len, max, scratch, used);
    }
    return SB_UDL_FINE;
}

/* Blanks only: what that means depends on the rule. */
static sb_udl_issue_t convert_blank(sb_udl_value_t *v, sb_udl_rule_t rule, int flags)
{
    if (rule == SB_UDL_OP) {
        return SB_UDL_NO_OP;
    }
    if (flags & SB_UDL_REQUIRED) {
        return SB_UDL_MISSING;
    }
    if (rule == SB_UDL_NUMBER) {
        return SB_UDL_NO_NUMBER;
    }
    if (rule == SB_UDL_YES_NO || rule == SB_UDL_COMPLETE || rule == SB_UDL_DATE ||
        rule == SB_UDL_SR_YES_NO || rule == SB_UDL_SR_DATE) {
        return SB_UDL_FINE; /* null */
    }
    return text(v, "", 0);
}

/* Text over the 255 characters of the original, which took it for null. */
static sb_udl_issue_t convert_overlong(sb_udl_rule_t rule, int flags)
{
    switch (rule) {
    case SB_UDL_DATE:
    case SB_UDL_DAY_TAKEN:
    case SB_UDL_SR_DATE:
        return SB_UDL_NO_DAY_TAKEN;
    case SB_UDL_NUMBER:
        return SB_UDL_NO_NUMBER;
    case SB_UDL_YES_NO:
    case SB_UDL_SR_YES_NO:
    case SB_UDL_COMPLETE:
        return SB_UDL_NO_FLAG;
    case SB_UDL_OP:
        return SB_UDL_NO_OP;
    default:
        break;
    }
    return flags & SB_UDL_IS_ID      ? SB_UDL_CUT_ID
           : flags & SB_UDL_REQUIRED ? SB_UDL_MISSING
                                     : SB_UDL_OVERLONG;
}

/* Windows-1252 into UTF-8, line breaks removed as by remove_breaks. */
static sb_udl_issue_t from_1252(const char **ps, apr_size_t *plen, char *scratch, apr_size_t *used)
{
    /* 0x80 to 0x9f; 0: no character. The others are those of Unicode. */
    static const unsigned short high[32] = {
        0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
        0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
        0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178};
    const apr_size_t room = 4 * TEXT_MAX;
    char *out = scratch + *used;
    apr_size_t i, n = 0;

    for (i = 0; i < *plen; i++) {
        unsigned c = (unsigned char)(*ps)[i];

        if (c == '\r' || c == '\n') {
            continue;
        }
        c = c >= 0x80 && c < 0xa0 ? high[c - 0x80] : c;
        if (!c) {
            return SB_UDL_ENCODING;
        }
        if (n + 3 > room) {
            return SB_UDL_OVERLONG;
        }
        if (c < 0x80) {
            out[n++] = (char)c;
        }
        else if (c < 0x800) {
            out[n++] = (char)(0xc0 | c >> 6);
            out[n++] = (char)(0x80 | (c & 0x3f));
        }
        else {
            out[n++] = (char)(0xe0 | c >> 12);
            out[n++] = (char)(0x80 | (c >> 6 & 0x3f));
            out[n++] = (char)(0x80 | (c & 0x3f));
        }
    }
    *ps = out;
    *plen = n;
    *used += n;
    return SB_UDL_FINE;
}

/* Text with bytes outside 0x20..0x7e: what of it cannot be stored? */
static sb_udl_issue_t check_bytes(const char **ps, apr_size_t *plen, int flags, char *scratch,
                                  apr_size_t *used)
{
    if (flags & SB_UDL_AS_1252) {
        return from_1252(ps, plen, scratch, used);
    }
    if (!sb_utf8_is_valid(*ps, *plen) || memchr(*ps, 0, *plen)) {
        return SB_UDL_ENCODING;
    }
    if (memchr(*ps, '\n', *plen) || memchr(*ps, '\r', *plen)) {
        return remove_breaks(ps, plen, scratch, used);
    }
    return SB_UDL_FINE;
}

sb_udl_issue_t sb_udl_convert(sb_udl_value_t *v, sb_udl_rule_t rule, int max, int flags,
                              const char *s, apr_size_t len, char *scratch, apr_size_t *used)
{
    sb_udl_issue_t issue;

    v->kind = SB_UDL_V_NULL;
    v->number = 0;
    if (len == 0) {
        if (rule == SB_UDL_OP) {
            return text(v, "C", 1);
        }
        return flags & SB_UDL_REQUIRED ? SB_UDL_MISSING : SB_UDL_FINE;
    }
    if (flags & SB_UDL_NOT_PLAIN) {
        issue = check_bytes(&s, &len, flags, scratch, used);
        if (issue != SB_UDL_FINE) {
            return issue == SB_UDL_OVERLONG ? convert_overlong(rule, flags) : issue;
        }
    }
    while (len && *s == ' ') {
        s++;
        len--;
    }
    while (len && s[len - 1] == ' ') {
        len--;
    }
    if (len == 0) {
        return convert_blank(v, rule, flags);
    }
    if (len > TEXT_MAX && (len > 4 * TEXT_MAX || prefix_bytes(s, len, TEXT_MAX) < len)) {
        return convert_overlong(rule, flags);
    }
    if ((flags & SB_UDL_NOT_PLAIN) && (flags & SB_UDL_IS_ID) && has_control(s, len)) {
        return SB_UDL_CONTROL;
    }
    return convert_text(v, rule, max, flags, s, len, scratch, used);
}

int sb_udl_ethnicity(int hispanic, int indian, int asian, int black, int pacific, int white,
                     int two_or_more)
{
    return hispanic == 1      ? 3
           : two_or_more == 1 ? 7
           : black == 1       ? 1
           : asian == 1       ? 2
           : indian == 1      ? 4
           : pacific == 1     ? 5
           : white == 1       ? 6
                              : 0;
}
