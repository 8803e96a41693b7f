/**
 * The description of the API: a frame from a file, reports from their tables and files.
 */

#include "report/sb_openapi.h"

#include <string.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include "report/sb_view_csv.h"
#include "core/sb_log.h"
#include "openapi/files.h" /* made by the Makefile: struct { name, text, len } files[] */

#define LEN_DEFAULT 200 /* of a text, as sb_params.h says */

typedef struct {
    const sb_openapi_route_t *routes;
    int nroutes;
    const char *cookie;
    apr_hash_t *files; /* name -> sb_json_t * */
    const sb_json_t *frame;
    const sb_json_t *texts; /* name of a parameter -> what it means */
    apr_pool_t *p;
} work_t;

static apr_status_t read_files(work_t *k)
{
    static const sb_json_limits_t limits = {.max_bytes = 4 << 20, .max_depth = 64};

    k->files = apr_hash_make(k->p);
    for (apr_size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        const char *why = NULL;
        sb_json_t *root;
        apr_status_t rv =
            sb_json_parse(&root, &why, (const char *)files[i].text, files[i].len, &limits, k->p);

        if (rv != APR_SUCCESS) {
            sb_log(SB_LOG_ERROR, SBLOGNO(2076), rv, "openapi/%s.json: %s", files[i].name, why);
            return SB_EINPUT;
        }
        apr_hash_set(k->files, files[i].name, APR_HASH_KEY_STRING, root);
    }
    k->frame = apr_hash_get(k->files, "document", APR_HASH_KEY_STRING);
    k->texts = sb_json_get(k->frame, "x-parameters");
    return APR_SUCCESS;
}

static void write_member(sb_jw_t *w, const char *key, const sb_json_t *value)
{
    if (value) {
        sb_jw_json(w, key, value);
    }
}

/* ---- parameters ------------------------------------------------------------------------------ */

/* "a-zA-Z0-9 -" is a set of a regular expression, too. */
static void write_text_schema(sb_jw_t *w, const sb_param_t *s, apr_pool_t *p)
{
    sb_jw_str(w, "type", "string");
    if (s->values) {
        sb_jw_array(w, "enum");
        for (int i = 0; s->values[i]; i++) {
            sb_jw_str(w, NULL, s->values[i]);
        }
        sb_jw_end(w);
        return;
    }
    sb_jw_int(w, "minLength", s->min_len ? s->min_len : 1);
    sb_jw_int(w, "maxLength", s->max_len ? s->max_len : LEN_DEFAULT);
    if (s->chars) {
        sb_jw_str(w, "pattern", apr_pstrcat(p, "^[", s->chars, "]+$", NULL));
    }
}

static void write_list_schema(sb_jw_t *w, const sb_param_t *s, apr_pool_t *p)
{
    sb_jw_str(w, "type", "array");
    sb_jw_object(w, "items");
    write_text_schema(w, s, p);
    sb_jw_end(w);
    sb_jw_int(w, "maxItems", SB_PARAM_LIST_MAX);
}

static void write_schema(sb_jw_t *w, const char *key, const sb_param_t *s, int in_body,
                         apr_pool_t *p)
{
    sb_jw_object(w, key);
    switch (s->type) {
    case SB_PARAM_INTEGER:
        sb_jw_str(w, "type", "integer");
        sb_jw_int(w, "minimum", APR_INT32_MIN);
        sb_jw_int(w, "maximum", APR_INT32_MAX);
        break;
    case SB_PARAM_STRINGS:
        if (!in_body) {
            write_list_schema(w, s, p);
            break;
        }
        sb_jw_array(w, "anyOf"); /* one text counts as a list of one */
        sb_jw_object(w, NULL);
        write_list_schema(w, s, p);
        sb_jw_end(w);
        sb_jw_object(w, NULL);
        write_text_schema(w, s, p);
        sb_jw_end(w);
        sb_jw_end(w);
        break;
    case SB_PARAM_STRING:
    case SB_PARAM_ENUM:
        write_text_schema(w, s, p);
        break;
    }
    sb_jw_end(w);
}

