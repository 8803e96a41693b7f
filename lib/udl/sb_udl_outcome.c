/* The outcome of a batch as files: see sb_udl_outcome.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_crypto.h"
#include "core/sb_file.h"
#include "core/sb_json.h"
#include "core/sb_log.h"
#include "udl/sb_udl.h"
#include "udl/sb_udl_outcome.h"

#define FILE_MODE 0640
#define PAGE "2000" /* rows fetched at once */
#define OLD_JSON_MAX (1024 * 1024)
#define BARE_NAME_MAX 150 /* bytes: a file name holds 255, with a label before and endings behind */

typedef struct {
    const sb_udl_outcome_t *where;
    const char *guid;
    apr_pool_t *p;
    const char *package, *dir, *name; /* name: of the files, without their endings */
    const char *status;               /* load_status */
    const char *problem;
    const char *sha256;
    sb_rows_t *batch;    /* one row, columns as below */
    sb_rows_t *warnings; /* column_name, code, reason, count, first_line */
    apr_int64_t listed;  /* rows named in errors.csv */
} outcome_t;

enum {
    B_TENANT,
    B_PACKAGE,
    B_LOAD_TYPE,
    B_ASMT_TYPE,
    B_CONTENT,
    B_READ,
    B_LOADED,
    B_REJECTED,
    B_DEDUPLICATED,
    B_BYTES,
    B_PROBLEM,
    B_KEPT_IN,
    B_ARRIVED,
    B_STARTED,
    B_FINISHED
};

#define ISO(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

/* ---- reading ----------------------------------------------------------------------------------- */

static const char *udl_sql(const outcome_t *o, const char *template)
{
    return sb_sql(o->p, template, "schema", o->where->udl_schema, NULL);
}

/* x.tar.gz.gpg is x; a long one is cut between characters. */
static const char *bare_name(const char *package, apr_pool_t *p)
{
    static const char *const endings[] = {".gpg", ".gz", ".tar", ".tgz"};
    char *name = apr_pstrdup(p, package);
    size_t i, len = strlen(name);

    for (i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(endings[i]);

        if (len > n && !strcmp(name + len - n, endings[i])) {
            name[len -= n] = '\0';
        }
    }
    if (len > BARE_NAME_MAX) {
        for (len = BARE_NAME_MAX; len > 1 && ((unsigned char)name[len] & 0xc0) == 0x80; len--) {
        }
        name[len] = '\0';
    }
    return name;
}

static apr_status_t read_batch(outcome_t *o)
{
    apr_status_t rv = sb_db_query_text(
        &o->batch, o->where->udl,
        udl_sql(o, "SELECT tenant, package, load_type, asmt_type, content_key, rows_read,"
                   " rows_loaded, rows_rejected, rows_deduplicated, package_bytes, problem,"
                   " kept_in, " ISO("arrived_at") ", " ISO("started_at") ", " ISO(
                       "finished_at") " FROM {schema}.batch WHERE batch_guid = $1"
                                      " AND stage IN ('loaded', 'failed')"),
        1, &o->guid, o->p);

    if (rv == APR_SUCCESS && sb_rows_count(o->batch)) {
        o->package = sb_rows_text(o->batch, 0, B_PACKAGE);
        o->dir = sb_rows_text(o->batch, 0, B_KEPT_IN);
        o->problem = sb_rows_text(o->batch, 0, B_PROBLEM);
        o->name = bare_name(o->package, o->p);
        rv = sb_db_query_text(&o->warnings, o->where->udl,
                              udl_sql(o, "SELECT column_name, code, reason, count, first_line"
                                         " FROM {schema}.batch_warning WHERE batch_guid = $1"
                                         " ORDER BY first_line, column_name"),
                              1, &o->guid, o->p);
    }
    return rv;
}

