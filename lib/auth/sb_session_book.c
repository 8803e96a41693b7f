/* The book of sessions: see sb_session_book.h. */

#include "auth/sb_session_book.h"

#include <string.h>
#include <apr_atomic.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>
#include <apr_thread_rwlock.h>
#include "core/sb_crypto.h"
#include "core/sb_log.h"

#define ASK_PATIENCE apr_time_from_sec(1)   /* of a request that happens to be the one that asks */
#define WRITE_PATIENCE apr_time_from_sec(5) /* one row, by its key */
#define RETRY apr_time_from_sec(5)          /* while the database is away */
#define AFRESH apr_time_from_sec(600) /* read everything anew: so what is over by the clock goes */
#define FORGET_ONE_IN 64              /* sign-ins */

/* The ended ones as of a moment, in a pool of their own. */
typedef struct {
    apr_pool_t *pool;
    apr_hash_t *hashes;
    const char *upto; /* the oldest transaction that was running then */
    apr_time_t begun; /* when everything was read; 0 never */
} ended_t;

struct sb_session_book_t {
    sb_dbpool_t *ask, *write;
    apr_thread_mutex_t *asking; /* held by the thread that asks */
    apr_thread_rwlock_t *lock;  /* of what follows, but next and known */
    ended_t ended;
    volatile apr_uint64_t next;  /* when to ask again, as apr_time_t */
    volatile apr_uint32_t known; /* was it ever read? */
};

static apr_status_t close_book(void *data)
{
    sb_session_book_t *book = data;

    if (book->ended.pool) {
        apr_pool_destroy(book->ended.pool);
        book->ended.pool = NULL;
    }
    return APR_SUCCESS;
}

apr_status_t sb_session_book_make(sb_session_book_t **pbook, const char *url, const char *schema,
                                  int prepare, apr_pool_t *p)
{
    sb_db_opts_t ask = {.schema = schema,
                        .app = "ended sessions",
                        .max_connections = 1,
                        .wait = ASK_PATIENCE,
                        .connect_timeout = ASK_PATIENCE,
                        .statement_timeout = ASK_PATIENCE,
                        .no_prepare = !prepare};
    sb_db_opts_t write = {.schema = schema,
                          .app = "sessions",
                          .max_connections = 4,
                          .wait = WRITE_PATIENCE,
                          .connect_timeout = WRITE_PATIENCE,
                          .statement_timeout = WRITE_PATIENCE,
                          .no_prepare = !prepare};
    sb_session_book_t *book = apr_pcalloc(p, sizeof(*book));
    apr_status_t rv = apr_thread_mutex_create(&book->asking, APR_THREAD_MUTEX_DEFAULT, p);

    *pbook = NULL;
    if (rv == APR_SUCCESS) {
        rv = apr_thread_rwlock_create(&book->lock, p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_dbpool_make(&book->ask, url, &ask, p);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_dbpool_make(&book->write, url, &write, p);
    }
    if (rv == APR_SUCCESS) {
        apr_pool_cleanup_register(p, book, close_book, apr_pool_cleanup_null);
        *pbook = book;
    }
    return rv;
}

/* ---- what was ended -------------------------------------------------------------------------- */

/* The first row is there in any case: it has the mark to ask from next time. What a long transaction elsewhere
 * holds back is read again each time, and that is all. */
static apr_status_t read_ended(sb_rows_t **prows, sb_db_t *db, const char *from, apr_pool_t *p)
{
    static const sb_stmt_t st = {
        "session_ended", 1,
        "SELECT n.upto::text, s.hash"
        "  FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS upto) n"
        "  LEFT JOIN {schema}.session s ON s.ended_by >= $1::text::xid8 AND s.not_after > now()"};
    const char *args[] = {from};
    apr_status_t rv = sb_db_query(prows, db, &st, args, p);

    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(1740), rv, "reading which sessions were ended: %s",
               sb_db_error(db));
    }
    return rv;
}

static void take_in(ended_t *ended, const sb_rows_t *rows)
{
    for (int i = 0; i < sb_rows_count(rows); i++) {
        const char *hash = sb_rows_text(rows, i, 1);

        if (hash && !apr_hash_get(ended->hashes, hash, APR_HASH_KEY_STRING)) {
            hash = apr_pstrdup(ended->pool, hash);
            apr_hash_set(ended->hashes, hash, APR_HASH_KEY_STRING, hash);
        }
    }
    /* the same again and again while a long transaction runs */
    if (!ended->upto || strcmp(ended->upto, sb_rows_text(rows, 0, 0)) != 0) {
        ended->upto = apr_pstrdup(ended->pool, sb_rows_text(rows, 0, 0));
    }
}

