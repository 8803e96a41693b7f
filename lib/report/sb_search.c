/**
 * Report search: districts and schools by a part of their name, for every member of the tenant; students by
 * the beginning of their id or names, only those whom the user's grants of PII reach. Source of the rules:
 * docs/reporting.md, "Search".
 *
 * Students: whoever sees the whole state goes by the indexes of names (sql/prod/009_search.sql). For
 * others, the students of their places are found first and names compared then, so that neither answer nor
 * time depends on anybody elsewhere.
 */

#include <string.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_version.h>
#include "report/sb_result.h"

#define LIMIT 20 /* of each kind */
#define LIMIT_MAX 50
#define TEXT_MIN 2  /* characters that count */
#define WORDS_MAX 5 /* of a name: further ones belong to the last */

#define KEY(column) "({schema}.search_key(" column ")) COLLATE \"C\""

typedef struct {
    const sb_report_ctx_t *ctx;
    const sb_scope_t *pii; /* NULL: students are not searched */
    apr_pool_t *p;
    const char *text; /* without blanks at its ends */
    int limit;
    sb_rows_t *districts, *schools, *students; /* one more than the limit, if there are more */
} work_t;

static const char *const kinds[] = {"districts", "schools", "students", NULL};

static int wants(const work_t *k, const char *kind)
{
    const apr_array_header_t *list = sb_params_list(k->ctx->params, "kind");

    for (int i = 0; list && i < list->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(list, i, const char *), kind)) {
            return 1;
        }
    }
    return !list;
}

/* Take a value as parameter. @return its "$n::text" */
static const char *arg(const work_t *k, apr_array_header_t *args, const char *value)
{
    APR_ARRAY_PUSH(args, const char *) = value;
    return apr_psprintf(k->p, "$%d::text", args->nelts);
}

static void queue(sb_rows_t **prows, const work_t *k, sb_pipe_t *pipe, const char *what,
                  const char *sql, const apr_array_header_t *args)
{
    sb_pipe_query_text(prows, pipe, what, sb_sql(k->p, sql, "schema", k->ctx->schema, NULL),
                       args->nelts, (const char *const *)args->elts);
}

static const char *one_more(const work_t *k)
{
    return apr_itoa(k->p, k->limit + 1);
}

/* ---- places ---------------------------------------------------------------------------------- */

/* A state has a few thousand schools: their names are gone through. What begins with the text comes first. */
static void queue_places(work_t *k, sb_pipe_t *pipe)
{
    apr_array_header_t *args = apr_array_make(k->p, 8, sizeof(const char *));
    const char *text = arg(k, args, k->text), *limit = arg(k, args, one_more(k));
    const char *scope = sb_scope_sql(k->ctx->aggregates, "h", args->nelts + 1, args, k->p);
    const char *head = apr_pstrcat(k->p, "WITH k AS (SELECT {schema}.search_key(", text,
                                   ") AS key) SELECT ", NULL);
    const char *where =
        apr_pstrcat(k->p, " FROM {schema}.dim_inst_hier h, k WHERE h.rec_status = 'C' AND ", scope,
                    " AND length(k.key) >= " APR_STRINGIFY(TEXT_MIN), NULL);

    if (wants(k, "districts")) {
        queue(&k->districts, k, pipe, "search_districts",
              apr_pstrcat(k->p, head, "h.district_id, min(h.district_name)", where,
                          " AND strpos({schema}.search_key(h.district_name), k.key) > 0"
                          " GROUP BY h.district_id"
                          " ORDER BY min(strpos({schema}.search_key(h.district_name), k.key)) > 1,"
                          " 2, 1 LIMIT ",
                          limit, "::int", NULL),
              args);
    }
    if (wants(k, "schools")) {
        queue(&k->schools, k, pipe, "search_schools",
              apr_pstrcat(k->p, head, "h.district_id, h.district_name, h.school_id, h.school_name",
                          where,
                          " AND strpos({schema}.search_key(h.school_name), k.key) > 0"
                          " ORDER BY strpos({schema}.search_key(h.school_name), k.key) > 1,"
                          " h.school_name, h.district_name, h.school_id, h.district_id LIMIT ",
                          limit, "::int", NULL),
              args);
    }
}

