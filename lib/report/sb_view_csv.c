/**
 * Comparing populations and list of students as CSV.
 */

#include "report/sb_view_csv.h"

#include <string.h>
#include <time.h>
#include <apr_strings.h>
#include "report/sb_asmt.h"
#include "report/sb_filter.h"

#define HEAD_LINES 10 /* before the names of columns, which stand in line 11 */
#define LEVELS 4      /* of a subject of which nothing says more */
#define JSON_MAX (64 * 1024 * 1024)
#define FIRST_SIZE 16384

/* What stands for a result that is not told, as the pages say it. */
#define INTERIM_ONLY "Interim results only"
#define SUPPRESSED "Hidden to protect student privacy"
#define NO_DATA "No data available"

typedef struct {
    char *text;
    apr_size_t used, size;
    int fields; /* of this line */
    int lines;
    apr_pool_t *p;
} csv_t;

static void put(csv_t *c, const char *text, apr_size_t len)
{
    if (c->used + len > c->size) {
        char *bigger = apr_palloc(c->p, 2 * (c->size + len));

        memcpy(bigger, c->text, c->used);
        c->text = bigger;
        c->size = 2 * (c->size + len);
    }
    memcpy(c->text + c->used, text, len);
    c->used += len;
}

/* Programs take a cell that begins so for a formula; an apostrophe makes it a text for them. */
static int is_formula(const char *text)
{
    return *text && strchr("=+-@\t\r\n", *text);
}

static void field(csv_t *c, const char *text)
{
    const char *quote;

    text = text ? text : "";
    if (c->fields++) {
        put(c, ",", 1);
    }
    put(c, "\"", 1);
    if (is_formula(text)) {
        put(c, "'", 1);
    }
    for (; (quote = strchr(text, '"')) != NULL; text = quote + 1) {
        put(c, text, (apr_size_t)(quote - text) + 1);
        put(c, "\"", 1);
    }
    put(c, text, strlen(text));
    put(c, "\"", 1);
}

static void line(csv_t *c)
{
    put(c, "\r\n", 2);
    c->fields = 0;
    c->lines++;
}

/* ---- reading the answer ---------------------------------------------------------------------------- */

static const char *text_of(const sb_json_t *o, const char *name)
{
    const sb_json_t *v = sb_json_get(o, name);

    return v && (v->type == SB_JSON_STRING || v->type == SB_JSON_NUMBER) ? v->text : NULL;
}

static apr_int64_t int_of(const sb_json_t *o, const char *name, apr_int64_t dflt)
{
    const char *text = text_of(o, name);

    return text ? apr_atoi64(text) : dflt;
}

/* ---- the header block ------------------------------------------------------------------------------ */

static void pair(csv_t *c, const char *label, const char *value)
{
    field(c, label);
    field(c, value);
    line(c);
}

static const char *breadcrumb(const sb_json_t *answer, apr_pool_t *p)
{
    const sb_json_t *items = sb_json_get(sb_json_get(answer, "context"), "items");
    const char *text = NULL;

    for (const sb_json_t *i = items ? items->child : NULL; i; i = i->next) {
        const char *type = text_of(i, "type"), *name = text_of(i, "name");

        if (name && type && strcmp(type, "home")) {
            text = text ? apr_pstrcat(p, text, ",", name, NULL) : name;
        }
    }
    return text;
}

static void filters(csv_t *c, const sb_params_t *params)
{
    const apr_array_header_t *list;
    const char *name;
    int i = 0, any = 0;

    while ((name = sb_filter_next(&i, &list, params)) != NULL) {
        if (!any++) {
            field(c, "Filtered by");
        }
        field(c, apr_pstrcat(c->p, name, ": ", apr_array_pstrcat(c->p, list, ','), NULL));
    }
    if (any) {
        line(c);
    }
}

