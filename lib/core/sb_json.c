/* JSON: reading, by yajl, into a tree with limits. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <apr_strings.h>
#include <yajl/yajl_parse.h>
#include "core/sb_json.h"
#include "core/sb_path.h"

#define MAX_DEPTH 64
/* yajl lets the second half of a surrogate pair alone (\udc00) through, and makes a '?' of the first. */
#define NOT_UTF8 "not UTF-8, or half a surrogate pair"

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct {
    apr_pool_t *pool;
    sb_json_limits_t limits;
    sb_json_t *root;
    sb_json_t *open[MAX_DEPTH];
    sb_json_t *last[MAX_DEPTH]; /* last member of each open container */
    int depth;
    apr_size_t nodes;
    const char *key;
    const char *problem;
    apr_status_t status;
} reader_t;

static int refuse(reader_t *r, apr_status_t status, const char *problem)
{
    r->status = status;
    r->problem = problem;
    return 0;
}

/* Objects of more members than this are searched by the linear check for doubles too slowly. */
#define MAX_MEMBERS 10000

static sb_json_t *add(reader_t *r, sb_json_type_t type)
{
    sb_json_t *n;

    if (++r->nodes > r->limits.max_nodes) {
        refuse(r, SB_ETOOBIG,
               apr_psprintf(r->pool, "more than %" APR_SIZE_T_FMT " values", r->limits.max_nodes));
        return NULL;
    }
    n = apr_pcalloc(r->pool, sizeof(*n));
    n->type = type;
    if (r->depth == 0) {
        r->root = n;
        return n;
    }
    if (r->open[r->depth - 1]->type == SB_JSON_OBJECT) {
        sb_json_t *parent = r->open[r->depth - 1];

        if (parent->nchild >= MAX_MEMBERS) {
            refuse(r, SB_ETOOBIG, "an object of more than 10000 members");
            return NULL;
        }
        if (sb_json_get(parent, r->key)) {
            refuse(r, SB_EINPUT,
                   apr_psprintf(r->pool, "the name \"%.60s\" stands twice in one object", r->key));
            return NULL;
        }
        n->key = r->key;
    }
    if (r->last[r->depth - 1]) {
        r->last[r->depth - 1]->next = n;
    }
    else {
        r->open[r->depth - 1]->child = n;
    }
    r->last[r->depth - 1] = n;
    r->open[r->depth - 1]->nchild++;
    return n;
}

static int on_null(void *ctx)
{
    return add(ctx, SB_JSON_NULL) != NULL;
}

static int on_bool(void *ctx, int value)
{
    sb_json_t *n = add(ctx, SB_JSON_BOOL);

    if (n) {
        n->truth = value != 0;
    }
    return n != NULL;
}

static int text_node(reader_t *r, sb_json_type_t type, const char *s, size_t len)
{
    sb_json_t *n = add(r, type);

    if (n) {
        n->text = apr_pstrmemdup(r->pool, s, len);
        n->len = len;
    }
    return n != NULL;
}

static int on_number(void *ctx, const char *s, size_t len)
{
    return text_node(ctx, SB_JSON_NUMBER, s, len);
}

static int on_string(void *ctx, const unsigned char *s, size_t len)
{
    if (!sb_utf8_is_valid((const char *)s, len)) {
        return refuse(ctx, SB_EINPUT, NOT_UTF8);
    }
    return text_node(ctx, SB_JSON_STRING, (const char *)s, len);
}

static int on_key(void *ctx, const unsigned char *s, size_t len)
{
    reader_t *r = ctx;

    if (memchr(s, '\0', len)) {
        return refuse(r, SB_EINPUT, "a NUL in a name");
    }
    if (!sb_utf8_is_valid((const char *)s, len)) {
        return refuse(r, SB_EINPUT, NOT_UTF8);
    }
    r->key = apr_pstrmemdup(r->pool, (const char *)s, len);
    return 1;
}

static int open_container(reader_t *r, sb_json_type_t type)
{
    sb_json_t *n;

    if (r->depth >= r->limits.max_depth) {
        return refuse(r, SB_ETOOBIG,
                      apr_psprintf(r->pool, "nested deeper than %d", r->limits.max_depth));
    }
    n = add(r, type);
    if (!n) {
        return 0;
    }
    r->open[r->depth] = n;
    r->last[r->depth] = NULL;
    r->depth++;
    return 1;
}

static int on_object(void *ctx)
{
    return open_container(ctx, SB_JSON_OBJECT);
}

static int on_array(void *ctx)
{
    return open_container(ctx, SB_JSON_ARRAY);
}

static int on_end(void *ctx)
{
    ((reader_t *)ctx)->depth--;
    return 1;
}

/* Is there a first half of a surrogate pair (\ud800 to \udbff) without its second? Outside of strings a
 * backslash is an error anyway. */
static int has_half_pair(const char *s, apr_size_t len)
{
    const char *end = s + len;

    while ((s = memchr(s, '\\', (apr_size_t)(end - s))) != NULL && end - s >= 6) {
        int is_first = s[1] == 'u' && (s[2] | 0x20) == 'd' && strchr("89abAB", s[3]) != NULL;

        if (is_first && (end - s < 12 || s[6] != '\\' || s[7] != 'u' || (s[8] | 0x20) != 'd' ||
                         !strchr("cdefCDEF", s[9]))) {
            return 1;
        }
        s += is_first ? 12 : 2;
    }
    return 0;
}

