/**
 * Sign-in and sign-out: cookies, the trip to the identity provider and back, and what becomes of a
 * request that needs a sign-in. SAML itself is in lib/auth/sb_saml; what is checked where, and by
 * which test, is in docs/security.md.
 *
 * Two cookies. "__Host-smarter" names the session; a browser sends it only with requests that come
 * from our pages or from following a link (SameSite=Lax). "__Host-signin" binds the identity
 * provider's answer to the browser that asked for it; it must come along with a form posted by
 * another site (SameSite=None) and is worth nothing else. Cookies ignore ports, so off port 443 their
 * names carry the port.
 */

#include "smarter.h"

#include <string.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_uri.h>
#include <http_log.h>
#include <http_protocol.h>
#include "auth/sb_relay.h"
#include "auth/sb_saml.h"
#include "core/sb_log.h"

#define ANSWER_MAX (1536 * 1024) /* bytes of the form: 1 MiB in base64 */
#define FORM_MAX 1024            /* bytes of our own sign-out form */
#define BROWSER_COOKIE_SECS "600"
#define ROUNDS_MAX 5 /* sign-ins of one browser within ROUNDS_SECS: it turns in circles */
#define ROUNDS_SECS 20
#define NEAR_SESSIONS (4 * 1024 * 1024) /* bytes of sessions that a process keeps opened */

struct smarter_auth_t {
    const sb_saml_t *saml;
    const sb_keyring_t *relay_keys;
    const char *origin;         /* https://host[:port] */
    const char *home;           /* path, where no other was asked for */
    const char *session_cookie; /* names */
    const char *browser_cookie;
};

/* ---- configuration ------------------------------------------------------------------------------ */

static const char *const *secrets_of(const sb_conf_t *conf, apr_pool_t *p)
{
    const char **secrets = apr_pcalloc(p, 3 * sizeof(*secrets));

    secrets[0] = sb_conf_str(conf, "auth.session.secret");
    secrets[1] = sb_conf_str(conf, "auth.session.secret.previous");
    return secrets;
}

/* "https://host:8443/x" -> "https://host:8443" */
static const char *origin_of(const char *url, apr_pool_t *p)
{
    const char *path = strchr(url + strlen("https://"), '/');

    return path ? apr_pstrmemdup(p, url, (apr_size_t)(path - url)) : url;
}

const char *smarter_auth_check(sb_saml_config_t **psaml, const sb_conf_t *conf, apr_pool_t *p)
{
    const char *const *secrets = secrets_of(conf, p);
    const char *home = sb_conf_str(conf, "auth.home");
    sb_keyring_t *ring;

    *psaml = NULL;
    if (!secrets[0]) {
        return "auth.session.secret is not set: want at least 16 random characters, the same on all"
               " web nodes (openssl rand -hex 32)";
    }
    if (sb_keyring_make(&ring, secrets, SB_SESSION_KEYS, p) != APR_SUCCESS) {
        return "auth.session.secret, auth.session.secret.previous: want at least 16 characters "
               "each";
    }
    if (!sb_relay_target_is_ours(home)) {
        return apr_psprintf(
            p, "auth.home = %s: want a path of ours, such as /assets/html/index.html", home);
    }
    if (!sb_conf_str(conf, "security.db.url")) {
        return "security.db.url is not set: without the table of used assertions nobody may sign "
               "in";
    }
    return sb_saml_config_load(psaml, conf, p);
}

#define REPLAY_TIMEOUT apr_time_from_sec(5) /* one row, by its key */
#define REPLAY_LEASE apr_time_from_sec(8)

static apr_status_t make_replay_pool(sb_dbpool_t **ppool, const smarter_child_t *child)
{
    const sb_conf_t *conf = child->conf;
    sb_db_opts_t opts = {
        .schema = sb_conf_str(conf, "security.db.schema_name"),
        .app = "mod_smarter sign-in",
        .wait = sb_conf_interval(conf, "edware.db.pool_timeout"),
        .lease = REPLAY_LEASE,
        .connect_timeout = sb_conf_interval(conf, "edware.db.connect_timeout"),
        .statement_timeout = REPLAY_TIMEOUT,
        .no_prepare = !sb_conf_bool(conf, "edware.db.prepare"),
    };

    return sb_dbpool_make(ppool, sb_conf_db_url(sb_conf_str(conf, "security.db.url"), child->pool),
                          &opts, child->pool);
}

