/**
 * The current view as CSV: the header block, and comparing populations. Rows are written first, because the header
 * block tells how many there are.
 */

#include "report/sb_view_csv.h"

#include <string.h>
#include <time.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include "report/sb_filter.h"
#include "report/sb_view_work.h"

#define HEAD_LINES 10 /* before the names of columns, which stand in line 11 */
#define LEVELS 4      /* of a subject of which nothing says more */
#define JSON_MAX (64 * 1024 * 1024)

/* What stands for a result that is not told, as the pages say it. */
#define INTERIM_ONLY "Interim results only"
#define SUPPRESSED "Hidden to protect student privacy"
#define NO_DATA "No data available"

/* ---- reading the answer ---------------------------------------------------------------------------- */

const char *sb_view_text(const sb_json_t *o, const char *name)
{
    const sb_json_t *v = sb_json_get(o, name);

    return v && (v->type == SB_JSON_STRING || v->type == SB_JSON_NUMBER) ? v->text : NULL;
}

static apr_int64_t int_of(const sb_json_t *o, const char *name, apr_int64_t dflt)
{
    const char *text = sb_view_text(o, name);

    return text ? apr_atoi64(text) : dflt;
}

const sb_json_t *sb_view_first(const sb_json_t *o, const char *name)
{
    const sb_json_t *v = sb_json_get(o, name);

    return v ? v->child : NULL;
}

int sb_view_year(const sb_view_work_t *k)
{
    const sb_json_t *newest = sb_view_first(k->answer, "asmt_period_year");
    apr_int64_t year = sb_params_int(k->params, "asmtYear", 0);

    return (int)(!year && newest && newest->text ? apr_atoi64(newest->text) : year);
}

const sb_json_t *sb_view_place(const sb_view_work_t *k, const char *type)
{
    const sb_json_t *found = NULL;

    for (const sb_json_t *i = sb_view_first(sb_json_get(k->answer, "context"), "items"); i;
         i = i->next) {
        const char *is = sb_view_text(i, "type");

        if (is && strcmp(is, "home") && (!type || !strcmp(is, type))) {
            found = i;
        }
    }
    return found;
}

const char *sb_view_subject(const sb_json_t *subject)
{
    return !strcmp(subject->text, "Math")  ? "Mathematics"
           : !strcmp(subject->text, "ELA") ? "ELA/Literacy"
                                           : subject->text;
}

const char *sb_view_grade(const char *grade, apr_pool_t *p)
{
    return !strcmp(grade, "KG") ? "Kindergarten" : apr_pstrcat(p, "Grade ", grade, NULL);
}

/* A count as pages write it: "1,234,567". @param digits NULL: there is none */
static const char *counted(const char *digits, apr_pool_t *p)
{
    apr_size_t len = digits ? strlen(digits) : 0;
    char *text = apr_palloc(p, len + len / 3 + 1), *to = text;

    for (apr_size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            *to++ = ',';
        }
        *to++ = digits[i];
    }
    *to = '\0';
    return text;
}

/* ---- what somebody has made of it ------------------------------------------------------------------ */

#define ROW_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

/* "name", "subject1.upper", "subject1.total" */
static int is_column(const char *text)
{
    const char *of = text;

    if (!strncmp(of, "subject", 7)) {
        of += 7 + strspn(of + 7, "0123456789");
        return of > text + 7 && (!strcmp(of, ".upper") || !strcmp(of, ".total"));
    }
    return !strcmp(text, "name");
}

static const char *read_rows(sb_view_t *view, const sb_json_t *rows, apr_pool_t *p)
{
    apr_array_header_t *ids;

    if (rows->type != SB_JSON_ARRAY) {
        return "view.rows: want a list of ids";
    }
    ids = apr_array_make(p, (int)rows->nchild + 1, sizeof(const char *));
    for (const sb_json_t *r = rows->child; r; r = r->next) {
        if (r->type != SB_JSON_STRING || strspn(r->text, ROW_CHARS) != r->len) {
            return "view.rows: want a list of ids";
        }
        APR_ARRAY_PUSH(ids, const char *) = r->text;
    }
    view->rows = ids;
    return NULL;
}

