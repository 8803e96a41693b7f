#ifndef SB_UDL_META_H
#define SB_UDL_META_H

/** The JSON metadata of a package. Source: loader contract section 7. */

#include "store/sb_db.h"
#include "udl/sb_udl_rules.h"

#define SB_UDL_NMETA 33

typedef enum { SB_UDL_ASSESSMENT, SB_UDL_REGISTRATION } sb_udl_load_t;

typedef struct {
    sb_udl_load_t load;
    const char *load_type; /* "assessment", "studentregistration" */
    const char *type; /* assessments: SUMMATIVE, INTERIM COMPREHENSIVE, INTERIM ASSESSMENT BLOCKS */
    const char *guid; /* assessments: Identification.Guid */
    const char *subject;                 /* assessments, as it is stored */
    const char *callback_url;            /* NULL none */
    const char *email;                   /* NULL none */
    sb_udl_value_t values[SB_UDL_NMETA]; /* assessments: a row of the batch table asmt */
} sb_udl_meta_t;

/**
 * Read and judge the metadata. Of a registration only load and addresses are read.
 * @return NULL, or the complaint with its code, naming the path in the file: 3012 no JSON, 3013 a
 *         path is missing, or a value that cannot be stored
 */
const char *sb_udl_meta_read(sb_udl_meta_t *meta, const char *text, apr_size_t len,
                             apr_pool_t *p) SB_MUST_CHECK;

/** Write the row into the table asmt of the batch schema. */
apr_status_t sb_udl_meta_store(sb_db_t *db, const char *guid, const sb_udl_meta_t *meta,
                               apr_pool_t *p) SB_MUST_CHECK;

#endif
