/* What the verifier says of a token: may it be believed, and does it let anybody in? */

#include <string.h>
#include <strings.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include "auth/sb_bearer.h"
#include "core/sb_json.h"
#include "core/sb_path.h"

#define CLIENT_MAX 200
#define LAST_SECOND APR_INT64_C(253402300799) /* of the year 9999 */

static const sb_json_limits_t limits = {.max_bytes = 256 * 1024, .max_depth = 8, .max_nodes = 5000};

int sb_bearer_is_token(const char *token)
{
    const char *c = token;

    while (apr_isalnum(*c) || (*c && strchr("-._~+/", *c))) {
        c++;
    }
    return c != token && !c[strspn(c, "=")] && strlen(token) <= SB_BEARER_TOKEN_MAX;
}

int sb_bearer_may(const sb_bearer_t *b, sb_perm_t perm)
{
    return (b->perms & 1u << perm) != 0;
}

/* ---- members ---------------------------------------------------------------------------------- */

/* Text without a NUL in it; NULL for anything else. */
static const char *text_of(const sb_json_t *n)
{
    return n && n->type == SB_JSON_STRING && strlen(n->text) == n->len ? n->text : NULL;
}

static int is_in(const char *text, const apr_array_header_t *list)
{
    for (int i = 0; text && i < list->nelts; i++) {
        if (!strcmp(text, APR_ARRAY_IDX(list, i, const char *))) {
            return 1;
        }
    }
    return 0;
}

/* A text, or an array of texts: is one of them in the list? */
static int one_is_in(const sb_json_t *n, const apr_array_header_t *list)
{
    if (n && n->type == SB_JSON_ARRAY) {
        for (n = n->child; n; n = n->next) {
            if (is_in(text_of(n), list)) {
                return 1;
            }
        }
        return 0;
    }
    return is_in(text_of(n), list);
}

/* RFC 7662: names with blanks between; OpenAM: an array of names. */
static int has_scope(const sb_json_t *n, const char *scope)
{
    apr_size_t len = strlen(scope);
    const char *s;

    if (n && n->type == SB_JSON_ARRAY) {
        for (n = n->child; n; n = n->next) {
            if (text_of(n) && !strcmp(n->text, scope)) {
                return 1;
            }
        }
        return 0;
    }
    for (s = text_of(n); s && *s; s += strcspn(s, " ")) {
        s += strspn(s, " ");
        if (strcspn(s, " ") == len && !strncmp(s, scope, len)) {
            return 1;
        }
    }
    return 0;
}

/* @return -1 no number of seconds; 0 there is none; 1 fine */
static int seconds_of(apr_int64_t *psecs, const sb_json_t *n)
{
    *psecs = 0;
    if (!n || n->type == SB_JSON_NULL) {
        return 0;
    }
    if (sb_json_int(psecs, n) != APR_SUCCESS) {
        return -1;
    }
    if (*psecs > LAST_SECOND) {
        *psecs = LAST_SECOND;
    }
    return 1;
}

/* ---- judging ---------------------------------------------------------------------------------- */

static const char *judge_times(sb_token_claims_t *claims, const sb_json_t *o,
                               const sb_bearer_config_t *c, apr_time_t now)
{
    apr_int64_t secs, now_secs = apr_time_sec(now);
    int have = seconds_of(&secs, sb_json_get(o, "exp"));

    if (!have && c->kind == SB_VERIFIER_TOKENINFO) {
        have = seconds_of(&secs, sb_json_get(o, "expires_in"));
        secs += have > 0 ? now_secs : 0;
    }
    if (have < 0) {
        return "exp";
    }
    if (have && secs <= now_secs) {
        return "expired";
    }
    claims->expires = have ? apr_time_from_sec(secs) : 0;
    have = seconds_of(&secs, sb_json_get(o, "nbf"));
    if (have < 0) {
        return "nbf";
    }
    return have && secs > now_secs + apr_time_sec(c->skew) ? "not_yet_valid" : NULL;
}

/* Is it a token of the kind we know, for us? */
static const char *judge_kind(const sb_json_t *o, const sb_bearer_config_t *c, const char *token)
{
    const sb_json_t *type = sb_json_get(o, "token_type"), *itself = sb_json_get(o, "access_token");

    if (type && (!text_of(type) || strcasecmp(type->text, "Bearer") != 0)) {
        return "token_type"; /* of refresh tokens, or of those who have to prove something */
    }
    if (sb_json_get(o, "cnf")) {
        return "bound"; /* to a key: we do not see its proof */
    }
    if (itself && (!text_of(itself) || strcmp(itself->text, token) != 0)) {
        return "other_token";
    }
    if (c->issuer &&
        (!text_of(sb_json_get(o, "iss")) || strcmp(sb_json_get(o, "iss")->text, c->issuer) != 0)) {
        return "issuer";
    }
    if (c->audience->nelts && !one_is_in(sb_json_get(o, "aud"), c->audience)) {
        return "audience";
    }
    if (c->clients->nelts && !is_in(text_of(sb_json_get(o, "client_id")), c->clients)) {
        return "client";
    }
    return NULL;
}

