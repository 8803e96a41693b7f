/* What is in a package: see sb_udl_run.h. Members come in any order; the rows are copied as they are
 * read, the metadata is judged when it has come, the whole when everything was seen. */

#include <string.h>

#include <apr_strings.h>

#include "store/sb_schema.h"
#include "udl/sb_udl_package.h"
#include "udl/sb_udl_run.h"
#include "udl/sb_udl_source.h"

#define JSON_MAX (1 << 20)  /* bytes of metadata or .err file */
#define TSB_ERRORS_MAX 1000 /* entries of an .err file */
#define UNEXPECTED "Expected files not found in the tar archive: "

/* ---- metadata ---------------------------------------------------------------------------------- */

static apr_status_t read_metadata(sb_udl_run_t *run)
{
    const char *problem, *phase = run->phase;
    apr_time_t started = run->step_started;

    sb_udl_begin_step(run, PHASE_LOAD_TYPE);
    problem = sb_udl_meta_read(&run->meta, run->json.text, run->json.len, run->p);
    if (run->meta.load_type) {
        run->result->load_type = run->meta.load_type;
        sb_udl_log_content(run->log, run->meta.load_type, run->meta.type);
    }
    if (problem) {
        return sb_udl_fault(run, "%s", problem);
    }
    if (run->meta.load == SB_UDL_ASSESSMENT) {
        sb_udl_log_key(run->log, "asmt:", run->meta.guid);
    }
    else {
        sb_udl_log_key(
            run->log, "reg:",
            apr_psprintf(run->p, "%d:%s", run->meta.academic_year, run->meta.reg_system_id));
    }
    sb_udl_end_step(run);
    sb_udl_begin_step(run, PHASE_PARAMS);
    sb_udl_end_step(run);
    run->phase = phase; /* the metadata is a part of what was going on */
    run->step_started = started;
    run->have_meta = 1;
    return APR_SUCCESS;
}

/* One entry of tsb_error. @return NULL or the complaint */
static const char *judge_tsb_error(const sb_json_t *entry, int i, apr_pool_t *p)
{
    static const struct {
        const char *name;
        int is_number;
    } members[] = {{"err_code", 1},
                   {"err_code_text", 0},
                   {"err_source", 1},
                   {"err_source_text", 0},
                   {"err_input", 0}};
    apr_size_t k;

    if (entry->type != SB_JSON_OBJECT) {
        return apr_psprintf(p, "tsb_error[%d] is no object", i);
    }
    for (k = 0; k < sizeof members / sizeof *members; k++) {
        const sb_json_t *n = sb_json_get(entry, members[k].name);

        if (n && n->type != SB_JSON_NULL &&
            n->type != (members[k].is_number ? SB_JSON_NUMBER : SB_JSON_STRING)) {
            return apr_psprintf(p, "tsb_error[%d].%s: want a %s", i, members[k].name,
                                members[k].is_number ? "number" : "text");
        }
    }
    return NULL;
}

/* The score-batch service's own error report: it travels on in the notification. Contract 3.1. */
static apr_status_t read_err_file(sb_udl_run_t *run)
{
    const char *problem;
    sb_json_t *root, *entry;
    const sb_json_t *content, *list;
    int i = 0;

    if (sb_json_parse(&root, &problem, run->err.text, run->err.len, NULL, run->p) != APR_SUCCESS) {
        return sb_udl_fault(run, "the .err file is no JSON: %s (code 3012)",
                            problem ? problem : "too large");
    }
    content = sb_json_get(root, "content");
    if (!content || content->type != SB_JSON_STRING) {
        return sb_udl_fault(run, "in the .err file: content is missing, or no text (code 3013)");
    }
    if (strcmp(content->text, "error")) {
        return APR_SUCCESS;
    }
    list = sb_json_get(root, "tsb_error");
    if (!list || list->type != SB_JSON_ARRAY || list->nchild > TSB_ERRORS_MAX) {
        return sb_udl_fault(run,
                            "in the .err file: tsb_error: want a list of at most %d (code 3013)",
                            TSB_ERRORS_MAX);
    }
    for (entry = list->child; entry; entry = entry->next, i++) {
        problem = judge_tsb_error(entry, i, run->p);
        if (problem) {
            return sb_udl_fault(run, "in the .err file: %s (code 3013)", problem);
        }
    }
    run->tsb_error = list;
    return APR_SUCCESS;
}

