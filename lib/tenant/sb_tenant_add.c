/* Onboarding a state: everything is judged first, then done step by step. See sb_tenant.h. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "core/sb_file.h"
#include "core/sb_uuid.h"
#include "lz/sb_lz_accounts.h"
#include "lz/sb_lz_keys.h"
#include "report/sb_metadata_edit.h"
#include "store/sb_gpg_keys.h"
#include "store/sb_schema.h"
#include "tenant/sb_tenant_keys.h"
#include "udl/sb_udl_conf.h"

#define KEY_FILE_MAX (1024 * 1024)
#define SCHEMA_MAX 63
#define ROLE "sftparrivals"

/* A sender's key: in a file, or in the ring already. */
typedef struct {
    const char *given;
    void *data; /* NULL: in the ring */
    apr_size_t len;
    sb_gpg_key_t key;
} sender_t;

typedef struct {
    const char *name;
    const char *file;         /* NULL: no key */
    apr_array_header_t *keys; /* of const char * */
} user_t;

typedef struct {
    const sb_tenant_add_t *add;
    const sb_tenant_conf_t *conf;
    apr_pool_t *p;
    const sb_tenant_entry_t *old, *like; /* the tenant itself, if there is one; NULL none */
    const char *web_url, *loader_url;
    apr_array_header_t *senders; /* of sender_t */
    apr_array_header_t *users;   /* of user_t */
    const sb_lz_conf_t *lz;      /* NULL: there is no landing zone here */
    sb_db_t *owner;
    int schema_waiting; /* changes; -1: there is no schema */
} job_t;

static void say(const job_t *job, const char *step, const char *what)
{
    job->add->say(step, what);
}

/* ---- judging: names ---------------------------------------------------------------------------------- */

static int is_schema(const char *s)
{
    static const char *const ours[] = {
        "public", "information_schema", "udl2", "edware_stats", "signin", "jobs", "hpz", "tsb",
        NULL};
    int i;

    if (!apr_islower(*s) || strlen(s) > SCHEMA_MAX || !strncmp(s, "pg_", 3) ||
        strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(s)) {
        return 0;
    }
    for (i = 0; ours[i]; i++) {
        if (!strcmp(s, ours[i])) {
            return 0;
        }
    }
    return 1;
}

static int is_state(const char *s)
{
    return strlen(s) == 2 && apr_isupper(s[0]) && apr_isupper(s[1]);
}

static const char *judge_names(const sb_tenant_add_t *a, apr_pool_t *p)
{
    if (!sb_udl_is_tenant(a->name) || !strcmp(a->name, "quarantine") ||
        !strcmp(a->name, "failed")) {
        return apr_psprintf(p,
                            "'%.40s' is no name for a tenant: a small letter, then small letters, "
                            "digits or _, at most 32; not quarantine or failed",
                            a->name);
    }
    if (!is_state(a->state)) {
        return apr_psprintf(p, "'%.10s' is no code of a state: two capital letters", a->state);
    }
    if (!is_schema(a->schema)) {
        return apr_psprintf(
            p,
            "'%.70s' is no name for a production schema: a small letter, then small "
            "letters, digits or _, at most 63, and none of the product's own",
            a->schema);
    }
    return NULL;
}

static int differ(const char *have, const char *want)
{
    return have && strcmp(have, want);
}

