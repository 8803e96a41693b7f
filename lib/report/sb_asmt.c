/**
 * Assessments, their levels and claims.
 */

#include "report/sb_asmt.h"

#include <stdlib.h>
#include <string.h>
#include <apr_hash.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include "report/sb_population.h"

const char *const sb_asmt_types[] = {"SUMMATIVE", "INTERIM COMPREHENSIVE", SB_ASMT_BLOCKS, NULL};

struct sb_asmts_t {
    apr_hash_t *by_id; /* text of the id -> sb_asmt_t * */
};

/* ---- reading --------------------------------------------------------------------------------- */

apr_array_header_t *sb_asmts_ids(const sb_rows_t *rows, int col, apr_pool_t *p)
{
    apr_array_header_t *ids = apr_array_make(p, 8, sizeof(const char *));
    apr_hash_t *seen = apr_hash_make(p);
    const char *last = "";

    for (int i = 0; i < sb_rows_count(rows); i++) {
        const char *id = sb_rows_text(rows, i, col);

        if (!strcmp(id, last)) {
            continue; /* rows of one assessment come together, mostly */
        }
        last = id;
        if (!apr_hash_get(seen, id, APR_HASH_KEY_STRING)) {
            apr_hash_set(seen, id, APR_HASH_KEY_STRING, id);
            APR_ARRAY_PUSH(ids, const char *) = id;
        }
    }
    return ids;
}

void sb_asmts_queue(sb_rows_t **pasmts, sb_rows_t **pparts, sb_pipe_t *pipe, const char *ids)
{
    static const sb_stmt_t asmts = {
        "report_asmts", 1,
        "SELECT asmt_rec_id, asmt_guid, asmt_type, asmt_period, asmt_subject, asmt_period_year,"
        "       asmt_score_min, asmt_score_max, asmt_claim_perf_lvl_name_1,"
        "       asmt_claim_perf_lvl_name_2, asmt_claim_perf_lvl_name_3"
        "  FROM {schema}.dim_asmt WHERE asmt_rec_id = ANY($1::bigint[])"};
    /* Levels and claims come as one result: kind, number, name, two scores. */
    static const sb_stmt_t parts = {
        "report_asmt_parts", 1,
        "SELECT asmt_rec_id, 'level', level, name, cut_point, NULL FROM {schema}.asmt_level"
        " WHERE asmt_rec_id = ANY($1::bigint[])"
        " UNION ALL "
        "SELECT asmt_rec_id, 'claim', claim, name, score_min, score_max FROM {schema}.asmt_claim"
        " WHERE asmt_rec_id = ANY($1::bigint[])"};

    sb_pipe_query(pasmts, pipe, &asmts, &ids);
    sb_pipe_query(pparts, pipe, &parts, &ids);
}

static void take_asmt(sb_asmt_t *a, const sb_rows_t *rows, int i)
{
    a->guid = sb_rows_text(rows, i, 1);
    a->type = sb_rows_text(rows, i, 2);
    a->period = sb_rows_text(rows, i, 3);
    a->subject = sb_rows_text(rows, i, 4);
    a->period_year = (int)sb_rows_int(rows, i, 5, 0);
    a->score_min = (int)sb_rows_int(rows, i, 6, 0);
    a->score_max = (int)sb_rows_int(rows, i, 7, 0);
    for (int l = 0; l < SB_ASMT_CLAIM_LEVELS_MAX; l++) {
        a->claim_level_name[l] = sb_rows_text(rows, i, 8 + l);
    }
}

static void take_part(sb_asmt_t *a, const sb_rows_t *rows, int i)
{
    int is_level = !strcmp(sb_rows_text(rows, i, 1), "level");
    int n = (int)sb_rows_int(rows, i, 2, 0);
    const char *name = sb_rows_text(rows, i, 3);

    if (is_level && n >= 1 && n <= SB_ASMT_LEVELS_MAX) {
        a->level[n - 1].name = name;
        a->level[n - 1].cut_point = (int)sb_rows_int(rows, i, 4, 0);
        a->nlevels = n > a->nlevels && name ? n : a->nlevels;
    }
    else if (!is_level && n >= 1 && n <= SB_ASMT_CLAIMS_MAX && name && *name) {
        a->claim[n - 1].name = name;
        a->claim[n - 1].score_min = sb_rows_text(rows, i, 4);
        a->claim[n - 1].score_max = sb_rows_text(rows, i, 5);
    }
}

