/* lib/core/sb_json: what is read can be written, and reads the same again. */

#include "fuzz.h"

#include "core/sb_json.h"
#include "core/sb_path.h"

static void write_node(sb_jw_t *w, const sb_json_t *n, int depth)
{
    const sb_json_t *c;
    apr_size_t count = 0;
    apr_int64_t v;

    must(depth <= 8);
    must(!n->text || n->text[n->len] == '\0');
    switch (n->type) {
    case SB_JSON_NULL:
        sb_jw_null(w, n->key);
        return;
    case SB_JSON_BOOL:
        sb_jw_bool(w, n->key, n->truth);
        return;
    case SB_JSON_NUMBER:
        (void)!sb_json_int(&v, n);
        sb_jw_raw(w, n->key, n->text, n->len);
        return;
    case SB_JSON_STRING:
        must(sb_utf8_is_valid(n->text, n->len));
        sb_jw_strn(w, n->key, n->text, n->len);
        return;
    case SB_JSON_OBJECT:
        sb_jw_object(w, n->key);
        break;
    case SB_JSON_ARRAY:
        sb_jw_array(w, n->key);
        break;
    }
    for (c = n->child; c; c = c->next) {
        count++;
        if (n->type == SB_JSON_OBJECT) {
            must(c->key);
            must(sb_json_get(n, c->key));
            must(sb_json_get_nocase(n, c->key));
        }
        else {
            must(!c->key);
        }
        write_node(w, c, depth + 1);
    }
    must(count == n->nchild);
    sb_jw_end(w);
}

static const char *rewrite(const char *text, apr_size_t len, int first)
{
    static const sb_json_limits_t limits = {
        .max_bytes = 1 << 16, .max_depth = 8, .max_nodes = 1000};
    const char *why = NULL;
    sb_json_t *root;
    apr_status_t rv = sb_json_parse(&root, &why, text, len, first ? &limits : NULL, fuzz_pool);
    sb_jw_t *w;

    must(rv == APR_SUCCESS || rv == SB_EINPUT || rv == SB_ETOOBIG);
    must((rv == APR_SUCCESS) == (why == NULL));
    must(first || rv == APR_SUCCESS);
    if (rv != APR_SUCCESS) {
        return NULL;
    }
    w = sb_jw_make(fuzz_pool);
    write_node(w, root, 0);
    return sb_jw_text(w, NULL);
}

FUZZ(data, size)
{
    char *copy = malloc(size ? size : 1);
    const char *once, *twice;

    memcpy(copy, data, size);
    once = rewrite(copy, size, 1);
    free(copy);
    if (once) {
        twice = rewrite(once, strlen(once), 0);
        must(!strcmp(once, twice));
    }
}
