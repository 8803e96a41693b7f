/**
 * Judges request parameters against a table.
 */

#include "report/sb_params.h"

#include <stdlib.h>
#include <string.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include "core/sb_path.h"

#define DEFAULT_MAX_LEN 200

typedef struct {
    int given;
    const char *text;               /* STRING, ENUM */
    apr_int64_t number;             /* INTEGER */
    const apr_array_header_t *list; /* STRINGS: const char * */
} value_t;

struct sb_params_t {
    const sb_param_t *schema;
    int n;
    value_t *values;
};

/* ---- one value ------------------------------------------------------------------------------- */

/* Is c in a set written like "a-zA-Z0-9-"? A '-' at the end stands for itself. */
static int in_set(const char *set, char c)
{
    for (; *set; set++) {
        if (set[1] == '-' && set[2]) {
            if (c >= set[0] && c <= set[2]) {
                return 1;
            }
            set += 2;
        }
        else if (c == *set) {
            return 1;
        }
    }
    return 0;
}

static const char *judge_text(const sb_param_t *s, const char *text, apr_size_t len, apr_pool_t *p)
{
    int max = s->max_len ? s->max_len : DEFAULT_MAX_LEN;

    if (len == 0) {
        return apr_psprintf(p, "%s: must not be empty", s->name);
    }
    if (strlen(text) != len || !sb_utf8_is_valid(text, len)) {
        return apr_psprintf(p, "%s: not UTF-8 text", s->name);
    }
    if (s->values) {
        for (int i = 0; s->values[i]; i++) {
            if (!strcmp(text, s->values[i])) {
                return NULL;
            }
        }
        return apr_psprintf(p, "%s: none of the values it may have", s->name);
    }
    if (len < (apr_size_t)s->min_len || len > (apr_size_t)max) {
        return s->min_len == max ? apr_psprintf(p, "%s: want %d characters", s->name, max)
                                 : apr_psprintf(p, "%s: want %d to %d characters", s->name,
                                                s->min_len ? s->min_len : 1, max);
    }
    for (; s->chars && *text; text++) {
        if (!in_set(s->chars, *text)) {
            return apr_psprintf(p, "%s: only characters of %s", s->name, s->chars);
        }
    }
    return NULL;
}