/* ---- students -------------------------------------------------------------------------------- */

enum { S_ID, S_FIRST, S_MIDDLE, S_LAST, S_YEAR, S_TYPE, S_DATE, S_GRADE, S_DISTRICT, S_SCHOOL };
enum { S_DISTRICT_NAME = S_SCHOOL + 1, S_SCHOOL_NAME };

/* The newest result of student s that may be shown to this user. */
static const char *newest(const char *scope, apr_pool_t *p)
{
#define OF(table)                                                                                  \
    "SELECT f.asmt_year, f.asmt_type, f.date_taken, f.asmt_grade, f.district_id, f.school_id,"     \
    " f.inst_hier_rec_id FROM {schema}." table " f WHERE f.student_id = s.student_id"              \
    " AND f.rec_status = 'C' AND "
    return apr_pstrcat(p, " CROSS JOIN LATERAL (SELECT * FROM (", OF("fact_asmt_outcome_vw"),
                       sb_results_visible(SB_RESULTS_WHOLE), " AND ", scope, " UNION ALL ",
                       OF("fact_block_asmt_outcome"), sb_results_visible(SB_RESULTS_BLOCKS),
                       " AND ", scope,
                       ") x ORDER BY x.date_taken DESC, x.asmt_type DESC LIMIT 1) f", NULL);
#undef OF
}

/* A CTE "reached": the current students who have a result in the user's places. From the years there are
 * to the institutions he has, by the indexes of those. */
static const char *reached(const work_t *k, const char *scope, apr_array_header_t *args)
{
    const char *places = sb_scope_sql(k->pii, "h", args->nelts + 1, args, k->p);

#define YEARS(name, table)                                                                         \
    name "(year) AS (SELECT min(f.asmt_year) FROM {schema}." table " f WHERE f.rec_status = 'C'"   \
         " UNION ALL SELECT (SELECT min(f.asmt_year) FROM {schema}." table " f"                    \
         " WHERE f.rec_status = 'C' AND f.asmt_year > y.year) FROM " name " y"                     \
         " WHERE y.year IS NOT NULL)"
    return apr_pstrcat(
        k->p,
        "WITH RECURSIVE " YEARS("whole", "fact_asmt_outcome_vw") ", " YEARS(
            "blocks", "fact_block_asmt_outcome") ","
                                                 " mine AS MATERIALIZED (SELECT h.inst_hier_rec_id,"
                                                 " h.district_id, h.school_id"
                                                 " FROM {schema}.dim_inst_hier h WHERE ",
        places,
        "), reached AS MATERIALIZED (SELECT s.student_id, s.first_name, s.middle_name, s.last_name,"
        " s.rec_status FROM {schema}.dim_student s WHERE s.rec_status = 'C' AND s.student_id IN ("
        "SELECT f.student_id FROM whole y, mine h, {schema}.fact_asmt_outcome_vw f"
        " WHERE f.asmt_year = y.year AND f.inst_hier_rec_id = h.inst_hier_rec_id"
        " AND f.rec_status = 'C' AND ",
        sb_results_visible(SB_RESULTS_WHOLE), " AND ", scope,
        " UNION SELECT f.student_id FROM blocks y, (SELECT DISTINCT district_id, school_id FROM "
        "mine)"
        " h, {schema}.fact_block_asmt_outcome f WHERE f.asmt_year = y.year"
        " AND f.asmt_type = '" SB_ASMT_BLOCKS "' AND f.district_id = h.district_id"
        " AND f.school_id = h.school_id AND f.rec_status = 'C' AND ",
        sb_results_visible(SB_RESULTS_BLOCKS), " AND ", scope, "))", NULL);
#undef YEARS
}

/* Words of the text, at most WORDS_MAX; a comma ends the last name. @return their number */
static int split(const char *words[WORDS_MAX], int *pcomma, const work_t *k)
{
    const char *comma = strchr(k->text, ',');
    char *rest = apr_pstrdup(k->p, k->text);
    int n = 0;

    *pcomma = comma != NULL;
    if (comma) {
        rest[comma - k->text] = '\0';
        words[0] = rest;
        words[1] = rest + (comma - k->text) + 1;
        return 2;
    }
    while (*rest) {
        words[n++] = rest;
        while (*rest && *rest != ' ') {
            rest++;
        }
        if (n == WORDS_MAX || !*rest) {
            break;
        }
        *rest++ = '\0';
        while (*rest == ' ') {
            rest++;
        }
    }
    return n;
}

