#ifndef SB_UDL_COLUMNS_H
#define SB_UDL_COLUMNS_H

/**
 * The two formats of a CSV, results of assessments and student registration: their columns, and how
 * the header of a file maps to them. Source: loader contract sections 5 and 6. Of results the three
 * last columns are optional one by one (18, item 5).
 */

#include "core/sb_csv.h"
#include "core/sb_status.h"
#include "udl/sb_udl_rules.h"

#define SB_UDL_NCOLUMNS 91     /* of results: the most a format has */
#define SB_UDL_FIELDS_KEPT 128 /* max_fields of the parser: room to name what is too much */

/* flags of a column; the others are in sb_udl_rules.h */
#define SB_UDL_OPTIONAL 64 /* the header may lack it */

typedef struct {
    const char *header;
    const char *target; /* column of the batch table */
    sb_udl_rule_t rule;
    int max; /* characters, for texts */
    int flags;
} sb_udl_column_t;

typedef enum { SB_UDL_RESULTS, SB_UDL_STUDENTS, SB_UDL_NFORMATS } sb_udl_format_id_t;

typedef struct {
    sb_udl_format_id_t id;
    const char *name;               /* for people */
    const char *table;              /* of the batch schema */
    const sb_udl_column_t *columns; /* in canonical order */
    int ncolumns;
    int state, student; /* places of these columns */
} sb_udl_format_t;

extern const sb_udl_format_t sb_udl_formats[SB_UDL_NFORMATS];

/** Places among the columns of results that somebody needs by name. */
enum {
    SB_UDL_C_STATE = 0,
    SB_UDL_C_DISTRICT = 1,
    SB_UDL_C_DISTRICT_NAME = 2,
    SB_UDL_C_SCHOOL = 3,
    SB_UDL_C_SCHOOL_NAME = 4,
    SB_UDL_C_STUDENT = 5,
    SB_UDL_C_SEX = 10,
    SB_UDL_C_BIRTHDATE = 11,
    SB_UDL_C_HISPANIC = 13,
    SB_UDL_C_INDIAN = 14,
    SB_UDL_C_ASIAN = 15,
    SB_UDL_C_BLACK = 16,
    SB_UDL_C_PACIFIC = 17,
    SB_UDL_C_WHITE = 18,
    SB_UDL_C_TWO_OR_MORE = 19,
    SB_UDL_C_MIGRANT = 24,
    SB_UDL_C_GROUP1 = 25,
    SB_UDL_C_GROUP10_TEXT = 44,
    SB_UDL_C_GUID = 45,
    SB_UDL_C_TAKEN = 48,
    SB_UDL_C_TYPE = 50,
    SB_UDL_C_SUBJECT = 51,
    SB_UDL_C_SCORE = 53, /* score, minimum, maximum, level; then the same of claims 1 to 4 */
    SB_UDL_C_OP = 90
};
#define SB_UDL_NBLOCKS 5 /* of scores: overall and four claims */
#define SB_UDL_BLOCK 4   /* columns of a block of scores */

/** And among those of registration. */
enum { SB_UDL_R_DISTRICT = 2, SB_UDL_R_SCHOOL = 4, SB_UDL_R_STUDENT = 6 };

/** Where each column of the format is in the file: an index of fields, or -1. */
typedef struct {
    const sb_udl_format_t *format;
    int place[SB_UDL_NCOLUMNS];
    int nfields; /* of the header */
} sb_udl_map_t;

/**
 * Judge a header.
 * @param format what the file must be; NULL: the format that has more of its names
 * @param fields the first record of the file, SB_UDL_FIELDS_KEPT of them kept by the parser; nfields
 *               as it counted them
 * @return NULL, or all complaints with their codes (3005 delimiter, 3006 names, 3009 no header,
 *         3011 twice the same), naming columns
 */
const char *sb_udl_map_header(sb_udl_map_t *map, const sb_udl_format_t *format,
                              const sb_csv_field_t *fields, int nfields,
                              apr_pool_t *p) SB_MUST_CHECK;

/** Column by header name, case ignored; -1 if the format has none. */
int sb_udl_column_index(const sb_udl_format_t *format, const char *name, apr_size_t len);

#endif
