/* The loader's rules of single values. Tables of the contract's measured examples (section 9 and
 * 10), with what the product does instead where the original produced nonsense. */

#include "udl/sb_udl_columns.h"
#include "udl/sb_udl_rules.h"
#include "tap.h"

#define NUL "\x01" /* stands for SQL NULL in a table */

typedef struct {
    sb_udl_rule_t rule;
    int max;
    int flags;
    const char *in;
    const char *want; /* NUL: null; NULL: whatever, the row does not load */
    sb_udl_issue_t issue;
} case_t;

static const case_t cases[] = {
    /* grade */
    {SB_UDL_GRADE, 10, 0, "3", "03", SB_UDL_FINE},
    {SB_UDL_GRADE, 10, 0, "03", "03", SB_UDL_FINE},
    {SB_UDL_GRADE, 10, 0, "11", "11", SB_UDL_FINE},
    {SB_UDL_GRADE, 10, 0, "13", "13", SB_UDL_FINE},
    {SB_UDL_GRADE, 10, 0, "14", NULL, SB_UDL_NO_GRADE},
    {SB_UDL_GRADE, 10, 0, "15", NULL, SB_UDL_NO_GRADE},
    {SB_UDL_GRADE, 10, 0, "100", NULL, SB_UDL_NO_GRADE},
    {SB_UDL_GRADE, 10, 0, "0", NULL, SB_UDL_NO_GRADE},
    {SB_UDL_GRADE, 10, 0, "00", NULL, SB_UDL_NO_GRADE},
    {SB_UDL_GRADE, 10, 0, "014", NULL, SB_UDL_NO_GRADE},
    {SB_UDL_GRADE, 10, 0, "-1", NULL, SB_UDL_NO_GRADE},
    {SB_UDL_GRADE, 10, 0, "12A", "12", SB_UDL_LOOSE},
    {SB_UDL_GRADE, 10, 0, "3.5", NULL, SB_UDL_NO_GRADE},
    {SB_UDL_GRADE, 10, 0, "3.0", "03", SB_UDL_LOOSE},
    {SB_UDL_GRADE, 10, 0, "KG", "KG", SB_UDL_FINE},
    {SB_UDL_GRADE, 10, 0, "PK", "PK", SB_UDL_UNKNOWN},
    {SB_UDL_GRADE, 10, 0, "Kindergarten", "Kindergart", SB_UDL_CUT},
    {SB_UDL_GRADE, 10, 0, " 3", "03", SB_UDL_FINE},
    {SB_UDL_GRADE, 10, SB_UDL_REQUIRED, "  ", NULL, SB_UDL_MISSING},
    /* sex */
    {SB_UDL_SEX, 10, 0, "m", "male", SB_UDL_FINE},
    {SB_UDL_SEX, 10, 0, "BOY", "male", SB_UDL_FINE},
    {SB_UDL_SEX, 10, 0, "  male ", "male", SB_UDL_FINE},
    {SB_UDL_SEX, 10, 0, "f", "female", SB_UDL_FINE},
    {SB_UDL_SEX, 10, 0, "Girl", "female", SB_UDL_FINE},
    {SB_UDL_SEX, 10, 0, "Femme", "female", SB_UDL_LOOSE},
    {SB_UDL_SEX, 10, 0, "not_specified", "NS", SB_UDL_FINE},
    {SB_UDL_SEX, 10, 0, "ns", "NS", SB_UDL_FINE},
    {SB_UDL_SEX, 10, 0, "x", "X", SB_UDL_UNKNOWN},
    {SB_UDL_SEX, 10, SB_UDL_REQUIRED, "", NULL, SB_UDL_MISSING},
    /* flags: the rule and the conversion behind it in one step */
    {SB_UDL_YES_NO, 0, 0, "yes", "true", SB_UDL_FINE},
    {SB_UDL_YES_NO, 0, 0, "1", "true", SB_UDL_FINE},
    {SB_UDL_YES_NO, 0, 0, "TRUE", "true", SB_UDL_FINE},
    {SB_UDL_YES_NO, 0, 0, "no", "false", SB_UDL_FINE},
    {SB_UDL_YES_NO, 0, 0, "0", "false", SB_UDL_FINE},
    {SB_UDL_YES_NO, 0, 0, "false", "false", SB_UDL_FINE},
    {SB_UDL_YES_NO, 0, 0, " N ", "false", SB_UDL_FINE},
    {SB_UDL_YES_NO, 0, 0, "x", NULL, SB_UDL_NO_FLAG},
    {SB_UDL_YES_NO, 0, 0, "on", "true", SB_UDL_FINE},
    {SB_UDL_YES_NO, 0, 0, "off", "false", SB_UDL_FINE},
    {SB_UDL_YES_NO, 0, 0, "o", NULL, SB_UDL_NO_FLAG},
    {SB_UDL_YES_NO, 0, 0, "none", "false", SB_UDL_LOOSE},
    {SB_UDL_YES_NO, 0, 0, "", NUL, SB_UDL_FINE},
    {SB_UDL_YES_NO, 0, 0, " ", NUL, SB_UDL_FINE},
    /* op */
    {SB_UDL_OP, 1, 0, "", "C", SB_UDL_FINE},
    {SB_UDL_OP, 1, 0, "insert", "C", SB_UDL_FINE},
    {SB_UDL_OP, 1, 0, "c", "C", SB_UDL_FINE},
    {SB_UDL_OP, 1, 0, "Delete", "W", SB_UDL_FINE},
    {SB_UDL_OP, 1, 0, "David", "W", SB_UDL_LOOSE},
    {SB_UDL_OP, 1, 0, "W", "W", SB_UDL_FINE},
    {SB_UDL_OP, 1, 0, "U", NULL, SB_UDL_NO_OP},
    {SB_UDL_OP, 1, 0, "update", NULL, SB_UDL_NO_OP},
    {SB_UDL_OP, 1, 0, "  ", NULL, SB_UDL_NO_OP},
    /* subject */
    {SB_UDL_SUBJECT, 64, 0, "mathematics", "Math", SB_UDL_FINE},
    {SB_UDL_SUBJECT, 64, 0, "MaTh", "MaTh", SB_UDL_UNKNOWN},
    {SB_UDL_SUBJECT, 64, 0, "english", "english", SB_UDL_UNKNOWN},
    {SB_UDL_SUBJECT, 64, 0, "Science", "Science", SB_UDL_FINE},
    {SB_UDL_SUBJECT, 64, 0, " Math ", "Math", SB_UDL_FINE},
    {SB_UDL_SUBJECT, 64, 0, "English Language Arts", "ELA", SB_UDL_FINE},
    {SB_UDL_SUBJECT, 64, 0, "ELA-Literacy", "ELA", SB_UDL_LOOSE},
    /* type */
    {SB_UDL_TYPE, 32, 0, "summative", "SUMMATIVE", SB_UDL_FINE},
    {SB_UDL_TYPE, 32, 0, "Interim Assessment Block", "INTERIM ASSESSMENT BLOCKS", SB_UDL_FINE},
    {SB_UDL_TYPE, 32, 0, "Interim Comprehensive", "INTERIM COMPREHENSIVE", SB_UDL_FINE},
    {SB_UDL_TYPE, 32, 0, "practice", "PRACTICE", SB_UDL_UNKNOWN},
    /* administration condition, completeness */
    {SB_UDL_CONDITION, 2, 0, "Invalid", "IN", SB_UDL_FINE},
    {SB_UDL_CONDITION, 2, 0, "sd", "SD", SB_UDL_FINE},
    {SB_UDL_CONDITION, 2, 0, "VALID", NULL, SB_UDL_NO_CONDITION},
    {SB_UDL_CONDITION, 2, 0, "zz", "ZZ", SB_UDL_UNKNOWN},
    {SB_UDL_CONDITION, 2, 0, "", NUL, SB_UDL_FINE},
    {SB_UDL_CONDITION, 2, 0, "  ", "", SB_UDL_FINE},
    {SB_UDL_COMPLETE, 0, 0, "Complete", "true", SB_UDL_FINE},
    {SB_UDL_COMPLETE, 0, 0, "Completed", "true", SB_UDL_LOOSE},
    {SB_UDL_COMPLETE, 0, 0, "partial", "false", SB_UDL_FINE},
    {SB_UDL_COMPLETE, 0, 0, "TRUE", "true", SB_UDL_FINE},
    {SB_UDL_COMPLETE, 0, 0, "maybe", NULL, SB_UDL_NO_FLAG},
    {SB_UDL_COMPLETE, 0, 0, "", NUL, SB_UDL_FINE},
    /* dates */
    {SB_UDL_DATE, 8, 0, "2014-03-15", "20140315", SB_UDL_FINE},
    {SB_UDL_DATE, 8, 0, "20140315", "20140315", SB_UDL_FINE},
    {SB_UDL_DATE, 8, 0, "15 March 2014", "20140315", SB_UDL_FINE},
    {SB_UDL_DATE, 8, 0, "15 mar 14", "20140315", SB_UDL_FINE},
    {SB_UDL_DATE, 8, 0, "1 Jan 99", "19990101", SB_UDL_FINE},
    {SB_UDL_DATE, 8, 0, "03-15-2014", "20140315", SB_UDL_FINE},
    {SB_UDL_DATE, 8, 0, "3-5-2014", "20140305", SB_UDL_FINE},
    {SB_UDL_DATE, 8, 0, "3-15-2014", "20140315", SB_UDL_FINE},
    {SB_UDL_DATE, 8, 0, "2014/03/15", "20140315", SB_UDL_FINE},
    {SB_UDL_DATE, 8, 0, "3/15/2014", "20140315", SB_UDL_FINE},
    {SB_UDL_DATE, 8, 0, "1998-1-23", "19980123", SB_UDL_FINE},
    {SB_UDL_DATE, 8, 0, "2014-03-15T10:00:00", "20140315", SB_UDL_LOOSE},
    {SB_UDL_DATE, 8, 0, "20000229", "20000229", SB_UDL_FINE},
    {SB_UDL_DATE, 8, 0, "19000229", NULL, SB_UDL_NO_SUCH_DAY},
    {SB_UDL_DATE, 8, 0, "abc", "abc", SB_UDL_NO_DATE},
    {SB_UDL_DATE, 8, 0, "2014", "2014", SB_UDL_NO_DATE},
    {SB_UDL_DATE, 8, 0, "201403", "201403", SB_UDL_NO_DATE},
    {SB_UDL_DATE, 8, 0, "201403150", "20140315", SB_UDL_NO_DATE},
    {SB_UDL_DATE, 8, 0, "4/3/99", "4/3/99", SB_UDL_NO_DATE},
    {SB_UDL_DATE, 8, 0, "10/23/99", "10/23/99", SB_UDL_NO_DATE},
    {SB_UDL_DATE, 8, 0, "15 Marz 2014", "15 Marz ", SB_UDL_NO_DATE},
    {SB_UDL_DATE, 8, 0, "2014-13-45", NULL, SB_UDL_NO_SUCH_DAY},
    {SB_UDL_DATE, 8, 0, "20140230", NULL, SB_UDL_NO_SUCH_DAY},
    {SB_UDL_DATE, 8, 0, "2014-02-30", NULL, SB_UDL_NO_SUCH_DAY},
    {SB_UDL_DATE, 8, 0, "15-03-2014", NULL, SB_UDL_NO_SUCH_DAY},
    {SB_UDL_DATE, 8, 0, "00000000", NULL, SB_UDL_NO_SUCH_DAY},
    {SB_UDL_DATE, 8, 0, "", NUL, SB_UDL_FINE},
    {SB_UDL_DAY_TAKEN, 8, SB_UDL_REQUIRED, "20140315", "20140315", SB_UDL_FINE},
    {SB_UDL_DAY_TAKEN, 8, SB_UDL_REQUIRED, "2014", NULL, SB_UDL_NO_DAY_TAKEN},
    {SB_UDL_DAY_TAKEN, 8, SB_UDL_REQUIRED, "", NULL, SB_UDL_MISSING},
    {SB_UDL_DAY_TAKEN, 8, SB_UDL_REQUIRED, "20140231", NULL, SB_UDL_NO_SUCH_DAY},
    /* numbers */
    {SB_UDL_NUMBER, 0, 0, "1200", "1200", SB_UDL_FINE},
    {SB_UDL_NUMBER, 0, 0, "0", "0", SB_UDL_FINE},
    {SB_UDL_NUMBER, 0, 0, "-5", "-5", SB_UDL_FINE},
    {SB_UDL_NUMBER, 0, 0, "+7", "7", SB_UDL_FINE},
    {SB_UDL_NUMBER, 0, 0, "000012", "12", SB_UDL_FINE},
    {SB_UDL_NUMBER, 0, 0, " 12 ", "12", SB_UDL_FINE},
    {SB_UDL_NUMBER, 0, 0, "32767", "32767", SB_UDL_FINE},
    {SB_UDL_NUMBER, 0, 0, "-32768", "-32768", SB_UDL_FINE},
    {SB_UDL_NUMBER, 0, 0, "32768", NULL, SB_UDL_NUMBER_RANGE},
    {SB_UDL_NUMBER, 0, 0, "123456", NULL, SB_UDL_NUMBER_RANGE},
    {SB_UDL_NUMBER, 0, 0, "99999999999999999999", NULL, SB_UDL_NUMBER_RANGE},
    {SB_UDL_NUMBER, 0, 0, "1200.0", "1200", SB_UDL_NUMBER_FORM},
    {SB_UDL_NUMBER, 0, 0, "1200.", "1200", SB_UDL_NUMBER_FORM},
    {SB_UDL_NUMBER, 0, 0, "1,234", "1234", SB_UDL_NUMBER_FORM},
    {SB_UDL_NUMBER, 0, 0, "-1,234.00", "-1234", SB_UDL_NUMBER_FORM},
    {SB_UDL_NUMBER, 0, 0, "1,23", NULL, SB_UDL_NO_NUMBER},
    {SB_UDL_NUMBER, 0, 0, "1234,567", NULL, SB_UDL_NO_NUMBER},
    {SB_UDL_NUMBER, 0, 0, "12.5", NULL, SB_UDL_NO_NUMBER},
    {SB_UDL_NUMBER, 0, 0, "0.75", NULL, SB_UDL_NO_NUMBER},
    {SB_UDL_NUMBER, 0, 0, "12a", NULL, SB_UDL_NO_NUMBER},
    {SB_UDL_NUMBER, 0, 0, "a12", NULL, SB_UDL_NO_NUMBER},
    {SB_UDL_NUMBER, 0, 0, "1e3", NULL, SB_UDL_NO_NUMBER},
    {SB_UDL_NUMBER, 0, 0, "1 2", NULL, SB_UDL_NO_NUMBER},
    {SB_UDL_NUMBER, 0, 0, "(5)", NULL, SB_UDL_NO_NUMBER},
    {SB_UDL_NUMBER, 0, 0, "-", NULL, SB_UDL_NO_NUMBER},
    {SB_UDL_NUMBER, 0, 0, " ", NULL, SB_UDL_NO_NUMBER},
    {SB_UDL_NUMBER, 0, 0, "", NUL, SB_UDL_FINE},
    {SB_UDL_NUMBER, 0, SB_UDL_REQUIRED, "", NULL, SB_UDL_MISSING},
    /* texts */
    {SB_UDL_CLEAN, 35, 0, " Anna ", "Anna", SB_UDL_FINE},
    {SB_UDL_CLEAN, 35, 0, "\tAnna", "\tAnna", SB_UDL_FINE},
    {SB_UDL_CLEAN, 35, 0, "An\nna\r", "Anna", SB_UDL_FINE},
    {SB_UDL_CLEAN, 5, 0, "Margarete", "Marga", SB_UDL_CUT},
    {SB_UDL_CLEAN, 5, 0, "Zo\xC3\xAB\xC3\xAB\xC3\xAB", "Zo\xC3\xAB\xC3\xAB\xC3\xAB", SB_UDL_FINE},
    {SB_UDL_CLEAN, 3, 0, "Zo\xC3\xAB\xC3\xAB", "Zo\xC3\xAB", SB_UDL_CUT},
    {SB_UDL_CLEAN, 35, 0, "M\xFCller", NULL, SB_UDL_ENCODING},
    {SB_UDL_CLEAN, 35, SB_UDL_AS_1252, "M\xFCller", "M\xC3\xBCller", SB_UDL_FINE},
    {SB_UDL_CLEAN, 35, SB_UDL_AS_1252, "\x80 \x9F\n\xFF", "\xE2\x82\xAC \xC5\xB8\xC3\xBF",
     SB_UDL_FINE},
    {SB_UDL_CLEAN, 2, SB_UDL_AS_1252, "\xFC\xFC\xFC", "\xC3\xBC\xC3\xBC", SB_UDL_CUT},
    {SB_UDL_CLEAN, 35, SB_UDL_AS_1252, "no \x81", NULL, SB_UDL_ENCODING},
    {SB_UDL_NUMBER, 0, SB_UDL_AS_1252, "1\xFC", NULL, SB_UDL_NO_NUMBER},
    /* registration */
    {SB_UDL_SR_SEX, 10, 0, "Male", "male", SB_UDL_FINE},
    {SB_UDL_SR_SEX, 10, 0, "FEMALE", "female", SB_UDL_FINE},
    {SB_UDL_SR_SEX, 10, 0, "M", "male", SB_UDL_LOOSE},
    {SB_UDL_SR_SEX, 10, 0, "girl", "female", SB_UDL_LOOSE},
    {SB_UDL_SR_SEX, 10, 0, "females", "female", SB_UDL_LOOSE},
    {SB_UDL_SR_SEX, 10, 0, "NS", "NS", SB_UDL_FINE},
    {SB_UDL_SR_SEX, 10, 0, "x", "X", SB_UDL_UNKNOWN},
    {SB_UDL_SR_SEX, 10, SB_UDL_REQUIRED, " ", NULL, SB_UDL_MISSING},
    {SB_UDL_SR_YES_NO, 0, 0, "Yes", "true", SB_UDL_FINE},
    {SB_UDL_SR_YES_NO, 0, 0, "no", "false", SB_UDL_FINE},
    {SB_UDL_SR_YES_NO, 0, 0, "y", "true", SB_UDL_FINE},
    {SB_UDL_SR_YES_NO, 0, 0, "1", "true", SB_UDL_FINE},
    {SB_UDL_SR_YES_NO, 0, 0, "FALSE", "false", SB_UDL_FINE},
    {SB_UDL_SR_YES_NO, 0, 0, "Yes, always", "true", SB_UDL_LOOSE},
    {SB_UDL_SR_YES_NO, 0, 0, "Never", NULL, SB_UDL_NO_FLAG},
    {SB_UDL_SR_YES_NO, 0, 0, "tr\xC3\xBC", NULL, SB_UDL_NO_FLAG},
    {SB_UDL_SR_YES_NO, 0, 0, "", NUL, SB_UDL_FINE},
    {SB_UDL_SR_YES_NO, 0, 0, "  ", NUL, SB_UDL_FINE},
    {SB_UDL_SR_YES_NO, 0, SB_UDL_REQUIRED, "", NULL, SB_UDL_MISSING},
    {SB_UDL_SR_DATE, 10, 0, "2014-03-15", "20140315", SB_UDL_FINE},
    {SB_UDL_SR_DATE, 10, 0, "1998-1-23", "19980123", SB_UDL_FINE},
    {SB_UDL_SR_DATE, 10, 0, "20140315", "20140315", SB_UDL_FINE},
    {SB_UDL_SR_DATE, 10, 0, "03-15-2014", "20140315", SB_UDL_DATE_FORM},
    {SB_UDL_SR_DATE, 10, 0, "12-3-2014", "20141203", SB_UDL_DATE_FORM},
    {SB_UDL_SR_DATE, 10, 0, "3-15-2014", "20140315", SB_UDL_DATE_FORM},
    {SB_UDL_SR_DATE, 10, 0, "2014/03/15", "20140315", SB_UDL_DATE_FORM},
    {SB_UDL_SR_DATE, 10, 0, "15 March 2014", "20140315", SB_UDL_DATE_FORM},
    {SB_UDL_SR_DATE, 10, 0, "2014-03-15T10:00", "20140315", SB_UDL_LOOSE},
    {SB_UDL_SR_DATE, 10, 0, "2014-02-30", NULL, SB_UDL_NO_SUCH_DAY},
    {SB_UDL_SR_DATE, 10, 0, "4/3/99", "4/3/99", SB_UDL_NO_DATE},
    {SB_UDL_SR_DATE, 10, 0, "last summer", "last summe", SB_UDL_NO_DATE},
    {SB_UDL_SR_DATE, 10, 0, "", NUL, SB_UDL_FINE},
    {SB_UDL_GRADE, 2, 0, "PreK", "Pr", SB_UDL_CUT},
    {SB_UDL_GRADE, 2, 0, "12th", "12", SB_UDL_LOOSE},
    {SB_UDL_CLEAN, 35, 0, "  ", "", SB_UDL_FINE},
    {SB_UDL_CLEAN, 35, 0, "", NUL, SB_UDL_FINE},
    {SB_UDL_CLEAN, 5, SB_UDL_IS_ID, "123456", NULL, SB_UDL_CUT_ID},
    {SB_UDL_CLEAN, 40, SB_UDL_IS_ID, "12\t3", NULL, SB_UDL_CONTROL},
    {SB_UDL_CLEAN, 40, SB_UDL_IS_ID, "12\xC2\x85", NULL, SB_UDL_CONTROL},
    {SB_UDL_CLEAN, 40, SB_UDL_IS_ID, "12\n3", "123", SB_UDL_FINE},
    {SB_UDL_CLEAN, 40, SB_UDL_IS_ID | SB_UDL_REQUIRED, " ", NULL, SB_UDL_MISSING},
    {SB_UDL_UPPER, 2, SB_UDL_IS_ID, "nc", "NC", SB_UDL_FINE},
    {SB_UDL_UPPER, 2, SB_UDL_IS_ID, "North Carolina", NULL, SB_UDL_CUT_ID},
};

