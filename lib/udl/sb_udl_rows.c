/* Rows: see sb_udl_rows.h. The hot path of the loader is sb_udl_rows_record. */

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "core/sb_path.h"
#include "udl/sb_udl_digest.h"
#include "udl/sb_udl_keys.h"
#include "udl/sb_udl_results.h"
#include "udl/sb_udl_rows.h"

#define PENDING_MAX (2 * SB_UDL_NCOLUMNS + SB_UDL_FINDINGS_MAX) /* warnings of one row */
#define SUSPECTS_MAX 1000 /* rows looked up one by one whether their key is there twice */

typedef struct {
    apr_int64_t count;
    apr_int64_t first_line;
} tally_t;

typedef struct {
    unsigned char column, issue;
} pending_t;

struct sb_udl_rows_t {
    sb_udl_rows_opts_t opts;
    apr_pool_t *p;
    sb_udl_begin_fn *begin;
    void *begin_ctx;
    sb_copy_t *copy;
    sb_udl_map_t map;
    const sb_udl_format_t *format;                 /* NULL: no header yet */
    const unsigned char (*action)[SB_UDL_NISSUES]; /* the policy for this format */

    sb_udl_counts_t counts;
    sb_udl_seen_t seen;
    sb_udl_keys_t *keys;
    apr_array_header_t *suspects; /* texts: lines whose key may have been there before */
    apr_int64_t nsuspects;
    const char *duplicate; /* the reason of that warning, with the line of the first one */
    tally_t tally[SB_UDL_NCOLUMNS + 1][SB_UDL_NISSUES];
    apr_array_header_t *refusals;
    const char *problem;

    /* the current row */
    int converted; /* columns */
    pending_t pending[PENDING_MAX];
    int npending;
    sb_udl_findings_t found;
    sb_udl_value_t v[SB_UDL_NCOLUMNS];
    char scratch[SB_UDL_NCOLUMNS * SB_UDL_SCRATCH];
};

apr_status_t sb_udl_rows_make(sb_udl_rows_t **prows, const sb_udl_rows_opts_t *opts, apr_pool_t *p)
{
    sb_udl_rows_t *rows = apr_pcalloc(p, sizeof *rows);

    *prows = rows;
    rows->opts = *opts;
    rows->p = p;
    rows->refusals = apr_array_make(p, 16, sizeof(sb_udl_refusal_t));
    rows->suspects = apr_array_make(p, 16, sizeof(const char *));
    rows->keys = sb_udl_keys_make(p);
    sb_udl_results_begin(&rows->seen);
    return APR_SUCCESS;
}

void sb_udl_rows_on_header(sb_udl_rows_t *rows, sb_udl_begin_fn *fn, void *ctx)
{
    rows->begin = fn;
    rows->begin_ctx = ctx;
}

static int is_results(const sb_udl_rows_t *rows)
{
    return rows->format->id == SB_UDL_RESULTS;
}

const char *sb_udl_rows_copy_sql(int *pncols, const sb_udl_rows_t *rows, const char *guid,
                                 apr_pool_t *p)
{
    const sb_udl_format_t *f = rows->format;
    const char *names = "file_line";
    int i;

    *pncols = 1 + f->ncolumns;
    if (is_results(rows)) {
        names = apr_pstrcat(p, names, ", ", sb_udl_results_computed, NULL);
        *pncols += SB_UDL_NCOMPUTED;
    }
    for (i = 0; i < f->ncolumns; i++) {
        names = apr_pstrcat(p, names, ", ", f->columns[i].target, NULL);
    }
    return sb_sql(p,
                  apr_pstrcat(p, "COPY {batch}.", f->table, " (", names,
                              ") FROM STDIN (FORMAT binary)", NULL),
                  "batch", guid, NULL);
}

/* ---- issues ------------------------------------------------------------------------------------ */

static const char *column_name(const sb_udl_rows_t *rows, int column)
{
    return column == SB_UDL_WHOLE_ROW ? NULL : rows->format->columns[column].header;
}

static const char *reason_of(const sb_udl_rows_t *rows, sb_udl_issue_t issue, int column,
                             apr_pool_t *p)
{
    int max = column == SB_UDL_WHOLE_ROW ? 0 : rows->format->columns[column].max;

    return sb_udl_issue_text(issue, max, p);
}