static void head(csv_t *c, const char *title, const sb_json_t *answer, const sb_params_t *params,
                 const char *types, int rows, apr_time_t now)
{
    char date[] = "YYYY-MM-DDThh:mm:ss";
    time_t t = (time_t)apr_time_sec(now);
    apr_int64_t year = sb_params_int(params, "asmtYear", 0);
    const sb_json_t *years = sb_json_get(answer, "asmt_period_year");
    struct tm tm;

    localtime_r(&t, &tm);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    if (!year && years && years->child && years->child->text) {
        year = apr_atoi64(years->child->text);
    }
    pair(c, "Report Name", title);
    pair(c, "Date", date);
    pair(c, "Report Info", breadcrumb(answer, c->p));
    filters(c, params);
    pair(c, "Sort By", "Name");
    pair(c, "Compare", "Off");
    pair(c, "Assessment Type", types);
    pair(c, "Total Count", apr_itoa(c->p, rows));
    pair(c, "Academic year",
         apr_psprintf(c->p, "%" APR_INT64_T_FMT " - %" APR_INT64_T_FMT, year - 1, year));
    while (c->lines < HEAD_LINES) {
        line(c);
    }
}

/* ---- comparing populations ------------------------------------------------------------------------- */

/* How many levels a subject has: as many as its widest result. */
static int levels_of(const sb_json_t *answer, const char *alias)
{
    const sb_json_t *lists[] = {sb_json_get(answer, "summary"), sb_json_get(answer, "records")};
    apr_size_t most = 0;

    for (int k = 0; k < 2; k++) {
        for (const sb_json_t *r = lists[k] ? lists[k]->child : NULL; r; r = r->next) {
            const sb_json_t *i =
                sb_json_get(sb_json_get(sb_json_get(r, "results"), alias), "intervals");

            most = i && i->nchild > most ? i->nchild : most;
        }
    }
    return most ? (int)most : LEVELS;
}

static const sb_json_t *level_at(const sb_json_t *result, int level)
{
    const sb_json_t *list = sb_json_get(result, "intervals");

    for (const sb_json_t *i = list ? list->child : NULL; i; i = i->next) {
        if (int_of(i, "level", 0) == level) {
            return i;
        }
    }
    return NULL;
}

/* NULL: the result is told; else what stands for it. */
static const char *instead(const sb_json_t *result)
{
    const sb_json_t *list = sb_json_get(result, "intervals"), *interim;
    apr_int64_t total = int_of(result, "total", 0);
    int told = total > 0;

    for (const sb_json_t *i = list ? list->child : NULL; i; i = i->next) {
        told &= int_of(i, "percentage", -1) >= 0;
    }
    if (told) {
        return NULL;
    }
    interim = sb_json_get(result, "hasInterim");
    return interim && interim->type == SB_JSON_BOOL && interim->truth ? INTERIM_ONLY
           : total < 0                                                ? SUPPRESSED
                                                                      : NO_DATA;
}

static const char *percent(csv_t *c, const sb_json_t *level)
{
    const char *coded = text_of(level, "coded"), *share = text_of(level, "percentage");

    return apr_pstrcat(c->p,
                       !coded                    ? ""
                       : !strcmp(coded, "below") ? "< "
                                                 : "> ",
                       share ? share : "0", "%", NULL);
}

static void result_fields(csv_t *c, const sb_json_t *result, int levels, int filtered)
{
    const char *no = instead(result);

    for (int l = 1; l <= levels; l++) {
        const sb_json_t *level = level_at(result, l);

        field(c, no ? no : text_of(level, "count"));
        field(c, no ? no : level ? percent(c, level) : "");
    }
    if (filtered) {
        field(c, no ? no : text_of(result, "total"));
    }
    if (!no && filtered) { /* withheld, or not known */
        apr_int64_t of = int_of(result, "unfilteredTotal", -1);

        field(c, of > 0 ? apr_psprintf(c->p, "%" APR_INT64_T_FMT, of) : "");
    }
    else {
        field(c, no ? no : text_of(result, "total"));
    }
}

static void comparing_row(csv_t *c, const sb_json_t *answer, const sb_json_t *row, const char *name,
                          int filtered)
{
    const sb_json_t *subjects = sb_json_get(answer, "subjects");

    field(c, name);
    for (const sb_json_t *s = subjects ? subjects->child : NULL; s; s = s->next) {
        result_fields(c, sb_json_get(sb_json_get(row, "results"), s->key),
                      levels_of(answer, s->key), filtered);
    }
    line(c);
}

