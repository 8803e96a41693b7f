/* Several statements in one round trip, by the pipeline mode of libpq. */

#include <string.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include "store/sb_db_private.h"

/* Statements made at run time are prepared, too: for most of those a page sends, reading and planning the
 * text takes longer than running it. They differ by filters and grants, so there is no end to them: beyond
 * this many on one connection all are forgotten, and the common ones come back by themselves. */
#define TEXTS_MAX 100

typedef struct {
    const char *what;    /* what complaints call it */
    const sb_stmt_t *st; /* NULL: sql */
    const char *sql;     /* made at run time */
    int nargs;
    const char *const *args;
    sb_rows_t **prows; /* NULL: BEGIN, COMMIT */
} asked_t;

/* What goes over the wire: perhaps more than was asked. */
typedef struct {
    enum { FORGET, PREPARE, RUN } kind;
    const asked_t *of;
    const char *name, *sql; /* prepared under this name; name NULL: not prepared */
} step_t;

struct sb_pipe_t {
    sb_db_t *db;
    apr_pool_t *p;
    apr_array_header_t *asked; /* asked_t */
    int begins;                /* is a BEGIN among them? */
};

static const sb_stmt_t begin_write = {"tx_write", 0, "BEGIN"};
static const sb_stmt_t begin_snapshot = {"tx_snapshot", 0,
                                         "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"};
static const sb_stmt_t commit = {"tx_commit", 0, "COMMIT"};

/* ---- asking ---------------------------------------------------------------------------------- */

sb_pipe_t *sb_pipe_make(sb_db_t *db, apr_pool_t *p)
{
    sb_pipe_t *pipe = apr_pcalloc(p, sizeof(*pipe));

    pipe->db = db;
    pipe->p = p;
    pipe->asked = apr_array_make(p, 16, sizeof(asked_t));
    return pipe;
}

static void ask(sb_rows_t **prows, sb_pipe_t *pipe, const asked_t *what, const char *const *args)
{
    asked_t *a = apr_array_push(pipe->asked);

    *a = *what;
    a->prows = prows;
    if (a->nargs > 0) { /* the array may be the caller's own; the texts stay where they are */
        a->args = apr_pmemdup(pipe->p, args, (apr_size_t)a->nargs * sizeof(*args));
    }
    if (prows) {
        *prows = NULL;
    }
}

void sb_pipe_query(sb_rows_t **prows, sb_pipe_t *pipe, const sb_stmt_t *st, const char *const *args)
{
    ask(prows, pipe, &(asked_t){.what = st->name, .st = st, .nargs = st->nargs}, args);
}

void sb_pipe_query_text(sb_rows_t **prows, sb_pipe_t *pipe, const char *what, const char *sql,
                        int nargs, const char *const *args)
{
    ask(prows, pipe, &(asked_t){.what = what, .sql = sql, .nargs = nargs}, args);
}

void sb_pipe_begin(sb_pipe_t *pipe, sb_tx_t kind)
{
    const sb_stmt_t *st = kind == SB_TX_SNAPSHOT ? &begin_snapshot : &begin_write;

    pipe->begins = 1;
    ask(NULL, pipe, &(asked_t){.what = st->name, .st = st}, NULL);
}

void sb_pipe_commit(sb_pipe_t *pipe)
{
    ask(NULL, pipe, &(asked_t){.what = commit.name, .st = &commit}, NULL);
}

int sb_pipe_length(const sb_pipe_t *pipe)
{
    return pipe->asked->nelts;
}

void sb_pipe_enclose(sb_pipe_t *pipe, sb_tx_t kind)
{
    apr_array_header_t *within = pipe->asked;

    pipe->asked = apr_array_make(pipe->p, within->nelts + 2, sizeof(asked_t));
    sb_pipe_begin(pipe, kind);
    apr_array_cat(pipe->asked, within);
    sb_pipe_commit(pipe);
}

/* ---- sending --------------------------------------------------------------------------------- */

