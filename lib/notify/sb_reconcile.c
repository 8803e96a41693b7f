/* The daily report: see sb_reconcile.h. Each tenant's rows come sorted out of a cursor; the streams are
 * merged into the zip file. */

#include <string.h>
#include <time.h>

#include <apr_strings.h>

#include "notify/sb_reconcile.h"
#include "store/sb_db.h"
#include "store/sb_zip.h"

#define FILE_MODE 0640
#define PAGE "FETCH 5000 FROM report"
#define HEADER "student_id,asmt_guid,date_taken\r\n"

/* The rows of one tenant, in the order of label and key. */
typedef struct {
    sb_db_t *db;
    apr_pool_t *page; /* of rows */
    sb_rows_t *rows;
    int i;
} stream_t;

enum { C_LABEL, C_KEY, C_STUDENT, C_GUID, C_TAKEN };

typedef struct {
    const sb_reconcile_opts_t *opts;
    const char **perror;
    apr_pool_t *p;
    sb_db_t *stats, *udl;
    apr_array_header_t *streams; /* of stream_t */
    apr_array_header_t *labels;
    sb_zip_t *zip;
    const char *last; /* key written last, in the pool of its own */
    apr_pool_t *plast;
} report_t;

static apr_status_t complain(const report_t *r, apr_status_t rv, const char *what, const char *why)
{
    *r->perror = apr_pstrcat(r->p, what, ": ", why, NULL);
    return rv;
}

static apr_status_t open_database(sb_db_t **pdb, const report_t *r, const char *url,
                                  const char *what)
{
    sb_db_opts_t opts = {.app = r->opts->app, .no_prepare = 1};
    apr_status_t rv;

    if (!url) {
        return complain(r, SB_ECONFIG, what, "is not set");
    }
    rv = sb_db_open(pdb, sb_conf_db_url(url, r->p), &opts, r->p);
    return rv == APR_SUCCESS ? rv : complain(r, rv, what, "no answer");
}

/* ---- which batches ----------------------------------------------------------------------------- */

/* A local time of a day as microseconds. */
static const char *instant(const report_t *r, int days_before)
{
    const sb_reconcile_opts_t *o = r->opts;
    struct tm tm = {.tm_year = o->year - 1900,
                    .tm_mon = o->month - 1,
                    .tm_mday = o->day - days_before,
                    .tm_hour = o->hour,
                    .tm_isdst = -1};

    return apr_psprintf(r->p, "%" APR_TIME_T_FMT, apr_time_from_sec((apr_time_t)mktime(&tm)));
}

/* By tenant and batch, in two parallel text arrays a tenant: batches and labels. */
static apr_status_t find_batches(sb_rows_t **prows, const report_t *r)
{
    const char *args[] = {instant(r, 1), instant(r, 0)};
    const char *guids;
    sb_rows_t *rows;
    apr_status_t rv;

    *prows = NULL;
    rv = sb_db_query_text(
        &rows, r->stats,
        sb_sql(r->p,
               "SELECT coalesce(array_agg(batch_guid), '{{}') FROM {schema}.udl_stats WHERE"
               " load_status = 'migrate.ingested'"
               " AND file_arrived >= timestamp 'epoch' + $1::bigint * interval '1 us'"
               " AND file_arrived < timestamp 'epoch' + $2::bigint * interval '1 us'",
               "schema", sb_conf_str(r->opts->conf, "edware_stats.db.schema_name"), NULL),
        2, args, r->p);
    if (rv != APR_SUCCESS) {
        return complain(r, rv, "finding the batches", sb_db_error(r->stats));
    }
    guids = sb_rows_text(rows, 0, 0);
    /* the path it arrived under says of which day it is */
    rv = sb_db_query_text(
        prows, r->udl,
        sb_sql(r->p,
               "SELECT tenant, array_agg(batch_guid), array_agg(coalesce(left(substring("
               "coalesce((SELECT s.input_file FROM {schema}.udl_batch s WHERE"
               " s.guid_batch = b.batch_guid AND s.input_file <> '' ORDER BY batch_sid LIMIT 1),"
               " package) FROM '[0-9]+-[0-9]+-[0-9]+'), 60), 'UNKNOWN_DATE'))"
               " FROM {schema}.batch b WHERE batch_guid = ANY ($1::text[]) GROUP BY tenant"
               " ORDER BY tenant",
               "schema", sb_conf_str(r->opts->conf, "udl2_db_conn.db_schema"), NULL),
        1, &guids, r->p);
    return rv == APR_SUCCESS ? rv : complain(r, rv, "finding their packages", sb_db_error(r->udl));
}

