/* Whose token is it? What is kept of answers, and who asks the verifier. */

#include <string.h>
#include <apr_strings.h>
#include <apr_thread_cond.h>
#include <apr_thread_mutex.h>
#include <curl/curl.h>
#include "auth/sb_bearer.h"
#include "auth/sb_verifier.h"
#include "core/sb_breaker.h"
#include "core/sb_json.h"
#include "core/sb_log.h"
#include "core/sb_time.h"
#include "store/sb_near.h"

#define NEAR_BYTES (1024 * 1024)
#define NEAR_ITEM 8192 /* what an opened record takes, about */
#define RECORD_VERSION 1
#define TURN_SECS 1.0      /* waiting for a free connection */
#define FOLLOW_SECS 2.0    /* waiting for who asks about the same token */
#define WAITING_FOR_EACH 2 /* threads a process may have waiting for each connection */

/* Somebody asks about a token; others with the same one wait for what he learns. */
typedef struct flight_t flight_t;
struct flight_t {
    flight_t *next;
    const char *hash;
    apr_pool_t *pool; /* of its own: the last one out destroys it */
    int waiting;      /* threads, who asks included */
    int done;
    apr_status_t rv;
    sb_bearer_told_t told;
    const char *record; /* as in the cache; NULL unless rv is APR_SUCCESS */
};

struct sb_bearers_t {
    const sb_bearer_config_t *config;
    const char *rules; /* what a token is judged by, tenants included */
    sb_cache_t *cache;
    sb_generations_t *generations;
    const sb_keyring_t *keys;
    const apr_array_header_t *tenants;
    sb_near_t *near;
    sb_breaker_t *breaker;
    apr_thread_mutex_t *mutex;
    apr_thread_cond_t *changed;
    flight_t *flights;
    int waiting;          /* threads of all flights, who asks included */
    sb_verifier_t **idle; /* connections nobody uses */
    int nidle;
};

static apr_status_t end_curl(void *data)
{
    (void)data;
    curl_global_cleanup();
    return APR_SUCCESS;
}

/* Grants are read by the tenants of an application: another one, with others, must not find them. */
static const char *rules_of(const sb_bearer_opts_t *o, apr_pool_t *p)
{
    const char *text = o->config->fingerprint;

    for (int i = 0; i < o->tenants->nelts; i++) {
        const sb_tenant_t *t = &APR_ARRAY_IDX(o->tenants, i, const sb_tenant_t);

        text = apr_pstrcat(p, text, "\n", t->name, " ", t->state_code ? t->state_code : "", NULL);
    }
    return text;
}

apr_status_t sb_bearers_make(sb_bearers_t **pb, const sb_bearer_opts_t *o, apr_pool_t *p)
{
    const sb_bearer_config_t *c = o->config;
    sb_bearers_t *b = apr_pcalloc(p, sizeof(*b));
    apr_status_t rv;

    *pb = b;
    b->config = c;
    b->rules = rules_of(o, p);
    b->cache = o->cache;
    b->generations = o->generations;
    b->keys = o->keys;
    b->tenants = o->tenants;
    b->idle = apr_pcalloc(p, (apr_size_t)c->connections * sizeof(*b->idle));
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return APR_EGENERAL;
    }
    apr_pool_cleanup_register(p, b, end_curl, apr_pool_cleanup_null);
    rv = sb_near_make(&b->near, NEAR_BYTES, p);
    if (rv == APR_SUCCESS) {
        rv = sb_breaker_make(&b->breaker, c->breaker_failures, c->breaker_pause, NULL, p);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_mutex_create(&b->mutex, APR_THREAD_MUTEX_DEFAULT, p);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_thread_cond_create(&b->changed, p);
    }
    while (rv == APR_SUCCESS && b->nidle < c->connections) {
        rv = sb_verifier_make(&b->idle[b->nidle], c, p);
        b->nidle += rv == APR_SUCCESS;
    }
    return rv;
}