static void name_cookies(smarter_auth_t *auth, apr_pool_t *p)
{
    const char *port = strrchr(auth->origin, ':') + 1; /* "//host" where there is none */
    const char *suffix =
        apr_isdigit(*port) && strcmp(port, "443") ? apr_pstrcat(p, "-", port, NULL) : "";

    auth->session_cookie = apr_pstrcat(p, "__Host-smarter", suffix, NULL);
    auth->browser_cookie = apr_pstrcat(p, "__Host-signin", suffix, NULL);
}

apr_status_t smarter_auth_child_init(smarter_child_t *child)
{
    const char *const *secrets = secrets_of(child->conf, child->pool);
    smarter_auth_t *auth = apr_pcalloc(child->pool, sizeof(*auth));
    sb_session_store_t *store = &child->sessions;
    sb_keyring_t *session_keys, *relay_keys;
    sb_saml_t *saml;
    apr_status_t rv;

    auth->origin = origin_of(child->saml_config->acs_url, child->pool);
    auth->home = sb_conf_str(child->conf, "auth.home");
    name_cookies(auth, child->pool);
    store->idle = sb_conf_interval(child->conf, "auth.session.idle");
    store->absolute = sb_conf_interval(child->conf, "auth.session.timeout");
    store->tenants = child->tenants;
    store->generations = child->generations;
    rv =
        sb_cache_make(&store->cache, sb_conf_str(child->conf, "cache.session.url"), 0, child->pool);
    if (rv == APR_SUCCESS) {
        rv = sb_near_make(&store->near, NEAR_SESSIONS, child->pool);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_keyring_make(&session_keys, secrets, SB_SESSION_KEYS, child->pool);
    }
    if (rv == APR_SUCCESS) {
        store->keys = session_keys;
        rv = sb_keyring_make(&relay_keys, secrets, SB_RELAY_KEYS, child->pool);
    }
    if (rv == APR_SUCCESS) {
        auth->relay_keys = relay_keys;
        rv = make_replay_pool(&child->signin, child);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_saml_make(&saml, child->saml_config, child->signin, child->tenants, child->pool);
    }
    if (rv == APR_SUCCESS) {
        auth->saml = saml;
        child->auth = auth;
    }
    return rv;
}

/* ---- cookies ------------------------------------------------------------------------------------ */

typedef struct {
    const char *name;
    const char *value; /* NULL: none */
    int seen;
    apr_pool_t *pool;
} wanted_t;

/* One Cookie header: "a=1; b=2" */
static int look_for_cookie(void *data, const char *header, const char *text)
{
    wanted_t *want = data;
    apr_size_t len = strlen(want->name);

    (void)header;
    while (*text) {
        apr_size_t n;

        text += strspn(text, "; \t");
        n = strcspn(text, ";");
        if (n > len && !strncmp(text, want->name, len) && text[len] == '=') {
            want->value = apr_pstrmemdup(want->pool, text + len + 1, n - len - 1);
            want->seen++;
        }
        text += n;
    }
    return 1;
}

/* @return NULL also if it comes twice: one of the two is not ours */
static const char *cookie(const smarter_req_t *q, const char *name)
{
    wanted_t want = {.name = name, .pool = q->r->pool};

    apr_table_do(look_for_cookie, &want, q->r->headers_in, "Cookie", NULL);
    return want.seen == 1 ? want.value : NULL;
}

static void set_cookie(smarter_req_t *q, const char *name, const char *value, const char *more)
{
    apr_table_addn(
        q->r->err_headers_out, "Set-Cookie",
        apr_pstrcat(q->r->pool, name, "=", value, "; Path=/; Secure; HttpOnly", more, NULL));
}

static void set_session_cookie(smarter_req_t *q, const char *id)
{
    set_cookie(q, q->child->auth->session_cookie, id, "; SameSite=Lax");
}

static void drop_session_cookie(smarter_req_t *q)
{
    set_cookie(q, q->child->auth->session_cookie, "", "; SameSite=Lax; Max-Age=0");
}

/* The value is ID or ID.ROUNDS.SECOND: how many sign-ins ended well, lately, and when the last one.
 * Nobody gains by changing it: it only keeps a browser from turning in circles. */
typedef struct {
    const char *id; /* NULL: no browser we know */
    int rounds;
    apr_int64_t when;
} browser_t;

