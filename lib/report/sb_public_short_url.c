/**
 * Report public.public_short_url: the addresses of the public report of a state, the short one that people
 * are given and the page it leads to.
 */

#include "report/sb_report.h"

static apr_status_t run(sb_jw_t *w, const sb_report_ctx_t *ctx, apr_pool_t *p)
{
    (void)p;
    sb_jw_object(w, NULL);
    sb_jw_str(w, "sid", ctx->sid);
    sb_jw_fmt(w, "short_url", "%s/public/%s", ctx->origin, ctx->sid);
    sb_jw_fmt(w, "url", "%s/assets/html/comparingPopulations.html?isPublic=true&sid=%s",
              ctx->origin, ctx->sid);
    sb_jw_end(w);
    return APR_SUCCESS;
}

static const sb_param_t params[] = {
    {.name = "sid",
     .type = SB_PARAM_STRING,
     .required = 1,
     .chars = SB_SID_CHARS,
     .min_len = SB_SID_MIN,
     .max_len = SB_SID_MAX},
    {.name = NULL},
};

const sb_report_t sb_report_public_short_url = {
    .name = "public.public_short_url",
    .callable = "get_public_short_url_report",
    .is_public = 1,
    .params = params,
    .run = run,
};