static sb_udl_refusal_t *add_refusal(sb_udl_rows_t *rows, apr_int64_t line, int column,
                                     sb_udl_issue_t issue)
{
    sb_udl_refusal_t *r = apr_array_push(rows->refusals);

    memset(r, 0, sizeof *r);
    r->line = line;
    r->place = column;
    r->column = column_name(rows, column);
    r->number = sb_udl_issue_info[issue].number;
    r->reason = reason_of(rows, issue, column, rows->p);
    return r;
}

/* Whose row it is, as soon as that was read. @param from the first refusal of the current row */
static void name_student(sb_udl_rows_t *rows, int from)
{
    const sb_udl_value_t *student = &rows->v[rows->format->student];
    int i;

    if (rows->converted <= rows->format->student || student->kind != SB_UDL_V_TEXT) {
        return;
    }
    for (i = from; i < rows->refusals->nelts; i++) {
        sb_udl_refusal_t *r = &APR_ARRAY_IDX(rows->refusals, i, sb_udl_refusal_t);

        if (!r->student_id) {
            r->student_id = apr_pstrmemdup(rows->p, student->s, student->len);
        }
    }
}

/* One of the current row, if it is among the first. */
static void keep_refusal(sb_udl_rows_t *rows, apr_int64_t line, int column, sb_udl_issue_t issue)
{
    if (rows->refusals->nelts < rows->opts.max_refusals) {
        add_refusal(rows, line, column, issue);
        name_student(rows, rows->refusals->nelts - 1);
    }
}

/* The batch fails over a row. */
static void fail_at(sb_udl_rows_t *rows, apr_int64_t line, int column, sb_udl_issue_t issue,
                    const char *reason)
{
    const char *name = column_name(rows, column);

    rows->problem =
        apr_psprintf(rows->p, "line %" APR_INT64_T_FMT "%s%s: %s (code %d)", line, name ? ", " : "",
                     name ? name : "", reason, sb_udl_issue_info[issue].number);
}

/* @return what the policy says; warnings wait for count_warnings, refusals are kept, failures worded */
static sb_udl_action_t judge(sb_udl_rows_t *rows, apr_int64_t line, int column,
                             sb_udl_issue_t issue)
{
    sb_udl_action_t action = (sb_udl_action_t)rows->action[column][issue];

    if (action == SB_UDL_WARN && rows->npending < PENDING_MAX) {
        rows->pending[rows->npending].column = (unsigned char)column;
        rows->pending[rows->npending++].issue = (unsigned char)issue;
    }
    if (action < SB_UDL_REJECT) {
        return action;
    }
    keep_refusal(rows, line, column, issue);
    if (action == SB_UDL_FAIL) {
        fail_at(rows, line, column, issue, reason_of(rows, issue, column, rows->p));
    }
    return action;
}

/* What was odd about the current row counts. */
static void count_warnings(sb_udl_rows_t *rows, apr_int64_t line)
{
    int i;

    for (i = 0; i < rows->npending; i++) {
        tally_t *t = &rows->tally[rows->pending[i].column][rows->pending[i].issue];

        t->first_line = t->count++ ? t->first_line : line;
    }
}

/* ---- a row ------------------------------------------------------------------------------------- */

static int is_text(const sb_udl_value_t *v, const char *s)
{
    return v->kind == SB_UDL_V_TEXT && v->len == strlen(s) && !memcmp(v->s, s, v->len);
}

/* Flags for the fields of a row: what bytes may be in them? */
static int bytes_of(const sb_csv_field_t *fields, int n)
{
    apr_size_t len = (apr_size_t)(fields[n - 1].s + fields[n - 1].len - fields[0].s);

    if (sb_udl_is_plain(fields[0].s, len)) {
        return 0;
    }
    return SB_UDL_NOT_PLAIN | (sb_utf8_is_valid(fields[0].s, len) ? 0 : SB_UDL_AS_1252);
}

