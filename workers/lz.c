/* smarter-lz: the SFTP landing zone: its tenants and users, and the watcher that releases what they
 * send. The flags of the tool it replaces are understood too. */

#include "config.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_file.h"
#include "core/sb_log.h"
#include "lz/sb_lz_accounts.h"
#include "lz/sb_lz_keys.h"
#include "lz/sb_lz_watch.h"
#include "workers/program.h"

#define KEY_FILE_MAX 65536
#define LEAST_PAUSE apr_time_from_msec(100)

static const program_option_t options[] = {
    {"tenant", 't', "TENANT", "the tenant", 0},
    {"user", 'u', "USER", "the user", 0},
    {"role", 'r', "ROLE", "sftparrivals (default), sftpdepartures or filerouter", 0},
    {"ssh-key", 0, "KEY", "user-add: a public key, \"TYPE BASE64\"", 0},
    {"ssh-key-file", 0, "FILE", "user-add: a file of public keys, one a line", 0},
    {"force", 0, NULL, "cleanup, user-remove: even if files are lost by it", 0},
    {"once", 0, NULL, "watch: look once, and end", PROGRAM_ONCE},
    {"init", 0, NULL, "as the action init", 0},
    {"cleanup", 0, NULL, "as the action cleanup", 0},
    {"add-tenant", 's', NULL, "with -t: as tenant-add", 0},
    {"remove-tenant", 0, NULL, "with -t: as tenant-remove", 0},
    {"add-user", 'a', NULL, "with -t -u -r: as user-add", 0},
    {"remove-user", 0, NULL, "with -u: as user-remove", 0},
    {"sync", 0, NULL, "as watch", 0},
    {"daemon", 'd', NULL, "watch: in the background", 0},
    {"pidfile", 'p', "FILE", "watch: write the process id there", 0},
    {NULL, 0, NULL, NULL, 0}};

typedef struct {
    program_t *prog;
    const sb_lz_conf_t *lz;
    const char *name; /* the word after the action, or NULL */
} lz_t;

/* ---- accounts ---------------------------------------------------------------------------------- */

static int answer(const lz_t *l, const char *why, const char *told)
{
    if (why) {
        fprintf(stderr, "%s: %s\n", l->prog->def->name, why);
        return PROGRAM_FAILED;
    }
    if (told && *told) {
        printf("%s\n", told);
    }
    return PROGRAM_DONE;
}

static int do_init(lz_t *l)
{
    return answer(l, sb_lz_init(l->lz, l->prog->pool), NULL);
}

static int do_cleanup(lz_t *l)
{
    return answer(l, sb_lz_cleanup(l->lz, program_option(l->prog, "force") != NULL, l->prog->pool),
                  NULL);
}

/* A name given as word or as option. */
static const char *name_or(const lz_t *l, const char *option)
{
    return l->name ? l->name : program_option(l->prog, option);
}

static int tenant_add(lz_t *l)
{
    const char *tenant = name_or(l, "tenant");

    return tenant ? answer(l, sb_lz_tenant_add(l->lz, tenant, l->prog->pool), NULL)
                  : program_usage(l->prog, "which tenant? --tenant TENANT");
}

static int tenant_remove(lz_t *l)
{
    const char *tenant = name_or(l, "tenant");

    return tenant ? answer(l, sb_lz_tenant_remove(l->lz, tenant, l->prog->pool), NULL)
                  : program_usage(l->prog, "which tenant? --tenant TENANT");
}

/* The keys of --ssh-key and --ssh-key-file. @return NULL, or the complaint */
static const char *read_keys(apr_array_header_t **pkeys, const program_t *prog)
{
    const char *text = program_option(prog, "ssh-key"),
               *file = program_option(prog, "ssh-key-file");
    const char *why = NULL;
    char buf[200], *content;
    apr_array_header_t *more;
    apr_status_t rv;
    apr_size_t len;

    *pkeys = apr_array_make(prog->pool, 1, sizeof(const char *));
    if (text) {
        why = sb_lz_keys_judge(pkeys, text, prog->pool);
    }
    if (why) {
        return apr_pstrcat(prog->pool, "--ssh-key: ", why, NULL);
    }
    if (file) {
        rv = sb_file_read(&content, &len, file, KEY_FILE_MAX, prog->pool);
        if (rv != APR_SUCCESS) {
            return apr_psprintf(prog->pool, "%s: %s", file, sb_strerror(rv, buf, sizeof buf));
        }
        why =
            strlen(content) == len ? sb_lz_keys_judge(&more, content, prog->pool) : "it is no text";
        if (why) {
            return apr_psprintf(prog->pool, "%s: %s", file, why);
        }
        apr_array_cat(*pkeys, more);
    }
    return NULL;
}

