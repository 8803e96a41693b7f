#ifndef SB_OPENAPI_H
#define SB_OPENAPI_H

/**
 * The description of the API, OpenAPI 3.1. Parameters come from the tables that judge requests, so
 * they cannot drift; what answers look like, and every text, from the files openapi/ of the source,
 * which are compiled in: openapi/document.json is the frame (addresses that are no report, shared
 * schemas), openapi/NAME.json describes report NAME:
 *
 *   summary, description   what it is
 *   schema                 its answer, becomes #/components/schemas/NAME
 *   example                an answer with invented data
 *   not_found              when it answers 404; left out: never
 *
 * A report without a file has a path without an answer, which t/http/openapi.t reports.
 */

#include "report/sb_report.h"

/** What the table of addresses says of one that is no report. */
typedef struct {
    const char *path;         /* "/services/x/{}" stands for "/services/x/{any name}" of the file */
    sb_perm_t perm;           /* becomes the operation's "security" */
    const sb_param_t *params; /* of the query; NULL none */
    const sb_param_t *judged; /* of the query, or of the body of a POST; NULL none */
    int programs;             /* a bearer token does */
} sb_openapi_route_t;

/**
 * Make the document.
 * @param cookie name of the session cookie
 * @return APR_SUCCESS; SB_EINPUT a file is no JSON, which is a mistake of ours and logged
 */
apr_status_t sb_openapi_make(const char **pjson, apr_size_t *plen, const sb_openapi_route_t *routes,
                             int nroutes, const char *cookie, apr_pool_t *p) SB_MUST_CHECK;

#endif