const char *sb_view_read(sb_view_t *view, const sb_json_t *body, apr_pool_t *p)
{
    const sb_json_t *o = sb_json_get(body, "view"), *rows = sb_json_get(o, "rows");
    const sb_json_t *sort = sb_json_get(o, "sort"), *order = sb_json_get(o, "order");

    *view = (sb_view_t){.column = "name"};
    if (!o) {
        return NULL;
    }
    if (o->type != SB_JSON_OBJECT) {
        return "view: want an object";
    }
    if (sort) {
        if (sort->type != SB_JSON_STRING || !is_column(sort->text)) {
            return "view.sort: want name, subjectN.upper or subjectN.total";
        }
        view->column = sort->text;
    }
    if (order) {
        if (order->type != SB_JSON_STRING ||
            (strcmp(order->text, "asc") && strcmp(order->text, "desc"))) {
            return "view.order: want asc or desc";
        }
        view->descending = !strcmp(order->text, "desc");
    }
    if (!rows) { /* we do not order: who says that he has must say how */
        return view->descending || strcmp(view->column, "name") ? "view.sort: wants view.rows, too"
                                                                : NULL;
    }
    return read_rows(view, rows, p);
}

/* ---- filters --------------------------------------------------------------------------------------- */

typedef struct {
    const char *value, *label;
} label_t;

static const label_t yes_no[] = {{"Y", "Yes"}, {"N", "No"}, {"NS", "Not Stated"}, {0}};
static const label_t sexes[] = {
    {"female", "Female"}, {"male", "Male"}, {"not_stated", "Not Stated"}, {0}};
static const label_t complete[] = {{"Y", "Complete"}, {"N", "Partial"}, {"NS", "Not Stated"}, {0}};
static const label_t grades[] = {{"03", "3"}, {"04", "4"}, {"05", "5"},  {"06", "6"},
                                 {"07", "7"}, {"08", "8"}, {"11", "11"}, {0}};
static const label_t ethnicities[] = {{"3", "Hispanic/Latino of any race"},
                                      {"4", "American Indian or Alaska Native"},
                                      {"2", "Asian"},
                                      {"1", "Black or African American"},
                                      {"5", "Native Hawaiian or Pacific Islander"},
                                      {"6", "White"},
                                      {"7", "Two or more races"},
                                      {"0", "Not Stated"},
                                      {0}};

/* In the order of the page, filters and values. */
static const struct {
    const char *param, *tag;
    const label_t *labels;
} filters[] = {
    {"grade", "Grade", grades},
    {"ethnicity", "Race/Ethnicity", ethnicities},
    {"sex", "Gender", sexes},
    {"dmgPrgLep", "LEP", yes_no},
    {"dmgPrgIep", "IEP", yes_no},
    {"dmgPrg504", "504", yes_no},
    {"dmgStsEcd", "Economic Disadvantage", yes_no},
    {"dmgStsMig", "Migrant Status", yes_no},
    {"complete", "Completeness", complete},
};
#define NFILTERS (sizeof(filters) / sizeof(filters[0]))

/* The values of a filter that restricts something; NULL: it does not. */
static const apr_array_header_t *values_of(const sb_params_t *params, const char *param)
{
    const apr_array_header_t *list;
    const char *name;
    int i = 0;

    while ((name = sb_filter_next(&i, &list, params)) != NULL) {
        if (!strcmp(name, param)) {
            return list;
        }
    }
    return NULL;
}

static int holds(const apr_array_header_t *list, const char *value)
{
    for (int i = 0; i < list->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(list, i, const char *), value)) {
            return 1;
        }
    }
    return 0;
}

static const char *labels_of(const apr_array_header_t *list, const label_t *labels, apr_pool_t *p)
{
    const char *text = "";

    for (const label_t *l = labels; l->value; l++) {
        if (holds(list, l->value)) {
            text = apr_pstrcat(p, text, *text ? "," : "", l->label, NULL);
        }
    }
    return text;
}

/* Student groups have names of their own; one that no student of the list is in has only its id. */
static const char *groups_of(const sb_view_work_t *k, const apr_array_header_t *list)
{
    const char *text = "";

    for (int i = 0; i < list->nelts; i++) {
        const char *label = APR_ARRAY_IDX(list, i, const char *);

        for (const sb_json_t *g = sb_view_first(k->answer, "groups"); g; g = g->next) {
            const char *id = sb_view_text(g, "value"), *name = sb_view_text(g, "label");

            if (id && name && *name && !strcmp(id, APR_ARRAY_IDX(list, i, const char *))) {
                label = name;
            }
        }
        text = apr_pstrcat(k->p, text, *text ? "," : "", label, NULL);
    }
    return text;
}

