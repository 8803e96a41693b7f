/* Rows of results: see sb_udl_results.h. */

#include <string.h>

#include <apr_strings.h>

#include "udl/sb_udl_digest.h"
#include "udl/sb_udl_results.h"

enum { SCORE, RANGE_MIN, RANGE_MAX, LEVEL }; /* columns of a block of scores */

static int is_text(const sb_udl_value_t *v, const char *s)
{
    return v->kind == SB_UDL_V_TEXT && v->len == strlen(s) && !memcmp(v->s, s, v->len);
}

/* What is to be deleted may be as wrong as it is. */
static int is_create(const sb_udl_value_t *v)
{
    return is_text(&v[SB_UDL_C_OP], "C");
}

/* ---- one row ----------------------------------------------------------------------------------- */

static void add(sb_udl_findings_t *found, int column, sb_udl_issue_t issue)
{
    found->at[found->n].column = (unsigned char)column;
    found->at[found->n++].issue = (unsigned char)issue;
}

void sb_udl_results_begin(sb_udl_seen_t *seen)
{
    int i;

    memset(seen, 0, sizeof *seen);
    for (i = 0; i < SB_UDL_NBLOCKS; i++) {
        seen->score[i].min = seen->level[i].min = INT16_MAX;
        seen->score[i].max = seen->level[i].max = INT16_MIN;
    }
}

static void widen(sb_udl_span_t *span, const sb_udl_value_t *v)
{
    if (v->kind == SB_UDL_V_INT) {
        span->min = v->number < span->min ? v->number : span->min;
        span->max = v->number > span->max ? v->number : span->max;
    }
}

static const char *copy_text(const sb_udl_value_t *v, apr_pool_t *p)
{
    return v->kind == SB_UDL_V_TEXT ? apr_pstrmemdup(p, v->s, v->len) : "";
}

/* Which assessment is it of? */
static void check_identity(sb_udl_findings_t *found, const sb_udl_value_t *v,
                           const sb_udl_meta_t *meta, sb_udl_seen_t *seen, apr_int64_t line,
                           apr_pool_t *p)
{
    if (!meta && !seen->first_line) {
        seen->first_line = line;
        seen->guid = copy_text(&v[SB_UDL_C_GUID], p);
        seen->type = copy_text(&v[SB_UDL_C_TYPE], p);
        seen->subject = copy_text(&v[SB_UDL_C_SUBJECT], p);
        return;
    }
    if (!is_text(&v[SB_UDL_C_GUID], meta ? meta->guid : seen->guid)) {
        meta ? add(found, SB_UDL_C_GUID, SB_UDL_OTHER_GUID) : (void)(seen->other_guid = 1);
    }
    if (!is_text(&v[SB_UDL_C_TYPE], meta ? meta->type : seen->type)) {
        meta ? add(found, SB_UDL_C_TYPE, SB_UDL_OTHER_TYPE) : (void)(seen->other_type = 1);
    }
    if (!is_text(&v[SB_UDL_C_SUBJECT], meta ? meta->subject : seen->subject)) {
        meta ? add(found, SB_UDL_C_SUBJECT, SB_UDL_OTHER_TYPE) : (void)(seen->other_subject = 1);
    }
}

static int is_blocks(const sb_udl_meta_t *meta)
{
    return !strcmp(meta->type, SB_UDL_BLOCKS_TYPE);
}

/* Does block i count? Of interim assessment blocks only claim 1 does. */
static int counts(const sb_udl_meta_t *meta, int i)
{
    return !is_blocks(meta) || i == 1;
}

static void check_bounds(sb_udl_findings_t *found, int at, const sb_udl_value_t *b,
                         const sb_udl_bounds_t *bounds, sb_udl_issue_t no_level)
{
    int score = b[SCORE].number, level = b[LEVEL].number;

    if (b[SCORE].kind == SB_UDL_V_INT && (score < bounds->score_min || score > bounds->score_max)) {
        add(found, at + SCORE, SB_UDL_SCORE_RANGE);
    }
    if (b[LEVEL].kind == SB_UDL_V_INT && bounds->level_max &&
        (level < 1 || level > bounds->level_max)) {
        add(found, at + LEVEL, no_level);
    }
}

