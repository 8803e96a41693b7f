/* smarter metadata: what a state has set for its reports: smallest group shown, colours, branding. */

#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "core/sb_file.h"
#include "core/sb_log.h"
#include "report/sb_metadata_edit.h"
#include "report/sb_operator.h"
#include "udl/sb_udl_conf.h"
#include "workers/smarter.h"

#define FILE_MAX (256 * 1024)

static const program_option_t options[] = {
    {"file", 'f', "FILE", "set: all of it, as JSON; - is standard input", 0},
    {"min-cell-size", 0, "N", "set: the smallest group shown, 1 to 1000", 0},
    {"top-bottom-coding", 0, "N",
     "set: shares below N and above 100-N per cent are not told exactly, 1 to 20; 0 ends it", 0},
    {"color", 0, "SUBJECT=#RGB,...", "set: colours of a subject, one a level; may be repeated", 0},
    {"branding", 0, "NAME=TEXT",
     "set: display, image or higherEdLink; without TEXT away with it; may be repeated", 0},
    {NULL, 0, NULL, NULL, 0}};

/* ---- the change -------------------------------------------------------------------------------- */

static int read_file(const char **ptext, const program_t *prog, const char *path)
{
    const char *name = strcmp(path, "-") ? path : "/dev/stdin", *why;
    char buf[200], *text;
    apr_status_t rv;
    apr_size_t len;

    rv = sb_file_read(&text, &len, name, FILE_MAX, prog->pool);
    if (rv != APR_SUCCESS) {
        return program_complain(prog, path, sb_strerror(rv, buf, sizeof buf));
    }
    why = sb_metadata_judge(text, len, NULL, prog->pool);
    if (why) {
        return program_complain(prog, path, why);
    }
    *ptext = text;
    return PROGRAM_DONE;
}

/* "NAME=TEXT" among some names. @return the index, -1: it is none of them */
static int pair(const char **ptext, const char *given, const char *const *names)
{
    apr_size_t n = strcspn(given, "=");
    int i;

    *ptext = given + n + 1;
    for (i = 0; given[n] && names[i]; i++) {
        if (strlen(names[i]) == n && !strncmp(names[i], given, n)) {
            return i;
        }
    }
    return -1;
}

static int read_colours(sb_metadata_change_t *c, const program_t *prog)
{
    const apr_array_header_t *given = program_options(prog, "color");
    apr_array_header_t *all = apr_array_make(prog->pool, 2, sizeof(sb_metadata_colours_t));
    int i;

    for (i = 0; i < given->nelts; i++) {
        const char *word = APR_ARRAY_IDX(given, i, const char *), *eq = strchr(word, '=');
        sb_metadata_colours_t *colours = apr_array_push(all);

        if (!eq || eq == word) {
            return program_usage(prog, "--color %s: want SUBJECT=#RGB,#RGB,...", word);
        }
        colours->subject = apr_pstrmemdup(prog->pool, word, (apr_size_t)(eq - word));
        colours->colours = eq + 1;
    }
    c->colours = all;
    return PROGRAM_DONE;
}

static int read_branding(sb_metadata_change_t *c, const program_t *prog)
{
    static const char *const names[] = {"display", "image", "higherEdLink", NULL};
    const char **members[] = {&c->display, &c->image, &c->higher_ed_link};
    const apr_array_header_t *all = program_options(prog, "branding");
    int i;

    for (i = 0; i < all->nelts; i++) {
        const char *given = APR_ARRAY_IDX(all, i, const char *), *text;
        int m = pair(&text, given, names);

        if (m < 0) {
            return program_usage(prog,
                                 "--branding %s: want display=, image= or higherEdLink=", given);
        }
        *members[m] = text;
    }
    return PROGRAM_DONE;
}

static int read_change(sb_metadata_change_t *c, const program_t *prog)
{
    const char *file = program_option(prog, "file"), *cell = program_option(prog, "min-cell-size");
    const char *coding = program_option(prog, "top-bottom-coding");
    int status = read_colours(c, prog), parts, n;

    status = status ? status : read_branding(c, prog);
    if (status) {
        return status;
    }
    if (cell) {
        if (!program_number(&n, cell, 1, 1000)) {
            return program_usage(prog, "--min-cell-size %s: want a number from 1 to 1000", cell);
        }
        c->min_cell = n;
    }
    if (coding) {
        if (!program_number(&n, coding, 0, 20)) {
            return program_usage(prog, "--top-bottom-coding %s: want a number from 0 to 20",
                                 coding);
        }
        c->coding = n ? n : -1;
    }
    parts = cell || coding || c->colours->nelts || c->display || c->image || c->higher_ed_link;
    if (!file == !parts) {
        return program_usage(prog, "say what to set: --file FILE, or single settings");
    }
    return file ? read_file(&c->whole, prog, file) : PROGRAM_DONE;
}

/* ---- the tenant -------------------------------------------------------------------------------- */

typedef struct {
    const char *name, *state, *url, *schema;
} tenant_t;

static int find_tenant(tenant_t *t, const program_t *prog)
{
    const sb_conf_t *conf = prog->conf;
    const char *name = APR_ARRAY_IDX(prog->args, 1, const char *);
    const char *url =
        !sb_udl_is_tenant(name)
            ? NULL
            : sb_conf_str(conf, apr_pstrcat(prog->pool, "migrate_dest.db.", name, ".url", NULL));

    t->name = name;
    t->url = url ? sb_conf_db_url(url, prog->pool) : NULL;
    t->schema = url ? sb_conf_tenant_str(conf, "migrate_dest.db.<tenant>.schema_name", name) : NULL;
    t->state = url ? sb_conf_tenant_str(conf, "edware.db.<tenant>.state_code", name) : NULL;
    if (!t->url || !t->schema || !t->state) {
        return program_complain(
            prog, name,
            "no tenant of this ini: it has no migrate_dest.db url and schema_name, or no "
            "edware.db state_code; see smarter tenant list");
    }
    return PROGRAM_DONE;
}

