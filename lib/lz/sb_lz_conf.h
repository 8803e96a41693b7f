#ifndef SB_LZ_CONF_H
#define SB_LZ_CONF_H

/**
 * The landing zone as the ini describes it (keys sftp.*, section [app:main]).
 *
 *     BASE/arrivals/TENANT/USER/file_drop    a sender's jail and the one place he can write to
 *     BASE/.taken/TENANT/USER/               files out of his reach, on their way (root only)
 *     BASE/.quarantine/TENANT/USER/          what never became complete, with the reason (root only)
 *     STAGING/TENANT/USER/                   released: complete, and nobody's but ours
 *
 * The first three are on one file system: files go from one to the other by rename.
 */

#include <apr_tables.h>
#include <apr_time.h>
#include "core/sb_conf.h"

#define SB_LZ_ROLES 3
#define SB_LZ_NAME_MAX 32

typedef struct {
    const char *name; /* "sftparrivals" */
    const char *zone; /* directory below base; "" base itself */
    const char *drop; /* the writable directory in the jail */
    int by_tenant;    /* jails are zone/TENANT/USER, else zone/USER */
} sb_lz_role_t;

/** The host of sftp.file_move_type = sftp. */
typedef struct {
    const char *host, *user, *key, *arrivals, *known_hosts;
    int port;
    apr_interval_time_t timeout;
} sb_lz_remote_t;

typedef struct {
    const char *home;           /* must exist before init */
    const char *base;           /* root of the jails */
    const char *user_home_base; /* of the homes in the password file */
    const char *group;          /* of all senders */
    const char *keys_dir;       /* one file a user: his public keys */
    sb_lz_role_t roles[SB_LZ_ROLES];
    const char *arrivals; /* base + zone of the first role: what the watcher looks at */
    const char *taken, *quarantine, *staging;
    const apr_array_header_t *patterns; /* of const char * */
    apr_interval_time_t interval;       /* between two looks while something waits */
    apr_interval_time_t period;         /* how long a file must stay unchanged */
    apr_interval_time_t scan_delay;     /* between two looks when nothing happens */
    apr_interval_time_t quarantine_after;
    apr_int64_t max_file_bytes, user_max_bytes;
    int user_max_files;
    const sb_lz_remote_t *remote; /* NULL: files are released into staging */
} sb_lz_conf_t;

/** @return NULL, or what is wrong */
const char *sb_lz_conf_read(const sb_lz_conf_t **plz, const sb_conf_t *conf,
                            apr_pool_t *p) SB_MUST_CHECK;

/** May this be a tenant's or a user's name: [a-z][a-z0-9_]{0,31}? */
int sb_lz_is_name(const char *name);

/** May it become a word of a command line of ssh's: no option, no blank, nothing that means more than
 *  itself? */
int sb_lz_is_plain(const char *text);

/** @return NULL: there is no such role */
const sb_lz_role_t *sb_lz_role(const sb_lz_conf_t *lz, const char *name);

/** A user's jail, or with root user_home_base his home. @param tenant ignored by roles without */
const char *sb_lz_jail(const char *root, const sb_lz_role_t *role, const char *tenant,
                       const char *user, apr_pool_t *p);

/** Outside text for a log line: control characters and what is no UTF-8 as \xNN, cut at 120 bytes. */
const char *sb_lz_printable(const char *text, apr_pool_t *p);

/**
 * The drop-in for sshd: what senders may do, and where their keys are.
 * @return NULL, or why there can be none
 */
const char *sb_lz_sshd_config(const char **ptext, const sb_lz_conf_t *lz,
                              apr_pool_t *p) SB_MUST_CHECK;

#endif
