/* smarter cache: what memcached holds, and emptying it. The rules are in store/sb_generation.h. */

#include "config.h"

#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "core/sb_log.h"
#include "report/sb_audit.h"
#include "report/sb_operator.h"
#include "store/sb_cache.h"
#include "store/sb_generation.h"
#include "workers/smarter.h"
#include "workers/smarter_act.h"

static const struct {
    const char *name, *key;
} caches[SB_GENERATIONS] = {
    [SB_GENERATION_SESSION] = {"session", "cache.session.url"},
    [SB_GENERATION_DATA] = {"data", "cache.data.url"},
};

static apr_status_t open_stats(sb_db_t **pdb, program_t *prog)
{
    const char *url = sb_conf_str(prog->conf, "edware_stats.db.url");
    sb_db_opts_t opts = {.app = "smarter",
                         .schema = sb_conf_str(prog->conf, "edware_stats.db.schema_name")};

    return url ? sb_db_open(pdb, sb_conf_db_url(url, prog->pool), &opts, prog->pool) : SB_ECONFIG;
}

/* @return exit status */
static int stats_failed(const program_t *prog, apr_status_t rv, const sb_db_t *db)
{
    char buf[200];

    program_complain(prog, "the statistics database",
                     rv == SB_ECONFIG ? "edware_stats.db.url is not set"
                     : db             ? sb_db_error(db)
                                      : sb_strerror(rv, buf, sizeof buf));
    return program_status(rv);
}

/* ---- status ------------------------------------------------------------------------------------ */

typedef struct {
    apr_int64_t generation; /* 0 not known */
    const apr_array_header_t *nodes;
} cache_t;