static step_t *add(apr_array_header_t *steps, const asked_t *of, const char *name, const char *sql)
{
    step_t *s = apr_array_push(steps);

    *s = (step_t){RUN, of, name, sql};
    return s;
}

/* Under which name is it prepared, and is it yet? */
static const char *name_of(const char **psql, int *pis_new, sb_db_t *db, const asked_t *a)
{
    const char *name, *sql;

    if (a->st) {
        *psql = sb_db_sql_of(db, a->st);
        *pis_new = !apr_hash_get(db->prepared, a->st->name, APR_HASH_KEY_STRING);
        apr_hash_set(db->prepared, a->st->name, APR_HASH_KEY_STRING, *psql);
        return a->st->name;
    }
    *psql = a->sql;
    *pis_new = 0;
    if (db->opts.no_prepare) {
        return NULL;
    }
    name = apr_hash_get(db->texts, a->sql, APR_HASH_KEY_STRING);
    *pis_new = !name;
    if (!name) {
        sql = apr_pstrdup(db->texts_pool, a->sql);
        name = apr_psprintf(db->texts_pool, "text%u", db->ntexts++);
        apr_hash_set(db->texts, sql, APR_HASH_KEY_STRING, name);
    }
    return name;
}

static void unlearn(sb_db_t *db, const asked_t *a)
{
    if (a->st) {
        apr_hash_set(db->prepared, a->st->name, APR_HASH_KEY_STRING, NULL);
    }
    else {
        apr_hash_set(db->texts, a->sql, APR_HASH_KEY_STRING, NULL);
    }
}

/* What to send for what was asked. */
static apr_array_header_t *plan(sb_pipe_t *pipe)
{
    sb_db_t *db = pipe->db;
    apr_array_header_t *steps = apr_array_make(pipe->p, 2 * pipe->asked->nelts, sizeof(step_t));

    if (db->ntexts - db->first_text + (unsigned)pipe->asked->nelts > TEXTS_MAX) {
        add(steps, NULL, NULL, "DEALLOCATE ALL")->kind = FORGET;
        apr_hash_clear(db->prepared);
        apr_hash_clear(db->texts);
        apr_pool_clear(db->texts_pool);
        db->texts = apr_hash_make(db->texts_pool);
        db->first_text = db->ntexts;
    }
    for (int i = 0; i < pipe->asked->nelts; i++) {
        const asked_t *a = &APR_ARRAY_IDX(pipe->asked, i, asked_t);
        const char *name, *sql;
        int is_new;

        name = name_of(&sql, &is_new, db, a);
        if (is_new && !db->opts.no_prepare) {
            add(steps, a, name, sql)->kind = PREPARE;
        }
        add(steps, a, db->opts.no_prepare ? NULL : name, sql);
    }
    return steps;
}

static int send_step(sb_db_t *db, const step_t *s)
{
    switch (s->kind) {
    case PREPARE:
        return PQsendPrepare(db->conn, s->name, s->sql, s->of->nargs, NULL);
    case RUN:
        if (s->name) {
            return PQsendQueryPrepared(db->conn, s->name, s->of->nargs, s->of->args, NULL, NULL,
                                       TEXT_RESULT);
        }
        /* fall through */
    default:
        return PQsendQueryParams(db->conn, s->sql, s->of ? s->of->nargs : 0, NULL,
                                 s->of ? s->of->args : NULL, NULL, NULL, TEXT_RESULT);
    }
}

