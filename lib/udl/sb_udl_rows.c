/* Rows: see sb_udl_rows.h. The hot path of the loader is sb_udl_rows_record. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "udl/sb_udl_rows.h"

#define KEYS_MAX 1000000 /* rows whose keys are remembered to count doubles */
#define KEYS_FIRST 4096  /* slots to begin with; a power of two */
#define EXTRA_COLUMNS 6  /* line, hash, three parts of the date, derived ethnicity */

typedef struct {
    apr_int64_t count;
    apr_int64_t first_line;
} tally_t;

/* Hashes of keys, open addressing; 0 is a free slot. */
typedef struct {
    uint64_t *slots;
    apr_size_t nslots;
    apr_int64_t n;
} keys_t;

struct sb_udl_rows_t {
    sb_udl_rows_opts_t opts;
    apr_pool_t *p;
    sb_udl_begin_fn *begin;
    void *begin_ctx;
    sb_copy_t *copy;
    sb_udl_map_t map;
    int have_header;
    int first_line_done; /* type and subject of the first row are noted */
    const char *guid;    /* what every row must carry: the metadata's, else the first row's */
    const char *type, *subject;
    apr_int64_t first_row;

    sb_udl_counts_t counts;
    keys_t keys;
    tally_t tally[SB_UDL_NCOLUMNS + 1][SB_UDL_NISSUES];
    apr_array_header_t *refusals;
    const char *problem;

    sb_udl_value_t v[SB_UDL_NCOLUMNS];
    char scratch[SB_UDL_NCOLUMNS * SB_UDL_SCRATCH];
};

/* ---- keys already seen ------------------------------------------------------------------------ */

static void keys_insert(uint64_t *slots, apr_size_t nslots, uint64_t h)
{
    apr_size_t i = h & (nslots - 1);

    while (slots[i]) {
        i = (i + 1) & (nslots - 1);
    }
    slots[i] = h;
}

static int keys_grow(keys_t *k)
{
    apr_size_t nslots = k->nslots ? 2 * k->nslots : KEYS_FIRST, i;
    uint64_t *slots = calloc(nslots, sizeof *slots);

    if (!slots) {
        return 0;
    }
    for (i = 0; i < k->nslots; i++) {
        if (k->slots[i]) {
            keys_insert(slots, nslots, k->slots[i]);
        }
    }
    free(k->slots);
    k->slots = slots;
    k->nslots = nslots;
    return 1;
}

/* @return 1 seen before, 0 new, -1 cannot tell any more */
static int keys_seen(keys_t *k, uint64_t h)
{
    apr_size_t i;

    if (k->n < 0 || k->n >= KEYS_MAX || ((apr_size_t)k->n * 2 >= k->nslots && !keys_grow(k))) {
        k->n = -1;
        return -1;
    }
    h = h ? h : 1;
    for (i = h & (k->nslots - 1); k->slots[i]; i = (i + 1) & (k->nslots - 1)) {
        if (k->slots[i] == h) {
            return 1;
        }
    }
    k->slots[i] = h;
    k->n++;
    return 0;
}

static apr_status_t free_keys(void *data)
{
    free(((keys_t *)data)->slots);
    return APR_SUCCESS;
}

/* ---- digests: sql/batch says what they are ----------------------------------------------------- */

#define FNV_BASIS 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

static inline uint64_t fnv_byte(uint64_t h, unsigned char c)
{
    return (h ^ c) * FNV_PRIME;
}

static inline uint64_t fnv_text(uint64_t h, const char *s, apr_size_t len)
{
    apr_size_t i;

    h = fnv_byte(h, 1);
    for (i = 0; i < len; i++) {
        h = fnv_byte(h, (unsigned char)s[i]);
    }
    return fnv_byte(h, 0);
}

static inline uint64_t fnv_value(uint64_t h, const sb_udl_value_t *v)
{
    switch (v->kind) {
    case SB_UDL_V_TEXT:
        return fnv_text(h, v->s, v->len);
    case SB_UDL_V_BOOL:
        return fnv_text(h, v->number ? "t" : "f", 1);
    default:
        return fnv_byte(h, 0);
    }
}

static inline uint64_t fnv_end(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    return h ^ h >> 33;
}

static uint64_t student_hash(const sb_udl_value_t *v, int ethnicity)
{
    uint64_t h = FNV_BASIS;
    char digit = (char)('0' + ethnicity);
    int i;

    for (i = SB_UDL_C_STUDENT; i < SB_UDL_C_SEX; i++) {
        h = fnv_value(h, &v[i]);
    }
    h = fnv_value(h, &v[SB_UDL_C_BIRTHDATE]);
    h = fnv_value(h, &v[SB_UDL_C_SEX]);
    for (i = SB_UDL_C_GROUP1; i <= SB_UDL_C_GROUP10_TEXT; i++) {
        h = fnv_value(h, &v[i]);
    }
    h = fnv_text(h, &digit, 1);
    for (i = SB_UDL_C_HISPANIC; i <= SB_UDL_C_MIGRANT; i++) {
        h = fnv_value(h, &v[i]);
    }
    return fnv_end(h);
}

