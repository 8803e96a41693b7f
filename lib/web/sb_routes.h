#ifndef SB_ROUTES_H
#define SB_ROUTES_H

/**
 * Tables of addresses. Every address of a module is in its table or answers 404: what nobody has
 * thought about is refused. The questions of a request come in a fixed order: known? method? too
 * long? who? allowed? which parameters?
 */

#include "web/sb_req.h"

enum { /* methods of a route */
       SB_GET = 1,
       SB_POST = 2,
       SB_OPTIONS = 4,
       SB_DELETE = 8,
       SB_PUT = 16,
       SB_OTHERS = 32,
       SB_ANY = SB_GET | SB_POST | SB_OPTIONS | SB_DELETE | SB_PUT | SB_OTHERS
};

typedef enum {
    SB_FOR_SCRIPTS, /* problems are JSON */
    SB_FOR_PEOPLE   /* problems are pages */
} sb_audience_t;

typedef struct {
    const char *path; /* exact; "/{}" at the end stands for one segment */
    int methods;      /* HEAD goes with GET, unless it changes something */
    sb_perm_t perm;   /* NONE: nobody, unless it is open */
    int open;         /* anybody may, without a session */
    sb_audience_t audience;
    int (*run)(sb_req_t *q);
    const sb_param_t *params; /* what the query may say, judged before run; NULL: run judges it */
    const sb_param_t
        *judged; /* what run judges itself, in the query or in the body of a POST: told in the
                                 description of the API. NULL: nothing is told */
    /* What the audit stream calls it; NULL: it shows and changes nothing, or is about sign-in, of which the
     * security stream tells. */
    const char *audit;
    int programs; /* a bearer token does as well as a session */
    int persons;  /* nor does the session of a program */
    int changes;  /* wants our own pages as its origin, or the session's token */
    int quiet;    /* asked for by nobody, as by a clock in a page: no use of the session */
} sb_route_t;

/** For routes whose query must be empty: services refuse what they do not know. */
extern const sb_param_t sb_no_params[];

/**
 * Answer a request by the table.
 * @param signin NULL: nobody can sign in here, only open routes are answered
 * @param child  what the process owns; NULL: it did not start well, and every request gets 503
 */
int sb_routes_answer(request_rec *r, const sb_route_t *routes, int nroutes, sb_signin_t *signin,
                     void *child);

#endif
