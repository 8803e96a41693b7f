/* smarter batch-session: a session for a program that asks the web tier, made without an identity provider. Whoever
 * may read the ini with its secret may make one: the service's user and root. */

#include "config.h"

#include <stdio.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "core/sb_file.h"
#include "core/sb_uuid.h"
#include "workers/smarter.h"
#include "workers/smarter_sessions.h"

#define NAME_MAX_LEN 40

static int name_is_valid(const char *name)
{
    apr_size_t n = 0;

    for (; name[n] && n <= NAME_MAX_LEN; n++) {
        if (!apr_islower(name[n]) && !apr_isdigit(name[n]) && name[n] != '-') {
            return 0;
        }
    }
    return n > 0 && n <= NAME_MAX_LEN;
}

/* Each role at each tenant. @return NULL or the complaint */
static const char *build(sb_identity_t *id, const char *tenant, const apr_array_header_t *roles,
                         const apr_array_header_t *tenants, apr_pool_t *p)
{
    apr_array_header_t *raw = apr_array_make(p, 4, sizeof(sb_grant_t));

    for (int i = 0; i < tenants->nelts; i++) {
        const sb_tenant_t *t = &APR_ARRAY_IDX(tenants, i, const sb_tenant_t);

        for (int k = 0; (!tenant || !strcmp(t->name, tenant)) && k < roles->nelts; k++) {
            APR_ARRAY_PUSH(raw, sb_grant_t) = (sb_grant_t){APR_ARRAY_IDX(roles, k, const char *),
                                                           t->name, t->state_code, NULL, NULL};
        }
    }
    if (raw->nelts == 0) {
        return apr_psprintf(p, "there is no tenant %.40s", tenant ? tenant : "");
    }
    sb_identity_build(id, raw, tenants, p);
    for (int k = 0; k < roles->nelts; k++) {
        if (!sb_identity_has_role(id, APR_ARRAY_IDX(roles, k, const char *))) {
            return apr_psprintf(p, "there is no role %.40s", APR_ARRAY_IDX(roles, k, const char *));
        }
    }
    return NULL;
}

/* In seconds; 0 that is no life. At most what the ini says. */
static apr_interval_time_t life_of(const program_t *prog)
{
    apr_interval_time_t most = sb_conf_interval(prog->conf, "batch.user.session.timeout");
    const char *text = program_option(prog, "life");
    char *end;
    apr_int64_t secs = text ? apr_strtoi64(text, &end, 10) : apr_time_sec(most);

    return text && (*end || secs < 1 || secs > apr_time_sec(most)) ? 0 : apr_time_from_sec(secs);
}

/* What curl --config reads. */
static const char *curl_config(const program_t *prog, const sb_session_t *s)
{
    const char *origin =
        sb_session_origin(sb_conf_str(prog->conf, "auth.saml.acs_url"), prog->pool);

    return apr_psprintf(
        prog->pool,
        "# Session %s of %s, until %s. It is a secret: whoever has it may do what it may.\n"
        "# curl --config THIS_FILE %s/services/userinfo\n"
        "cookie = \"%s=%s\"\n"
        "header = \"X-CSRF-Token: %s\"\n"
        "header = \"Accept: application/json\"\n"
        "proto = \"=https\"\n",
        sb_session_ref(s->id, prog->pool), s->identity->guid,
        smarter_time(s->not_after, prog->pool), origin, sb_session_cookie_name(origin, prog->pool),
        s->id, s->csrf);
}

static int make(program_t *prog, const sb_session_store_t *store, sb_session_t *s, const char *path)
{
    apr_status_t rv = sb_session_create(s, store, prog->pool);
    const char *ref, *text;

    if (rv != APR_SUCCESS) {
        return smarter_sessions_failed(prog, "making a session", rv);
    }
    ref = sb_session_ref(s->id, prog->pool);
    text = curl_config(prog, s);
    rv = sb_file_write(path, text, strlen(text), 0600, prog->pool);
    if (rv != APR_SUCCESS) {
        if (sb_session_end(store, s->id) != APR_SUCCESS) {
            fprintf(stderr, "%s: session %s is there all the same: smarter sessions end %s\n",
                    prog->def->name, ref, ref);
        }
        return smarter_sessions_failed(prog, path, rv);
    }
    smarter_sessions_note(
        prog, "batch session",
        apr_psprintf(prog->pool, "session %s of %s, roles %s, tenants %s, until %s", ref,
                     s->identity->guid, apr_array_pstrcat(prog->pool, s->identity->roles, ','),
                     apr_array_pstrcat(prog->pool, s->identity->tenants, ','),
                     smarter_time(s->not_after, prog->pool)));
    printf("Session %s of %s, until %s: curl --config %s\n", ref, s->identity->guid,
           smarter_time(s->not_after, prog->pool), path);
    return PROGRAM_DONE;
}

static int run(program_t *prog)
{
    const char *name = prog->args->nelts ? APR_ARRAY_IDX(prog->args, 0, const char *) : "";
    const char *tenant = program_option(prog, "tenant"), *path = program_option(prog, "file");
    const apr_array_header_t *roles = program_options(prog, "role");
    int everywhere = program_option(prog, "all-tenants") != NULL;
    apr_interval_time_t life = life_of(prog);
    char uuid[SB_UUID_SIZE];
    sb_session_store_t store;
    sb_identity_t id = {0};
    sb_session_t s = {.identity = &id, .not_after = apr_time_now() + life};
    const char *complaint;
    int status;

    if (!name_is_valid(name)) {
        return program_usage(prog, "want a NAME of a-z, 0-9 and '-', at most %d", NAME_MAX_LEN);
    }
    if (!tenant == !everywhere) {
        return program_usage(prog, "want --tenant TENANT, or --all-tenants");
    }
    if (roles->nelts == 0 || !path || !*path) {
        return program_usage(prog, "want --role ROLE and --file FILE");
    }
    if (!life) {
        return program_usage(prog, "--life wants seconds, no more than batch.user.session.timeout");
    }
    status = smarter_sessions_open(&store, prog);
    if (status != PROGRAM_DONE) {
        return status;
    }
    complaint = build(&id, tenant, roles, store.tenants, prog->pool);
    if (complaint) {
        return program_usage(prog, "%s", complaint);
    }
    id.uid = sb_uuid_make(uuid);
    id.guid = apr_pstrcat(prog->pool, "batch:", name, NULL);
    id.batch = name;
    return make(prog, &store, &s, path);
}

static const program_option_t options[] = {
    {"tenant", 't', "TENANT", "what it may is bound to this tenant", 0},
    {"all-tenants", 0, NULL, "or to none", 0},
    {"role", 'r', "ROLE", "what it may, such as SUPER_USER; may be repeated", 0},
    {"life", 0, "SECONDS", "how long, at most batch.user.session.timeout, which is the default", 0},
    {"file", 'f', "FILE", "where to write it, readable by you only, as curl --config reads it", 0},
    {NULL, 0, NULL, NULL, 0}};

const program_def_t smarter_batch_session = {
    .name = SMARTER_COMMAND "batch-session",
    .summary = "a session for a program, without a password",
    .usage = "NAME --tenant T|--all-tenants --role ROLE... --file FILE [--life SECONDS]",
    .section = "app:main",
    .options = options,
    .max_args = 1,
    .flags = PROGRAM_TOOL,
    .run = run};