void sb_asmts_take(sb_asmts_t *asmts, const sb_rows_t *rows, const sb_rows_t *parts, apr_pool_t *p)
{
    apr_hash_t *mine = apr_hash_make(p);
    sb_asmt_t *a;

    for (int i = 0; i < sb_rows_count(rows); i++) {
        const char *id = sb_rows_text(rows, i, 0);

        a = apr_pcalloc(p, sizeof(*a));
        take_asmt(a, rows, i);
        apr_hash_set(mine, id, APR_HASH_KEY_STRING, a);
        sb_asmts_put(asmts, id, a);
    }
    for (int i = 0; i < sb_rows_count(parts); i++) {
        a = apr_hash_get(mine, sb_rows_text(parts, i, 0), APR_HASH_KEY_STRING);
        if (a) {
            take_part(a, parts, i);
        }
    }
}

sb_asmts_t *sb_asmts_make(apr_pool_t *p)
{
    sb_asmts_t *asmts = apr_palloc(p, sizeof(*asmts));

    asmts->by_id = apr_hash_make(p);
    return asmts;
}

void sb_asmts_put(sb_asmts_t *asmts, const char *rec_id, const sb_asmt_t *a)
{
    apr_hash_set(asmts->by_id, rec_id, APR_HASH_KEY_STRING, a);
}

const sb_asmt_t *sb_asmts_get(const sb_asmts_t *asmts, const char *rec_id)
{
    return apr_hash_get(asmts->by_id, rec_id, APR_HASH_KEY_STRING);
}

/* ---- writing --------------------------------------------------------------------------------- */

static const sb_json_t *nth(const sb_json_t *list, int n)
{
    const sb_json_t *node = list ? list->child : NULL;

    while (node && n-- > 0) {
        node = node->next;
    }
    return node;
}

void sb_asmt_cut_points_json(sb_jw_t *w, const char *key, const sb_asmt_t *a,
                             const sb_json_t *colours)
{
    int n = a->nlevels ? a->nlevels : SB_LEVELS_DEFAULT;

    sb_jw_array(w, key);
    for (int i = 0; i < n; i++) {
        int end = i == n - 1 ? a->score_max : a->level[i + 1].cut_point;
        const sb_json_t *colour = nth(colours, i);

        if (i < n - 1 && end <= 0) {
            continue; /* the next level does not say where it begins */
        }
        sb_jw_object(w, NULL);
        sb_jw_str(w, "name", a->level[i].name ? a->level[i].name : "None");
        sb_jw_fmt(w, "interval", "%d", end);
        for (colour = colour && colour->type == SB_JSON_OBJECT ? colour->child : NULL; colour;
             colour = colour->next) {
            sb_metadata_node_json(w, colour->key, colour);
        }
        sb_jw_end(w);
    }
    sb_jw_end(w);
}

const char *sb_asmt_claim_level(const sb_asmt_t *a, const char *level)
{
    int n = level ? atoi(level) : 0;
    const char *name = n >= 1 && n <= SB_ASMT_CLAIM_LEVELS_MAX ? a->claim_level_name[n - 1] : NULL;

    return name ? name : "None";
}

void sb_asmt_claim_names_json(sb_jw_t *w, const sb_asmt_t *a, int i)
{
    sb_jw_str(w, "name", a->claim[i].name);
    /* Templates for the page to translate. Math reports its claims 2 and 4 as one. */
    if (i == 1 && !strcmp(a->subject, "Math")) {
        sb_jw_str(w, "name2", "{{labels.claims}} 2 & 4");
    }
    else {
        sb_jw_fmt(w, "name2", "{{labels.claim}} %d", i + 1);
    }
}

const char *sb_asmt_type_shown(const char *type, apr_pool_t *p)
{
    char *text = apr_pstrdup(p, type);

    for (char *c = text; *c; c++) {
        *c = c == text || c[-1] == ' ' ? (char)apr_toupper(*c) : (char)apr_tolower(*c);
    }
    return text;
}
