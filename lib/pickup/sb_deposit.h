#ifndef SB_DEPOSIT_H
#define SB_DEPOSIT_H

/**
 * The rows of the pickup zone: which file waits for whom, and who may have it. Source: sql/hpz/001_files.sql.
 */

#include "auth/sb_identity.h"
#include "core/sb_json.h"
#include "pickup/sb_depot.h"
#include "pickup/sb_pickup.h"
#include "store/sb_db.h"

typedef struct {
    const char *id;
    sb_pickup_owner_t owner; /* role NULL: none was named */
    const char *name;        /* of the file; NULL until it was uploaded, as sha256 */
    const char *sha256;
    apr_int64_t size;
    apr_int64_t age; /* seconds since the file came */
} sb_deposit_t;

/**
 * What a client says of a registration: {"uid", "email", "role", "tenant", "state_code", "places":
 * [{"district_id", "school_id"}], "request_id", "part"}; all but uid may be left out or null, a role needs a
 * tenant and a state.
 * Other members are ignored, and so is an email that is no mailbox.
 * @return NULL, or what is wrong with it, without values
 */
const char *sb_deposit_read(sb_pickup_owner_t *owner, const sb_json_t *said,
                            apr_pool_t *p) SB_MUST_CHECK;

/** What a client says at the end of a request: {"request_id", "outcome": "ready", "failed" or "void"}. @return as above */
const char *sb_deposit_read_finish(const char **prequest, const char **poutcome,
                                   const sb_json_t *said) SB_MUST_CHECK;

/** Make a registration. @param pid its new id. @return as sb_db_exec */
apr_status_t sb_deposit_add(const char **pid, sb_db_t *db, const sb_pickup_owner_t *owner,
                            apr_pool_t *p) SB_MUST_CHECK;

/**
 * @param id  straight from the client, may be nonsense
 * @param uid who asks: the owner's places come for him only. NULL: a worker, who needs none
 * @return APR_SUCCESS; APR_NOTFOUND no such row, or no id; others as sb_db_query
 */
apr_status_t sb_deposit_find(sb_deposit_t **pd, sb_db_t *db, const char *id, const char *uid,
                             apr_pool_t *p) SB_MUST_CHECK;

/**
 * May this person have it? He is the owner, and holds the right at each of its places.
 * @param pwhy if not: what, in words without ids; NULL fine
 */
int sb_deposit_is_for(const char **pwhy, const sb_deposit_t *d, const sb_identity_t *id);

/**
 * A file has arrived: give it to its registration, and note the mail to be sent. Of a request none is.
 * @param name     as offered to the owner
 * @param with_mail whether owners are told by mail at all
 * @return APR_SUCCESS, also when the same content was there already; SB_ECONFLICT another content was;
 *         APR_NOTFOUND the registration has gone meanwhile; an errno of the directory; others as sb_db_exec.
 *         Then it may be tried again, whatever was done.
 */
apr_status_t sb_deposit_receive(sb_db_t *db, const char *id, const char *name, sb_arrival_t *a,
                                const sb_depot_t *depot, int with_mail,
                                apr_pool_t *p) SB_MUST_CHECK;

/**
 * A request is over: note the one mail about its files, unless that outcome was noted before. Also when
 * nobody is to be told, or there is no such request (any more). Of one that is void, registrations without
 * file are forgotten instead.
 * @param with_mail as above
 * @return as sb_db_exec
 */
apr_status_t sb_deposit_finish(sb_db_t *db, const char *request, const char *outcome,
                               int with_mail) SB_MUST_CHECK;

/**
 * Remove a registration and its file, if it has one; a mail about it that waits is not sent.
 * @return APR_SUCCESS; APR_NOTFOUND no such registration; an errno of the directory; others as sb_db_exec
 */
apr_status_t sb_deposit_remove(sb_db_t *db, const char *id, const sb_depot_t *depot,
                               apr_pool_t *p) SB_MUST_CHECK;

/* ---- names ------------------------------------------------------------------------------------- */

#define SB_DEPOSIT_NAME_MAX 200 /* bytes */

/** The last part of a path in any system's spelling, without characters that show nothing but change how the
 *  rest is shown: controls, line ends, directions, zero-width ones.
 *  @return NULL nothing is left, it is too long, or not UTF-8 */
const char *sb_deposit_name(const char *offered, apr_pool_t *p);

/** Content-Disposition: attachment with a name (RFC 6266), both for old and for new clients. */
const char *sb_deposit_disposition(const char *name, apr_pool_t *p);

/** Media type by the end of the name. */
const char *sb_deposit_type(const char *name);

#endif
