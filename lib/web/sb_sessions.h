#ifndef SB_SESSIONS_H
#define SB_SESSIONS_H

/**
 * /services about sessions, the same for every module that knows people: how long one's own lasts, which others
 * one has, and ending them. An administrator sees and ends those of persons all of whose tenants are his own,
 * too: an account of another state's is none of his business.
 */

#include "web/sb_routes.h"

int sb_sessions_left(sb_req_t *q);  /* GET /services/session: no use of it, route is quiet */
int sb_sessions_touch(sb_req_t *q); /* POST /services/session/touch */

int sb_sessions_mine(sb_req_t *q);       /* GET /services/sessions */
int sb_sessions_end_others(sb_req_t *q); /* DELETE /services/sessions */
int sb_sessions_end(sb_req_t *q);        /* DELETE /services/sessions/{ref} */

extern const sb_param_t sb_sessions_params[]; /* of the next one */
int sb_sessions_of_tenants(sb_req_t *q);      /* GET /services/administration/sessions */
int sb_sessions_end_any(sb_req_t *q);         /* DELETE /services/administration/sessions/{ref} */

#endif
