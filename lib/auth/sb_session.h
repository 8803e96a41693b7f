#ifndef SB_SESSION_H
#define SB_SESSION_H

/**
 * Sessions: an opaque 256-bit id in the browser, a sealed record in memcached under the id's hash.
 * Losing the record means signing in again by a silent round trip. Idle and absolute limits.
 *
 * In memcached (all sealed; H is the SHA-256 of the id):
 *   smarter_session_H    the record; replaced, never set, once it is there: an ended session cannot
 *                        come back by a request that was under way
 *   smarter_lasso_H      Lasso's session, needed only at sign-out
 * Where sessions have generations, each key begins with theirs: raising it signs everybody out.
 *
 * A process that has just opened a record may use it again for a second without asking memcached. Whoever
 * ends a session on this node also raises the counter of the session's group, which all processes of the
 * node share: there it is over at once, on other nodes within that second.
 *
 * Each session is also in the book (sb_session_book.h), before its record is made. Ending one is written there
 * first: a memcached that was cut off meanwhile cannot bring it back. By the book, too, the sessions of a name are
 * found: one whose record is out of reach just now ends as well.
 *
 * A batch session belongs to a program, not to a person: identity->batch is its name. It has no idle limit, and
 * its end is its own.
 *
 * Records say which versions understand them, so that an upgrade signs nobody out while nodes and processes of two
 * versions serve side by side (docs/operations.md, "Upgrading").
 */

#include "auth/sb_identity.h"
#include "auth/sb_session_book.h"
#include "core/sb_crypto.h"
#include "store/sb_cache.h"
#include "store/sb_near.h"
#include "store/sb_generation.h"

#define SB_SESSION_ID_LEN 64      /* hex digits */
#define SB_SESSION_KEYS "session" /* label of the key ring */
#define SB_SESSION_GROUPS 4096    /* counters of ended sessions */
#define SB_SESSION_TRUST apr_time_from_sec(1)
#define SB_SESSION_REF_LEN 12 /* digits of a reference */

typedef struct {
    const char *id;            /* 64 hex digits; never logged: sb_session_ref() is */
    apr_time_t created, seen;  /* UTC; seen is up to a minute old */
    apr_time_t not_after;      /* absolute end: ours or the identity provider's, the earlier */
    const char *name_id;       /* for single logout; NULL none */
    const char *session_index; /* NULL none */
    const char *lasso_dump;    /* to sb_session_create only; later: sb_session_lasso() */
    const char *csrf;          /* token of this session */
    const char *browser;       /* to sb_session_create only: in words; NULL unknown */
    apr_time_t proved; /* to sb_session_create only: when the person proved who he is; 0 unknown */
    sb_identity_t *identity;
} sb_session_t;

typedef struct {
    sb_cache_t *cache;
    sb_generations_t *generations; /* NULL: one for ever */
    const sb_keyring_t *keys;
    apr_interval_time_t idle, absolute; /* limits */
    const apr_array_header_t *tenants;  /* sb_tenant_t */
    sb_session_book_t *book;            /* NULL: none is kept, what memcached says counts */
    const char *service;                /* where sessions are made, for the book; NULL not told */
    sb_near_t *near;                    /* records opened lately; NULL: memcached is always asked */
    apr_uint32_t *ended;       /* SB_SESSION_GROUPS counters in memory that the processes of
                                           this node share; NULL: there is but one process */
    apr_time_t (*clock)(void); /* NULL: apr_time_now; for tests */
} sb_session_store_t;

/** "https://host:8443/x" -> "https://host:8443" */
const char *sb_session_origin(const char *url, apr_pool_t *p);
/** Cookies ignore ports, so off port 443 the name carries the port. @param origin as above */
const char *sb_session_cookie_name(const char *origin, apr_pool_t *p);

/**
 * The store as the ini of the web tier has it: cache, keys, limits, book; without generations, and without what
 * only httpd's processes have.
 * @return NULL or the complaint
 */
const char *sb_session_store_make(sb_session_store_t *store, const sb_conf_t *conf,
                                  apr_pool_t *p) SB_MUST_CHECK;