static void print_json(const cache_t *all, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_jw_array(w, "caches");
    for (int i = 0; i < SB_GENERATIONS; i++) {
        sb_jw_object(w, NULL);
        sb_jw_str(w, "name", caches[i].name);
        smarter_json_count(w, "generation", all[i].generation ? all[i].generation : -1);
        sb_jw_array(w, "nodes");
        for (int k = 0; k < all[i].nodes->nelts; k++) {
            const sb_cache_node_t *n = &APR_ARRAY_IDX(all[i].nodes, k, sb_cache_node_t);

            sb_jw_object(w, NULL);
            sb_jw_str(w, "server", n->server);
            sb_jw_bool(w, "answers", n->answers);
            sb_jw_int(w, "items", n->items);
            sb_jw_int(w, "bytes", n->bytes);
            sb_jw_int(w, "limit", n->limit);
            sb_jw_int(w, "hits", n->hits);
            sb_jw_int(w, "misses", n->misses);
            sb_jw_int(w, "evictions", n->evictions);
            sb_jw_int(w, "uptime", apr_time_sec(n->uptime));
            sb_jw_end(w);
        }
        sb_jw_end(w);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_end(w);
    smarter_json_print(w);
}

static const smarter_column_t columns[] = {
    {"CACHE", 0, 0, 0, 0},  {"NODE", 0, 0, 0, 0},    {"ITEMS", 1, 0, 0, 0},
    {"SIZE", 1, 3, 0, 0},   {"OF", 1, 3, 0, 0},      {"HITS", 1, 0, 0, 0},
    {"MISSES", 1, 0, 0, 0}, {"EVICTED", 1, 0, 0, 0}, {"UP", 1, 2, 0, 0},
};
#define NCOLUMNS ((int)(sizeof columns / sizeof columns[0]))

static const char *const *row_of(const char *cache, const sb_cache_node_t *n, apr_pool_t *p)
{
    const char **row = apr_pcalloc(p, NCOLUMNS * sizeof *row);

    for (int i = 0; i < NCOLUMNS; i++) {
        row[i] = "-";
    }
    row[0] = cache;
    row[1] = smarter_safe(n->server, p);
    if (n->answers) {
        row[2] = smarter_short((double)n->items, p);
        row[3] = smarter_bytes(n->bytes, p);
        row[4] = smarter_bytes(n->limit, p);
        row[5] = smarter_short((double)n->hits, p);
        row[6] = smarter_short((double)n->misses, p);
        row[7] = smarter_short((double)n->evictions, p);
        row[8] = smarter_age(n->uptime, p);
    }
    return row;
}

static void print_text(const cache_t *all, apr_pool_t *p)
{
    apr_array_header_t *rows = apr_array_make(p, 4, sizeof(const char *const *));

    for (int i = 0; i < SB_GENERATIONS; i++) {
        for (int k = 0; k < all[i].nodes->nelts; k++) {
            APR_ARRAY_PUSH(rows, const char *const *) =
                row_of(caches[i].name, &APR_ARRAY_IDX(all[i].nodes, k, sb_cache_node_t), p);
        }
    }
    smarter_table_print(columns, NCOLUMNS, rows, p);
    for (int i = 0; i < SB_GENERATIONS; i++) {
        if (all[i].generation) {
            printf("%s: generation %" APR_INT64_T_FMT "\n", caches[i].name, all[i].generation);
        }
    }
}

/* A node that does not answer is what somebody looks for here: exit status 1. */
static int status(program_t *prog)
{
    apr_int64_t generations[SB_GENERATIONS] = {0};
    cache_t all[SB_GENERATIONS];
    int silent = 0, exit_status = PROGRAM_DONE;
    sb_db_t *db = NULL;
    apr_status_t rv;

    for (int i = 0; i < SB_GENERATIONS; i++) {
        sb_cache_t *c;

        rv = sb_cache_make(&c, sb_conf_str(prog->conf, caches[i].key), 1, prog->pool);
        if (rv == APR_SUCCESS) {
            rv = sb_cache_nodes(&all[i].nodes, c, prog->pool);
        }
        if (rv != APR_SUCCESS) {
            return program_complain(prog, caches[i].key, "host:port;host:port is wanted");
        }
        for (int k = 0; k < all[i].nodes->nelts; k++) {
            silent += !APR_ARRAY_IDX(all[i].nodes, k, sb_cache_node_t).answers;
        }
    }
    rv = open_stats(&db, prog);
    if (rv == APR_SUCCESS) {
        rv = sb_generations_read(generations, db, prog->pool);
    }
    if (rv != APR_SUCCESS) {
        exit_status = stats_failed(prog, rv, db);
    }
    for (int i = 0; i < SB_GENERATIONS; i++) {
        all[i].generation = generations[i];
    }
    if (program_option(prog, "json")) {
        print_json(all, prog->pool);
    }
    else {
        print_text(all, prog->pool);
    }
    return silent ? program_complain(prog, apr_itoa(prog->pool, silent), "nodes do not answer")
                  : exit_status;
}

/* ---- flush ------------------------------------------------------------------------------------- */

static int flush(program_t *prog, const char *word)
{
    int kinds = sb_generation_kinds(word), exit_status;
    const char *problem;
    sb_db_t *db = NULL;
    apr_status_t rv;

    if (!kinds) {
        return program_usage(prog, "flush what? all, session or data");
    }
    problem = sb_stream_open(SB_STREAM_AUDIT, sb_conf_str(prog->conf, "logging.audit"), prog->pool);
    if (problem) {
        return program_complain(prog, "logging.audit", problem);
    }
    puts(kinds & SB_GENERATION_BIT(SB_GENERATION_SESSION)
             ? "Everybody who is signed in will have to sign in again."
             : "Every report will be made anew when it is asked for next.");
    exit_status = smarter_act_confirm(prog);
    if (exit_status != PROGRAM_DONE) {
        return exit_status;
    }
    rv = open_stats(&db, prog);
    if (rv == APR_SUCCESS) {
        rv = sb_generations_raise(db, kinds);
    }
    if (rv != APR_SUCCESS) {
        return stats_failed(prog, rv, db);
    }
    sb_audit_operator("cache flush", sb_operator_name(prog->pool), NULL, NULL, word, prog->pool);
    apr_sleep(SB_GENERATION_FRESH);
    printf("%s: nothing that was kept is used any more, on any web node\n", word);
    return PROGRAM_DONE;
}

static int run(program_t *prog)
{
    const char *action = prog->args->nelts ? APR_ARRAY_IDX(prog->args, 0, const char *) : "";

    if (prog->args->nelts == 1 && !strcmp(action, "status")) {
        return status(prog);
    }
    if (prog->args->nelts == 2 && !strcmp(action, "flush")) {
        return flush(prog, APR_ARRAY_IDX(prog->args, 1, const char *));
    }
    return program_usage(prog, "want status, or flush and one of all, session, data");
}

static const program_option_t options[] = {{"yes", 'y', NULL, "flush without asking", 0},
                                           {"json", 0, NULL, "status as one JSON object", 0},
                                           {NULL, 0, NULL, NULL, 0}};

const program_def_t smarter_cache = {.name = SMARTER_COMMAND "cache",
                                     .summary = "what the caches hold, and emptying them",
                                     .usage = "status [--json] | flush all|session|data [--yes]",
                                     .section = "app:main",
                                     .options = options,
                                     .max_args = 2,
                                     .flags = PROGRAM_TOOL,
                                     .run = run};
