#ifndef SB_SID_H
#define SB_SID_H

/**
 * Public ids of states: what stands for the state code in the addresses of the public report. The state
 * code, zero bytes up to a block, AES-CBC under the installation's key, behind its random IV; raw
 * DEFLATE; URL-safe base64 with padding. A form that addresses in circulation have, so it stays as it is.
 *
 * It hides which state is meant, nothing else: it is not authenticated, and what it leads to is public.
 */

#include "core/sb_status.h"

#define SB_SID_MIN 20 /* characters */
#define SB_SID_MAX 52
#define SB_SID_CHARS "a-zA-Z0-9_=-" /* as a parameter's chars */
#define SB_SID_STATE_MAX 16         /* bytes of what is encoded */

/** AES wants 16, 24 or 32 bytes. @return NULL, or what is wanted */
const char *sb_sid_secret_check(const char *secret);

/** Could this text be one? Length and characters only. */
int sb_sid_is_plausible(const char *sid);

/**
 * @param psid  another one at every call; all of them lead to the same state
 * @param state 1 to SB_SID_STATE_MAX bytes
 * @return APR_SUCCESS; SB_EINPUT state; SB_ECONFIG secret; APR_EGENERAL no randomness
 */
apr_status_t sb_sid_encode(const char **psid, const char *state, const char *secret,
                           apr_pool_t *p) SB_MUST_CHECK;

/** The same with an IV of 16 bytes: for tests. */
apr_status_t sb_sid_encode_iv(const char **psid, const char *state, const char *secret,
                              const unsigned char *iv, apr_pool_t *p) SB_MUST_CHECK;

/**
 * @param pstate text without NULs; that there is such a state is the caller's question
 * @return APR_SUCCESS; SB_EINPUT no sid of ours, whatever is wrong with it; SB_ECONFIG secret
 */
apr_status_t sb_sid_decode(const char **pstate, const char *sid, const char *secret,
                           apr_pool_t *p) SB_MUST_CHECK;

#endif