/* Convert all fields. @return the worst action any of them asks for */
static sb_udl_action_t convert(sb_udl_rows_t *rows, apr_int64_t line, const sb_csv_field_t *fields,
                               int n)
{
    static const sb_csv_field_t nothing = {"", 0};
    const sb_udl_column_t *column = rows->format->columns;
    int bytes = bytes_of(fields, n), ncolumns = rows->format->ncolumns, i;
    const char *state = rows->opts.state_code;
    sb_udl_action_t worst = SB_UDL_ACCEPT, action;
    apr_size_t used = 0;
    int kept = rows->refusals->nelts;

    for (i = 0; i < ncolumns; i++, column++) {
        int place = rows->map.place[i], flags = column->flags | bytes;
        const sb_csv_field_t *f = place < 0 ? &nothing : &fields[place];
        sb_udl_issue_t issue;

        rows->converted = i;
        if (flags & SB_UDL_AS_1252) {
            if (sb_utf8_is_valid(f->s, f->len)) {
                flags &= ~SB_UDL_AS_1252; /* another field of the row is not */
            }
            else {
                action = judge(rows, line, i, SB_UDL_LATIN1);
                worst = action > worst ? action : worst;
            }
        }
        issue = sb_udl_convert(&rows->v[i], column->rule, column->max, flags, f->s, f->len,
                               rows->scratch, &used);
        if (issue == SB_UDL_FINE && i == rows->format->state && state &&
            !is_text(&rows->v[i], state)) {
            issue = SB_UDL_OTHER_STATE;
        }
        if (issue != SB_UDL_FINE) {
            action = judge(rows, line, i, issue);
            worst = action > worst ? action : worst;
        }
    }
    rows->converted = ncolumns;
    name_student(rows, kept);
    return worst;
}

/* @return the worst action any finding asks for */
static sb_udl_action_t judge_found(sb_udl_rows_t *rows, apr_int64_t line)
{
    sb_udl_action_t worst = SB_UDL_ACCEPT, action;
    int i;

    for (i = 0; i < rows->found.n; i++) {
        action =
            judge(rows, line, rows->found.at[i].column, (sb_udl_issue_t)rows->found.at[i].issue);
        worst = action > worst ? action : worst;
    }
    return worst;
}

/* Judge the current row: each value, what they are together, and then, if nothing was to be rejected
 * so far, by the metadata. Warnings of that last step count even if it rejects the row: if the metadata
 * comes behind the rows, all before it has long been counted. */
static sb_udl_action_t judge_row(sb_udl_rows_t *rows, apr_int64_t line,
                                 const sb_csv_field_t *fields, int n)
{
    sb_udl_action_t action = n == rows->map.nfields
                                 ? convert(rows, line, fields, n)
                                 : judge(rows, line, SB_UDL_WHOLE_ROW, SB_UDL_COLUMNS);

    if (action < SB_UDL_REJECT && is_results(rows)) {
        sb_udl_results_check(&rows->found, rows->v);
        action = judge_found(rows, line);
    }
    if (action >= SB_UDL_REJECT) {
        return action;
    }
    if (is_results(rows)) {
        sb_udl_results_compare(&rows->found, rows->v, rows->opts.meta, &rows->seen, line, rows->p);
        action = judge_found(rows, line);
    }
    count_warnings(rows, line);
    return action;
}

/* Was a row with this key there before? Deletes are promotion's business. */
static void note_key(sb_udl_rows_t *rows, apr_int64_t line)
{
    const sb_udl_value_t *v = rows->v;
    uint64_t h = SB_FNV_BASIS;
    int seen;

    if (rows->counts.deduplicated < 0) {
        return;
    }
    if (is_results(rows)) {
        if (!is_text(&v[SB_UDL_C_OP], "C")) {
            return;
        }
        h = sb_fnv_value(h, &v[SB_UDL_C_STUDENT]);
        h = sb_fnv_value(h, &v[SB_UDL_C_TAKEN]);
    }
    else {
        h = sb_fnv_value(h, &v[SB_UDL_R_STUDENT]);
        h = sb_fnv_value(h, &v[SB_UDL_R_SCHOOL]);
        h = sb_fnv_value(h, &v[SB_UDL_R_DISTRICT]);
    }
    seen = sb_udl_keys_seen(rows->keys, sb_fnv_end(h));
    if (seen < 0) {
        rows->counts.deduplicated = -1;
    }
    else if (seen && rows->nsuspects++ < SUSPECTS_MAX) {
        APR_ARRAY_PUSH(rows->suspects, const char *) =
            apr_psprintf(rows->p, "%" APR_INT64_T_FMT, line);
    }
}

/* In the order of sb_udl_rows_copy_sql. */
static apr_status_t emit(sb_udl_rows_t *rows, apr_int64_t line)
{
    const sb_udl_value_t *v = rows->v;
    sb_copy_t *c = rows->copy;
    apr_status_t rv;
    int i, ncolumns = rows->format->ncolumns;

    rv = sb_copy_row(c);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    sb_copy_int8(c, line);
    if (is_results(rows)) {
        sb_udl_results_emit(c, v);
    }
    for (i = 0; i < ncolumns; i++, v++) {
        switch (v->kind) {
        case SB_UDL_V_NULL:
            sb_copy_null(c);
            break;
        case SB_UDL_V_TEXT:
            sb_copy_text(c, v->s, v->len);
            break;
        case SB_UDL_V_INT:
            sb_copy_int2(c, v->number);
            break;
        case SB_UDL_V_BOOL:
            sb_copy_bool(c, v->number);
            break;
        }
    }
    return APR_SUCCESS;
}