static void comparing(csv_t *c, const sb_json_t *answer, const sb_params_t *params, apr_time_t now)
{
    const sb_json_t *records = sb_json_get(answer, "records");
    const sb_json_t *summary = sb_json_get(answer, "summary");
    const sb_json_t *subjects = sb_json_get(answer, "subjects");
    int filtered = sb_filter_any(params);

    head(c, "Comparing Populations", answer, params, "Summative",
         records ? (int)records->nchild : 0, now);
    field(c, sb_params_has(params, "schoolId")     ? "Grade"
             : sb_params_has(params, "districtId") ? "School Name"
                                                   : "District Name");
    for (const sb_json_t *s = subjects ? subjects->child : NULL; s; s = s->next) {
        for (int l = 1; l <= levels_of(answer, s->key); l++) {
            field(c, apr_psprintf(c->p, "%s Level %d Count", s->text, l));
            field(c, apr_psprintf(c->p, "%s Level %d Percentage", s->text, l));
        }
        if (filtered) {
            field(c, apr_pstrcat(c->p, s->text, " Filtered Student Count", NULL));
        }
        field(c, apr_pstrcat(c->p, s->text, " Total Assessed", NULL));
    }
    line(c);
    if (summary && summary->child) {
        comparing_row(c, answer, summary->child, "Overall", filtered);
    }
    for (const sb_json_t *r = records ? records->child : NULL; r; r = r->next) {
        comparing_row(c, answer, r, text_of(r, "name"), filtered);
    }
}

/* ---- list of students ------------------------------------------------------------------------------ */

static const char *status_of(csv_t *c, const sb_json_t *result)
{
    const char *condition = text_of(result, "administration_condition");
    const sb_json_t *complete = sb_json_get(result, "complete");
    const char *said = !condition                 ? ""
                       : !strcmp(condition, "IN") ? "Invalid"
                       : !strcmp(condition, "SD") ? "Standardized"
                       : !strcmp(condition, "NS") ? "Nonstandardized"
                                                  : condition;

    if (complete && complete->type == SB_JSON_BOOL && !complete->truth) {
        said = *said ? apr_pstrcat(c->p, said, ",Partial", NULL) : "Partial";
    }
    return said;
}

static void whole_fields(csv_t *c, const sb_json_t *result)
{
    const char *low = text_of(result, "asmt_score_range_min");
    const char *high = text_of(result, "asmt_score_range_max");
    const char *level = text_of(result, "asmt_perf_lvl");

    field(c, text_of(result, "asmt_score"));
    field(c, low && high ? apr_pstrcat(c->p, low, "-", high, NULL) : "");
    field(c, level ? apr_pstrcat(c->p, "Level ", level, NULL) : "");
    field(c, level);
    field(c, status_of(c, result));
}

static const char *student_name(csv_t *c, const sb_json_t *r)
{
    const char *first = text_of(r, "student_first_name"), *last = text_of(r, "student_last_name");
    const char *middle = text_of(r, "student_middle_name");

    return apr_pstrcat(c->p, last ? last : "", last && first ? ", " : "", first ? first : "",
                       middle && *middle ? " " : "", middle ? middle : "", NULL);
}

/* The blocks of a student: subject, name of the block, results. Each is a line. @return how many */
static int block_lines(csv_t *c, const sb_json_t *answer, const sb_json_t *student, int write)
{
    const sb_json_t *subjects = sb_json_get(answer, "subjects");
    int n = 0;

    for (const sb_json_t *s = subjects ? subjects->child : NULL; s; s = s->next) {
        const sb_json_t *blocks = sb_json_get(student, s->key);

        for (const sb_json_t *b = blocks ? blocks->child : NULL; b; b = b->next) {
            for (const sb_json_t *r = b->child; r; r = r->next) {
                const sb_json_t *claims = sb_json_get(r, "claims");

                n++;
                if (!write) {
                    continue;
                }
                field(c, student_name(c, student));
                field(c, text_of(student, "student_id"));
                field(c, text_of(r, "date_taken"));
                field(c, s->text);
                field(c, b->key);
                field(c, claims ? text_of(claims->child, "perf_lvl") : "");
                field(c, claims ? text_of(claims->child, "perf_lvl_name") : "");
                field(c, status_of(c, r));
                line(c);
            }
        }
    }
    return n;
}

static int all_blocks(csv_t *c, const sb_json_t *answer, int write)
{
    const sb_json_t *all = sb_json_get(sb_json_get(answer, "assessments"), SB_ASMT_BLOCKS);
    int n = 0;

    for (const sb_json_t *s = all ? all->child : NULL; s; s = s->next) {
        n += block_lines(c, answer, s, write);
    }
    return n;
}

