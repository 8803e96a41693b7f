#ifndef SB_BEARER_H
#define SB_BEARER_H

/**
 * Bearer tokens of API clients (RFC 6750): opaque here, told about by a verifier. That is an OAuth 2 server's
 * introspection (RFC 7662), or the tokeninfo address of the original. What it says is believed for some seconds,
 * never longer than the token lives; that it refuses a token is not kept. A token is asked about once at a time,
 * and a verifier that is down is not waited for by everybody. Nobody is admitted meanwhile.
 *
 * In memcached (sealed): smarter_bearer_H, H the SHA-256 of the rules by which it was judged and the token: what
 * one application accepts another one, with other rules, does not find.
 *
 * What is checked, and where it is shown: docs/security.md, "Tokens of programs".
 */

#include "auth/sb_identity_parse.h"
#include "core/sb_crypto.h"
#include "store/sb_cache.h"
#include "store/sb_generation.h"

#define SB_BEARER_KEYS "bearer"  /* label of the key ring */
#define SB_BEARER_TOKEN_MAX 4096 /* bytes */

/* ---- configuration: read in httpd's parent ----------------------------------------------------- */

typedef enum { SB_VERIFIER_INTROSPECTION, SB_VERIFIER_TOKENINFO } sb_verifier_kind_t;

typedef struct {
    sb_verifier_kind_t kind;
    const char *url; /* https */
    apr_interval_time_t timeout;
    const char *authority;     /* PEM: what its certificate is verified by; NULL: the system's */
    const char *authorization; /* header by which we say who we are; a secret. NULL none */
    int connections;           /* at most so many questions at once, in a process */
    apr_interval_time_t cache;
    int breaker_failures;
    apr_interval_time_t breaker_pause;
    /* what an answer must say; empty and NULL: anything */
    const apr_array_header_t *audience, *clients; /* const char * */
    const char *issuer;
    const char *scope_view, *scope_load; /* NULL: nobody; both: no scope is wanted */
    apr_interval_time_t skew;            /* between its clock and ours */
    sb_identity_parser_t parser;
    const char *fingerprint; /* of all that decides about a token */
} sb_bearer_config_t;

/**
 * Read and judge auth.oauth2.*, and the files it names.
 * @param pconfig NULL also when no verifier is configured: there are no bearer tokens
 * @return NULL; or the complaint: key, value, remedy
 */
const char *sb_bearer_config_load(sb_bearer_config_t **pconfig, const sb_conf_t *conf,
                                  apr_pool_t *p) SB_MUST_CHECK;

/* ---- one child process ------------------------------------------------------------------------- */

typedef struct sb_bearers_t sb_bearers_t;

typedef struct {
    const sb_bearer_config_t *config; /* outlives the result */
    sb_cache_t *cache;
    sb_generations_t *generations; /* NULL: one for ever */
    const sb_keyring_t *keys;      /* SB_BEARER_KEYS */
    const apr_array_header_t *tenants;
} sb_bearer_opts_t;

/** Starts libcurl: before there are threads. */
apr_status_t sb_bearers_make(sb_bearers_t **pb, const sb_bearer_opts_t *opts,
                             apr_pool_t *p) SB_MUST_CHECK;

/* ---- requests ---------------------------------------------------------------------------------- */

typedef struct {
    const sb_identity_t *identity; /* may be shared with others: read it only */
    const char *client;            /* to whom it was given; NULL: not said */
    unsigned perms;                /* what its scopes allow, whatever the roles: 1 << sb_perm_t */
    apr_time_t until;              /* it is believed so long */
} sb_bearer_t;

/** Besides the status: what is to be told of it. */
typedef struct {
    const char *ref;    /* names the token in logs without giving it away; NULL: it is no token */
    const char *reason; /* short code: why it is refused, or cannot be judged; NULL fine */
    int asked;          /* the verifier was asked by this very request */
    int wait;           /* seconds until it is worth trying again; SB_EUNAVAILABLE only */
    int down, up;       /* the verifier is no longer asked; it answers again */
} sb_bearer_told_t;

/**
 * Whose token is it, as far as that is known already? Asks nobody.
 * @param token straight from the header, may be nonsense
 * @param pb    valid until p is cleared
 * @return APR_SUCCESS; APR_NOTFOUND it has to be asked about; SB_EDENIED it is no token
 */
apr_status_t sb_bearer_known(const sb_bearer_t **pb, sb_bearer_told_t *told, sb_bearers_t *bearers,
                             const char *token, apr_pool_t *p) SB_MUST_CHECK;

/**
 * Whose is one that is not known? The verifier is asked.
 * @return APR_SUCCESS; SB_EDENIED it is refused, for told->reason; SB_EUNAVAILABLE nobody knows now
 */
apr_status_t sb_bearer_ask(const sb_bearer_t **pb, sb_bearer_told_t *told, sb_bearers_t *bearers,
                           const char *token, apr_pool_t *p) SB_MUST_CHECK;

/** Do its scopes allow this? Roles have to, too. */
int sb_bearer_may(const sb_bearer_t *b, sb_perm_t perm);

/* ---- parts, for tests ---------------------------------------------------------------------------- */

/** Is it written as RFC 6750 has it (b64token), and not too long? */
int sb_bearer_is_token(const char *token);

typedef enum {
    SB_TOKEN_GOOD,
    SB_TOKEN_REFUSED,
    SB_TOKEN_UNKNOWN /* the answer says nothing about the token: the verifier is at fault */
} sb_token_verdict_t;

typedef struct {
    const apr_array_header_t *attributes; /* sb_attribute_t */
    const char *client;
    unsigned perms;
    apr_time_t expires; /* 0: not said */
} sb_token_claims_t;

/**
 * Read the verifier's answer about a token.
 * @param preason short code; NULL with SB_TOKEN_GOOD
 */
sb_token_verdict_t sb_bearer_judge(sb_token_claims_t *claims, const char **preason,
                                   const sb_bearer_config_t *config, const char *token, int status,
                                   const char *body, apr_size_t len, apr_time_t now, apr_pool_t *p);

#endif