static const char *as_text(char *buf, size_t size, const sb_udl_value_t *v)
{
    switch (v->kind) {
    case SB_UDL_V_NULL:
        return NUL;
    case SB_UDL_V_INT:
        snprintf(buf, size, "%d", v->number);
        return buf;
    case SB_UDL_V_BOOL:
        return v->number ? "true" : "false";
    case SB_UDL_V_TEXT:
        break;
    }
    snprintf(buf, size, "%.*s", (int)v->len, v->s);
    return buf;
}

static void one(const case_t *c)
{
    char scratch[SB_UDL_SCRATCH], buf[300];
    apr_size_t used = 0;
    sb_udl_value_t v;
    sb_udl_issue_t issue;
    const char *have;
    size_t len = strlen(c->in);
    char *in = malloc(len); /* of its own size, for the sanitizer */
    int flags = c->flags | (sb_udl_is_plain(c->in, len) ? 0 : SB_UDL_NOT_PLAIN);

    memcpy(in, c->in, len);
    issue = sb_udl_convert(&v, c->rule, c->max, flags, in, len, scratch, &used);
    have = as_text(buf, sizeof buf, &v);
    ok(issue == c->issue && (!c->want || !strcmp(have, c->want)) && used <= sizeof scratch,
       "rule %d: %s", (int)c->rule,
       strpbrk(c->in, "\n\r\t") ? "a text with control characters" : c->in);
    if (issue != c->issue || (c->want && strcmp(have, c->want))) {
        printf("# have '%s' (%s), want '%s' (%s)\n", have, sb_udl_issue_info[issue].code,
               c->want ? c->want : "any", sb_udl_issue_info[c->issue].code);
    }
    free(in);
}