static void write_filters(sb_sheet_t *s, const sb_view_work_t *k)
{
    static const char first[] = "Filtered by";
    int any = 0;

    for (apr_size_t i = 0; i < NFILTERS; i++) {
        const apr_array_header_t *list = values_of(k->params, filters[i].param);

        if (list) {
            if (!any++) {
                sb_sheet_field(s, first);
            }
            sb_sheet_fieldf(s, "%s: %s", filters[i].tag, labels_of(list, filters[i].labels, k->p));
        }
    }
    if (sb_params_has(k->params, "studentGroupId")) {
        if (!any++) {
            sb_sheet_field(s, first);
        }
        sb_sheet_fieldf(s, "Student Group: %s",
                        groups_of(k, sb_params_list(k->params, "studentGroupId")));
    }
    if (any) {
        sb_sheet_line(s);
    }
}

/* ---- the header block ------------------------------------------------------------------------------ */

static void pair(sb_sheet_t *s, const char *label, const char *value)
{
    sb_sheet_field(s, label);
    sb_sheet_field(s, value);
    sb_sheet_line(s);
}

static const char *breadcrumb(const sb_view_work_t *k)
{
    const char *text = NULL;

    for (const sb_json_t *i = sb_view_first(sb_json_get(k->answer, "context"), "items"); i;
         i = i->next) {
        const char *type = sb_view_text(i, "type"), *name = sb_view_text(i, "name");

        if (name && type && strcmp(type, "home")) {
            name = strcmp(type, "grade") ? name : sb_view_grade(name, k->p);
            text = text ? apr_pstrcat(k->p, text, ",", name, NULL) : name;
        }
    }
    return text;
}

static void write_head(sb_sheet_t *s, const sb_view_work_t *k, const struct tm *now)
{
    char date[] = "YYYY-MM-DDThh:mm:ss";
    int year = sb_view_year(k);

    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", now);
    pair(s, "Report Name", k->title);
    pair(s, "Date", date);
    pair(s, "Report Info", breadcrumb(k));
    write_filters(s, k);
    pair(s, "Sort By", k->order);
    pair(s, "Compare", k->chosen ? "On" : "Off");
    pair(s, "Assessment Type", k->types);
    pair(s, "Total Count", counted(apr_itoa(k->p, k->nrows), k->p));
    pair(s, "Academic year", apr_psprintf(k->p, "%d - %d", year - 1, year));
    while (sb_sheet_lines(s) < HEAD_LINES) {
        sb_sheet_line(s);
    }
}

/* ---- comparing populations: a result --------------------------------------------------------------- */

static const sb_json_t *result_of(const sb_json_t *row, const char *alias)
{
    return sb_json_get(sb_json_get(row, "results"), alias);
}

static int widest_result(const sb_view_work_t *k, const char *alias)
{
    static const char *const lists[] = {"summary", "records"};
    apr_size_t most = 0;

    for (int i = 0; i < 2; i++) {
        for (const sb_json_t *r = sb_view_first(k->answer, lists[i]); r; r = r->next) {
            const sb_json_t *intervals = sb_json_get(result_of(r, alias), "intervals");

            most = intervals && intervals->nchild > most ? intervals->nchild : most;
        }
    }
    return most ? (int)most : LEVELS;
}

/* How many levels a subject has: as many as its widest result, which is looked for once, not for each row. */
static int levels_of(sb_view_work_t *k, const char *alias)
{
    int *levels = apr_hash_get(k->levels, alias, APR_HASH_KEY_STRING);

    if (!levels) {
        levels = apr_palloc(k->p, sizeof(*levels));
        *levels = widest_result(k, alias);
        apr_hash_set(k->levels, alias, APR_HASH_KEY_STRING, levels);
    }
    return *levels;
}

static const sb_json_t *level_at(const sb_json_t *result, int level)
{
    for (const sb_json_t *i = sb_view_first(result, "intervals"); i; i = i->next) {
        if (int_of(i, "level", 0) == level) {
            return i;
        }
    }
    return NULL;
}

