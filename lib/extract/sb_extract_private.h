#ifndef SB_EXTRACT_PRIVATE_H
#define SB_EXTRACT_PRIVATE_H

/** What the files of lib/extract share; nobody else includes it. */

#include "extract/sb_extract.h"

/** The work on one request. */
typedef struct {
    const sb_extract_t *x;
    const sb_extract_run_t *run;
    sb_extract_result_t *result;
    sb_zip_t *zip; /* the archive of the current part */
    int part;
    apr_pool_t *p;
} sb_extract_work_t;

/** Another n rows are written. @return as run->progress, and what failed in the archive */
apr_status_t sb_extract_did(sb_extract_work_t *k, apr_int64_t n) SB_MUST_CHECK;
/** Is it to go on, though nothing was written? @return as run->progress */
apr_status_t sb_extract_look(sb_extract_work_t *k) SB_MUST_CHECK;
/** End the archive and open the next part's. */
apr_status_t sb_extract_next_part(sb_extract_work_t *k) SB_MUST_CHECK;

/* ---- the kinds ------------------------------------------------------------------------------------- */

apr_status_t sb_extract_results(sb_extract_work_t *k) SB_MUST_CHECK;
apr_status_t sb_extract_metadata(sb_extract_work_t *k, const sb_extract_file_t *f) SB_MUST_CHECK;
apr_status_t sb_extract_items(sb_extract_work_t *k) SB_MUST_CHECK;
apr_status_t sb_extract_raw(sb_extract_work_t *k) SB_MUST_CHECK;
apr_status_t sb_extract_registration(sb_extract_work_t *k) SB_MUST_CHECK;

/* ---- queries: sb_extract_where.c --------------------------------------------------------------------- */

/** Is the type stored among blocks? */
int sb_extract_is_block(const char *type);
/** The table of facts of a type, quoted, with its schema. */
const char *sb_extract_table(const sb_extract_t *x, const char *type, apr_pool_t *p);

/**
 * Which rows: current ones of the request and its scope.
 * Tables are f (facts), a (dim_asmt), i (dim_inst_hier) and, only if sb_extract_has_groups(), s
 * (dim_student), all joined by record.
 * @param args const char *; values are appended, the first of them is $nelts+1. No NULLs
 */
const char *sb_extract_where(const sb_extract_t *x, apr_array_header_t *args, apr_pool_t *p);
int sb_extract_has_groups(const sb_extract_t *x);

/** Take a value as parameter. @return "$n" */
const char *sb_extract_arg(apr_array_header_t *args, const char *value, apr_pool_t *p);

/* ---- CSV: sb_extract_csv.c --------------------------------------------------------------------------- */

typedef struct sb_csv_out_t sb_csv_out_t;

/** How a column is written. */
enum { SB_CSV_TEXT = ' ', SB_CSV_BOOL = 'b', SB_CSV_COMPLETE = 'c' };

sb_csv_out_t *sb_csv_out_make(sb_zip_t *zip, apr_pool_t *p);
/** A field, quoted if it must be; NULL is empty. */
void sb_csv_out_field(sb_csv_out_t *out, const char *text);
void sb_csv_out_line(sb_csv_out_t *out); /* CR LF */
/**
 * A whole line from a row as COPY writes texts.
 * @param how a letter a column
 * @return SB_EDB it is no such row
 */
apr_status_t sb_csv_out_copy(sb_csv_out_t *out, const char *row, apr_size_t len,
                             const char *how) SB_MUST_CHECK;
void sb_csv_out_flush(sb_csv_out_t *out);

/** One field of a row as COPY writes texts, its escapes undone.
 *  @param prow the row; moved behind the field @return SB_EDB no more fields */
apr_status_t sb_copy_field(const char **pvalue, const char **prow, const char *end,
                           apr_pool_t *p) SB_MUST_CHECK;

/* ---- where score batches put files: sb_extract_tree.c ------------------------------------------------- */

typedef struct {
    const char *dir;  /* relative to the root */
    const char *name; /* student's id: the file's name without what is behind the point */
} sb_extract_leaf_t;

/** Columns of a row of sb_extract_each_student(), and how to come to them. */
typedef apr_status_t sb_extract_student_fn(void *ctx, const sb_extract_leaf_t *leaf);
/** Go through the students of the request. @param p cleared after each */
apr_status_t sb_extract_each_student(sb_extract_work_t *k, sb_extract_student_fn *fn, void *ctx,
                                     apr_pool_t *p) SB_MUST_CHECK;

/* ---- names: sb_extract_names.c ------------------------------------------------------------------------ */

/** Made safe for a file system: one path component.
 *  @return APR_SUCCESS; SB_EINPUT the data has a name that cannot be one */
apr_status_t sb_extract_csv_name(const char **pname, const sb_extract_t *x,
                                 const sb_extract_file_t *f, apr_pool_t *p) SB_MUST_CHECK;
apr_status_t sb_extract_json_name(const char **pname, const sb_extract_t *x,
                                  const sb_extract_file_t *f, apr_pool_t *p) SB_MUST_CHECK;
apr_status_t sb_extract_items_name(const char **pname, const sb_extract_t *x, int part, int parts,
                                   apr_pool_t *p) SB_MUST_CHECK;
apr_status_t sb_extract_registration_name(const char **pname, const sb_extract_t *x,
                                          apr_pool_t *p) SB_MUST_CHECK;

#endif
