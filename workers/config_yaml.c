/* settings.yaml to ini text, by libyaml's document tree. */

#include "workers/config_yaml.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <yaml.h>

#define MAIN_SECTION "app:main"
#define DEPTH_MAX 20
#define VALUES_MAX 20000 /* aliases can make a small file large */

typedef struct {
    const char *name;
    apr_array_header_t *keys; /* of const char *, in order of appearance */
    apr_hash_t *values;       /* key -> text */
} section_t;

typedef struct {
    yaml_document_t *doc;
    apr_pool_t *pool;
    apr_array_header_t *sections; /* of section_t * */
    int nvalues;
} job_t;

static const char *text_of(const yaml_node_t *n)
{
    return (const char *)n->data.scalar.value;
}

static int is_quoted(const yaml_node_t *n)
{
    return n->data.scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE ||
           n->data.scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
}

static int is_name(const yaml_node_t *n)
{
    return n->type == YAML_SCALAR_NODE && *text_of(n) && !strpbrk(text_of(n), "=\n[]#;");
}

static const char *where(const yaml_node_t *n, const char *what, apr_pool_t *p)
{
    return apr_psprintf(p, "line %lu: %s", (unsigned long)n->start_mark.line + 1, what);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* What a plain word means in YAML 1.1: a boolean, nothing, or itself. */
static const char *plain_word(const char *s)
{
    static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};
    int i;

    for (i = 0; i < 3; i++) {
        if (!strcasecmp(s, yes[i])) {
            return "True";
        }
        if (!strcasecmp(s, no[i])) {
            return "False";
        }
    }
    return !*s || !strcmp(s, "~") || !strcasecmp(s, "null") ? "" : s;
}

static const char *scalar(const yaml_node_t *n)
{
    return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_word(text_of(n)) : text_of(n);
}

/* Inside a list or map: a Python literal. */
static const char *literal_scalar(const yaml_node_t *n, apr_pool_t *p)
{
    const char *s = text_of(n), *word = scalar(n);
    char *end, *out, *o;

    if (n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        if (!*word) {
            return "None";
        }
        if (word != s) {
            return word;
        }
        (void)strtod(s, &end);
        if (!*end && strspn(s, "+-.0123456789eE") == strlen(s)) {
            return s;
        }
    }
    out = o = apr_palloc(p, 2 * strlen(s) + 3);
    *o++ = '\'';
    for (; *s; s++) {
        if (*s == '\'' || *s == '\\') {
            *o++ = '\\';
        }
        if (*s == '\n') {
            *o++ = '\\';
            *o++ = 'n';
        }
        else {
            *o++ = *s;
        }
    }
    *o++ = '\'';
    *o = '\0';
    return out;
}

static const char *literal(const char **ptext, job_t *job, const yaml_node_t *n, int depth)
{
    const char *text = "", *item, *name, *complaint;
    yaml_node_item_t *i;
    yaml_node_pair_t *pair;

    if (depth > DEPTH_MAX || ++job->nvalues > VALUES_MAX) {
        return where(n, "too deep or too large", job->pool);
    }
    switch (n->type) {
    case YAML_SCALAR_NODE:
        *ptext = literal_scalar(n, job->pool);
        return NULL;
    case YAML_SEQUENCE_NODE:
        for (i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++) {
            complaint = literal(&item, job, yaml_document_get_node(job->doc, *i), depth + 1);
            if (complaint) {
                return complaint;
            }
            text = apr_pstrcat(job->pool, text, *text ? ", " : "", item, NULL);
        }
        *ptext = apr_psprintf(job->pool, "[%s]", text);
        return NULL;
    case YAML_MAPPING_NODE:
        for (pair = n->data.mapping.pairs.start; pair < n->data.mapping.pairs.top; pair++) {
            complaint = literal(&name, job, yaml_document_get_node(job->doc, pair->key), depth + 1);
            if (!complaint) {
                complaint =
                    literal(&item, job, yaml_document_get_node(job->doc, pair->value), depth + 1);
            }
            if (complaint) {
                return complaint;
            }
            text = apr_pstrcat(job->pool, text, *text ? ", " : "", name, ": ", item, NULL);
        }
        *ptext = apr_psprintf(job->pool, "{%s}", text);
        return NULL;
    default:
        return where(n, "not understood", job->pool);
    }
}

