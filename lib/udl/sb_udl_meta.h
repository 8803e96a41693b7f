#ifndef SB_UDL_META_H
#define SB_UDL_META_H

/** The JSON metadata of a package, of both kinds. Source: loader contract section 7. */

#include <apr_tables.h>

#include "store/sb_db.h"
#include "udl/sb_udl_columns.h"
#include "udl/sb_udl_rules.h"

#define SB_UDL_NMETA 33
#define SB_UDL_LEVELS_MAX 9  /* of performance; the first five have columns of their own */
#define SB_UDL_CLAIMS_MAX 99 /* likewise the first four */
#define SB_UDL_BLOCKS_TYPE "INTERIM ASSESSMENT BLOCKS"

typedef enum { SB_UDL_ASSESSMENT, SB_UDL_REGISTRATION } sb_udl_load_t;

/** What the metadata says about one block of scores. */
typedef struct {
    int score_min, score_max;
    int level_max; /* 0: not said */
} sb_udl_bounds_t;

/** A value that was taken, although something is odd. */
typedef struct {
    const char *path;
    sb_udl_issue_t issue;
    const char *reason;
} sb_udl_meta_warning_t;

typedef struct {
    sb_udl_load_t load;
    const char *load_type;                  /* "assessment", "studentregistration" */
    const char *guid;                       /* Identification.Guid */
    const char *callback_url;               /* NULL none */
    const char *email;                      /* NULL none */
    const apr_array_header_t *warnings;     /* of sb_udl_meta_warning_t */
    const char *type;                       /* assessments: SUMMATIVE, INTERIM COMPREHENSIVE,
                                             INTERIM ASSESSMENT BLOCKS */
    const char *subject;                    /* assessments, as it is stored */
    sb_udl_bounds_t bounds[SB_UDL_NBLOCKS]; /* assessments: overall, claims 1 to 4 */
    sb_udl_value_t values[SB_UDL_NMETA];    /* assessments: a row of the batch table asmt */
    const char *levels, *claims;            /* its further columns: JSON, NULL nothing */
    int academic_year;                      /* registration */
    const char *extract_date;               /* registration, as it was written */
    const char *reg_system_id;              /* registration */
} sb_udl_meta_t;

/**
 * Read and judge the metadata.
 * @param meta callback_url and email are set even with a complaint, if they could be read
 * @return NULL, or the complaint with its code, naming each path that is at fault: 3012 no JSON,
 *         3013 a path is missing, or a value that cannot be stored
 */
const char *sb_udl_meta_read(sb_udl_meta_t *meta, const char *text, apr_size_t len,
                             apr_pool_t *p) SB_MUST_CHECK;

/** Write the row into the table asmt or registration of the batch schema. */
apr_status_t sb_udl_meta_store(sb_db_t *db, const char *guid, const sb_udl_meta_t *meta,
                               apr_pool_t *p) SB_MUST_CHECK;

#endif
