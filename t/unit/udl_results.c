/* Rows of results beside their values: what is found in them, and what is asked of rows that came
 * before the metadata; and the sets of digests. */

#include <apr_strings.h>

#include "udl/sb_udl_keys.h"
#include "udl/sb_udl_results.h"
#include "tap.h"

#define NO (-99999) /* an empty field */
#define SCORE SB_UDL_C_SCORE

static apr_pool_t *p;
static sb_udl_value_t v[SB_UDL_NCOLUMNS];

static void text(int column, const char *s)
{
    v[column].kind = SB_UDL_V_TEXT;
    v[column].s = s;
    v[column].len = strlen(s);
}

static void number(int column, int n)
{
    v[column].kind = n == NO ? SB_UDL_V_NULL : SB_UDL_V_INT;
    v[column].number = n;
}

/* A sound row; block i gets these scores. */
static void row(int i, int score, int min, int max, int level)
{
    int at;

    memset(v, 0, sizeof v);
    text(SB_UDL_C_GUID, "g-1");
    text(SB_UDL_C_TYPE, "SUMMATIVE");
    text(SB_UDL_C_SUBJECT, "Math");
    text(SB_UDL_C_OP, "C");
    number(SCORE, 1500);
    number(SCORE + 1, 1450);
    number(SCORE + 2, 1550);
    number(SCORE + 3, 2);
    at = SCORE + SB_UDL_BLOCK * i;
    number(at, score);
    number(at + 1, min);
    number(at + 2, max);
    number(at + 3, level);
}

static void sound(void)
{
    row(0, 1500, 1450, 1550, 2);
}

static sb_udl_meta_t meta_of(const char *type)
{
    sb_udl_meta_t meta;
    int i;

    memset(&meta, 0, sizeof meta);
    meta.guid = "g-1";
    meta.type = type;
    meta.subject = "Math";
    for (i = 0; i < SB_UDL_NBLOCKS; i++) {
        meta.bounds[i].score_min = 1200;
        meta.bounds[i].score_max = 2400;
        meta.bounds[i].level_max = i ? 3 : 4;
    }
    return meta;
}

/* "53:no-level 57:half-scores" */
static const char *said(const sb_udl_findings_t *found)
{
    const char *all = "";
    int i;

    for (i = 0; i < found->n; i++) {
        all = apr_psprintf(p, "%s%s%d:%s", all, *all ? " " : "", found->at[i].column - SCORE,
                           sb_udl_issue_info[found->at[i].issue].code);
    }
    return all;
}

static const char *checked(void)
{
    sb_udl_findings_t found;

    sb_udl_results_check(&found, v);
    return said(&found);
}

static void by_itself(void)
{
    sound();
    is_str(checked(), "", "a sound row");
    row(1, 1500, 1450, 1550, 2);
    is_str(checked(), "", "with a claim");
    row(1, NO, 1450, 1550, 2);
    is_str(checked(), "4:half-scores", "a claim without its score");
    row(4, 1500, NO, NO, NO);
    is_str(checked(), "16:half-scores", "a score without anything");
    row(2, 1500, 1600, 1550, 2);
    is_str(checked(), "9:range-order", "a range upside down");
    row(0, 1500, 1600, 1550, 2);
    is_str(checked(), "1:range-order", "the overall one too");
    text(SB_UDL_C_OP, "W");
    is_str(checked(), "", "of a delete nothing is asked");
}

/* What the metadata says of the row; and, if it came later, about what it would ask. */
static void compare(const sb_udl_meta_t *meta, const char *want, const char *asks, const char *what)
{
    const apr_array_header_t *questions;
    const char *asked = "";
    sb_udl_findings_t found;
    sb_udl_seen_t seen;
    int i;

    sb_udl_results_begin(&seen);
    sb_udl_results_compare(&found, v, meta, &seen, 7, p);
    is_str(said(&found), want, what);
    sb_udl_results_compare(&found, v, NULL, &seen, 7, p);
    is_int(found.n, 0, "without it nothing is said");
    questions = sb_udl_results_questions(&seen, meta, p);
    for (i = 0; i < questions->nelts; i++) {
        const sb_udl_question_t *q = &APR_ARRAY_IDX(questions, i, sb_udl_question_t);

        asked = apr_psprintf(p, "%s%s%d:%s (%s)", asked, *asked ? " " : "", q->column - SCORE,
                             sb_udl_issue_info[q->issue].code, q->where);
    }
    is_str(asked, asks, "later it asks");
}

