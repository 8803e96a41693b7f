/* lib/auth/sb_bearer: what is a token, what a verifier's answer means, which configuration is refused. The rest, with
 * a verifier that is slow, down, or lies: t/http/bearer.t. */

#include "tap.h"

#include <unistd.h>
#include "auth/sb_bearer.h"

#define NOW 1700000000
#define TOKEN "abc.DEF-1"

static apr_pool_t *p;
static const char *dir;

static const char *load(sb_bearer_config_t **pc, const char *lines)
{
    sb_conf_t *conf;
    const char *bad = sb_conf_load(
        &conf, tap_file(dir, "x.ini", apr_pstrcat(p, "[app:main]\n", lines, "\n", NULL), p),
        "app:main", p);

    *pc = NULL;
    return bad ? bad : sb_bearer_config_load(pc, conf, p);
}

#define INTROSPECTION "auth.oauth2.introspection_url = https://as.example/introspect\n"
#define CLIENT "auth.oauth2.client_id = smarter\nauth.oauth2.client_secret = s3cret\n"
#define TOKENINFO                                                                                  \
    "auth.oauth2.idp_server_verify_url = https://as.example/oauth2/tokeninfo?realm=/\n"
#define ANY "auth.oauth2.audience = *\n"

static sb_bearer_config_t *config(const char *lines)
{
    sb_bearer_config_t *c;
    const char *bad = load(&c, lines);

    if (bad || !c) {
        printf("Bail out! %s\n", bad ? bad : "not configured");
        exit(EXIT_FAILURE);
    }
    return c;
}

static void tokens(void)
{
    static const struct {
        const char *text;
        int good;
    } cases[] = {
        {"a", 1},
        {TOKEN, 1},
        {"mF_9.B5f-4.1JqM", 1},
        {"eyJhbGciOiJub25lIn0.e30.", 1},
        {"abc+/def==", 1},
        {"~", 1},
        {"", 0},
        {"=", 0},
        {"a=b", 0},
        {"a b", 0},
        {"a, Bearer b", 0},
        {"a\"", 0},
        {"a\r\nX: y", 0},
        {"a&b=c", 0},
        {"a%20", 0},
        {"\xc3\xbc", 0},
    };
    char *long_one = apr_palloc(p, SB_BEARER_TOKEN_MAX + 2);

    for (apr_size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ok(sb_bearer_is_token(cases[i].text) == cases[i].good, "%s: %s",
           cases[i].good ? "a token" : "no token", cases[i].text);
    }
    memset(long_one, 'x', SB_BEARER_TOKEN_MAX + 1);
    long_one[SB_BEARER_TOKEN_MAX + 1] = '\0';
    ok(!sb_bearer_is_token(long_one) && sb_bearer_is_token(long_one + 1), "at most %d bytes",
       SB_BEARER_TOKEN_MAX);
}

/* "good"; "refused: reason"; "unknown: reason" */
static const char *verdict(sb_token_claims_t *claims, const sb_bearer_config_t *c, int status,
                           const char *body)
{
    static const char *const names[] = {"good", "refused: ", "unknown: "};
    const char *reason;
    sb_token_verdict_t v = sb_bearer_judge(claims, &reason, c, TOKEN, status, body, strlen(body),
                                           apr_time_from_sec(NOW), p);

    return apr_pstrcat(p, names[v], reason ? reason : "", NULL);
}