/* By the one thread that asks: nobody else changes book->ended, so it may be looked at without the lock. The pool is
 * unmanaged: threads of all requests allocate in it in turn, under the lock.
 * @return APR_ENOMEM */
static apr_status_t take_rows(sb_session_book_t *book, const sb_rows_t *rows, int afresh)
{
    ended_t fresh = {0};
    apr_pool_t *old = NULL;
    apr_status_t rv = afresh ? apr_pool_create_unmanaged_ex(&fresh.pool, NULL, NULL) : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (afresh) {
        fresh.hashes = apr_hash_make(fresh.pool);
        fresh.begun = apr_time_now();
        take_in(&fresh, rows);
    }
    apr_thread_rwlock_wrlock(book->lock);
    if (afresh) {
        old = book->ended.pool;
        book->ended = fresh;
    }
    else {
        take_in(&book->ended, rows);
    }
    apr_thread_rwlock_unlock(book->lock);
    if (old) {
        apr_pool_destroy(old);
    }
    apr_atomic_set32(&book->known, 1);
    return APR_SUCCESS;
}

static void ask(sb_session_book_t *book)
{
    apr_time_t begun = apr_time_now();
    int afresh =
        !book->ended.begun || begun < book->ended.begun || begun - book->ended.begun > AFRESH;
    sb_rows_t *rows;
    apr_status_t rv;
    apr_pool_t *p;
    sb_db_t *db;

    apr_pool_create(&p, NULL);
    rv = sb_dbpool_get(&db, book->ask, p); /* logs what goes wrong */
    if (rv == APR_SUCCESS) {
        rv = read_ended(&rows, db, afresh ? "0" : book->ended.upto, p);
    }
    if (rv == APR_SUCCESS) {
        rv = take_rows(book, rows, afresh);
    }
    apr_atomic_set64(&book->next, (apr_uint64_t)(rv == APR_SUCCESS ? begun + SB_SESSION_BOOK_FRESH
                                                                   : apr_time_now() + RETRY));
    apr_pool_destroy(p);
}

static int is_stale(sb_session_book_t *book)
{
    apr_time_t left = (apr_time_t)apr_atomic_read64(&book->next) - apr_time_now();

    return left <= 0 || left > RETRY; /* the clock was set back */
}

apr_status_t sb_session_book_ended(int *pended, sb_session_book_t *book, const char *hash)
{
    *pended = 0;
    if (is_stale(book)) {
        /* Others go by what there is; if there is nothing yet, they wait for it. */
        apr_status_t rv = apr_atomic_read32(&book->known) ? apr_thread_mutex_trylock(book->asking)
                                                          : apr_thread_mutex_lock(book->asking);

        if (rv == APR_SUCCESS) {
            if (is_stale(book)) {
                ask(book);
            }
            apr_thread_mutex_unlock(book->asking);
        }
    }
    if (!apr_atomic_read32(&book->known)) {
        return SB_EUNAVAILABLE;
    }
    apr_thread_rwlock_rdlock(book->lock);
    *pended = apr_hash_get(book->ended.hashes, hash, APR_HASH_KEY_STRING) != NULL;
    apr_thread_rwlock_unlock(book->lock);
    return APR_SUCCESS;
}

/* This process knows at once what it ended itself; the others are told by the book. */
static void note_ended(sb_session_book_t *book, const char *hash)
{
    if (!apr_atomic_read32(&book->known)) {
        return;
    }
    apr_thread_rwlock_wrlock(book->lock);
    hash = apr_pstrdup(book->ended.pool, hash);
    apr_hash_set(book->ended.hashes, hash, APR_HASH_KEY_STRING, hash);
    apr_thread_rwlock_unlock(book->lock);
}

/* ---- writing --------------------------------------------------------------------------------- */

static const char *microseconds(apr_time_t t, apr_pool_t *p)
{
    return apr_psprintf(p, "%" APR_TIME_T_FMT, t);
}

static void forget_sometimes(sb_db_t *db, apr_pool_t *p)
{
    static const sb_stmt_t st = {"session_forget", 0, "SELECT {schema}.forget_sessions()"};
    unsigned char dice;
    sb_rows_t *rows;
    apr_status_t rv;

    if (sb_random(&dice, 1) != APR_SUCCESS || dice % FORGET_ONE_IN != 0) {
        return;
    }
    rv = sb_db_query(&rows, db, &st, NULL, p);
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(1741), rv, "forgetting old sessions: %s", sb_db_error(db));
    }
}