static apr_status_t read_status(outcome_t *o)
{
    sb_rows_t *rows;
    sb_json_t *noted;
    const char *text;
    apr_status_t rv;

    rv = sb_db_query_text(
        &rows, o->where->stats,
        sb_sql(o->p,
               "SELECT load_status, notification FROM {schema}.udl_stats WHERE batch_guid = $1",
               "schema", o->where->stats_schema, NULL),
        1, &o->guid, o->p);
    if (rv != APR_SUCCESS || !sb_rows_count(rows)) {
        return rv;
    }
    o->status = sb_rows_text(rows, 0, 0);
    text = sb_rows_text(rows, 0, 1);
    /* promotion notes there why it refused the batch */
    if (!strcmp(o->status, "migrate.failed") && text &&
        sb_json_parse(&noted, NULL, text, strlen(text), NULL, o->p) == APR_SUCCESS) {
        o->problem = sb_json_str(sb_json_get(noted, "error_desc"), "promotion failed");
    }
    return APR_SUCCESS;
}

/* ---- files ------------------------------------------------------------------------------------- */

/* A file that appears whole or not at all. In a directory of the sender nothing of his is followed. */
typedef struct {
    FILE *f;
    const char *path, *temporary;
} new_file_t;

static apr_status_t begin_file(new_file_t *n, const char *path, apr_pool_t *p)
{
    const char *hex = sb_random_hex(6, p);
    int fd;

    n->f = NULL;
    n->path = path;
    n->temporary = hex ? apr_pstrcat(p, path, ".", hex, ".partial", NULL) : NULL;
    fd = hex ? open(n->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE) : -1;
    if (fd < 0) {
        return hex ? errno : APR_EGENERAL;
    }
    n->f = fdopen(fd, "w");
    if (!n->f) {
        close(fd);
        return ENOMEM;
    }
    return APR_SUCCESS;
}

/* @param rv what was done so far */
static apr_status_t end_file(new_file_t *n, apr_status_t rv, apr_pool_t *p)
{
    if (!n->f) {
        return rv;
    }
    if (rv == APR_SUCCESS && (fflush(n->f) || ferror(n->f) || fsync(fileno(n->f)))) {
        rv = errno ? errno : EIO;
    }
    if (fclose(n->f) && rv == APR_SUCCESS) {
        rv = errno;
    }
    if (rv == APR_SUCCESS) {
        rv = sb_file_move(n->temporary, n->path, p);
    }
    if (rv != APR_SUCCESS) {
        unlink(n->temporary);
    }
    return rv;
}

/* ---- errors.csv -------------------------------------------------------------------------------- */

/* RFC 4180. A spreadsheet takes what begins with one of these for a formula: an apostrophe before it
 * makes it text. */
static void write_field(FILE *f, const char *text, const char *after)
{
    int guard = text && *text && strchr("=+-@\t\r\n", *text), quote;
    const char *c;

    text = text ? text : "";
    quote = guard || text[strcspn(text, ",\"\r\n")] != '\0';
    if (quote) {
        putc('"', f);
    }
    if (guard) {
        putc('\'', f);
    }
    for (c = text; *c; c++) {
        if (*c == '"') {
            putc('"', f);
        }
        putc(*c == '\r' || *c == '\n' ? ' ' : *c, f);
    }
    if (quote) {
        putc('"', f);
    }
    fputs(after, f);
}

typedef struct {
    apr_int64_t line; /* -1: empty */
    const char *column, *severity, *code, *reason, *student;
} entry_t;

static void write_entry(FILE *f, const entry_t *e)
{
    if (e->line >= 0) {
        fprintf(f, "%" APR_INT64_T_FMT, e->line);
    }
    putc(',', f);
    write_field(f, e->column, ",");
    write_field(f, e->severity, ",");
    write_field(f, e->code, ",");
    write_field(f, e->reason, ",");
    write_field(f, e->student, "\r\n");
}

