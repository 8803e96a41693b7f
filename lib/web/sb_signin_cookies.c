/**
 * Two cookies. "__Host-smarter" names the session; a browser sends it only with requests that come
 * from our pages or from following a link (SameSite=Lax). "__Host-signin" binds the identity
 * provider's answer to the browser that asked for it; it must come along with a form posted by
 * another site (SameSite=None) and is worth nothing else. Cookies ignore ports, so off port 443 their
 * names carry the port.
 */

#include "web/sb_signin_private.h"

#include <stdio.h>
#include <string.h>
#include <apr_strings.h>

#define BROWSER_COOKIE_SECS "600"
#define ROUNDS_SECS 20 /* sign-ins further apart are not counted together */

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

static wanted_t look_for(const sb_req_t *q, const char *name)
{
    wanted_t want = {.name = name, .pool = q->r->pool};

    apr_table_do(look_for_cookie, &want, q->r->headers_in, "Cookie", NULL);
    return want;
}

/* @return NULL also if it comes twice: one of the two is not ours */
static const char *cookie(const sb_req_t *q, const char *name)
{
    wanted_t want = look_for(q, name);

    return want.seen == 1 ? want.value : NULL;
}

static void set_cookie(sb_req_t *q, const char *name, const char *value, const char *more)
{
    apr_table_addn(
        q->r->err_headers_out, "Set-Cookie",
        apr_pstrcat(q->r->pool, name, "=", value, "; Path=/; Secure; HttpOnly", more, NULL));
}

const char *sb_signin_cookie(const sb_req_t *q)
{
    return cookie(q, q->signin->session_cookie);
}

int sb_signin_has_cookie(const sb_req_t *q)
{
    return look_for(q, q->signin->session_cookie).seen > 0;
}

void sb_signin_set_cookie(sb_req_t *q, const char *id)
{
    set_cookie(q, q->signin->session_cookie, id, "; SameSite=Lax");
}

void sb_signin_drop_cookie(sb_req_t *q)
{
    set_cookie(q, q->signin->session_cookie, "", "; SameSite=Lax; Max-Age=0");
}

sb_browser_t sb_browser_of(const sb_req_t *q)
{
    const char *text = cookie(q, q->signin->browser_cookie);
    sb_browser_t b = {0};
    apr_int64_t age;
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
    /* Whoever writes these himself is believed no more than ours are: a few rounds, just now. */
    if (dot && sscanf(dot, ".%3d.%12" APR_INT64_T_FMT, &b.rounds, &b.when) != 2) {
        b.rounds = 0;
    }
    age = apr_time_sec(q->r->request_time) - b.when;
    if (b.rounds < 0 || age < -ROUNDS_SECS || age > ROUNDS_SECS) {
        b.rounds = 0;
    }
    return b;
}

void sb_browser_set(sb_req_t *q, const sb_browser_t *b)
{
    const char *value =
        b->rounds ? apr_psprintf(q->r->pool, "%s.%d.%" APR_INT64_T_FMT, b->id, b->rounds, b->when)
                  : b->id;

    set_cookie(q, q->signin->browser_cookie, value,
               "; SameSite=None; Max-Age=" BROWSER_COOKIE_SECS);
}
