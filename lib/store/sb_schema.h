#ifndef SB_SCHEMA_H
#define SB_SCHEMA_H

/**
 * Schemas of the product: made and brought up to date from the numbered files below sql/. A file
 * NNN_name.sql is applied once, in order, and recorded in the table schema_version of the schema
 * itself; grants.sql is applied after every change. All of one call is one transaction under a
 * lock, so it is safe to run twice at once and leaves nothing half done.
 */

#include <apr_tables.h>
#include "store/sb_db.h"

/** Where the files are: $SB_SQLDIR, else the installed directory. */
const char *sb_schema_dir(void);

typedef enum {
    SB_CHANGE_WAITING, /* not applied yet */
    SB_CHANGE_APPLIED,
    SB_CHANGE_EDITED, /* applied, but the file differs since (comments and blanks aside) */
    SB_CHANGE_UNKNOWN /* applied by a newer program: there is no such file */
} sb_change_state_t;

typedef struct {
    int number;
    const char *name; /* of the file */
    sb_change_state_t state;
    const char *applied_at; /* text; NULL unless applied */
} sb_schema_change_t;

/**
 * What is applied and what waits.
 * @param pchanges of sb_schema_change_t, by number; NULL if the schema does not exist
 * @param kind     directory of files: "prod", "public", "udl", "stats", "signin", "jobs", "hpz"
 * @param perror   why, unless APR_SUCCESS
 * @return APR_SUCCESS; SB_ECONFIG no such directory; others as sb_db_query
 */
apr_status_t sb_schema_status(apr_array_header_t **pchanges, const char **perror, sb_db_t *db,
                              const char *kind, const char *schema, apr_pool_t *p) SB_MUST_CHECK;

/** flags of sb_schema_upgrade */
#define SB_SCHEMA_CREATE 1    /* make the schema if it is not there */
#define SB_SCHEMA_NO_GRANTS 2 /* leave grants alone: roles are managed elsewhere */

/**
 * Apply what waits.
 * @param papplied how many files were applied; may be NULL
 * @param perror   the complaint, unless APR_SUCCESS
 * @return APR_SUCCESS; APR_NOTFOUND no such schema, and SB_SCHEMA_CREATE not given;
 *         SB_ECONFLICT an applied file was edited or is unknown; SB_ECONFIG a role is missing;
 *         others as sb_db_exec
 */
apr_status_t sb_schema_upgrade(int *papplied, const char **perror, sb_db_t *db, const char *kind,
                               const char *schema, int flags, apr_pool_t *p) SB_MUST_CHECK;

/** Remove a schema with everything in it. Not there is success. */
apr_status_t sb_schema_drop(sb_db_t *db, const char *schema, apr_pool_t *p) SB_MUST_CHECK;

/* ---- batch schemas: named like the batch, made by the loader, dropped after promotion ---------- */

/**
 * Make the schema of a batch and its tables (sql/batch), in place of an older one of that name.
 * @return SB_EINPUT guid is no batch guid; SB_ECONFIG no such directory; others as sb_db_exec
 */
apr_status_t sb_batch_schema_create(sb_db_t *db, const char *guid, apr_pool_t *p) SB_MUST_CHECK;
apr_status_t sb_batch_schema_drop(sb_db_t *db, const char *guid, apr_pool_t *p) SB_MUST_CHECK;
apr_status_t sb_batch_schema_exists(int *pexists, sb_db_t *db, const char *guid,
                                    apr_pool_t *p) SB_MUST_CHECK;
/** All batch schemas of the database. @param pguids of const char *, sorted */
apr_status_t sb_batch_schema_list(apr_array_header_t **pguids, sb_db_t *db,
                                  apr_pool_t *p) SB_MUST_CHECK;

#endif
