/* JSON: writer and reader. */
#include "tap.h"
#include "core/sb_json.h"

static void writer(apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    apr_size_t len;

    sb_jw_object(w, NULL);
    sb_jw_str(w, "a", "x\"\n\xc3\xa9");
    sb_jw_int(w, "n", -5);
    sb_jw_array(w, "list");
    sb_jw_bool(w, NULL, 1);
    sb_jw_null(w, NULL);
    sb_jw_raw(w, NULL, "{\"raw\":1}", 9);
    sb_jw_end(w);
    sb_jw_str(w, "none", NULL);
    sb_jw_str(w, "bad",
              "a\xff"
              "b\xc3");
    sb_jw_fmt(w, "f", "%d of %d", 1, 2);
    sb_jw_end(w);
    is_str(sb_jw_text(w, &len),
           "{\"a\":\"x\\\"\\n\xc3\xa9\",\"n\":-5,\"list\":[true,null,{\"raw\":1}],\"none\":null,"
           "\"bad\":\"a\xef\xbf\xbd"
           "b\xef\xbf\xbd\",\"f\":\"1 of 2\"}",
           "written in order, escaped, bad bytes replaced");
    is_int((long long)len, (long long)strlen(sb_jw_text(w, NULL)), "length");
}

/* What a buffer of its own must get right. */
static void writer_edges(apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    char *big = apr_palloc(p, 100001);
    sb_json_t *root;
    apr_size_t len;

    memset(big, '"', 100000);
    big[100000] = '\0';
    sb_jw_array(w, NULL);
    sb_jw_int(w, NULL, INT64_MIN);
    sb_jw_int(w, NULL, INT64_MAX);
    sb_jw_int(w, NULL, 0);
    sb_jw_real(w, NULL, 0.5);
    sb_jw_real(w, NULL, 3);
    sb_jw_real(w, NULL, -1.0 / 0.0);
    sb_jw_object(w, NULL);
    sb_jw_end(w);
    sb_jw_array(w, NULL);
    sb_jw_end(w);
    sb_jw_object(w, NULL);
    sb_jw_strn(w, "\"key\\", "\0\x1f\t\x7f/", 5);
    sb_jw_str(w, "empty", "");
    sb_jw_end(w);
    sb_jw_str(w, NULL, "last");
    sb_jw_end(w);
    is_str(sb_jw_text(w, NULL),
           "[-9223372036854775808,9223372036854775807,0,0.5,3.0,null,{},[],"
           "{\"\\\"key\\\\\":\"\\u0000\\u001F\\t\x7f/\",\"empty\":\"\"},\"last\"]",
           "numbers, empty levels, escapes");
    w = sb_jw_make(p);
    sb_jw_object(w, NULL);
    sb_jw_str(w, "big", big);
    sb_jw_end(w);
    big = apr_pstrdup(p, sb_jw_text(w, &len));
    is_int((long long)len, 200000 + 10, "a text larger than any first buffer");
    ok(sb_json_parse(&root, NULL, big, len, NULL, p) == APR_SUCCESS &&
           sb_json_get(root, "big")->len == 100000,
       "can be read");
}

static void reader(apr_pool_t *p)
{
    static const struct {
        const char *text;
        apr_status_t rv;
    } cases[] = {
        {"{}", APR_SUCCESS},
        {"[1,2]", APR_SUCCESS},
        {"\"x\"", APR_SUCCESS},
        {"\xef\xbb\xbf{}", APR_SUCCESS},
        {"", SB_EINPUT},
        {"{", SB_EINPUT},
        {"{} x", SB_EINPUT},
        {"{\"a\":1,\"a\":2}", SB_EINPUT},
        {"{'a':1}", SB_EINPUT},
        {"\"\xff\"", SB_EINPUT},
        {"\"\\ud83d\\ude00\"", APR_SUCCESS},
        {"\"\\ud83d\"", SB_EINPUT}, /* yajl would read it as "?" */
        {"\"\\uD83D\\u0041\"", SB_EINPUT},
        {"\"\\ud83d\\ud83d\"", SB_EINPUT},
        {"\"\\\\ud83d\"", APR_SUCCESS}, /* a backslash, and text */
        {"\"\\ue000\\ud7ff\"", APR_SUCCESS},
        {"\"\\ude00\"", SB_EINPUT},
        {"{\"\\udc00\":1}", SB_EINPUT},
        {"[1,]", SB_EINPUT},
        {"[[[[1]]]]", SB_ETOOBIG},
        {"[1,2,3,4,5,6,7,8,9,10,11]", SB_ETOOBIG},
        {"{\"a\\u0000b\":1}", SB_EINPUT},
    };
    static const sb_json_limits_t limits = {.max_bytes = 60, .max_depth = 3, .max_nodes = 10};
    static const char tree[] = "{\"A\":{\"b\":[\"x\",7,true,null]},\"f\":1.0}";
    const sb_json_t *n;
    const char *why;
    sb_json_t *root;
    apr_int64_t v;
    apr_size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        apr_status_t rv =
            sb_json_parse(&root, &why, cases[i].text, strlen(cases[i].text), &limits, p);

        ok(rv == cases[i].rv && (root != NULL) == (rv == APR_SUCCESS) &&
               (why != NULL) == (rv != APR_SUCCESS),
           "%s: %s", cases[i].text, why ? why : "fine");
    }
    ok(sb_json_parse(&root, &why, tree, strlen(tree), NULL, p) == APR_SUCCESS, "a tree");
    n = sb_json_get(sb_json_get(root, "A"), "b");
    ok(n && n->type == SB_JSON_ARRAY && n->nchild == 4, "member of a member");
    is_str(sb_json_str(n->child, NULL), "x", "text");
    ok(sb_json_int(&v, n->child->next) == APR_SUCCESS && v == 7, "integer");
    ok(sb_json_int(&v, sb_json_get(root, "f")) == SB_EINPUT, "1.0 is no integer");
    ok(!sb_json_get(root, "a") && sb_json_get_nocase(root, "a"), "case counts, or not");
    ok(!sb_json_get(NULL, "a") && !sb_json_str(NULL, NULL), "nothing of nothing");
}

int main(void)
{
    apr_pool_t *p = tap_pool();

    writer(p);
    writer_edges(p);
    reader(p);
    return done();
}