static uint64_t key_hash(const sb_udl_value_t *v)
{
    uint64_t h = FNV_BASIS;

    h = fnv_value(h, &v[SB_UDL_C_STUDENT]);
    h = fnv_value(h, &v[SB_UDL_C_TAKEN]);
    return fnv_end(fnv_value(h, &v[SB_UDL_C_OP]));
}

/* ---- making ------------------------------------------------------------------------------------ */

apr_status_t sb_udl_rows_make(sb_udl_rows_t **prows, const sb_udl_rows_opts_t *opts, apr_pool_t *p)
{
    sb_udl_rows_t *rows = apr_pcalloc(p, sizeof *rows);

    *prows = rows;
    rows->opts = *opts;
    rows->p = p;
    rows->refusals = apr_array_make(p, 16, sizeof(sb_udl_refusal_t));
    apr_pool_cleanup_register(p, &rows->keys, free_keys, apr_pool_cleanup_null);
    if (opts->meta) {
        rows->guid = opts->meta->guid;
        rows->type = opts->meta->type;
        rows->subject = opts->meta->subject;
    }
    return APR_SUCCESS;
}

void sb_udl_rows_on_header(sb_udl_rows_t *rows, sb_udl_begin_fn *fn, void *ctx)
{
    rows->begin = fn;
    rows->begin_ctx = ctx;
}

const char *sb_udl_rows_copy_sql(int *pncols, const char *guid, apr_pool_t *p)
{
    const char *names =
        "file_line, student_hash, date_taken_day, date_taken_month, date_taken_year,"
        " dmg_eth_derived";
    int i;

    for (i = 0; i < SB_UDL_NCOLUMNS; i++) {
        names = apr_pstrcat(p, names, ", ", sb_udl_columns[i].target, NULL);
    }
    *pncols = SB_UDL_NCOLUMNS + EXTRA_COLUMNS;
    return sb_sql(
        p,
        apr_pstrcat(p, "COPY {batch}.asmt_outcome (", names, ") FROM STDIN (FORMAT binary)", NULL),
        "batch", guid, NULL);
}

/* ---- issues ------------------------------------------------------------------------------------ */

static const char *column_name(int column)
{
    return column == SB_UDL_WHOLE_ROW ? NULL : sb_udl_columns[column].header;
}

static const char *reason_of(sb_udl_issue_t issue, int column, apr_pool_t *p)
{
    int max = column == SB_UDL_WHOLE_ROW ? 0 : sb_udl_columns[column].max;

    return sb_udl_issue_text(issue, max, p);
}

static void keep_refusal(sb_udl_rows_t *rows, apr_int64_t line, int column, sb_udl_issue_t issue)
{
    const sb_udl_value_t *student = &rows->v[SB_UDL_C_STUDENT];
    sb_udl_refusal_t *r;

    if (rows->refusals->nelts >= rows->opts.max_refusals) {
        return;
    }
    r = apr_array_push(rows->refusals);
    r->line = line;
    r->column = column_name(column);
    r->number = sb_udl_issue_info[issue].number;
    r->reason = reason_of(issue, column, rows->p);
    r->student_id = NULL;
    if (column > SB_UDL_C_STUDENT && column != SB_UDL_WHOLE_ROW && student->kind == SB_UDL_V_TEXT) {
        r->student_id = apr_pstrmemdup(rows->p, student->s, student->len);
    }
}

/* @return what the policy says; warnings are counted, refusals kept, failures worded */
static sb_udl_action_t judge(sb_udl_rows_t *rows, apr_int64_t line, int column,
                             sb_udl_issue_t issue)
{
    sb_udl_action_t action = (sb_udl_action_t)rows->opts.policy->action[column][issue];
    tally_t *t = &rows->tally[column][issue];

    if (action == SB_UDL_ACCEPT) {
        return action;
    }
    if (action == SB_UDL_WARN) {
        t->first_line = t->count++ ? t->first_line : line;
        return action;
    }
    keep_refusal(rows, line, column, issue);
    if (action == SB_UDL_FAIL) {
        const char *name = column_name(column);

        rows->problem = apr_psprintf(
            rows->p, "line %" APR_INT64_T_FMT "%s%s: %d %s", line, name ? ", " : "",
            name ? name : "", sb_udl_issue_info[issue].number, reason_of(issue, column, rows->p));
    }
    return action;
}

/* ---- a row ------------------------------------------------------------------------------------- */

static int is_text(const sb_udl_value_t *v, const char *s)
{
    return v->kind == SB_UDL_V_TEXT && v->len == strlen(s) && !memcmp(v->s, s, v->len);
}