/* ---- rows -------------------------------------------------------------------------------------- */

static apr_status_t begin_fenced(sb_udl_run_t *run)
{
    apr_status_t rv = sb_db_begin(run->target, SB_TX_WRITE);

    run->in_tx = rv == APR_SUCCESS;
    return rv == APR_SUCCESS ? sb_udl_package_fence(run->target, run->job->guid, run->p) : rv;
}

/* Make the schema for good, empty, in place of one that an earlier attempt left. Not in the transaction of
 * the rows: a rolled back CREATE UNLOGGED TABLE whose record had not reached the disk keeps a server that
 * crashes right then from starting again (PostgreSQL 15: "could not create file: File exists"). */
static apr_status_t make_schema(sb_udl_run_t *run)
{
    apr_status_t rv = begin_fenced(run);

    if (rv == APR_SUCCESS) {
        rv = sb_batch_schema_create(run->target, run->job->guid, run->p);
    }
    if (rv != APR_SUCCESS) {
        return sb_udl_db_fault(run, rv, run->target, "making the batch schema");
    }
    sb_udl_end_step_full(run, run->job->guid, -1, -1);
    rv = sb_udl_log_stage(run->log,
                          SB_UDL_LOADING); /* the claim holds: whatever was there is ours */
    if (rv == APR_SUCCESS) {
        rv = sb_db_commit(run->target);
        run->in_tx = 0;
        rv = rv == APR_SUCCESS ? rv
                               : sb_udl_db_fault(run, rv, run->target, "making the batch schema");
    }
    return rv;
}

/* The header is good: make the batch schema and start the COPY. One transaction from here on. */
static apr_status_t begin_rows(void *ctx, sb_copy_t **pcopy)
{
    sb_udl_run_t *run = ctx;
    const char *sql;
    apr_status_t rv;
    int ncols;

    sb_udl_end_step(run); /* validation of the file */
    sb_udl_begin_step(run, PHASE_SCHEMA);
    rv = sb_udl_conf_target(&run->target, run->conf, "smarter-udl", run->p);
    if (rv != APR_SUCCESS) {
        return sb_is_transient(rv) ? rv : SB_EUNAVAILABLE;
    }
    rv = make_schema(run);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    sb_udl_begin_step(run, PHASE_ROWS);
    rv = begin_fenced(run);
    if (rv != APR_SUCCESS) {
        return sb_udl_db_fault(run, rv, run->target, "beginning");
    }
    sql = sb_udl_rows_copy_sql(&ncols, run->rows, run->job->guid, run->p);
    rv = sb_copy_begin(&run->copy, run->target, sql, ncols, run->p);
    *pcopy = run->copy;
    return rv == APR_SUCCESS ? rv : sb_udl_db_fault(run, rv, run->target, "starting the COPY");
}

static apr_status_t begin_csv(sb_udl_run_t *run)
{
    sb_csv_opts_t csv_opts = {.max_fields = SB_UDL_FIELDS_KEPT};
    sb_udl_rows_opts_t opts = {&run->conf->policy, run->conf->state_code,
                               run->have_meta ? &run->meta : NULL, run->conf->max_rejected_rows};
    apr_status_t rv;

    sb_udl_begin_step(run, PHASE_VALIDATE);
    rv = sb_udl_rows_make(&run->rows, &opts, run->p);
    if (rv == APR_SUCCESS) {
        sb_udl_rows_on_header(run->rows, begin_rows, run);
        rv = sb_csv_make(&run->csv, &csv_opts, sb_udl_rows_record, run->rows, run->p);
    }
    return rv;
}

/* Why the CSV parser stopped. */
static apr_status_t csv_stopped(sb_udl_run_t *run, apr_status_t rv)
{
    if (sb_udl_rows_problem(run->rows)) {
        return sb_udl_fault(run, "%s", sb_udl_rows_problem(run->rows));
    }
    if (run->problem) {
        return rv;
    }
    if (*sb_csv_error(run->csv)) {
        return sb_udl_fault(run, "%s", sb_csv_error(run->csv));
    }
    return run->target && !sb_is_transient(rv) ? sb_udl_db_fault(run, rv, run->target, "the COPY")
                                               : rv;
}