/* Digits with an optional '-', 32 bit. */
static int read_int(apr_int64_t *pv, const char *text)
{
    const char *digits = text + (*text == '-');
    char *end;

    if (strlen(text) > sizeof("-2147483648") - 1 || !apr_isdigit(*digits)) {
        return 0;
    }
    *pv = apr_strtoi64(text, &end, 10);
    return *end == '\0' && *pv >= APR_INT32_MIN && *pv <= APR_INT32_MAX;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sort and drop doubles, so that equal wishes look equal. */
static const apr_array_header_t *normal_list(apr_array_header_t *list)
{
    const char **text = (const char **)list->elts;
    int n = 0;

    qsort(text, (size_t)list->nelts, sizeof(*text), compare_text);
    for (int i = 0; i < list->nelts; i++) {
        if (n == 0 || strcmp(text[n - 1], text[i])) {
            text[n++] = text[i];
        }
    }
    list->nelts = n;
    return list;
}

static const char *add_to_list(apr_array_header_t *list, const sb_param_t *s, const char *text,
                               apr_size_t len, apr_pool_t *p)
{
    const char *complaint = judge_text(s, text, len, p);

    if (complaint) {
        return complaint;
    }
    if (list->nelts == SB_PARAM_LIST_MAX) {
        return apr_psprintf(p, "%s: more than %d values", s->name, SB_PARAM_LIST_MAX);
    }
    APR_ARRAY_PUSH(list, const char *) = text;
    return NULL;
}

/* ---- from the query -------------------------------------------------------------------------- */

/* Scalars: the last one counts. Lists: all of them. */
static const char *from_query(value_t *v, const sb_param_t *s, const apr_array_header_t *query,
                              apr_pool_t *p)
{
    apr_array_header_t *list = NULL;
    const char *last = NULL;
    const char *complaint;

    for (int i = 0; query && i < query->nelts; i++) {
        const sb_pair_t *pair = &APR_ARRAY_IDX(query, i, sb_pair_t);

        if (strcmp(pair->name, s->name)) {
            continue;
        }
        last = pair->value;
        if (s->type == SB_PARAM_STRINGS) {
            list = list ? list : apr_array_make(p, 4, sizeof(const char *));
            complaint = add_to_list(list, s, last, strlen(last), p);
            if (complaint) {
                return complaint;
            }
        }
    }
    if (!last) {
        return NULL;
    }
    v->given = 1;
    switch (s->type) {
    case SB_PARAM_STRINGS:
        v->list = normal_list(list);
        return NULL;
    case SB_PARAM_INTEGER:
        return read_int(&v->number, last) ? NULL : apr_psprintf(p, "%s: want an integer", s->name);
    case SB_PARAM_STRING:
    case SB_PARAM_ENUM:
        break;
    }
    v->text = last;
    return judge_text(s, last, strlen(last), p);
}

/* ---- from the body --------------------------------------------------------------------------- */

static const char *list_from_json(value_t *v, const sb_param_t *s, const sb_json_t *node,
                                  apr_pool_t *p)
{
    const sb_json_t *first = node->type == SB_JSON_ARRAY ? node->child : node;
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(const char *));
    const char *complaint;

    for (const sb_json_t *item = first; item; item = node == item ? NULL : item->next) {
        if (item->type != SB_JSON_STRING) {
            return apr_psprintf(p, "%s: want a list of texts", s->name);
        }
        complaint = add_to_list(list, s, item->text, item->len, p);
        if (complaint) {
            return complaint;
        }
    }
    v->list = normal_list(list);
    return NULL;
}