/* Against the tenants there are. The same one again is a call that is repeated. */
static const char *judge_others(job_t *job)
{
    const apr_array_header_t *all = sb_tenant_all(job->conf, job->p);
    const sb_tenant_add_t *a = job->add;
    int i;

    for (i = 0; i < all->nelts; i++) {
        const sb_tenant_entry_t *t = &APR_ARRAY_IDX(all, i, sb_tenant_entry_t);

        if (!strcmp(t->name, a->name)) {
            job->old = t;
            if (differ(t->state, a->state) || differ(t->schema, a->schema)) {
                return apr_psprintf(job->p,
                                    "there is a tenant %s with state %s and schema %s; another one "
                                    "needs another name",
                                    a->name, t->state ? t->state : "-",
                                    t->schema ? t->schema : "-");
            }
            continue;
        }
        if (t->state && !strcmp(t->state, a->state)) {
            return apr_psprintf(job->p, "state %s is tenant %s already", a->state, t->name);
        }
        if (t->schema && !strcmp(t->schema, a->schema)) {
            return apr_psprintf(job->p, "schema %s is tenant %s's", a->schema, t->name);
        }
        if (a->like ? !strcmp(t->name, a->like) : !job->like && t->web_url && t->loader_url) {
            job->like = t;
        }
    }
    return a->like && !job->like ? apr_psprintf(job->p, "there is no tenant %.40s", a->like) : NULL;
}

/* ---- judging: databases ------------------------------------------------------------------------------ */

/* A URL with another server. */
static const char *at_server(const char *url, const char *server, apr_pool_t *p)
{
    const char *host = strstr(url, "://"), *at, *query = strchr(url, '?');

    if (!server || !host) {
        return url;
    }
    host += 3;
    at = strrchr(apr_pstrmemdup(p, host, strcspn(host, "/?")), '@');
    if (at) {
        host += strlen(apr_pstrmemdup(p, host, strcspn(host, "/?"))) - strlen(at) + 1;
    }
    return apr_pstrcat(p, apr_pstrmemdup(p, url, (apr_size_t)(host - url)), server,
                       query ? query : "", NULL);
}

/* Everybody on the machine sees the words of a command. */
static const char *judge_given_url(const char *url, const char *option, apr_pool_t *p)
{
    if (url && strcmp(url, sb_tenant_url_shown(url, p))) {
        return apr_psprintf(p,
                            "--%s: no passwords or parameters on a command line: put the password "
                            "into ~/.pgpass or, later, into the ini",
                            option);
    }
    return NULL;
}

static const char *judge_databases(job_t *job)
{
    const sb_tenant_add_t *a = job->add;
    const sb_tenant_entry_t *from =
        job->old && job->old->web_url && job->old->loader_url ? job->old : job->like;
    const char *server = from == job->old ? NULL : a->server;
    const char *why = judge_given_url(a->web_url, "web-url", job->p);

    why = why ? why : judge_given_url(a->loader_url, "loader-url", job->p);
    why = why ? why : judge_given_url(a->owner_url, "owner-url", job->p);
    if (why) {
        return why;
    }
    if (a->server && (!strchr(a->server, '/') || strpbrk(a->server, "@? \t"))) {
        return "--server: want HOST:PORT/DATABASE";
    }
    job->web_url = a->web_url ? a->web_url : from ? at_server(from->web_url, server, job->p) : NULL;
    job->loader_url = a->loader_url ? a->loader_url
                      : from        ? at_server(from->loader_url, server, job->p)
                                    : NULL;
    return job->web_url && job->loader_url
               ? NULL
               : "there is no other tenant whose databases could be used: say --web-url and "
                 "--loader-url";
}

/* What is there of the schema, and is it ours? */
static const char *judge_schema(job_t *job)
{
    const sb_tenant_add_t *a = job->add;
    const char *url = a->owner_url ? a->owner_url : sb_conf_str(job->conf->web, "schema.owner.url");
    apr_array_header_t *changes;
    const char *why;
    int i;

    if (!url) {
        return "who owns the databases? --owner-url URL, or schema.owner.url in the ini";
    }
    why = sb_tenant_connect(&job->owner, "the owner's database",
                            a->owner_url ? url : at_server(url, a->server, job->p), a->schema,
                            job->p);
    if (why) {
        return why;
    }
    if (sb_schema_status(&changes, &why, job->owner, "prod", a->schema, job->p) != APR_SUCCESS) {
        return apr_psprintf(job->p, "schema %s: %s", a->schema, why);
    }
    job->schema_waiting = changes ? 0 : -1;
    for (i = 0; changes && i < changes->nelts; i++) {
        const sb_schema_change_t *c = &APR_ARRAY_IDX(changes, i, sb_schema_change_t);

        if (c->state == SB_CHANGE_EDITED || c->state == SB_CHANGE_UNKNOWN) {
            return apr_psprintf(job->p, "schema %s is another one's: %s", a->schema, c->name);
        }
        job->schema_waiting += c->state == SB_CHANGE_WAITING;
    }
    if (changes && job->schema_waiting == changes->nelts) {
        return apr_psprintf(job->p, "there is a schema %s, which is no production schema",
                            a->schema);
    }
    return NULL;
}