/* ---- rows -------------------------------------------------------------------------------------- */

static apr_status_t fetch(stream_t *s)
{
    apr_pool_clear(s->page);
    s->i = 0;
    return sb_db_query_text(&s->rows, s->db, PAGE, 0, NULL, s->page);
}

static apr_status_t open_stream(report_t *r, const char *tenant, const char *guids,
                                const char *labels)
{
    const char *args[] = {guids, labels};
    const char *schema =
        sb_conf_tenant_str(r->opts->conf, "prod_db_conn.<tenant>.db_schema", tenant);
    stream_t *s = apr_array_push(r->streams);
    apr_status_t rv;

    memset(s, 0, sizeof *s);
    rv = open_database(&s->db, r,
                       sb_conf_tenant_str(r->opts->conf, "prod_db_conn.<tenant>.url", tenant),
                       apr_pstrcat(r->p, "prod_db_conn.", tenant, ".url", NULL));
    if (rv == APR_SUCCESS && !schema) {
        rv = complain(r, SB_ECONFIG, apr_pstrcat(r->p, "prod_db_conn.", tenant, ".db_schema", NULL),
                      "is not set");
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = apr_pool_create(&s->page, r->p);
    if (rv == APR_SUCCESS) {
        rv = sb_db_begin(s->db, SB_TX_SNAPSHOT);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_db_exec_text(
            NULL, s->db,
            sb_sql(r->p,
                   "DECLARE report NO SCROLL CURSOR FOR SELECT label, student_id || asmt_guid ||"
                   " date_taken, student_id, asmt_guid, date_taken FROM ("
                   "SELECT batch_guid, student_id, asmt_guid, date_taken"
                   " FROM {schema}.fact_asmt_outcome WHERE rec_status = 'C'"
                   " AND batch_guid = ANY ($1::text[]) UNION ALL"
                   " SELECT batch_guid, student_id, asmt_guid, date_taken"
                   " FROM {schema}.fact_block_asmt_outcome WHERE rec_status = 'C'"
                   " AND batch_guid = ANY ($1::text[])) f"
                   " JOIN unnest($1::text[], $2::text[]) AS b (guid, label) ON guid = batch_guid"
                   " ORDER BY label COLLATE \"C\","
                   " (student_id || asmt_guid || date_taken) COLLATE \"C\", student_id COLLATE"
                   " \"C\", asmt_guid COLLATE \"C\"",
                   "schema", schema, NULL),
            2, args);
    }
    if (rv == APR_SUCCESS) {
        rv = fetch(s);
    }
    return rv == APR_SUCCESS ? rv : complain(r, rv, "reading production", sb_db_error(s->db));
}

/* In the order of the file? */
static int compare(const stream_t *a, const stream_t *b)
{
    int c = 0, i;

    for (i = C_LABEL; !c && i <= C_GUID; i++) {
        c = strcmp(sb_rows_text(a->rows, a->i, i), sb_rows_text(b->rows, b->i, i));
    }
    return c;
}

/* The stream whose row is next; NULL: all are at their end. */
static apr_status_t next_stream(stream_t **ps, const report_t *r)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    *ps = NULL;
    for (i = 0; rv == APR_SUCCESS && i < r->streams->nelts; i++) {
        stream_t *s = &APR_ARRAY_IDX(r->streams, i, stream_t);

        if (s->i == sb_rows_count(s->rows) && s->i) {
            rv = fetch(s);
            if (rv != APR_SUCCESS) {
                return complain(r, rv, "reading production", sb_db_error(s->db));
            }
        }
        if (s->i < sb_rows_count(s->rows) && (!*ps || compare(s, *ps) < 0)) {
            *ps = s;
        }
    }
    return rv;
}

/* ---- the file ---------------------------------------------------------------------------------- */

static const char *field(const char *text, apr_pool_t *p)
{
    const char *c;
    char *quoted, *to;

    if (!text[strcspn(text, ",\"\r\n")]) {
        return text;
    }
    to = quoted = apr_palloc(p, 2 * strlen(text) + 3);
    *to++ = '"';
    for (c = text; *c; c++) {
        if (*c == '"') {
            *to++ = '"';
        }
        *to++ = *c;
    }
    *to++ = '"';
    *to = '\0';
    return quoted;
}