static const char *joined(const char *const *words, int from, int to, apr_pool_t *p)
{
    const char *all = "";

    for (int i = from; i < to; i++) {
        all = apr_pstrcat(p, all, words[i], NULL);
    }
    return all;
}

typedef struct {
    work_t *k;
    const char *from; /* table or CTE of students s */
    const char *newest, *limit;
    apr_array_header_t *args;
    apr_array_header_t *arms; /* const char * */
} search_t;

/* column begins with the value: a range of bytes, which indexes have; no character of it is special. */
static const char *begins(const search_t *q, const char *column, const char *value)
{
    return apr_pstrcat(q->k->p, column, " >= ", value, " AND ", column, " < ", value,
                       " || chr(1114111)", NULL);
}

/* One way to read the text: so many students in the order of its index. Earlier ways rank higher. */
static void add_arm(search_t *q, const char *where, const char *order)
{
    APR_ARRAY_PUSH(q->arms, const char *) = apr_pstrcat(
        q->k->p, "(SELECT ", apr_itoa(q->k->p, q->arms->nelts),
        " AS rank, row_number() OVER () AS nth, a.* FROM (SELECT s.student_id, s.first_name,"
        " s.middle_name, s.last_name, f.asmt_year, f.asmt_type, f.date_taken, f.asmt_grade,"
        " f.district_id, f.school_id, f.inst_hier_rec_id FROM ",
        q->from, " s", q->newest, " WHERE s.rec_status = 'C' AND ", where, " ORDER BY ", order,
        " LIMIT ", q->limit, "::int) a)", NULL);
}

/* Names, one or both: keys of what is typed, which may be nothing but accents and blanks. */
static void add_names(search_t *q, const char *last, const char *first)
{
    apr_pool_t *p = q->k->p;
    const char *both = KEY("s.last_name") ", " KEY("s.first_name") ", s.student_id", *where = "";
    const char *values[] = {last, first}, *columns[] = {KEY("s.last_name"), KEY("s.first_name")};
    const char *keys[2];

    for (int i = 0; i < 2; i++) {
        if (values[i]) {
            keys[i] =
                apr_pstrcat(p, "{schema}.search_key(", arg(q->k, q->args, values[i]), ")", NULL);
            where =
                apr_pstrcat(p, where, *where ? " AND " : "", begins(q, columns[i], keys[i]), NULL);
        }
    }
    /* one letter of the one name is enough beside the other */
    where = last && first
                ? apr_pstrcat(p, where, " AND length(", keys[0], ") > 0 AND length(", keys[0],
                              ") + length(", keys[1], ") >= " APR_STRINGIFY(TEXT_MIN), NULL)
                : apr_pstrcat(p, where, " AND length(", keys[last ? 0 : 1],
                              ") >= " APR_STRINGIFY(TEXT_MIN), NULL);
    add_arm(q, where, last ? both : KEY("s.first_name") ", " KEY("s.last_name") ", s.student_id");
}

static void add_readings(search_t *q)
{
    const char *words[WORDS_MAX];
    apr_pool_t *p = q->k->p;
    int comma, n = split(words, &comma, q->k);

    add_arm(q, begins(q, "s.student_id", arg(q->k, q->args, q->k->text)), "s.student_id");
    if (comma) {
        add_names(q, words[0], words[1]);
        return;
    }
    add_names(q, q->k->text, NULL);
    for (int i = 1; i < n; i++) {
        const char *head = joined(words, 0, i, p), *tail = joined(words, i, n, p);

        add_names(q, tail, head);
        add_names(q, head, tail);
    }
    add_names(q, NULL, q->k->text);
}