/* Students of another state, of an older tenant perhaps. */
static const char *judge_content(job_t *job)
{
    const char *args[] = {job->add->state}, *found;
    sb_rows_t *rows;

    if (job->schema_waiting < 0) {
        return NULL;
    }
    if (sb_db_query_text(&rows, job->owner,
                         sb_sql(job->p,
                                "SELECT state_code FROM {schema}.dim_inst_hier"
                                " WHERE state_code <> $1 LIMIT 1",
                                "schema", job->add->schema, NULL),
                         1, args, job->p) != APR_SUCCESS) {
        return apr_psprintf(job->p, "schema %s: %s", job->add->schema, sb_db_error(job->owner));
    }
    found = sb_rows_count(rows) ? sb_rows_text(rows, 0, 0) : NULL;
    return found ? apr_psprintf(job->p, "schema %s holds results of state %s", job->add->schema,
                                found)
                 : NULL;
}

/* ---- judging: senders ---------------------------------------------------------------------------------- */

static const char *read_file(void **pdata, apr_size_t *plen, const char *path, apr_pool_t *p)
{
    char buf[200], *data;
    apr_status_t rv = sb_file_read(&data, plen, path, KEY_FILE_MAX, p);

    *pdata = data;
    return rv == APR_SUCCESS ? NULL
                             : apr_psprintf(p, "%s: %s", path, sb_strerror(rv, buf, sizeof buf));
}

static const char *judge_senders(job_t *job)
{
    const apr_array_header_t *given = job->add->senders;
    const char *home = sb_conf_str(job->conf->loader, "gpg_home"), *why = NULL, *fpr;
    int i;

    if (!given->nelts && !job->add->unsigned_too && !(job->old && job->old->senders->nelts)) {
        return "nobody could send anything: --sender KEYFILE or FINGERPRINT, or --unsigned";
    }
    for (i = 0; i < given->nelts && !why; i++) {
        sender_t s = {.given = APR_ARRAY_IDX(given, i, const char *)};

        if (sb_gpg_is_fingerprint(&fpr, s.given, job->p)) {
            why = sb_gpg_key_find(&s.key, home, fpr, job->p);
        }
        else {
            why = read_file(&s.data, &s.len, s.given, job->p);
            if (why) {
                return why;
            }
            why = sb_gpg_key_take(&s.key, home, s.data, s.len, 0, job->p);
        }
        if (why) {
            return apr_psprintf(job->p, "sender %s: %s", s.given, why);
        }
        APR_ARRAY_PUSH(job->senders, sender_t) = s;
    }
    return NULL;
}