static const char *from_json(value_t *v, const sb_param_t *s, const sb_json_t *node, apr_pool_t *p)
{
    memset(v, 0, sizeof(*v));
    v->given = 1;
    switch (s->type) {
    case SB_PARAM_STRINGS:
        return list_from_json(v, s, node, p);
    case SB_PARAM_INTEGER: /* a text of digits is a text */
        if (node->type != SB_JSON_NUMBER || sb_json_int(&v->number, node) != APR_SUCCESS ||
            v->number < APR_INT32_MIN || v->number > APR_INT32_MAX) {
            return apr_psprintf(p, "%s: want an integer", s->name);
        }
        return NULL;
    case SB_PARAM_STRING:
    case SB_PARAM_ENUM:
        break;
    }
    if (node->type != SB_JSON_STRING) {
        return apr_psprintf(p, "%s: want a text", s->name);
    }
    v->text = node->text;
    return judge_text(s, node->text, node->len, p);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static int known(const sb_param_t *schema, const char *name)
{
    for (; schema->name; schema++) {
        if (!strcmp(schema->name, name)) {
            return 1;
        }
    }
    return 0;
}

static const char *find_unknown(const sb_param_t *schema, const apr_array_header_t *query,
                                const sb_json_t *body)
{
    for (int i = 0; query && i < query->nelts; i++) {
        const char *name = APR_ARRAY_IDX(query, i, sb_pair_t).name;

        if (!known(schema, name)) {
            return name;
        }
    }
    for (const sb_json_t *m = body ? body->child : NULL; m; m = m->next) {
        if (!known(schema, m->key)) {
            return m->key;
        }
    }
    return NULL;
}

const char *sb_params_read(const sb_params_t **pparams, const sb_param_t *schema,
                           const apr_array_header_t *query, const sb_json_t *body,
                           sb_params_unknown_t unknown, apr_pool_t *p)
{
    sb_params_t *params = apr_pcalloc(p, sizeof(*params));
    const char *complaint;

    *pparams = NULL;
    if (body && body->type != SB_JSON_OBJECT) {
        return "the body is no JSON object";
    }
    if (unknown == SB_PARAMS_REFUSE_UNKNOWN && find_unknown(schema, query, body)) {
        return "there is a parameter of an unknown name";
    }
    params->schema = schema;
    while (schema[params->n].name) {
        params->n++;
    }
    params->values = apr_pcalloc(p, (apr_size_t)params->n * sizeof(*params->values));
    for (int i = 0; i < params->n; i++) {
        const sb_param_t *s = &schema[i];
        const sb_json_t *member = sb_json_get(body, s->name);

        complaint = member ? from_json(&params->values[i], s, member, p)
                           : from_query(&params->values[i], s, query, p);
        if (complaint) {
            return complaint;
        }
        if (params->values[i].given && s->refusal) {
            return apr_psprintf(p, "%s: %s", s->name, s->refusal);
        }
        if (s->required && !params->values[i].given) {
            return apr_psprintf(p, "%s: is missing", s->name);
        }
    }
    *pparams = params;
    return NULL;
}

/* ---- reading them ---------------------------------------------------------------------------- */

static const value_t *value_of(const sb_params_t *params, const char *name)
{
    for (int i = 0; i < params->n; i++) {
        if (!strcmp(params->schema[i].name, name)) {
            return &params->values[i];
        }
    }
    abort();
}

int sb_params_knows(const sb_params_t *params, const char *name)
{
    return known(params->schema, name);
}

int sb_params_has(const sb_params_t *params, const char *name)
{
    return value_of(params, name)->given;
}

const char *sb_params_str(const sb_params_t *params, const char *name)
{
    return value_of(params, name)->text;
}

apr_int64_t sb_params_int(const sb_params_t *params, const char *name, apr_int64_t dflt)
{
    const value_t *v = value_of(params, name);

    return v->given ? v->number : dflt;
}

const apr_array_header_t *sb_params_list(const sb_params_t *params, const char *name)
{
    return value_of(params, name)->list;
}

void sb_params_json(sb_jw_t *w, const char *key, const sb_params_t *params)
{
    sb_jw_object(w, key);
    for (int i = 0; i < params->n; i++) {
        const sb_param_t *s = &params->schema[i];
        const value_t *v = &params->values[i];

        if (!v->given) {
            continue;
        }
        switch (s->type) {
        case SB_PARAM_INTEGER:
            sb_jw_int(w, s->name, v->number);
            break;
        case SB_PARAM_STRINGS:
            sb_jw_array(w, s->name);
            for (int k = 0; k < v->list->nelts; k++) {
                sb_jw_str(w, NULL, APR_ARRAY_IDX(v->list, k, const char *));
            }
            sb_jw_end(w);
            break;
        case SB_PARAM_STRING:
        case SB_PARAM_ENUM:
            if (s->secret) {
                sb_jw_object(w, s->name);
                sb_jw_int(w, "length", (apr_int64_t)strlen(v->text));
                sb_jw_end(w);
            }
            else {
                sb_jw_str(w, s->name, v->text);
            }
            break;
        }
    }
    sb_jw_end(w);
}

void sb_params_describe(sb_jw_t *w, const char *key, const sb_param_t *schema)
{
    sb_jw_object(w, key);
    for (; schema->name; schema++) {
        if (schema->refusal) {
            continue;
        }
        sb_jw_object(w, schema->name);
        switch (schema->type) {
        case SB_PARAM_STRING:
            sb_jw_str(w, "type", "string");
            break;
        case SB_PARAM_INTEGER:
            sb_jw_str(w, "type", "integer");
            break;
        case SB_PARAM_STRINGS:
            sb_jw_str(w, "type", "array");
            break;
        case SB_PARAM_ENUM:
            break;
        }
        sb_jw_bool(w, "required", schema->required);
        sb_jw_end(w);
    }
    sb_jw_end(w);
}
