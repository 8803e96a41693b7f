/**
 * Judging, changing and writing a state's settings for its reports.
 */

#include "report/sb_metadata_edit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include "report/sb_population.h"

#define CELL_MAX 1000
#define DISPLAY_MAX 100
#define LINK_MAX 500
#define LEVELS_LEAST 3
#define LEVELS_MOST 6

/* ---- judging --------------------------------------------------------------------------------- */

/* The path names members of the file: a terminal must not be moved by them. */
static const char *wrong(const char *path, const char *wanted, apr_pool_t *p)
{
    char *text = apr_pstrcat(p, path, ": ", wanted, NULL);

    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            *c = '?';
        }
    }
    return text;
}

static const char *below(const char *path, const char *key, apr_pool_t *p)
{
    return apr_pstrcat(p, path, ".", key, NULL);
}

/* An object with no other members than these. names is ended by NULL. */
static const char *judge_members(const sb_json_t *o, const char *path, const char *const *names,
                                 apr_pool_t *p)
{
    const char *all = "";

    if (o->type != SB_JSON_OBJECT) {
        return wrong(path, "want an object", p);
    }
    for (const char *const *n = names; *n; n++) {
        all = apr_pstrcat(p, all, *all ? ", " : "", *n, NULL);
    }
    for (const sb_json_t *m = o->child; m; m = m->next) {
        const char *const *n = names;

        while (*n && strcmp(*n, m->key)) {
            n++;
        }
        if (!*n) {
            return wrong(below(path, m->key, p), apr_pstrcat(p, "unknown; there are ", all, NULL),
                         p);
        }
    }
    return NULL;
}

static int is_colour(const sb_json_t *n)
{
    apr_size_t len = n && n->type == SB_JSON_STRING ? n->len : 0;

    return (len == 4 || len == 7) && *n->text == '#' &&
           strspn(n->text + 1, "0123456789abcdefABCDEF") == len - 1;
}

static const char *judge_colours(const sb_json_t *list, const char *path, apr_pool_t *p)
{
    static const char *const names[] = {"bg_color", "text_color", "start_gradient_bg_color",
                                        "end_gradient_bg_color", NULL};
    int i = 0;

    if (list->type != SB_JSON_ARRAY || list->nchild < LEVELS_LEAST || list->nchild > LEVELS_MOST) {
        return wrong(path,
                     apr_psprintf(p, "want a list of %d to %d colours, one a level", LEVELS_LEAST,
                                  LEVELS_MOST),
                     p);
    }
    for (const sb_json_t *c = list->child; c; c = c->next, i++) {
        const char *at = apr_psprintf(p, "%s[%d]", path, i), *why = judge_members(c, at, names, p);

        for (int k = 0; names[k] && !why; k++) {
            const sb_json_t *colour = sb_json_get(c, names[k]);

            if (!is_colour(colour) && (colour || k < 2)) {
                why = wrong(below(at, names[k], p), "want a colour as #rgb or #rrggbb", p);
            }
        }
        if (why) {
            return why;
        }
    }
    return NULL;
}

/* Those there are, as judge_members wants them. */
static const char *const *names_of(const apr_array_header_t *subjects, apr_pool_t *p)
{
    apr_array_header_t *names = apr_array_copy(p, subjects);

    APR_ARRAY_PUSH(names, const char *) = NULL;
    return (const char *const *)names->elts;
}

static const char *judge_subjects(const sb_json_t *subjects, const char *path,
                                  const apr_array_header_t *known, apr_pool_t *p)
{
    static const char *const members[] = {"colors", NULL};
    const char *why = NULL;

    if (known || subjects->type != SB_JSON_OBJECT) {
        why = judge_members(subjects, path, known ? names_of(known, p) : members, p);
    }

    for (const sb_json_t *s = subjects->child; s && !why; s = s->next) {
        const char *at = below(path, s->key, p);
        const sb_json_t *colours;

        why = judge_members(s, at, members, p);
        colours = why ? NULL : sb_json_get(s, "colors");
        if (colours) {
            why = judge_colours(colours, below(at, "colors", p), p);
        }
    }
    return why;
}