void sb_udl_results_check(sb_udl_findings_t *found, const sb_udl_value_t *v)
{
    const sb_udl_value_t *b = &v[SB_UDL_C_SCORE];
    int at = SB_UDL_C_SCORE, i, k, there;

    found->n = 0;
    if (!is_create(v)) {
        return;
    }
    for (i = 0; i < SB_UDL_NBLOCKS; i++, b += SB_UDL_BLOCK, at += SB_UDL_BLOCK) {
        for (k = there = 0; k < SB_UDL_BLOCK; k++) {
            there += b[k].kind == SB_UDL_V_INT;
        }
        if (i > 0 && there > 0 && there < SB_UDL_BLOCK) {
            add(found, at, SB_UDL_HALF_SCORES);
        }
        if (b[RANGE_MIN].kind == SB_UDL_V_INT && b[RANGE_MAX].kind == SB_UDL_V_INT &&
            b[RANGE_MIN].number > b[RANGE_MAX].number) {
            add(found, at + RANGE_MIN, SB_UDL_RANGE_ORDER);
        }
    }
}

void sb_udl_results_compare(sb_udl_findings_t *found, const sb_udl_value_t *v,
                            const sb_udl_meta_t *meta, sb_udl_seen_t *seen, apr_int64_t line,
                            apr_pool_t *p)
{
    const sb_udl_value_t *b = &v[SB_UDL_C_SCORE];
    int at = SB_UDL_C_SCORE, i;

    found->n = 0;
    check_identity(found, v, meta, seen, line, p);
    for (i = 0; i < SB_UDL_BLOCK; i++) {
        if (b[i].kind == SB_UDL_V_NULL && !meta) {
            seen->no_overall = 1;
        }
        else if (b[i].kind == SB_UDL_V_NULL && counts(meta, 0)) {
            add(found, at + i, SB_UDL_MISSING);
        }
    }
    for (i = 0; is_create(v) && i < SB_UDL_NBLOCKS; i++, b += SB_UDL_BLOCK, at += SB_UDL_BLOCK) {
        if (!meta) {
            widen(&seen->score[i], &b[SCORE]);
            widen(&seen->level[i], &b[LEVEL]);
        }
        else if (counts(meta, i)) {
            check_bounds(found, at, b, &meta->bounds[i],
                         i ? SB_UDL_NO_CLAIM_LEVEL : SB_UDL_NO_LEVEL);
        }
    }
}

/* ---- when the metadata came behind the rows ---------------------------------------------------- */

static const char *target(int column)
{
    return sb_udl_formats[SB_UDL_RESULTS].columns[column].target;
}

static sb_udl_question_t *ask(apr_array_header_t *all, int column, sb_udl_issue_t issue,
                              const char *where)
{
    sb_udl_question_t *q = apr_array_push(all);

    memset(q, 0, sizeof *q);
    q->column = column;
    q->issue = issue;
    q->where = where;
    return q;
}

static void ask_other(apr_array_header_t *all, int column, sb_udl_issue_t issue, const char *want,
                      apr_pool_t *p)
{
    sb_udl_question_t *q = ask(all, column, issue, apr_pstrcat(p, target(column), " <> $1", NULL));

    q->args[q->nargs++] = want;
}

static void ask_outside(apr_array_header_t *all, int column, sb_udl_issue_t issue, int min, int max,
                        const sb_udl_span_t *seen, apr_pool_t *p)
{
    sb_udl_question_t *q;

    if (seen->min >= min && seen->max <= max) {
        return;
    }
    q = ask(
        all, column, issue,
        apr_pstrcat(p, "op = 'C' AND ", target(column), " NOT BETWEEN $1::int AND $2::int", NULL));
    q->args[q->nargs++] = apr_itoa(p, min);
    q->args[q->nargs++] = apr_itoa(p, max);
}