/* ---- sections -------------------------------------------------------------------------------- */

static section_t *section_named(job_t *job, const char *name)
{
    section_t *s;
    int i;

    for (i = 0; i < job->sections->nelts; i++) {
        s = APR_ARRAY_IDX(job->sections, i, section_t *);
        if (!strcmp(s->name, name)) {
            return s;
        }
    }
    s = apr_palloc(job->pool, sizeof(*s));
    s->name = name;
    s->keys = apr_array_make(job->pool, 32, sizeof(const char *));
    s->values = apr_hash_make(job->pool);
    APR_ARRAY_PUSH(job->sections, section_t *) = s;
    return s;
}

static void put(section_t *s, const char *key, const char *value)
{
    if (!apr_hash_get(s->values, key, APR_HASH_KEY_STRING)) {
        APR_ARRAY_PUSH(s->keys, const char *) = key;
    }
    apr_hash_set(s->values, key, APR_HASH_KEY_STRING, value);
}

static const char *flatten(job_t *job, section_t *s, const yaml_node_t *n, const char *prefix,
                           int depth)
{
    yaml_node_pair_t *pair;
    const char *complaint = NULL, *value = NULL;

    if (depth > DEPTH_MAX || ++job->nvalues > VALUES_MAX) {
        return where(n, "too deep or too large", job->pool);
    }
    if (n->type != YAML_MAPPING_NODE) {
        if (n->type == YAML_SCALAR_NODE) {
            value = scalar(n);
        }
        else {
            complaint = literal(&value, job, n, depth);
        }
        if (!complaint) {
            put(s, prefix, value);
        }
        return complaint;
    }
    for (pair = n->data.mapping.pairs.start; pair < n->data.mapping.pairs.top && !complaint;
         pair++) {
        const yaml_node_t *key = yaml_document_get_node(job->doc, pair->key);
        const yaml_node_t *below = yaml_document_get_node(job->doc, pair->value);

        if (!is_name(key)) {
            return where(key, "a name of the ini file is a word", job->pool);
        }
        if (!strcmp(text_of(key), "<<")) { /* merged map; what is written beside it wins */
            complaint = flatten(job, s, below, prefix, depth + 1);
            continue;
        }
        complaint = flatten(job, s, below,
                            *prefix ? apr_pstrcat(job->pool, prefix, ".", text_of(key), NULL)
                                    : apr_pstrdup(job->pool, text_of(key)),
                            depth + 1);
    }
    return complaint;
}

/* A quoted first-level name with a map below it is a section of the ini file. */
static const char *section_name(const yaml_node_t *key, const yaml_node_t *value, apr_pool_t *p)
{
    const char *name = text_of(key);
    apr_size_t len = strlen(name);

    if (!is_quoted(key) || value->type != YAML_MAPPING_NODE) {
        return NULL;
    }
    return *name == '[' && name[len - 1] == ']' ? apr_pstrmemdup(p, name + 1, len - 2)
                                                : apr_pstrdup(p, name);
}