static const char *judge_users(job_t *job)
{
    const apr_array_header_t *given = job->add->users;
    struct stat st;
    const char *why;
    apr_size_t len;
    void *text;
    int i;

    why = sb_lz_conf_read(&job->lz, job->conf->web, job->p);
    if (why) {
        return apr_pstrcat(job->p, "landing zone: ", why, NULL);
    }
    if (stat(job->lz->arrivals, &st)) {
        if (given->nelts) {
            return apr_psprintf(job->p,
                                "--sftp-user: there is no landing zone here (%s): smarter-lz init",
                                job->lz->arrivals);
        }
        job->lz = NULL;
        return NULL;
    }
    for (i = 0; i < given->nelts; i++) {
        const char *word = APR_ARRAY_IDX(given, i, const char *);
        apr_size_t n = strcspn(word, "=");
        user_t u = {apr_pstrmemdup(job->p, word, n), word[n] ? word + n + 1 : NULL,
                    apr_array_make(job->p, 1, sizeof(const char *))};

        if (!sb_lz_is_name(u.name)) {
            return apr_psprintf(job->p, "--sftp-user: '%.40s' is no name", u.name);
        }
        if (u.file) {
            why = read_file(&text, &len, u.file, job->p);
            why = why ? why : sb_lz_keys_judge(&u.keys, text, job->p);
            if (why) {
                return apr_psprintf(job->p, "--sftp-user %s: %s", u.name, why);
            }
        }
        APR_ARRAY_PUSH(job->users, user_t) = u;
    }
    return NULL;
}

/* ---- steps ------------------------------------------------------------------------------------------------ */

static const char *make_schema(job_t *job)
{
    const sb_tenant_add_t *a = job->add;
    const char *why;
    int n;

    if (job->schema_waiting == 0) {
        say(job, "schema", apr_psprintf(job->p, "%s is there", a->schema));
        return NULL;
    }
    say(job, "schema",
        job->schema_waiting < 0
            ? apr_psprintf(job->p, "making %s with its tables and grants", a->schema)
            : apr_psprintf(job->p, "bringing %s up to date", a->schema));
    if (a->dry_run) {
        return NULL;
    }
    return sb_schema_upgrade(&n, &why, job->owner, "prod", a->schema, SB_SCHEMA_CREATE, job->p) ==
                   APR_SUCCESS
               ? NULL
               : apr_psprintf(job->p, "schema %s: %s", a->schema, why);
}

/* Reports have their defaults without it; a row shows the operator what he may set. */
static const char *put_metadata(job_t *job)
{
    const char *args[] = {job->add->state};
    apr_int64_t n = 0;

    if (!job->add->dry_run && sb_db_exec_text(&n, job->owner,
                                              sb_sql(job->p,
                                                     "INSERT INTO {schema}.custom_metadata VALUES"
                                                     " ($1, '{{\"min_cell_size\":10}')"
                                                     " ON CONFLICT DO NOTHING",
                                                     "schema", job->add->schema, NULL),
                                              1, args) != APR_SUCCESS) {
        return apr_psprintf(job->p, "custom_metadata: %s", sb_db_error(job->owner));
    }
    say(job, "metadata",
        n || job->schema_waiting < 0 ? "smallest group shown: 10; smarter metadata set changes it"
                                     : "is there");
    return NULL;
}

/* Do the roles of the ini get in, and see the schema? */
static const char *try_roles(job_t *job)
{
    const char *urls[] = {job->web_url, job->loader_url}, *const names[] = {"reports", "loader"};
    const char *why = NULL;
    sb_rows_t *rows;
    sb_db_t *db;
    int i;

    for (i = 0; i < 2 && !why; i++) {
        say(job, "database",
            apr_psprintf(job->p, "%s: %s", names[i], sb_tenant_url_shown(urls[i], job->p)));
        why = sb_tenant_connect(&db, names[i], urls[i], job->add->schema, job->p);
        if (!why && !job->add->dry_run &&
            sb_db_query_text(&rows, db,
                             sb_sql(job->p, "SELECT version FROM {schema}.data_version", "schema",
                                    job->add->schema, NULL),
                             0, NULL, job->p) != APR_SUCCESS) {
            why = apr_psprintf(job->p, "%s, %s: it cannot read schema %s: %s", names[i],
                               sb_tenant_url_shown(urls[i], job->p), job->add->schema,
                               sb_db_error(db));
        }
    }
    return why;
}

