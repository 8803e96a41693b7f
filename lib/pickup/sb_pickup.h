#ifndef SB_PICKUP_H
#define SB_PICKUP_H

/**
 * Client of the pickup zone: whoever makes a file for a person announces it, hands the addresses out at
 * once, and delivers the file when it is made. HTTPS by libcurl, verified; nothing is followed, nothing
 * taken from the environment. What the server makes of it: mod_hpz, docs/pickup.md.
 *
 * Threads: a client is constant; each call uses a connection of its own.
 */

#include <apr_tables.h>
#include "core/sb_conf.h"
#include "core/sb_crypto.h"

typedef struct sb_pickup_client_t sb_pickup_client_t;

/**
 * From hpz.file_registration_url, hpz.file_upload_base_url, hpz.ca_file, hpz.client_cert, hpz.client_key,
 * hpz.ignore_certificate, hpz.register_timeout, hpz.stall_timeout. Contacts nobody.
 * @param conf outlives the client
 * @return NULL, or the complaint: key and remedy
 */
const char *sb_pickup_client_make(const sb_pickup_client_t **pclient, const sb_conf_t *conf,
                                  apr_pool_t *p) SB_MUST_CHECK;

/** A part of the state. */
typedef struct {
    const char *district_id;
    const char *school_id; /* NULL: the whole district */
} sb_pickup_place_t;

/** For whom, and by which right: who fetches the file must be that user and hold that right at all those
 *  places still. */
typedef struct {
    const char *uid;   /* sb_identity_t.uid of the owner */
    const char *email; /* is told when the file is there; NULL: nobody is */
    const char *role;  /* "SAREXTRACTS", "PII", .. */
    const char *tenant, *state_code;
    const apr_array_header_t *places; /* sb_pickup_place_t; NULL or empty: the whole state */
    const char
        *request; /* UUID of what the file is a part of: the owner is told by sb_pickup_finish();
                            NULL: he is told when the file is there */
    int part;     /* of the request, 1 first */
} sb_pickup_owner_t;

typedef struct {
    const char *id;      /* UUID as text */
    const char *url;     /* download_url of the answers: where a program of the owner fetches it */
    const char *web_url; /* web_download_url: what the owner opens in his browser */
} sb_pickup_t;

/**
 * Announce files, one after the other over one connection: the parts of owner->request, from part 1 on.
 * @param pickups of each file
 * @param until  when to give up, on the monotonic clock: all of them together, beside hpz.register_timeout
 *               for each; 0: never
 * @param perror the complaint, unless APR_SUCCESS; names no person
 * @return APR_SUCCESS; SB_EUNAVAILABLE nobody answers, or not now: try again; SB_EINPUT the pickup zone
 *         refuses what it was told. Trying again makes other
 *         registrations; the first ones are forgotten when their time is up.
 */
apr_status_t sb_pickup_register(sb_pickup_t *pickups, int n, const char **perror,
                                const sb_pickup_client_t *client, const sb_pickup_owner_t *owner,
                                double until, apr_pool_t *p) SB_MUST_CHECK;

/** What a request came to. */
typedef enum {
    SB_PICKUP_READY,
    SB_PICKUP_FAILED,
    SB_PICKUP_VOID /* nothing will come of it: what was announced and not delivered is forgotten */
} sb_pickup_outcome_t;

/**
 * A request is over: the owner is to be told, by one mail about all of its files. Saying the same again is
 * fine, and nothing is told twice. Of a void one nobody is told.
 * @param request as it was registered
 * @param limit   of time; 0: hpz.register_timeout
 * @return as sb_pickup_register
 */
apr_status_t sb_pickup_finish(const char **perror, const sb_pickup_client_t *client,
                              const char *request, sb_pickup_outcome_t outcome,
                              apr_interval_time_t limit, apr_pool_t *p) SB_MUST_CHECK;

/** What the pickup zone says it has. */
typedef struct {
    apr_int64_t size;
    char sha256[SB_SHA256_HEX_SIZE];
} sb_pickup_receipt_t;

/**
 * Deliver the file, as a stream. Delivering the same content again is fine, which makes every failure but
 * those that are final worth another try.
 * @param path     of the file
 * @param name     what it is called where it is fetched; NULL: the last part of path
 * @param stopping asked with ctx now and then whether to give up; NULL: never
 * @param receipt  compared with what was sent; with SB_ECONFLICT what is there, as far as it says
 *                 so; else, and where it does not, the size is -1
 * @return APR_SUCCESS; APR_EINTR stopping; SB_EUNAVAILABLE nobody answers, it stood still, or the disk there is
 *         full: try again. Final: APR_NOTFOUND no such registration (any more); SB_ECONFLICT another content was
 *         delivered already; SB_ETOOBIG over hpz.frs.file_size_limit; SB_EINPUT anything else
 *         it refuses; an errno the file cannot be read
 */
apr_status_t sb_pickup_upload(sb_pickup_receipt_t *receipt, const char **perror,
                              const sb_pickup_client_t *client, const char *path, const char *id,
                              const char *name, int (*stopping)(void *ctx), void *ctx,
                              apr_pool_t *p) SB_MUST_CHECK;

/**
 * Take a registration back, with its file if there is one. Not there (any more) is success.
 * @param limit of time; 0: hpz.register_timeout
 * @return APR_SUCCESS; SB_EUNAVAILABLE try again; SB_EINPUT
 */
apr_status_t sb_pickup_remove(const char **perror, const sb_pickup_client_t *client, const char *id,
                              apr_interval_time_t limit, apr_pool_t *p) SB_MUST_CHECK;

#endif