static void answers(void)
{
    static const struct {
        const char *more; /* configuration, beside introspection */
        const char *body, *verdict;
    } cases[] = {
        {"", "{\"active\":true}", "good"},
        {"", "{\"active\":true,\"exp\":1700000001,\"nbf\":1700000000,\"token_type\":\"bearer\"}",
         "good"},
        {"", "{\"active\":false}", "refused: inactive"},
        {"", "{\"active\":\"true\"}", "refused: inactive"},
        {"", "{\"active\":1}", "refused: inactive"},
        {"", "{\"active\":null}", "refused: inactive"},
        {"", "{\"Active\":true}", "refused: inactive"},
        {"", "{}", "refused: inactive"},
        {"", "{\"active\":false,\"active\":true}", "unknown: no_json"}, /* a name twice */
        {"", "[{\"active\":true}]", "unknown: no_json"},
        {"", "true", "unknown: no_json"},
        {"", "", "unknown: no_json"},
        {"", "<html>", "unknown: no_json"},
        {"", "{\"active\":true", "unknown: no_json"},
        {"", "{\"active\":true}{\"active\":true}", "unknown: no_json"},
        {"", "{\"active\":true,\"a\":[[[[[[[[[[1]]]]]]]]]]}", "unknown: no_json"},
        {"", "{\"active\":true,\"exp\":1700000000}", "refused: expired"},
        {"", "{\"active\":true,\"exp\":-9223372036854775808}", "refused: expired"},
        {"", "{\"active\":true,\"exp\":9223372036854775807}", "good"},
        {"", "{\"active\":true,\"exp\":99999999999999999999}", "refused: exp"},
        {"", "{\"active\":true,\"exp\":\"1800000000\"}", "refused: exp"},
        {"", "{\"active\":true,\"exp\":true}", "refused: exp"},
        {"", "{\"active\":true,\"exp\":null}", "good"},
        {"", "{\"active\":true,\"expires_in\":0}", "good"}, /* no member of an introspection */
        {"", "{\"active\":true,\"nbf\":1700000060}", "good"},
        {"", "{\"active\":true,\"nbf\":1700000061}", "refused: not_yet_valid"},
        {"", "{\"active\":true,\"nbf\":\"0\"}", "refused: nbf"},
        {"", "{\"active\":true,\"token_type\":\"refresh_token\"}", "refused: token_type"},
        {"", "{\"active\":true,\"token_type\":\"DPoP\"}", "refused: token_type"},
        {"", "{\"active\":true,\"cnf\":{\"jkt\":\"x\"}}", "refused: bound"},
        {"", "{\"active\":true,\"access_token\":\"other\"}", "refused: other_token"},
        {"", "{\"active\":true,\"access_token\":\"" TOKEN "\"}", "good"},
        {"auth.oauth2.issuer = https://as.example",
         "{\"active\":true,\"iss\":\"https://as.example\"}", "good"},
        {"auth.oauth2.issuer = https://as.example",
         "{\"active\":true,\"iss\":\"https://as.example/\"}", "refused: issuer"},
        {"auth.oauth2.issuer = https://as.example", "{\"active\":true}", "refused: issuer"},
        {"auth.oauth2.audience = a, b", "{\"active\":true,\"aud\":\"b\"}", "good"},
        {"auth.oauth2.audience = a, b", "{\"active\":true,\"aud\":[\"x\",7,\"a\"]}", "good"},
        {"auth.oauth2.audience = a, b", "{\"active\":true,\"aud\":[\"x\",\"a b\"]}",
         "refused: audience"},
        {"auth.oauth2.audience = a, b", "{\"active\":true,\"aud\":\"ab\"}", "refused: audience"},
        {"auth.oauth2.audience = a, b", "{\"active\":true,\"aud\":\"a\\u0000b\"}",
         "refused: audience"},
        {"auth.oauth2.audience = a, b", "{\"active\":true}", "refused: audience"},
        {"auth.oauth2.clients = a, b", "{\"active\":true,\"client_id\":\"a\"}", "good"},
        {"auth.oauth2.clients = a, b", "{\"active\":true,\"client_id\":\"c\"}", "refused: client"},
        {"auth.oauth2.clients = a, b", "{\"active\":true,\"client_id\":[\"a\"]}",
         "refused: client"},
        {"auth.oauth2.clients = a, b", "{\"active\":true}", "refused: client"},
    };
    sb_token_claims_t claims;

    for (apr_size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sb_bearer_config_t *c = config(apr_pstrcat(
            p, INTROSPECTION CLIENT,
            strstr(cases[i].more, "s = a, b") || strstr(cases[i].more, "e = a, b") ? "" : ANY,
            cases[i].more, NULL));

        is_str(verdict(&claims, c, 200, cases[i].body), cases[i].verdict,
               apr_pstrcat(p, cases[i].body, " ", cases[i].more, NULL));
    }
}

static void statuses(void)
{
    static const int all[] = {0,   201, 204, 301, 302, 400, 401, 403,
                              404, 407, 408, 429, 500, 502, 503};
    static const int tells[] = {400, 401, 403, 404};
    sb_bearer_config_t *introspection = config(INTROSPECTION CLIENT ANY),
                       *tokeninfo = config(TOKENINFO ANY);
    sb_token_claims_t claims;

    for (apr_size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int refused = 0;

        for (apr_size_t k = 0; k < sizeof(tells) / sizeof(tells[0]); k++) {
            refused |= all[i] == tells[k];
        }
        ok(!strncmp(verdict(&claims, introspection, all[i], "{\"active\":true}"), "unknown", 7),
           "introspection, status %d: nobody knows", all[i]);
        ok(!strncmp(verdict(&claims, tokeninfo, all[i], "{\"active\":true}"),
                    refused ? "refused" : "unknown", 7),
           "tokeninfo, status %d: %s", all[i], refused ? "no token" : "nobody knows");
    }
}

