/* Is somebody hidden from the user: see sb_hidden.h. */

#include "report/sb_hidden.h"

#include <apr_strings.h>
#include "core/sb_log.h"

/* "There is a current result of $1, summative, interim or of blocks, in that scope." */
static const char *exists_sql(const sb_scope_t *scope, apr_array_header_t *args, apr_pool_t *p)
{
    const char *reach = sb_scope_sql(scope, "f", args->nelts + 1, args, p);

    return apr_psprintf(p,
                        "(EXISTS (SELECT FROM {schema}.fact_asmt_outcome_vw f"
                        " WHERE f.student_id = $1 AND f.rec_status = 'C' AND %s)"
                        " OR EXISTS (SELECT FROM {schema}.fact_block_asmt_outcome f"
                        " WHERE f.student_id = $1 AND f.rec_status = 'C' AND %s))",
                        reach, reach);
}

int sb_hidden_student(const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    apr_array_header_t *args = apr_array_make(p, 8, sizeof(const char *));
    const char *student =
        sb_params_knows(ctx->params, "studentId") ? sb_params_str(ctx->params, "studentId") : NULL;
    const char *all, *reach, *sql;
    sb_rows_t *rows;
    apr_status_t rv;

    if (!student) {
        return 0;
    }
    APR_ARRAY_PUSH(args, const char *) = student;
    all = exists_sql(ctx->aggregates, args, p);
    reach = exists_sql(ctx->scope, args, p);
    sql = sb_sql(p, apr_pstrcat(p, "SELECT ", all, " AND NOT ", reach, NULL), "schema", ctx->schema,
                 NULL);
    rv = sb_db_query_text(&rows, ctx->db, sql, args->nelts, (const char *const *)args->elts, p);
    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_ERROR, SBLOGNO(2075), rv, "whether a student is hidden: %s",
               sb_db_error(ctx->db));
        return 0;
    }
    return sb_rows_bool(rows, 0, 0) == 1;
}
