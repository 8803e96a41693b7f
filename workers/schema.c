/* smarter-schema: makes the product's schemas and brings them up to date. */

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "store/sb_schema.h"
#include "workers/program.h"

/* Where the configuration says a kind of schema is. */
typedef struct {
    const char *kind;
    const char *section;
    const char *url, *url2; /* keys; the second if the first is not set */
    const char *schema;     /* key */
    const char *dflt;       /* name without configuration; NULL: none */
    int own_url;            /* schema.owner.url does not count: another role owns these */
} kind_t;

static const kind_t kinds[] = {
    {"prod", "app:main", "migrate_dest.db.<tenant>.url", NULL,
     "migrate_dest.db.<tenant>.schema_name", NULL, 0},
    {"public", "app:main", "migrate_public.db.<tenant>.url", NULL,
     "edware.public.db.<tenant>.schema_name", NULL, 1},
    {"stage", "app:main", "migrate_source.db.<tenant>.url", NULL, NULL, NULL, 0},
    {"udl", "app", "udl2_db_conn.url", NULL, "udl2_db_conn.db_schema", "udl2", 0},
    {"stats", "app:main", "migrate_stats.db.url", "edware_stats.db.url",
     "edware_stats.db.schema_name", "edware_stats", 0},
    {"signin", "app:main", "security.db.url", NULL, "security.db.schema_name", "signin", 0},
    {"jobs", "app:main", "jobs.worker.db.url", "jobs.db.url", "jobs.db.schema_name", "jobs", 0},
    {"hpz", "app:main", "hpz.db.url", NULL, "hpz.db.schema_name", "hpz", 0},
};

typedef struct {
    const kind_t *kind;
    const char *url;
    const char *schema; /* NULL for stage without --schema */
} target_t;

static int complain(const char *what, const char *why, apr_status_t rv)
{
    fprintf(stderr, "smarter-schema: %s: %s\n", what, why);
    return program_status(rv);
}

/* ---- which schema, and where ----------------------------------------------------------------- */

