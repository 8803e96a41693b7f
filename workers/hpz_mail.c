/* smarter-hpz-mail: tells owners that their file is ready. The rules are in pickup/sb_pickup_mail.h. */

#include "config.h"

#include <stdio.h>
#include <string.h>

#include "core/sb_json.h"
#include "core/sb_log.h"
#include "pickup/sb_pickup_mail.h"
#include "workers/program.h"

static int complain(apr_status_t rv, const char *error)
{
    sb_log(sb_is_transient(rv) ? SB_LOG_WARN : SB_LOG_ERROR, SBLOGNO(4545), rv, "%s",
           error ? error : "telling owners that their file is ready");
    return program_status(rv);
}

/* One run. @return exit status */
static int once(program_t *prog, apr_pool_t *p, int aloud)
{
    sb_pickup_mail_opts_t opts = {.conf = prog->conf,
                                  .app = prog->def->name,
                                  .stopping = program_stopping,
                                  .stop_fd = program_stop_fd()};
    sb_pickup_mailed_t mailed;
    const char *error;
    apr_status_t rv = sb_pickup_mail(&mailed, &error, &opts, p);

    if (rv == SB_EBUSY) {
        return program_leave_it(prog, aloud);
    }
    if (rv != APR_SUCCESS) {
        return complain(rv, error);
    }
    if (aloud) {
        printf("{\"sent\":%d,\"failed\":%d,\"waiting\":%d}\n", mailed.sent, mailed.failed,
               mailed.waiting);
    }
    return PROGRAM_DONE;
}

/* ---- by hand ------------------------------------------------------------------------------------- */

static int list(program_t *prog)
{
    sb_pickup_mail_opts_t opts = {.conf = prog->conf, .app = prog->def->name};
    apr_array_header_t *mails;
    const char *error;
    apr_status_t rv = sb_pickup_mail_list(&mails, &error, &opts, prog->pool);

    if (rv != APR_SUCCESS) {
        return complain(rv, error);
    }
    for (int i = 0; i < mails->nelts; i++) {
        const sb_pickup_unsent_t *m = &APR_ARRAY_IDX(mails, i, sb_pickup_unsent_t);
        sb_jw_t *w = sb_jw_make(prog->pool);

        sb_jw_object(w, NULL);
        sb_jw_str(w, "registration_id", m->id);
        sb_jw_str(w, "state", m->state);
        sb_jw_int(w, "attempts", m->attempts);
        sb_jw_str(w, "at", m->at);
        sb_jw_str(w, "error", m->error);
        sb_jw_end(w);
        puts(sb_jw_text(w, NULL));
    }
    return PROGRAM_DONE;
}

static int resend(program_t *prog)
{
    sb_pickup_mail_opts_t opts = {.conf = prog->conf, .app = prog->def->name};
    const apr_array_header_t *ids = program_options(prog, "resend");
    apr_int64_t n, sum = 0;
    int status = PROGRAM_DONE;

    for (int i = 0; i < ids->nelts; i++) {
        const char *id = APR_ARRAY_IDX(ids, i, const char *), *error;
        apr_status_t rv =
            sb_pickup_mail_again(&n, &error, &opts, strcmp(id, "failed") ? id : NULL, prog->pool);

        if (rv == APR_NOTFOUND) {
            fprintf(stderr, "%s: %s: no mail is noted for this registration\n", prog->def->name,
                    id);
            status = PROGRAM_FAILED;
        }
        else if (rv != APR_SUCCESS) {
            return complain(rv, error);
        }
        sum += n;
    }
    printf("{\"due\":%" APR_INT64_T_FMT "}\n", sum);
    return status;
}

static int run(program_t *prog)
{
    int by_hand = (program_option(prog, "list") != NULL) + (program_option(prog, "resend") != NULL);

    if (by_hand &&
        (by_hand == 2 || program_option(prog, "once") || program_option(prog, "every"))) {
        return program_usage(prog, "say one of --once, --every, --list, --resend");
    }
    if (!program_has(prog, "hpz.db.url", NULL, PROGRAM_PICKUP_INI)) {
        return PROGRAM_FAILED;
    }
    if (!by_hand) {
        return program_repeat(prog, once, 0);
    }
    return program_option(prog, "list") ? list(prog) : resend(prog);
}

static const program_option_t options[] = {
    {"once", 0, NULL, "send what is due, say how it went, and exit", PROGRAM_ONCE},
    {"every", 0, "SECONDS", "do so again and again, with that pause", 0},
    {"list", 0, NULL, "say which mails no server has taken, and why", PROGRAM_ONCE},
    {"resend", 0, "ID", "make the mail of a registration due once more, or of all that \"failed\"",
     PROGRAM_ONCE},
    {NULL, 0, NULL, NULL, 0}};

static const program_def_t def = {.name = "smarter-hpz-mail",
                                  .summary = "tell owners by mail that their file is ready",
                                  .usage = "--once | --every SECONDS | --list | --resend ID",
                                  .section = "app:main",
                                  .options = options,
                                  .run = run};

int main(int argc, char **argv)
{
    return program_main(&def, argc, argv);
}