/* ---- records: what a verified token is worth --------------------------------------------------- */

static const char *record_text(const sb_bearer_t *b, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_jw_int(w, "v", RECORD_VERSION);
    sb_jw_int(w, "until", b->until);
    sb_jw_int(w, "perms", b->perms);
    sb_jw_str(w, "client", b->client);
    sb_identity_save(w, "identity", b->identity);
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

/* @return NULL: it is none of this version */
static const sb_bearer_t *parse_record(const char *text, apr_size_t len,
                                       const apr_array_header_t *tenants, apr_pool_t *p)
{
    sb_bearer_t *b = apr_pcalloc(p, sizeof(*b));
    sb_identity_t *id = apr_pcalloc(p, sizeof(*id));
    apr_int64_t version, perms;
    sb_json_t *root;

    if (sb_json_parse(&root, NULL, text, len, NULL, p) != APR_SUCCESS ||
        sb_json_int(&version, sb_json_get(root, "v")) != APR_SUCCESS || version != RECORD_VERSION ||
        sb_json_int(&perms, sb_json_get(root, "perms")) != APR_SUCCESS ||
        sb_json_int(&b->until, sb_json_get(root, "until")) != APR_SUCCESS ||
        sb_identity_load(id, sb_json_get(root, "identity"), tenants, p) != APR_SUCCESS) {
        return NULL;
    }
    b->identity = id;
    b->perms = (unsigned)perms;
    b->client = sb_json_str(sb_json_get(root, "client"), NULL);
    return b;
}

/* Keep it in this process, and open it. */
static const sb_bearer_t *open_record(sb_bearers_t *bearers, const char *key, const char *text,
                                      apr_size_t len, apr_pool_t *p)
{
    apr_interval_time_t left;
    sb_near_item_t *item;
    const sb_bearer_t *b;
    apr_pool_t *own;

    if (!key || sb_near_begin(&item, &own, bearers->near, p) != APR_SUCCESS) {
        return parse_record(text, len, bearers->tenants, p);
    }
    b = parse_record(text, len, bearers->tenants, own);
    left = b ? b->until - apr_time_now() : 0;
    if (left > 0) {
        sb_near_put(bearers->near, key, item, b, NEAR_ITEM + len, left);
    }
    return b;
}

/* @return NULL: it is not there, or its time is up */
static const char *from_cache(apr_size_t *plen, sb_bearers_t *bearers, const char *key,
                              apr_pool_t *p)
{
    const sb_bearer_t *b;
    unsigned char *text;
    apr_size_t len;
    char *sealed;

    if (!key || sb_cache_get(&sealed, &len, bearers->cache, key, p) != APR_SUCCESS ||
        sb_unseal(&text, plen, bearers->keys, sealed, len, key, p) != APR_SUCCESS) {
        return NULL;
    }
    b = parse_record((const char *)text, *plen, bearers->tenants, p);
    return b && b->until > apr_time_now() ? (const char *)text : NULL;
}

/* A cache that does not take it costs a question more. */
static void into_cache(sb_bearers_t *bearers, const char *key, const char *text, apr_time_t until,
                       apr_pool_t *p)
{
    apr_interval_time_t left = until - apr_time_now();
    unsigned char *sealed;
    apr_size_t len;
    apr_status_t rv;

    if (!key || left <= 0) {
        return;
    }
    rv = sb_seal(&sealed, &len, bearers->keys, text, strlen(text), key, p);
    if (rv == APR_SUCCESS) {
        rv = sb_cache_set(bearers->cache, key, sealed, len, left);
    }
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_DEBUG, SBLOGNO(1722), rv, "keeping what a bearer token is worth");
    }
}

/* ---- asking the verifier ------------------------------------------------------------------------ */