static int user_add(lz_t *l)
{
    const program_t *prog = l->prog;
    const char *user = name_or(l, "user"), *tenant = program_option(prog, "tenant"),
               *role = program_option(prog, "role"), *why, *told = NULL;
    apr_array_header_t *keys;

    if (!user || (!tenant && (!role || strcmp(role, "filerouter") != 0))) {
        return program_usage(prog, "a user needs --user USER --tenant TENANT [--role ROLE]");
    }
    why = read_keys(&keys, prog);
    if (!why) {
        why = sb_lz_user_add(&told, l->lz, user, tenant ? tenant : "", role ? role : "sftparrivals",
                             keys, prog->pool);
    }
    return answer(l, why, told ? apr_psprintf(prog->pool, "%s: %s", user, told) : NULL);
}

static int user_remove(lz_t *l)
{
    const char *user = name_or(l, "user");
    int force = program_option(l->prog, "force") != NULL;

    return user ? answer(l, sb_lz_user_remove(l->lz, user, force, l->prog->pool), NULL)
                : program_usage(l->prog, "which user? --user USER");
}

static int list(lz_t *l)
{
    apr_array_header_t *users;
    const char *why = sb_lz_users(&users, l->lz, l->prog->pool);
    int i;

    if (why) {
        return answer(l, why, NULL);
    }
    printf("%-16s %-32s %-15s %5s %8s %11s\n", "tenant", "user", "role", "keys", "waiting",
           "quarantined");
    for (i = 0; i < users->nelts; i++) {
        const sb_lz_user_t *u = &APR_ARRAY_IDX(users, i, sb_lz_user_t);

        printf("%-16s %-32s %-15s %5d %8d %11d\n", u->tenant, u->name, u->role, u->keys, u->waiting,
               u->quarantined);
    }
    return PROGRAM_DONE;
}

static int sshd_config(lz_t *l)
{
    const char *text, *why = sb_lz_sshd_config(&text, l->lz, l->prog->pool);

    fputs(text, stdout);
    return answer(l, why, NULL);
}

/* ---- watch ------------------------------------------------------------------------------------- */

/* Look again and again. What happens meanwhile only shortens the pause: never below the interval, so
 * that a busy sender cannot keep us busy. @return 1: there is another ini */
static int serve(const lz_t *l, sb_lz_watch_t *w)
{
    apr_interval_time_t least = l->lz->interval > LEAST_PAUSE ? l->lz->interval : LEAST_PAUSE;

    while (!program_stopping()) {
        struct pollfd fds[] = {{.fd = sb_lz_watch_fd(w), .events = POLLIN},
                               {.fd = program_stop_fd(), .events = POLLIN}};
        apr_interval_time_t pause;
        sb_lz_pass_t pass;

        sb_lz_watch_drain(w);
        sb_lz_watch_pass(&pass, w);
        pause = pass.waiting && least < l->lz->scan_delay ? least : l->lz->scan_delay;
        program_sleep(least < pause ? least : pause);
        pause -= least;
        if (pause > 0) {
            poll(fds, 2, (int)(pause / 1000) + 1);
        }
        if (program_reload(l->prog)) {
            return 1;
        }
    }
    return 0;
}

static int once(sb_lz_watch_t *w)
{
    sb_lz_pass_t pass;

    sb_lz_watch_pass(&pass, w);
    printf("{\"released\": %d, \"waiting\": %d, \"quarantined\": %d, \"failed\": %d}\n",
           pass.released, pass.waiting, pass.quarantined, pass.failed);
    return pass.failed ? PROGRAM_FAILED : PROGRAM_DONE;
}

static const char *write_pid(const char *path, apr_pool_t *p)
{
    const char *text = apr_psprintf(p, "%d\n", (int)getpid());
    apr_status_t rv = sb_file_write(path, text, strlen(text), 0644, p);
    char buf[200];

    return rv == APR_SUCCESS ? NULL
                             : apr_psprintf(p, "%s: %s", path, sb_strerror(rv, buf, sizeof buf));
}

/* Open the jails and look after them, until the end or another ini. @return 1: another ini */
static int watch_with(const lz_t *l, int *pstatus, apr_pool_t *p)
{
    const program_t *prog = l->prog;
    const char *what;
    sb_lz_watch_t *w;
    apr_status_t rv = sb_lz_watch_open(&w, &what, l->lz, program_stopping, p);

    if (rv == SB_EBUSY) {
        fprintf(stderr, "%s: another watcher is at work in %s\n", prog->def->name, l->lz->base);
        *pstatus = PROGRAM_AGAIN;
        return 0;
    }
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(4401), rv, "%s cannot be used: was smarter-lz init run?",
               what);
        *pstatus = PROGRAM_FAILED;
        return 0;
    }
    if (program_option(prog, "once")) {
        *pstatus = once(w);
        return 0;
    }
    sb_log(SB_LOG_INFO, SBLOGNO(4400), SB_NO_STATUS, "watching %s", l->lz->arrivals);
    *pstatus = PROGRAM_DONE;
    return serve(l, w);
}

