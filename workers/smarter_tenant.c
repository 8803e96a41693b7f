/* smarter tenant: onboards a state, shows what there is of it, takes it away. */

#include "config.h"

#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "core/sb_time.h"
#include "store/sb_gpg_keys.h"
#include "tenant/sb_tenant_keys.h"
#include "workers/smarter.h"

static const program_option_t options[] = {
    {"state", 0, "XX", "add: the state's two letters", 0},
    {"schema", 0, "NAME", "add: production schema (default prod_TENANT)", 0},
    {"sender", 0, "FILE|FINGERPRINT", "add: an OpenPGP key that may send; may be repeated", 0},
    {"sftp-user", 0, "USER[=FILE]",
     "add: an account of the landing zone, with its ssh public keys; may be repeated", 0},
    {"unsigned", 0, NULL, "add: take packages that nobody signed too", 0},
    {"like", 0, "TENANT", "add: use this one's databases (default: the first there is)", 0},
    {"server", 0, "HOST:PORT/DATABASE", "add: another server than his, with the same roles", 0},
    {"web-url", 0, "URL", "add: production as the reports' role, when there is no other tenant", 0},
    {"loader-url", 0, "URL", "add: the same as the loader's role", 0},
    {"owner-url", 0, "URL",
     "add, remove: the owner's database (default schema.owner.url); the password from PGPASSWORD "
     "or ~/.pgpass",
     0},
    {"keep-data", 0, NULL, "remove: leave the production schema", 0},
    {"drop-data", 0, "TENANT", "remove: destroy the data in it; the name once more", 0},
    {"reload", 0, NULL, "add, remove: have the servers read the ini again, by operator.reload", 0},
    {"dry-run", 'n', NULL, "add, remove: judge, and say what would be done", 0},
    {NULL, 0, NULL, NULL, 0}};

static void say(const char *step, const char *what)
{
    printf("%-14s %s\n", step, what);
    fflush(stdout);
}

static int answer(const program_t *prog, const char *why, const char *done)
{
    if (why) {
        fflush(stdout);
        fprintf(stderr, "%s: %s\n", prog->def->name, why);
        return PROGRAM_FAILED;
    }
    puts(program_option(prog, "dry-run") ? "nothing was changed" : done);
    return PROGRAM_DONE;
}

static int add(program_t *prog, const sb_tenant_conf_t *conf, const char *name)
{
    const char *schema = program_option(prog, "schema");
    sb_tenant_add_t a = {.name = name,
                         .state = program_option(prog, "state"),
                         .schema = schema ? schema : apr_pstrcat(prog->pool, "prod_", name, NULL),
                         .senders = program_options(prog, "sender"),
                         .users = program_options(prog, "sftp-user"),
                         .like = program_option(prog, "like"),
                         .server = program_option(prog, "server"),
                         .owner_url = program_option(prog, "owner-url"),
                         .web_url = program_option(prog, "web-url"),
                         .loader_url = program_option(prog, "loader-url"),
                         .unsigned_too = program_option(prog, "unsigned") != NULL,
                         .reload = program_option(prog, "reload") != NULL,
                         .dry_run = program_option(prog, "dry-run") != NULL,
                         .say = say};

    if (!a.state) {
        return program_usage(prog, "add needs --state XX");
    }
    return answer(prog, sb_tenant_add(&a, conf, prog->pool),
                  apr_psprintf(prog->pool, "tenant %s is ready", name));
}

static int take_away(program_t *prog, const sb_tenant_conf_t *conf, const char *name)
{
    sb_tenant_remove_t r = {.name = name,
                            .owner_url = program_option(prog, "owner-url"),
                            .drop_data = program_option(prog, "drop-data"),
                            .keep_data = program_option(prog, "keep-data") != NULL,
                            .reload = program_option(prog, "reload") != NULL,
                            .dry_run = program_option(prog, "dry-run") != NULL,
                            .say = say};

    return answer(prog, sb_tenant_remove(&r, conf, prog->pool),
                  apr_psprintf(prog->pool, "tenant %s is gone", name));
}