static void tokeninfo(void)
{
    sb_bearer_config_t *c = config(TOKENINFO ANY);
    sb_token_claims_t claims;

    is_str(
        verdict(
            &claims, c, 200,
            "{\"sbacUUID\":\"u\",\"expires_in\":599,\"token_type\":\"Bearer\",\"scope\":[\"a\"]}"),
        "good", "as OpenAM has it");
    ok(claims.expires == apr_time_from_sec(NOW + 599), "its end");
    is_str(verdict(&claims, c, 200, "{\"exp\":1700000001,\"expires_in\":599}"), "good",
           "both ends");
    ok(claims.expires == apr_time_from_sec(NOW + 1), "exp counts");
    is_str(verdict(&claims, c, 200, "{\"expires_in\":0}"), "refused: expired", "its time is up");
    is_str(verdict(&claims, c, 200, "{\"expires_in\":-9223372036854775807}"), "refused: expired",
           "long ago");
    is_str(verdict(&claims, c, 200, "{\"expires_in\":\"599\"}"), "refused: exp",
           "a text is no time");
    is_str(verdict(&claims, c, 200, "{\"expires_in\":99999999999999999999}"), "refused: exp",
           "more seconds than a number holds");
    is_str(verdict(&claims, c, 200, "{\"error\":\"invalid_token\"}"), "refused: inactive",
           "an error told as a success");
    is_str(verdict(&claims, c, 200, "{\"active\":false}"), "refused: inactive", "inactive");
    is_str(verdict(&claims, c, 200, "{\"access_token\":\"x\"}"), "refused: other_token",
           "about another token");
}

static void claims_are_read(void)
{
    sb_bearer_config_t *c =
        config(INTROSPECTION CLIENT ANY
               "auth.oauth2.scope.view = reports\nauth.oauth2.scope.load = scores");
    static const struct {
        const char *scope;
        int view, load;
    } cases[] = {
        {"\"reports\"", 1, 0},
        {"\"x scores  reports\"", 1, 1},
        {"\"reports2\"", 0, 0},
        {"\"reparts scored\"", 0, 0},
        {"[7,\"reports\"]", 1, 0},
        {"\"xreports scores\"", 0, 1},
        {"[\"reports\",\"y\"]", 1, 0},
        {"[\"reports scores\"]", 0, 0},
        {"\"\"", 0, 0},
        {"7", 0, 0},
        {"null", 0, 0},
        {"{\"reports\":true}", 0, 0},
    };
    sb_token_claims_t claims;
    sb_bearer_t b = {0};

    for (apr_size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *said = verdict(
            &claims, c, 200, apr_psprintf(p, "{\"active\":true,\"scope\":%s}", cases[i].scope));

        b.perms = claims.perms;
        ok(!strcmp(said, "good") && sb_bearer_may(&b, SB_PERM_VIEW) == cases[i].view &&
               sb_bearer_may(&b, SB_PERM_DOWNLOAD) == cases[i].view &&
               sb_bearer_may(&b, SB_PERM_LOAD) == cases[i].load &&
               !sb_bearer_may(&b, SB_PERM_SUPER_ADMIN),
           "scope %s", cases[i].scope);
    }
    (void)verdict(&claims, c, 200, "{\"active\":true,\"client_id\":\"c\\u007f\"}");
    is_str(claims.client, NULL, "whose it is, if that cannot be written down");
    (void)verdict(&claims, c, 200,
                  apr_psprintf(p, "{\"active\":true,\"client_id\":\"%0201d\"}", 0));
    is_str(claims.client, NULL, "or is too long");
    (void)verdict(&claims, config(INTROSPECTION CLIENT ANY "auth.oauth2.scope.view = reports"), 200,
                  "{\"active\":true,\"scope\":\"reports scores\"}");
    b.perms = claims.perms;
    ok(sb_bearer_may(&b, SB_PERM_VIEW) && !sb_bearer_may(&b, SB_PERM_LOAD),
       "a scope for reading alone: nobody hands in scores");
    (void)verdict(&claims, config(INTROSPECTION CLIENT ANY "auth.oauth2.scope.load = scores"), 200,
                  "{\"active\":true,\"scope\":\"reports scores\"}");
    b.perms = claims.perms;
    ok(!sb_bearer_may(&b, SB_PERM_VIEW) && sb_bearer_may(&b, SB_PERM_LOAD),
       "a scope for handing in alone: nobody reads");
    (void)verdict(&claims, config(INTROSPECTION CLIENT ANY), 200, "{\"active\":true}");
    b.perms = claims.perms;
    ok(sb_bearer_may(&b, SB_PERM_VIEW) && sb_bearer_may(&b, SB_PERM_LOAD) &&
           !sb_bearer_may(&b, SB_PERM_SUPER_ADMIN),
       "no scope wanted: reading and loading, never what operators do");
    is_str(verdict(&claims, c, 200,
                   "{\"active\":true,\"client_id\":\"c "
                   "1\",\"a\":\"1\",\"b\":[\"2\",3,\"\",\"4\"],\"c\":{\"d\":\"5\"},\"e\":"
                   "\"6\\u00007\",\"f\":null}"),
           "good", "members");
    is_int(claims.attributes->nelts, 4,
           "texts, and those of arrays; no empty one, none with a NUL");
    ok(!claims.client && claims.expires == 0, "a client whose name is none of a log's");
    (void)verdict(&claims, c, 200,
                  "{\"active\":true,\"client_id\":\"c-1\",\"exp\":9223372036854775807}");
    ok(!strcmp(claims.client, "c-1") && claims.expires > apr_time_from_sec(NOW),
       "a client, and no end in sight");
}

