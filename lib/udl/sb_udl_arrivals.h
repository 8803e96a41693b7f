#ifndef SB_UDL_ARRIVALS_H
#define SB_UDL_ARRIVALS_H

/**
 * Which files in the arrivals zone are complete. Inotify tells at once, a scan finds what it missed.
 * A file is complete at once when it was renamed into place, or when its companion NAME.done holds its
 * MD5; else when it has not changed for the stability time. Closing it means nothing: an upload that
 * broke off is closed too. A companion with another MD5 holds the file back. No symbolic link is
 * followed below root. Files that are no packages, or never become complete, are strays.
 */

#include <apr_tables.h>
#include <apr_time.h>
#include "core/sb_status.h"

typedef struct {
    const char *root;                   /* one directory a tenant, files at any depth below */
    const apr_array_header_t *patterns; /* of const char *: shell patterns of names */
    apr_interval_time_t stable;         /* stability time */
    int require_done;                   /* nothing is complete without its companion */
} sb_udl_arrivals_opts_t;

typedef struct sb_udl_arrivals_t sb_udl_arrivals_t;

/** A complete file. Texts are valid until the next call of read, scan or ready. */
typedef struct {
    const char *path;
    const char *tenant; /* first directory below root, as it is; NULL: it lies in root itself */
    apr_int64_t size;
    apr_time_t mtime;
} sb_udl_arrival_t;

/** Watch and scan for the first time. @return the root cannot be read or watched */
apr_status_t sb_udl_arrivals_open(sb_udl_arrivals_t **pa, const sb_udl_arrivals_opts_t *opts,
                                  apr_pool_t *p) SB_MUST_CHECK;

/** Readable when there are events: then call read. */
int sb_udl_arrivals_fd(const sb_udl_arrivals_t *a);
void sb_udl_arrivals_read(sb_udl_arrivals_t *a);

/** Walk the tree: new files, files that are gone, directories not watched yet. */
void sb_udl_arrivals_scan(sb_udl_arrivals_t *a);

/**
 * Files that are complete and were not taken note of yet, in the order in which they came: as seen, or,
 * of those that were there before, as their inodes last changed.
 * @param pready of sb_udl_arrival_t, allocated in p
 */
void sb_udl_arrivals_ready(apr_array_header_t **pready, sb_udl_arrivals_t *a, apr_pool_t *p);

/** The file is taken note of: it is not ready again until it changes. */
void sb_udl_arrivals_noted(sb_udl_arrivals_t *a, const char *path);

typedef struct {
    sb_udl_arrival_t file;
    const char *why; /* a sentence */
    apr_interval_time_t age;
    int said; /* it was reported before */
} sb_udl_stray_t;

/**
 * Files that lie there unchanged for at least age and are not going to be loaded. Names that begin with
 * a dot are nobody's business.
 * @param pstrays of sb_udl_stray_t, allocated in p
 */
void sb_udl_arrivals_strays(apr_array_header_t **pstrays, sb_udl_arrivals_t *a,
                            apr_interval_time_t age, apr_pool_t *p);

/** How long until something may become ready by the mere passing of time; -1: nothing will. */
apr_interval_time_t sb_udl_arrivals_wait(const sb_udl_arrivals_t *a);

#endif