static apr_status_t begin_label(report_t *r, const char *label)
{
    sb_reconcile_label_t *l = apr_array_push(r->labels);
    apr_status_t rv = APR_SUCCESS;

    l->date = apr_pstrdup(r->p, label);
    l->rows = 0;
    if (!r->zip) {
        rv = sb_zip_begin(&r->zip, r->opts->path, FILE_MODE, r->p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_zip_member(r->zip, apr_pstrcat(r->p, "report_", label, ".csv", NULL));
    }
    if (rv == APR_SUCCESS) {
        sb_zip_write(r->zip, HEADER, sizeof HEADER - 1);
    }
    return rv == APR_SUCCESS ? rv : complain(r, rv, "writing", r->opts->path);
}

static apr_status_t write_row(report_t *r, const stream_t *s)
{
    const char *label = sb_rows_text(s->rows, s->i, C_LABEL), *row;
    int is_new =
        !r->labels->nelts ||
        strcmp(APR_ARRAY_IDX(r->labels, r->labels->nelts - 1, sb_reconcile_label_t).date, label);
    apr_status_t rv = is_new ? begin_label(r, label) : APR_SUCCESS;

    row = apr_pstrcat(s->page, field(sb_rows_text(s->rows, s->i, C_STUDENT), s->page), ",",
                      field(sb_rows_text(s->rows, s->i, C_GUID), s->page), ",",
                      field(sb_rows_text(s->rows, s->i, C_TAKEN), s->page), "\r\n", NULL);
    if (rv == APR_SUCCESS && (is_new || !r->last || strcmp(r->last, row))) {
        sb_zip_write(r->zip, row, strlen(row));
        APR_ARRAY_IDX(r->labels, r->labels->nelts - 1, sb_reconcile_label_t).rows++;
        apr_pool_clear(r->plast);
        r->last = apr_pstrdup(r->plast, row);
    }
    return rv;
}

static apr_status_t write_report(report_t *r)
{
    stream_t *s;
    apr_status_t rv;

    do {
        rv = next_stream(&s, r);
        if (rv == APR_SUCCESS && s) {
            rv = write_row(r, s);
            s->i++;
        }
    } while (rv == APR_SUCCESS && s);
    if (rv == APR_SUCCESS && r->zip) {
        rv = sb_zip_end(r->zip);
        rv = rv == APR_SUCCESS ? rv : complain(r, rv, "writing", r->opts->path);
    }
    return rv;
}

static apr_status_t take_lock(const report_t *r)
{
    apr_status_t rv = sb_db_lock(r->stats, "smarter-udl-report");

    return rv == APR_SUCCESS || rv == SB_EBUSY ? rv
                                               : complain(r, rv, "lock", sb_db_error(r->stats));
}

apr_status_t sb_reconcile_make(apr_array_header_t **plabels, const char **perror,
                               const sb_reconcile_opts_t *opts, apr_pool_t *p)
{
    report_t r = {.opts = opts, .perror = perror, .p = p};
    sb_rows_t *tenants;
    apr_status_t rv;
    int i;

    *perror = NULL;
    *plabels = r.labels = apr_array_make(p, 4, sizeof(sb_reconcile_label_t));
    r.streams = apr_array_make(p, 4, sizeof(stream_t));
    rv = apr_pool_create(&r.plast, p);
    if (rv == APR_SUCCESS) {
        rv = open_database(&r.stats, &r, sb_conf_str(opts->conf, "edware_stats.db.url"),
                           "edware_stats.db.url");
    }
    if (rv == APR_SUCCESS) {
        rv = open_database(&r.udl, &r, sb_conf_str(opts->conf, "udl2_db_conn.url"),
                           "udl2_db_conn.url");
    }
    if (rv == APR_SUCCESS) {
        rv = take_lock(&r);
    }
    if (rv == APR_SUCCESS) {
        rv = find_batches(&tenants, &r);
    }
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(tenants); i++) {
        rv = open_stream(&r, sb_rows_text(tenants, i, 0), sb_rows_text(tenants, i, 1),
                         sb_rows_text(tenants, i, 2));
    }
    return rv == APR_SUCCESS ? write_report(&r) : rv;
}