static const char *copy_text(const sb_udl_value_t *v, apr_pool_t *p)
{
    return v->kind == SB_UDL_V_TEXT ? apr_pstrmemdup(p, v->s, v->len) : "";
}

/* What a value must agree with that no rule of a single value knows. */
static sb_udl_issue_t compare(const sb_udl_rows_t *rows, int column, const sb_udl_value_t *v)
{
    switch (column) {
    case SB_UDL_C_STATE:
        return rows->opts.state_code && !is_text(v, rows->opts.state_code) ? SB_UDL_OTHER_STATE
                                                                           : SB_UDL_FINE;
    case SB_UDL_C_GUID:
        return rows->guid && !is_text(v, rows->guid) ? SB_UDL_OTHER_GUID : SB_UDL_FINE;
    case SB_UDL_C_TYPE:
        return rows->type && !is_text(v, rows->type) ? SB_UDL_OTHER_TYPE : SB_UDL_FINE;
    case SB_UDL_C_SUBJECT:
        return rows->subject && !is_text(v, rows->subject) ? SB_UDL_OTHER_TYPE : SB_UDL_FINE;
    default:
        return SB_UDL_FINE;
    }
}

/* Convert all fields. @return the worst action any of them asks for */
static sb_udl_action_t convert(sb_udl_rows_t *rows, apr_int64_t line, const sb_csv_field_t *fields,
                               int n)
{
    apr_size_t len = (apr_size_t)(fields[n - 1].s + fields[n - 1].len - fields[0].s), used = 0;
    int hint = sb_udl_is_plain(fields[0].s, len) ? 0 : SB_UDL_NOT_PLAIN, i;
    sb_udl_action_t worst = SB_UDL_ACCEPT, action;

    for (i = 0; i < SB_UDL_NCOLUMNS; i++) {
        const sb_udl_column_t *column = &sb_udl_columns[i];
        int place = rows->map.place[i];
        sb_udl_issue_t issue;

        issue = place < 0
                    ? sb_udl_convert(&rows->v[i], column->rule, column->max, column->flags, "", 0,
                                     rows->scratch, &used)
                    : sb_udl_convert(&rows->v[i], column->rule, column->max, column->flags | hint,
                                     fields[place].s, fields[place].len, rows->scratch, &used);
        if (issue == SB_UDL_FINE || sb_udl_issue_info[issue].action < SB_UDL_REJECT) {
            sb_udl_issue_t other = compare(rows, i, &rows->v[i]);

            issue = other != SB_UDL_FINE ? other : issue;
        }
        if (issue != SB_UDL_FINE) {
            action = judge(rows, line, i, issue);
            worst = action > worst ? action : worst;
        }
    }
    return worst;
}

static int is_blank(const sb_csv_field_t *f)
{
    apr_size_t i;

    for (i = 0; i < f->len && f->s[i] == ' '; i++) {
    }
    return i == f->len;
}

static int two_digits(const char *s)
{
    return 10 * (s[0] - '0') + (s[1] - '0');
}

static int truth(const sb_udl_value_t *v)
{
    return v->kind == SB_UDL_V_BOOL ? v->number : -1;
}

