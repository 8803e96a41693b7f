/* What can be wrong with a value: number, name, words, and what is done about it. See sb_udl_rules.h. */

#include <string.h>

#include <apr_strings.h>

#include "udl/sb_udl_rules.h"

const sb_udl_issue_info_t sb_udl_issue_info[SB_UDL_NISSUES] = {
    [SB_UDL_FINE] = {0, "fine", "", SB_UDL_ACCEPT, SB_UDL_ACCEPT},
    [SB_UDL_MISSING] = {3101, "missing", "a required value is empty", SB_UDL_REJECT, SB_UDL_REJECT},
    [SB_UDL_OVERLONG] = {3102, "overlong", "longer than 255 characters, left empty", SB_UDL_WARN,
                         SB_UDL_ACCEPT},
    [SB_UDL_CUT] = {3103, "cut", "longer than %d characters, cut", SB_UDL_WARN, SB_UDL_ACCEPT},
    [SB_UDL_CUT_ID] = {3104, "id-too-long", "longer than %d characters, and not to be cut",
                       SB_UDL_REJECT, SB_UDL_REJECT},
    [SB_UDL_CONTROL] = {3105, "control-character", "an identifier with a control character",
                        SB_UDL_REJECT, SB_UDL_REJECT},
    [SB_UDL_ENCODING] = {3106, "encoding", "no text: a NUL, or neither UTF-8 nor Windows-1252",
                         SB_UDL_REJECT, SB_UDL_REJECT},
    [SB_UDL_NO_SUCH_DAY] = {3107, "no-such-day", "no day of the calendar", SB_UDL_REJECT,
                            SB_UDL_REJECT},
    [SB_UDL_NO_DATE] = {3108, "no-date", "no known form of a date (YYYY-MM-DD)", SB_UDL_REJECT,
                        SB_UDL_ACCEPT},
    [SB_UDL_NO_DAY_TAKEN] = {3109, "bad-date", "no known form of a date (YYYYMMDD)", SB_UDL_REJECT,
                             SB_UDL_REJECT},
    [SB_UDL_NO_NUMBER] = {3110, "no-number", "no whole number", SB_UDL_REJECT, SB_UDL_REJECT},
    [SB_UDL_NUMBER_RANGE] = {3111, "out-of-range", "a number outside -32768..32767", SB_UDL_REJECT,
                             SB_UDL_REJECT},
    [SB_UDL_NUMBER_FORM] = {3112, "number-form", "a whole number in an unusual form", SB_UDL_WARN,
                            SB_UDL_ACCEPT},
    [SB_UDL_NO_FLAG] = {3113, "no-flag", "neither yes nor no", SB_UDL_REJECT, SB_UDL_REJECT},
    [SB_UDL_NO_GRADE] = {3114, "no-grade", "a number that is no grade (1 to 13)", SB_UDL_REJECT,
                         SB_UDL_REJECT},
    [SB_UDL_NO_OP] = {3115, "no-op", "neither create (C, I) nor delete (D)", SB_UDL_REJECT,
                      SB_UDL_REJECT},
    [SB_UDL_LOOSE] = {3116, "loose", "understood by its beginning only", SB_UDL_WARN,
                      SB_UDL_ACCEPT},
    [SB_UDL_UNKNOWN] = {3117, "unknown", "not in the list, kept as it is", SB_UDL_WARN,
                        SB_UDL_ACCEPT},
    [SB_UDL_NO_CONDITION] = {3118, "no-condition", "none of SD, NS, IN", SB_UDL_REJECT,
                             SB_UDL_REJECT},
    [SB_UDL_OTHER_STATE] = {3119, "other-state", "not the state of this tenant", SB_UDL_REJECT,
                            SB_UDL_ACCEPT},
    [SB_UDL_OTHER_TYPE] = {3120, "other-type", "not what the metadata says", SB_UDL_WARN,
                           SB_UDL_ACCEPT},
    [SB_UDL_OTHER_GUID] = {3014, "other-assessment", "not the assessment of the metadata",
                           SB_UDL_FAIL, SB_UDL_FAIL},
    [SB_UDL_COLUMNS] = {3008, "columns", "more or fewer fields than the header", SB_UDL_REJECT,
                        SB_UDL_REJECT},
    [SB_UDL_BLANK_LINE] = {3121, "blank-line", "a blank line", SB_UDL_WARN, SB_UDL_ACCEPT},
    [SB_UDL_LATIN1] = {3122, "latin-1", "not UTF-8, read as Windows-1252", SB_UDL_WARN,
                       SB_UDL_ACCEPT},
    [SB_UDL_HALF_SCORES] = {3123, "half-scores", "of score, range and level some are missing",
                            SB_UDL_WARN, SB_UDL_ACCEPT},
    [SB_UDL_NO_LEVEL] = {3124, "no-level", "a level that the metadata does not have", SB_UDL_REJECT,
                         SB_UDL_ACCEPT},
    [SB_UDL_NO_CLAIM_LEVEL] = {3125, "no-claim-level",
                               "a claim level that the metadata does not have", SB_UDL_WARN,
                               SB_UDL_ACCEPT},
    [SB_UDL_SCORE_RANGE] = {3126, "score-range", "a score outside of what the metadata says",
                            SB_UDL_WARN, SB_UDL_ACCEPT},
    [SB_UDL_RANGE_ORDER] = {3127, "range-order", "a range whose minimum is above its maximum",
                            SB_UDL_WARN, SB_UDL_ACCEPT},
    [SB_UDL_DUPLICATE] = {3128, "duplicate", "the same key as an earlier row, which does not count",
                          SB_UDL_WARN, SB_UDL_ACCEPT},
    [SB_UDL_DATE_FORM] = {3129, "date-form", "a date in another form than YYYY-MM-DD", SB_UDL_WARN,
                          SB_UDL_ACCEPT},
};

const char *sb_udl_issue_text(sb_udl_issue_t issue, int max, apr_pool_t *p)
{
    const char *text = sb_udl_issue_info[issue].reason, *gap = strstr(text, "%d");

    return gap ? apr_psprintf(p, "%.*s%d%s", (int)(gap - text), text, max, gap + 2) : text;
}
