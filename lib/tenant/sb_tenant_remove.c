/* Taking a tenant away, and what speaks against it. See sb_tenant.h. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "lz/sb_lz_accounts.h"
#include "store/sb_schema.h"
#include "tenant/sb_tenant_keys.h"

typedef struct {
    const sb_tenant_remove_t *remove;
    const sb_tenant_conf_t *conf;
    apr_pool_t *p;
    const sb_tenant_entry_t *t;
    const char *data; /* what lies in production; NULL nothing */
} job_t;

static void say(const job_t *job, const char *step, const char *what)
{
    job->remove->say(step, what);
}

const char *sb_tenant_data(const char **pproblem, const sb_tenant_entry_t *t, apr_pool_t *p)
{
    static const char sql[] = "SELECT (SELECT count(*) FROM {schema}.batch_applied),"
                              " EXISTS (SELECT FROM {schema}.fact_asmt_outcome_vw)"
                              " OR EXISTS (SELECT FROM {schema}.fact_block_asmt_outcome),"
                              " EXISTS (SELECT FROM {schema}.student_reg)";
    sb_rows_t *rows;
    sb_db_t *db;

    *pproblem = NULL;
    if (!t->loader_url || !t->schema) {
        *pproblem = "the ini does not say where its production is";
        return NULL;
    }
    *pproblem = sb_tenant_connect(&db, "production", t->loader_url, NULL, p);
    if (*pproblem) {
        return NULL;
    }
    if (sb_db_query_text(&rows, db, "SELECT 1 FROM pg_namespace WHERE nspname = $1", 1, &t->schema,
                         p) == APR_SUCCESS &&
        sb_rows_count(rows) == 0) {
        return NULL;
    }
    if (sb_db_query_text(&rows, db, sb_sql(p, sql, "schema", t->schema, NULL), 0, NULL, p) !=
        APR_SUCCESS) {
        *pproblem = apr_psprintf(p, "schema %s: %s", t->schema, sb_db_error(db));
        return NULL;
    }
    if (sb_rows_int(rows, 0, 0, 0) == 0 && sb_rows_bool(rows, 0, 1) != 1 &&
        sb_rows_bool(rows, 0, 2) != 1) {
        return NULL;
    }
    return apr_psprintf(p, "%s batches%s%s", sb_rows_text(rows, 0, 0),
                        sb_rows_bool(rows, 0, 1) == 1 ? ", results" : "",
                        sb_rows_bool(rows, 0, 2) == 1 ? ", registrations" : "");
}

/* ---- judging --------------------------------------------------------------------------------------- */

static const char *judge_data(job_t *job)
{
    const sb_tenant_remove_t *r = job->remove;
    const char *why;

    if (r->drop_data && strcmp(r->drop_data, r->name)) {
        return apr_psprintf(job->p, "--drop-data %s: type the tenant's name, %s", r->drop_data,
                            r->name);
    }
    job->data = sb_tenant_data(&why, job->t, job->p);
    if (why) {
        return r->keep_data ? NULL : why;
    }
    return job->data && !r->drop_data && !r->keep_data
               ? apr_psprintf(job->p,
                              "production of %s holds %s. --keep-data leaves it, --drop-data %s "
                              "destroys it for good",
                              r->name, job->data, r->name)
               : NULL;
}

/* @return how many, -1 with the complaint */
static apr_int64_t count(const char **pwhy, const char *url, const char *schema, const char *sql,
                         const job_t *job)
{
    sb_rows_t *rows;
    sb_db_t *db;

    *pwhy = url ? sb_tenant_connect(&db, "batches", url, NULL, job->p)
                : "udl2_db_conn.url and edware_stats.db.url are needed";
    if (!*pwhy && sb_db_query_text(&rows, db, sb_sql(job->p, sql, "schema", schema, NULL), 1,
                                   &job->remove->name, job->p) != APR_SUCCESS) {
        *pwhy = apr_pstrdup(job->p, sb_db_error(db));
    }
    return *pwhy ? -1 : sb_rows_int(rows, 0, 0, 0);
}

static const char *judge_batches(job_t *job)
{
    const sb_conf_t *conf = job->conf->loader;
    const char *why;
    apr_int64_t n;

    n = count(&why, sb_conf_str(conf, "udl2_db_conn.url"),
              sb_conf_str(conf, "udl2_db_conn.db_schema"),
              "SELECT count(*) FROM {schema}.package WHERE tenant = $1"
              " AND state IN ('new', 'queued', 'running')",
              job);
    if (n == 0) {
        n = count(&why, sb_conf_str(conf, "edware_stats.db.url"),
                  sb_conf_str(conf, "edware_stats.db.schema_name"),
                  "SELECT count(*) FROM {schema}.udl_stats WHERE tenant = $1 AND load_status IN"
                  " ('udl.received', 'udl.loading', 'udl.ingested', 'migrate.in_process')",
                  job);
    }
    return why || n == 0 ? why
                         : apr_psprintf(job->p,
                                        "%s has %" APR_INT64_T_FMT
                                        " packages or batches on their way; let them end, or "
                                        "discard them",
                                        job->remove->name, n);
}

/* Senders' directories stay behind when their packages are taken. One that is not empty stays. */
static void remove_empty_below(const char *path)
{
    DIR *d = opendir(path);
    const struct dirent *e;

    while (d && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
            (void)unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
        }
    }
    if (d) {
        closedir(d);
    }
}