/* 255 characters are kept, 256 are null; characters, not bytes. */
static void overlong(void)
{
    char in[2 * 300], scratch[SB_UDL_SCRATCH];
    sb_udl_value_t v;
    apr_size_t used = 0;
    int i;

    for (i = 0; i < 256; i++) {
        memcpy(in + 2 * i, "\xC3\xA4", 2);
    }
    is_int(sb_udl_convert(&v, SB_UDL_CLEAN, 255, SB_UDL_NOT_PLAIN, in, 510, scratch, &used),
           SB_UDL_FINE, "255 characters are fine");
    is_int((long long)v.len, 510, "and whole");
    is_int(sb_udl_convert(&v, SB_UDL_CLEAN, 255, SB_UDL_NOT_PLAIN, in, 512, scratch, &used),
           SB_UDL_OVERLONG, "256 are too long");
    is_int(v.kind, SB_UDL_V_NULL, "and become null");
    is_int(sb_udl_convert(&v, SB_UDL_CLEAN, 40, SB_UDL_NOT_PLAIN | SB_UDL_IS_ID, in, 512, scratch,
                          &used),
           SB_UDL_CUT_ID, "an identifier is refused instead");
    used = 0;
    in[0] = '\n';
    in[1] = 'a';
    is_int(sb_udl_convert(&v, SB_UDL_UPPER, 255, SB_UDL_NOT_PLAIN, in, 510, scratch, &used),
           SB_UDL_FINE, "a line break is removed from a long text");
    is_int((long long)v.len, 509, "and only that");
}

