/* Withdraws a batch, as the operator's tool does: withdraw INI plan|do GUID. Prints one line of JSON;
 * ends with 0, or with 1 and the complaint in it. For withdraw.t. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include <apr_general.h>

#include "core/sb_json.h"
#include "migrate/sb_withdraw.h"

static void text(sb_jw_t *w, const char *name, const char *value)
{
    if (value) {
        sb_jw_str(w, name, value);
    }
}

static void dim(sb_jw_t *w, const char *name, const sb_withdrawn_dim_t *d)
{
    sb_jw_object(w, name);
    sb_jw_int(w, "leaving", d->leaving);
    sb_jw_int(w, "returning", d->returning);
    sb_jw_int(w, "kept", d->kept);
    sb_jw_end(w);
}

int main(int argc, char **argv)
{
    sb_withdraw_opts_t opts = {.app = "withdraw-test"};
    sb_withdrawn_t r;
    const char *error;
    sb_conf_t *conf;
    apr_pool_t *p;
    apr_status_t rv;
    sb_jw_t *w;

    if (argc != 4) {
        return 2;
    }
    apr_initialize();
    apr_pool_create(&p, NULL);
    error = sb_conf_load(&conf, argv[1], "app:main", p);
    if (error) {
        fprintf(stderr, "%s\n", error);
        return 2;
    }
    opts.conf = conf;
    opts.batch = argv[3];
    rv = strcmp(argv[2], "do") ? sb_withdraw_plan(&r, &error, &opts, p)
                               : sb_withdraw(&r, &error, &opts, p);
    w = sb_jw_make(p);
    sb_jw_object(w, NULL);
    text(w, "error", error);
    text(w, "tenant", r.tenant);
    text(w, "load_type", r.load_type);
    text(w, "content_key", r.content_key);
    text(w, "applied_at", r.applied_at);
    text(w, "withdrawn_at", r.withdrawn_at);
    sb_jw_bool(w, "already", r.already);
    sb_jw_int(w, "later", r.later);
    sb_jw_int(w, "leaving", r.leaving);
    sb_jw_int(w, "current", r.current);
    sb_jw_int(w, "returning", r.returning);
    dim(w, "asmt", &r.asmt);
    dim(w, "inst_hier", &r.inst_hier);
    dim(w, "student", &r.student);
    sb_jw_int(w, "data_version", r.data_version);
    sb_jw_end(w);
    puts(sb_jw_text(w, NULL));
    apr_pool_destroy(p);
    apr_terminate();
    return rv != APR_SUCCESS;
}
