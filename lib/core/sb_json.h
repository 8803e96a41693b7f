#ifndef SB_JSON_H
#define SB_JSON_H

/**
 * JSON. The writer builds text in one growing buffer and escapes; the reader gives a tree with
 * limits, for input from outside.
 */

#include "core/sb_status.h"

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct sb_jw_t sb_jw_t;

/** The text lives until p is cleared. Members come out in the order of the calls. */
sb_jw_t *sb_jw_make(apr_pool_t *p);

/* key: the member's name inside an object, NULL inside an array or at the top */
void sb_jw_object(sb_jw_t *w, const char *key);
void sb_jw_array(sb_jw_t *w, const char *key);
void sb_jw_end(sb_jw_t *w); /* of the innermost object or array */
void sb_jw_str(sb_jw_t *w, const char *key,
               const char *value); /* NULL: null; bad UTF-8: replaced */
void sb_jw_strn(sb_jw_t *w, const char *key, const char *value, apr_size_t len);
void sb_jw_int(sb_jw_t *w, const char *key, apr_int64_t value);
/** A number in quotes. */
void sb_jw_int_text(sb_jw_t *w, const char *key, apr_int64_t value);
void sb_jw_real(sb_jw_t *w, const char *key, double value);
void sb_jw_bool(sb_jw_t *w, const char *key, int value);
void sb_jw_null(sb_jw_t *w, const char *key);
void sb_jw_raw(sb_jw_t *w, const char *key, const char *json, apr_size_t len); /* already JSON */
/** A printf'd string value. */
void sb_jw_fmt(sb_jw_t *w, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** The finished text, NUL-terminated. @param plen may be NULL */
const char *sb_jw_text(sb_jw_t *w, apr_size_t *plen);

/* ---- reading --------------------------------------------------------------------------------- */

typedef enum {
    SB_JSON_NULL,
    SB_JSON_BOOL,
    SB_JSON_NUMBER,
    SB_JSON_STRING,
    SB_JSON_OBJECT,
    SB_JSON_ARRAY
} sb_json_type_t;

typedef struct sb_json_t sb_json_t;
struct sb_json_t {
    sb_json_type_t type;
    int truth;        /* SB_JSON_BOOL */
    const char *text; /* STRING: UTF-8, may hold NULs; NUMBER: as written. NUL-terminated */
    apr_size_t len;   /* of text */
    const char *key;  /* name inside the parent object, else NULL */
    sb_json_t *child; /* OBJECT, ARRAY: first member */
    sb_json_t *next;  /* next sibling */
    apr_size_t nchild;
};

typedef struct {
    apr_size_t max_bytes; /* 0: 1 MiB */
    int max_depth;        /* 0: 32 */
    apr_size_t max_nodes; /* 0: 100000 */
} sb_json_limits_t;

/**
 * Parse one JSON value; a byte-order mark is skipped, trailing text refused.
 * @param perror  why it failed, with the byte offset; NULL on success; may be NULL
 * @param limits  NULL: the defaults
 * @return APR_SUCCESS; SB_EINPUT not JSON, or a name twice in one object; SB_ETOOBIG over a limit
 */
apr_status_t sb_json_parse(sb_json_t **proot, const char **perror, const char *text, apr_size_t len,
                           const sb_json_limits_t *limits, apr_pool_t *p) SB_MUST_CHECK;

/** Write a value that was read. */
void sb_jw_json(sb_jw_t *w, const char *key, const sb_json_t *value);

/** Member of an object by exact name; NULL if o is NULL, no object, or has none. */
const sb_json_t *sb_json_get(const sb_json_t *o, const char *key);
/** The same, ASCII case ignored (metadata files of packages). */
const sb_json_t *sb_json_get_nocase(const sb_json_t *o, const char *key);
/** Text of a string node, dflt for anything else. */
const char *sb_json_str(const sb_json_t *n, const char *dflt);
/** @return APR_SUCCESS; SB_EINPUT no integral number (booleans and 1.0 are none) or over 64 bits */
apr_status_t sb_json_int(apr_int64_t *pv, const sb_json_t *n) SB_MUST_CHECK;

#endif