/* @param pwritten rows; may be NULL
 * @param adds one more: a good moment to forget old ones */
static apr_status_t write_row(apr_int64_t *pwritten, sb_session_book_t *book, const sb_stmt_t *st,
                              const char *const *args, int adds)
{
    apr_status_t rv;
    apr_pool_t *p;
    sb_db_t *db;

    apr_pool_create(&p, NULL);
    rv = sb_dbpool_get(&db, book->write, p); /* logs what goes wrong */
    if (rv == APR_SUCCESS) {
        rv = sb_db_exec(pwritten, db, st, args);
        if (rv != APR_SUCCESS) {
            sb_log(SB_LOG_ERROR, SBLOGNO(1742), rv, "the book of sessions: %s", sb_db_error(db));
        }
        else if (adds) {
            forget_sometimes(db, p);
        }
    }
    apr_pool_destroy(p);
    return rv;
}

/* Tenants are words of the configuration: no commas in them. */
static const char *joined(const apr_array_header_t *texts, apr_pool_t *p)
{
    return texts ? apr_array_pstrcat(p, texts, ',') : NULL;
}

apr_status_t sb_session_book_add(sb_session_book_t *book, const sb_session_entry_t *e)
{
    static const sb_stmt_t st = {
        "session_add", 12,
        "INSERT INTO {schema}.session"
        "       (hash, guid, uid, tenants, batch, browser, created, not_after,"
        "        name_hash, index_hash, service)"
        " SELECT $1, $2, $3, string_to_array($4, ','), $5::text::boolean, $6,"
        "        to_timestamp($7::text::numeric / 1000000), to_timestamp($8::text::numeric / "
        "1000000), $9, $10, $11"
        "  WHERE NOT EXISTS (SELECT FROM {schema}.proof_wanted w WHERE w.guid = $2"
        "                       AND w.since > to_timestamp($12::text::numeric / 1000000))"};
    apr_int64_t written = 0;
    apr_status_t rv;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    const char *args[] = {e->hash,
                          e->guid,
                          e->uid,
                          joined(e->tenants, p),
                          e->batch ? "t" : "f",
                          e->browser,
                          microseconds(e->created, p),
                          microseconds(e->not_after, p),
                          e->name_hash,
                          e->index_hash,
                          e->service,
                          e->batch ? NULL : microseconds(e->proved, p)};
    rv = write_row(&written, book, &st, args, 1);
    apr_pool_destroy(p);
    return rv == APR_SUCCESS && !written ? SB_EDENIED : rv;
}

apr_status_t sb_session_book_end(sb_session_book_t *book, const char *hash)
{
    static const sb_stmt_t st = {
        "session_end", 1,
        "UPDATE {schema}.session SET ended_at = now(), ended_by = pg_current_xact_id()"
        " WHERE hash = $1 AND ended_by IS NULL"};
    const char *args[] = {hash};
    apr_status_t rv = write_row(NULL, book, &st, args, 0);

    if (rv == APR_SUCCESS) {
        note_ended(book, hash);
    }
    return rv;
}

/* The first row is there in any case: it says whether the message was new. */
static apr_status_t follow(sb_rows_t **prows, sb_db_t *db, const sb_session_order_t *order,
                           apr_pool_t *p)
{
    static const sb_stmt_t st = {
        "session_end_named", 5,
        "WITH used AS ("
        "    INSERT INTO {schema}.used_assertion (issuer, assertion_id, not_after)"
        "    VALUES ($1, $2, to_timestamp($3::text::numeric / 1000000))"
        "    ON CONFLICT DO NOTHING RETURNING 1),"
        " gone AS ("
        "    UPDATE {schema}.session SET ended_at = now(), ended_by = pg_current_xact_id()"
        "     WHERE EXISTS (SELECT FROM used) AND ended_by IS NULL AND name_hash = $4"
        "       AND ($5::text IS NULL OR index_hash IS NULL OR index_hash = $5)"
        "    RETURNING hash)"
        " SELECT EXISTS (SELECT FROM used), gone.hash FROM (SELECT) one LEFT JOIN gone ON true"};
    const char *args[] = {order->issuer, order->message_id, microseconds(order->message_end, p),
                          order->name_hash, order->index_hash};
    apr_status_t rv = sb_db_query(prows, db, &st, args, p);

    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(1745), rv, "ending the sessions of a name: %s",
               sb_db_error(db));
    }
    return rv;
}