static apr_status_t feed_csv(sb_udl_run_t *run, const char *data, apr_size_t len)
{
    apr_status_t rv;

    run->csv_bytes += (apr_int64_t)len;
    rv = sb_csv_feed(run->csv, data, len);
    return rv == APR_SUCCESS ? rv : csv_stopped(run, rv);
}

/* ---- members ----------------------------------------------------------------------------------- */

/* Which kind of member has this extension, in any case of letters; NULL none. */
static sb_udl_member_t *member_of(sb_udl_run_t *run, const char *dot)
{
    return !strcasecmp(dot, ".csv")    ? &run->n_csv
           : !strcasecmp(dot, ".json") ? &run->json
           : !strcasecmp(dot, ".err")  ? &run->err
                                       : NULL;
}

static apr_status_t next_member(sb_udl_run_t *run, const char *name)
{
    const char *dot = strrchr(name, '.'), *c;
    sb_udl_member_t *m = dot ? member_of(run, dot) : NULL;

    if (!m) {
        return sb_udl_fault(run, UNEXPECTED "%s is neither .csv nor .json nor .err", name);
    }
    for (c = dot; *c; c++) {
        if (*c >= 'A' && *c <= 'Z') {
            return sb_udl_fault(
                run, "file type not supported: %s, want its extension in lower case (code 3010)",
                name);
        }
    }
    if (m->n++) {
        return sb_udl_fault(run, UNEXPECTED "more than one %s", dot);
    }
    run->current = m;
    return m == &run->n_csv ? begin_csv(run) : APR_SUCCESS;
}

static apr_status_t take_data(sb_udl_run_t *run, const char *data, apr_size_t len)
{
    sb_udl_member_t *m = run->current;

    if (m == &run->n_csv) {
        return feed_csv(run, data, len);
    }
    if (m->len + len > JSON_MAX) {
        return sb_udl_fault(run, "the %s is larger than %d bytes (code 3012)",
                            m == &run->json ? "metadata" : ".err file", JSON_MAX);
    }
    if (!m->text) {
        m->text = apr_pcalloc(run->p, JSON_MAX + 1);
    }
    memcpy(m->text + m->len, data, len);
    m->len += len;
    return APR_SUCCESS;
}

/* A member is through. */
static apr_status_t end_member(sb_udl_run_t *run)
{
    sb_udl_member_t *m = run->current;
    apr_status_t rv;

    run->current = NULL;
    if (!m) {
        return APR_SUCCESS;
    }
    if (m == &run->n_csv) {
        rv = sb_csv_finish(run->csv);
        return rv == APR_SUCCESS ? rv : csv_stopped(run, rv);
    }
    m->text = m->text ? m->text : apr_pstrdup(run->p, "");
    return m == &run->json ? read_metadata(run) : read_err_file(run);
}

/* ---- a package at fault ------------------------------------------------------------------------ */

static int has_both(const sb_udl_run_t *run)
{
    return run->json.n && run->err.n && !run->current;
}

/* The metadata says whom to tell, and the .err file what else: both are read even then. The CSV is
 * skipped, and its COPY stays as it is. @return SB_EINPUT once there is nothing more to look for */
static apr_status_t seek_metadata(sb_udl_run_t *run, const sb_udl_piece_t *piece)
{
    const char *problem = run->problem, *phase = run->phase, *dot;

    if (piece->event == SB_UDL_DATA) {
        if (run->current && take_data(run, piece->data, piece->len) != APR_SUCCESS) {
            run->problem = problem;
            return SB_EINPUT;
        }
        return APR_SUCCESS;
    }
    if (run->current) {
        if (end_member(run) != APR_SUCCESS) {
            problem = apr_pstrcat(run->p, problem, "; ", run->problem, NULL);
        }
        run->problem = problem;
        run->phase = phase;
    }
    dot = piece->event == SB_UDL_MEMBER ? strrchr(piece->name, '.') : NULL;
    if (dot && !strcmp(dot, ".json") && !run->json.n) {
        run->current = &run->json;
    }
    else if (dot && !strcmp(dot, ".err") && !run->err.n) {
        run->current = &run->err;
    }
    if (run->current) {
        run->current->n++;
    }
    return piece->event == SB_UDL_END || has_both(run) ? SB_EINPUT : APR_SUCCESS;
}