typedef void each_fn(csv_t *c, const sb_json_t *answer, const char *kind, const char *date,
                     const sb_json_t *row);

/* Results, as they are nested: kind, student, results, date. @return how many */
static int each_result(csv_t *c, const sb_json_t *answer, each_fn *fn)
{
    const sb_json_t *kinds = sb_json_get(answer, "assessments");
    int n = 0;

    for (const sb_json_t *k = kinds ? kinds->child : NULL; k; k = k->next) {
        for (const sb_json_t *s = k->child; s; s = s->next) {
            for (const sb_json_t *r = s->child; r; r = r->next) {
                for (const sb_json_t *d = r->child; d; d = d->next) {
                    n++;
                    if (fn) {
                        fn(c, answer, k->key, d->key, d);
                    }
                }
            }
        }
    }
    return n;
}

static void whole_line(csv_t *c, const sb_json_t *answer, const char *kind, const char *date,
                       const sb_json_t *row)
{
    const sb_json_t *subjects = sb_json_get(answer, "subjects");

    field(c, student_name(c, row));
    field(c, text_of(row, "student_id"));
    field(c, kind);
    field(c, date);
    for (const sb_json_t *s = subjects ? subjects->child : NULL; s; s = s->next) {
        whole_fields(c, sb_json_get(row, s->key));
    }
    line(c);
}

static void students(csv_t *c, const sb_json_t *answer, const sb_params_t *params, apr_time_t now)
{
    static const char *const whole[] = {"Overall", "Error Band", "Performance Level",
                                        "Performance Level Number", "Status"};
    static const char *const block[] = {"Subject", "Block", "Performance Level Number",
                                        "Performance Level", "Status"};
    const char *type = sb_params_str(params, "asmtType");
    int blocks = type && !strcmp(type, SB_ASMT_BLOCKS);
    const sb_json_t *subjects = sb_json_get(answer, "subjects");

    head(c, "List of Students", answer, params, type ? sb_asmt_type_shown(type, c->p) : "All",
         blocks ? all_blocks(c, answer, 0) : each_result(c, answer, NULL), now);
    field(c, "Students");
    field(c, "Student Id");
    if (!blocks) {
        field(c, "Assessment Type");
    }
    field(c, "Date taken");
    for (int i = 0; blocks && i < 5; i++) {
        field(c, block[i]);
    }
    for (const sb_json_t *s = subjects ? subjects->child : NULL; s && !blocks; s = s->next) {
        for (int i = 0; i < 5; i++) {
            field(c, apr_pstrcat(c->p, s->text, " ", whole[i], NULL));
        }
    }
    line(c);
    (void)(blocks ? all_blocks(c, answer, 1) : each_result(c, answer, whole_line));
}

/* ---- the whole ------------------------------------------------------------------------------------- */

static int is(const sb_report_t *report, const char *name)
{
    const char *point = strchr(report->name, '.'); /* "public.x" has the view of x */

    return !strcmp(point ? point + 1 : report->name, name);
}

int sb_view_csv_has(const sb_report_t *report)
{
    return is(report, "comparing_populations") || is(report, "list_of_students");
}

apr_status_t sb_view_csv(const char **ptext, apr_size_t *plen, const char **pname,
                         const sb_report_t *report, const sb_params_t *params, const char *json,
                         apr_size_t len, apr_time_t now, apr_pool_t *p)
{
    static const sb_json_limits_t limits = {
        .max_bytes = JSON_MAX, .max_depth = 32, .max_nodes = 10 * 1000 * 1000};
    csv_t c = {.text = apr_palloc(p, FIRST_SIZE), .size = FIRST_SIZE, .p = p};
    char stamp[] = "YYYYMMDDThhmmss";
    time_t t = (time_t)apr_time_sec(now);
    sb_json_t *answer;
    struct tm tm;
    apr_status_t rv;

    *ptext = *pname = NULL;
    *plen = 0;
    rv = sb_json_parse(&answer, NULL, json, len, &limits, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    (is(report, "list_of_students") ? students : comparing)(&c, answer, params, now);
    localtime_r(&t, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm);
    *pname = apr_pstrcat(
        p, is(report, "list_of_students") ? "list_of_students" : "comparing_populations", "_",
        stamp, ".csv", NULL);
    *ptext = c.text;
    *plen = c.used;
    return APR_SUCCESS;
}
