#ifndef SB_PROMOTE_H
#define SB_PROMOTE_H

/**
 * Promotion: the rows of one batch schema become rows of production, in one transaction.
 * Source: the contract of the warehouse, "versioning".
 *
 * Dimensions: a row equal to the current one of its natural key is not stored again, facts point at
 * the one that is there; a different one becomes current and the old one I with to_date today.
 * Facts: of two lines with the same key (asmt_guid, student_id, date_taken) the later one counts;
 * a current row of that key becomes I. A delete line (op W) makes the current row of its key D, before
 * anything is inserted, so that a D and a C line of one key are an update. Ids are one block of
 * global_rec_seq: its first number plus the line's. A row that stops being current notes that number of
 * the batch that ended it, for the withdrawal of that batch (sb_withdraw.h).
 *
 * Registration: the rows of the batch replace all rows of the same reg_system_id and academic_year. Of two
 * lines of one student at one school the later one counts.
 */

#include <apr_tables.h>
#include "store/sb_db.h"

typedef struct {
    apr_int64_t inserted;   /* new current rows */
    apr_int64_t superseded; /* rows that were current and are I now */
    apr_int64_t shadowed;   /* of the batch, equal to what is current */
} sb_promoted_dim_t;

typedef struct {
    int already;              /* it was promoted before; inserted ... data_version are of then */
    int withdrawn;            /* and withdrawn since */
    apr_int64_t inserted;     /* facts, now current; of a registration its students */
    apr_int64_t superseded;   /* facts that were current and are I now; the snapshot before it */
    apr_int64_t deleted;      /* facts that were current and are D now */
    apr_int64_t deduplicated; /* lines left out because a later one has the same key */
    apr_int64_t ignored;      /* lines with an op other than C and W */
    sb_promoted_dim_t asmt, inst_hier, student;
    apr_int64_t data_version;
} sb_promoted_t;

/** A line that stopped the batch: a delete without or with more than one meaning. */
typedef struct {
    apr_int64_t line;
    int code; /* 1000 nothing current to delete, 1001 deleted twice in one file */
    const char *student_id;
    const char *asmt_guid;
} sb_promote_bad_line_t;

typedef struct {
    const char *schema;     /* production */
    const char *batch_guid; /* the batch and the name of its schema */
    sb_db_t *source;        /* where that schema is; NULL: in the database of production */
    int registration;       /* it is one; otherwise results */
    apr_int64_t expected;   /* lines the loader stored; -1 not known */
    const char *today;      /* YYYYMMDD, for to_date and from_date */
    apr_int64_t work_mem;   /* bytes the server may use for a sort or hash; 0: as it is set there */
} sb_promote_job_t;

/**
 * Promote and commit. Waits for another promotion into the same schema.
 * @param pbad   of sb_promote_bad_line_t, at most 1000; NULL unless SB_EINPUT because of them
 * @param perror the complaint, without values of rows; NULL on success
 * @return APR_SUCCESS, also when the batch was promoted before (result->already);
 *         SB_EINPUT the batch is not fit: bad deletes, or its tables are not what the loader stored;
 *         SB_EUNAVAILABLE the server went away: whether it is committed, batch_applied knows;
 *         others as sb_db_exec, rolled back
 */
apr_status_t sb_promote(sb_promoted_t *result, apr_array_header_t **pbad, const char **perror,
                        sb_db_t *db, const sb_promote_job_t *job, apr_pool_t *p) SB_MUST_CHECK;

/**
 * Was a batch promoted?
 * @param result counts of then; already tells; may be NULL
 */
apr_status_t sb_promote_applied(sb_promoted_t *result, int *papplied, sb_db_t *db,
                                const char *schema, const char *batch_guid,
                                apr_pool_t *p) SB_MUST_CHECK;

#endif
