/**
 * Signing out: asked for here, or by the identity provider.
 */

#include "web/sb_signin_private.h"

#include <string.h>
#include <apr_strings.h>
#include "core/sb_log.h"

#define FORM_MAX 1024 /* bytes of our own sign-out form */

static int signed_out_page(sb_req_t *q, const char *text)
{
    return sb_web_page(q->r, HTTP_OK, "You are signed out", text, "/login", "Sign in again");
}

/* May this request change something? @return OK, or DONE: answered */
static int admit_change(sb_req_t *q)
{
    const apr_array_header_t *form = NULL;
    const char *token;
    apr_size_t len;
    char *text;

    switch (sb_web_same_origin(q->r, q->signin->origin)) {
    case 1:
        return OK;
    case 0:
        sb_signin_event(q, SB_SECURITY_WARNING, "sign-out refused: another site asked for it");
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
static int go_to_idp_logout(sb_req_t *q, const char *lasso)
{
    const sb_signin_t *in = q->signin;
    const char *key = sb_relay_random(q->r->pool), *url;
    sb_browser_t browser = sb_browser_of(q);
    sb_relay_t relay = {.kind = SB_RELAY_SIGN_OUT, .target = in->home};
    apr_status_t rv = APR_NOTFOUND;

    if (!browser.id) {
        browser.id = sb_relay_random(q->r->pool);
    }
    if (lasso && key && browser.id) {
        rv = sb_saml_logout_begin(&url, &relay.request_id, in->saml, lasso, key, q->r->pool);
    }
    if (rv == APR_SUCCESS) {
        rv = sb_relay_put(q->signin->sessions.cache, in->relay_keys, key, browser.id, &relay,
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
    sb_browser_set(q, &browser);
    if (q->r->method_number == M_GET) {
        return sb_signin_redirect(q, HTTP_MOVED_TEMPORARILY, url);
    }
    /* Our policy lets a form lead to our own pages only, redirects included: go on by a new step. */
    apr_table_setn(q->r->headers_out, "Refresh", apr_pstrcat(q->r->pool, "0; url=", url, NULL));
    return sb_web_page(q->r, HTTP_OK, "Signing out", "You are signed out here.", url,
                       "Sign out everywhere");
}

/* Gone from this browser and from memcached, but not for sure: one that is cut off may still have it. */
static int half_signed_out(sb_req_t *q, apr_status_t rv)
{
    sb_log(SB_LOG_ERROR, SBLOGNO(3106), rv, "ending a session");
    return sb_web_page(
        q->r, HTTP_SERVICE_UNAVAILABLE, "Signing out is not complete",
        "You are signed out in this browser, but that could not be written down, and"
        " you may still be signed in to the sign-in service. Close the browser. To be"
        " sure, sign in and out again in some minutes.",
        "/login", "Sign in again");
}

int sb_signin_logout(sb_req_t *q)
{
    const char *lasso;
    apr_status_t rv;

    if (q->r->header_only) { /* asks what GET would say: that is no wish to leave */
        apr_table_setn(q->r->err_headers_out, "Allow", "GET, POST");
        return sb_web_page(q->r, HTTP_METHOD_NOT_ALLOWED, NULL, NULL, NULL, NULL);
    }
    if (admit_change(q) != OK) {
        return OK;
    }
    lasso = sb_session_lasso(&q->signin->sessions, q->session, q->r->pool);
    rv = sb_session_end(&q->signin->sessions, q->session->id);
    sb_signin_drop_cookie(q);
    if (rv != APR_SUCCESS) {
        return half_signed_out(q, rv);
    }
    sb_signin_event(q, SB_SECURITY_INFO,
                    apr_pstrcat(q->r->pool, "signed out, session ",
                                sb_session_ref(q->session->id, q->r->pool), NULL));
    return go_to_idp_logout(q, lasso);
}

static int refuse_logout(sb_req_t *q, const char *reason)
{
    if (sb_signin_limit_stray(q) != OK) {
        return OK;
    }
    sb_signin_event(q, SB_SECURITY_WARNING,
                    apr_pstrcat(q->r->pool, "sign-out message refused: ", reason, NULL));
    return sb_web_page(q->r, HTTP_FORBIDDEN, "This sign-out message was not accepted",
                       "It did not come from the sign-in service, or it is too old. If you want to"
                       " be sure that you are signed out, close the browser.",
                       NULL, NULL);
}

/* The identity provider says that somebody has signed out elsewhere. */
static int logout_asked(sb_req_t *q, const sb_saml_logout_t *message)
{
    sb_session_named_t named = {.issuer = message->issuer,
                                .message_id = message->message_id,
                                .message_end = message->message_end,
                                .name_id = message->name_id,
                                .session_index = message->session_index};
    const char *lasso, *url;
    apr_status_t rv;
    int ended;

    rv = sb_session_end_named(&ended, &lasso, &q->signin->sessions, &named, q->r->pool);
    if (rv == SB_EDENIED) {
        return refuse_logout(q, "replay");
    }
    if (rv != APR_SUCCESS) {
        sb_signin_event(q, SB_SECURITY_WARNING, "sign-out message refused: replay_store");
        return sb_signin_unavailable(q, rv, SBLOGNO(3107),
                                     "ending sessions for the identity provider");
    }
    sb_signin_event(
        q, SB_SECURITY_INFO,
        apr_psprintf(q->r->pool, "signed out by the identity provider, sessions ended: %d", ended));
    if (sb_signin_cookie(q) && sb_signin_find_session(q) == APR_NOTFOUND) {
        sb_signin_drop_cookie(q);
    }
    rv = sb_saml_logout_answer(&url, q->signin->saml, message, lasso, q->r->pool);
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(3108), rv, "answering a LogoutRequest");
        return signed_out_page(q, "You are signed out here.");
    }
    return sb_signin_redirect(q, HTTP_MOVED_TEMPORARILY, url);
}

static int logout_answered(sb_req_t *q, const sb_saml_logout_t *message)
{
    if (!message->success) {
        sb_signin_event(q, SB_SECURITY_INFO, "the identity provider could not sign out everywhere");
        return signed_out_page(q, "You are signed out here, but the sign-in service could not sign"
                                  " you out everywhere. Close the browser to be sure.");
    }
    /* Without the message in the address, so that reloading the page does not send it again. */
    return sb_signin_redirect(q, HTTP_SEE_OTHER, sb_signin_ours(q, "/logout_redirect"));
}

static int judge_message(sb_req_t *q, const char *query, int is_answer)
{
    const sb_signin_t *in = q->signin;
    sb_saml_logout_t message = {0};
    sb_relay_t relay = {0};
    apr_status_t rv;

    if (is_answer) {
        rv = sb_relay_take(&relay, SB_RELAY_SIGN_OUT, q->signin->sessions.cache, in->relay_keys,
                           sb_saml_query_relay(query, q->r->pool), sb_browser_of(q).id, q->r->pool);
        if (rv == APR_NOTFOUND || rv == SB_EDENIED) {
            return refuse_logout(q, rv == APR_NOTFOUND ? "relay_state" : "other_browser");
        }
        if (rv != APR_SUCCESS) {
            return sb_signin_unavailable(q, rv, SBLOGNO(3109),
                                         "finding what was asked of the identity provider");
        }
    }
    rv = sb_saml_logout_read(&message, in->saml, query, relay.request_id, q->r->pool);
    if (rv != APR_SUCCESS) {
        return refuse_logout(q, message.reason);
    }
    return message.is_request ? logout_asked(q, &message) : logout_answered(q, &message);
}

int sb_signin_logout_redirect(sb_req_t *q)
{
    const char *query = q->r->args;
    int is_answer, rc;

    if (!query || !*query) {
        return signed_out_page(
            q, "To be sure that nobody goes on where you stopped, close the browser.");
    }
    /* An answer belongs to a question of ours, or is not read either. Anybody can write a question. */
    is_answer = strstr(query, "SAMLResponse=") != NULL;
    if ((!is_answer && sb_signin_admit_stray(q) != OK) || sb_signin_enter(q) != OK) {
        return OK;
    }
    rc = judge_message(q, query, is_answer);
    sb_signin_leave(q);
    return rc;
}