/* What is wrong and where, for the author of the text. */
static const char *complaint(const reader_t *r, yajl_handle h, int ended, apr_size_t len,
                             apr_pool_t *p)
{
    apr_size_t at = yajl_get_bytes_consumed(h);
    unsigned char *why;
    char *text, *end;

    if (r->problem) {
        return apr_psprintf(p, "%s, at byte %" APR_SIZE_T_FMT, r->problem, at);
    }
    if (ended) { /* what yajl has consumed is counted from the end here */
        return len ? apr_psprintf(p, "it ends in the middle, after %" APR_SIZE_T_FMT " bytes", len)
                   : "it is empty";
    }
    why = yajl_get_error(h, 0, NULL, 0);
    text = apr_pstrdup(p, why ? (char *)why : "malformed");
    yajl_free_error(h, why);
    for (end = text + strlen(text); end > text && strchr(" .\n", end[-1]); end--) {
    }
    return apr_psprintf(p, "%.*s, at byte %" APR_SIZE_T_FMT, (int)(end - text), text, at);
}

apr_status_t sb_json_parse(sb_json_t **proot, const char **perror, const char *text, apr_size_t len,
                           const sb_json_limits_t *limits, apr_pool_t *p)
{
    static const yajl_callbacks callbacks = {
        .yajl_null = on_null,
        .yajl_boolean = on_bool,
        .yajl_number = on_number,
        .yajl_string = on_string,
        .yajl_start_map = on_object,
        .yajl_map_key = on_key,
        .yajl_end_map = on_end,
        .yajl_start_array = on_array,
        .yajl_end_array = on_end,
    };
    reader_t r = {.pool = p, .status = SB_EINPUT};
    yajl_handle h;
    yajl_status st;
    int ended = 0;

    *proot = NULL;
    if (perror) {
        *perror = NULL;
    }
    if (limits) {
        r.limits = *limits;
    }
    r.limits.max_bytes = r.limits.max_bytes ? r.limits.max_bytes : 1024 * 1024;
    r.limits.max_depth = r.limits.max_depth ? r.limits.max_depth : 32;
    r.limits.max_nodes = r.limits.max_nodes ? r.limits.max_nodes : 100000;
    if (r.limits.max_depth > MAX_DEPTH) {
        r.limits.max_depth = MAX_DEPTH;
    }
    if (len > r.limits.max_bytes) {
        if (perror) {
            *perror = apr_psprintf(p, "longer than %" APR_SIZE_T_FMT " bytes", r.limits.max_bytes);
        }
        return SB_ETOOBIG;
    }
    if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
        text += 3;
        len -= 3;
    }
    if (has_half_pair(text, len)) {
        if (perror) {
            *perror = NOT_UTF8;
        }
        return SB_EINPUT;
    }
    h = yajl_alloc(&callbacks, NULL, &r);
    if (!h) {
        return APR_ENOMEM;
    }
    st = yajl_parse(h, (const unsigned char *)text, len);
    if (st == yajl_status_ok) {
        ended = 1;
        st = yajl_complete_parse(h);
    }
    if (st == yajl_status_ok && r.root) {
        r.status = APR_SUCCESS;
        *proot = r.root;
    }
    else if (perror) {
        *perror = complaint(&r, h, ended, len, p);
    }
    yajl_free(h);
    return r.status;
}

void sb_jw_json(sb_jw_t *w, const char *key, const sb_json_t *value)
{
    const sb_json_t *child;

    switch (value->type) {
    case SB_JSON_NULL:
        sb_jw_null(w, key);
        break;
    case SB_JSON_BOOL:
        sb_jw_bool(w, key, value->truth);
        break;
    case SB_JSON_NUMBER:
        sb_jw_raw(w, key, value->text, value->len);
        break;
    case SB_JSON_STRING:
        sb_jw_strn(w, key, value->text, value->len);
        break;
    default:
        value->type == SB_JSON_OBJECT ? sb_jw_object(w, key) : sb_jw_array(w, key);
        for (child = value->child; child; child = child->next) {
            sb_jw_json(w, value->type == SB_JSON_OBJECT ? child->key : NULL, child);
        }
        sb_jw_end(w);
        break;
    }
}

const sb_json_t *sb_json_get(const sb_json_t *o, const char *key)
{
    const sb_json_t *n = o && o->type == SB_JSON_OBJECT ? o->child : NULL;

    for (; n; n = n->next) {
        if (!strcmp(n->key, key)) {
            break;
        }
    }
    return n;
}

const sb_json_t *sb_json_get_nocase(const sb_json_t *o, const char *key)
{
    const sb_json_t *n = o && o->type == SB_JSON_OBJECT ? o->child : NULL;

    for (; n; n = n->next) {
        if (!strcasecmp(n->key, key)) {
            break;
        }
    }
    return n;
}

const char *sb_json_str(const sb_json_t *n, const char *dflt)
{
    return n && n->type == SB_JSON_STRING ? n->text : dflt;
}

apr_status_t sb_json_int(apr_int64_t *pv, const sb_json_t *n)
{
    char *end;

    *pv = 0;
    if (!n || n->type != SB_JSON_NUMBER || strspn(n->text, "-0123456789") != n->len) {
        return SB_EINPUT;
    }
    errno = 0;
    *pv = strtoll(n->text, &end, 10);
    return errno || *end ? SB_EINPUT : APR_SUCCESS;
}