static int connect_to(sb_db_t **pdb, const program_t *prog, const tenant_t *t)
{
    sb_db_opts_t opts = {.app = "smarter", .schema = t->schema};
    apr_status_t rv = sb_db_open(pdb, t->url, &opts, prog->pool);

    if (rv != APR_SUCCESS) {
        program_complain(prog, t->name, "its production database does not answer");
        return program_status(rv);
    }
    return PROGRAM_DONE;
}

/* ---- who did it -------------------------------------------------------------------------------- */

/* In the audit stream, and in the loader's database, which may be another one. */
typedef struct {
    sb_db_t *db;
    const char *schema;
} diary_t;

/* Before anything is changed: what cannot be written down is not done. */
static int open_diary(diary_t *d, program_t *prog)
{
    const sb_conf_t *conf = program_section(prog, "app");
    const char *url = conf ? sb_conf_str(conf, "udl2_db_conn.url") : NULL, *why;
    sb_db_opts_t opts = {.app = "smarter"};
    apr_status_t rv;

    why = sb_stream_open(SB_STREAM_AUDIT, sb_conf_str(prog->conf, "logging.audit"), prog->pool);
    if (why) {
        return program_complain(prog, "logging.audit",
                                apr_pstrcat(prog->pool, why, "; nothing is done", NULL));
    }
    if (!url) {
        return program_complain(prog, "udl2_db_conn.url", "is not set; nothing is done");
    }
    d->schema = sb_conf_str(conf, "udl2_db_conn.db_schema");
    rv = sb_db_open(&d->db, sb_conf_db_url(url, prog->pool), &opts, prog->pool);
    if (rv != APR_SUCCESS) {
        program_complain(prog, "udl2_db_conn.url", "does not answer; nothing is done");
    }
    return program_status(rv);
}

static int note(const program_t *prog, const diary_t *d, const tenant_t *t,
                const sb_metadata_stored_t *stored)
{
    apr_status_t rv = sb_operator_note(d->db, d->schema, sb_operator_name(prog->pool),
                                       "metadata set", t->name, NULL, stored->text, prog->pool);

    return rv == APR_SUCCESS
               ? PROGRAM_DONE
               : program_complain(prog, t->name, "changed, but operator_action cannot be written");
}

/* ---- actions ----------------------------------------------------------------------------------- */

static int set(program_t *prog)
{
    sb_metadata_change_t change = {0};
    sb_metadata_stored_t stored;
    tenant_t t;
    diary_t d;
    sb_db_t *db;
    apr_status_t rv;
    int status = read_change(&change, prog);

    status = status ? status : find_tenant(&t, prog);
    status = status ? status : open_diary(&d, prog);
    status = status ? status : connect_to(&db, prog, &t);
    if (status) {
        return status;
    }
    rv = sb_metadata_store(&stored, db, t.state, &change, prog->pool);
    if (rv == SB_EINPUT) {
        return program_complain(prog, t.name, stored.problem);
    }
    if (rv != APR_SUCCESS) {
        program_complain(prog, t.name, sb_db_error(db));
        return program_status(rv);
    }
    if (!stored.changed) {
        printf("%s: it is so already\n", t.name);
        return PROGRAM_DONE;
    }
    printf("%s: set; data version %" APR_INT64_T_FMT "\n", t.name, stored.version);
    return note(prog, &d, &t, &stored);
}

static int get(const program_t *prog)
{
    static const sb_stmt_t st = {
        "metadata_get", 1,
        "SELECT asmt_custom_metadata FROM {schema}.custom_metadata WHERE state_code = $1"};
    const char *args[1];
    sb_rows_t *rows;
    apr_status_t rv;
    tenant_t t;
    sb_db_t *db;
    int status = find_tenant(&t, prog);

    status = status ? status : connect_to(&db, prog, &t);
    if (status) {
        return status;
    }
    args[0] = t.state;
    rv = sb_db_query(&rows, db, &st, args, prog->pool);
    if (rv != APR_SUCCESS) {
        program_complain(prog, t.name, sb_db_error(db));
        return program_status(rv);
    }
    puts(sb_rows_count(rows) && sb_rows_text(rows, 0, 0) ? sb_rows_text(rows, 0, 0) : "{}");
    return PROGRAM_DONE;
}

static int check(const program_t *prog)
{
    const char *path = APR_ARRAY_IDX(prog->args, 1, const char *), *text;
    int status = read_file(&text, prog, path);

    if (!status) {
        printf("%s: good\n", path);
    }
    return status;
}

static int run(program_t *prog)
{
    const char *action = prog->args->nelts ? APR_ARRAY_IDX(prog->args, 0, const char *) : "";

    if (prog->args->nelts == 2 && !strcmp(action, "set")) {
        return set(prog);
    }
    if (prog->args->nelts == 2 && !strcmp(action, "get")) {
        return get(prog);
    }
    if (prog->args->nelts == 2 && !strcmp(action, "check")) {
        return check(prog);
    }
    return program_usage(prog, "want set TENANT, get TENANT or check FILE");
}

const program_def_t smarter_metadata = {
    .name = SMARTER_COMMAND "metadata",
    .summary = "a state's settings for its reports: smallest group shown, colours, branding",
    .usage = "set TENANT [OPTION...] | get TENANT | check FILE",
    .section = "app:main",
    .options = options,
    .max_args = 2,
    .flags = PROGRAM_TOOL,
    .run = run};