static apr_status_t header(sb_udl_rows_t *rows, apr_int64_t line, const sb_csv_field_t *fields,
                           int n)
{
    const sb_udl_meta_t *meta = rows->opts.meta;
    const sb_udl_format_t *want =
        !meta ? NULL
              : &sb_udl_formats[meta->load == SB_UDL_ASSESSMENT ? SB_UDL_RESULTS : SB_UDL_STUDENTS];
    const char *problem = sb_udl_map_header(&rows->map, want, fields, n, rows->p);

    rows->format = rows->map.format;
    rows->action = rows->opts.policy->of[rows->format->id];
    if (problem) {
        rows->problem =
            apr_psprintf(rows->p, "header on line %" APR_INT64_T_FMT ": %s", line, problem);
        return SB_EINPUT;
    }
    return rows->begin(rows->begin_ctx, &rows->copy);
}

static int is_blank(const sb_csv_field_t *fields, int n)
{
    apr_size_t i;

    for (i = 0; n == 1 && i < fields[0].len && fields[0].s[i] == ' '; i++) {
    }
    return n == 0 || (n == 1 && i == fields[0].len);
}

apr_status_t sb_udl_rows_record(void *ctx, apr_int64_t line, const sb_csv_field_t *fields, int n)
{
    sb_udl_rows_t *rows = ctx;
    sb_udl_action_t action;

    rows->converted = rows->npending = 0;
    if (is_blank(fields, n)) {
        if (!rows->format) {
            return APR_SUCCESS; /* above the header */
        }
        action = judge(rows, line, SB_UDL_WHOLE_ROW, SB_UDL_BLANK_LINE);
        count_warnings(rows, line);
        return action == SB_UDL_FAIL ? SB_EINPUT : APR_SUCCESS;
    }
    if (!rows->format) {
        return header(rows, line, fields, n);
    }
    rows->counts.read++;
    action = judge_row(rows, line, fields, n);
    if (action == SB_UDL_FAIL) {
        return SB_EINPUT;
    }
    if (action == SB_UDL_REJECT) {
        rows->counts.rejected++;
        return APR_SUCCESS;
    }
    rows->counts.loaded++;
    note_key(rows, line);
    return emit(rows, line);
}

/* ---- the end ----------------------------------------------------------------------------------- */

static apr_status_t none_loaded(sb_udl_rows_t *rows)
{
    rows->problem = apr_psprintf(
        rows->p, "failed to load all data: each of the %" APR_INT64_T_FMT " rows was rejected",
        rows->counts.read);
    return SB_EINPUT;
}

apr_status_t sb_udl_rows_end(sb_udl_rows_t *rows, const sb_udl_meta_t *meta)
{
    if (!rows->format || !rows->counts.read) {
        rows->problem = rows->format ? "the CSV file has a header but no data (code 3003)"
                                     : "the CSV file is empty (code 3003)";
        return SB_EINPUT;
    }
    if (is_results(rows) != (meta->load == SB_UDL_ASSESSMENT)) {
        rows->problem =
            apr_psprintf(rows->p, "the columns are those of %s, the metadata says %s (code 3006)",
                         rows->format->name,
                         sb_udl_formats[is_results(rows) ? SB_UDL_STUDENTS : SB_UDL_RESULTS].name);
        return SB_EINPUT;
    }
    return rows->counts.loaded ? APR_SUCCESS : none_loaded(rows);
}

/* One settling: what its statements share. */
typedef struct {
    sb_udl_rows_t *rows;
    sb_db_t *db;
    const char *guid;
    apr_pool_t *p;
} settle_t;

/* SQL with the batch's table in it, from three pieces. */
static const char *sql_of(const settle_t *s, const char *before, const char *after)
{
    return sb_sql(s->p,
                  apr_pstrcat(s->p, before, " {batch}.", s->rows->format->table, " ", after, NULL),
                  "batch", s->guid, NULL);
}