static void configurations(void)
{
    static const struct {
        const char *lines, *complaint; /* NULL: fine */
    } cases[] = {
        {INTROSPECTION CLIENT ANY, NULL},
        {TOKENINFO ANY, NULL},
        {TOKENINFO "auth.oauth2.clients = *", NULL},
        {TOKENINFO "auth.oauth2.clients = a", NULL},
        {INTROSPECTION CLIENT, "auth.oauth2.audience, auth.oauth2.clients"},
        {TOKENINFO "auth.oauth2.audience =", "auth.oauth2.audience, auth.oauth2.clients"},
        {TOKENINFO "auth.oauth2.scope.view = reports", "whose tokens"},
        {INTROSPECTION CLIENT TOKENINFO, "want one of them"},
        {INTROSPECTION, "client_id"},
        {INTROSPECTION "auth.oauth2.client_id = x", "client_secret"},
        {INTROSPECTION CLIENT "auth.oauth2.client_secret_file = /x", "want one of them"},
        {INTROSPECTION "auth.oauth2.client_id = x\nauth.oauth2.client_secret_file = /nowhere/x",
         "/nowhere/x"},
        {"auth.oauth2.introspection_url = http://as.example/\n" CLIENT, "https"},
        {"auth.oauth2.introspection_url = https://u:p\x40\x61s.example/\n" CLIENT, "user name"},
        {"auth.oauth2.introspection_url = https://as.example/#x\n" CLIENT, "#"},
        {"auth.oauth2.introspection_url = https:///\n" CLIENT, "https"},
        {TOKENINFO "auth.oauth2.ca_file = /nowhere/ca.pem", "/nowhere/ca.pem"},
        {"auth.oauth2.identity_parser = other", "want sbac"},
    };
    sb_bearer_config_t *c, *other;
    const char *bad;

    for (apr_size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bad = load(&c, cases[i].lines);
        ok(cases[i].complaint ? bad && strstr(bad, cases[i].complaint) && !c : !bad && c,
           "configuration %d: %s", (int)i, bad ? bad : "fine");
        ok(!bad || (!strstr(bad, "s3cret") && !strstr(bad, "u:p")), "no secret is told");
    }
    ok(!load(&c, "") && !c, "none: no bearer tokens");
    tap_file(dir, "secret", "p\xc3\xa4ss\n", p);
    bad = load(&c, apr_pstrcat(p,
                               INTROSPECTION
                               "auth.oauth2.client_id = x\nauth.oauth2.client_secret_file = ",
                               dir, "/secret", NULL));
    ok(bad && strstr(bad, "printable") && !strstr(bad, "ss"), "a secret that is no text");
    tap_file(dir, "secret", "s3 c:ret+%\n", p);
    c = config(apr_pstrcat(
        p, INTROSPECTION ANY "auth.oauth2.client_id = sm:arter\nauth.oauth2.client_secret_file = ",
        dir, "/secret", NULL));
    is_str(c->authorization,
           apr_pstrcat(p, "Authorization: Basic ",
                       sb_base64_encode("sm%3Aarter:s3%20c%3Aret%2B%25", 29, p), NULL),
           "credentials, written as in a form");
    c = config(INTROSPECTION CLIENT ANY);
    other = config(INTROSPECTION CLIENT "auth.oauth2.audience = a");
    ok(strcmp(c->fingerprint, other->fingerprint) != 0, "other rules, another fingerprint");
    other = config(INTROSPECTION CLIENT ANY "auth.oauth2.cache = 5s");
    ok(!strcmp(c->fingerprint, other->fingerprint), "the same rules, the same");
}

int main(void)
{
    p = tap_pool();
    dir = apr_pstrdup(p, "/tmp/sb-bearer-XXXXXX");
    if (!mkdtemp((char *)(apr_uintptr_t)dir)) {
        puts("Bail out! no directory");
        return EXIT_FAILURE;
    }
    tokens();
    answers();
    statuses();
    tokeninfo();
    claims_are_read();
    configurations();
    unlink(apr_pstrcat(p, dir, "/x.ini", NULL));
    unlink(apr_pstrcat(p, dir, "/secret", NULL));
    rmdir(dir);
    return done();
}