/* Text of one line that people see. */
static int is_line(const sb_json_t *n, apr_size_t max)
{
    if (n->type != SB_JSON_STRING || n->len == 0 || n->len > max) {
        return 0;
    }
    for (apr_size_t i = 0; i < n->len; i++) {
        if ((unsigned char)n->text[i] < ' ' || n->text[i] == 0x7f) {
            return 0;
        }
    }
    return 1;
}

/* What the pages take as a picture: a file of this server. */
static int is_image(const sb_json_t *n)
{
    static const char *const kinds[] = {".png", ".svg", ".jpg", ".jpeg", ".gif", ".webp"};
    const char *dot = n->type == SB_JSON_STRING ? strrchr(n->text, '.') : NULL;

    if (!dot || n->text[0] != '/' || n->text[1] == '/' || strstr(n->text, "..") ||
        strlen(n->text) != n->len) {
        return 0;
    }
    for (const char *c = n->text; *c; c++) {
        if (!apr_isalnum(*c) && !strchr("_./-", *c)) {
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!strcasecmp(dot, kinds[i])) {
            return 1;
        }
    }
    return 0;
}

static const char *judge_branding(const sb_json_t *b, const char *path, apr_pool_t *p)
{
    static const char *const names[] = {"display", "image", "higherEdLink", NULL};
    const char *why = judge_members(b, path, names, p);
    const sb_json_t *m;

    if (why) {
        return why;
    }
    if ((m = sb_json_get(b, "display")) && !is_line(m, DISPLAY_MAX)) {
        return wrong(below(path, "display", p), "want a text of one line, at most 100 bytes", p);
    }
    if ((m = sb_json_get(b, "image")) && !is_image(m)) {
        return wrong(below(path, "image", p),
                     "want a path on this server: /... .png, .svg, .jpg, .jpeg, .gif or .webp", p);
    }
    if ((m = sb_json_get(b, "higherEdLink")) &&
        (!is_line(m, LINK_MAX) || strncmp(m->text, "https://", 8) || strpbrk(m->text, " \"<>\\"))) {
        return wrong(below(path, "higherEdLink", p), "want an address that begins with https://",
                     p);
    }
    return NULL;
}

static const char *judge_root(const sb_json_t *root, const apr_array_header_t *subjects,
                              apr_pool_t *p)
{
    static const char *const names[] = {"min_cell_size", "top_bottom_coding", "branding",
                                        "subjects", NULL};
    const char *why = judge_members(root, "$", names, p);
    const sb_json_t *m;
    apr_int64_t n;

    if (why) {
        return why;
    }
    m = sb_json_get(root, "min_cell_size");
    if (m && m->type != SB_JSON_NULL &&
        (sb_json_int(&n, m) != APR_SUCCESS || n < 1 || n > CELL_MAX)) {
        return wrong("$.min_cell_size", "want a whole number from 1 to 1000, or null", p);
    }
    m = sb_json_get(root, "top_bottom_coding");
    if (m && m->type != SB_JSON_NULL &&
        (sb_json_int(&n, m) != APR_SUCCESS || n < 1 || n > SB_CODING_MAX)) {
        return wrong("$.top_bottom_coding", "want a whole number from 1 to 20, or null", p);
    }
    m = sb_json_get(root, "branding");
    if (m && m->type != SB_JSON_NULL) {
        why = judge_branding(m, "$.branding", p);
    }
    m = sb_json_get(root, "subjects");
    return !why && m ? judge_subjects(m, "$.subjects", subjects, p) : why;
}

static const char *parse(sb_json_t **proot, const char *text, apr_size_t len,
                         const apr_array_header_t *subjects, apr_pool_t *p)
{
    const char *why = NULL;

    if (sb_json_parse(proot, &why, text, len, NULL, p) != APR_SUCCESS) {
        return wrong("$", why ? why : "no JSON", p);
    }
    return judge_root(*proot, subjects, p);
}