/* Rows that the policy rejects: which they are. */
static apr_status_t note_refused(settle_t *s, const sb_udl_question_t *q)
{
    const char *which = apr_psprintf(s->p, "WHERE %s ORDER BY file_line LIMIT %d", q->where,
                                     s->rows->opts.max_refusals);
    sb_rows_t *found;
    apr_status_t rv;
    int i;

    rv = sb_db_query_text(&found, s->db, sql_of(s, "SELECT file_line, student_id FROM", which),
                          q->nargs, q->args, s->p);
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(found); i++) {
        /* their lines may be before those that are kept: sb_udl_rows_refusals sorts and cuts */
        sb_udl_refusal_t *r =
            add_refusal(s->rows, sb_rows_int(found, i, 0, 0), q->column, q->issue);

        r->student_id = apr_pstrdup(s->rows->p, sb_rows_text(found, i, 1));
    }
    return rv;
}

static apr_status_t drop_refused(settle_t *s, const sb_udl_question_t *q)
{
    const char *which = apr_pstrcat(s->p, "WHERE ", q->where, NULL);
    apr_int64_t n = 0;
    apr_status_t rv =
        sb_db_exec_text(&n, s->db, sql_of(s, "DELETE FROM", which), q->nargs, q->args);

    s->rows->counts.loaded -= n;
    s->rows->counts.rejected += n;
    return rv;
}

/* How many rows, and the first of them. */
static apr_status_t count_rows(tally_t *t, settle_t *s, const sb_udl_question_t *q)
{
    const char *which = apr_pstrcat(s->p, "WHERE ", q->where, NULL);
    sb_rows_t *found;
    apr_status_t rv;

    rv = sb_db_query_text(&found, s->db, sql_of(s, "SELECT count(*), min(file_line) FROM", which),
                          q->nargs, q->args, s->p);
    t->count = rv == APR_SUCCESS ? sb_rows_int(found, 0, 0, 0) : 0;
    t->first_line = rv == APR_SUCCESS ? sb_rows_int(found, 0, 1, 0) : 0;
    return rv;
}

static apr_status_t fail_if_any(settle_t *s, const sb_udl_question_t *q)
{
    tally_t t;
    apr_status_t rv = count_rows(&t, s, q);

    if (rv != APR_SUCCESS || !t.count) {
        return rv;
    }
    add_refusal(s->rows, t.first_line, q->column, q->issue);
    fail_at(s->rows, t.first_line, q->column, q->issue,
            reason_of(s->rows, q->issue, q->column, s->p));
    return SB_EINPUT;
}

static apr_status_t note_warned(settle_t *s, const sb_udl_question_t *q)
{
    return count_rows(&s->rows->tally[q->column][q->issue], s, q);
}

/* The metadata came behind the rows. */
static apr_status_t settle_metadata(settle_t *s, const sb_udl_meta_t *meta)
{
    static const struct {
        sb_udl_action_t action;
        apr_status_t (*fn)(settle_t *, const sb_udl_question_t *);
    } steps[] = {{SB_UDL_FAIL, fail_if_any},
                 {SB_UDL_REJECT, note_refused},
                 {SB_UDL_WARN, note_warned},
                 {SB_UDL_REJECT, drop_refused}};
    const apr_array_header_t *all = sb_udl_results_questions(&s->rows->seen, meta, s->p);
    apr_status_t rv = APR_SUCCESS;
    apr_size_t step;
    int i;

    for (step = 0; step < sizeof steps / sizeof *steps; step++) {
        for (i = 0; i < all->nelts && rv == APR_SUCCESS; i++) {
            const sb_udl_question_t *q = &APR_ARRAY_IDX(all, i, sb_udl_question_t);

            if ((sb_udl_action_t)s->rows->action[q->column][q->issue] == steps[step].action) {
                rv = steps[step].fn(s, q);
            }
        }
    }
    return rv;
}

