#ifndef DATAGEN_OUT_H
#define DATAGEN_OUT_H

/** Writing CSV fast: fields into a buffer that is flushed now and then. */

#include "core/sb_status.h"

#define DG_BUF_SIZE (256 * 1024)
#define DG_ROW_MAX 4096 /* one row is far shorter */

typedef struct {
    int fd;
    apr_status_t failed; /* of any write; asked at the end */
    apr_size_t len;
    char buf[DG_BUF_SIZE];
} dg_out_t;

/** A new file. @return APR_SUCCESS or why it cannot be made */
apr_status_t dg_out_open(dg_out_t **po, const char *path, apr_pool_t *p) SB_MUST_CHECK;
apr_status_t dg_out_close(dg_out_t *o) SB_MUST_CHECK;

/** Fields of one row; dg_out_row ends it. */
void dg_out_text(dg_out_t *o, const char *s); /* quoted if it has to be */
void dg_out_number(dg_out_t *o, int n, int width);
void dg_out_date(dg_out_t *o, int year, int month, int day);   /* YYYYMMDD; year 0: empty */
void dg_out_dashed(dg_out_t *o, int year, int month, int day); /* YYYY-MM-DD; the same */
void dg_out_empty(dg_out_t *o, int n);
void dg_out_row(dg_out_t *o);

#endif