const char *sb_metadata_judge(const char *text, apr_size_t len, const apr_array_header_t *subjects,
                              apr_pool_t *p)
{
    sb_json_t *root;

    return parse(&root, text, len, subjects, p);
}

/* ---- changing -------------------------------------------------------------------------------- */

static int hex_at(const char *c)
{
    return (int)strtol((char[]){c[0], c[1], 0}, NULL, 16);
}

/* WCAG's relative luminance. */
static double luminance(const char *rgb)
{
    static const double weight[] = {0.2126, 0.7152, 0.0722};
    double sum = 0;

    for (int i = 0; i < 3; i++) {
        double v = hex_at(rgb + 1 + 2 * i) / 255.0;

        sum += weight[i] * (v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
    }
    return sum;
}

/* "#bb231c,#e4c904,#4a7500" as the list of colours. */
static void write_colours(sb_jw_t *w, const char *text, apr_pool_t *p)
{
    char *state, *c;

    sb_jw_array(w, "colors");
    for (c = apr_strtok(apr_pstrdup(p, text), ", ", &state); c;
         c = apr_strtok(NULL, ", ", &state)) {
        const char *rgb = *c == '#' && strlen(c) == 4
                              ? apr_psprintf(p, "#%c%c%c%c%c%c", c[1], c[1], c[2], c[2], c[3], c[3])
                              : c;

        sb_jw_object(w, NULL);
        sb_jw_str(w, "text_color",
                  strlen(rgb) == 7 && luminance(rgb) < 0.179 ? "#ffffff" : "#000000");
        sb_jw_str(w, "bg_color", rgb);
        sb_jw_str(w, "start_gradient_bg_color", rgb);
        sb_jw_str(w, "end_gradient_bg_color", rgb);
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

/* The changed text, else what was there, else nothing. */
static void write_text(sb_jw_t *w, const char *key, const char *change, const sb_json_t *old)
{
    if (change && *change) {
        sb_jw_str(w, key, change);
    }
    else if (!change && old) {
        sb_metadata_node_json(w, key, old);
    }
}

static void write_branding(sb_jw_t *w, const sb_json_t *old, const sb_metadata_change_t *c)
{
    sb_jw_object(w, "branding");
    write_text(w, "display", c->display, sb_json_get(old, "display"));
    write_text(w, "image", c->image, sb_json_get(old, "image"));
    write_text(w, "higherEdLink", c->higher_ed_link, sb_json_get(old, "higherEdLink"));
    sb_jw_end(w);
}

static void write_subjects(sb_jw_t *w, const sb_json_t *old, const apr_array_header_t *changed,
                           apr_pool_t *p)
{
    int n = changed ? changed->nelts : 0, i;

    sb_jw_object(w, "subjects");
    for (const sb_json_t *s = old ? old->child : NULL; s; s = s->next) {
        for (i = 0;
             i < n && strcmp(APR_ARRAY_IDX(changed, i, sb_metadata_colours_t).subject, s->key);
             i++) {
        }
        if (i == n) {
            sb_metadata_node_json(w, s->key, s);
        }
    }
    for (i = 0; i < n; i++) {
        const sb_metadata_colours_t *c = &APR_ARRAY_IDX(changed, i, sb_metadata_colours_t);

        sb_jw_object(w, c->subject);
        write_colours(w, c->colours, p);
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

const char *sb_metadata_change(const char **ptext, const char *text, const sb_metadata_change_t *c,
                               const apr_array_header_t *known, apr_pool_t *p)
{
    const sb_json_t *cell, *coding, *branding, *subjects;
    const char *why;
    sb_json_t *root;
    apr_size_t len;
    sb_jw_t *w;

    *ptext = c->whole;
    if (c->whole) {
        return sb_metadata_judge(c->whole, strlen(c->whole), known, p);
    }
    why = parse(&root, text ? text : "{}", text ? strlen(text) : 2, NULL, p);
    if (why) {
        return apr_pstrcat(p, why, " (what is there now is wrong: replace it as a whole)", NULL);
    }
    cell = sb_json_get(root, "min_cell_size");
    coding = sb_json_get(root, "top_bottom_coding");
    branding = sb_json_get(root, "branding");
    subjects = sb_json_get(root, "subjects");
    w = sb_jw_make(p);
    sb_jw_object(w, NULL);
    if (c->min_cell) {
        sb_jw_int(w, "min_cell_size", c->min_cell);
    }
    else if (cell) {
        sb_metadata_node_json(w, "min_cell_size", cell);
    }
    if (c->coding > 0) {
        sb_jw_int(w, "top_bottom_coding", c->coding);
    }
    else if (coding && c->coding == 0) {
        sb_metadata_node_json(w, "top_bottom_coding", coding);
    }
    if (branding || c->display || c->image || c->higher_ed_link) {
        write_branding(w, branding, c);
    }
    if (subjects || (c->colours && c->colours->nelts)) {
        write_subjects(w, subjects, c->colours, p);
    }
    sb_jw_end(w);
    *ptext = sb_jw_text(w, &len);
    return sb_metadata_judge(*ptext, len, known, p);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Inside a transaction. The version's row is the lock: of two changes the second sees the first. */
static apr_status_t store(sb_metadata_stored_t *stored, sb_db_t *db, const char *state,
                          const sb_metadata_change_t *c, apr_pool_t *p)
{
    static const sb_stmt_t raise = {"metadata_raise", 0,
                                    "UPDATE {schema}.data_version"
                                    " SET version = version + 1, changed_at = now()"
                                    " RETURNING version"};
    static const sb_stmt_t read = {
        "metadata_read", 1,
        "SELECT asmt_custom_metadata FROM {schema}.custom_metadata WHERE state_code = $1"};
    static const sb_stmt_t put = {
        "metadata_put", 2,
        "INSERT INTO {schema}.custom_metadata (state_code, asmt_custom_metadata) VALUES ($1, $2)"
        " ON CONFLICT (state_code) DO UPDATE SET asmt_custom_metadata ="
        " excluded.asmt_custom_metadata"};
    static const sb_stmt_t subjects = {"metadata_subjects", 0,
                                       "SELECT asmt_subject FROM {schema}.subject UNION"
                                       " SELECT asmt_subject FROM {schema}.dim_asmt ORDER BY 1"};
    apr_array_header_t *known = apr_array_make(p, 4, sizeof(const char *));
    const char *args[] = {state, NULL}, *old;
    sb_rows_t *rows;
    apr_status_t rv;

    rv = sb_db_query(&rows, db, &raise, NULL, p);
    if (rv == APR_SUCCESS) {
        stored->version = sb_rows_count(rows) ? sb_rows_int(rows, 0, 0, 0) : 0;
        rv = sb_db_query(&rows, db, &read, args, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    old = sb_rows_count(rows) ? sb_rows_text(rows, 0, 0) : NULL;
    rv = sb_db_query(&rows, db, &subjects, NULL, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (int i = 0; i < sb_rows_count(rows); i++) {
        APR_ARRAY_PUSH(known, const char *) = sb_rows_text(rows, i, 0);
    }
    stored->problem = sb_metadata_change(&stored->text, old, c, known, p);
    if (stored->problem) {
        return SB_EINPUT;
    }
    args[1] = stored->text;
    stored->changed = !old || strcmp(old, stored->text) != 0;
    return stored->changed ? sb_db_exec(NULL, db, &put, args) : APR_SUCCESS;
}

apr_status_t sb_metadata_store(sb_metadata_stored_t *stored, sb_db_t *db, const char *state,
                               const sb_metadata_change_t *c, apr_pool_t *p)
{
    apr_status_t rv = sb_db_begin(db, SB_TX_WRITE);

    memset(stored, 0, sizeof(*stored));
    if (rv == APR_SUCCESS) {
        rv = store(stored, db, state, c, p);
    }
    if (rv == APR_SUCCESS && stored->changed) {
        rv = sb_db_commit(db);
    }
    else {
        sb_db_rollback(db);
    }
    return rv;
}