/* The rows that were rejected, in pages: there may be very many. */
static apr_status_t write_rejected(outcome_t *o, FILE *f)
{
    const char *line = "-1", *sid = "0";
    apr_int64_t last = -1;
    apr_pool_t *page;
    int i, n = 1;
    apr_status_t rv = apr_pool_create(&page, o->p);

    while (rv == APR_SUCCESS && n > 0) {
        const char *args[] = {o->guid, line, sid};
        sb_rows_t *rows;

        rv = sb_db_query_text(&rows, o->where->udl,
                              udl_sql(o, "SELECT line, rejected_sid, column_name, code, reason,"
                                         " student_id FROM {schema}.rejected_row"
                                         " WHERE batch_guid = $1 AND (line, rejected_sid) >"
                                         " ($2::bigint, $3::bigint) ORDER BY line, rejected_sid"
                                         " LIMIT " PAGE),
                              3, args, page);
        n = rv == APR_SUCCESS ? sb_rows_count(rows) : 0;
        for (i = 0; i < n; i++) {
            entry_t e = {.line = sb_rows_int(rows, i, 0, 0),
                         .column = sb_rows_text(rows, i, 2),
                         .severity = "error",
                         .code = sb_rows_text(rows, i, 3),
                         .reason = sb_rows_text(rows, i, 4),
                         .student = sb_rows_text(rows, i, 5)};

            o->listed += e.line > 0 && e.line != last;
            last = e.line;
            write_entry(f, &e);
        }
        if (n > 0) {
            line = apr_pstrdup(o->p, sb_rows_text(rows, n - 1, 0));
            sid = apr_pstrdup(o->p, sb_rows_text(rows, n - 1, 1));
        }
        apr_pool_clear(page);
    }
    return rv;
}

/* What promotion could not do, by line: "student_id:<id>, asmt_guid:<guid>" is how err_list says it. */
static apr_status_t write_promotion(outcome_t *o, FILE *f)
{
    sb_rows_t *rows;
    int i;
    apr_status_t rv = sb_db_query_text(
        &rows, o->where->udl,
        udl_sql(o, "SELECT record_sid, err_code, err_code_text,"
                   " substring(err_input FROM '^student_id:(.*), asmt_guid:')"
                   " FROM {schema}.err_list WHERE guid_batch = $1 ORDER BY record_sid"),
        1, &o->guid, o->p);

    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        const char *code = sb_rows_text(rows, i, 1);
        entry_t e = {.line = sb_rows_int(rows, i, 0, 0),
                     .column = "Op",
                     .severity = "error",
                     .code = code,
                     .reason = code && !strcmp(code, "1000")
                                   ? "to be deleted, but there is no such result"
                               : code && !strcmp(code, "1001")
                                   ? "to be deleted, but another row of the package does so too"
                                   : sb_rows_text(rows, i, 2),
                     .student = sb_rows_text(rows, i, 3)};

        write_entry(f, &e);
    }
    return rv;
}

static void write_warnings(const outcome_t *o, FILE *f)
{
    int i;

    for (i = 0; i < sb_rows_count(o->warnings); i++) {
        apr_int64_t count = sb_rows_int(o->warnings, i, 3, 0);
        const char *reason = sb_rows_text(o->warnings, i, 2);
        entry_t e = {.line = sb_rows_int(o->warnings, i, 4, 0),
                     .column = sb_rows_text(o->warnings, i, 0),
                     .severity = "warning",
                     .code = sb_rows_text(o->warnings, i, 1),
                     .reason = count == 1
                                   ? reason
                                   : apr_psprintf(o->p, "%s (first of %" APR_INT64_T_FMT " rows)",
                                                  reason, count)};

        write_entry(f, &e);
    }
}

static apr_status_t write_errors(outcome_t *o, FILE *f)
{
    apr_int64_t rejected = sb_rows_int(o->batch, 0, B_REJECTED, 0);
    apr_status_t rv;

    o->listed = 0;
    fputs("line,column,severity,code,reason,student_id\r\n", f);
    if (o->problem) {
        int code = sb_udl_problem_code(o->problem);
        entry_t e = {
            .severity = "error", .code = code ? apr_itoa(o->p, code) : NULL, .reason = o->problem};

        write_entry(f, &e);
    }
    rv = write_rejected(o, f);
    if (rv == APR_SUCCESS && rejected > o->listed) {
        entry_t more = {
            .line = -1,
            .severity = "error",
            .reason = apr_psprintf(
                o->p, "%" APR_INT64_T_FMT " more rejected rows are counted, but not listed here",
                rejected - o->listed)};

        write_entry(f, &more);
    }
    if (rv == APR_SUCCESS) {
        rv = write_promotion(o, f);
    }
    if (rv == APR_SUCCESS) {
        write_warnings(o, f);
    }
    return rv;
}

