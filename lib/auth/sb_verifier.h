#ifndef SB_VERIFIER_H
#define SB_VERIFIER_H

/** One kept connection to the server that tells about bearer tokens, used by one thread at a time. By libcurl:
 *  https only, certificate verified, no redirect, no proxy; time and size are bounded. */

#include "auth/sb_bearer.h"

typedef struct sb_verifier_t sb_verifier_t;

/** curl_global_init() comes before. @param config outlives the result */
apr_status_t sb_verifier_make(sb_verifier_t **pv, const sb_bearer_config_t *config,
                              apr_pool_t *p) SB_MUST_CHECK;

/**
 * Ask about a token, which sb_bearer_is_token().
 * @param pbody  valid until the next question
 * @param pwhy   with SB_EUNAVAILABLE: in few words, for the log
 * @return APR_SUCCESS there is an answer, of whatever status; SB_EUNAVAILABLE
 */
apr_status_t sb_verifier_ask(int *pstatus, const char **pbody, apr_size_t *plen, const char **pwhy,
                             sb_verifier_t *v, const char *token, apr_pool_t *p) SB_MUST_CHECK;

#endif