const apr_array_header_t *sb_udl_results_questions(const sb_udl_seen_t *seen,
                                                   const sb_udl_meta_t *meta, apr_pool_t *p)
{
    apr_array_header_t *all = apr_array_make(p, 8, sizeof(sb_udl_question_t));
    int i, at = SB_UDL_C_SCORE;

    if (!seen->first_line) {
        return all;
    }
    if (seen->other_guid || strcmp(seen->guid, meta->guid)) {
        ask_other(all, SB_UDL_C_GUID, SB_UDL_OTHER_GUID, meta->guid, p);
    }
    if (seen->other_type || strcmp(seen->type, meta->type)) {
        ask_other(all, SB_UDL_C_TYPE, SB_UDL_OTHER_TYPE, meta->type, p);
    }
    if (seen->other_subject || strcmp(seen->subject, meta->subject)) {
        ask_other(all, SB_UDL_C_SUBJECT, SB_UDL_OTHER_TYPE, meta->subject, p);
    }
    for (i = 0; i < SB_UDL_BLOCK && seen->no_overall && counts(meta, 0); i++) {
        ask(all, at + i, SB_UDL_MISSING, apr_pstrcat(p, target(at + i), " IS NULL", NULL));
    }
    for (i = 0; i < SB_UDL_NBLOCKS; i++, at += SB_UDL_BLOCK) {
        const sb_udl_bounds_t *b = &meta->bounds[i];

        if (!counts(meta, i)) {
            continue;
        }
        ask_outside(all, at + SCORE, SB_UDL_SCORE_RANGE, b->score_min, b->score_max,
                    &seen->score[i], p);
        if (b->level_max) {
            ask_outside(all, at + LEVEL, i ? SB_UDL_NO_CLAIM_LEVEL : SB_UDL_NO_LEVEL, 1,
                        b->level_max, &seen->level[i], p);
        }
    }
    return all;
}

/* ---- computed columns -------------------------------------------------------------------------- */

const char sb_udl_results_computed[] =
    "student_hash, date_taken_day, date_taken_month, date_taken_year, dmg_eth_derived";

static uint64_t student_hash(const sb_udl_value_t *v, int ethnicity)
{
    uint64_t h = SB_FNV_BASIS;
    char digit = (char)('0' + ethnicity);
    int i;

    for (i = SB_UDL_C_STUDENT; i < SB_UDL_C_SEX; i++) {
        h = sb_fnv_value(h, &v[i]);
    }
    h = sb_fnv_value(h, &v[SB_UDL_C_BIRTHDATE]);
    h = sb_fnv_value(h, &v[SB_UDL_C_SEX]);
    for (i = SB_UDL_C_GROUP1; i <= SB_UDL_C_GROUP10_TEXT; i++) {
        h = sb_fnv_value(h, &v[i]);
    }
    h = sb_fnv_text(h, &digit, 1);
    for (i = SB_UDL_C_HISPANIC; i <= SB_UDL_C_MIGRANT; i++) {
        h = sb_fnv_value(h, &v[i]);
    }
    return sb_fnv_end(h);
}

static int two_digits(const char *s)
{
    return 10 * (s[0] - '0') + (s[1] - '0');
}

static int truth(const sb_udl_value_t *v)
{
    return v->kind == SB_UDL_V_BOOL ? v->number : -1;
}

void sb_udl_results_emit(sb_copy_t *copy, const sb_udl_value_t *v)
{
    const char *day = v[SB_UDL_C_TAKEN].s; /* YYYYMMDD */
    int ethnicity = sb_udl_ethnicity(truth(&v[SB_UDL_C_HISPANIC]), truth(&v[SB_UDL_C_INDIAN]),
                                     truth(&v[SB_UDL_C_ASIAN]), truth(&v[SB_UDL_C_BLACK]),
                                     truth(&v[SB_UDL_C_PACIFIC]), truth(&v[SB_UDL_C_WHITE]),
                                     truth(&v[SB_UDL_C_TWO_OR_MORE]));

    sb_copy_int8(copy, (apr_int64_t)student_hash(v, ethnicity));
    sb_copy_int2(copy, two_digits(day + 6));
    sb_copy_int2(copy, two_digits(day + 4));
    sb_copy_int2(copy, 100 * two_digits(day) + two_digits(day + 2));
    sb_copy_int2(copy, ethnicity);
}
