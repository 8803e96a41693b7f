/**
 * A state's settings for its reports.
 */

#include "report/sb_metadata.h"

#include <string.h>
#include "core/sb_log.h"
#include "report/sb_population.h"

static const sb_json_t *member_of_type(const sb_json_t *o, const char *key, sb_json_type_t type)
{
    const sb_json_t *m = sb_json_get(o, key);

    return m && m->type == type ? m : NULL;
}

static void use_defaults(sb_metadata_t *m, const sb_subjects_t *subjects)
{
    memset(m, 0, sizeof(*m));
    m->subjects = *subjects;
    m->min_cell = SB_MIN_CELL_DEFAULT;
}

const char *sb_metadata_parse(sb_metadata_t *m, const sb_subjects_t *all, const char *text,
                              apr_pool_t *p)
{
    const sb_json_t *subjects;
    const sb_json_t *cell;
    const char *why = NULL;
    sb_json_t *root;
    apr_int64_t n;

    use_defaults(m, all);
    if (!text) {
        return NULL;
    }
    if (sb_json_parse(&root, &why, text, strlen(text), NULL, p) != APR_SUCCESS) {
        return why ? why : "no JSON";
    }
    m->branding = member_of_type(root, "branding", SB_JSON_OBJECT);
    subjects = sb_json_get(root, "subjects");
    for (int s = 0; s < all->n; s++) {
        const sb_json_t *subject = sb_json_get(subjects, all->name[s]);

        m->colours[s] = member_of_type(subject, "colors", SB_JSON_ARRAY);
        if (m->colours[s] && m->colours[s]->nchild > SB_LEVELS_MAX) {
            m->colours[s] = NULL;
            return "more colours than levels can be";
        }
        if (m->colours[s] && m->colours[s]->nchild > 0) {
            m->subjects.levels[s] = (int)m->colours[s]->nchild;
        }
    }
    cell = sb_json_get(root, "top_bottom_coding");
    if (cell && cell->type != SB_JSON_NULL) {
        if (sb_json_int(&n, cell) != APR_SUCCESS || n < 1 || n > SB_CODING_MAX) {
            m->coding =
                SB_CODING_MAX; /* a state that wanted something hidden gets more, not less */
            return "top_bottom_coding: want a whole number from 1 to 20";
        }
        m->coding = (int)n;
    }
    cell = sb_json_get(root, "min_cell_size");
    if (!cell || cell->type == SB_JSON_NULL) {
        return NULL;
    }
    if (sb_json_int(&n, cell) != APR_SUCCESS || n < 0) {
        return "min_cell_size: want a whole number";
    }
    m->has_min_cell = 1;
    m->min_cell = n > 0 ? n : SB_MIN_CELL_DEFAULT;
    return NULL;
}

apr_status_t sb_metadata_find(sb_metadata_t *m, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    static const sb_stmt_t st = {
        "report_metadata", 1,
        "SELECT asmt_custom_metadata FROM {schema}.custom_metadata WHERE state_code = $1 LIMIT 1"};
    const char *args[] = {sb_scope_state(ctx->scope)};
    sb_subjects_t subjects;
    const char *complaint;
    sb_rows_t *rows;
    apr_status_t rv;

    rv = sb_subjects_find(&subjects, ctx, p);
    if (rv == APR_SUCCESS) {
        rv = sb_db_query(&rows, ctx->db, &st, args, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    complaint =
        sb_metadata_parse(m, &subjects, sb_rows_count(rows) ? sb_rows_text(rows, 0, 0) : NULL, p);
    if (complaint) {
        sb_log(SB_LOG_WARN, SBLOGNO(2001), SB_NO_STATUS,
               "custom metadata of state %s, reading what can be read: %s", args[0], complaint);
    }
    return APR_SUCCESS;
}

void sb_metadata_node_json(sb_jw_t *w, const char *key, const sb_json_t *node)
{
    if (!node) {
        sb_jw_null(w, key);
        return;
    }
    switch (node->type) {
    case SB_JSON_NULL:
        sb_jw_null(w, key);
        break;
    case SB_JSON_BOOL:
        sb_jw_bool(w, key, node->truth);
        break;
    case SB_JSON_NUMBER:
        sb_jw_raw(w, key, node->text, node->len);
        break;
    case SB_JSON_STRING:
        sb_jw_strn(w, key, node->text, node->len);
        break;
    case SB_JSON_OBJECT:
    case SB_JSON_ARRAY:
        if (node->type == SB_JSON_OBJECT) {
            sb_jw_object(w, key);
        }
        else {
            sb_jw_array(w, key);
        }
        for (const sb_json_t *m = node->child; m; m = m->next) {
            sb_metadata_node_json(w, m->key, m);
        }
        sb_jw_end(w);
        break;
    }
}

void sb_metadata_json(sb_jw_t *w, const char *key, const sb_metadata_t *m)
{
    sb_jw_object(w, key);
    sb_metadata_node_json(w, "branding", m->branding);
    for (int s = 0; s < m->subjects.n; s++) {
        sb_jw_object(w, sb_subject_aliases[s]);
        sb_metadata_node_json(w, "colors", m->colours[s]);
        if (m->has_min_cell) {
            sb_jw_int(w, "min_cell_size", m->min_cell);
        }
        else {
            sb_jw_null(w, "min_cell_size");
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
}
