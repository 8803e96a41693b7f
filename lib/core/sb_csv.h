#ifndef SB_CSV_H
#define SB_CSV_H

/**
 * CSV as a push parser: feed any pieces of a file, get one call a record. Memory is bounded by the
 * limits, whatever the file's size.
 *
 * RFC 4180, and what real files hold besides (loader contract, section 4): LF, CRLF and lone CR all
 * end a line; a line break inside quotes is content and becomes LF; a quote is special only at the
 * start of a field; text behind a closing quote is appended to the field; a byte-order mark at the
 * start of the file is skipped. Bytes are not judged: encoding is the receiver's business.
 */

#include "core/sb_status.h"

#define SB_CSV_FIELD_MAX 131072

typedef struct {
    const char *s; /* not NUL-terminated */
    apr_size_t len;
} sb_csv_field_t;

/**
 * One record. Fields are valid during the call.
 * @param line   physical line, from 1, on which the record starts
 * @param fields the first max_fields of them
 * @param n      how many there are, even if more than max_fields; 0: a blank line
 * @return anything but APR_SUCCESS ends the parsing and comes out of sb_csv_feed
 */
typedef apr_status_t sb_csv_record_fn(void *ctx, apr_int64_t line, const sb_csv_field_t *fields,
                                      int n);

typedef struct {
    char separator;        /* 0: comma */
    int max_fields;        /* 0: 256; a record may have more, they are only counted */
    apr_size_t max_field;  /* bytes of one field; 0: SB_CSV_FIELD_MAX */
    apr_size_t max_record; /* bytes of one record as in the file; 0: 4 MiB */
} sb_csv_opts_t;

typedef struct sb_csv_t sb_csv_t;

/** @param opts NULL: the defaults */
apr_status_t sb_csv_make(sb_csv_t **pcsv, const sb_csv_opts_t *opts, sb_csv_record_fn *fn,
                         void *ctx, apr_pool_t *p) SB_MUST_CHECK;

/** @return APR_SUCCESS; SB_ETOOBIG a field or record over its limit; what the callback returned */
apr_status_t sb_csv_feed(sb_csv_t *csv, const char *data, apr_size_t len) SB_MUST_CHECK;

/** The end of the file: delivers a last record without line end.
 *  @return as sb_csv_feed; SB_EINPUT a quoted field is still open */
apr_status_t sb_csv_finish(sb_csv_t *csv) SB_MUST_CHECK;

/** Why SB_ETOOBIG or SB_EINPUT, naming the line; "" otherwise. */
const char *sb_csv_error(const sb_csv_t *csv);

#endif
