/* smarter sessions: who is signed in, and ending it. The rules are in auth/sb_session.h. */

#include "config.h"

#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "report/sb_audit.h"
#include "report/sb_operator.h"
#include "workers/smarter.h"
#include "workers/smarter_act.h"
#include "workers/smarter_sessions.h"

int smarter_sessions_failed(const program_t *prog, const char *doing, apr_status_t rv)
{
    char buf[200];

    program_complain(prog, doing, sb_strerror(rv, buf, sizeof buf));
    return program_status(rv);
}

/* Sessions stand under the number of their generation, so the tool must know it, too. */
static apr_status_t make_generations(sb_session_store_t *store, program_t *prog)
{
    const char *url = sb_conf_str(prog->conf, "edware_stats.db.url");

    return url ? sb_generations_make(&store->generations, sb_conf_db_url(url, prog->pool),
                                     sb_conf_str(prog->conf, "edware_stats.db.schema_name"),
                                     sb_conf_bool(prog->conf, "edware.db.prepare"), prog->pool)
               : APR_SUCCESS;
}

int smarter_sessions_open(sb_session_store_t *store, program_t *prog)
{
    static const struct {
        sb_stream_t stream;
        const char *key;
    } streams[] = {{SB_STREAM_AUDIT, "logging.audit"}, {SB_STREAM_SECURITY, "logging.security"}};
    const char *complaint = sb_session_store_make(store, prog->conf, prog->pool);
    apr_status_t rv;

    if (complaint) {
        return program_complain(prog, prog->ini, complaint);
    }
    for (int i = 0; i < 2; i++) {
        complaint =
            sb_stream_open(streams[i].stream, sb_conf_str(prog->conf, streams[i].key), prog->pool);
        if (complaint) {
            return program_complain(prog, streams[i].key, complaint);
        }
    }
    rv = make_generations(store, prog);
    return rv == APR_SUCCESS ? PROGRAM_DONE
                             : smarter_sessions_failed(prog, "edware_stats.db.url", rv);
}

void smarter_sessions_note(const program_t *prog, const char *action, const char *detail)
{
    apr_pool_t *p = prog->pool;

    sb_audit_operator(action, sb_operator_name(p), NULL, NULL, detail, p);
    sb_security_write(
        SB_SECURITY_INFO,
        apr_pstrcat(p, "operator ", sb_operator_name(p), ": ", action, ", ", detail, NULL), NULL,
        NULL, NULL, p);
}

/* ---- lists ------------------------------------------------------------------------------------- */

static const char *ref_of(const sb_session_entry_t *entry, apr_pool_t *p)
{
    return apr_pstrndup(p, entry->hash, SB_SESSION_REF_LEN);
}

static const char *user_of(const sb_session_entry_t *entry)
{
    return entry->guid ? entry->guid : entry->uid ? entry->uid : "-";
}

