/**
 * What a list of students shows besides students.
 */

#include "report/sb_list_page.h"

#include <string.h>
#include <apr_strings.h>
#include "report/sb_result.h"
#include "store/sb_near.h"

#define KEPT_FOR apr_time_from_sec(60) /* one never asked for again goes by then */

static const char *key_of(const sb_report_ctx_t *ctx, const sb_known_t *known,
                          const sb_place_t *place, const char *asmt_type, int year, apr_pool_t *p)
{
    return apr_psprintf(p, "list:%" APR_INT64_T_FMT ":%s:%s:%s:%d:%s\n%s\n%s\n%s", ctx->generation,
                        ctx->schema, sb_known_version(known), sb_scope_state(ctx->scope), year,
                        asmt_type, place->district_id, place->school_id,
                        place->grade ? place->grade : "");
}

#define GROUP(n) " WHEN s.group_" n "_id IS NOT NULL THEN " n
#define USED(table)                                                                                \
    "SELECT max(CASE" GROUP("10") GROUP("9") GROUP("8") GROUP("7") GROUP("6") GROUP("5")           \
        GROUP("4") GROUP("3") GROUP("2") GROUP(                                                    \
            "1") " ELSE 0 END)"                                                                    \
                 " FROM {schema}." table " f JOIN {schema}.dim_student s USING (student_rec_id)"   \
                 " WHERE f.rec_status = 'C' AND f.inst_hier_rec_id IN"                             \
                 "  (SELECT inst_hier_rec_id FROM {schema}.dim_inst_hier"                          \
                 "    WHERE state_code = $1 AND district_id = $2 AND school_id = $3)"              \
                 " AND f.asmt_year = $4::smallint AND ($5::text IS NULL OR f.asmt_grade = $5)"

static void queue_groups(sb_rows_t **prows, sb_pipe_t *pipe, const sb_report_ctx_t *ctx,
                         const sb_place_t *place, const char *asmt_type, const char *year)
{
    static const sb_stmt_t whole = {"report_groups", 5, USED("fact_asmt_outcome_vw")};
    static const sb_stmt_t blocks = {"report_block_groups", 5, USED("fact_block_asmt_outcome")};
    const char *args[] = {sb_scope_state(ctx->scope), place->district_id, place->school_id, year,
                          place->grade};

    sb_pipe_query(prows, pipe, strcmp(asmt_type, SB_ASMT_BLOCKS) ? &whole : &blocks, args);
}

void sb_list_page_queue(sb_list_page_t *page, sb_pipe_t *pipe, const sb_report_ctx_t *ctx,
                        const sb_known_t *known, const sb_place_t *place, const char *asmt_type,
                        int year, apr_pool_t *p)
{
    const sb_list_page_t *kept = NULL;

    memset(page, 0, sizeof(*page));
    page->key = key_of(ctx, known, place, asmt_type, year, p);
    if (ctx->near) {
        kept = sb_near_get(ctx->near, page->key, p);
    }
    if (kept) {
        *page = *kept;
        page->have = 1;
        return;
    }
    page->groups = SB_LIST_GROUPS;
    sb_breadcrumb_queue(&page->names, pipe, ctx, place);
    sb_administrations_of_school(&page->dates, pipe, ctx, place->district_id, place->school_id,
                                 place->grade, apr_itoa(p, year));
    sb_not_stated_queue(&page->counts, pipe, ctx, asmt_type, year, place->district_id,
                        place->school_id, p);
    queue_groups(&page->used, pipe, ctx, place, asmt_type, apr_itoa(p, year));
}

/* The value of the only member of an object, "{"x":VALUE}". */
static const char *value_of(sb_jw_t *w, apr_pool_t *p)
{
    apr_size_t len;
    const char *text;

    sb_jw_end(w);
    text = sb_jw_text(w, &len);
    return apr_pstrmemdup(p, text + strlen("{\"x\":"), len - strlen("{\"x\":}"));
}

static sb_jw_t *begin(apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    return w;
}

void sb_list_page_take(sb_list_page_t *page, const sb_report_ctx_t *ctx, const sb_place_t *place,
                       apr_pool_t *p)
{
    sb_near_item_t *item = NULL;
    apr_pool_t *own = p;
    sb_list_page_t *kept;
    sb_jw_t *w;

    if (page->have) {
        return;
    }
    if (ctx->near && sb_near_begin(&item, &own, ctx->near, p) != APR_SUCCESS) {
        item = NULL;
        own = p;
    }
    w = begin(p);
    sb_breadcrumb_rows_json(w, "x", ctx, place, page->names);
    page->items = value_of(w, own);
    w = begin(p);
    sb_administrations_json(w, "x", page->dates);
    page->administrations = value_of(w, own);
    sb_not_stated_take(&page->not_stated, page->counts);
    if (item) {
        kept = apr_pcalloc(own, sizeof(*kept));
        kept->items = page->items;
        kept->administrations = page->administrations;
        kept->not_stated = page->not_stated;
        kept->groups = (int)sb_rows_int(page->used, 0, 0, 0);
        sb_near_put(ctx->near, page->key, item, kept,
                    sizeof(*kept) + strlen(page->items) + strlen(page->administrations), KEPT_FOR);
    }
}