static void ethnicity(void)
{
    is_int(sb_udl_ethnicity(-1, -1, -1, -1, -1, -1, -1), 0, "nothing stated");
    is_int(sb_udl_ethnicity(0, 0, 0, 0, 0, 1, 0), 6, "white");
    is_int(sb_udl_ethnicity(0, 0, 1, 1, 0, 1, 0), 1, "the first in code order: black");
    is_int(sb_udl_ethnicity(0, 1, 1, 0, 0, 1, 0), 2, "the first in code order: asian");
    is_int(sb_udl_ethnicity(0, 1, 0, 0, 1, 1, 0), 4, "american indian");
    is_int(sb_udl_ethnicity(0, 0, 0, 0, 1, 1, -1), 5, "pacific islander");
    is_int(sb_udl_ethnicity(0, 0, 0, 1, 0, 0, 1), 7, "two or more");
    is_int(sb_udl_ethnicity(1, 0, 0, 1, 0, 0, 1), 3, "hispanic wins");
}

/* ---- headers --------------------------------------------------------------------------------- */

static int fields_of(sb_csv_field_t *fields, const char *header)
{
    int n = 0;

    for (;;) {
        const char *comma = strchr(header, ',');

        fields[n].s = header;
        fields[n++].len = comma ? (size_t)(comma - header) : strlen(header);
        if (!comma) {
            return n;
        }
        header = comma + 1;
    }
}

