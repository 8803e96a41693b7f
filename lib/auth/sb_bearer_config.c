/* Who verifies bearer tokens, and what he must say of one. */

#include <string.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <curl/curl.h>
#include "auth/sb_bearer.h"
#include "core/sb_file.h"

#define FILE_MAX (256 * 1024)
#define SECRET_MAX 1024

#define INTROSPECTION "auth.oauth2.introspection_url"
#define TOKENINFO "auth.oauth2.idp_server_verify_url"

static const char *judge_url(const char *key, const char *url, apr_pool_t *p)
{
    CURLU *u = curl_url();
    char *fragment = NULL;
    int good = u && !strncmp(url, "https://", 8) &&
               curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) == CURLUE_OK &&
               curl_url_get(u, CURLUPART_FRAGMENT, &fragment, 0) == CURLUE_NO_FRAGMENT;

    curl_free(fragment);
    curl_url_cleanup(u);
    return good ? NULL
                : apr_psprintf(p, "%s: want an https address without a user name and without '#'",
                               key);
}

static const char *read_text(const char **ptext, const char *key, const char *path, apr_pool_t *p)
{
    apr_size_t len;
    char *text;
    apr_status_t rv = sb_file_read(&text, &len, path, FILE_MAX, p);
    char buf[120];

    *ptext = text;
    if (rv != APR_SUCCESS) {
        return apr_psprintf(p, "%s = %s: %s", key, path, sb_strerror(rv, buf, sizeof(buf)));
    }
    return strlen(text) == len && len ? NULL : apr_psprintf(p, "%s = %s: no text", key, path);
}

/* As in a form; RFC 6749, 2.3.1. */
static const char *form_encoded(const char *text, apr_pool_t *p)
{
    char *encoded = curl_easy_escape(NULL, text, (int)strlen(text));
    const char *copy = encoded ? apr_pstrdup(p, encoded) : NULL;

    curl_free(encoded);
    return copy;
}

static const char *is_secret(const char *secret)
{
    for (const char *c = secret; *c; c++) {
        if (*c < ' ' || *c > '~') {
            return NULL;
        }
    }
    return *secret && strlen(secret) <= SECRET_MAX ? secret : NULL;
}

/* By what we say who we are: "Basic ...". */
static const char *read_credentials(sb_bearer_config_t *c, const sb_conf_t *conf, apr_pool_t *p)
{
    const char *id = sb_conf_str(conf, "auth.oauth2.client_id");
    const char *secret = sb_conf_str(conf, "auth.oauth2.client_secret");
    const char *file = sb_conf_str(conf, "auth.oauth2.client_secret_file"), *bad, *both;

    if (!id || !is_secret(id) || (!secret && !file)) {
        return "auth.oauth2.client_id, auth.oauth2.client_secret_file: " INTROSPECTION
               " answers only who says who he is";
    }
    if (secret && file) {
        return "auth.oauth2.client_secret and auth.oauth2.client_secret_file: want one of them";
    }
    if (file) {
        bad = read_text(&secret, "auth.oauth2.client_secret_file", file, p);
        if (bad) {
            return bad;
        }
        secret = apr_pstrmemdup(p, secret, strcspn(secret, "\r\n"));
    }
    if (!is_secret(secret)) {
        return "auth.oauth2.client_secret, auth.oauth2.client_secret_file: want printable ASCII";
    }
    both = apr_pstrcat(p, form_encoded(id, p), ":", form_encoded(secret, p), NULL);
    c->authorization =
        apr_pstrcat(p, "Authorization: Basic ", sb_base64_encode(both, strlen(both), p), NULL);
    return NULL;
}

