/**
 * Signing in: who asks, the trip to the identity provider, and its answer.
 */

#include "web/sb_signin_private.h"

#include <string.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <http_protocol.h>
#include "auth/sb_browser.h"
#include "core/sb_log.h"

#define ANSWER_MAX (1536 * 1024) /* bytes of the form: 1 MiB in base64 */
#define ROUNDS_MAX 5             /* sign-ins of one browser within seconds: it turns in circles */

/* ---- answers ------------------------------------------------------------------------------------ */

void sb_signin_event(const sb_req_t *q, sb_security_t type, const char *text)
{
    sb_req_event(q, type, text);
}

int sb_signin_redirect(sb_req_t *q, int status, const char *url)
{
    apr_table_setn(q->r->headers_out, "Location", url);
    apr_table_setn(q->r->headers_out, "Cache-Control", "no-store");
    return sb_web_send(q->r, status, "text/plain; charset=UTF-8", "", 0);
}

const char *sb_signin_ours(const sb_req_t *q, const char *path)
{
    return apr_pstrcat(q->r->pool, q->signin->origin, path, NULL);
}

/* A refused message: a page that helps the person, one event that tells us why. */
static int refuse_sign_in(sb_req_t *q, const char *reason)
{
    sb_signin_event(q, SB_SECURITY_WARNING,
                    apr_pstrcat(q->r->pool, "sign-in refused: ", reason, NULL));
    return sb_web_page(
        q->r, HTTP_FORBIDDEN, "You could not be signed in",
        "The answer of the sign-in service was not accepted. This happens when a sign-in page was "
        "left"
        " open for a long time, was sent twice, or was started in another browser. Please sign in"
        " again; if it keeps failing, tell your help desk.",
        "/login", "Sign in again");
}

/* The same for a form that belongs to no sign-in begun in this browser: anybody can send thousands. */
static int refuse_stray(sb_req_t *q, const char *reason)
{
    return sb_signin_limit_stray(q) == OK ? refuse_sign_in(q, reason) : OK;
}

int sb_signin_unavailable(sb_req_t *q, apr_status_t rv, int number, const char *doing)
{
    sb_log(SB_LOG_ERROR, number, rv, "%s", doing);
    apr_table_setn(q->r->headers_out, "Retry-After", "5");
    return sb_web_page(q->r, HTTP_SERVICE_UNAVAILABLE, NULL, NULL, "/login", "Try again");
}

/* ---- who asks? ---------------------------------------------------------------------------------- */

apr_status_t sb_signin_find(sb_req_t *q)
{
    apr_status_t rv;

    q->bearer = NULL;
    q->user = NULL;
    rv = sb_signin_find_bearer(q);
    return rv == APR_NOTFOUND ? sb_signin_find_session(q) : rv;
}

apr_status_t sb_signin_find_session(sb_req_t *q)
{
    const char *id = sb_signin_cookie(q);
    sb_session_t *session;
    apr_status_t rv;

    q->session = NULL;
    q->user = NULL;
    if (!id) {
        return APR_NOTFOUND;
    }
    rv = sb_session_look(&session, &q->signin->sessions, id, q->r->pool);
    if (rv == APR_SUCCESS) {
        q->session = session;
        q->user = session->identity;
    }
    return rv;
}

apr_status_t sb_signin_use(sb_req_t *q)
{
    sb_session_t *used;
    apr_status_t rv;

    if (!q->session || q->quiet || apr_table_get(q->r->headers_in, SB_SIGNIN_BACKGROUND)) {
        return APR_SUCCESS;
    }
    used = apr_pmemdup(q->r->pool, q->session, sizeof(*used));
    rv = sb_session_use(used, &q->signin->sessions, q->r->pool);
    q->session = rv == APR_SUCCESS ? used : NULL;
    q->user = rv == APR_SUCCESS ? used->identity : NULL;
    return rv;
}