static int wait_until(sb_bearers_t *bearers, double end)
{
    double left = end - sb_time_monotonic();

    return left > 0 && apr_thread_cond_timedwait(bearers->changed, bearers->mutex,
                                                 (apr_interval_time_t)(left * APR_USEC_PER_SEC) +
                                                     1) != APR_TIMEUP;
}

/* A connection for this thread alone; NULL: all are in use, for too long. */
static sb_verifier_t *take_connection(sb_bearers_t *bearers)
{
    double end = sb_time_monotonic() + TURN_SECS;
    sb_verifier_t *v = NULL;

    apr_thread_mutex_lock(bearers->mutex);
    while (!bearers->nidle && wait_until(bearers, end)) {
    }
    if (bearers->nidle) {
        v = bearers->idle[--bearers->nidle];
    }
    apr_thread_mutex_unlock(bearers->mutex);
    return v;
}

static void return_connection(sb_bearers_t *bearers, sb_verifier_t *v)
{
    apr_thread_mutex_lock(bearers->mutex);
    bearers->idle[bearers->nidle++] = v;
    apr_thread_cond_broadcast(bearers->changed);
    apr_thread_mutex_unlock(bearers->mutex);
}

/* Who is it, and how long is that believed? @return NULL, or the reason why nobody */
static const char *make_bearer(sb_bearer_t *b, const sb_token_claims_t *claims,
                               const sb_bearers_t *bearers, apr_pool_t *p)
{
    sb_identity_t *id = apr_pcalloc(p, sizeof(*id));
    apr_time_t until = apr_time_now() + bearers->config->cache;

    sb_identity_parse(id, &bearers->config->parser, claims->attributes, bearers->tenants, p);
    b->identity = id;
    b->client = claims->client;
    b->perms = claims->perms;
    b->until = claims->expires && claims->expires < until ? claims->expires : until;
    return sb_identity_is_somebody(id) ? NULL : "no_user";
}

static apr_status_t judge(const char **precord, apr_time_t *puntil, sb_bearer_told_t *told,
                          sb_token_verdict_t verdict, const sb_token_claims_t *claims,
                          const sb_bearers_t *bearers, apr_pool_t *p)
{
    sb_bearer_t b = {0};

    if (verdict == SB_TOKEN_GOOD) {
        told->reason = make_bearer(&b, claims, bearers, p);
    }
    if (told->reason) {
        return verdict == SB_TOKEN_UNKNOWN ? SB_EUNAVAILABLE : SB_EDENIED;
    }
    *precord = record_text(&b, p);
    *puntil = b.until;
    return APR_SUCCESS;
}

/* Does it complain about the question? Then it is neither down nor busy (408, 429), whatever is wrong. */
static int is_complaint(int status)
{
    return status >= 400 && status < 500 && status != 407 && status != 408 && status != 429;
}

/* One question over one connection. @return as sb_bearer_ask */
static apr_status_t ask(const char **precord, apr_time_t *puntil, sb_bearer_told_t *told,
                        sb_bearers_t *bearers, sb_verifier_t *v, const char *token, apr_pool_t *p)
{
    sb_breaker_pass_t pass = sb_breaker_enter(bearers->breaker, &told->wait);
    sb_token_verdict_t verdict = SB_TOKEN_UNKNOWN;
    sb_breaker_change_t change;
    sb_token_claims_t claims;
    const char *body, *why;
    apr_size_t len;
    int status = 0;

    if (pass == SB_BREAKER_NO) {
        told->reason = "verifier_down";
        return SB_EUNAVAILABLE;
    }
    told->asked = 1;
    if (sb_verifier_ask(&status, &body, &len, &why, v, token, p) == APR_SUCCESS) {
        verdict = sb_bearer_judge(&claims, &told->reason, bearers->config, token, status, body, len,
                                  apr_time_now(), p);
        why = told->reason;
    }
    else {
        told->reason = "no_answer";
    }
    change = sb_breaker_leave(bearers->breaker, pass,
                              verdict != SB_TOKEN_UNKNOWN || is_complaint(status));
    told->down = change == SB_BREAKER_OPENED;
    told->up = change == SB_BREAKER_CLOSED;
    if (verdict == SB_TOKEN_UNKNOWN) {
        told->wait = 1;
        sb_log(SB_LOG_WARN, SBLOGNO(1720), SB_NO_STATUS, "the verifier of bearer tokens: %s", why);
    }
    if (change != SB_BREAKER_AS_BEFORE) {
        sb_log(SB_LOG_WARN, SBLOGNO(1721), SB_NO_STATUS,
               told->down ? "the verifier of bearer tokens is not asked for a while"
                          : "the verifier of bearer tokens answers again");
    }
    return judge(precord, puntil, told, verdict, &claims, bearers, p);
}