static browser_t browser_of(const smarter_req_t *q)
{
    const char *text = cookie(q, q->child->auth->browser_cookie);
    browser_t b = {0};
    const char *dot;

    if (!text || strlen(text) > SB_BROWSER_ID_LEN + 32) {
        return b;
    }
    dot = strchr(text, '.');
    b.id = dot ? apr_pstrmemdup(q->r->pool, text, (apr_size_t)(dot - text)) : text;
    if (!sb_relay_id_is_valid(b.id)) {
        b.id = NULL;
        return b;
    }
    if (dot) {
        b.rounds = atoi(dot + 1);
        dot = strchr(dot + 1, '.');
        b.when = dot ? apr_atoi64(dot + 1) : 0;
    }
    if (apr_time_sec(q->r->request_time) - b.when > ROUNDS_SECS) {
        b.rounds = 0;
    }
    return b;
}

static void set_browser_cookie(smarter_req_t *q, const browser_t *b)
{
    const char *value =
        b->rounds ? apr_psprintf(q->r->pool, "%s.%d.%" APR_INT64_T_FMT, b->id, b->rounds, b->when)
                  : b->id;

    set_cookie(q, q->child->auth->browser_cookie, value,
               "; SameSite=None; Max-Age=" BROWSER_COOKIE_SECS);
}

/* ---- answers ------------------------------------------------------------------------------------ */

static void event(const smarter_req_t *q, sb_security_t type, const char *text)
{
    sb_security_write(type, text, q->user, q->request_id, q->r->pool);
}

static int redirect(smarter_req_t *q, int status, const char *url)
{
    apr_table_setn(q->r->headers_out, "Location", url);
    apr_table_setn(q->r->headers_out, "Cache-Control", "no-store");
    return sb_web_send(q->r, status, "text/plain; charset=UTF-8", "", 0);
}

const char *smarter_auth_origin(const smarter_child_t *child)
{
    return child->auth->origin;
}

static const char *ours(const smarter_req_t *q, const char *path)
{
    return apr_pstrcat(q->r->pool, q->child->auth->origin, path, NULL);
}

/* A refused message: a page that helps the person, one event that tells us why. */
static int refuse_sign_in(smarter_req_t *q, const char *reason)
{
    event(q, SB_SECURITY_WARNING, apr_pstrcat(q->r->pool, "sign-in refused: ", reason, NULL));
    return sb_web_page(
        q->r, HTTP_FORBIDDEN, "You could not be signed in",
        "The answer of the sign-in service was not accepted. This happens when a sign-in page was "
        "left"
        " open for a long time, was sent twice, or was started in another browser. Please sign in"
        " again; if it keeps failing, tell your help desk.",
        "/login", "Sign in again");
}

static int unavailable(smarter_req_t *q, apr_status_t rv, int number, const char *doing)
{
    sb_log(SB_LOG_ERROR, number, rv, "%s", doing);
    apr_table_setn(q->r->headers_out, "Retry-After", "5");
    return sb_web_page(q->r, HTTP_SERVICE_UNAVAILABLE, NULL, NULL, "/login", "Try again");
}

/* ---- who asks? ---------------------------------------------------------------------------------- */

apr_status_t smarter_auth_find(smarter_req_t *q)
{
    const char *id = cookie(q, q->child->auth->session_cookie);
    sb_session_t *session;
    apr_status_t rv;

    q->session = NULL;
    q->user = NULL;
    if (!id) {
        return APR_NOTFOUND;
    }
    rv = sb_session_find(&session, &q->child->sessions, id, q->r->pool);
    if (rv == APR_SUCCESS) {
        q->session = session;
        q->user = session->identity;
    }
    return rv;
}

/* A browser showing a page to a person, or a script? */
int smarter_auth_may_change(const smarter_req_t *q)
{
    const char *token = apr_table_get(q->r->headers_in, "X-CSRF-Token");
    const char *mine = q->session->csrf;

    return sb_web_same_origin(q->r, q->child->auth->origin) == 1 ||
           (token && sb_equal_secret(token, strlen(token), mine, strlen(mine)));
}

static int is_navigation(const request_rec *r)
{
    const char *mode = apr_table_get(r->headers_in, "Sec-Fetch-Mode");
    const char *accept = apr_table_get(r->headers_in, "Accept");

    if (r->method_number != M_GET || apr_table_get(r->headers_in, "X-Requested-With")) {
        return 0;
    }
    return mode ? !strcmp(mode, "navigate") : accept && strstr(accept, "text/html") != NULL;
}