static int list(program_t *prog, const sb_tenant_conf_t *conf)
{
    const apr_array_header_t *all = sb_tenant_all(conf, prog->pool);
    int i;

    printf("%-16s %-6s %-24s %8s  %s\n", "TENANT", "STATE", "SCHEMA", "SENDERS", "MISSING");
    for (i = 0; i < all->nelts; i++) {
        const sb_tenant_entry_t *t = &APR_ARRAY_IDX(all, i, sb_tenant_entry_t);

        printf("%-16s %-6s %-24s %8d  %s\n", t->name, t->state ? t->state : "-",
               t->schema ? t->schema : "-", t->senders->nelts, t->missing ? t->missing : "");
    }
    return PROGRAM_DONE;
}

static void show_sender(const program_t *prog, const sb_tenant_conf_t *conf, const char *fpr)
{
    const char *why;
    sb_gpg_key_t key;
    char day[SB_ISO_TIME_SIZE];

    why = sb_gpg_key_find(&key, sb_conf_str(conf->loader, "gpg_home"), fpr, prog->pool);
    say("sender", apr_pstrcat(prog->pool, fpr,
                              why           ? ": "
                              : key.expires ? ", expires "
                                            : "",
                              why           ? why
                              : key.expires ? sb_time_iso(day, key.expires)
                                            : "",
                              NULL));
}

/* Exit status: is it whole? */
static int show(program_t *prog, const sb_tenant_conf_t *conf, const char *name)
{
    const sb_tenant_entry_t *t = sb_tenant_find(conf, name, prog->pool);
    const char *data, *why;
    int i;

    if (!t) {
        return answer(prog, apr_psprintf(prog->pool, "there is no tenant %.40s", name), NULL);
    }
    say("state", t->state ? t->state : "-");
    say("schema", t->schema ? t->schema : "-");
    say("reports", sb_tenant_url_shown(t->web_url, prog->pool));
    say("production", sb_tenant_url_shown(t->loader_url, prog->pool));
    say("batches", sb_tenant_url_shown(t->batch_url, prog->pool));
    for (i = 0; i < t->senders->nelts; i++) {
        show_sender(prog, conf, APR_ARRAY_IDX(t->senders, i, const char *));
    }
    say("unsigned", t->require_signature ? "refused" : "taken");
    say("arrivals", sb_tenant_zone(conf, "arrivals", t->name, prog->pool));
    data = sb_tenant_data(&why, t, prog->pool);
    say("data", why ? why : data ? data : "none");
    if (t->missing) {
        say("missing", t->missing);
    }
    return why || t->missing ? PROGRAM_FAILED : PROGRAM_DONE;
}

static int run(program_t *prog)
{
    const char *action = prog->args->nelts ? APR_ARRAY_IDX(prog->args, 0, const char *) : "";
    const char *name = prog->args->nelts > 1 ? APR_ARRAY_IDX(prog->args, 1, const char *) : NULL;
    sb_tenant_conf_t conf = {
        .ini = prog->ini, .web = prog->conf, .loader = program_section(prog, "app")};

    if (!conf.loader) {
        return PROGRAM_FAILED;
    }
    if (!strcmp(action, "list") && !name) {
        return list(prog, &conf);
    }
    if (!strcmp(action, "show") && name) {
        return show(prog, &conf, name);
    }
    if (!strcmp(action, "add") && name) {
        return add(prog, &conf, name);
    }
    if (!strcmp(action, "remove") && name) {
        return take_away(prog, &conf, name);
    }
    return program_usage(prog, "want add TENANT, list, show TENANT or remove TENANT");
}

const program_def_t smarter_tenant = {
    .name = SMARTER_COMMAND "tenant",
    .summary = "onboard a state, show it, take it away",
    .usage = "add TENANT --state XX [OPTION...] | list | show TENANT | remove TENANT [OPTION...]",
    .section = "app:main",
    .options = options,
    .max_args = 2,
    .flags = PROGRAM_TOOL,
    .run = run};