static void by_metadata(void)
{
    sb_udl_meta_t meta = meta_of("SUMMATIVE"), blocks = meta_of(SB_UDL_BLOCKS_TYPE);

    sound();
    compare(&meta, "", "", "a sound row");
    text(SB_UDL_C_GUID, "g-2");
    compare(&meta, "-8:other-assessment", "-8:other-assessment (asmt_guid <> $1)", "another one");
    sound();
    text(SB_UDL_C_SUBJECT, "ELA");
    compare(&meta, "-2:other-type", "-2:other-type (asmt_subject <> $1)", "another subject");
    sound();
    compare(&blocks, "-3:other-type", "-3:other-type (asmt_type <> $1)", "another type");
    row(0, 1500, NO, 1550, NO);
    compare(&meta, "1:missing 3:missing",
            "0:missing (asmt_score IS NULL) 1:missing (asmt_score_range_min IS NULL)"
            " 2:missing (asmt_score_range_max IS NULL) 3:missing (asmt_perf_lvl IS NULL)",
            "overall scores are needed");
    text(SB_UDL_C_TYPE, SB_UDL_BLOCKS_TYPE);
    compare(&blocks, "", "", "but of blocks");
    row(0, 2401, 2300, 2500, 5);
    compare(&meta, "0:score-range 3:no-level",
            "0:score-range (op = 'C' AND asmt_score NOT BETWEEN $1::int AND $2::int)"
            " 3:no-level (op = 'C' AND asmt_perf_lvl NOT BETWEEN $1::int AND $2::int)",
            "beyond the bounds");
    row(0, 1200, 1100, 1300, 4);
    compare(&meta, "", "", "at the bounds, the error band beyond them");
    row(0, 1500, 1450, 1550, 0);
    compare(&meta, "3:no-level",
            "3:no-level (op = 'C' AND asmt_perf_lvl NOT BETWEEN $1::int AND $2::int)", "level 0");
    meta.bounds[0].level_max = 0;
    compare(&meta, "", "", "metadata without levels");
    row(2, 1500, 1450, 1550, 4);
    compare(
        &meta, "11:no-claim-level",
        "11:no-claim-level (op = 'C' AND asmt_claim_2_perf_lvl NOT BETWEEN $1::int AND $2::int)",
        "a claim's level");
    text(SB_UDL_C_TYPE, SB_UDL_BLOCKS_TYPE);
    compare(&blocks, "", "", "which does not count in blocks");
    row(1, 1500, 1450, 1550, 4);
    text(SB_UDL_C_TYPE, SB_UDL_BLOCKS_TYPE);
    compare(&blocks, "7:no-claim-level",
            "7:no-claim-level (op = 'C' AND asmt_claim_1_perf_lvl NOT BETWEEN $1::int AND $2::int)",
            "but in the first claim");
    row(0, 5000, 1450, 1550, 9);
    text(SB_UDL_C_OP, "W");
    compare(&meta, "", "", "what is to be deleted may be wrong");
}

/* Rows that differ from the first one. */
static void mixed(void)
{
    sb_udl_meta_t meta = meta_of("SUMMATIVE");
    sb_udl_findings_t found;
    sb_udl_seen_t seen;

    sb_udl_results_begin(&seen);
    is_int(sb_udl_results_questions(&seen, &meta, p)->nelts, 0, "without rows no questions");
    sound();
    sb_udl_results_compare(&found, v, NULL, &seen, 2, p);
    text(SB_UDL_C_TYPE, "INTERIM COMPREHENSIVE");
    sb_udl_results_compare(&found, v, NULL, &seen, 3, p);
    is_int(found.n, 0, "another type waits for the metadata");
    is_int(sb_udl_results_questions(&seen, &meta, p)->nelts, 1, "which asks for it");
    text(SB_UDL_C_GUID, "g-2");
    sb_udl_results_compare(&found, v, NULL, &seen, 4, p);
    is_int(found.n, 0, "of two assessments the metadata knows which is right");
    is_int(sb_udl_results_questions(&seen, &meta, p)->nelts, 2, "and is asked");
}

/* Mixed enough for the tables; n may not repeat below 2^32. */
static uint64_t digest(uint64_t n)
{
    n *= 0x9e3779b97f4a7c15u;
    return n ^ n >> 29;
}

static void keys(void)
{
    sb_udl_keys_t *keys = sb_udl_keys_make(p);
    uint64_t i;
    long wrong = 0;

    is_int(sb_udl_keys_seen(keys, 0), 0, "digest 0 is one too");
    is_int(sb_udl_keys_seen(keys, 0), 1, "and known then");
    for (i = 1; i < 300000; i++) {
        wrong += sb_udl_keys_seen(keys, digest(i)) != 0;
    }
    for (i = 1; i < 300000; i++) {
        wrong += sb_udl_keys_seen(keys, digest(i)) != 1;
    }
    is_int(wrong, 0, "300,000 digests are new once");
    for (; i < SB_UDL_KEYS_MAX; i++) {
        wrong += sb_udl_keys_seen(keys, digest(i)) != 0;
    }
    is_int(wrong, 0, "as many as there may be");
    is_int(sb_udl_keys_seen(keys, digest(i)), -1, "one more is too many");
    is_int(sb_udl_keys_seen(keys, digest(1)), -1, "and then nothing is known");
}

int main(void)
{
    p = tap_pool();
    by_itself();
    by_metadata();
    mixed();
    keys();
    return done();
}