/* The path of a page of ours from its whole address; NULL if it is not ours. */
static const char *path_of_ours(const smarter_req_t *q, const char *url)
{
    apr_size_t len = strlen(q->child->auth->origin);

    if (!url || strncmp(url, q->child->auth->origin, len) || url[len] != '/') {
        return NULL;
    }
    url = apr_pstrmemdup(q->r->pool, url + len, strcspn(url + len, "#"));
    return sb_relay_target_is_ours(url) ? url : NULL;
}

static const char *percent(const char *text, apr_pool_t *p)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = apr_palloc(p, 3 * strlen(text) + 1), *o = out;

    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (apr_isalnum(c) || strchr("-._~/", c)) {
            *o++ = (char)c;
        }
        else {
            *o++ = '%';
            *o++ = hex[c >> 4];
            *o++ = hex[c & 15];
        }
    }
    *o = '\0';
    return out;
}

static const char *login_url(const smarter_req_t *q, const char *target)
{
    return target ? apr_pstrcat(q->r->pool, q->child->auth->origin,
                                "/login?target=", percent(target, q->r->pool), NULL)
                  : ours(q, "/login");
}

static void add_redirect(sb_jw_t *w, const void *url)
{
    sb_jw_str(w, "redirect", url);
}

const char *smarter_auth_cookie_name(const smarter_child_t *child)
{
    return child->auth->session_cookie;
}

int smarter_auth_required(smarter_req_t *q)
{
    request_rec *r = q->r;

    if (is_navigation(r)) {
        event(q, SB_SECURITY_INFO, "sent to the sign-in");
        return redirect(
            q, HTTP_MOVED_TEMPORARILY,
            login_url(q, sb_relay_target_is_ours(r->unparsed_uri) ? r->unparsed_uri : NULL));
    }
    event(q, SB_SECURITY_INFO, "told to sign in");
    apr_table_setn(r->err_headers_out, "WWW-Authenticate", "Session realm=\"Smarter Reporting\"");
    return sb_web_problem_with(
        r, HTTP_UNAUTHORIZED, "Please sign in", add_redirect,
        login_url(q, path_of_ours(q, apr_table_get(r->headers_in, "Referer"))));
}

/* ---- signing in --------------------------------------------------------------------------------- */

static const char *target_of(const smarter_req_t *q)
{
    const apr_array_header_t *query;
    const char *target = NULL;

    if (sb_pairs_read(&query, q->r->args, q->r->pool) == APR_SUCCESS) {
        target = sb_pairs_get(query, "target");
    }
    return sb_relay_target_is_ours(target) ? target : q->child->auth->home;
}

/* Send the browser to the identity provider with a request of ours. */
static int go_to_idp(smarter_req_t *q, browser_t *browser)
{
    const smarter_auth_t *auth = q->child->auth;
    const char *key = sb_relay_random(q->r->pool), *url;
    sb_relay_t relay = {.kind = SB_RELAY_SIGN_IN, .target = target_of(q)};
    apr_status_t rv = APR_EGENERAL;

    if (!browser->id) {
        browser->id = sb_relay_random(q->r->pool);
    }
    if (key && browser->id) {
        rv = sb_saml_begin(&url, &relay.request_id, auth->saml, key, q->r->pool);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_relay_put(q->child->sessions.cache, auth->relay_keys, key, browser->id, &relay,
                          q->r->pool);
    }
    if (rv != APR_SUCCESS) {
        return unavailable(q, rv, SBLOGNO(3100), "starting a sign-in");
    }
    set_browser_cookie(q, browser);
    event(q, SB_SECURITY_INFO, "sent to the identity provider");
    return redirect(q, HTTP_MOVED_TEMPORARILY, url);
}

int smarter_auth_login(smarter_req_t *q)
{
    browser_t browser = browser_of(q);
    apr_status_t rv = smarter_auth_find(q);

    if (rv == APR_SUCCESS) {
        return redirect(q, HTTP_MOVED_TEMPORARILY, ours(q, target_of(q)));
    }
    if (rv != APR_NOTFOUND) {
        return unavailable(q, rv, SBLOGNO(3101), "looking up a session");
    }
    if (browser.rounds >= ROUNDS_MAX) {
        event(q, SB_SECURITY_INFO, "sign-in stopped: turning in circles");
        return sb_web_page(q->r, HTTP_FORBIDDEN, "Signing in does not hold",
                           "You were signed in several times within seconds, but your browser did"
                           " not stay signed in. Please allow cookies for this site, wait half a"
                           " minute and try again.",
                           "/login", "Sign in again");
    }
    return go_to_idp(q, &browser);
}