static void queue_students(work_t *k, sb_pipe_t *pipe)
{
    search_t q = {.k = k,
                  .args = apr_array_make(k->p, 32, sizeof(const char *)),
                  .arms = apr_array_make(k->p, 8, sizeof(const char *))};
    const char *scope = sb_scope_sql(k->pii, "f", 1, q.args, k->p), *with = "", *all = "";

    q.from = "{schema}.dim_student";
    if (!sb_scope_is_whole(k->pii)) {
        with = reached(k, scope, q.args);
        q.from = "reached";
    }
    q.newest = newest(scope, k->p);
    q.limit = arg(k, q.args, one_more(k));
    add_readings(&q);
    for (int i = 0; i < q.arms->nelts; i++) {
        all = apr_pstrcat(k->p, all, i ? " UNION ALL " : "", APR_ARRAY_IDX(q.arms, i, const char *),
                          NULL);
    }
    queue(&k->students, k, pipe, "search_students",
          apr_pstrcat(
              k->p, with,
              " SELECT u.student_id, u.first_name, u.middle_name, u.last_name, u.asmt_year,"
              " u.asmt_type, u.date_taken, u.asmt_grade, u.district_id, u.school_id,"
              " h.district_name, h.school_name FROM (SELECT DISTINCT ON (student_id) * FROM (",
              all,
              ") a ORDER BY student_id, rank, nth) u"
              " JOIN {schema}.dim_inst_hier h USING (inst_hier_rec_id)"
              " ORDER BY u.rank, u.nth LIMIT ",
              q.limit, "::int", NULL),
          q.args);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void write_place_params(sb_jw_t *w, const work_t *k, const char *district,
                               const char *school)
{
    sb_jw_object(w, "params");
    sb_jw_str(w, "stateCode", sb_scope_state(k->ctx->aggregates));
    sb_jw_str(w, "districtId", district);
    if (school) {
        sb_jw_str(w, "schoolId", school);
    }
    sb_jw_end(w);
}

static void write_district(sb_jw_t *w, const work_t *k, int i)
{
    write_place_params(w, k, sb_rows_text(k->districts, i, 0), NULL);
    sb_jw_str(w, "name", sb_rows_text(k->districts, i, 1));
}

static void write_school(sb_jw_t *w, const work_t *k, int i)
{
    write_place_params(w, k, sb_rows_text(k->schools, i, 0), sb_rows_text(k->schools, i, 2));
    sb_jw_str(w, "name", sb_rows_text(k->schools, i, 3));
    sb_jw_str(w, "district_name", sb_rows_text(k->schools, i, 1));
}

/* With the parameters of individual_student_report. */
static void write_student(sb_jw_t *w, const work_t *k, int i)
{
    static const struct {
        const char *name;
        int col;
    } texts[] = {{"first_name", S_FIRST},       {"middle_name", S_MIDDLE},
                 {"last_name", S_LAST},         {"grade", S_GRADE},
                 {"date_taken", S_DATE},        {"district_id", S_DISTRICT},
                 {"school_id", S_SCHOOL},       {"district_name", S_DISTRICT_NAME},
                 {"school_name", S_SCHOOL_NAME}};

    sb_jw_object(w, "params");
    sb_jw_str(w, "stateCode", sb_scope_state(k->ctx->aggregates));
    sb_jw_str(w, "studentId", sb_rows_text(k->students, i, S_ID));
    sb_jw_int(w, "asmtYear", sb_rows_int(k->students, i, S_YEAR, 0));
    sb_jw_str(w, "asmtType", sb_rows_text(k->students, i, S_TYPE));
    sb_jw_end(w);
    for (apr_size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++) {
        sb_jw_str(w, texts[t].name, sb_rows_text(k->students, i, texts[t].col));
    }
}

/* @return how many are shown */
static int write_kind(sb_jw_t *w, const work_t *k, const char *kind, const sb_rows_t *rows,
                      void (*write)(sb_jw_t *, const work_t *, int))
{
    int n = rows ? sb_rows_count(rows) : 0;

    if (!rows) {
        return 0;
    }
    n = n > k->limit ? k->limit : n;
    sb_jw_array(w, kind);
    for (int i = 0; i < n; i++) {
        sb_jw_object(w, NULL);
        write(w, k, i);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    return n;
}

static void write_all(sb_jw_t *w, const work_t *k)
{
    const sb_rows_t *all[] = {k->districts, k->schools, k->students};
    int students;

    sb_jw_object(w, NULL);
    write_kind(w, k, "districts", k->districts, write_district);
    write_kind(w, k, "schools", k->schools, write_school);
    students = write_kind(w, k, "students", k->students, write_student);
    sb_jw_array(w, "more");
    for (int i = 0; kinds[i]; i++) {
        if (all[i] && sb_rows_count(all[i]) > k->limit) {
            sb_jw_str(w, NULL, kinds[i]);
        }
    }
    sb_jw_end(w);
    sb_jw_end(w);
    if (k->students && k->ctx->found) {
        *k->ctx->found = students;
    }
}

/* ---- the report ------------------------------------------------------------------------------ */

/* One blank between words, none around them. */
static const char *tidy(const char *text, apr_pool_t *p)
{
    char *tidied = apr_pstrdup(p, text), *end = tidied;

    for (; *text; text++) {
        if (!apr_isspace(*text)) {
            *end++ = *text;
        }
        else if (end > tidied && end[-1] != ' ') {
            *end++ = ' ';
        }
    }
    end -= end > tidied && end[-1] == ' ';
    *end = '\0';
    return tidied;
}

/* Who asks for students needs the right; who asks for everything gets what he may see. */
static apr_status_t find_scope(work_t *k)
{
    const sb_report_ctx_t *ctx = k->ctx;
    apr_status_t rv;

    if (!wants(k, "students")) {
        return APR_SUCCESS;
    }
    rv = sb_scope_role(&k->pii, ctx->user, "PII", sb_scope_state(ctx->aggregates), ctx->tenants,
                       k->p);
    return rv == SB_EDENIED && !sb_params_has(ctx->params, "kind") ? APR_SUCCESS : rv;
}

static apr_status_t run(sb_jw_t *w, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    work_t k = {.ctx = ctx,
                .p = p,
                .limit = (int)sb_params_int(ctx->params, "limit", LIMIT),
                .text = tidy(sb_params_str(ctx->params, "text"), p)};
    sb_pipe_t *pipe = sb_pipe_make(ctx->db, p);
    const char *timeout = apr_psprintf(
        p, "%" APR_INT64_T_FMT,
        (apr_int64_t)apr_time_as_msec(sb_conf_interval(ctx->conf, "smarter.search.timeout")));
    static const sb_stmt_t limit_time = {"search_limit_time", 1,
                                         "SELECT set_config('statement_timeout', $1, true)"};
    sb_rows_t *ignored;
    apr_status_t rv = find_scope(&k);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    sb_pipe_begin(pipe, SB_TX_SNAPSHOT);
    sb_pipe_query(&ignored, pipe, &limit_time, &timeout);
    queue_places(&k, pipe);
    if (k.pii) {
        queue_students(&k, pipe);
    }
    sb_pipe_commit(pipe);
    rv = sb_pipe_run(pipe);
    if (rv == APR_SUCCESS) {
        write_all(w, &k);
    }
    return rv;
}

static const char *check(const sb_params_t *params)
{
    const char *text = sb_params_str(params, "text");
    apr_int64_t limit = sb_params_int(params, "limit", LIMIT);
    int n = 0;

    for (; *text; text++) {
        n += !apr_isspace(*text) && ((unsigned char)*text & 0xc0) != 0x80;
    }
    return n < TEXT_MIN                     ? "text: want at least 2 characters"
           : limit < 1 || limit > LIMIT_MAX ? "limit: want 1 to 50"
                                            : NULL;
}

static const sb_param_t params[] = {
    {.name = "stateCode",
     .type = SB_PARAM_STRING,
     .required = 1,
     .chars = "a-zA-Z",
     .min_len = 2,
     .max_len = 2},
    {.name = "text", .type = SB_PARAM_STRING, .required = 1, .max_len = 200, .secret = 1},
    {.name = "kind", .type = SB_PARAM_STRINGS, .values = kinds},
    {.name = "limit", .type = SB_PARAM_INTEGER},
    {.name = NULL},
};

const sb_report_t sb_report_search = {
    .name = "search",
    .callable = "search",
    .post_only = 1,
    .limit = "smarter.search.per_minute",
    .params = params,
    .check = check,
    .own_snapshot = 1,
    .run = run,
};