static const kind_t *find_kind(const char *name)
{
    apr_size_t i;

    for (i = 0; name && i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (!strcmp(kinds[i].kind, name)) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* Value of a key that may be one of a tenant's. */
static const char *value_of(const sb_conf_t *conf, const char *key, const char *tenant)
{
    if (!conf || !key || (strstr(key, "<tenant>") && !tenant)) {
        return NULL;
    }
    return tenant ? sb_conf_tenant_str(conf, key, tenant) : sb_conf_str(conf, key);
}

/* The only tenant of the configuration, so that --tenant is not needed; NULL: none or several. */
static const char *only_tenant(const sb_conf_t *conf, apr_pool_t *p)
{
    const apr_array_header_t *names =
        conf ? sb_conf_names(conf, "migrate_dest.db.<tenant>.url", p) : NULL;

    return names && names->nelts == 1 ? APR_ARRAY_IDX(names, 0, const char *) : NULL;
}

static int find_target(target_t *t, program_t *prog)
{
    const char *tenant = program_option(prog, "tenant");
    sb_conf_t *conf;

    /* An ini is optional here, but used where there is one. */
    if (!prog->conf && getenv("SMARTER_INI")) {
        prog->ini = getenv("SMARTER_INI");
        prog->conf = program_section(prog, prog->def->section);
        if (!prog->conf) {
            return PROGRAM_FAILED;
        }
    }
    conf = prog->conf;
    t->kind = find_kind(program_option(prog, "kind"));
    if (!t->kind) {
        return program_usage(prog,
                             "--kind is one of prod, public, stage, udl, stats, signin, jobs, hpz");
    }
    if (!tenant) {
        tenant = only_tenant(conf, prog->pool);
    }
    t->url = program_option(prog, "url");
    if (!t->url && prog->conf && !t->kind->own_url) {
        t->url = sb_conf_str(prog->conf, "schema.owner.url");
    }
    if (conf && strcmp(t->kind->section, prog->def->section)) {
        conf = program_section(prog, t->kind->section);
        if (!conf) {
            return PROGRAM_FAILED;
        }
    }
    if (!t->url) {
        t->url = value_of(conf, t->kind->url, tenant);
    }
    if (!t->url) {
        t->url = value_of(conf, t->kind->url2, tenant);
    }
    if (t->url) { /* of several the first; --url says the others */
        t->url = APR_ARRAY_IDX(sb_conf_db_urls(t->url, prog->pool), 0, const char *);
    }
    t->schema = program_option(prog, "schema");
    if (!t->schema) {
        t->schema = value_of(conf, t->kind->schema, tenant);
    }
    if (!t->schema) {
        t->schema = t->kind->dflt;
    }
    if (!t->url) {
        return program_usage(prog, "which database? Give --url, or an ini that names it%s",
                             strstr(t->kind->url, "<tenant>") ? " and --tenant" : "");
    }
    if (!t->schema && t->kind->schema) {
        return program_usage(prog, "which schema? Give --schema, or an ini and --tenant");
    }
    return PROGRAM_DONE;
}

/* ---- batch schemas --------------------------------------------------------------------------- */

static int stage(const program_t *prog, const target_t *t, sb_db_t *db, const char *action)
{
    apr_array_header_t *guids;
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    if (t->schema && !strcmp(action, "create")) {
        rv = sb_batch_schema_create(db, t->schema, prog->pool);
    }
    else if (t->schema && !strcmp(action, "drop")) {
        rv = sb_batch_schema_drop(db, t->schema, prog->pool);
    }
    else if (!strcmp(action, "drop")) {
        return program_usage(prog, "drop of kind stage needs --schema GUID: one batch");
    }
    else if (!strcmp(action, "status")) {
        rv = sb_batch_schema_list(&guids, db, prog->pool);
        for (i = 0; rv == APR_SUCCESS && i < guids->nelts; i++) {
            puts(APR_ARRAY_IDX(guids, i, const char *));
        }
    }
    else {
        /* The loader makes these schemas itself; it only needs the right to. */
        rv = sb_db_query_text(&rows, db, "SELECT current_database()", 0, NULL, prog->pool);
        if (rv == APR_SUCCESS) {
            rv = sb_db_script(db,
                              sb_sql(prog->pool, "GRANT CREATE ON DATABASE {db} TO smarter_loader",
                                     "db", sb_rows_text(rows, 0, 0), NULL));
        }
    }
    if (rv == SB_EINPUT) {
        return program_usage(prog, "'%s' is no batch guid", t->schema);
    }
    if (rv == SB_ECONFIG) {
        return complain("stage",
                        apr_psprintf(prog->pool, "no SQL files in %s/batch", sb_schema_dir()), rv);
    }
    return rv == APR_SUCCESS ? PROGRAM_DONE : complain("stage", sb_db_error(db), rv);
}

/* ---- actions --------------------------------------------------------------------------------- */

/* Exit status: is the schema as this program wants it? */
static int status(const program_t *prog, const target_t *t, sb_db_t *db)
{
    static const char *const words[] = {"waiting", "applied", "EDITED", "UNKNOWN"};
    apr_array_header_t *changes;
    const char *error;
    apr_status_t rv = sb_schema_status(&changes, &error, db, t->kind->kind, t->schema, prog->pool);
    int i, good = 1;

    if (rv != APR_SUCCESS) {
        return complain(t->schema, error, rv);
    }
    if (!changes) {
        printf("%s: not there\n", t->schema);
        return PROGRAM_FAILED;
    }
    for (i = 0; i < changes->nelts; i++) {
        const sb_schema_change_t *c = &APR_ARRAY_IDX(changes, i, sb_schema_change_t);

        printf("%s: %s %s%s%s\n", t->schema, words[c->state], c->name, c->applied_at ? " " : "",
               c->applied_at ? c->applied_at : "");
        good = good && c->state == SB_CHANGE_APPLIED;
    }
    return good ? PROGRAM_DONE : PROGRAM_FAILED;
}

static int upgrade(const program_t *prog, const target_t *t, sb_db_t *db, int flags)
{
    const char *error;
    apr_status_t rv;
    int n;

    if (program_option(prog, "no-grants")) {
        flags |= SB_SCHEMA_NO_GRANTS;
    }
    rv = sb_schema_upgrade(&n, &error, db, t->kind->kind, t->schema, flags, prog->pool);
    if (rv != APR_SUCCESS) {
        return complain(t->schema, error, rv);
    }
    printf("%s: %d change%s applied\n", t->schema, n, n == 1 ? "" : "s");
    return PROGRAM_DONE;
}

static int run(program_t *prog)
{
    sb_db_opts_t opts = {.app = "smarter-schema"};
    const char *action;
    target_t t = {NULL, NULL, NULL};
    sb_db_t *db;
    apr_status_t rv;
    int usage;

    if (prog->args->nelts != 1) {
        return program_usage(prog, "say what to do: create, upgrade, status or drop");
    }
    action = APR_ARRAY_IDX(prog->args, 0, const char *);
    if (strcmp(action, "create") && strcmp(action, "upgrade") && strcmp(action, "status") &&
        strcmp(action, "drop")) {
        return program_usage(prog, "'%s' is none of create, upgrade, status, drop", action);
    }
    usage = find_target(&t, prog);
    if (usage != PROGRAM_DONE) {
        return usage;
    }
    if (!strcmp(action, "drop") && !program_option(prog, "yes")) {
        return program_usage(prog, "drop removes the schema and all its data; say --yes");
    }
    rv = sb_db_open(&db, sb_conf_db_url(t.url, prog->pool), &opts, prog->pool);
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "smarter-schema: the database does not answer\n");
        return program_status(rv);
    }
    if (!strcmp(t.kind->kind, "stage")) {
        return stage(prog, &t, db, action);
    }
    if (!strcmp(action, "status")) {
        return status(prog, &t, db);
    }
    if (!strcmp(action, "drop")) {
        rv = sb_schema_drop(db, t.schema, prog->pool);
        return rv == APR_SUCCESS ? PROGRAM_DONE : complain(t.schema, sb_db_error(db), rv);
    }
    return upgrade(prog, &t, db, strcmp(action, "create") ? 0 : SB_SCHEMA_CREATE);
}

static const program_option_t options[] = {
    {"kind", 'k', "KIND", "prod, public, stage (batches), udl, stats, signin, jobs or hpz", 0},
    {"tenant", 't', "TENANT", "whose production (not needed if there is only one)", 0},
    {"url", 'u', "URL", "database, as its owner; default schema.owner.url, else the kind's own", 0},
    {"schema", 's', "NAME", "schema; default as the ini says", 0},
    {"no-grants", 0, NULL, "leave roles and their rights alone", 0},
    {"yes", 'y', NULL, "really drop", 0},
    {NULL, 0, NULL, NULL, 0}};

static const program_def_t def = {.name = "smarter-schema",
                                  .summary =
                                      "make the schemas of the databases and bring them up to date",
                                  .usage = "--kind KIND [OPTION...] create|upgrade|status|drop",
                                  .section = "app:main",
                                  .options = options,
                                  .max_args = 1,
                                  .flags = PROGRAM_TOOL | PROGRAM_NO_INI,
                                  .run = run};

int main(int argc, char **argv)
{
    return program_main(&def, argc, argv);
}