/* ---- outcome.json ------------------------------------------------------------------------------ */

/* SHA-256 of the package as it came. An earlier outcome.json knows it: packages may be large. */
static const char *package_digest(const outcome_t *o, const char *json)
{
    char buf[65536], *text;
    sb_json_t *old;
    sb_digest_t *d;
    apr_size_t len;
    const char *known = NULL;
    struct stat st;
    ssize_t n;
    int fd;

    if (sb_file_read(&text, &len, json, OLD_JSON_MAX, o->p) == APR_SUCCESS &&
        sb_json_parse(&old, NULL, text, len, NULL, o->p) == APR_SUCCESS) {
        known = sb_json_str(sb_json_get(old, "sha256"), NULL);
    }
    if (known || sb_digest_make(&d, "SHA256", o->p) != APR_SUCCESS) {
        return known;
    }
    /* what a sender put there may be a pipe */
    fd = open(apr_pstrcat(o->p, o->dir, "/", o->package, NULL),
              O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    while ((n = read(fd, buf, sizeof buf)) > 0 &&
           sb_digest_update(d, buf, (apr_size_t)n) == APR_SUCCESS) {
    }
    close(fd);
    return n == 0 ? sb_digest_hex(d) : NULL;
}

static void number(sb_jw_t *w, const char *key, const sb_rows_t *rows, int row, int col)
{
    const char *text = sb_rows_text(rows, row, col);

    text ? sb_jw_raw(w, key, text, strlen(text)) : sb_jw_null(w, key);
}

static const char *as_json(const outcome_t *o)
{
    sb_jw_t *w = sb_jw_make(o->p);
    const sb_rows_t *b = o->batch;
    int i;

    sb_jw_object(w, NULL);
    sb_jw_str(w, "batch", o->guid);
    sb_jw_str(w, "tenant", sb_rows_text(b, 0, B_TENANT));
    sb_jw_str(w, "package", o->package);
    number(w, "bytes", b, 0, B_BYTES);
    sb_jw_str(w, "sha256", o->sha256);
    sb_jw_str(w, "load_type", sb_rows_text(b, 0, B_LOAD_TYPE));
    sb_jw_str(w, "assessment_type", sb_rows_text(b, 0, B_ASMT_TYPE));
    sb_jw_str(w, "content", sb_rows_text(b, 0, B_CONTENT));
    sb_jw_str(w, "status", o->status);
    /* udl.ingested still waits for promotion */
    sb_jw_bool(w, "final",
               !strcmp(o->status, "udl.failed") ||
                   (!strncmp(o->status, "migrate.", 8) && strcmp(o->status, "migrate.in_process")));
    sb_jw_str(w, "problem", o->problem);
    sb_jw_object(w, "counts");
    number(w, "read", b, 0, B_READ);
    number(w, "loaded", b, 0, B_LOADED);
    number(w, "rejected", b, 0, B_REJECTED);
    number(w, "deduplicated", b, 0, B_DEDUPLICATED);
    sb_jw_end(w);
    sb_jw_str(w, "errors_file", apr_pstrcat(o->p, o->name, ".errors.csv", NULL));
    sb_jw_array(w, "warnings");
    for (i = 0; i < sb_rows_count(o->warnings); i++) {
        sb_jw_object(w, NULL);
        sb_jw_str(w, "column", sb_rows_text(o->warnings, i, 0));
        number(w, "code", o->warnings, i, 1);
        sb_jw_str(w, "reason", sb_rows_text(o->warnings, i, 2));
        number(w, "count", o->warnings, i, 3);
        number(w, "first_line", o->warnings, i, 4);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_str(w, "arrived", sb_rows_text(b, 0, B_ARRIVED));
    sb_jw_str(w, "started", sb_rows_text(b, 0, B_STARTED));
    sb_jw_str(w, "finished", sb_rows_text(b, 0, B_FINISHED));
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

/* ---- both -------------------------------------------------------------------------------------- */

/* Readable for the group of the directory, which a sender's account belongs to. */
static apr_status_t deliver(const char *from, const char *dir, const char *name, apr_pool_t *p)
{
    char buf[65536];
    new_file_t n;
    struct stat st;
    apr_status_t rv;
    size_t got;
    FILE *in = fopen(from, "re");

    if (!in) {
        return errno;
    }
    rv = begin_file(&n, apr_pstrcat(p, dir, "/", name, NULL), p);
    if (rv == APR_SUCCESS && !stat(dir, &st) && fchown(fileno(n.f), (uid_t)-1, st.st_gid)) {
        sb_log(SB_LOG_DEBUG, SBLOGNO(2261), errno, "giving %s to the group of its directory", name);
    }
    while (rv == APR_SUCCESS && (got = fread(buf, 1, sizeof buf, in)) > 0) {
        rv = fwrite(buf, 1, got, n.f) == got ? APR_SUCCESS : errno;
    }
    if (rv == APR_SUCCESS && ferror(in)) {
        rv = EIO;
    }
    fclose(in);
    return end_file(&n, rv, p);
}

/* In one directory for all his batches: the label in front keeps deliveries of one name apart. */
static apr_status_t deliver_both(const outcome_t *o, const char *errors, const char *json)
{
    const char *slash = strrchr(o->dir, '/'), *label = slash ? slash + 1 : o->dir;
    const char *name = apr_pstrcat(o->p, label, "_", o->name, NULL);
    apr_status_t rv;

    rv = deliver(errors, o->where->reports_dir, apr_pstrcat(o->p, name, ".errors.csv", NULL), o->p);
    if (rv == APR_SUCCESS) {
        rv = deliver(json, o->where->reports_dir, apr_pstrcat(o->p, name, ".outcome.json", NULL),
                     o->p);
    }
    return rv;
}

/* errors.csv first: whoever sees outcome.json finds it. */
static apr_status_t write_files(outcome_t *o)
{
    const char *errors = apr_pstrcat(o->p, o->dir, "/", o->name, ".errors.csv", NULL);
    const char *json = apr_pstrcat(o->p, o->dir, "/", o->name, ".outcome.json", NULL);
    const char *text;
    new_file_t n;
    apr_status_t rv;

    rv = begin_file(&n, errors, o->p);
    if (rv == APR_SUCCESS) {
        rv = end_file(&n, write_errors(o, n.f), o->p);
    }
    if (rv == APR_SUCCESS) {
        o->sha256 = package_digest(o, json);
        text = apr_pstrcat(o->p, as_json(o), "\n", NULL);
        rv = sb_file_write(json, text, strlen(text), FILE_MODE, o->p);
    }
    return rv == APR_SUCCESS && o->where->reports_dir ? deliver_both(o, errors, json) : rv;
}

apr_status_t sb_udl_outcome_write(const sb_udl_outcome_t *where, const char *batch, apr_pool_t *p)
{
    outcome_t o = {.where = where, .guid = batch, .p = p};
    sb_rows_t *rows;
    struct stat st;
    apr_status_t rv;

    rv = sb_db_begin(where->udl, SB_TX_WRITE);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    /* Loader and notifier may both be at it: who writes last must have read last. */
    rv = sb_db_query_text(
        &rows, where->udl,
        "SELECT pg_advisory_xact_lock(hashtextextended('smarter-udl-outcome ' || $1, 0))", 1,
        &batch, p);
    if (rv == APR_SUCCESS) {
        rv = read_batch(&o);
    }
    if (rv == APR_SUCCESS && o.dir) {
        rv = read_status(&o);
    }
    if (rv == APR_SUCCESS && o.dir && o.status) {
        rv = stat(o.dir, &st) ? errno : write_files(&o);
    }
    sb_db_rollback(where->udl); /* nothing was written there; the lock goes */
    return rv;
}