static void write_query(sb_jw_t *w, const work_t *k, const sb_param_t *params)
{
    sb_jw_array(w, "parameters");
    for (const sb_param_t *s = params; s && s->name; s++) {
        if (s->refusal) {
            continue;
        }
        sb_jw_object(w, NULL);
        sb_jw_str(w, "name", s->name);
        sb_jw_str(w, "in", "query");
        write_member(w, "description", sb_json_get(k->texts, s->name));
        sb_jw_bool(w, "required", s->required);
        write_schema(w, "schema", s, 0, k->p);
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

static void write_body(sb_jw_t *w, const work_t *k, const sb_param_t *params)
{
    sb_jw_object(w, "requestBody");
    sb_jw_bool(w, "required", 1);
    sb_jw_object(w, "content");
    sb_jw_object(w, "application/json");
    sb_jw_object(w, "schema");
    sb_jw_str(w, "type", "object");
    sb_jw_object(w, "properties");
    for (const sb_param_t *s = params; s->name; s++) {
        if (!s->refusal) {
            write_schema(w, s->name, s, 1, k->p);
        }
    }
    sb_jw_end(w);
    sb_jw_array(w, "required");
    for (const sb_param_t *s = params; s->name; s++) {
        if (s->required) {
            sb_jw_str(w, NULL, s->name);
        }
    }
    sb_jw_end(w);
    sb_jw_end(w);
    sb_jw_end(w);
    sb_jw_end(w);
    sb_jw_end(w);
}

/* ---- who may --------------------------------------------------------------------------------- */

static void write_scheme(sb_jw_t *w, const char *scheme, const char *role)
{
    sb_jw_object(w, NULL);
    sb_jw_array(w, scheme);
    if (role) {
        sb_jw_str(w, NULL, role);
    }
    sb_jw_end(w);
    sb_jw_end(w);
}

/* One of these. @param role that must be held as well; NULL none. Roles in this place are what OpenAPI 3.1
 * means. */
static void write_security(sb_jw_t *w, sb_perm_t perm, int programs, const char *role)
{
    sb_jw_array(w, "security");
    if (perm != SB_PERM_NONE) {
        write_scheme(w, "session", role);
    }
    if (perm != SB_PERM_NONE && programs) {
        write_scheme(w, "bearer", role);
    }
    sb_jw_end(w);
}

static void write_schemes(sb_jw_t *w, const work_t *k)
{
    sb_jw_object(w, "securitySchemes");
    sb_jw_object(w, "session");
    sb_jw_str(w, "type", "apiKey");
    sb_jw_str(w, "in", "cookie");
    sb_jw_str(w, "name", k->cookie);
    write_member(w, "description", sb_json_get(k->frame, "x-session"));
    sb_jw_end(w);
    sb_jw_object(w, "bearer");
    sb_jw_str(w, "type", "http");
    sb_jw_str(w, "scheme", "bearer");
    write_member(w, "description", sb_json_get(k->frame, "x-bearer"));
    sb_jw_end(w);
    sb_jw_end(w);
}

/* ---- addresses that are no report ------------------------------------------------------------ */

/* Is "/a/{name}" of the file "/a/{}" of the table? */
static int same_path(const char *file, const char *table)
{
    for (; *file && *file == *table; file++, table++) {
        if (*file == '{') {
            file = strchr(file, '}');
            table = strchr(table, '}');
            if (!file || !table) {
                return 0;
            }
        }
    }
    return *file == *table;
}

static void write_operation(sb_jw_t *w, const work_t *k, const sb_json_t *operation,
                            const sb_openapi_route_t *route)
{
    sb_jw_object(w, operation->key);
    for (const sb_json_t *m = operation->child; m; m = m->next) {
        sb_jw_json(w, m->key, m);
    }
    if (route) {
        if (route->params) {
            write_query(w, k, route->params);
        }
        if (route->judged) {
            (strcmp(operation->key, "post") ? write_query : write_body)(w, k, route->judged);
        }
        write_security(w, route->perm, route->programs,
                       route->perm == SB_PERM_SUPER_ADMIN ? "SUPER_USER" : NULL);
    }
    sb_jw_end(w);
}

static void write_path(sb_jw_t *w, const work_t *k, const sb_json_t *path)
{
    const sb_openapi_route_t *route = NULL;

    for (int i = 0; i < k->nroutes && !route; i++) {
        if (same_path(path->key, k->routes[i].path)) {
            route = &k->routes[i];
        }
    }
    sb_jw_object(w, path->key);
    for (const sb_json_t *m = path->child; m; m = m->next) {
        if (m->type == SB_JSON_OBJECT) {
            write_operation(w, k, m, route);
        }
        else { /* parameters of the path */
            sb_jw_json(w, m->key, m);
        }
    }
    sb_jw_end(w);
}

/* ---- reports --------------------------------------------------------------------------------- */

static void write_answer(sb_jw_t *w, const sb_report_t *report, const char *schema,
                         const sb_json_t *example)
{
    sb_jw_object(w, "200");
    sb_jw_str(w, "description", "The answer");
    sb_jw_object(w, "content");
    sb_jw_object(w, "application/json");
    sb_jw_object(w, "schema");
    sb_jw_fmt(w, "$ref", "#/components/schemas/%s", schema);
    sb_jw_end(w);
    write_member(w, "example", example);
    sb_jw_end(w);
    if (report && sb_view_csv_has(report)) { /* by Accept */
        sb_jw_object(w, "text/csv");
        sb_jw_object(w, "schema");
        sb_jw_str(w, "type", "string");
        sb_jw_str(
            w, "description",
            "What the page shows, for spreadsheets. Of comparing populations a POST may name the "
            "rows on the screen: {\"view\": {\"rows\": [ids], \"sort\": \"subject1.upper\", "
            "\"order\": \"desc\"}}");
        sb_jw_end(w);
        sb_jw_end(w);
    }
    sb_jw_end(w);
    sb_jw_end(w);
}

static void write_problem(sb_jw_t *w, const char *status)
{
    sb_jw_object(w, status);
    sb_jw_fmt(w, "$ref", "#/components/responses/%s", status);
    sb_jw_end(w);
}

static void write_refusals(sb_jw_t *w, sb_perm_t perm)
{
    if (perm != SB_PERM_NONE) {
        write_problem(w, "401");
        write_problem(w, "403");
    }
}

static void write_responses(sb_jw_t *w, const sb_report_t *report, const sb_json_t *file,
                            sb_perm_t perm, int is_post)
{
    sb_jw_object(w, "responses");
    if (sb_json_get(file, "schema")) {
        write_answer(w, report, report->name,
                     is_post && !report->post_only ? NULL : sb_json_get(file, "example"));
    }
    if (!is_post && (report->shared || !report->role)) { /* what names nobody has a tag */
        write_problem(w, "304");
    }
    write_problem(w, "400");
    write_refusals(w, perm);
    if (sb_json_get(file, "not_found")) {
        sb_jw_object(w, "404");
        sb_jw_json(w, "description", sb_json_get(file, "not_found"));
        sb_jw_object(w, "content");
        sb_jw_object(w, "application/problem+json");
        sb_jw_object(w, "schema");
        sb_jw_str(w, "$ref", "#/components/schemas/problem");
        sb_jw_end(w);
        sb_jw_end(w);
        sb_jw_end(w);
        sb_jw_end(w);
    }
    write_problem(w, "412");
    if (is_post) {
        write_problem(w, "413");
    }
    write_problem(w, "414");
    if (is_post) {
        write_problem(w, "415");
    }
    if (report->limit) {
        write_problem(w, "429");
    }
    write_problem(w, "500");
    write_problem(w, "503");
    sb_jw_end(w);
}

static void begin_operation(sb_jw_t *w, const char *method, const char *id, const char *suffix,
                            const sb_json_t *file)
{
    sb_jw_object(w, method);
    sb_jw_fmt(w, "operationId", "%s%s", id, suffix);
    sb_jw_array(w, "tags");
    sb_jw_str(w, NULL, "reports");
    sb_jw_end(w);
    write_member(w, "summary", sb_json_get(file, "summary"));
    write_member(w, "description", sb_json_get(file, "description"));
}

/* @param id   name of the operation, and what the others' names begin with
 * @param perm of the address */
static void write_report(sb_jw_t *w, const work_t *k, const sb_report_t *report, const char *path,
                         const char *id, sb_perm_t perm)
{
    const sb_json_t *file = apr_hash_get(k->files, report->name, APR_HASH_KEY_STRING);

    sb_jw_object(w, path);
    if (!report->post_only) {
        begin_operation(w, "get", id, "", file);
        write_query(w, k, report->params);
        write_responses(w, report, file, perm, 0);
        write_security(w, perm, 1, report->role);
        sb_jw_end(w);
    }

    begin_operation(w, "post", id, report->post_only ? "" : "_post", file);
    write_body(w, k, report->params);
    write_responses(w, report, file, perm, 1);
    write_security(w, perm, 1, report->role);
    sb_jw_end(w);

    sb_jw_object(w, "options");
    sb_jw_fmt(w, "operationId", "%s_parameters", id);
    sb_jw_array(w, "tags");
    sb_jw_str(w, NULL, "reports");
    sb_jw_end(w);
    sb_jw_str(w, "summary", "The parameters, with type and whether they are required");
    sb_jw_object(w, "responses");
    write_answer(w, NULL, "parameters", NULL);
    write_refusals(w, perm);
    sb_jw_end(w);
    write_security(w, perm, 1, NULL);
    sb_jw_end(w);
    sb_jw_end(w);
}

/* ---- the document ---------------------------------------------------------------------------- */

static void write_paths(sb_jw_t *w, const work_t *k, const sb_json_t *paths)
{
    const sb_report_t *report;

    sb_jw_object(w, "paths");
    for (int i = 0; (report = sb_report_at(i)) != NULL; i++) {
        write_report(w, k, report, apr_pstrcat(k->p, "/data/", report->name, NULL), report->name,
                     SB_PERM_VIEW);
        if (report->is_public) { /* "public.x" is x of /public_data */
            const char *name = strchr(report->name, '.') + 1;

            write_report(w, k, report, apr_pstrcat(k->p, "/public_data/", name, NULL),
                         apr_pstrcat(k->p, "public_data.", name, NULL), SB_PERM_NONE);
        }
    }
    for (const sb_json_t *path = paths->child; path; path = path->next) {
        write_path(w, k, path);
    }
    sb_jw_end(w);
}

static void write_components(sb_jw_t *w, const work_t *k, const sb_json_t *components)
{
    const sb_report_t *report;

    sb_jw_object(w, "components");
    write_schemes(w, k);
    for (const sb_json_t *m = components->child; m; m = m->next) {
        if (strcmp(m->key, "schemas")) {
            sb_jw_json(w, m->key, m);
        }
    }
    sb_jw_object(w, "schemas");
    for (int i = 0; (report = sb_report_at(i)) != NULL; i++) {
        write_member(
            w, report->name,
            sb_json_get(apr_hash_get(k->files, report->name, APR_HASH_KEY_STRING), "schema"));
    }
    for (const sb_json_t *m = sb_json_get(components, "schemas")->child; m; m = m->next) {
        sb_jw_json(w, m->key, m);
    }
    sb_jw_end(w);
    sb_jw_end(w);
}

apr_status_t sb_openapi_make(const char **pjson, apr_size_t *plen, const sb_openapi_route_t *routes,
                             int nroutes, const char *cookie, apr_pool_t *p)
{
    work_t k = {.routes = routes, .nroutes = nroutes, .cookie = cookie, .p = p};
    sb_jw_t *w = sb_jw_make(p);
    apr_status_t rv = read_files(&k);

    *pjson = NULL;
    *plen = 0;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    sb_jw_object(w, NULL);
    for (const sb_json_t *m = k.frame->child; m; m = m->next) {
        if (!strcmp(m->key, "paths")) {
            write_paths(w, &k, m);
        }
        else if (!strcmp(m->key, "components")) {
            write_components(w, &k, m);
        }
        else if (strncmp(m->key, "x-", 2)) {
            sb_jw_json(w, m->key, m);
        }
    }
    sb_jw_end(w);
    *pjson = sb_jw_text(w, plen);
    return APR_SUCCESS;
}