static const sb_udl_format_t *const results = &sb_udl_formats[SB_UDL_RESULTS];

static char *full_header(char *buf, int n)
{
    int i;

    *buf = '\0';
    for (i = 0; i < n; i++) {
        strcat(buf, i ? "," : "");
        strcat(buf, results->columns[i].header);
    }
    return buf;
}

static void headers(apr_pool_t *p)
{
    static char buf[8192];
    sb_csv_field_t fields[300];
    sb_udl_map_t map;
    int i, lengths = 0;

    is_str(sb_udl_map_header(&map, NULL, fields, fields_of(fields, full_header(buf, 91)), p), NULL,
           "91 columns");
    is_int(map.place[90], 90, "each in its place");
    is_str(sb_udl_map_header(&map, NULL, fields, fields_of(fields, full_header(buf, 88)), p), NULL,
           "88 columns");
    is_int(map.place[88], -1, "the optional ones nowhere");
    is_str(sb_udl_map_header(&map, NULL, fields, fields_of(fields, full_header(buf, 89)), p), NULL,
           "one of the optional pair alone");
    full_header(buf, 88);
    strcat(buf, ",op");
    is_str(sb_udl_map_header(&map, NULL, fields, fields_of(fields, buf), p), NULL,
           "op alone, lower case");
    is_int(map.place[90], 88, "is found");
    for (i = 0; buf[i]; i++) {
        buf[i] = (char)(buf[i] >= 'a' && buf[i] <= 'z' ? buf[i] - 32 : buf[i]);
    }
    is_str(sb_udl_map_header(&map, NULL, fields, fields_of(fields, buf), p), NULL,
           "case does not matter");
    full_header(buf, 87);
    is_str(sb_udl_map_header(&map, NULL, fields, fields_of(fields, buf), p),
           "columns missing in the header: AccommodationNoiseBuffer (code 3006)", "one missing");
    full_header(buf, 88);
    strcat(buf, ",Foo\x01,Sex");
    is_str(sb_udl_map_header(&map, NULL, fields, fields_of(fields, buf), p),
           "columns named twice: Sex (code 3011); columns of no known name: Foo? (code 3006)",
           "unknown and twice");
    full_header(buf, 91);
    for (i = 0; i < SB_UDL_FIELDS_KEPT; i++) {
        strcat(buf, ",");
    }
    (void)fields_of(fields, buf);
    fields[SB_UDL_FIELDS_KEPT].s = NULL; /* the parser keeps no more */
    ok(strstr(sb_udl_map_header(&map, NULL, fields, 500, p), "500 columns, want 91 (code 3006)") !=
           NULL,
       "more columns than are kept are counted only");
    is_str(sb_udl_map_header(&map, NULL, fields, fields_of(fields, "NC,d1,20150404,1200,Mary"), p),
           "the first line is data, not a header (code 3009)",
           "data without a header, none of it told");
    ok(strstr(
           sb_udl_map_header(&map, NULL, fields, fields_of(fields, "Zqx,Mary,White,Zqx,Female"), p),
           "Zqx") == NULL,
       "words of a child, one of them the name of a column: none is told");
    ok(strstr(sb_udl_map_header(&map, NULL, fields,
                                fields_of(fields, "NC;Zqx, Mary;20060102\nNC;d1"), p),
              "Zqx") == NULL,
       "data between semicolons, none of it told");
    ok(strstr(sb_udl_map_header(&map, NULL, fields, fields_of(fields, "StateAbbreviation;Sex"), p),
              "3005") != NULL,
       "semicolons");
    is_str(sb_udl_map_header(&map, NULL, fields, fields_of(fields, "\xFF\xFES"), p),
           "the file is UTF-16, want UTF-8 (code 3006)", "UTF-16");
    for (i = 0; i < SB_UDL_NCOLUMNS; i++) {
        lengths += results->columns[i].max > 0 && results->columns[i].rule != SB_UDL_NUMBER;
        if (sb_udl_column_index(results, results->columns[i].header,
                                strlen(results->columns[i].header)) != i) {
            ok(0, "column %d has its own name", i);
        }
    }
    ok(lengths > 40, "texts have a length (%d do)", lengths);
    is_str(results->columns[SB_UDL_C_TAKEN].target, "date_taken", "the table's places: date");
    is_str(results->columns[SB_UDL_C_GUID].target, "asmt_guid", "assessment");
    is_str(results->columns[SB_UDL_C_TYPE].target, "asmt_type", "type");
    is_str(results->columns[SB_UDL_C_SUBJECT].target, "asmt_subject", "subject");
    is_str(results->columns[SB_UDL_C_SEX].target, "sex", "sex");
    is_str(results->columns[SB_UDL_C_BIRTHDATE].target, "birthdate", "birth date");
    is_str(results->columns[SB_UDL_C_MIGRANT].target, "dmg_sts_mig", "last flag");
    is_str(results->columns[SB_UDL_C_TWO_OR_MORE].target, "dmg_eth_2om", "two or more");
    is_str(results->columns[SB_UDL_C_GROUP1].target, "group_1_id", "first group");
    is_str(results->columns[SB_UDL_C_GROUP10_TEXT].target, "group_10_text", "last group");
    is_str(results->columns[SB_UDL_C_OP].target, "op", "op");
    is_str(results->columns[SB_UDL_C_SCORE + 3].target, "asmt_perf_lvl", "overall scores");
    is_str(results->columns[SB_UDL_C_SCORE + 19].target, "asmt_claim_4_perf_lvl",
           "to those of claim 4");
}

