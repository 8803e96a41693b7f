/**
 * The tree that score batches write: where the files of a student's result are.
 */

#include "extract/sb_extract_private.h"

#include <string.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include "core/sb_path.h"

#define LOOK_EACH 100 /* students; their files may be far away */

typedef struct {
    sb_extract_student_fn *fn;
    void *ctx;
    const char *top;    /* STATE/year/TYPE */
    const char *bottom; /* SUBJECT/grade */
    sb_extract_work_t *k;
    apr_int64_t students; /* so far */
    apr_pool_t *p;        /* of one student */
} walk_t;

/* Upper case, one word. */
static const char *level(const char *text, apr_pool_t *p)
{
    char *copy = apr_pstrdup(p, text);

    for (char *c = copy; *c; c++) {
        *c = *c == ' ' ? '_' : (char)apr_toupper(*c);
    }
    return copy;
}

/* "2015-04-01..." as 20150401. */
static const char *day(const char *date, apr_pool_t *p)
{
    char *out = apr_palloc(p, 11), *to = out;

    if (strlen(date) <= 9) {
        return date;
    }
    for (int i = 0; i < 10; i++) {
        if (date[i] != '-') {
            *to++ = date[i];
        }
    }
    *to = '\0';
    return out;
}

static apr_status_t component(const char **pname, const char *text, apr_pool_t *p)
{
    return !text || sb_path_component(pname, text, strlen(text), p) ? SB_EINPUT : APR_SUCCESS;
}

static apr_status_t visit(void *ctx, const char *row, apr_size_t len)
{
    walk_t *w = ctx;
    const char *end = row + len, *date, *district, *student;
    sb_extract_leaf_t leaf;
    apr_status_t rv;

    rv = sb_copy_field(&date, &row, end, w->p);
    rv = rv == APR_SUCCESS ? sb_copy_field(&district, &row, end, w->p) : rv;
    rv = rv == APR_SUCCESS ? sb_copy_field(&student, &row, end, w->p) : rv;
    if (rv == APR_SUCCESS && date) { /* one that is not known is no level */
        rv = component(&date, day(date, w->p), w->p);
    }
    rv = rv == APR_SUCCESS ? component(&district, district, w->p) : rv;
    rv = rv == APR_SUCCESS ? component(&leaf.name, student, w->p) : rv;
    if (rv == APR_SUCCESS) {
        leaf.dir = apr_pstrcat(w->p, w->top, date ? "/" : "", date ? date : "", "/", w->bottom, "/",
                               district, NULL);
        rv = w->fn(w->ctx, &leaf);
    }
    if (rv == APR_SUCCESS && ++w->students % LOOK_EACH == 0) {
        rv = sb_extract_look(w->k);
    }
    apr_pool_clear(w->p);
    return rv;
}

/* In the order of directories. */
apr_status_t sb_extract_each_student(sb_extract_work_t *k, sb_extract_student_fn *fn, void *ctx,
                                     apr_pool_t *p)
{
    const sb_params_t *params = k->x->params;
    apr_pool_t *q;
    apr_array_header_t *args;
    const char *sql;
    apr_int64_t rows;
    apr_status_t rv;
    walk_t w = {.fn = fn, .ctx = ctx, .k = k, .p = p};

    apr_pool_create(&q, k->p);
    args = apr_array_make(q, 16, sizeof(const char *));
    w.top = apr_pstrcat(q, level(sb_params_str(params, "stateCode"), q), "/",
                        sb_params_str(params, "asmtYear"), "/",
                        level(sb_params_str(params, "asmtType"), q), NULL);
    w.bottom = apr_pstrcat(q, level(sb_params_str(params, "asmtSubject"), q), "/",
                           sb_params_str(params, "asmtGrade"), NULL);
    sql = apr_pstrcat(
        q, "COPY (SELECT a.effective_date, f.district_id, f.student_id FROM ",
        sb_sql(q,
               "{s}.fact_asmt_outcome_vw f JOIN {s}.dim_asmt a USING (asmt_rec_id)"
               " JOIN {s}.dim_inst_hier i USING (inst_hier_rec_id)",
               "s", k->x->schema, NULL),
        sb_extract_has_groups(k->x)
            ? sb_sql(q, " JOIN {s}.dim_student s USING (student_rec_id)", "s", k->x->schema, NULL)
            : "",
        " WHERE ", sb_extract_where(k->x, args, q), " ORDER BY 1, 2, 3) TO STDOUT", NULL);
    rv = sb_copy_out(&rows, k->run->db, sql, args->nelts, (const char *const *)args->elts, visit,
                     &w, q);
    apr_pool_destroy(q);
    return rv;
}