/* Rows whose key an earlier one has too, exactly: the digests only raised a suspicion. */
static apr_status_t settle_duplicates(settle_t *s)
{
    sb_udl_rows_t *rows = s->rows;
    const char *key = is_results(rows) ? "student_id, date_taken"
                                       : "student_id, school_id, district_id, state_code",
               *what = is_results(rows) ? "student, assessment and day" : "student and school";
    const char *creates = is_results(rows) ? "op = 'C'" : "true", *some = "";
    const char *args[1] = {NULL};
    sb_udl_action_t action = (sb_udl_action_t)rows->action[SB_UDL_WHOLE_ROW][SB_UDL_DUPLICATE];
    tally_t *t = &rows->tally[SB_UDL_WHOLE_ROW][SB_UDL_DUPLICATE];
    sb_rows_t *found;
    apr_status_t rv;

    if (rows->nsuspects <= SUSPECTS_MAX) {
        args[0] = apr_pstrcat(s->p, "{", apr_array_pstrcat(s->p, rows->suspects, ','), "}", NULL);
        some = sql_of(s, "AND student_id IN (SELECT student_id FROM",
                      "WHERE file_line = ANY ($1::bigint[]))");
    }
    rv = sb_db_query_text(
        &found, s->db,
        apr_psprintf(s->p,
                     "SELECT file_line, earlier, count(*) OVER () FROM (SELECT file_line,"
                     " lag(file_line) OVER (PARTITION BY %s ORDER BY file_line) AS earlier"
                     " FROM %s WHERE %s %s) x WHERE earlier IS NOT NULL ORDER BY file_line LIMIT 1",
                     key, sql_of(s, "", ""), creates, some),
        *some ? 1 : 0, args, s->p);
    if (rv != APR_SUCCESS || !sb_rows_count(found)) {
        return rv;
    }
    rows->counts.deduplicated = sb_rows_int(found, 0, 2, 0);
    rows->duplicate =
        apr_psprintf(rows->p, "the same %s as line %" APR_INT64_T_FMT ", which does not count",
                     what, sb_rows_int(found, 0, 1, 0));
    if (action >= SB_UDL_REJECT) { /* which of the two rows should go is not for us to say */
        fail_at(rows, sb_rows_int(found, 0, 0, 0), SB_UDL_WHOLE_ROW, SB_UDL_DUPLICATE,
                rows->duplicate);
        return SB_EINPUT;
    }
    if (action != SB_UDL_ACCEPT) {
        t->count = rows->counts.deduplicated;
        t->first_line = sb_rows_int(found, 0, 0, 0);
    }
    return APR_SUCCESS;
}

apr_status_t sb_udl_rows_settle(sb_udl_rows_t *rows, sb_db_t *db, const char *guid,
                                const sb_udl_meta_t *meta)
{
    settle_t s = {rows, db, guid, NULL};
    apr_status_t rv;

    rv = apr_pool_create(&s.p, rows->p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (is_results(rows) && !rows->opts.meta) {
        rv = settle_metadata(&s, meta);
    }
    if (rv == APR_SUCCESS && !rows->counts.loaded) {
        rv = none_loaded(rows);
    }
    if (rv == APR_SUCCESS && rows->nsuspects && rows->counts.deduplicated >= 0) {
        rv = settle_duplicates(&s);
    }
    apr_pool_destroy(s.p);
    return rv;
}

/* ---- what came of it --------------------------------------------------------------------------- */

const char *sb_udl_rows_problem(const sb_udl_rows_t *rows)
{
    return rows->problem;
}

sb_udl_counts_t sb_udl_rows_counts(const sb_udl_rows_t *rows)
{
    return rows->counts;
}

const char *sb_udl_rows_guid(const sb_udl_rows_t *rows)
{
    return rows->seen.guid;
}

static int by_place(const void *a, const void *b)
{
    const sb_udl_refusal_t *x = a, *y = b;

    if (x->line != y->line) {
        return x->line < y->line ? -1 : 1;
    }
    return x->place != y->place ? x->place - y->place : x->number - y->number;
}

const apr_array_header_t *sb_udl_rows_refusals(sb_udl_rows_t *rows)
{
    apr_array_header_t *all = rows->refusals;

    qsort(all->elts, (size_t)all->nelts, (size_t)all->elt_size, by_place);
    if (all->nelts > rows->opts.max_refusals) {
        all->nelts = rows->opts.max_refusals;
    }
    return all;
}

const apr_array_header_t *sb_udl_rows_warnings(const sb_udl_rows_t *rows, apr_pool_t *p)
{
    apr_array_header_t *all = apr_array_make(p, 8, sizeof(sb_udl_warning_t));
    int i, k;

    for (i = 0; i <= SB_UDL_WHOLE_ROW; i++) {
        for (k = 0; k < SB_UDL_NISSUES; k++) {
            if (rows->tally[i][k].count) {
                sb_udl_warning_t *w = apr_array_push(all);

                w->column = column_name(rows, i);
                w->number = sb_udl_issue_info[k].number;
                w->code = sb_udl_issue_info[k].code;
                w->reason = k == SB_UDL_DUPLICATE ? rows->duplicate
                                                  : reason_of(rows, (sb_udl_issue_t)k, i, p);
                w->count = rows->tally[i][k].count;
                w->first_line = rows->tally[i][k].first_line;
            }
        }
    }
    return all;
}