typedef struct {
    const char *answer; /* base64 */
    const char *relay_key;
} form_t;

/* @return NULL, or why it is refused */
static const char *read_form(form_t *form, const smarter_req_t *q, const char *text)
{
    const apr_array_header_t *pairs;

    memset(form, 0, sizeof(*form));
    if (sb_pairs_read(&pairs, text, q->r->pool) != APR_SUCCESS) {
        return "form";
    }
    for (int i = 0; i < pairs->nelts; i++) {
        const sb_pair_t *pair = &APR_ARRAY_IDX(pairs, i, sb_pair_t);
        const char **where = !strcmp(pair->name, "SAMLResponse") ? &form->answer
                             : !strcmp(pair->name, "RelayState") ? &form->relay_key
                                                                 : NULL;

        if (where && *where) {
            return "form";
        }
        if (where) {
            *where = pair->value;
        }
    }
    return form->answer && form->relay_key ? NULL : "form";
}

/* A new session with a new id, whatever the browser had before. @return OK, or DONE: answered */
static int start_session(smarter_req_t *q, const sb_saml_result_t *res)
{
    sb_session_t *s = apr_pcalloc(q->r->pool, sizeof(*s));
    const char *old = cookie(q, q->child->auth->session_cookie);
    apr_status_t rv;

    s->identity = res->identity;
    s->name_id = res->name_id;
    s->session_index = res->session_index;
    s->lasso_dump = res->lasso_dump;
    s->not_after = res->not_after;
    rv = old ? sb_session_end(&q->child->sessions, old) : APR_SUCCESS;
    if (rv == APR_SUCCESS) {
        rv = sb_session_create(s, &q->child->sessions, q->r->pool);
    }
    if (rv == SB_EEXPIRED) {
        refuse_sign_in(q, "session_expired");
        return DONE;
    }
    if (rv != APR_SUCCESS) {
        unavailable(q, rv, SBLOGNO(3102), "making a session");
        return DONE;
    }
    q->session = s;
    q->user = s->identity;
    set_session_cookie(q, s->id);
    return OK;
}

static int accept_answer(smarter_req_t *q, const form_t *form, browser_t *browser)
{
    const smarter_auth_t *auth = q->child->auth;
    sb_saml_result_t res = {0};
    sb_relay_t relay;
    apr_status_t rv;

    rv = sb_relay_take(&relay, SB_RELAY_SIGN_IN, q->child->sessions.cache, auth->relay_keys,
                       form->relay_key, browser->id, q->r->pool);
    if (rv == APR_NOTFOUND) {
        return refuse_sign_in(q, "relay_state");
    }
    if (rv == SB_EDENIED) {
        return refuse_sign_in(q, "other_browser");
    }
    if (rv != APR_SUCCESS) {
        return unavailable(q, rv, SBLOGNO(3103), "finding what was asked of the identity provider");
    }
    rv = sb_saml_finish(&res, auth->saml, form->answer, strlen(form->answer), relay.request_id,
                        q->r->pool);
    if (rv == SB_EDENIED) {
        return refuse_sign_in(q, res.reason);
    }
    if (rv != APR_SUCCESS) {
        event(q, SB_SECURITY_WARNING,
              apr_pstrcat(q->r->pool,
                          "sign-in refused: ", res.reason ? res.reason : "internal error", NULL));
        return unavailable(q, rv, SBLOGNO(3104), "judging an answer of the identity provider");
    }
    if (start_session(q, &res) != OK) {
        return OK;
    }
    browser->rounds++;
    browser->when = apr_time_sec(q->r->request_time);
    set_browser_cookie(q, browser);
    event(q, SB_SECURITY_INFO,
          apr_pstrcat(q->r->pool, "signed in, session ", sb_session_ref(q->session->id, q->r->pool),
                      NULL));
    return redirect(q, HTTP_SEE_OTHER, ours(q, relay.target));
}