static void print_json(const apr_array_header_t *list, int more, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_jw_array(w, "sessions");
    for (int i = 0; i < list->nelts; i++) {
        const sb_session_listed_t *l = &APR_ARRAY_IDX(list, i, const sb_session_listed_t);

        sb_jw_object(w, NULL);
        sb_jw_str(w, "ref", ref_of(l->entry, p));
        sb_jw_str(w, "guid", l->entry->guid);
        sb_jw_str(w, "uid", l->entry->uid);
        sb_jw_array(w, "tenants");
        for (int k = 0; k < l->entry->tenants->nelts; k++) {
            sb_jw_str(w, NULL, APR_ARRAY_IDX(l->entry->tenants, k, const char *));
        }
        sb_jw_end(w);
        smarter_json_time(w, "since", l->entry->created);
        smarter_json_time(w, "seen", l->seen);
        smarter_json_time(w, "ends", l->entry->not_after);
        sb_jw_bool(w, "batch", l->entry->batch);
        sb_jw_str(w, "browser", l->entry->browser);
        sb_jw_str(w, "service", l->entry->service);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_bool(w, "more", more);
    sb_jw_end(w);
    smarter_json_print(w);
}

static const smarter_column_t columns[] = {
    {"REF", 0, 0, 0, 0},     {"USER", 0, 0, 40, 12}, {"TENANTS", 0, 2, 20, 0},
    {"SINCE", 0, 0, 0, 0},   {"UNUSED", 1, 1, 0, 0}, {"ENDS IN", 1, 3, 0, 0},
    {"BROWSER", 0, 4, 0, 0},
};
#define NCOLUMNS ((int)(sizeof columns / sizeof columns[0]))

static void print_text(const apr_array_header_t *list, int more, apr_pool_t *p)
{
    apr_array_header_t *rows = apr_array_make(p, 8, sizeof(const char *const *));
    apr_time_t now = apr_time_now();

    for (int i = 0; i < list->nelts; i++) {
        const sb_session_listed_t *l = &APR_ARRAY_IDX(list, i, const sb_session_listed_t);
        const char **row = apr_pcalloc(p, NCOLUMNS * sizeof *row);

        row[0] = ref_of(l->entry, p);
        row[1] = smarter_safe(user_of(l->entry), p);
        row[2] = apr_array_pstrcat(p, l->entry->tenants, ',');
        row[3] = smarter_time(l->entry->created, p);
        row[4] = smarter_age(l->seen ? now - l->seen : -1, p);
        row[5] = smarter_age(l->entry->not_after - now, p);
        row[6] = l->entry->batch ? "batch session" : smarter_safe(l->entry->browser, p);
        APR_ARRAY_PUSH(rows, const char *const *) = row;
    }
    smarter_table_print(columns, NCOLUMNS, rows, p);
    if (more) {
        printf("There are more than these %d: --user or --tenant says whose.\n", list->nelts);
    }
}

static int list(program_t *prog, const sb_session_store_t *store, const sb_session_query_t *query)
{
    const apr_array_header_t *all;
    apr_status_t rv;
    int more;

    rv = sb_session_list(&all, &more, store, query, prog->pool);
    if (rv != APR_SUCCESS) {
        return smarter_sessions_failed(prog, "listing sessions", rv);
    }
    (program_option(prog, "json") ? print_json : print_text)(all, more, prog->pool);
    return PROGRAM_DONE;
}

static int count(program_t *prog, const sb_session_store_t *store)
{
    apr_int64_t all, batch;
    apr_status_t rv = sb_session_book_count(&all, &batch, store->book);
    sb_jw_t *w = sb_jw_make(prog->pool);

    if (rv != APR_SUCCESS) {
        return smarter_sessions_failed(prog, "counting sessions", rv);
    }
    if (!program_option(prog, "json")) {
        printf("%" APR_INT64_T_FMT " sessions, %" APR_INT64_T_FMT " of them batch sessions;"
               " those that were left unused are among them\n",
               all, batch);
        return PROGRAM_DONE;
    }
    sb_jw_object(w, NULL);
    sb_jw_int(w, "sessions", all);
    sb_jw_int(w, "batch", batch);
    sb_jw_end(w);
    smarter_json_print(w);
    return PROGRAM_DONE;
}

/* ---- ending ------------------------------------------------------------------------------------ */

static int end_all(program_t *prog, const sb_session_store_t *store,
                   const sb_session_query_t *query)
{
    const apr_array_header_t *ended;
    apr_status_t rv = sb_session_end_all(&ended, store, query, prog->pool);

    if (rv != APR_SUCCESS) {
        return smarter_sessions_failed(prog, "ending sessions", rv);
    }
    for (int i = 0; i < ended->nelts; i++) {
        const sb_session_entry_t *entry = &APR_ARRAY_IDX(ended, i, const sb_session_entry_t);

        smarter_sessions_note(prog, "session end",
                              apr_pstrcat(prog->pool, "session ", ref_of(entry, prog->pool), " of ",
                                          user_of(entry), NULL));
    }
    apr_sleep(SB_SESSION_BOOK_FRESH); /* then every web node knows */
    printf("%d ended, on every web node\n", ended->nelts);
    return PROGRAM_DONE;
}

/* The book's are ended, so their number is told: those of whom memcached knows, and others. */
static apr_status_t print_chosen(int *pany, program_t *prog, const sb_session_store_t *store,
                                 const sb_session_query_t *query)
{
    const apr_array_header_t *booked, *alive;
    apr_status_t rv = sb_session_book_list(&booked, store->book, query, prog->pool);
    int more;

    *pany = rv == APR_SUCCESS && booked->nelts > 0;
    if (!*pany) {
        return rv;
    }
    rv = sb_session_list(&alive, &more, store, query, prog->pool);
    if (rv == APR_SUCCESS && alive->nelts > 0) {
        print_text(alive, more, prog->pool);
    }
    if (rv == APR_SUCCESS && !more && booked->nelts > alive->nelts) {
        printf("Left unused too long, or not known to memcached just now: %d\n",
               booked->nelts - alive->nelts);
    }
    return rv;
}

static int end(program_t *prog, const sb_session_store_t *store, const sb_session_query_t *query)
{
    int any, status;
    apr_status_t rv;

    if (!query->ref && !query->guid_or_uid && !query->tenant) {
        return program_usage(prog, "end which? a REF, --user or --tenant");
    }
    rv = print_chosen(&any, prog, store, query);
    if (rv != APR_SUCCESS) {
        return smarter_sessions_failed(prog, "listing sessions", rv);
    }
    if (!any) {
        return program_complain(prog, "end", "there is no such session");
    }
    puts("Whoever is behind these has to sign in again.");
    status = smarter_act_confirm(prog);
    return status == PROGRAM_DONE ? end_all(prog, store, query) : status;
}

static int run(program_t *prog)
{
    const char *action = prog->args->nelts ? APR_ARRAY_IDX(prog->args, 0, const char *) : "list";
    const char *ref = prog->args->nelts > 1 ? APR_ARRAY_IDX(prog->args, 1, const char *) : NULL;
    sb_session_query_t query = {.guid_or_uid = program_option(prog, "user"),
                                .tenant = program_option(prog, "tenant"),
                                .ref = ref,
                                .batch = program_option(prog, "batch") ? 1 : -1};
    sb_session_store_t store;
    int status;

    if (ref && (!sb_session_ref_is_valid(ref) || strcmp(action, "end") != 0)) {
        return program_usage(prog, "want list, count, or end REF of 12 hex digits");
    }
    status = smarter_sessions_open(&store, prog);
    if (status != PROGRAM_DONE) {
        return status;
    }
    if (!strcmp(action, "list")) {
        return list(prog, &store, &query);
    }
    if (!strcmp(action, "count")) {
        return count(prog, &store);
    }
    if (!strcmp(action, "end")) {
        return end(prog, &store, &query);
    }
    return program_usage(prog, "want list, count or end");
}

static const program_option_t options[] = {
    {"user", 'u', "ID", "only those of this person, by guid or uid", 0},
    {"tenant", 't', "TENANT", "only those with rights in this tenant", 0},
    {"batch", 0, NULL, "only batch sessions", 0},
    {"yes", 'y', NULL, "end without asking", 0},
    {"json", 0, NULL, "as one JSON object", 0},
    {NULL, 0, NULL, NULL, 0}};

const program_def_t smarter_sessions = {
    .name = SMARTER_COMMAND "sessions",
    .summary = "who is signed in, and ending it",
    .usage = "[list] [--user ID] [--tenant T] [--batch] [--json] | count [--json] | "
             "end REF|--user ID|--tenant T [--yes]",
    .section = "app:main",
    .options = options,
    .max_args = 2,
    .flags = PROGRAM_TOOL,
    .run = run};
