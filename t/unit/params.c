/* Request parameters: the validation dialect. */
#include "tap.h"
#include <apr_strings.h>
#include <apr_tables.h>
#include "report/sb_params.h"

static const char *const colours[] = {"red", "green", NULL};
static const sb_param_t schema[] = {
    {.name = "state",
     .type = SB_PARAM_STRING,
     .required = 1,
     .chars = "a-zA-Z",
     .min_len = 2,
     .max_len = 2},
    {.name = "id", .type = SB_PARAM_STRING, .chars = "a-zA-Z0-9-", .max_len = 5},
    {.name = "year", .type = SB_PARAM_INTEGER},
    {.name = "colour", .type = SB_PARAM_STRINGS, .values = colours},
    {.name = "kind", .type = SB_PARAM_ENUM, .values = colours},
    {.name = "name", .type = SB_PARAM_STRING, .secret = 1},
    {.name = "later", .type = SB_PARAM_STRINGS, .refusal = "is not offered"},
    {.name = NULL},
};

/* "a=1&b=2" without any decoding */
static apr_array_header_t *pairs(const char *query, apr_pool_t *p)
{
    apr_array_header_t *a = apr_array_make(p, 4, sizeof(sb_pair_t));
    char *rest = apr_pstrdup(p, query), *item, *state;

    while ((item = apr_strtok(rest, "&", &state)) != NULL) {
        sb_pair_t *pair = apr_array_push(a);
        char *eq = strchr(item, '=');

        *eq = '\0';
        pair->name = item;
        pair->value = eq + 1;
        rest = NULL;
    }
    return a;
}

static const struct {
    const char *query, *body;
    int strict;
    const char *want; /* the JSON of good parameters; NULL: a complaint */
} cases[] = {
    {"state=NC", NULL, 0, "{\"state\":\"NC\"}"},
    {"", "{\"state\":\"NC\"}", 0, "{\"state\":\"NC\"}"},
    {"state=XX", "{\"state\":\"NC\"}", 0, "{\"state\":\"NC\"}"},
    {"state=NC&state=CA", NULL, 0, "{\"state\":\"CA\"}"},
    {"", NULL, 0, NULL},
    {"", "{}", 0, NULL},
    {"", "[]", 0, NULL},
    {"", "null", 0, NULL},
    {"state=NC", "7", 0, NULL},
    {"", "{\"state\":null}", 0, NULL},
    {"", "{\"state\":7}", 0, NULL},
    {"state=", NULL, 0, NULL},
    {"state=N", NULL, 0, NULL},
    {"state=NCC", NULL, 0, NULL},
    {"state=N1", NULL, 0, NULL},
    {"", "{\"state\":\"NC\\n\"}", 0, NULL},
    {"", "{\"state\":\"N\\u0000\"}", 0, NULL},
    {"state=NC&id=a-9Z", NULL, 0, "{\"state\":\"NC\",\"id\":\"a-9Z\"}"},
    {"state=NC&id=123456", NULL, 0, NULL},
    {"state=NC&id=a_b", NULL, 0, NULL},
    {"state=NC&id=a'b", NULL, 0, NULL},
    {"state=NC&id= ", NULL, 0, NULL},
    {"state=NC&id=", NULL, 0, NULL},
    {"state=NC&year=2016", NULL, 0, "{\"state\":\"NC\",\"year\":2016}"},
    {"state=NC&year=-1", NULL, 0, "{\"state\":\"NC\",\"year\":-1}"},
    {"state=NC&year=", NULL, 0, NULL},
    {"state=NC&year=2016x", NULL, 0, NULL},
    {"state=NC&year=2016.0", NULL, 0, NULL},
    {"state=NC&year=+1", NULL, 0, NULL},
    {"state=NC&year= 1", NULL, 0, NULL},
    {"state=NC&year=-", NULL, 0, NULL},
    {"state=NC&year=2147483647", NULL, 0, "{\"state\":\"NC\",\"year\":2147483647}"},
    {"state=NC&year=2147483648", NULL, 0, NULL},
    {"state=NC&year=99999999999999999999", NULL, 0, NULL},
    {"state=NC", "{\"year\":2016}", 0, "{\"state\":\"NC\",\"year\":2016}"},
    {"state=NC", "{\"year\":2016.0}", 0, NULL},
    {"state=NC", "{\"year\":true}", 0, NULL},
    {"state=NC", "{\"year\":\"2016\"}", 0, NULL},
    {"state=NC", "{\"year\":null}", 0, NULL},
    {"state=NC", "{\"year\":4294967296}", 0, NULL},
    {"state=NC&colour=red", NULL, 0, "{\"state\":\"NC\",\"colour\":[\"red\"]}"},
    {"state=NC&colour=red&colour=green&colour=red", NULL, 0,
     "{\"state\":\"NC\",\"colour\":[\"green\",\"red\"]}"},
    {"state=NC&colour=red&colour=blue&colour=green", NULL, 0, NULL},
    {"state=NC&colour=Red", NULL, 0, NULL},
    {"state=NC&colour=", NULL, 0, NULL},
    {"state=NC", "{\"colour\":[\"red\",\"green\"]}", 0,
     "{\"state\":\"NC\",\"colour\":[\"green\",\"red\"]}"},
    {"state=NC", "{\"colour\":\"red\"}", 0, "{\"state\":\"NC\",\"colour\":[\"red\"]}"},
    {"state=NC", "{\"colour\":[]}", 0, "{\"state\":\"NC\",\"colour\":[]}"},
    {"state=NC&colour=red", "{\"colour\":[]}", 0, "{\"state\":\"NC\",\"colour\":[]}"},
    {"state=NC", "{\"colour\":[1]}", 0, NULL},
    {"state=NC", "{\"colour\":[null]}", 0, NULL},
    {"state=NC", "{\"colour\":[[\"red\"]]}", 0, NULL},
    {"state=NC", "{\"colour\":{}}", 0, NULL},
    {"state=NC", "{\"colour\":3}", 0, NULL},
    {"state=NC&kind=red", NULL, 0, "{\"state\":\"NC\",\"kind\":\"red\"}"},
    {"state=NC&kind=blue", NULL, 0, NULL},
    {"state=NC&later=x", NULL, 0, NULL},
    {"state=NC", "{\"name\":\"Secr\u00e9t\"}", 0, "{\"state\":\"NC\",\"name\":{\"length\":7}}"},
    {"state=NC&sl=17&unknown=1", "{\"other\":[1,{}]}", 0, "{\"state\":\"NC\"}"},
    {"state=NC&unknown=1", NULL, 1, NULL},
    {"state=NC", "{\"unknown\":1}", 1, NULL},
    {"state=NC", "{\"year\":1}", 1, "{\"state\":\"NC\",\"year\":1}"},
};

