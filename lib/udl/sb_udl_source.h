#ifndef SB_UDL_SOURCE_H
#define SB_UDL_SOURCE_H

/**
 * The content of a package as a stream: which member, and its bytes, in the order of the archive.
 * A thread unpacks ahead into a few blocks, so that unpacking and loading share two cores. Also
 * reads a directory with an unpacked package.
 */

#include "store/sb_archive.h"

typedef enum {
    SB_UDL_MEMBER, /* a new member begins: name */
    SB_UDL_DATA,   /* bytes of it */
    SB_UDL_END     /* no more members */
} sb_udl_event_t;

typedef struct {
    sb_udl_event_t event;
    const char *name; /* MEMBER: base name, valid as long as the source */
    const char *data; /* DATA: valid until the next call */
    apr_size_t len;
} sb_udl_piece_t;

typedef struct sb_udl_source_t sb_udl_source_t;

/** @param path a .tar.gz, or a directory. The thread ends, at the latest, when p is cleared. */
apr_status_t sb_udl_source_open(sb_udl_source_t **psource, const char *path,
                                const sb_archive_limits_t *limits, apr_pool_t *p) SB_MUST_CHECK;

/** @return APR_SUCCESS; else as sb_archive_next: sb_udl_source_problem says what is wrong */
apr_status_t sb_udl_source_next(sb_udl_piece_t *piece, sb_udl_source_t *source) SB_MUST_CHECK;

/** How far it is: bytes of the archive behind the piece that was read last, and of the whole; -1 each
 *  of a directory. */
void sb_udl_source_position(apr_int64_t *pdone, apr_int64_t *ptotal, const sb_udl_source_t *source);

const char *sb_udl_source_problem(const sb_udl_source_t *source);

#endif