/* Empty, or not there. */
static const char *judge_arrivals(job_t *job)
{
    const char *path = sb_tenant_zone(job->conf, "arrivals", job->remove->name, job->p);

    if (!job->remove->dry_run) {
        remove_empty_below(path);
    }
    if (job->remove->dry_run || rmdir(path) == 0 || errno == ENOENT) {
        say(job, "arrivals", path);
        return NULL;
    }
    return apr_psprintf(job->p, "%s: %s", path,
                        errno == ENOTEMPTY || errno == EEXIST
                            ? "files lie there: let them be loaded, or move "
                              "them away"
                            : strerror(errno));
}

/* ---- steps ------------------------------------------------------------------------------------------ */

static const char *leave_landing_zone(job_t *job)
{
    const sb_lz_conf_t *lz;
    struct stat st;
    const char *why = sb_lz_conf_read(&lz, job->conf->web, job->p);

    if (why || stat(apr_pstrcat(job->p, lz->arrivals, "/", job->remove->name, NULL), &st)) {
        return NULL;
    }
    say(job, "landing zone", apr_psprintf(job->p, "%s/%s", lz->arrivals, job->remove->name));
    why = job->remove->dry_run ? NULL : sb_lz_tenant_remove(lz, job->remove->name, job->p);
    return why ? apr_pstrcat(job->p, "landing zone: ", why, NULL) : NULL;
}

static const char *drop_schema(job_t *job)
{
    const sb_tenant_remove_t *r = job->remove;
    const char *url = r->owner_url ? r->owner_url : sb_conf_str(job->conf->web, "schema.owner.url");
    const char *why;
    sb_db_t *db;

    if (r->keep_data || !job->t->schema) {
        say(job, "schema", "stays");
        return NULL;
    }
    if (!url) {
        return "who owns the databases? --owner-url URL, or schema.owner.url in the ini";
    }
    say(job, "schema",
        apr_psprintf(job->p, "dropping %s with %s", job->t->schema,
                     job->data ? job->data : "nothing in it"));
    if (r->dry_run) {
        return NULL;
    }
    why = sb_tenant_connect(&db, "the owner's database", url, NULL, job->p);
    return why || sb_schema_drop(db, job->t->schema, job->p) == APR_SUCCESS
               ? why
               : apr_psprintf(job->p, "schema %s: %s", job->t->schema, sb_db_error(db));
}

/* Every key of the tenant, also those that adding him did not write. */
static const char *clean_ini(job_t *job)
{
    const sb_key_t *k;
    sb_conf_edit_t *e;
    const char *why;
    apr_pool_t *p;
    int i;

    apr_pool_create(&p, job->p);
    why = sb_conf_edit_open(&e, job->conf->ini, p);
    for (k = sb_keys; k->name && !why; k++) {
        const char *open = strstr(k->name, "<tenant>");
        const char *key =
            open ? apr_pstrcat(p, apr_pstrmemdup(p, k->name, (apr_size_t)(open - k->name)),
                               job->remove->name, open + 8, NULL)
                 : NULL;

        for (i = 0; key && i < 2; i++) {
            sb_conf_edit_remove(e, i ? "app" : "app:main", key);
        }
    }
    if (!why) {
        say(job, "ini",
            apr_psprintf(job->p, "%s: without the keys of tenant %s", job->conf->ini,
                         job->remove->name));
        why = job->remove->dry_run ? NULL : sb_conf_edit_save(e);
    }
    why = why ? apr_pstrdup(job->p, why) : NULL;
    apr_pool_destroy(p);
    return why;
}

static const char *note(job_t *job, const char *action)
{
    return job->remove->dry_run
               ? NULL
               : sb_tenant_note(action, job->remove->name,
                                apr_psprintf(job->p, "schema %s %s",
                                             job->t->schema ? job->t->schema : "-",
                                             job->remove->keep_data ? "kept" : "dropped"),
                                job->conf, job->p);
}

/* Data may be gone before the last step: who destroys it is written down before. */
static const char *note_begun(job_t *job)
{
    return note(job, "tenant remove begun");
}

const char *sb_tenant_remove(const sb_tenant_remove_t *remove, const sb_tenant_conf_t *conf,
                             apr_pool_t *p)
{
    static const char *(*const steps[])(job_t *) = {judge_data,         judge_batches,  note_begun,
                                                    leave_landing_zone, judge_arrivals, drop_schema,
                                                    clean_ini};
    job_t job = {
        .remove = remove, .conf = conf, .p = p, .t = sb_tenant_find(conf, remove->name, p)};
    const char *why = NULL;
    apr_size_t i;

    if (!job.t) {
        return apr_psprintf(p, "there is no tenant %.40s", remove->name);
    }
    if (remove->keep_data && remove->drop_data) {
        return "--keep-data or --drop-data, not both";
    }
    for (i = 0; i < sizeof steps / sizeof steps[0] && !why; i++) {
        why = steps[i](&job);
    }
    if (!why) {
        sb_tenant_pickup(remove->name, NULL, remove->say, conf, p);
    }
    why = why ? why : sb_tenant_reload(remove->reload, remove->dry_run, remove->say, conf, p);
    if (!why) {
        say(&job, "kept", "history, and the senders' keys in the key ring");
    }
    return why ? why : note(&job, "tenant remove");
}