/* What is the token worth? Another node may know by now. @param key NULL: nothing is kept */
static apr_status_t learn(const char **precord, sb_bearer_told_t *told, sb_bearers_t *bearers,
                          const char *key, const char *token, apr_pool_t *p)
{
    apr_time_t until = 0;
    apr_status_t rv;
    sb_verifier_t *v;
    apr_size_t len;

    *precord = from_cache(&len, bearers, key, p);
    if (*precord) {
        return APR_SUCCESS;
    }
    v = take_connection(bearers);
    if (!v) {
        told->reason = "busy";
        told->wait = 1;
        return SB_EUNAVAILABLE;
    }
    rv = ask(precord, &until, told, bearers, v, token, p);
    return_connection(bearers, v);
    if (rv == APR_SUCCESS) {
        into_cache(bearers, key, *precord, until, p);
    }
    return rv;
}

/* ---- one question about a token at a time ------------------------------------------------------- */

/* @param pfirst this thread is to ask. @return NULL: there are too many, or no memory */
static flight_t *board(int *pfirst, sb_bearers_t *bearers, const char *hash)
{
    apr_pool_t *pool;
    flight_t *f;

    *pfirst = 0;
    if (bearers->waiting >= WAITING_FOR_EACH * bearers->config->connections) {
        return NULL; /* also with one token many times: the other threads are for the other requests */
    }
    for (f = bearers->flights; f && strcmp(f->hash, hash) != 0; f = f->next) {
    }
    if (!f && apr_pool_create_unmanaged_ex(&pool, NULL, NULL) == APR_SUCCESS) {
        f = apr_pcalloc(pool, sizeof(*f));
        f->pool = pool;
        f->hash = apr_pstrdup(pool, hash);
        f->next = bearers->flights;
        bearers->flights = f;
        *pfirst = 1;
    }
    if (f) {
        f->waiting++;
        bearers->waiting++;
    }
    return f;
}

/* Who comes now asks anew. */
static void land(sb_bearers_t *bearers, flight_t *f)
{
    flight_t **at = &bearers->flights;

    while (*at != f) {
        at = &(*at)->next;
    }
    *at = f->next;
    f->done = 1;
    apr_thread_cond_broadcast(bearers->changed);
}

static void leave(sb_bearers_t *bearers, flight_t *f)
{
    bearers->waiting--;
    if (--f->waiting == 0) {
        apr_pool_destroy(f->pool);
    }
}

/* For those who wait, or come while they do: texts that outlive the request of who asked. */
static void tell_others(flight_t *f, apr_status_t rv, const sb_bearer_told_t *told,
                        const char *record)
{
    f->rv = rv;
    f->told.wait = told->wait;
    f->told.reason = told->reason ? apr_pstrdup(f->pool, told->reason) : NULL;
    f->record = record ? apr_pstrdup(f->pool, record) : NULL;
}

