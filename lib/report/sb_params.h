#ifndef SB_PARAMS_H
#define SB_PARAMS_H

/**
 * Parameters of a request: a table says what a report accepts, one function judges what came.
 * Members of a JSON body replace query parameters of the same name.
 * Source of the rules: docs/reporting.md, "Parameters".
 */

#include <apr_tables.h>
#include "core/sb_json.h"
#include "core/sb_pairs.h"

typedef enum {
    SB_PARAM_STRING,
    SB_PARAM_INTEGER, /* 32 bit; digits with an optional '-', or a JSON number without fraction */
    SB_PARAM_STRINGS, /* a list; one text counts as a list of one */
    SB_PARAM_ENUM     /* a text of a few; has no "type" in the description */
} sb_param_type_t;

typedef struct {
    const char *name;
    sb_param_type_t type;
    int required;
    const char *const *values; /* allowed texts, NULL-terminated; NULL: any */
    const char *chars;         /* allowed characters with ranges, "a-zA-Z0-9-"; NULL: any */
    int min_len, max_len; /* bytes of a text; max_len 0: 200. An empty text is never accepted */
    const char *refusal;  /* known but not accepted: why */
    int secret;           /* a text that may name a person: written nowhere */
} sb_param_t;

typedef struct sb_params_t sb_params_t;

#define SB_PARAM_LIST_MAX 100 /* members of one list */

typedef enum {
    SB_PARAMS_IGNORE_UNKNOWN, /* reports */
    SB_PARAMS_REFUSE_UNKNOWN  /* services */
} sb_params_unknown_t;

/**
 * @param schema table ended by a NULL name; must outlive the parameters
 * @param query  array of sb_pair_t; NULL none
 * @param body   a JSON object; NULL none
 * @return NULL; or the complaint: name, what is wanted. Values are not repeated in it.
 */
const char *sb_params_read(const sb_params_t **pparams, const sb_param_t *schema,
                           const apr_array_header_t *query, const sb_json_t *body,
                           sb_params_unknown_t unknown, apr_pool_t *p) SB_MUST_CHECK;

/** Is the name in the schema? */
int sb_params_knows(const sb_params_t *params, const char *name);
/* A name outside the schema is a programming error and aborts. */
int sb_params_has(const sb_params_t *params, const char *name);
const char *sb_params_str(const sb_params_t *params, const char *name); /* NULL not given */
apr_int64_t sb_params_int(const sb_params_t *params, const char *name, apr_int64_t dflt);
/** Sorted, without doubles, may be empty; NULL not given. const char * */
const apr_array_header_t *sb_params_list(const sb_params_t *params, const char *name);

/** The given parameters as a JSON object in the order of the schema, lists sorted: equal for
 *  requests that mean the same. For audit lines and cache keys. Of a secret text it says the length in
 *  bytes, so answers to it must not be cached. */
void sb_params_json(sb_jw_t *w, const char *key, const sb_params_t *params);

/** The description of a schema: name -> {"type", "required", "value"} */
void sb_params_describe(sb_jw_t *w, const char *key, const sb_param_t *schema);

#endif