static const char *take_keys(job_t *job)
{
    const char *home = sb_conf_str(job->conf->loader, "gpg_home"), *why;
    int i;

    for (i = 0; i < job->senders->nelts; i++) {
        sender_t *s = &APR_ARRAY_IDX(job->senders, i, sender_t);

        say(job, "sender",
            apr_psprintf(job->p, "%s %s", s->key.fingerprint,
                         s->data ? "goes into the key ring" : "is in the key ring"));
        if (s->data && !job->add->dry_run) {
            why = sb_gpg_key_take(&s->key, home, s->data, s->len, 1, job->p);
            if (why) {
                return apr_psprintf(job->p, "sender %s: %s", s->given, why);
            }
        }
    }
    return NULL;
}

/* Those the ini has, and the new ones behind them. */
static const char *sender_list(const job_t *job, const sb_conf_edit_t *e, const char *key)
{
    const char *list = sb_conf_edit_get(e, "app", key);
    int i;

    for (i = 0; i < job->senders->nelts; i++) {
        const char *fpr = APR_ARRAY_IDX(job->senders, i, sender_t).key.fingerprint;

        if (!list || !strstr(list, fpr)) {
            list = list && *list ? apr_pstrcat(job->p, list, ", ", fpr, NULL) : fpr;
        }
    }
    return list;
}

/* A value that is there stays, but for the list of senders, which only grows. */
static const char *set_key(const job_t *job, sb_conf_edit_t *e, const sb_tenant_key_t *k)
{
    const char *key = sb_tenant_key(k, job->add->name, job->p);
    const char *have = sb_conf_edit_get(e, k->section, key), *value = NULL;

    switch (k->value) {
    case SB_TENANT_STATE:
        value = job->add->state;
        break;
    case SB_TENANT_SCHEMA:
        value = job->add->schema;
        break;
    case SB_TENANT_SENDERS:
        value = sender_list(job, e, key);
        have = NULL;
        break;
    case SB_TENANT_SIGNED:
        value = job->add->unsigned_too ? "False" : "True";
        break;
    case SB_TENANT_WEB_URL:
        value = job->web_url;
        break;
    case SB_TENANT_LOADER_URL:
        value = job->loader_url;
        break;
    }
    return !value || (have && *have)
               ? NULL
               : sb_conf_edit_set(e, k->section, key, value, sb_tenant_family(k, job->p));
}

static const char *write_ini(job_t *job)
{
    const sb_tenant_key_t *k;
    sb_conf_edit_t *e;
    const char *why;
    apr_pool_t *p;

    apr_pool_create(&p, job->p); /* as long as the lock */
    why = sb_conf_edit_open(&e, job->conf->ini, p);
    for (k = sb_tenant_keys; k->name && !why; k++) {
        why = set_key(job, e, k);
    }
    if (!why) {
        say(job, "ini",
            sb_conf_edit_is_changed(e)
                ? apr_psprintf(job->p, "%s: the keys of tenant %s", job->conf->ini, job->add->name)
                : "has all keys");
        why = job->add->dry_run ? NULL : sb_conf_edit_save(e);
    }
    why = why ? apr_pstrdup(job->p, why) : NULL;
    apr_pool_destroy(p);
    return why;
}

/* A directory of the loader, owned like the zone it lies in. Its parent may belong to the loader: nothing
 * there is trusted, no link followed. */