/* A browser showing a page to a person, or a script? */
int sb_signin_may_change(const sb_req_t *q)
{
    const char *token = apr_table_get(q->r->headers_in, "X-CSRF-Token");
    const char *mine = q->session ? q->session->csrf : "";

    return q->bearer || sb_web_same_origin(q->r, q->signin->origin) == 1 ||
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
static const char *path_of_ours(const sb_req_t *q, const char *url)
{
    apr_size_t len = strlen(q->signin->origin);

    if (!url || strncmp(url, q->signin->origin, len) || url[len] != '/') {
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

static const char *login_url(const sb_req_t *q, const char *target)
{
    return target ? apr_pstrcat(q->r->pool, q->signin->origin,
                                "/login?target=", percent(target, q->r->pool), NULL)
                  : sb_signin_ours(q, "/login");
}

static void add_redirect(sb_jw_t *w, const void *url)
{
    sb_jw_str(w, "redirect", url);
}

int sb_signin_required(sb_req_t *q)
{
    request_rec *r = q->r;

    if (is_navigation(r)) {
        sb_signin_event(q, SB_SECURITY_INFO, "sent to the sign-in");
        return sb_signin_redirect(
            q, HTTP_MOVED_TEMPORARILY,
            login_url(q, sb_relay_target_is_ours(r->unparsed_uri) ? r->unparsed_uri : NULL));
    }
    sb_signin_event(q, SB_SECURITY_INFO, "told to sign in");
    apr_table_setn(r->err_headers_out, "WWW-Authenticate", "Session realm=\"Smarter Reporting\"");
    return sb_web_problem_with(
        r, HTTP_UNAUTHORIZED, "Please sign in", add_redirect,
        login_url(q, path_of_ours(q, apr_table_get(r->headers_in, "Referer"))));
}

/* ---- signing in --------------------------------------------------------------------------------- */

static const char *asked_for(const sb_req_t *q, const char *name)
{
    const apr_array_header_t *query;

    return sb_pairs_read(&query, q->r->args, q->r->pool) == APR_SUCCESS ? sb_pairs_get(query, name)
                                                                        : NULL;
}

static const char *target_of(const sb_req_t *q)
{
    const char *target = asked_for(q, "target");

    return sb_relay_target_is_ours(target) ? target : q->signin->home;
}

/* Send the browser to the identity provider with a request of ours.
 * @param guid who is to prove anew who he is; NULL: what the provider remembers is good */
static int go_to_idp(sb_req_t *q, sb_browser_t *browser, const char *target, const char *guid)
{
    const sb_signin_t *in = q->signin;
    const char *key = sb_relay_random(q->r->pool), *url;
    sb_relay_t relay = {.kind = SB_RELAY_SIGN_IN, .target = target, .fresh = guid != NULL};
    apr_status_t rv = APR_EGENERAL;

    if (sb_signin_limit_begun(q) != OK) {
        return OK;
    }
    if (!browser->id) {
        browser->id = sb_relay_random(q->r->pool);
    }
    if (key && browser->id) {
        rv = sb_saml_begin(&url, &relay.request_id, in->saml, key, relay.fresh, q->r->pool);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_relay_put(q->signin->sessions.cache, in->relay_keys, key, browser->id, &relay,
                          q->r->pool);
    }
    if (rv != APR_SUCCESS) {
        return sb_signin_unavailable(q, rv, SBLOGNO(3100), "starting a sign-in");
    }
    sb_browser_set(q, browser);
    if (guid) {
        sb_signin_event(q, SB_SECURITY_INFO,
                        apr_pstrcat(q->r->pool, "sent back to prove anew who he is: ", guid, NULL));
    }
    else {
        sb_signin_event(q, SB_SECURITY_INFO, "sent to the identity provider");
    }
    return sb_signin_redirect(
        q, q->r->method_number == M_POST ? HTTP_SEE_OTHER : HTTP_MOVED_TEMPORARILY, url);
}

/* Pictures and frames cannot sign anybody in; a page elsewhere may be full of them, to use up what the browsers
 * of one address may begin. */
static int is_embedded(const request_rec *r)
{
    const char *mode = apr_table_get(r->headers_in, "Sec-Fetch-Mode");
    const char *dest = apr_table_get(r->headers_in, "Sec-Fetch-Dest");

    return (mode && strcmp(mode, "navigate")) || (dest && strcmp(dest, "document"));
}

int sb_signin_login(sb_req_t *q)
{
    sb_browser_t browser = sb_browser_of(q);
    apr_status_t rv;

    if (is_embedded(q->r)) {
        return sb_web_page(q->r, HTTP_FORBIDDEN, NULL, NULL, "/login", "Sign in");
    }
    rv = sb_signin_find_session(q);
    /* "renew": somebody whose session is about to reach its absolute end wants a new one. */
    if (rv == APR_SUCCESS && !asked_for(q, "renew")) {
        return sb_signin_redirect(q, HTTP_MOVED_TEMPORARILY, sb_signin_ours(q, target_of(q)));
    }
    if (rv != APR_SUCCESS && rv != APR_NOTFOUND) {
        return sb_signin_unavailable(q, rv, SBLOGNO(3101), "looking up a session");
    }
    if (browser.rounds >= ROUNDS_MAX) {
        sb_signin_event(q, SB_SECURITY_INFO, "sign-in stopped: turning in circles");
        return sb_web_page(q->r, HTTP_FORBIDDEN, "Signing in does not hold",
                           "You were signed in several times within seconds, but your browser did"
                           " not stay signed in. Please allow cookies for this site, wait half a"
                           " minute and try again.",
                           "/login", "Sign in again");
    }
    return go_to_idp(q, &browser, target_of(q), NULL);
}

typedef struct {
    const char *answer; /* base64 */
    const char *relay_key;
} form_t;

/* @return NULL, or why it is refused */
static const char *read_form(form_t *form, const sb_req_t *q, const char *text)
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
    return form->answer && (form->relay_key || q->signin->idp_initiated) ? NULL : "form";
}

/* A session of this person was ended from elsewhere since he proved who he is: somebody else may sit there by now. The
 * provider is told to find out, once; if it does not, nobody is let in. */
static int prove_anew(sb_req_t *q, const sb_saml_result_t *res, const sb_relay_t *relay,
                      sb_browser_t *browser)
{
    if (!relay->fresh) {
        return go_to_idp(q, browser, relay->target, res->identity->guid);
    }
    sb_signin_event(q, SB_SECURITY_WARNING, "sign-in refused: authn_instant");
    return sb_web_page(
        q->r, HTTP_FORBIDDEN, "Please prove who you are",
        "One of your sessions was ended from elsewhere. Since then your password is needed, but the"
        " sign-in service did not ask for it. Sign out there, or close the browser, then sign in"
        " again.",
        "/login", "Sign in again");
}

/* A new session with a new id, whatever the browser had before. @return OK, or DONE: answered */
static int start_session(sb_req_t *q, const sb_saml_result_t *res, const sb_relay_t *relay,
                         sb_browser_t *browser)
{
    sb_session_t *s = apr_pcalloc(q->r->pool, sizeof(*s));
    const char *old = sb_signin_cookie(q);
    apr_status_t rv;

    s->identity = res->identity;
    s->name_id = res->name_id;
    s->session_index = res->session_index;
    s->lasso_dump = res->lasso_dump;
    s->not_after = res->not_after;
    s->proved = res->proved;
    s->browser = sb_browser_words(apr_table_get(q->r->headers_in, "User-Agent"), q->r->pool);
    rv = old ? sb_session_end(&q->signin->sessions, old) : APR_SUCCESS;
    if (rv == APR_SUCCESS) {
        rv = sb_session_create(s, &q->signin->sessions, q->r->pool);
    }
    if (rv == SB_EEXPIRED) {
        refuse_sign_in(q, "session_expired");
        return DONE;
    }
    if (rv == SB_EDENIED) {
        prove_anew(q, res, relay, browser);
        return DONE;
    }
    if (rv != APR_SUCCESS) {
        sb_signin_unavailable(q, rv, SBLOGNO(3102), "making a session");
        return DONE;
    }
    q->session = s;
    q->user = s->identity;
    sb_signin_set_cookie(q, s->id);
    return OK;
}

static int accept_answer(sb_req_t *q, const form_t *form, sb_browser_t *browser)
{
    const sb_signin_t *in = q->signin;
    sb_saml_result_t res = {0};
    sb_relay_t relay;
    apr_status_t rv;

    rv = sb_relay_take(&relay, SB_RELAY_SIGN_IN, q->signin->sessions.cache, in->relay_keys,
                       form->relay_key, browser->id, q->r->pool);
    if (rv == APR_NOTFOUND && in->idp_initiated) {
        if (sb_signin_limit_begun(q) != OK) {
            return OK;
        }
        /* It began at the identity provider, whose relay state means nothing to us. */
        relay = (sb_relay_t){.kind = SB_RELAY_SIGN_IN, .target = in->home};
        rv = APR_SUCCESS;
    }
    if (rv == APR_NOTFOUND) {
        return refuse_stray(q, "relay_state");
    }
    if (rv == SB_EDENIED) {
        return refuse_stray(q, "other_browser");
    }
    if (rv != APR_SUCCESS) {
        return sb_signin_unavailable(q, rv, SBLOGNO(3103),
                                     "finding what was asked of the identity provider");
    }
    rv = sb_saml_finish(&res, in->saml, form->answer, strlen(form->answer), relay.request_id,
                        q->r->pool);
    if (rv == SB_EDENIED) {
        return relay.request_id ? refuse_sign_in(q, res.reason) : refuse_stray(q, res.reason);
    }
    if (rv != APR_SUCCESS) {
        sb_signin_event(q, SB_SECURITY_WARNING,
                        apr_pstrcat(q->r->pool, "sign-in refused: ",
                                    res.reason ? res.reason : "internal error", NULL));
        return sb_signin_unavailable(q, rv, SBLOGNO(3104),
                                     "judging an answer of the identity provider");
    }
    if (start_session(q, &res, &relay, browser) != OK) {
        return OK;
    }
    if (browser->id) {
        browser->rounds++;
        browser->when = apr_time_sec(q->r->request_time);
        sb_browser_set(q, browser);
    }
    sb_signin_event(q, SB_SECURITY_INFO,
                    apr_pstrcat(q->r->pool, "signed in, session ",
                                sb_session_ref(q->session->id, q->r->pool), NULL));
    return sb_signin_redirect(q, HTTP_SEE_OTHER, sb_signin_ours(q, relay.target));
}

int sb_signin_answer(sb_req_t *q)
{
    sb_browser_t browser = sb_browser_of(q);
    const char *why = NULL;
    apr_status_t rv;
    apr_size_t len;
    form_t form;
    char *text;
    int rc;

    if (!sb_web_has_type(q->r, "application/x-www-form-urlencoded")) {
        return refuse_stray(q, "form");
    }
    /* In this browser no sign-in was begun: it need not be read to be a stray. */
    if (!browser.id && !q->signin->idp_initiated && sb_signin_admit_stray(q) != OK) {
        return OK;
    }
    rv = sb_web_body(&text, &len, q->r, ANSWER_MAX);
    if (rv == APR_SUCCESS && strlen(text) != len) {
        rv = SB_EINPUT;
    }
    why = rv == APR_SUCCESS ? read_form(&form, q, text) : rv == SB_ETOOBIG ? "size" : "form";
    if (why) {
        return refuse_stray(q, why);
    }
    if (sb_signin_enter(q) != OK) {
        return OK;
    }
    rc = accept_answer(q, &form, &browser);
    sb_signin_leave(q);
    return rc;
}

/* ---- our metadata ------------------------------------------------------------------------------- */

int sb_signin_metadata(sb_req_t *q)
{
    const char *xml = sb_saml_metadata(q->signin->saml);

    apr_table_setn(q->r->headers_out, "Cache-Control", "no-cache");
    return sb_web_send(q->r, HTTP_OK, "application/samlmetadata+xml", xml, strlen(xml));
}