/**
 * Make a new session of s->identity, name_id, session_index, lasso_dump; fills in id, csrf and times.
 * @param s not_after: the identity provider's end, 0 none; becomes the earlier of it and ours. Of a batch session
 *          its end
 * @return APR_SUCCESS; SB_EEXPIRED not_after is past; SB_EDENIED a session of this person was ended from elsewhere since
 *         he proved who he is; SB_EUNAVAILABLE the cache or the book is down
 */
apr_status_t sb_session_create(sb_session_t *s, const sb_session_store_t *store,
                               apr_pool_t *p) SB_MUST_CHECK;

/**
 * Find it. That is no use of it: it ends when it would have ended.
 * @param id straight from the cookie, may be nonsense
 * @param ps in p; the identity may be shared with others: read it only
 * @return APR_SUCCESS; APR_NOTFOUND none, expired or forged; SB_EUNAVAILABLE the cache is down
 */
apr_status_t sb_session_look(sb_session_t **ps, const sb_session_store_t *store, const char *id,
                             apr_pool_t *p) SB_MUST_CHECK;

/** Its person is at work: the idle limit begins anew, up to a minute late, for not each request is written down.
 *  @param s of sb_session_look, gets the new time
 *  @return APR_SUCCESS; APR_NOTFOUND it was ended meanwhile; SB_EUNAVAILABLE */
apr_status_t sb_session_use(sb_session_t *s, const sb_session_store_t *store,
                            apr_pool_t *p) SB_MUST_CHECK;

/** The same at once. */
apr_status_t sb_session_touch(sb_session_t *s, const sb_session_store_t *store,
                              apr_pool_t *p) SB_MUST_CHECK;

/** When it ends if nobody uses it any more. @param pabsolute when it ends however much it is used */
apr_time_t sb_session_ends(apr_time_t *pabsolute, const sb_session_store_t *store,
                           const sb_session_t *s);

/** @return APR_SUCCESS it is no more (nor perhaps ever was); SB_EUNAVAILABLE perhaps not for good */
apr_status_t sb_session_end(const sb_session_store_t *store, const char *id) SB_MUST_CHECK;

/** Lasso's session, in p; NULL if there is none (any more). */
const char *sb_session_lasso(const sb_session_store_t *store, const sb_session_t *s, apr_pool_t *p);

/* ---- other sessions than one's own; with a book only ------------------------------------------- */

typedef struct {
    const sb_session_entry_t *entry;
    apr_time_t seen; /* 0: its memcached does not answer */
} sb_session_listed_t;

/**
 * Sessions that are alive.
 * @param plist sb_session_listed_t, the newest first, at most SB_SESSION_BOOK_MANY
 * @param pmore there are more
 */
apr_status_t sb_session_list(const apr_array_header_t **plist, int *pmore,
                             const sb_session_store_t *store, const sb_session_query_t *query,
                             apr_pool_t *p) SB_MUST_CHECK;

/**
 * End those of a query by the book: also such as no list has, because memcached does not know them just now; it may
 * know them again.
 * @param pentries sb_session_entry_t: those it ended, none unless APR_SUCCESS
 * @return as sb_session_book_end_all
 */
apr_status_t sb_session_end_all(const apr_array_header_t **pentries,
                                const sb_session_store_t *store, const sb_session_query_t *query,
                                apr_pool_t *p) SB_MUST_CHECK;

/** A LogoutRequest that was judged but for whether it came before. */
typedef struct {
    const char *issuer, *message_id;
    apr_time_t message_end; /* past it the message itself is too old */
    const char *name_id;
    const char *session_index; /* NULL: all of the name. Sessions without an index are ended too */
} sb_session_named_t;

/**
 * End the sessions that a LogoutRequest means, and use it up: both or none, so that the sender may try again.
 * @param pended how many there were
 * @param plasso Lasso's session of one of them, in p; NULL there was none, or memcached has lost it
 * @return APR_SUCCESS; SB_EDENIED it was used before; else: nothing was ended
 */
apr_status_t sb_session_end_named(int *pended, const char **plasso, const sb_session_store_t *store,
                                  const sb_session_named_t *named, apr_pool_t *p) SB_MUST_CHECK;

/** Has a text from outside the form of a reference? */
int sb_session_ref_is_valid(const char *ref);

/** First 12 hex digits of the id's SHA-256: names a session in logs without giving it away. */
const char *sb_session_ref(const char *id, apr_pool_t *p);

#endif
