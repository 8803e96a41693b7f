/**
 * Report academic_year: the years for which there are assessments and registrations.
 */

#include "report/sb_parts.h"

static apr_status_t run(sb_jw_t *w, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    const apr_array_header_t *registered, *assessed;
    apr_status_t rv;

    rv = sb_years_of_registrations(&registered, ctx, p);
    if (rv == APR_SUCCESS) {
        rv = sb_years_of_assessments(&assessed, ctx, p);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    sb_jw_object(w, NULL);
    sb_years_json(w, "studentRegAcademicYear", registered);
    sb_years_json(w, "asmt_period_year", assessed);
    sb_jw_end(w);
    return APR_SUCCESS;
}

static const sb_param_t params[] = {
    {.name = "stateCode",
     .type = SB_PARAM_STRING,
     .required = 1,
     .chars = "a-zA-Z",
     .min_len = 2,
     .max_len = 2},
    {.name = NULL},
};

const sb_report_t sb_report_academic_year = {
    .name = "academic_year",
    .callable = "get_academic_year_report",
    .params = params,
    .run = run,
};
