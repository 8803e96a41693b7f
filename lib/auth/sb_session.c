/* Sessions in memcached: sealed records, limits, and the way from a name to its sessions. */

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
#define RECORD_VERSION 1
#define SEEN_GAP apr_time_from_sec(60) /* how stale "seen" may get, at most */
#define NEAR_BYTES 16384               /* what an opened record takes, about */

/* What a slot of a name holds. */
typedef struct {
    const char *hash; /* of the session's id */
    const char *session_index;
} slot_t;

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

static int id_is_valid(const char *id)
{
    apr_size_t n = 0;

    for (; id && id[n] && n <= SB_SESSION_ID_LEN; n++) {
        if (!apr_isdigit(id[n]) && !(id[n] >= 'a' && id[n] <= 'f')) {
            return 0;
        }
    }
    return n == SB_SESSION_ID_LEN;
}

static const char *hash_of(const char *text, apr_pool_t *p)
{
    char *hex = apr_palloc(p, SB_SHA256_HEX_SIZE);

    return sb_sha256_hex(hex, text, strlen(text));
}

const char *sb_session_ref(const char *id, apr_pool_t *p)
{
    return apr_pstrndup(p, hash_of(id, p), 12);
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

static const char *slot_key(const char *name_id, int slot, apr_pool_t *p)
{
    return apr_psprintf(p, "smarter_name_%s_%d", hash_of(name_id, p), slot);
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

static apr_status_t put_record(put_fn *fn, const sb_session_store_t *store, const sb_session_t *s,
                               int slot, apr_pool_t *p)
{
    apr_interval_time_t left = s->not_after - s->seen;
    apr_interval_time_t expire = store->idle + seen_gap(store);
    sb_jw_t *w = sb_jw_make(p);
    const char *text;
    apr_size_t len;

    sb_jw_object(w, NULL);
    sb_jw_int(w, "v", RECORD_VERSION);
    sb_jw_int(w, "created", s->created);
    sb_jw_int(w, "seen", s->seen);
    sb_jw_int(w, "not_after", s->not_after);
    sb_jw_str(w, "name_id", s->name_id);
    sb_jw_str(w, "session_index", s->session_index);
    sb_jw_int(w, "slot", slot);
    sb_jw_str(w, "csrf", s->csrf);
    sb_identity_save(w, "identity", s->identity);
    sb_jw_end(w);
    text = sb_jw_text(w, &len);
    return put(fn, store, record_key(hash_of(s->id, p), p), text, len,
               left < expire ? left : expire, p);
}

static int read_time(apr_time_t *pt, const sb_json_t *root, const char *name)
{
    return sb_json_int(pt, sb_json_get(root, name)) == APR_SUCCESS;
}

/* @return APR_NOTFOUND for anything but a record of this version */
static apr_status_t parse_record(sb_session_t *s, int *pslot, const char *text, apr_size_t len,
                                 const sb_session_store_t *store, apr_pool_t *p)
{
    apr_int64_t version, slot;
    sb_json_t *root;

    if (sb_json_parse(&root, NULL, text, len, NULL, p) != APR_SUCCESS ||
        sb_json_int(&version, sb_json_get(root, "v")) != APR_SUCCESS || version != RECORD_VERSION ||
        !read_time(&s->created, root, "created") || !read_time(&s->seen, root, "seen") ||
        !read_time(&s->not_after, root, "not_after") ||
        sb_json_int(&slot, sb_json_get(root, "slot")) != APR_SUCCESS) {
        return APR_NOTFOUND;
    }
    *pslot = (int)slot;
    s->name_id = sb_json_str(sb_json_get(root, "name_id"), NULL);
    s->session_index = sb_json_str(sb_json_get(root, "session_index"), NULL);
    s->csrf = sb_json_str(sb_json_get(root, "csrf"), NULL);
    s->identity = apr_pcalloc(p, sizeof(*s->identity));
    if (!s->csrf || sb_identity_load(s->identity, sb_json_get(root, "identity"), store->tenants,
                                     p) != APR_SUCCESS) {
        return APR_NOTFOUND;
    }
    return APR_SUCCESS;
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

static apr_status_t find_by_hash(sb_session_t *s, int *pslot, const sb_session_store_t *store,
                                 const char *hash, apr_pool_t *p)
{
    apr_status_t rv;
    apr_size_t len;
    char *text;

    rv = fetch(&text, &len, store, record_key(hash, p), p);
    return rv == APR_SUCCESS ? parse_record(s, pslot, text, len, store, p) : rv;
}

/* ---- the sessions of one name ------------------------------------------------------------------ */

static const char *slot_text(const slot_t *slot, apr_size_t *plen, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "hash", slot->hash);
    sb_jw_str(w, "session_index", slot->session_index);
    sb_jw_end(w);
    return sb_jw_text(w, plen);
}

static apr_status_t read_slot(slot_t *slot, const sb_session_store_t *store, const char *key,
                              apr_pool_t *p)
{
    apr_status_t rv;
    sb_json_t *root;
    apr_size_t len;
    char *text;

    rv = fetch(&text, &len, store, key, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (sb_json_parse(&root, NULL, text, len, NULL, p) != APR_SUCCESS) {
        return APR_NOTFOUND;
    }
    slot->hash = sb_json_str(sb_json_get(root, "hash"), NULL);
    slot->session_index = sb_json_str(sb_json_get(root, "session_index"), NULL);
    return slot->hash ? APR_SUCCESS : APR_NOTFOUND;
}

/* The record first: it is what lets somebody in. */
static apr_status_t end_by_hash(const sb_session_store_t *store, const char *hash, apr_pool_t *p)
{
    apr_status_t rv = drop(store, record_key(hash, p), p);
    apr_status_t rest = drop(store, lasso_key(hash, p), p);

    mark_ended(store, hash); /* behind it, or it could be opened once more under the new mark */
    return rv != APR_SUCCESS ? rv : rest;
}

/* Adding is atomic, so two sign-ins of one name never take the same slot. */
static apr_status_t take_slot(int *pslot, const sb_session_store_t *store, const sb_session_t *s,
                              apr_interval_time_t expire, apr_pool_t *p)
{
    slot_t mine = {hash_of(s->id, p), s->session_index}, other;
    apr_size_t len;
    const char *text = slot_text(&mine, &len, p);
    apr_status_t rv = APR_EEXIST;
    const char *key;
    unsigned char any;
    int i;

    *pslot = -1;
    if (!s->name_id) {
        return APR_SUCCESS;
    }
    for (i = 0; i < SB_SESSIONS_OF_ONE_NAME && rv == APR_EEXIST; i++) {
        *pslot = i;
        rv = put(sb_cache_add, store, slot_key(s->name_id, i, p), text, len, expire, p);
    }
    if (rv != APR_EEXIST) {
        return rv;
    }
    rv = sb_random(&any, sizeof(any));
    if (rv != APR_SUCCESS) {
        return rv;
    }
    *pslot = any % SB_SESSIONS_OF_ONE_NAME;
    key = slot_key(s->name_id, *pslot, p);
    rv = read_slot(&other, store, key, p);
    if (rv == APR_SUCCESS) {
        rv = end_by_hash(store, other.hash, p);
    }
    if (rv != APR_SUCCESS && rv != APR_NOTFOUND) {
        return rv;
    }
    return put(sb_cache_set, store, key, text, len, expire, p);
}

/* Free a slot, unless it has gone to another session meanwhile. */
static void free_slot(const sb_session_store_t *store, const sb_session_t *s, int slot,
                      const char *hash, apr_pool_t *p)
{
    const char *key;
    slot_t have;

    if (!s->name_id || slot < 0) {
        return;
    }
    key = slot_key(s->name_id, slot, p);
    if (read_slot(&have, store, key, p) == APR_SUCCESS && !strcmp(have.hash, hash) &&
        drop(store, key, p) != APR_SUCCESS) {
        sb_log(SB_LOG_DEBUG, SBLOGNO(1600), SB_NO_STATUS,
               "a slot of a name stays until it expires");
    }
}

/* ---- the calls --------------------------------------------------------------------------------- */

apr_status_t sb_session_create(sb_session_t *s, const sb_session_store_t *store, apr_pool_t *p)
{
    apr_interval_time_t left;
    apr_status_t rv;
    int slot;

    s->created = s->seen = now_of(store);
    if (s->not_after == 0 || s->not_after > s->created + store->absolute) {
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
    rv = take_slot(&slot, store, s, left, p);
    if (rv == APR_SUCCESS && s->lasso_dump) {
        rv = put(sb_cache_set, store, lasso_key(hash_of(s->id, p), p), s->lasso_dump,
                 strlen(s->lasso_dump), left, p);
    }
    return rv == APR_SUCCESS ? put_record(sb_cache_set, store, s, slot, p) : rv;
}

/* A record as this process keeps it: the session, and what is needed to write it again. */
typedef struct {
    sb_session_t session;
    int slot;
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
    rv = find_by_hash(&o->session, &o->slot, store, hash, own);
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

apr_status_t sb_session_find(sb_session_t **ps, const sb_session_store_t *store, const char *id,
                             apr_pool_t *p)
{
    apr_time_t now = now_of(store);
    const opened_t *opened;
    apr_status_t rv;
    sb_session_t *s;

    *ps = NULL;
    if (!id_is_valid(id)) {
        return APR_NOTFOUND;
    }
    rv = find_opened(&opened, store, hash_of(id, p), p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    s = apr_pmemdup(p, &opened->session, sizeof(*s));
    s->id = apr_pstrdup(p, id);
    /* The limits of now count, also for sessions made under longer ones. */
    if (now >= s->not_after || now >= s->created + store->absolute ||
        now >= s->seen + store->idle) {
        return APR_NOTFOUND;
    }
    if (now - s->seen >= seen_gap(store)) {
        s->seen = now;
        rv = put_record(sb_cache_replace, store, s, opened->slot, p);
        if (rv != APR_SUCCESS) {
            return rv; /* APR_NOTFOUND: ended while we looked */
        }
    }
    *ps = s;
    return APR_SUCCESS;
}

apr_status_t sb_session_end(const sb_session_store_t *store, const char *id)
{
    sb_session_t s = {0};
    const char *hash;
    apr_pool_t *p;
    apr_status_t rv;
    int slot;

    if (!id_is_valid(id)) {
        return APR_SUCCESS;
    }
    rv = apr_pool_create(&p, NULL);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    hash = hash_of(id, p);
    if (find_by_hash(&s, &slot, store, hash, p) == APR_SUCCESS) {
        free_slot(store, &s, slot, hash, p);
    }
    rv = end_by_hash(store, hash, p);
    apr_pool_destroy(p);
    return rv;
}

apr_status_t sb_session_end_named(int *pended, const char **plasso, const sb_session_store_t *store,
                                  const char *name_id, const char *session_index, apr_pool_t *p)
{
    apr_status_t worst = APR_SUCCESS, rv;
    int i;

    *pended = 0;
    *plasso = NULL;
    for (i = 0; i < SB_SESSIONS_OF_ONE_NAME; i++) {
        const char *key = slot_key(name_id, i, p);
        apr_size_t len;
        char *lasso;
        slot_t slot;

        rv = read_slot(&slot, store, key, p);
        if (rv == APR_SUCCESS && session_index && slot.session_index &&
            strcmp(session_index, slot.session_index)) {
            continue;
        }
        if (rv == APR_SUCCESS) {
            if (!*plasso && fetch(&lasso, &len, store, lasso_key(slot.hash, p), p) == APR_SUCCESS) {
                *plasso = lasso;
            }
            rv = end_by_hash(store, slot.hash, p);
            *pended += rv == APR_SUCCESS;
        }
        if (rv == APR_SUCCESS) {
            rv = drop(store, key, p);
        }
        if (rv != APR_SUCCESS && rv != APR_NOTFOUND) {
            worst = rv;
        }
    }
    return worst;
}

const char *sb_session_lasso(const sb_session_store_t *store, const sb_session_t *s, apr_pool_t *p)
{
    apr_size_t len;
    char *text;

    return fetch(&text, &len, store, lasso_key(hash_of(s->id, p), p), p) == APR_SUCCESS ? text
                                                                                        : NULL;
}