int smarter_auth_saml_post(smarter_req_t *q)
{
    browser_t browser = browser_of(q);
    const char *why = NULL;
    apr_status_t rv;
    apr_size_t len;
    form_t form;
    char *text;

    if (!sb_web_has_type(q->r, "application/x-www-form-urlencoded")) {
        return refuse_sign_in(q, "form");
    }
    rv = sb_web_body(&text, &len, q->r, ANSWER_MAX);
    if (rv == APR_SUCCESS && strlen(text) != len) {
        rv = SB_EINPUT;
    }
    why = rv == APR_SUCCESS ? read_form(&form, q, text) : rv == SB_ETOOBIG ? "size" : "form";
    if (why) {
        return refuse_sign_in(q, why);
    }
    return accept_answer(q, &form, &browser);
}

/* ---- signing out -------------------------------------------------------------------------------- */

static int signed_out_page(smarter_req_t *q, const char *text)
{
    return sb_web_page(q->r, HTTP_OK, "You are signed out", text, "/login", "Sign in again");
}

/* May this request change something? @return OK, or DONE: answered */
static int admit_change(smarter_req_t *q)
{
    const apr_array_header_t *form = NULL;
    const char *token;
    apr_size_t len;
    char *text;

    switch (sb_web_same_origin(q->r, q->child->auth->origin)) {
    case 1:
        return OK;
    case 0:
        event(q, SB_SECURITY_WARNING, "sign-out refused: another site asked for it");
        sb_web_page(q->r, HTTP_FORBIDDEN, "You are still signed in",
                    "Another site tried to sign you out. Use the button on our own pages.", NULL,
                    NULL);
        return DONE;
    default:
        break;
    }
    if (q->r->method_number == M_POST &&
        sb_web_has_type(q->r, "application/x-www-form-urlencoded") &&
        sb_web_body(&text, &len, q->r, FORM_MAX) == APR_SUCCESS &&
        sb_pairs_read(&form, text, q->r->pool) == APR_SUCCESS) {
        token = sb_pairs_get(form, "csrf");
        if (token &&
            sb_equal_secret(token, strlen(token), q->session->csrf, strlen(q->session->csrf))) {
            return OK;
        }
    }
    sb_web_form(q->r, HTTP_OK, "Sign out?",
                "Your browser did not say where this request came from.", "/logout", "csrf",
                q->session->csrf, "Sign out");
    return DONE;
}

/* Ask the identity provider to end its session and those at other services. */
static int go_to_idp_logout(smarter_req_t *q, const char *lasso)
{
    const smarter_auth_t *auth = q->child->auth;
    const char *key = sb_relay_random(q->r->pool), *url;
    browser_t browser = browser_of(q);
    sb_relay_t relay = {.kind = SB_RELAY_SIGN_OUT, .target = auth->home};
    apr_status_t rv = APR_NOTFOUND;

    if (!browser.id) {
        browser.id = sb_relay_random(q->r->pool);
    }
    if (lasso && key && browser.id) {
        rv = sb_saml_logout_begin(&url, &relay.request_id, auth->saml, lasso, key, q->r->pool);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_relay_put(q->child->sessions.cache, auth->relay_keys, key, browser.id, &relay,
                          q->r->pool);
    }
    if (rv != APR_SUCCESS) {
        if (rv != APR_NOTFOUND) {
            sb_log(SB_LOG_ERROR, SBLOGNO(3105), rv, "asking the identity provider to sign out");
        }
        return signed_out_page(q,
                               "You are signed out here. You may still be signed in to the sign-in"
                               " service: close the browser to end that too.");
    }
    set_browser_cookie(q, &browser);
    if (q->r->method_number == M_GET) {
        return redirect(q, HTTP_MOVED_TEMPORARILY, url);
    }
    /* Our policy lets a form lead to our own pages only, redirects included: go on by a new step. */
    apr_table_setn(q->r->headers_out, "Refresh", apr_pstrcat(q->r->pool, "0; url=", url, NULL));
    return sb_web_page(q->r, HTTP_OK, "Signing out", "You are signed out here.", url,
                       "Sign out everywhere");
}

int smarter_auth_logout(smarter_req_t *q)
{
    const char *lasso;
    apr_status_t rv;

    if (admit_change(q) != OK) {
        return OK;
    }
    lasso = sb_session_lasso(&q->child->sessions, q->session, q->r->pool);
    rv = sb_session_end(&q->child->sessions, q->session->id);
    drop_session_cookie(q);
    if (rv != APR_SUCCESS) {
        return unavailable(q, rv, SBLOGNO(3106), "ending a session");
    }
    event(q, SB_SECURITY_INFO,
          apr_pstrcat(q->r->pool, "signed out, session ",
                      sb_session_ref(q->session->id, q->r->pool), NULL));
    return go_to_idp_logout(q, lasso);
}