static const char *lay_over(job_t *job, const yaml_node_t *n)
{
    section_t *main_section = section_named(job, MAIN_SECTION);
    yaml_node_pair_t *pair;
    const char *complaint = NULL, *name;

    if (n->type == YAML_SCALAR_NODE && !*scalar(n)) {
        return NULL; /* "dev:" with nothing below */
    }
    if (n->type != YAML_MAPPING_NODE) {
        return where(n, "an environment is a map", job->pool);
    }
    for (pair = n->data.mapping.pairs.start; pair < n->data.mapping.pairs.top && !complaint;
         pair++) {
        const yaml_node_t *key = yaml_document_get_node(job->doc, pair->key);
        const yaml_node_t *value = yaml_document_get_node(job->doc, pair->value);

        name = key->type == YAML_SCALAR_NODE ? section_name(key, value, job->pool) : NULL;
        if (!name && !is_name(key)) {
            return where(key, "a name of the ini file is a word", job->pool);
        }
        if (name) {
            complaint = flatten(job, section_named(job, name), value, "", 0);
        }
        else if (!strcmp(text_of(key), "<<")) {
            complaint = lay_over(job, value);
        }
        else {
            complaint = flatten(job, main_section, value, apr_pstrdup(job->pool, text_of(key)), 0);
        }
    }
    return complaint;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static const yaml_node_t *environment(job_t *job, const yaml_node_t *root, const char *name)
{
    yaml_node_pair_t *pair;

    for (pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(job->doc, pair->key);

        if (key->type == YAML_SCALAR_NODE && !strcmp(text_of(key), name)) {
            return yaml_document_get_node(job->doc, pair->value);
        }
    }
    return NULL;
}

static const char *collect(job_t *job, const char *env, const char *hostclass)
{
    const yaml_node_t *root = yaml_document_get_root_node(job->doc), *n;
    const char *complaint = NULL, *class_name;

    if (!root || root->type != YAML_MAPPING_NODE) {
        return "want a map of environments: common, production, ...";
    }
    n = environment(job, root, "common");
    if (n) {
        complaint = lay_over(job, n);
    }
    n = environment(job, root, env);
    if (!complaint && !n) {
        return apr_psprintf(job->pool, "has no environment '%s'", env);
    }
    if (!complaint && strcmp(env, "common")) {
        complaint = lay_over(job, n);
    }
    if (!complaint && hostclass) {
        class_name = apr_psprintf(job->pool, "%s.%s", env, hostclass);
        n = environment(job, root, class_name);
        complaint =
            n ? lay_over(job, n) : apr_psprintf(job->pool, "has no environment '%s'", class_name);
    }
    return complaint;
}

/* A value of several lines is continued on indented ones; a blank line cannot be kept. */
static const char *one_value(const char *value, apr_pool_t *p)
{
    char *last, *line, *copy = apr_pstrdup(p, value);
    const char *out = "";

    if (!strchr(value, '\n')) {
        return value;
    }
    for (line = apr_strtok(copy, "\n", &last); line; line = apr_strtok(NULL, "\n", &last)) {
        out = apr_pstrcat(p, out, *out ? "\n    " : "", line, NULL);
    }
    return out;
}

static const char *write_ini(const job_t *job, const char *env, const char *hostclass)
{
    apr_pool_t *p = job->pool;
    apr_array_header_t *parts = apr_array_make(p, 256, sizeof(const char *));
    int i, k;

    APR_ARRAY_PUSH(parts, const char *) = apr_psprintf(
        p, "# Made by smarter-config for %s%s%s: change the settings, not this file.\n", env,
        hostclass ? "." : "", hostclass ? hostclass : "");
    for (i = 0; i < job->sections->nelts; i++) {
        const section_t *s = APR_ARRAY_IDX(job->sections, i, section_t *);

        APR_ARRAY_PUSH(parts, const char *) = apr_psprintf(p, "\n[%s]\n", s->name);
        for (k = 0; k < s->keys->nelts; k++) {
            const char *key = APR_ARRAY_IDX(s->keys, k, const char *);
            const char *value = one_value(apr_hash_get(s->values, key, APR_HASH_KEY_STRING), p);

            APR_ARRAY_PUSH(parts, const char *) =
                apr_pstrcat(p, key, *value ? " = " : " =", value, "\n", NULL);
        }
    }
    return apr_array_pstrcat(p, parts, 0);
}

const char *config_from_yaml(const char **pini, const char *text, apr_size_t len, const char *env,
                             const char *hostclass, apr_pool_t *p)
{
    job_t job = {.pool = p, .sections = apr_array_make(p, 4, sizeof(section_t *))};
    const char *complaint;
    yaml_parser_t parser;
    yaml_document_t doc;

    *pini = NULL;
    if (!yaml_parser_initialize(&parser)) {
        return "out of memory";
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    if (!yaml_parser_load(&parser, &doc)) {
        complaint = apr_psprintf(p, "line %lu: %s", (unsigned long)parser.problem_mark.line + 1,
                                 parser.problem ? parser.problem : "not YAML");
        yaml_parser_delete(&parser);
        return complaint;
    }
    job.doc = &doc;
    complaint = collect(&job, env, hostclass);
    if (!complaint) {
        *pini = write_ini(&job, env, hostclass);
    }
    yaml_document_delete(&doc);
    yaml_parser_delete(&parser);
    return complaint;
}
