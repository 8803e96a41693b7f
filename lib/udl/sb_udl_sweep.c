/* Clearing up behind the dead: see sb_udl_sweep.h. */

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_file.h"
#include "core/sb_log.h"
#include "core/sb_uuid.h"
#include "store/sb_schema.h"
#include "udl/sb_udl_package.h"
#include "udl/sb_udl_sweep.h"
#include "udl/sb_udl_zones.h"

typedef struct {
    sb_db_t *db;
    const sb_udl_conf_t *conf;
    apr_interval_time_t keep;
    apr_pool_t *p;
} sweep_t;

/* ---- schemas of failed batches ----------------------------------------------------------------- */

/* Those of the given batches that failed long enough ago. @param guids "{...,...}" */
static apr_status_t failed_of(sb_rows_t **prows, const sweep_t *s, const char *guids)
{
    const char *args[] = {guids, s->conf->tenant, apr_psprintf(s->p, "%" APR_INT64_T_FMT, s->keep)};

    return sb_db_query_text(
        prows, s->db,
        sb_sql(s->p,
               "SELECT batch_guid FROM {schema}.batch WHERE batch_guid = ANY ($1::text[])"
               " AND tenant = $2 AND stage = 'failed'"
               " AND finished_at < now() - $3::bigint * interval '1 us'",
               "schema", s->conf->udl_schema, NULL),
        3, args, s->p);
}

/* An operator may be sending the batch through again at this very moment: asked behind its fence. */
static apr_status_t drop_schema(const sweep_t *s, sb_db_t *target, const char *guid)
{
    sb_rows_t *rows;
    apr_status_t rv;

    rv = sb_db_begin(target, SB_TX_WRITE);
    if (rv == APR_SUCCESS) {
        rv = sb_udl_package_try_fence(target, guid, s->p);
    }
    if (rv == APR_SUCCESS) {
        rv = failed_of(&rows, s, apr_pstrcat(s->p, "{", guid, "}", NULL));
    }
    if (rv == APR_SUCCESS && sb_rows_count(rows)) {
        rv = sb_batch_schema_drop(target, guid, s->p);
    }
    rv = sb_db_end(target, rv);
    return rv == SB_EBUSY ? APR_SUCCESS : rv;
}

static apr_status_t sweep_schemas(const sweep_t *s, const char *target_url)
{
    sb_db_opts_t opts = {.app = "smarter-udl-trigger"};
    apr_array_header_t *guids;
    sb_rows_t *rows;
    sb_db_t *target;
    apr_status_t rv;
    int i;

    /* never the caller's connection: the fence would be its lock as well */
    rv = sb_db_open(&target, target_url, &opts, s->p);
    if (rv == APR_SUCCESS) {
        rv = sb_batch_schema_list(&guids, target, s->p);
    }
    if (rv == APR_SUCCESS && guids->nelts) {
        rv = failed_of(&rows, s,
                       apr_pstrcat(s->p, "{", apr_array_pstrcat(s->p, guids, ','), "}", NULL));
        for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
            rv = drop_schema(s, target, sb_rows_text(rows, i, 0));
        }
    }
    return rv;
}

/* ---- work directories -------------------------------------------------------------------------- */

#define YOUNG                                                                                      \
    apr_time_from_sec(60) /* an operator's retry puts the file here, then sets the state */

static int exists(const char *path)
{
    struct stat st;

    return !lstat(path, &st);
}

static int is_young(const char *path)
{
    struct stat st;

    return !lstat(path, &st) && apr_time_now() - apr_time_from_sec(st.st_mtim.tv_sec) < YOUNG;
}