/* @param key, hash as in sb_bearer_ask() */
static apr_status_t fly(const char **precord, sb_bearer_told_t *told, sb_bearers_t *bearers,
                        const char *key, const char *hash, const char *token, apr_pool_t *p)
{
    double end = sb_time_monotonic() + FOLLOW_SECS;
    apr_status_t rv = SB_EUNAVAILABLE;
    const char *ref = told->ref;
    flight_t *f;
    int first;

    *precord = NULL;
    apr_thread_mutex_lock(bearers->mutex);
    f = board(&first, bearers, hash);
    if (first) {
        apr_thread_mutex_unlock(bearers->mutex);
        rv = learn(precord, told, bearers, key, token, p);
        apr_thread_mutex_lock(bearers->mutex);
        tell_others(f, rv, told, *precord);
        land(bearers, f);
    }
    else {
        while (f && !f->done && wait_until(bearers, end)) {
        }
        told->reason = "busy";
        told->wait = 1;
        if (f && f->done) {
            rv = f->rv;
            told->wait = f->told.wait;
            told->reason = f->told.reason ? apr_pstrdup(p, f->told.reason) : NULL;
            *precord = f->record ? apr_pstrdup(p, f->record) : NULL;
        }
        told->ref = ref;
    }
    if (f) {
        leave(bearers, f);
    }
    apr_thread_mutex_unlock(bearers->mutex);
    return rv;
}

/* ---- the call ------------------------------------------------------------------------------------ */

/* Its key in the caches; NULL: nothing is kept now. */
static const char *key_of(const sb_bearers_t *bearers, const char *hash, apr_pool_t *p)
{
    apr_int64_t generation;

    if (bearers->config->cache == 0 || sb_generation_find(&generation, bearers->generations,
                                                          SB_GENERATION_SESSION) != APR_SUCCESS) {
        return NULL;
    }
    return apr_psprintf(p, "g%" APR_INT64_T_FMT ":smarter_bearer_%s", generation, hash);
}

/* By which it is kept, together with the rules; hash of SB_SHA256_HEX_SIZE. */
static void hash_token(char *hash, sb_bearer_told_t *told, const sb_bearers_t *bearers,
                       const char *token, apr_pool_t *p)
{
    const char *text = apr_pstrcat(p, bearers->rules, "\n", token, NULL);

    memset(told, 0, sizeof(*told));
    told->ref = apr_pstrndup(p, sb_sha256_hex(hash, token, strlen(token)), 12);
    sb_sha256_hex(hash, text, strlen(text));
}

apr_status_t sb_bearer_known(const sb_bearer_t **pb, sb_bearer_told_t *told, sb_bearers_t *bearers,
                             const char *token, apr_pool_t *p)
{
    char hash[SB_SHA256_HEX_SIZE];
    const char *text, *key;
    apr_size_t len;

    *pb = NULL;
    memset(told, 0, sizeof(*told));
    if (!sb_bearer_is_token(token)) {
        told->reason = "syntax";
        return SB_EDENIED;
    }
    hash_token(hash, told, bearers, token, p);
    key = key_of(bearers, hash, p);
    *pb = key ? sb_near_get(bearers->near, key, p) : NULL;
    if (*pb && (*pb)->until > apr_time_now()) {
        return APR_SUCCESS;
    }
    text = from_cache(&len, bearers, key, p);
    *pb = text ? open_record(bearers, key, text, len, p) : NULL;
    return *pb ? APR_SUCCESS : APR_NOTFOUND;
}

apr_status_t sb_bearer_ask(const sb_bearer_t **pb, sb_bearer_told_t *told, sb_bearers_t *bearers,
                           const char *token, apr_pool_t *p)
{
    char hash[SB_SHA256_HEX_SIZE];
    const char *text, *key;
    apr_status_t rv;

    hash_token(hash, told, bearers, token, p);
    key = key_of(bearers, hash, p);
    rv = fly(&text, told, bearers, key, hash, token, p);
    *pb = rv == APR_SUCCESS ? open_record(bearers, key, text, strlen(text), p) : NULL;
    return rv == APR_SUCCESS && !*pb ? APR_EGENERAL : rv;
}