static int says_active(const sb_json_t *o, const sb_bearer_config_t *c)
{
    const sb_json_t *active = sb_json_get(o, "active");

    if (!active && c->kind == SB_VERIFIER_TOKENINFO) {
        return sb_json_get(o, "error") == NULL;
    }
    return active && active->type == SB_JSON_BOOL && active->truth;
}

/* Without any scope configured, everything; with one, what has none is for nobody. */
static int allows(const sb_bearer_config_t *c, const char *wanted, const sb_json_t *scope)
{
    return wanted ? has_scope(scope, wanted) : !c->scope_view && !c->scope_load;
}

/* Programs read reports and hand in scores. What an operator does is not for tokens. */
static unsigned perms_of(const sb_json_t *o, const sb_bearer_config_t *c)
{
    const sb_json_t *scope = sb_json_get(o, "scope");
    unsigned perms = 0;

    if (allows(c, c->scope_view, scope)) {
        perms |= 1u << SB_PERM_VIEW | 1u << SB_PERM_DOWNLOAD;
    }
    if (allows(c, c->scope_load, scope)) {
        perms |= 1u << SB_PERM_LOAD;
    }
    return perms;
}

static void add(apr_array_header_t *attributes, const char *name, const sb_json_t *value)
{
    if (text_of(value) && *value->text) {
        APR_ARRAY_PUSH(attributes, sb_attribute_t) = (sb_attribute_t){name, value->text};
    }
}

/* Texts, and arrays of texts. */
static const apr_array_header_t *attributes_of(const sb_json_t *o, apr_pool_t *p)
{
    apr_array_header_t *attributes = apr_array_make(p, 16, sizeof(sb_attribute_t));

    for (const sb_json_t *n = o->child; n; n = n->next) {
        add(attributes, n->key, n);
        for (const sb_json_t *v = n->type == SB_JSON_ARRAY ? n->child : NULL; v; v = v->next) {
            add(attributes, n->key, v);
        }
    }
    return attributes;
}

/* For logs. */
static const char *client_of(const sb_json_t *o)
{
    const char *client = text_of(sb_json_get(o, "client_id"));

    for (const char *c = client; c && *c; c++) {
        if (*c <= ' ' || *c > '~' || c - client == CLIENT_MAX) {
            return NULL;
        }
    }
    return client;
}

static sb_token_verdict_t judge_status(const char **preason, const sb_bearer_config_t *c,
                                       int status, apr_pool_t *p)
{
    *preason = apr_psprintf(p, "status_%d", status);
    /* A tokeninfo address says so of tokens it does not know; an introspection, that it does not know us. */
    return c->kind == SB_VERIFIER_TOKENINFO && status >= 400 && status < 500 && status != 407 &&
                   status != 408 && status != 429
               ? SB_TOKEN_REFUSED
               : SB_TOKEN_UNKNOWN;
}

sb_token_verdict_t sb_bearer_judge(sb_token_claims_t *claims, const char **preason,
                                   const sb_bearer_config_t *c, const char *token, int status,
                                   const char *body, apr_size_t len, apr_time_t now, apr_pool_t *p)
{
    sb_json_t *o;

    memset(claims, 0, sizeof(*claims));
    if (status != 200) {
        return judge_status(preason, c, status, p);
    }
    if (sb_json_parse(&o, NULL, body, len, &limits, p) != APR_SUCCESS ||
        o->type != SB_JSON_OBJECT) {
        *preason = "no_json";
        return SB_TOKEN_UNKNOWN;
    }
    *preason = says_active(o, c) ? NULL : "inactive";
    if (!*preason) {
        *preason = judge_kind(o, c, token);
    }
    if (!*preason) {
        *preason = judge_times(claims, o, c, now);
    }
    if (*preason) {
        return SB_TOKEN_REFUSED;
    }
    claims->attributes = attributes_of(o, p);
    claims->client = client_of(o);
    claims->perms = perms_of(o, c);
    return SB_TOKEN_GOOD;
}