static int watch(lz_t *l)
{
    program_t *prog = l->prog;
    const char *pidfile = program_option(prog, "pidfile"), *why = NULL;
    const sb_lz_conf_t *lz;
    apr_pool_t *p;
    int status;

    if (program_option(prog, "daemon") && daemon(1, 0)) {
        return answer(l, "cannot go into the background", NULL);
    }
    if (pidfile && (why = write_pid(pidfile, prog->pool)) != NULL) {
        return answer(l, why, NULL);
    }
    if (apr_pool_create(&p, prog->pool) != APR_SUCCESS) {
        return PROGRAM_AGAIN;
    }
    while (watch_with(l, &status, p)) {
        apr_pool_clear(p);
        why = sb_lz_conf_read(&lz, prog->conf, prog->pool);
        if (why) {
            sb_log(SB_LOG_ERROR, SBLOGNO(4402), SB_NO_STATUS, "%s; going on as before", why);
        }
        else {
            l->lz = lz;
        }
    }
    if (pidfile) {
        unlink(pidfile);
    }
    return status;
}

/* ---- main -------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *flag; /* of the tool this one replaces */
    int words;        /* after the action, at most */
    int (*run)(lz_t *l);
} actions[] = {
    {"init", "init", 0, do_init},
    {"cleanup", "cleanup", 0, do_cleanup},
    {"watch", "sync", 0, watch},
    {"tenant-add", "add-tenant", 1, tenant_add},
    {"user-add", "add-user", 1, user_add},
    {"user-remove", "remove-user", 1, user_remove},
    {"tenant-remove", "remove-tenant", 1, tenant_remove},
    {"list", NULL, 0, list},
    {"sshd-config", NULL, 0, sshd_config},
};

#define ACTIONS (sizeof actions / sizeof *actions)

/* One action a call, by word or by flag. @return its index, -1 after a complaint */
static int find_action(lz_t *l)
{
    const program_t *prog = l->prog;
    int found = -1;
    apr_size_t i;

    for (i = 0; i < ACTIONS; i++) {
        int named = prog->args->nelts &&
                    !strcmp(APR_ARRAY_IDX(prog->args, 0, const char *), actions[i].name);
        int flagged = actions[i].flag && program_option(prog, actions[i].flag);

        if ((named || flagged) && (found >= 0 || (named && flagged))) {
            program_usage(prog, "one action a call");
            return -1;
        }
        found = named || flagged ? (int)i : found;
    }
    if (found < 0) {
        program_usage(prog, prog->args->nelts ? "unknown action '%s'" : "no action%s",
                      prog->args->nelts ? APR_ARRAY_IDX(prog->args, 0, const char *) : "");
        return -1;
    }
    if (actions[found].flag && program_option(prog, actions[found].flag)) {
        l->name = NULL;
        if (prog->args->nelts) {
            program_usage(prog, "unexpected argument '%s'",
                          APR_ARRAY_IDX(prog->args, 0, const char *));
            return -1;
        }
    }
    else if (prog->args->nelts > 1 + actions[found].words) {
        program_usage(prog, "unexpected argument '%s'",
                      APR_ARRAY_IDX(prog->args, prog->args->nelts - 1, const char *));
        return -1;
    }
    else {
        l->name = prog->args->nelts > 1 ? APR_ARRAY_IDX(prog->args, 1, const char *) : NULL;
    }
    return found;
}

static int run(program_t *prog)
{
    lz_t l = {.prog = prog};
    const char *why;
    int action;

    action = find_action(&l);
    if (action < 0) {
        return PROGRAM_USAGE;
    }
    why = sb_lz_conf_read(&l.lz, prog->conf, prog->pool);
    if (why) {
        return answer(&l, why, NULL);
    }
    return actions[action].run(&l);
}

int main(int argc, char **argv)
{
    static const program_def_t def = {.name = "smarter-lz",
                                      .summary =
                                          "the SFTP landing zone: init, cleanup, tenant-add, "
                                          "tenant-remove, user-add, user-remove, "
                                          "list, sshd-config, watch",
                                      .usage = "ACTION [NAME] [OPTION...]",
                                      .section = "app:main",
                                      .options = options,
                                      .max_args = 2,
                                      .run = run};
    int i;

    /* -i of the tool this one replaces is our -c, which is read before anything else */
    for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (!strncmp(argv[i], "-i", 2)) {
            argv[i][1] = 'c';
        }
    }
    return program_main(&def, argc, argv);
}