/* NULL: the result is told; else what stands for it. */
static const char *instead(const sb_json_t *result)
{
    apr_int64_t total = int_of(result, "total", 0);
    const sb_json_t *interim;
    int told = total > 0;

    for (const sb_json_t *i = sb_view_first(result, "intervals"); i; i = i->next) {
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

/* The same of the whole: where it has nothing, but one of its rows has interim results, it has those. */
static const char *instead_of_whole(const sb_view_work_t *k, const sb_json_t *whole,
                                    const char *alias)
{
    const char *no = instead(result_of(whole, alias));

    for (const sb_json_t *r = sb_view_first(k->answer, "records"); r && no && !strcmp(no, NO_DATA);
         r = r->next) {
        const char *of_row = instead(result_of(r, alias));

        if (of_row && !strcmp(of_row, INTERIM_ONLY)) {
            no = INTERIM_ONLY;
        }
    }
    return no;
}

static void write_percent(sb_sheet_t *s, const sb_json_t *level)
{
    const char *coded = sb_view_text(level, "coded"), *share = sb_view_text(level, "percentage");

    sb_sheet_fieldf(s, "%s%s%%",
                    !coded                    ? ""
                    : !strcmp(coded, "below") ? "< "
                                              : "> ",
                    share ? share : "0");
}

static void write_result(const sb_view_work_t *k, const sb_json_t *result, int levels, int filtered)
{
    apr_int64_t all = int_of(result, "unfilteredTotal", -1);
    sb_sheet_t *s = k->rows;

    for (int l = 1; l <= levels; l++) {
        const sb_json_t *level = level_at(result, l);

        /* There is none where the share is coded. */
        sb_sheet_field(s, counted(sb_view_text(level, "count"), k->p));
        if (level) {
            write_percent(s, level);
        }
        else {
            sb_sheet_field(s, "");
        }
    }
    sb_sheet_field(s, counted(sb_view_text(result, "total"), k->p));
    if (filtered) { /* the number without filters may be withheld */
        sb_sheet_field(s, all > 0 ? counted(sb_view_text(result, "unfilteredTotal"), k->p) : "");
    }
}

/* ---- comparing populations: rows ------------------------------------------------------------------- */

static void write_row(sb_view_work_t *k, const sb_json_t *row, const char *name, int is_whole)
{
    int filtered = sb_filter_any(k->params);

    sb_sheet_field(k->rows, name);
    for (const sb_json_t *s = sb_view_first(k->answer, "subjects"); s; s = s->next) {
        const sb_json_t *result = result_of(row, s->key);
        const char *no = is_whole ? instead_of_whole(k, row, s->key) : instead(result);
        int levels = levels_of(k, s->key);

        for (int i = 0; no && i < 2 * levels + 1 + filtered; i++) {
            sb_sheet_field(k->rows, no);
        }
        if (!no) {
            write_result(k, result, levels, filtered);
        }
    }
    sb_sheet_line(k->rows);
}

/* As on the screen: those it shows, in its order. One that is not in the report any more is passed over. */
static apr_array_header_t *shown_rows(sb_view_work_t *k)
{
    const sb_json_t *records = sb_json_get(k->answer, "records");
    int n = records ? (int)records->nchild : 0;
    apr_array_header_t *shown = apr_array_make(k->p, n + 1, sizeof(const sb_json_t *));
    const apr_array_header_t *wanted = k->view->rows;
    apr_hash_t *by_id = apr_hash_make(k->p);

    for (const sb_json_t *r = n ? records->child : NULL; r; r = r->next) {
        const char *id = sb_view_text(r, "id");

        if (!wanted) {
            APR_ARRAY_PUSH(shown, const sb_json_t *) = r;
        }
        else if (id) {
            apr_hash_set(by_id, id, APR_HASH_KEY_STRING, r);
        }
    }
    for (int i = 0; wanted && i < wanted->nelts; i++) {
        const char *id = APR_ARRAY_IDX(wanted, i, const char *);
        const sb_json_t *r = apr_hash_get(by_id, id, APR_HASH_KEY_STRING);

        if (r) {
            APR_ARRAY_PUSH(shown, const sb_json_t *) = r;
            apr_hash_set(by_id, id, APR_HASH_KEY_STRING, NULL); /* once */
        }
    }
    k->nrows = shown->nelts;
    k->chosen = shown->nelts < n;
    return shown;
}

/* Text without an ending. */
static const char *without(const char *text, const char *ending, apr_pool_t *p)
{
    apr_size_t len = strlen(text), cut = strlen(ending);

    return len > cut && !strcmp(text + len - cut, ending) ? apr_pstrmemdup(p, text, len - cut)
                                                          : text;
}

/* The row of the whole: "NC State Overall", "Alder Ridge District Overall", "Oak School Overall". */
static const char *name_of_whole(const sb_view_work_t *k)
{
    const sb_json_t *place = sb_view_place(k, NULL);
    const char *type = sb_view_text(place, "type"), *name = sb_view_text(place, "name");
    const char *code = sb_view_text(place, "stateCode"); /* not in the public report */

    if (!type || !name) {
        return "Overall";
    }
    if (!strcmp(type, "state")) {
        return apr_pstrcat(k->p, code ? code : name, " State Overall", NULL);
    }
    if (!strcmp(type, "district")) {
        const char *schools = strstr(name, " Public Schools"), *plain = strstr(name, " Schools");
        const char *at = schools ? schools : plain;

        if (at) {
            name = apr_pstrcat(k->p, apr_pstrmemdup(k->p, name, (apr_size_t)(at - name)),
                               at + strlen(schools ? " Public Schools" : " Schools"), NULL);
        }
        name = without(without(name, " District", k->p), " School", k->p);
        return apr_pstrcat(k->p, name, " District Overall", NULL);
    }
    return apr_pstrcat(k->p, without(name, " School", k->p), " School Overall", NULL);
}

/* What names of rows are called, and the title of the page. */
static const char *name_column(sb_view_work_t *k)
{
    int is_school = sb_params_has(k->params, "schoolId");
    int is_district = sb_params_has(k->params, "districtId");
    const char *name = sb_view_text(sb_view_place(k, NULL), "name");

    k->title = !name ? "Comparing Populations"
                     : apr_pstrcat(k->p,
                                   is_school     ? "Grades in "
                                   : is_district ? "Schools in "
                                                 : "Districts in ",
                                   name, NULL);
    return is_school ? "Grade" : is_district ? "School Name" : "District Name";
}

/* The header of the column that rows are ordered by; of a subject the report has not got it is that of names. */
static const char *order_of(const sb_view_work_t *k, const char *name_title)
{
    const char *column = k->view->column, *what = strchr(column, '.');
    const char *way = k->view->descending ? "(descending)" : "(ascending)";

    for (const sb_json_t *s = sb_view_first(k->answer, "subjects"); s && what; s = s->next) {
        if (strlen(s->key) != (apr_size_t)(what - column) ||
            strncmp(s->key, column, strlen(s->key))) {
            continue;
        }
        return !strcmp(what, ".total")
                   ? apr_pstrcat(k->p, sb_view_subject(s), " Total Assessed ", way, NULL)
                   : apr_pstrcat(k->p, sb_view_subject(s),
                                 k->view->descending ? " (achievement: most to least)"
                                                     : " (achievement: least to most)",
                                 NULL);
    }
    return k->view->descending ? apr_pstrcat(k->p, name_title, " ", way, NULL) : name_title;
}

static void comparing(sb_view_work_t *k, sb_sheet_t *columns)
{
    const char *name_title = name_column(k);
    const sb_json_t *whole = sb_view_first(k->answer, "summary");
    const apr_array_header_t *shown = shown_rows(k);
    int filtered = sb_filter_any(k->params);

    k->types = "Summative";
    k->order = order_of(k, name_title);
    sb_sheet_field(columns, name_title);
    for (const sb_json_t *s = sb_view_first(k->answer, "subjects"); s; s = s->next) {
        for (int l = 1; l <= levels_of(k, s->key); l++) {
            sb_sheet_fieldf(columns, "%s Level %d Count", sb_view_subject(s), l);
            sb_sheet_fieldf(columns, "%s Level %d Percentage", sb_view_subject(s), l);
        }
        if (filtered) {
            sb_sheet_fieldf(columns, "%s Filtered Student Count", sb_view_subject(s));
        }
        sb_sheet_fieldf(columns, "%s Total Assessed", sb_view_subject(s));
    }
    sb_sheet_line(columns);
    if (whole) {
        write_row(k, whole, name_of_whole(k), 1);
    }
    for (int i = 0; i < shown->nelts; i++) {
        const sb_json_t *r = APR_ARRAY_IDX(shown, i, const sb_json_t *);
        const char *name = sb_view_text(r, "name");

        write_row(k, r,
                  name && sb_params_has(k->params, "schoolId") ? sb_view_grade(name, k->p) : name,
                  0);
    }
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
                         const sb_report_t *report, const sb_params_t *params,
                         const sb_view_t *view, const char *json, apr_size_t len, apr_time_t now,
                         apr_pool_t *p)
{
    static const sb_json_limits_t limits = {
        .max_bytes = JSON_MAX, .max_depth = 32, .max_nodes = 10 * 1000 * 1000};
    int students = is(report, "list_of_students");
    sb_view_work_t k = {.params = params,
                        .view = view,
                        .rows = sb_sheet_make(p),
                        .levels = apr_hash_make(p),
                        .p = p};
    sb_sheet_t *columns = sb_sheet_make(p), *head = sb_sheet_make(p);
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
    k.answer = answer;
    localtime_r(&t, &tm);
    (students ? sb_view_students : comparing)(&k, columns);
    write_head(head, &k, &tm);
    sb_sheet_append(head, columns);
    sb_sheet_append(head, k.rows);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%S", &tm);
    *pname = apr_pstrcat(p, students ? "list_of_students" : "comparing_populations", "_", stamp,
                         ".csv", NULL);
    *ptext = sb_sheet_text(head, plen);
    return APR_SUCCESS;
}
