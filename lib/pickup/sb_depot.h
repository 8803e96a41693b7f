#ifndef SB_DEPOT_H
#define SB_DEPOT_H

/**
 * The directory of the pickup zone: one file a registration, named like it. What arrives has a name
 * that begins with a dot until it is whole and on disk; it gets its own by a rename. Nobody is ever
 * given half a file.
 */

#include <sys/types.h>
#include <apr_file_io.h>
#include "core/sb_crypto.h"

typedef struct sb_depot_t sb_depot_t;     /* constant; for all threads */
typedef struct sb_arrival_t sb_arrival_t; /* a file on its way in; of one thread */

/** @return errno the directory is not there or cannot be entered */
apr_status_t sb_depot_open(const sb_depot_t **pdepot, const char *path,
                           apr_pool_t *p) SB_MUST_CHECK;

const char *sb_depot_path(const sb_depot_t *depot);

/* ---- what arrives ------------------------------------------------------------------------------- */

/** Begin a file. Until sb_arrival_keep() it is removed when p is cleared. @param id of the registration */
apr_status_t sb_arrival_begin(sb_arrival_t **pa, const sb_depot_t *depot, const char *id,
                              apr_pool_t *p) SB_MUST_CHECK;

/** @return errno: APR_ENOSPC, EDQUOT the disk is full */
apr_status_t sb_arrival_write(sb_arrival_t *a, const void *data, apr_size_t len) SB_MUST_CHECK;

/** It is whole: put it on disk. @return as sb_arrival_write */
apr_status_t sb_arrival_end(sb_arrival_t *a) SB_MUST_CHECK;

apr_int64_t sb_arrival_size(const sb_arrival_t *a);
/** After sb_arrival_end(). */
const char *sb_arrival_sha256(const sb_arrival_t *a);

/** Give it its name, for good; a file of that name is replaced. After sb_arrival_end(). */
apr_status_t sb_arrival_keep(sb_arrival_t *a) SB_MUST_CHECK;

/* ---- what is there ------------------------------------------------------------------------------ */

/**
 * Open a file for reading; closed with p.
 * @param size what it must have
 * @return ENOENT it is not there; APR_EINVAL it is no plain file or of another size; other errno
 */
apr_status_t sb_depot_fetch(apr_file_t **pfile, const sb_depot_t *depot, const char *id,
                            apr_int64_t size, apr_pool_t *p) SB_MUST_CHECK;

/** Remove a file; not there is success. */
apr_status_t sb_depot_remove(const sb_depot_t *depot, const char *name) SB_MUST_CHECK;

/** Write, look at and remove a file of 1024 bytes. */
apr_status_t sb_depot_probe(const sb_depot_t *depot, apr_pool_t *p) SB_MUST_CHECK;

typedef enum {
    SB_DEPOT_FILE,    /* named like a registration */
    SB_DEPOT_LEFTOVER /* of an upload or a heartbeat that was killed */
} sb_depot_kind_t;

/**
 * What is there and was last written before an instant. Names that are not ours are left out.
 * @param fn anything but APR_SUCCESS ends the walk
 */
apr_status_t sb_depot_walk(const sb_depot_t *depot, apr_time_t before,
                           apr_status_t (*fn)(void *ctx, sb_depot_kind_t kind, const char *name),
                           void *ctx) SB_MUST_CHECK;

#endif
