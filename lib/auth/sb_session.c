/* Sessions in memcached: sealed records and limits; and the ways to end them. */

#include <stdlib.h>
#include <string.h>
#include <apr_atomic.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include "auth/sb_session.h"
#include "core/sb_json.h"
#include "core/sb_log.h"

#define ID_BYTES 32
#define CSRF_BYTES 16
#define RECORD_VERSION 2               /* the newest that is understood here */
#define SEEN_GAP apr_time_from_sec(60) /* how stale "seen" may get, at most */
#define NEAR_BYTES 16384               /* what an opened record takes, about */

static apr_time_t now_of(const sb_session_store_t *store)
{
    return store->clock ? store->clock() : apr_time_now();
}

/* Seen is written again after a tenth of the idle limit, at most a minute: not at each request. */
static apr_interval_time_t seen_gap(const sb_session_store_t *store)
{
    apr_interval_time_t gap = store->idle / 10;

    return gap < SEEN_GAP ? gap : SEEN_GAP;
}

static int is_hex(const char *text, apr_size_t len)
{
    apr_size_t n = 0;

    for (; text && text[n] && n <= len; n++) {
        if (!apr_isdigit(text[n]) && !(text[n] >= 'a' && text[n] <= 'f')) {
            return 0;
        }
    }
    return n == len;
}

static int id_is_valid(const char *id)
{
    return is_hex(id, SB_SESSION_ID_LEN);
}

int sb_session_ref_is_valid(const char *ref)
{
    return is_hex(ref, SB_SESSION_REF_LEN);
}

static const char *hash_of(const char *text, apr_pool_t *p)
{
    char *hex = apr_palloc(p, SB_SHA256_HEX_SIZE);

    return sb_sha256_hex(hex, text, strlen(text));
}

const char *sb_session_ref(const char *id, apr_pool_t *p)
{
    return apr_pstrndup(p, hash_of(id, p), SB_SESSION_REF_LEN);
}

/* ---- sealed values: bound to the key they stand under ------------------------------------------ */

static const char *record_key(const char *hash, apr_pool_t *p)
{
    return apr_pstrcat(p, "smarter_session_", hash, NULL);
}

static const char *lasso_key(const char *hash, apr_pool_t *p)
{
    return apr_pstrcat(p, "smarter_lasso_", hash, NULL);
}

/* The key as it stands in the cache: in front of it the generation, to which what is sealed is bound, too. */
static apr_status_t full_key(const char **pfull, const sb_session_store_t *store, const char *key,
                             apr_pool_t *p)
{
    apr_int64_t generation;
    apr_status_t rv = sb_generation_find(&generation, store->generations, SB_GENERATION_SESSION);

    *pfull = generation ? apr_psprintf(p, "g%" APR_INT64_T_FMT ":%s", generation, key) : key;
    return rv;
}

typedef apr_status_t put_fn(sb_cache_t *c, const char *key, const void *data, apr_size_t len,
                            apr_interval_time_t expire);