/* One piece of the archive. */
static apr_status_t take_piece(sb_udl_run_t *run, const sb_udl_piece_t *piece)
{
    apr_status_t rv;

    if (run->only_meta) {
        return seek_metadata(run, piece);
    }
    if (piece->event == SB_UDL_DATA) {
        rv = take_data(run, piece->data, piece->len);
    }
    else {
        rv = end_member(run);
        if (rv == APR_SUCCESS && piece->event == SB_UDL_MEMBER) {
            rv = next_member(run, piece->name);
        }
    }
    if (rv == SB_EINPUT && run->problem && !(run->json.n && run->err.n)) {
        run->only_meta = 1;
        run->current = NULL;
        if (piece->event != SB_UDL_DATA) { /* the fault was the end of one: here the next begins */
            return seek_metadata(run, piece);
        }
        return APR_SUCCESS;
    }
    return rv;
}

/* Why there is no more of the archive; asked only when its thread has ended. */
static apr_status_t source_stopped(sb_udl_run_t *run, const sb_udl_source_t *source,
                                   apr_status_t rv)
{
    if (rv == APR_EINTR || sb_is_transient(rv) || !sb_udl_source_problem(source) || run->problem) {
        return rv; /* of two faults the first one counts */
    }
    return sb_udl_fault(run, "%s", sb_udl_source_problem(source));
}

/* Tell others how far it is; find out whether the batch is still ours. */
static apr_status_t show_progress(sb_udl_run_t *run, const sb_udl_source_t *source)
{
    sb_udl_progress_t progress = {.rows_read = 0};

    sb_udl_source_position(&progress.bytes_done, &progress.bytes_total, source);
    if (run->rows) {
        sb_udl_counts_t counts = sb_udl_rows_counts(run->rows);

        progress.rows_read = counts.read;
        progress.rows_rejected = counts.rejected;
        sb_udl_log_key(run->log, "asmt:", sb_udl_rows_guid(run->rows));
    }
    return sb_udl_log_progress(run->log, &progress);
}

static apr_status_t unpack(sb_udl_run_t *run, const char *path)
{
    sb_udl_step_t expanded = {.phase = PHASE_EXPAND, .records = -1, .bytes = -1};
    sb_archive_limits_t limits = {run->conf->max_members, run->conf->max_unpacked_bytes,
                                  run->conf->max_ratio};
    sb_udl_piece_t piece = {SB_UDL_DATA, NULL, NULL, 0};
    sb_udl_source_t *source;
    apr_pool_t *p;
    apr_status_t rv;

    /* the unpacking thread ends with this pool, before anything else of the run goes */
    rv = apr_pool_create(&p, run->p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    sb_udl_begin_step(run, PHASE_EXPAND);
    expanded.start = run->step_started;
    rv = sb_udl_source_open(&source, path, &limits, p);
    if (rv != APR_SUCCESS) {
        rv = source_stopped(run, source, rv);
    }
    while (rv == APR_SUCCESS && piece.event != SB_UDL_END) {
        rv = sb_udl_is_stopping(run) ? APR_EINTR : sb_udl_source_next(&piece, source);
        if (rv != APR_SUCCESS) {
            rv = source_stopped(run, source, rv);
        }
        else {
            rv = take_piece(run, &piece);
            if (rv == APR_SUCCESS && piece.event == SB_UDL_DATA) {
                rv = show_progress(run, source);
            }
        }
    }
    apr_pool_destroy(p);
    if (rv == APR_SUCCESS) {
        sb_udl_log_step(run->log, &expanded);
    }
    return rv;
}

/* Everything was seen: is it what a package must hold? */
static apr_status_t judge_members(sb_udl_run_t *run)
{
    if (!run->json.n) {
        return sb_udl_fault(run, UNEXPECTED "no .json");
    }
    if (!run->n_csv.n) {
        return run->tsb_error ? sb_udl_fault(run, SB_UDL_TSB_ERROR)
                              : sb_udl_fault(run, UNEXPECTED "no .csv");
    }
    return APR_SUCCESS;
}

apr_status_t sb_udl_members_read(sb_udl_run_t *run, const char *path)
{
    apr_status_t rv = unpack(run, path);

    return rv == APR_SUCCESS ? judge_members(run) : rv;
}