/* In the order of sb_udl_rows_copy_sql. */
static apr_status_t emit(sb_udl_rows_t *rows, apr_int64_t line)
{
    const sb_udl_value_t *v = rows->v;
    const char *day = v[SB_UDL_C_TAKEN].s; /* YYYYMMDD */
    sb_copy_t *c = rows->copy;
    apr_status_t rv;
    int i, ethnicity;

    rv = sb_copy_row(c);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    ethnicity = sb_udl_ethnicity(truth(&v[SB_UDL_C_HISPANIC]), truth(&v[SB_UDL_C_INDIAN]),
                                 truth(&v[SB_UDL_C_ASIAN]), truth(&v[SB_UDL_C_BLACK]),
                                 truth(&v[SB_UDL_C_PACIFIC]), truth(&v[SB_UDL_C_WHITE]),
                                 truth(&v[SB_UDL_C_TWO_OR_MORE]));
    sb_copy_int8(c, line);
    sb_copy_int8(c, (apr_int64_t)student_hash(v, ethnicity));
    sb_copy_int2(c, two_digits(day + 6));
    sb_copy_int2(c, two_digits(day + 4));
    sb_copy_int2(c, 100 * two_digits(day) + two_digits(day + 2));
    sb_copy_int2(c, ethnicity);
    for (i = 0; i < SB_UDL_NCOLUMNS; i++, v++) {
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

static apr_status_t header(sb_udl_rows_t *rows, const sb_csv_field_t *fields, int n)
{
    rows->have_header = 1;
    rows->problem = sb_udl_map_header(&rows->map, fields, n, rows->p);
    if (rows->problem) {
        rows->problem =
            apr_pstrcat(rows->p, "simple file validator error: line 1: ", rows->problem, NULL);
        return SB_EINPUT;
    }
    return rows->begin(rows->begin_ctx, &rows->copy);
}

apr_status_t sb_udl_rows_record(void *ctx, apr_int64_t line, const sb_csv_field_t *fields, int n)
{
    sb_udl_rows_t *rows = ctx;
    sb_udl_action_t action;
    int seen;

    if (n == 0 || (n == 1 && is_blank(&fields[0]))) {
        return judge(rows, line, SB_UDL_WHOLE_ROW, SB_UDL_BLANK_LINE) == SB_UDL_FAIL ? SB_EINPUT
                                                                                     : APR_SUCCESS;
    }
    if (!rows->have_header) {
        return header(rows, fields, n);
    }
    rows->counts.read++;
    action = n == rows->map.nfields ? convert(rows, line, fields, n)
                                    : judge(rows, line, SB_UDL_WHOLE_ROW, SB_UDL_COLUMNS);
    if (action == SB_UDL_FAIL) {
        return SB_EINPUT;
    }
    if (action == SB_UDL_REJECT) {
        rows->counts.rejected++;
        return APR_SUCCESS;
    }
    if (!rows->counts.loaded++ && !rows->opts.meta) {
        rows->guid = copy_text(&rows->v[SB_UDL_C_GUID], rows->p);
        rows->type = copy_text(&rows->v[SB_UDL_C_TYPE], rows->p);
        rows->subject = copy_text(&rows->v[SB_UDL_C_SUBJECT], rows->p);
        rows->first_row = line;
    }
    seen = rows->counts.deduplicated < 0 ? -1 : keys_seen(&rows->keys, key_hash(rows->v));
    rows->counts.deduplicated = seen < 0 ? -1 : rows->counts.deduplicated + seen;
    return emit(rows, line);
}

/* ---- the end ----------------------------------------------------------------------------------- */

/* The rows agreed with the first one; does that one agree with the metadata? */
static apr_status_t judge_late(sb_udl_rows_t *rows, const sb_udl_meta_t *meta)
{
    if (!rows->guid) {
        return APR_SUCCESS;
    }
    if (strcmp(rows->guid, meta->guid)) {
        judge(rows, rows->first_row, SB_UDL_C_GUID, SB_UDL_OTHER_GUID);
        return SB_EINPUT;
    }
    if ((strcmp(rows->type, meta->type) &&
         judge(rows, rows->first_row, SB_UDL_C_TYPE, SB_UDL_OTHER_TYPE) >= SB_UDL_REJECT) ||
        (strcmp(rows->subject, meta->subject) &&
         judge(rows, rows->first_row, SB_UDL_C_SUBJECT, SB_UDL_OTHER_TYPE) >= SB_UDL_REJECT)) {
        rows->problem = "the rows are not of the type and subject that the metadata says";
        return SB_EINPUT;
    }
    return APR_SUCCESS;
}

apr_status_t sb_udl_rows_judge(sb_udl_rows_t *rows, const sb_udl_meta_t *meta)
{
    if (!rows->have_header || !rows->counts.read) {
        rows->problem =
            rows->have_header
                ? "simple file validator error: 3003 the CSV file has a header but no data"
                : "simple file validator error: 3003 the CSV file is empty";
        return SB_EINPUT;
    }
    if (meta && !rows->opts.meta && judge_late(rows, meta) != APR_SUCCESS) {
        return SB_EINPUT;
    }
    if (!rows->counts.loaded) {
        rows->problem = apr_psprintf(
            rows->p, "failed to load all data: each of the %" APR_INT64_T_FMT " rows was rejected",
            rows->counts.read);
        return SB_EINPUT;
    }
    return APR_SUCCESS;
}

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
    return rows->guid;
}

const apr_array_header_t *sb_udl_rows_refusals(const sb_udl_rows_t *rows)
{
    return rows->refusals;
}

const apr_array_header_t *sb_udl_rows_warnings(const sb_udl_rows_t *rows, apr_pool_t *p)
{
    apr_array_header_t *all = apr_array_make(p, 8, sizeof(sb_udl_warning_t));
    int i, k;

    for (i = 0; i <= SB_UDL_WHOLE_ROW; i++) {
        for (k = 0; k < SB_UDL_NISSUES; k++) {
            if (rows->tally[i][k].count) {
                sb_udl_warning_t *w = apr_array_push(all);

                w->column = column_name(i);
                w->number = sb_udl_issue_info[k].number;
                w->code = sb_udl_issue_info[k].code;
                w->reason = reason_of((sb_udl_issue_t)k, i, p);
                w->count = rows->tally[i][k].count;
                w->first_line = rows->tally[i][k].first_line;
            }
        }
    }
    return all;
}