static apr_status_t put(put_fn *fn, const sb_session_store_t *store, const char *key,
                        const char *text, apr_size_t len, apr_interval_time_t expire, apr_pool_t *p)
{
    unsigned char *sealed;
    apr_size_t sealed_len;
    apr_status_t rv = full_key(&key, store, key, p);

    if (rv == APR_SUCCESS) {
        rv = sb_seal(&sealed, &sealed_len, store->keys, text, len, key, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    /* 0 would mean "for ever" */
    return fn(store->cache, key, sealed, sealed_len, expire > 0 ? expire : 1);
}

/* @return APR_NOTFOUND also for what we did not seal */
static apr_status_t fetch(char **ptext, apr_size_t *plen, const sb_session_store_t *store,
                          const char *key, apr_pool_t *p)
{
    unsigned char *text;
    apr_status_t rv;

    *ptext = NULL;
    rv = full_key(&key, store, key, p);
    if (rv == APR_SUCCESS) {
        rv = sb_cache_get(ptext, plen, store->cache, key, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = sb_unseal(&text, plen, store->keys, *ptext, *plen, key, p);
    *ptext = (char *)text;
    return rv == APR_SUCCESS ? APR_SUCCESS : APR_NOTFOUND; /* a key was changed, or it is forged */
}

static apr_status_t drop(const sb_session_store_t *store, const char *key, apr_pool_t *p)
{
    apr_status_t rv = full_key(&key, store, key, p);

    return rv == APR_SUCCESS ? sb_cache_delete(store->cache, key) : rv;
}

/* ---- the record -------------------------------------------------------------------------------- */

/* "v" is the oldest version that understands the record, for nodes and processes of two versions serve side by side
 * while an upgrade goes on. The first one wants a "slot", has none at -1, and would take a batch session for a
 * person's. */
static apr_status_t put_record(put_fn *fn, const sb_session_store_t *store, const sb_session_t *s,
                               apr_pool_t *p)
{
    apr_interval_time_t left = s->not_after - s->seen;
    apr_interval_time_t expire = s->identity->batch ? left : store->idle + seen_gap(store);
    sb_jw_t *w = sb_jw_make(p);
    const char *text;
    apr_size_t len;

    sb_jw_object(w, NULL);
    sb_jw_int(w, "v", s->identity->batch ? 2 : 1);
    sb_jw_int(w, "slot", -1);
    sb_jw_int(w, "created", s->created);
    sb_jw_int(w, "seen", s->seen);
    sb_jw_int(w, "not_after", s->not_after);
    sb_jw_str(w, "name_id", s->name_id);
    sb_jw_str(w, "session_index", s->session_index);
    sb_jw_str(w, "csrf", s->csrf);
    sb_identity_save(w, "identity", s->identity);
    sb_jw_str(w, "batch", s->identity->batch);
    sb_jw_end(w);
    text = sb_jw_text(w, &len);
    return put(fn, store, record_key(hash_of(s->id, p), p), text, len,
               left < expire ? left : expire, p);
}

static int read_time(apr_time_t *pt, const sb_json_t *root, const char *name)
{
    return sb_json_int(pt, sb_json_get(root, name)) == APR_SUCCESS;
}

/* @return APR_NOTFOUND for anything but a record of somebody that this version understands */
static apr_status_t parse_record(sb_session_t *s, const char *text, apr_size_t len,
                                 const sb_session_store_t *store, apr_pool_t *p)
{
    apr_int64_t version;
    sb_json_t *root;

    if (sb_json_parse(&root, NULL, text, len, NULL, p) != APR_SUCCESS ||
        sb_json_int(&version, sb_json_get(root, "v")) != APR_SUCCESS || version < 1 ||
        version > RECORD_VERSION || !read_time(&s->created, root, "created") ||
        !read_time(&s->seen, root, "seen") || !read_time(&s->not_after, root, "not_after")) {
        return APR_NOTFOUND;
    }
    s->name_id = sb_json_str(sb_json_get(root, "name_id"), NULL);
    s->session_index = sb_json_str(sb_json_get(root, "session_index"), NULL);
    s->csrf = sb_json_str(sb_json_get(root, "csrf"), NULL);
    s->identity = apr_pcalloc(p, sizeof(*s->identity));
    if (!s->csrf || sb_identity_load(s->identity, sb_json_get(root, "identity"), store->tenants,
                                     p) != APR_SUCCESS) {
        return APR_NOTFOUND;
    }
    s->identity->batch = sb_json_str(sb_json_get(root, "batch"), NULL);
    return sb_identity_is_somebody(s->identity) ? APR_SUCCESS : APR_NOTFOUND;
}

/* ---- ended, for all processes of this node -------------------------------------------------------- */

/* Groups are by the hash's first digits: two sessions of one group cost a look at memcached. */
static apr_uint32_t *group_of(const sb_session_store_t *store, const char *hash)
{
    char digits[4] = {hash[0], hash[1], hash[2], 0};

    return &store->ended[strtoul(digits, NULL, 16) % SB_SESSION_GROUPS];
}

static apr_uint32_t mark_of(const sb_session_store_t *store, const char *hash)
{
    return store->ended ? apr_atomic_read32(group_of(store, hash)) : 0;
}

static void mark_ended(const sb_session_store_t *store, const char *hash)
{
    if (store->ended) {
        apr_atomic_inc32(group_of(store, hash));
    }
}

static apr_status_t find_by_hash(sb_session_t *s, const sb_session_store_t *store, const char *hash,
                                 apr_pool_t *p)
{
    apr_status_t rv;
    apr_size_t len;
    char *text;

    rv = fetch(&text, &len, store, record_key(hash, p), p);
    return rv == APR_SUCCESS ? parse_record(s, text, len, store, p) : rv;
}

/* What lets somebody in, as far as memcached has it. */
static apr_status_t drop_records(const sb_session_store_t *store, const char *hash, apr_pool_t *p)
{
    apr_status_t rv = drop(store, record_key(hash, p), p);
    apr_status_t rest = drop(store, lasso_key(hash, p), p);

    mark_ended(store, hash); /* behind it, or it could be opened once more under the new mark */
    return rv != APR_SUCCESS ? rv : rest;
}

/* The book first, then the record. What is over by the book is over, whatever memcached does; but all is done
 * that can be done. */
static apr_status_t end_by_hash(const sb_session_store_t *store, const char *hash, apr_pool_t *p)
{
    apr_status_t booked = store->book ? sb_session_book_end(store->book, hash) : APR_SUCCESS;
    apr_status_t dropped = drop_records(store, hash, p);

    return store->book ? booked : dropped;
}

/* ---- the calls --------------------------------------------------------------------------------- */

/* Before there is a record: what nobody could end for sure is not begun. */
static apr_status_t book_session(const sb_session_store_t *store, const sb_session_t *s,
                                 apr_pool_t *p)
{
    sb_session_entry_t entry = {.hash = hash_of(s->id, p),
                                .guid = s->identity->guid,
                                .uid = s->identity->uid,
                                .tenants = s->identity->tenants,
                                .batch = s->identity->batch != NULL,
                                .name_hash = s->name_id ? hash_of(s->name_id, p) : NULL,
                                .index_hash =
                                    s->session_index ? hash_of(s->session_index, p) : NULL,
                                .browser = s->browser ? s->browser : "",
                                .service = store->service ? store->service : "",
                                .created = s->created,
                                .not_after = s->not_after,
                                .proved = s->proved};

    return store->book ? sb_session_book_add(store->book, &entry) : APR_SUCCESS;
}

apr_status_t sb_session_create(sb_session_t *s, const sb_session_store_t *store, apr_pool_t *p)
{
    apr_interval_time_t left;
    apr_status_t rv;

    s->created = s->seen = now_of(store);
    if (!s->identity->batch && (s->not_after == 0 || s->not_after > s->created + store->absolute)) {
        s->not_after = s->created + store->absolute;
    }
    left = s->not_after - s->created;
    if (left <= 0) {
        return SB_EEXPIRED;
    }
    s->id = sb_random_hex(ID_BYTES, p);
    s->csrf = sb_random_hex(CSRF_BYTES, p);
    if (!s->id || !s->csrf) {
        return APR_EGENERAL;
    }
    rv = book_session(store, s, p);
    if (rv == APR_SUCCESS && s->lasso_dump) {
        rv = put(sb_cache_set, store, lasso_key(hash_of(s->id, p), p), s->lasso_dump,
                 strlen(s->lasso_dump), left, p);
    }
    return rv == APR_SUCCESS ? put_record(sb_cache_set, store, s, p) : rv;
}

/* A record as this process keeps it. */
typedef struct {
    sb_session_t session;
    apr_uint32_t mark; /* of its group before it was read */
} opened_t;

/* Read it from memcached, and keep it. @param popened valid until p is cleared
 * @param key of the process's own memory */
static apr_status_t open_record(const opened_t **popened, const sb_session_store_t *store,
                                const char *hash, const char *key, apr_pool_t *p)
{
    sb_near_item_t *item = NULL;
    apr_pool_t *own = p;
    opened_t *o;
    apr_status_t rv = store->near ? sb_near_begin(&item, &own, store->near, p) : APR_SUCCESS;

    *popened = NULL;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    o = apr_pcalloc(own, sizeof(*o));
    o->mark = mark_of(store, hash);
    rv = find_by_hash(&o->session, store, hash, own);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (item) {
        sb_near_put(store->near, key, item, o, NEAR_BYTES, SB_SESSION_TRUST);
    }
    *popened = o;
    return APR_SUCCESS;
}

static apr_status_t find_opened(const opened_t **popened, const sb_session_store_t *store,
                                const char *hash, apr_pool_t *p)
{
    const char *key;
    apr_status_t rv = full_key(&key, store, hash, p);

    *popened = store->near && rv == APR_SUCCESS ? sb_near_get(store->near, key, p) : NULL;
    if (rv != APR_SUCCESS || (*popened && (*popened)->mark == mark_of(store, hash))) {
        return rv;
    }
    return open_record(popened, store, hash, key, p);
}

apr_time_t sb_session_ends(apr_time_t *pabsolute, const sb_session_store_t *store,
                           const sb_session_t *s)
{
    apr_time_t ours = s->created + store->absolute, idle = s->seen + store->idle;

    *pabsolute = s->not_after;
    if (s->identity->batch) {
        return s->not_after;
    }
    /* The limits of now count, also for sessions made under longer ones. */
    if (ours < *pabsolute) {
        *pabsolute = ours;
    }
    return idle < *pabsolute ? idle : *pabsolute;
}

apr_status_t sb_session_look(sb_session_t **ps, const sb_session_store_t *store, const char *id,
                             apr_pool_t *p)
{
    const opened_t *opened;
    const char *hash;
    apr_time_t absolute;
    apr_status_t rv = APR_SUCCESS;
    sb_session_t *s;
    int ended = 0;

    *ps = NULL;
    if (!id_is_valid(id)) {
        return APR_NOTFOUND;
    }
    hash = hash_of(id, p);
    if (store->book) {
        rv = sb_session_book_ended(&ended, store->book, hash);
    }
    if (rv == APR_SUCCESS) {
        rv = ended ? APR_NOTFOUND : find_opened(&opened, store, hash, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    s = apr_pmemdup(p, &opened->session, sizeof(*s));
    s->id = apr_pstrdup(p, id);
    if (now_of(store) >= sb_session_ends(&absolute, store, s)) {
        return APR_NOTFOUND;
    }
    *ps = s;
    return APR_SUCCESS;
}

/* @return APR_NOTFOUND ended while we looked */
static apr_status_t write_seen(sb_session_t *s, const sb_session_store_t *store, apr_pool_t *p)
{
    s->seen = now_of(store);
    return put_record(sb_cache_replace, store, s, p);
}

apr_status_t sb_session_use(sb_session_t *s, const sb_session_store_t *store, apr_pool_t *p)
{
    return now_of(store) - s->seen >= seen_gap(store) ? write_seen(s, store, p) : APR_SUCCESS;
}

apr_status_t sb_session_touch(sb_session_t *s, const sb_session_store_t *store, apr_pool_t *p)
{
    sb_session_t *found;
    apr_status_t rv;

    rv = sb_session_look(&found, store, s->id, p);
    return rv == APR_SUCCESS ? write_seen(s, store, p) : rv;
}

apr_status_t sb_session_end(const sb_session_store_t *store, const char *id)
{
    apr_pool_t *p;
    apr_status_t rv;

    if (!id_is_valid(id)) {
        return APR_SUCCESS;
    }
    rv = apr_pool_create(&p, NULL);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = end_by_hash(store, hash_of(id, p), p);
    apr_pool_destroy(p);
    return rv;
}

const char *sb_session_lasso(const sb_session_store_t *store, const sb_session_t *s, apr_pool_t *p)
{
    apr_size_t len;
    char *text;

    return fetch(&text, &len, store, lasso_key(hash_of(s->id, p), p), p) == APR_SUCCESS ? text
                                                                                        : NULL;
}

/* ---- others' sessions -------------------------------------------------------------------------- */

/* One that is over by the book. */
static void forget(const sb_session_store_t *store, const char *hash, apr_pool_t *p)
{
    if (drop_records(store, hash, p) != APR_SUCCESS) {
        sb_log(SB_LOG_DEBUG, SBLOGNO(1600), SB_NO_STATUS,
               "the record of an ended session stays until it expires");
    }
}

apr_status_t sb_session_end_all(const apr_array_header_t **pentries,
                                const sb_session_store_t *store, const sb_session_query_t *query,
                                apr_pool_t *p)
{
    apr_status_t rv = sb_session_book_end_all(pentries, store->book, query, p);

    if (rv != APR_SUCCESS) {
        *pentries = apr_array_make(p, 1, sizeof(sb_session_entry_t));
    }
    for (int i = 0; i < (*pentries)->nelts; i++) {
        forget(store, APR_ARRAY_IDX(*pentries, i, const sb_session_entry_t).hash, p);
    }
    return rv;
}

apr_status_t sb_session_end_named(int *pended, const char **plasso, const sb_session_store_t *store,
                                  const sb_session_named_t *named, apr_pool_t *p)
{
    sb_session_order_t order = {.issuer = named->issuer,
                                .message_id = named->message_id,
                                .message_end = named->message_end,
                                .name_hash = hash_of(named->name_id, p),
                                .index_hash =
                                    named->session_index ? hash_of(named->session_index, p) : NULL};
    const apr_array_header_t *hashes;
    apr_status_t rv = sb_session_book_end_named(&hashes, store->book, &order, p);

    *pended = hashes->nelts;
    *plasso = NULL;
    for (int i = 0; i < hashes->nelts; i++) {
        const char *hash = APR_ARRAY_IDX(hashes, i, const char *);
        apr_size_t len;
        char *lasso;

        if (!*plasso && fetch(&lasso, &len, store, lasso_key(hash, p), p) == APR_SUCCESS) {
            *plasso = lasso;
        }
        forget(store, hash, p);
    }
    return rv;
}

/* One of the book that memcached has no more, or that was not used for too long, is over. */
static int is_alive(sb_session_listed_t *listed, const sb_session_store_t *store, apr_pool_t *p)
{
    apr_time_t absolute;
    sb_session_t s = {0};
    apr_status_t rv;

    rv = find_by_hash(&s, store, listed->entry->hash, p);
    if (rv == APR_SUCCESS) {
        listed->seen = s.seen;
        return now_of(store) < sb_session_ends(&absolute, store, &s);
    }
    return rv != APR_NOTFOUND;
}

apr_status_t sb_session_list(const apr_array_header_t **plist, int *pmore,
                             const sb_session_store_t *store, const sb_session_query_t *query,
                             apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 8, sizeof(sb_session_listed_t));
    const apr_array_header_t *entries;
    apr_pool_t *sub;
    apr_status_t rv = sb_session_book_list(&entries, store->book, query, p);

    *plist = list;
    *pmore = 0;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    *pmore = entries->nelts > SB_SESSION_BOOK_MANY;
    apr_pool_create(&sub, p);
    for (int i = 0; i < entries->nelts && i < SB_SESSION_BOOK_MANY; i++) {
        sb_session_listed_t one = {.entry = &APR_ARRAY_IDX(entries, i, const sb_session_entry_t)};

        apr_pool_clear(sub);
        if (is_alive(&one, store, sub)) {
            APR_ARRAY_PUSH(list, sb_session_listed_t) = one;
        }
    }
    apr_pool_destroy(sub);
    return APR_SUCCESS;
}