/* One file that lies where packages are kept while they are loaded, though its batch has ended. */
static void put_away(const sweep_t *s, const char *dir, const char *name, const char *label,
                     int failed)
{
    const char *from = apr_pstrcat(s->p, dir, "/", name, NULL);
    const char *kept = apr_pstrcat(s->p, s->conf->history, "/", s->conf->tenant,
                                   failed ? "/failed/" : "/", label, NULL),
               *to = apr_pstrcat(s->p, kept, "/", name, NULL);
    apr_status_t rv;

    if (exists(to)) {
        /* the batch's own package is put away: this one was taken by a worker that had lost its claim */
        to = apr_pstrcat(s->p, s->conf->arrivals, "/", s->conf->tenant, "/", name, NULL);
        if (exists(to)) {
            return; /* the next round will find it gone */
        }
        rv = APR_SUCCESS;
    }
    else {
        rv = sb_dir_make(kept, 0750, s->p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_udl_move_file(from, to, s->p);
    }
    sb_log(rv == APR_SUCCESS ? SB_LOG_NOTICE : SB_LOG_ERROR, SBLOGNO(2241), rv,
           "package %s of an ended batch was left at work: %s %s", name,
           rv == APR_SUCCESS ? "moved to" : "cannot be moved to", to);
}

/* @param names of const char *; hidden ones are left out */
static apr_status_t list_dir(apr_array_header_t **pnames, const sweep_t *s, const char *path)
{
    apr_array_header_t *names = apr_array_make(s->p, 8, sizeof(const char *));
    struct dirent *d;
    DIR *dir = opendir(path);

    *pnames = names;
    if (!dir) {
        return errno == ENOENT ? APR_SUCCESS : errno;
    }
    while ((d = readdir(dir)) != NULL) {
        if (*d->d_name != '.') {
            APR_ARRAY_PUSH(names, const char *) = apr_pstrdup(s->p, d->d_name);
        }
    }
    closedir(dir);
    return APR_SUCCESS;
}

static void clear_label(const sweep_t *s, const char *label, int failed)
{
    const char *work = apr_pstrcat(s->p, s->conf->work, "/", s->conf->tenant, NULL),
               *arrived = apr_pstrcat(s->p, work, "/arrived/", label, NULL);
    apr_array_header_t *names;
    apr_status_t rv;
    int i;

    if (is_young(arrived)) {
        return;
    }
    rv = list_dir(&names, s, arrived);
    for (i = 0; rv == APR_SUCCESS && i < names->nelts; i++) {
        put_away(s, arrived, APR_ARRAY_IDX(names, i, const char *), label, failed);
    }
    if (rv == APR_SUCCESS) {
        rmdir(arrived);
        rv = sb_dir_remove(apr_pstrcat(s->p, work, "/decrypted/", label, NULL), s->p);
    }
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2242), rv, "clearing the work directory %s", label);
    }
}

/* Labels of batches that have ended, below one work directory. A label ends with the batch's guid. */
static apr_status_t sweep_work(const sweep_t *s, const char *stage)
{
    apr_array_header_t *labels;
    apr_status_t rv;
    int i;

    rv = list_dir(&labels, s,
                  apr_pstrcat(s->p, s->conf->work, "/", s->conf->tenant, "/", stage, NULL));
    for (i = 0; rv == APR_SUCCESS && i < labels->nelts; i++) {
        const char *label = APR_ARRAY_IDX(labels, i, const char *), *guid = strchr(label, '_');
        sb_rows_t *rows;

        if (!guid || !sb_uuid_is_valid(++guid)) {
            continue;
        }
        rv = sb_db_query_text(
            &rows, s->db,
            sb_sql(s->p,
                   "SELECT state = 'failed' FROM {schema}.package WHERE batch_guid = $1"
                   " AND state IN ('done', 'failed')",
                   "schema", s->conf->udl_schema, NULL),
            1, &guid, s->p);
        if (rv == APR_SUCCESS && sb_rows_count(rows)) {
            clear_label(s, label, sb_rows_bool(rows, 0, 0) == 1);
        }
    }
    return rv;
}

apr_status_t sb_udl_sweep(sb_db_t *db, const sb_udl_conf_t *conf, apr_interval_time_t keep,
                          apr_pool_t *p)
{
    sweep_t s = {db, conf, keep, p};
    apr_status_t rv;
    int i;

    rv = sweep_work(&s, "arrived");
    if (rv == APR_SUCCESS) {
        rv = sweep_work(&s, "decrypted");
    }
    for (i = 0; rv == APR_SUCCESS && conf->target_urls[i]; i++) {
        rv = sweep_schemas(&s, conf->target_urls[i]);
    }
    return rv;
}