static void registration(apr_pool_t *p)
{
    static const char header[] =
        "StateName,StateAbbreviation,ResponsibleDistrictIdentifier,OrganizationName,"
        "ResponsibleSchoolIdentifier,NameOfInstitution,StudentIdentifier,ExternalSSID,FirstName,"
        "MiddleName,LastOrSurname,Sex,Birthdate,GradeLevelWhenAssessed,HispanicOrLatinoEthnicity,"
        "AmericanIndianOrAlaskaNative,Asian,BlackOrAfricanAmerican,"
        "NativeHawaiianOrOtherPacificIslander,White,IDEAIndicator,LEPStatus,Section504Status,"
        "EconomicDisadvantageStatus,MigrantStatus,DemographicRaceTwoOrMoreRaces,LanguageCode,"
        "EnglishLanguageProficiencLevel,FirstEntryDateIntoUSSchool,"
        "LimitedEnglishProficiencyEntryDate,LEPExitDate,TitleIIILanguageInstructionProgramType,"
        "PrimaryDisabilityType";
    const sb_udl_format_t *students = &sb_udl_formats[SB_UDL_STUDENTS];
    sb_csv_field_t fields[300];
    sb_udl_map_t map;
    char *more = apr_pstrcat(p, header, ",ConfirmationCode", NULL);
    char *spelled = apr_pstrdup(p, header), *proficiency = strstr(spelled, "ProficiencLevel");

    is_int(students->ncolumns, 33, "registration has 33 columns");
    is_str(sb_udl_map_header(&map, NULL, fields, fields_of(fields, header), p), NULL,
           "its header is known by itself");
    ok(map.format == students && map.place[32] == 32, "each in its place");
    is_str(students->columns[students->student].target, "student_id", "student");
    is_str(students->columns[students->state].target, "state_code", "state");
    is_str(students->columns[SB_UDL_R_DISTRICT].target, "district_id", "district");
    is_str(students->columns[SB_UDL_R_SCHOOL].target, "school_id", "school");
    ok(strstr(sb_udl_map_header(&map, results, fields, fields_of(fields, header), p),
              "the columns are those of student registration, the metadata says results of an"
              " assessment (code 3006)") != NULL,
       "another kind of file than the metadata says");
    is_str(sb_udl_map_header(&map, NULL, fields, fields_of(fields, more), p),
           "columns of no known name: ConfirmationCode (code 3006)", "a 34th column is refused");
    memmove(proficiency + 10, "y", 1); /* spelled right, it is another name */
    ok(strstr(sb_udl_map_header(&map, NULL, fields, fields_of(fields, spelled), p),
              "columns missing in the header: EnglishLanguageProficiencLevel") != NULL,
       "the misspelled name is the name");
}

int main(void)
{
    apr_pool_t *p = tap_pool();
    size_t i;

    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        one(&cases[i]);
    }
    overlong();
    ethnicity();
    headers(p);
    registration(p);
    return done();
}