/* What decides about a token: a change of any of it makes all kept answers unknown. */
static const char *fingerprint_of(const sb_bearer_config_t *c, const sb_conf_t *conf, apr_pool_t *p)
{
    static const char *const keys[] = {INTROSPECTION,
                                       TOKENINFO,
                                       "auth.oauth2.client_id",
                                       "auth.oauth2.identity_parser",
                                       "ldap.base.dn",
                                       "auth.oauth2.issuer",
                                       "auth.oauth2.audience",
                                       "auth.oauth2.clients",
                                       "auth.oauth2.scope.view",
                                       "auth.oauth2.scope.load"};
    const char *text = apr_psprintf(p, "%d", c->kind);
    char hex[SB_SHA256_HEX_SIZE];

    for (apr_size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *value = sb_conf_str(conf, keys[i]);

        text = apr_pstrcat(p, text, "\n", value ? value : "", NULL);
    }
    return apr_pstrdup(p, sb_sha256_hex(hex, text, strlen(text)));
}

/* Names a token must have one of. "*" is said on purpose: any will do. */
static const apr_array_header_t *names_of(int *psaid, const char *key, const sb_conf_t *conf,
                                          apr_pool_t *p)
{
    const apr_array_header_t *names = sb_conf_list(conf, key, p);

    *psaid |= names->nelts > 0;
    for (int i = 0; i < names->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(names, i, const char *), "*")) {
            return apr_array_make(p, 1, sizeof(const char *));
        }
    }
    return names;
}

/* @return NULL, or the complaint */
static const char *read_rules(sb_bearer_config_t *c, const sb_conf_t *conf, apr_pool_t *p)
{
    int said = 0;

    c->timeout = sb_conf_interval(conf, TOKENINFO ".timeout");
    c->connections = (int)sb_conf_int(conf, "auth.oauth2.connections");
    c->cache = sb_conf_interval(conf, "auth.oauth2.cache");
    c->breaker_failures = (int)sb_conf_int(conf, "auth.oauth2.breaker.failures");
    c->breaker_pause = sb_conf_interval(conf, "auth.oauth2.breaker.pause");
    c->audience = names_of(&said, "auth.oauth2.audience", conf, p);
    c->clients = names_of(&said, "auth.oauth2.clients", conf, p);
    c->issuer = sb_conf_str(conf, "auth.oauth2.issuer");
    c->scope_view = sb_conf_str(conf, "auth.oauth2.scope.view");
    c->scope_load = sb_conf_str(conf, "auth.oauth2.scope.load");
    c->skew = sb_conf_interval(conf, "auth.clock_skew");
    return said ? NULL
                : "auth.oauth2.audience, auth.oauth2.clients: want one of them, to say whose "
                  "tokens are"
                  " good here; * for any token of that server";
}

const char *sb_bearer_config_load(sb_bearer_config_t **pconfig, const sb_conf_t *conf,
                                  apr_pool_t *p)
{
    sb_bearer_config_t *c = apr_pcalloc(p, sizeof(*c));
    const char *introspection = sb_conf_str(conf, INTROSPECTION);
    const char *tokeninfo = sb_conf_str(conf, TOKENINFO);
    const char *ca_file = sb_conf_str(conf, "auth.oauth2.ca_file");
    /* A wrong name is no less wrong where nobody uses it. */
    const char *bad = sb_identity_parser_choose(&c->parser, conf, SB_SOURCE_OAUTH, p);

    *pconfig = NULL;
    if (bad || (!introspection && !tokeninfo)) {
        return bad;
    }
    if (introspection && tokeninfo) {
        return INTROSPECTION " and " TOKENINFO ": want one of them";
    }
    c->kind = introspection ? SB_VERIFIER_INTROSPECTION : SB_VERIFIER_TOKENINFO;
    c->url = introspection ? introspection : tokeninfo;
    bad = judge_url(introspection ? INTROSPECTION : TOKENINFO, c->url, p);
    if (!bad && introspection) {
        bad = read_credentials(c, conf, p);
    }
    if (!bad && ca_file) {
        bad = read_text(&c->authority, "auth.oauth2.ca_file", ca_file, p);
    }
    if (!bad) {
        bad = read_rules(c, conf, p);
    }
    if (bad) {
        return bad;
    }
    c->fingerprint = fingerprint_of(c, conf, p);
    *pconfig = c;
    return NULL;
}
