/* lib/udl: a whole CSV from its bytes to typed rows, with the metadata known before it or not. How the file
 * is cut into pieces, and what the metadata says, follows from its size. */

#include "fuzz.h"

#include <apr_strings.h>

#include "sink.h"
#include "udl/sb_udl_rows.h"

static const char *const types[] = {"SUMMATIVE", "INTERIM ASSESSMENT BLOCKS"};

/* Of results, of blocks or of registration. */
static const char *metadata(size_t which)
{
    const char *levels = "", *claims = "";
    int i;

    if (which == 2) {
        return "{'Content':'StudentRegistration','Source':{'TestRegSysID':'s','TestRegCallbackURL':"
               "'u'},"
               "'Identification':{'Guid':'r','AcademicYear':2016,'ExtractDate':'2015-10-01'}}";
    }
    for (i = 1; i <= 5; i++) {
        levels = apr_psprintf(fuzz_pool, "%s,'Level%d':{'Name':'L%d','CutPoint':%d}", levels, i, i,
                              1200 + 100 * i);
        claims = apr_psprintf(
            fuzz_pool, "%s,'Claim%d':{'Name':'C%d','MinScore':1200,'MaxScore':2400}", claims, i, i);
    }
    return apr_psprintf(fuzz_pool,
                        "{'Content':'assessment','Identification':{'Guid':'asmt-1','Type':'%s',"
                        "'Year':2016,'Period':'','Version':'V1','Subject':'Math',"
                        "'EffectiveDate':'20160401'},'Overall':{'MinScore':1200,'MaxScore':2400},"
                        "'PerformanceLevels':{%s},'ClaimsPerformanceLevel':{%s},'Claims':{%s}}",
                        types[which], levels + 1, levels + 1, claims + 1);
}

static void read_metadata(sb_udl_meta_t *meta, size_t which)
{
    char *text = apr_pstrdup(fuzz_pool, metadata(which)), *c;

    for (c = text; *c; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    must(!sb_udl_meta_read(meta, text, strlen(text), fuzz_pool));
}

typedef struct {
    sb_udl_rows_t *rows;
    sb_copy_t sink;
} run_t;

static apr_status_t begin(void *ctx, sb_copy_t **pcopy)
{
    run_t *run = ctx;
    int ncols;

    must(sb_udl_rows_copy_sql(&ncols, run->rows, "x", fuzz_pool));
    sink_init(&run->sink, ncols);
    *pcopy = &run->sink;
    return APR_SUCCESS;
}

static apr_status_t feed(sb_csv_t *csv, const uint8_t *data, size_t size, size_t piece)
{
    apr_status_t rv = APR_SUCCESS;
    size_t n;

    for (; size && rv == APR_SUCCESS; data += n, size -= n) {
        char *copy;

        n = piece < size ? piece : size;
        copy = malloc(n); /* so that reading beyond a piece is seen */
        memcpy(copy, data, n);
        rv = sb_csv_feed(csv, copy, n);
        free(copy);
    }
    return rv == APR_SUCCESS ? sb_csv_finish(csv) : rv;
}

static void judge(const run_t *run, apr_status_t rv)
{
    const sb_udl_counts_t n = sb_udl_rows_counts(run->rows);
    const apr_array_header_t *refusals = sb_udl_rows_refusals(run->rows);
    const apr_array_header_t *warnings = sb_udl_rows_warnings(run->rows, fuzz_pool);
    int i;

    must(n.loaded + n.rejected <= n.read);
    must(rv != APR_SUCCESS || (n.loaded + n.rejected == n.read && n.loaded == run->sink.rows));
    must(n.rejected == 0 || refusals->nelts > 0);
    for (i = 0; i < refusals->nelts; i++) {
        const sb_udl_refusal_t *r = &APR_ARRAY_IDX(refusals, i, sb_udl_refusal_t);

        must(r->line > 0 && *r->reason && r->number >= 3001);
        must(!i || r->line >= APR_ARRAY_IDX(refusals, i - 1, sb_udl_refusal_t).line);
        must(!r->student_id || sb_utf8_is_valid(r->student_id, strlen(r->student_id)));
    }
    for (i = 0; i < warnings->nelts; i++) {
        const sb_udl_warning_t *w = &APR_ARRAY_IDX(warnings, i, sb_udl_warning_t);

        must(w->count > 0 && w->first_line > 0 && *w->reason);
    }
}

FUZZ(data, size)
{
    static const sb_csv_opts_t csv_opts = {.max_fields = SB_UDL_FIELDS_KEPT};
    static sb_udl_policy_t policy;
    run_t run = {NULL, {0, 0, 0}};
    sb_udl_rows_opts_t opts = {.policy = &policy, .state_code = "NC", .max_refusals = 100};
    sb_udl_meta_t meta;
    sb_csv_t *csv;
    apr_status_t rv;

    must(!sb_udl_policy_make(&policy, NULL, fuzz_pool));
    read_metadata(&meta, size % 3);
    opts.meta = size % 2 ? &meta : NULL;
    must(sb_udl_rows_make(&run.rows, &opts, fuzz_pool) == APR_SUCCESS);
    sb_udl_rows_on_header(run.rows, begin, &run);
    must(sb_csv_make(&csv, &csv_opts, sb_udl_rows_record, run.rows, fuzz_pool) == APR_SUCCESS);
    rv = feed(csv, data, size, 1 + size / 7);
    if (rv == APR_SUCCESS) {
        rv = sb_udl_rows_end(run.rows, &meta);
    }
    must(rv == APR_SUCCESS || rv == SB_EINPUT || rv == SB_ETOOBIG);
    must(rv == APR_SUCCESS || sb_udl_rows_problem(run.rows) || *sb_csv_error(csv));
    judge(&run, rv);
}