static int refuse_logout(smarter_req_t *q, const char *reason)
{
    event(q, SB_SECURITY_WARNING,
          apr_pstrcat(q->r->pool, "sign-out message refused: ", reason, NULL));
    return sb_web_page(q->r, HTTP_FORBIDDEN, "This sign-out message was not accepted",
                       "It did not come from the sign-in service, or it is too old. If you want to"
                       " be sure that you are signed out, close the browser.",
                       NULL, NULL);
}

/* The identity provider says that somebody has signed out elsewhere. */
static int logout_asked(smarter_req_t *q, const sb_saml_logout_t *message)
{
    const char *lasso, *url;
    apr_status_t rv;
    int ended;

    rv = sb_session_end_named(&ended, &lasso, &q->child->sessions, message->name_id,
                              message->session_index, q->r->pool);
    if (rv != APR_SUCCESS) {
        return unavailable(q, rv, SBLOGNO(3107), "ending sessions for the identity provider");
    }
    event(
        q, SB_SECURITY_INFO,
        apr_psprintf(q->r->pool, "signed out by the identity provider, sessions ended: %d", ended));
    if (cookie(q, q->child->auth->session_cookie) && smarter_auth_find(q) == APR_NOTFOUND) {
        drop_session_cookie(q);
    }
    rv = sb_saml_logout_answer(&url, q->child->auth->saml, message, lasso, q->r->pool);
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(3108), rv, "answering a LogoutRequest");
        return signed_out_page(q, "You are signed out here.");
    }
    return redirect(q, HTTP_MOVED_TEMPORARILY, url);
}

static int logout_answered(smarter_req_t *q, const sb_saml_logout_t *message)
{
    if (!message->success) {
        event(q, SB_SECURITY_INFO, "the identity provider could not sign out everywhere");
        return signed_out_page(q, "You are signed out here, but the sign-in service could not sign"
                                  " you out everywhere. Close the browser to be sure.");
    }
    /* Without the message in the address, so that reloading the page does not send it again. */
    return redirect(q, HTTP_SEE_OTHER, ours(q, "/logout_redirect"));
}

int smarter_auth_logout_redirect(smarter_req_t *q)
{
    const smarter_auth_t *auth = q->child->auth;
    const char *query = q->r->args;
    sb_saml_logout_t message = {0};
    sb_relay_t relay = {0};
    apr_status_t rv = APR_NOTFOUND;

    if (!query || !*query) {
        return signed_out_page(
            q, "To be sure that nobody goes on where you stopped, close the browser.");
    }
    if (strstr(query, "SAMLResponse=")) {
        rv = sb_relay_take(&relay, SB_RELAY_SIGN_OUT, q->child->sessions.cache, auth->relay_keys,
                           sb_saml_query_relay(query, q->r->pool), browser_of(q).id, q->r->pool);
        if (rv == APR_NOTFOUND || rv == SB_EDENIED) {
            return refuse_logout(q, rv == APR_NOTFOUND ? "relay_state" : "other_browser");
        }
        if (rv != APR_SUCCESS) {
            return unavailable(q, rv, SBLOGNO(3109),
                               "finding what was asked of the identity provider");
        }
    }
    rv = sb_saml_logout_read(&message, auth->saml, query, relay.request_id, q->r->pool);
    if (rv == SB_EDENIED) {
        return refuse_logout(q, message.reason);
    }
    if (rv != APR_SUCCESS) {
        event(q, SB_SECURITY_WARNING, "sign-out message refused: replay_store");
        return unavailable(q, rv, SBLOGNO(3110), "judging a sign-out message");
    }
    return message.is_request ? logout_asked(q, &message) : logout_answered(q, &message);
}

/* ---- our metadata ------------------------------------------------------------------------------- */

int smarter_auth_metadata(smarter_req_t *q)
{
    const char *xml = sb_saml_metadata(q->child->auth->saml);

    apr_table_setn(q->r->headers_out, "Cache-Control", "no-cache");
    return sb_web_send(q->r, HTTP_OK, "application/samlmetadata+xml", xml, strlen(xml));
}
