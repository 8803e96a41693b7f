/* lib/core/sb_pairs, lib/report/sb_params, sb_filter: a query string, a line break, a JSON body. What
 * is taken can be written as JSON, and means the same when it is read again. */

#include "fuzz.h"

#include "core/sb_path.h"
#include "report/sb_filter.h"

static const sb_param_t schema[] = {
    {.name = "stateCode",
     .type = SB_PARAM_STRING,
     .required = 1,
     .chars = "a-zA-Z",
     .min_len = 2,
     .max_len = 2},
    {.name = "districtId", .type = SB_PARAM_STRING, .chars = "a-zA-Z0-9-", .max_len = 50},
    {.name = "asmtYear", .type = SB_PARAM_INTEGER},
    {.name = "asmtType", .type = SB_PARAM_ENUM, .values = sb_filter_sex},
    SB_FILTER_PARAMS,
    SB_FILTER_GROUPS,
    {.name = NULL},
};

static const char *written(const sb_params_t *params)
{
    sb_jw_t *w = sb_jw_make(fuzz_pool);

    sb_params_json(w, NULL, params);
    return sb_jw_text(w, NULL);
}

/* Values must not reach the text of a statement, only its arguments. */
static void check_filter(const sb_params_t *params)
{
    apr_array_header_t *args = apr_array_make(fuzz_pool, 4, sizeof(const char *));
    const char *sql = sb_filter_sql(params, "f", args, fuzz_pool);

    must(!strpbrk(sql, "'\";\\\n"));
    must(sb_filter_any(params) || !strcmp(sql, "true"));
    for (int i = 0; i < args->nelts; i++) {
        const char *list = APR_ARRAY_IDX(args, i, const char *);

        must(strspn(list, "{},_abcdefghijklmnopqrstuvwxyzNS0123456789") == strlen(list));
    }
}

FUZZ(data, size)
{
    char *text = malloc(size + 1);
    const apr_array_header_t *query;
    const sb_params_t *params, *again;
    const char *complaint, *json;
    sb_json_t *body = NULL;
    char *second;

    memcpy(text, data, size);
    text[size] = '\0';
    second = strchr(text, '\n');
    if (second) {
        *second++ = '\0';
        if (sb_json_parse(&body, NULL, second, strlen(second), NULL, fuzz_pool) != APR_SUCCESS) {
            body = NULL;
        }
    }
    if (sb_pairs_read(&query, text, fuzz_pool) == APR_SUCCESS) {
        for (int i = 0; i < query->nelts; i++) {
            const sb_pair_t *pair = &APR_ARRAY_IDX(query, i, sb_pair_t);

            must(sb_utf8_is_valid(pair->name, strlen(pair->name)));
            must(sb_utf8_is_valid(pair->value, strlen(pair->value)));
        }
        complaint =
            sb_params_read(&params, schema, query, body, SB_PARAMS_IGNORE_UNKNOWN, fuzz_pool);
        must((complaint == NULL) == (params != NULL));
        if (params) {
            must(strlen(sb_params_str(params, "stateCode")) == 2);
            check_filter(params);
            json = written(params);
            must(sb_json_parse(&body, NULL, json, strlen(json), NULL, fuzz_pool) == APR_SUCCESS);
            must(!sb_params_read(&again, schema, NULL, body, SB_PARAMS_REFUSE_UNKNOWN, fuzz_pool));
            must(!strcmp(json, written(again)));
        }
    }
    free(text);
}