apr_status_t sb_session_book_end_named(const apr_array_header_t **phashes, sb_session_book_t *book,
                                       const sb_session_order_t *order, apr_pool_t *p)
{
    apr_array_header_t *hashes = apr_array_make(p, 2, sizeof(const char *));
    sb_rows_t *rows = NULL;
    apr_status_t rv;
    apr_pool_t *sub;
    sb_db_t *db;

    *phashes = hashes;
    apr_pool_create(&sub, p);
    rv = sb_dbpool_get(&db, book->write, sub); /* logs what goes wrong */
    if (rv == APR_SUCCESS) {
        rv = follow(&rows, db, order, sub);
    }
    if (rv == APR_SUCCESS && sb_rows_bool(rows, 0, 0) != 1) {
        rv = SB_EDENIED;
    }
    for (int i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        const char *hash = sb_rows_text(rows, i, 1);

        if (hash) {
            APR_ARRAY_PUSH(hashes, const char *) = apr_pstrdup(p, hash);
            note_ended(book, hash);
        }
    }
    apr_pool_destroy(sub);
    return rv;
}

/* ---- some of them ------------------------------------------------------------------------------ */

#define COLUMNS                                                                                    \
    "hash, guid, uid, array_to_string(tenants, ','), batch, browser, service,"                     \
    " (extract(epoch FROM created) * 1000000)::bigint,"                                            \
    " (extract(epoch FROM not_after) * 1000000)::bigint"

/* Those of a query, whose parts are $1 to $7. */
#define CHOSEN                                                                                     \
    " WHERE not_after > now() AND ended_by IS NULL"                                                \
    "   AND ($1::text IS NULL OR guid = $1)"                                                       \
    "   AND ($2::text IS NULL OR guid = $2 OR uid = $2)"                                           \
    "   AND ($3::text IS NULL OR hash >= $3 AND hash < $3 || 'g')"                                 \
    "   AND ($4::text IS NULL OR tenants <> '{{}' AND tenants <@ string_to_array($4, ','))"        \
    "   AND ($5::text IS NULL OR $5 = ANY (tenants))"                                              \
    "   AND ($6::text IS NULL OR batch = $6::boolean)"                                             \
    "   AND ($7::text IS NULL OR NOT starts_with(hash, $7))"
#define CHOSEN_ARGS 7

static apr_time_t time_of(const sb_rows_t *rows, int row, int col)
{
    return sb_rows_int(rows, row, col, 0);
}

static apr_array_header_t *split(const char *text, apr_pool_t *p)
{
    apr_array_header_t *texts = apr_array_make(p, 2, sizeof(const char *));
    char *state, *copy = apr_pstrdup(p, text);

    for (char *one = apr_strtok(copy, ",", &state); one; one = apr_strtok(NULL, ",", &state)) {
        APR_ARRAY_PUSH(texts, const char *) = one;
    }
    return texts;
}

static const apr_array_header_t *entries_of(const sb_rows_t *rows, apr_pool_t *p)
{
    int n = sb_rows_count(rows);
    apr_array_header_t *entries = apr_array_make(p, n ? n : 1, sizeof(sb_session_entry_t));

    for (int i = 0; i < n; i++) {
        APR_ARRAY_PUSH(entries, sb_session_entry_t) =
            (sb_session_entry_t){.hash = sb_rows_text(rows, i, 0),
                                 .guid = sb_rows_text(rows, i, 1),
                                 .uid = sb_rows_text(rows, i, 2),
                                 .tenants = split(sb_rows_text(rows, i, 3), p),
                                 .batch = sb_rows_bool(rows, i, 4) == 1,
                                 .browser = sb_rows_text(rows, i, 5),
                                 .service = sb_rows_text(rows, i, 6),
                                 .created = time_of(rows, i, 7),
                                 .not_after = time_of(rows, i, 8)};
    }
    return entries;
}

/* @param args room for CHOSEN_ARGS */
static void choose(const char **args, const sb_session_query_t *q, apr_pool_t *p)
{
    args[0] = q->user;
    args[1] = q->guid_or_uid;
    args[2] = q->ref;
    args[3] = joined(q->tenants, p);
    args[4] = q->tenant;
    args[5] = q->batch < 0 ? NULL : q->batch ? "t" : "f";
    args[6] = q->but;
}