static void judge(apr_pool_t *p)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *body = cases[i].body;
        const sb_params_t *params;
        const char *complaint;
        sb_json_t *json = NULL;
        char *what = apr_psprintf(p, "?%s %s", cases[i].query, body ? body : "");

        if (body && sb_json_parse(&json, NULL, body, strlen(body), NULL, p) != APR_SUCCESS) {
            ok(0, "the body of a case parses");
            continue;
        }
        complaint = sb_params_read(
            &params, schema, pairs(cases[i].query, p), json,
            cases[i].strict ? SB_PARAMS_REFUSE_UNKNOWN : SB_PARAMS_IGNORE_UNKNOWN, p);
        if (!cases[i].want) {
            ok(complaint != NULL && params == NULL, "%s: %s", what,
               complaint ? complaint : "taken");
        }
        else if (complaint) {
            ok(0, "%s: %s", what, complaint);
        }
        else {
            sb_jw_t *w = sb_jw_make(p);

            sb_params_json(w, NULL, params);
            is_str(sb_jw_text(w, NULL), cases[i].want, what);
        }
    }
}

static void long_list(apr_pool_t *p)
{
    apr_array_header_t *query = pairs("state=NC", p);
    const sb_params_t *params;

    for (int i = 0; i <= SB_PARAM_LIST_MAX; i++) {
        sb_pair_t *pair = apr_array_push(query);

        pair->name = "colour";
        pair->value = "red";
    }
    ok(sb_params_read(&params, schema, query, NULL, SB_PARAMS_IGNORE_UNKNOWN, p) != NULL,
       "a list without end");
}

static void accessors(apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    const sb_params_t *params;

    if (sb_params_read(&params, schema, pairs("state=NC&colour=red", p), NULL,
                       SB_PARAMS_IGNORE_UNKNOWN, p)) {
        ok(0, "good parameters");
        return;
    }
    is_str(sb_params_str(params, "state"), "NC", "a text");
    ok(!sb_params_str(params, "id") && !sb_params_has(params, "id"), "one that is not given");
    is_int(sb_params_int(params, "year", 7), 7, "a default");
    ok(!sb_params_list(params, "later"), "a list that is not given");
    is_int(sb_params_list(params, "colour")->nelts, 1, "a list");

    sb_params_describe(w, NULL, schema);
    is_str(sb_jw_text(w, NULL),
           "{\"state\":{\"type\":\"string\",\"required\":true},"
           "\"id\":{\"type\":\"string\",\"required\":false},"
           "\"year\":{\"type\":\"integer\",\"required\":false},"
           "\"colour\":{\"type\":\"array\",\"required\":false},"
           "\"kind\":{\"required\":false},"
           "\"name\":{\"type\":\"string\",\"required\":false}}",
           "the description of a schema");
}

int main(void)
{
    apr_pool_t *p = tap_pool();

    judge(p);
    long_list(p);
    accessors(p);
    return done();
}
