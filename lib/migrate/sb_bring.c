/* Bringing a batch over from another server: see sb_bring.h. */

#include "config.h"

#include <apr_strings.h>

#include "migrate/sb_bring.h"
#include "store/sb_schema.h"

/* Columns by name: the loader over there may be of a version with another order. */
static const char find_columns[] =
    "SELECT c.relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " WHERE n.nspname = $1 AND c.relkind = 'r' GROUP BY c.relname ORDER BY c.relname";

/* COPY {batch}.TABLE (COLUMNS) ...; columns are quoted by the server. */
static const char *copy_sql(const sb_work_t *w, const char *table, const char *columns,
                            const char *direction)
{
    return apr_pstrcat(
        w->p, sb_sql(w->p, "COPY {batch}.{table} (", "batch", w->batch, "table", table, NULL),
        columns, direction, NULL);
}

apr_status_t sb_bring(const sb_work_t *w, sb_db_t *source)
{
    sb_rows_t *rows;
    apr_status_t rv;
    int i;

    rv = sb_batch_schema_create(w->db, w->batch, w->p);
    if (rv == APR_SUCCESS) {
        rv = sb_db_query_text(&rows, w->db, find_columns, 1, &w->batch, w->p);
    }
    if (rv != APR_SUCCESS) {
        return sb_work_failed(w, "making room for the batch", rv);
    }
    for (i = 0; rv == APR_SUCCESS && i < sb_rows_count(rows); i++) {
        const char *table = sb_rows_text(rows, i, 0), *columns = sb_rows_text(rows, i, 1);
        const char *error;

        rv = sb_copy_between(&error, w->db,
                             copy_sql(w, table, columns, ") FROM STDIN (FORMAT binary)"), source,
                             copy_sql(w, table, columns, ") TO STDOUT (FORMAT binary)"));
        if (rv != APR_SUCCESS) {
            *w->perror = apr_pstrcat(w->p, "bringing ", table, " over: ", error, NULL);
        }
    }
    return rv;
}

apr_status_t sb_bring_drop(const sb_work_t *w)
{
    apr_status_t rv = sb_batch_schema_drop(w->db, w->batch, w->p);

    return rv == APR_SUCCESS ? rv : sb_work_failed(w, "clearing away the batch's copy", rv);
}
