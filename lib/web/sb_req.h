#ifndef SB_REQ_H
#define SB_REQ_H

/**
 * One request on its way through a module of ours: who asks, what the address and the query say, and
 * what is to be written down about it. Made by sb_routes; handlers of every module get it.
 */

#include <httpd.h>
#include "auth/sb_bearer.h"
#include "auth/sb_session.h"
#include "report/sb_audit.h"
#include "report/sb_params.h"
#include "store/sb_cache.h"
#include "web/sb_web.h"

typedef struct sb_signin_t sb_signin_t; /* web/sb_signin.h */

typedef struct {
    request_rec *r;
    void *child;         /* what the module's process owns: its own type */
    sb_signin_t *signin; /* how one signs in here */
    const char *request_id;
    const char *rest;                /* the last segment, where the route has one: "/data/{name}" */
    const sb_session_t *session;     /* NULL: anonymous, or a program with a token */
    const sb_bearer_t *bearer;       /* its token; NULL: none */
    const sb_identity_t *user;       /* of session or bearer, has guid and uid; NULL: anonymous */
    int retry_after;                 /* seconds: a token could not be verified */
    const apr_array_header_t *query; /* sb_pair_t; NULL until sb_req_query() */
    const char *type;                /* "content-type" of the query; NULL: the header counts */
    const sb_params_t *params;       /* judged ones; NULL until then */
    int quiet;                       /* asking does not put the session's end off */
    const char *callable; /* what the audit stream calls it; the route's at first. NULL: told */
    int found;            /* how many persons a search names; -1: it was no search */
    const char *denial;   /* refused: what, and for want of which role; for the security stream, so
                                        without names and ids. NULL: not */
} sb_req_t;

/** Decode the query into q->query and q->type. @return OK; DONE the answer is written */
int sb_req_query(sb_req_t *q) SB_MUST_CHECK;

/**
 * The body of a POST as JSON, within limits; of other methods it is not read. Wants the type
 * application/json, by the query's "content-type" or the header.
 * @param pbody NULL: there is none, or an empty one
 * @return OK; DONE the answer is written
 */
int sb_req_body(sb_json_t **pbody, sb_req_t *q) SB_MUST_CHECK;

/**
 * Judge the last segment of the address, as the one parameter of this schema: so the audit stream has it.
 * @return NULL, or the complaint
 */
const char *sb_req_segment(sb_req_t *q, const sb_param_t *schema) SB_MUST_CHECK;

/**
 * Write the line of the audit stream now, not when the answer is over: for one that lasts, and perhaps is never
 * over. Another one is not written.
 * @param status of the answer
 */
void sb_req_audit(sb_req_t *q, int status);

/**
 * Count one more of these by this user in this minute, for all web nodes. The first one over the limit is an
 * event, "rate limited: WHAT".
 * @param what  a word: what has the same one is counted together
 * @param cache, per_minute as sb_rate_take() has them
 * @return OK; DONE the answer is written, and says when he may again
 */
int sb_req_limit(sb_req_t *q, const char *what, sb_cache_t *cache,
                 apr_int64_t per_minute) SB_MUST_CHECK;

/** A line of the security stream: what happened, who asked, from which address. */
void sb_req_event(const sb_req_t *q, sb_security_t type, const char *text);

#endif