static const char *make_dir(job_t *job, const char *zone, mode_t mode)
{
    const char *path = sb_tenant_zone(job->conf, zone, job->add->name, job->p);
    const char *root = sb_conf_str(job->conf->loader, apr_pstrcat(job->p, "zones.", zone, NULL));
    struct stat want, have;
    int fd = -1, made, error = 0;

    if (job->add->dry_run) {
        say(job, zone, path);
        return NULL;
    }
    if (stat(root, &want)) {
        return apr_psprintf(job->p, "zones.%s: %s: %s", zone, root, strerror(errno));
    }
    made = mkdir(path, 0700) == 0;
    if (made || errno == EEXIST) {
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (fd < 0 || fstat(fd, &have)) {
        error = errno;
    }
    else if ((have.st_uid != want.st_uid && have.st_uid == geteuid()) || made) {
        /* made just now, or by a call that was killed before it came to this */
        error = fchown(fd, want.st_uid, want.st_gid) || fchmod(fd, mode) || fsync(fd) ? errno : 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (!error) {
        say(job, zone, apr_pstrcat(job->p, path, made ? "" : " is there", NULL));
    }
    return error ? apr_psprintf(job->p, "%s: %s", path, strerror(error)) : NULL;
}

static const char *make_dirs(job_t *job)
{
    const char *why = make_dir(job, "work", 0700);

    why = why ? why : make_dir(job, "history", 0750);
    return why ? why : make_dir(job, "arrivals", 0750); /* the last: from now on he may deliver */
}

static const char *enter_landing_zone(job_t *job)
{
    const char *why, *told;
    int i;

    if (!job->lz) {
        say(job, "landing zone",
            "there is none here: smarter-lz tenant-add on the machine that has it");
        return NULL;
    }
    say(job, "landing zone", apr_psprintf(job->p, "%s/%s", job->lz->arrivals, job->add->name));
    why = job->add->dry_run ? NULL : sb_lz_tenant_add(job->lz, job->add->name, job->p);
    for (i = 0; i < job->users->nelts && !why; i++) {
        const user_t *u = &APR_ARRAY_IDX(job->users, i, user_t);

        say(job, "sftp user",
            apr_psprintf(job->p, "%s with %d key%s", u->name, u->keys->nelts,
                         u->keys->nelts == 1 ? "" : "s"));
        why = job->add->dry_run
                  ? NULL
                  : sb_lz_user_add(&told, job->lz, u->name, job->add->name, ROLE, u->keys, job->p);
    }
    return why ? apr_pstrcat(job->p, "landing zone: ", why, NULL) : NULL;
}

static const char *note(job_t *job)
{
    const char *detail =
        apr_psprintf(job->p, "state %s, schema %s", job->add->state, job->add->schema);
    int i;

    for (i = 0; i < job->senders->nelts; i++) {
        detail = apr_pstrcat(job->p, detail, ", sender ",
                             APR_ARRAY_IDX(job->senders, i, sender_t).key.fingerprint, NULL);
    }
    return job->add->dry_run
               ? NULL
               : sb_tenant_note("tenant add", job->add->name, detail, job->conf, job->p);
}

const char *sb_tenant_add(const sb_tenant_add_t *add, const sb_tenant_conf_t *conf, apr_pool_t *p)
{
    static const char *(*const judges[])(job_t *) = {judge_others, judge_databases, judge_senders,
                                                     judge_users,  judge_schema,    judge_content};
    static const char *(*const steps[])(job_t *) = {make_schema, put_metadata, try_roles, take_keys,
                                                    write_ini};
    job_t job = {.add = add, .conf = conf, .p = p};
    const char *why = judge_names(add, p);
    apr_size_t i;

    job.senders = apr_array_make(p, 2, sizeof(sender_t));
    job.users = apr_array_make(p, 2, sizeof(user_t));
    for (i = 0; i < sizeof judges / sizeof judges[0] && !why; i++) {
        why = judges[i](&job);
    }
    for (i = 0; i < sizeof steps / sizeof steps[0] && !why; i++) {
        why = steps[i](&job);
    }
    if (!why) {
        sb_tenant_pickup(add->name, add->state, add->say, conf, p);
    }
    why = why ? why : sb_tenant_reload(add->reload, add->dry_run, add->say, conf, p);
    why = why ? why : make_dirs(&job);
    why = why ? why : enter_landing_zone(&job);
    return why ? why : note(&job);
}