/* @param what goes wrong, if it does */
static apr_status_t ask_for_entries(const apr_array_header_t **pentries, sb_session_book_t *book,
                                    const sb_stmt_t *st, const char *const *args, int number,
                                    const char *what, apr_pool_t *p)
{
    apr_pool_t *lease;
    apr_status_t rv;
    sb_rows_t *rows;
    sb_db_t *db;

    *pentries = NULL;
    apr_pool_create(&lease, p);
    rv = sb_dbpool_get(&db, book->write, lease); /* logs what goes wrong */
    if (rv == APR_SUCCESS) {
        rv = sb_db_query(&rows, db, st, args, p);
        if (rv == APR_SUCCESS) {
            *pentries = entries_of(rows, p);
        }
        else {
            sb_log(SB_LOG_ERROR, number, rv, "%s: %s", what, sb_db_error(db));
        }
    }
    apr_pool_destroy(lease);
    return rv;
}

apr_status_t sb_session_book_list(const apr_array_header_t **pentries, sb_session_book_t *book,
                                  const sb_session_query_t *query, apr_pool_t *p)
{
    static const sb_stmt_t st = {"session_list", CHOSEN_ARGS + 1,
                                 "SELECT " COLUMNS " FROM {schema}.session" CHOSEN
                                 " ORDER BY created DESC, hash LIMIT $8::text::int"};
    const char *args[CHOSEN_ARGS + 1];

    choose(args, query, p);
    args[CHOSEN_ARGS] = apr_itoa(p, SB_SESSION_BOOK_MANY + 1);
    return ask_for_entries(pentries, book, &st, args, SBLOGNO(1743), "listing sessions", p);
}

apr_status_t sb_session_book_end_all(const apr_array_header_t **pentries, sb_session_book_t *book,
                                     const sb_session_query_t *query, apr_pool_t *p)
{
    static const sb_stmt_t st = {
        "session_end_all", CHOSEN_ARGS,
        "WITH gone AS ("
        "    UPDATE {schema}.session SET ended_at = now(), ended_by = pg_current_xact_id()" CHOSEN
        "    RETURNING *),"
        " wanted AS ("
        "    INSERT INTO {schema}.proof_wanted (guid, since)"
        "    SELECT guid, now() FROM gone WHERE guid IS NOT NULL AND NOT batch"
        "     UNION SELECT $1, now() WHERE $1::text IS NOT NULL AND $3::text IS NULL"
        "     ORDER BY guid"
        "    ON CONFLICT (guid) DO UPDATE SET since = EXCLUDED.since)"
        " SELECT " COLUMNS " FROM gone"};
    const char *args[CHOSEN_ARGS];
    apr_status_t rv;

    *pentries = NULL;
    if (!query->user && !query->guid_or_uid && !query->ref && !query->tenant) {
        return APR_EINVAL;
    }
    choose(args, query, p);
    rv = ask_for_entries(pentries, book, &st, args, SBLOGNO(1790), "ending sessions", p);
    for (int i = 0; rv == APR_SUCCESS && i < (*pentries)->nelts; i++) {
        note_ended(book, APR_ARRAY_IDX(*pentries, i, const sb_session_entry_t).hash);
    }
    return rv;
}

apr_status_t sb_session_book_count(apr_int64_t *pall, apr_int64_t *pbatch, sb_session_book_t *book)
{
    static const sb_stmt_t st = {"session_count", 0,
                                 "SELECT count(*), count(*) FILTER (WHERE batch)"
                                 "  FROM {schema}.session"
                                 " WHERE not_after > now() AND ended_by IS NULL"};
    apr_status_t rv;
    sb_rows_t *rows;
    apr_pool_t *p;
    sb_db_t *db;

    *pall = *pbatch = 0;
    apr_pool_create(&p, NULL);
    rv = sb_dbpool_get(&db, book->write, p);
    if (rv == APR_SUCCESS) {
        rv = sb_db_query(&rows, db, &st, NULL, p);
        if (rv == APR_SUCCESS) {
            *pall = sb_rows_int(rows, 0, 0, 0);
            *pbatch = sb_rows_int(rows, 0, 1, 0);
        }
        else {
            sb_log(SB_LOG_ERROR, SBLOGNO(1744), rv, "counting sessions: %s", sb_db_error(db));
        }
    }
    apr_pool_destroy(p);
    return rv;
}