/* Without blocking: the server may be busy sending the first results while we still send questions. */
static apr_status_t send_all(sb_db_t *db, const apr_array_header_t *steps)
{
    int sent = !PQsetnonblocking(db->conn, 1) && PQenterPipelineMode(db->conn);

    for (int i = 0; sent && i < steps->nelts; i++) {
        sent = send_step(db, &APR_ARRAY_IDX(steps, i, step_t));
    }
    return sent && PQpipelineSync(db->conn) ? APR_SUCCESS : sb_db_failed(db, NULL);
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* Say which statement it was. */
static apr_status_t step_failed(sb_db_t *db, const step_t *s, const PGresult *res)
{
    char text[sizeof(db->error)];
    apr_status_t rv = sb_db_failed(db, res);

    memcpy(text, db->error, sizeof(text));
    apr_snprintf(db->error, sizeof(db->error), "%s: %s", s->of ? s->of->what : s->sql, text);
    return rv;
}

/* Takes the result. */
static apr_status_t judge(sb_db_t *db, const step_t *s, PGresult *res, apr_pool_t *p)
{
    ExecStatusType want = s->kind == RUN && s->of->prows ? PGRES_TUPLES_OK : PGRES_COMMAND_OK;
    apr_status_t rv = APR_SUCCESS;

    if (PQresultStatus(res) != want) {
        rv = step_failed(db, s, res);
    }
    else if (s->kind == RUN && s->of->st == &commit && strcmp(PQcmdStatus(res), "COMMIT") != 0) {
        apr_snprintf(db->error, sizeof(db->error),
                     "the transaction had failed and was rolled back");
        rv = SB_EDB;
    }
    if (rv == APR_SUCCESS && want == PGRES_TUPLES_OK) {
        sb_db_keep_rows(s->of->prows, res, p);
        return APR_SUCCESS;
    }
    PQclear(res);
    return rv;
}

/* Every step has its result, whatever became of those before it, then comes the end of the pipeline. */
static apr_status_t receive_all(sb_pipe_t *pipe, const apr_array_header_t *steps)
{
    sb_db_t *db = pipe->db;
    double until = sb_db_deadline(db);
    apr_status_t first = APR_SUCCESS, rv;
    int out_of_step = 0;
    PGresult *res;

    for (int i = 0; i < steps->nelts; i++) {
        const step_t *s = &APR_ARRAY_IDX(steps, i, step_t);

        res = sb_db_next(db, until);
        if (!res || PQstatus(db->conn) != CONNECTION_OK) {
            rv = first == APR_SUCCESS ? step_failed(db, s, res) : first;
            PQclear(res);
            return rv;
        }
        if (s->kind == PREPARE && PQresultStatus(res) != PGRES_COMMAND_OK) {
            unlearn(db, s->of);
        }
        out_of_step |= s->kind == FORGET && PQresultStatus(res) != PGRES_COMMAND_OK;
        if (first == APR_SUCCESS) {
            first = judge(db, s, res, pipe->p);
        }
        else {
            PQclear(res); /* it was not run */
        }
        PQclear(sb_db_next(db, until)); /* NULL: the end of this step */
    }
    res = sb_db_next(db, until);
    if (PQresultStatus(res) != PGRES_PIPELINE_SYNC && first == APR_SUCCESS) {
        first = sb_db_failed(db, res);
    }
    PQclear(res);
    if (out_of_step) { /* what is prepared there is not what we think */
        sb_db_give_up(db);
    }
    return first;
}

apr_status_t sb_pipe_run(sb_pipe_t *pipe)
{
    sb_db_t *db = pipe->db;
    apr_array_header_t *steps;
    apr_status_t rv;

    sb_db_forget_error(db);
    steps = plan(pipe);
    rv = send_all(db, steps);
    if (rv == APR_SUCCESS) {
        rv = receive_all(pipe, steps);
    }
    if (!PQexitPipelineMode(db->conn) || PQsetnonblocking(db->conn, 0)) {
        rv = rv == APR_SUCCESS ? sb_db_failed(db, NULL) : rv;
        sb_db_give_up(db);
    }
    if (rv != APR_SUCCESS) {
        for (int i = 0; i < pipe->asked->nelts; i++) {
            const asked_t *a = &APR_ARRAY_IDX(pipe->asked, i, asked_t);

            if (a->prows) {
                *a->prows = NULL;
            }
        }
        if (pipe->begins) {
            sb_db_rollback(db);
        }
    }
    apr_array_clear(pipe->asked);
    pipe->begins = 0;
    return rv;
}
