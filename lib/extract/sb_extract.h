#ifndef SB_EXTRACT_H
#define SB_EXTRACT_H

/**
 * Extracts: a request for files, and making them. A request is judged here (kind, parameters, rights),
 * becomes JSON on its way through a job, and is run by whoever has a connection: the web server for what is
 * answered at once, smarter-worker-extract for the rest. Every query of an extract has the requester's
 * scope in it. Source of the rules: docs/extracts.md.
 */

#include "auth/sb_scope.h"
#include "report/sb_params.h"
#include "store/sb_db.h"
#include "store/sb_zip.h"

typedef enum {
    SB_EXTRACT_ASSESSMENT, /* results, one CSV and one JSON file an assessment and grade */
    SB_EXTRACT_ITEMS,      /* answers to items, one CSV a part */
    SB_EXTRACT_RAW,        /* results as XML, as they came */
    SB_EXTRACT_STATISTICS, /* registration reports */
    SB_EXTRACT_COMPLETION
} sb_extract_kind_t;
#define SB_EXTRACT_KINDS 5

/** What there is to know of a kind. */
typedef struct {
    const char *name;         /* as clients write extractType, and in names of files */
    const char *role;         /* who may have it */
    const sb_param_t *params; /* of a request */
} sb_extract_about_t;
extern const sb_param_t sb_extract_assessment_params[], sb_extract_items_params[],
    sb_extract_raw_params[], sb_extract_registration_params[];
const sb_extract_about_t *sb_extract_about(sb_extract_kind_t kind);

/** One request. */
typedef struct {
    sb_extract_kind_t kind;
    const char *id;            /* random UUID */
    apr_time_t when;           /* in the names of its files */
    int async;                 /* its files are fetched later */
    const sb_params_t *params; /* judged */
    const sb_identity_t *user; /* NULL: an operator */
    const sb_scope_t *scope;   /* what it may see */
    const char *schema;        /* production of the scope's tenant */
    const char *version;       /* of the data, when it was asked for; NULL not known */
    int parts;                 /* archives, 1.. */
} sb_extract_t;

/* ---- requests: sb_extract_request.c ---------------------------------------------------------------- */

/** What a request is judged by. */
typedef struct {
    const sb_conf_t *conf;
    const apr_array_header_t *tenants; /* sb_tenant_t */
} sb_extract_env_t;

/**
 * Judge the parameters of a request: table, then the kind's own rules.
 * @param pcomplaint NULL; or what is wrong with the parameters. Values are not repeated in it
 * @return APR_SUCCESS; SB_EINPUT with a complaint; SB_EDENIED the user has not the role there: x->params
 *         is set, for the audit line
 */
apr_status_t sb_extract_request(sb_extract_t *x, const char **pcomplaint, sb_extract_kind_t kind,
                                const apr_array_header_t *query, const sb_json_t *body,
                                const sb_identity_t *user, const sb_extract_env_t *env,
                                apr_pool_t *p) SB_MUST_CHECK;

/** The request as arguments of a job: all that sb_extract_load() needs, the requester's grants among it. */
void sb_extract_save(sb_jw_t *w, const char *key, const sb_extract_t *x);
/**
 * Also what people write for --once: {"extract": "studentAssessment", "params": {...}}, which has no user and
 * sees the whole state.
 * @param pcomplaint as above, for SB_EINPUT
 */
apr_status_t sb_extract_load(sb_extract_t *x, const char **pcomplaint, const sb_json_t *saved,
                             const sb_extract_env_t *env, apr_pool_t *p) SB_MUST_CHECK;

/* ---- what there is: sb_extract_plan.c -------------------------------------------------------------- */

/** A pair of files: results of one assessment and grade, and what the assessment is. */
typedef struct {
    const char *guid, *grade, *subject, *type;
    const char *effective_date, *claim; /* of a block; NULL not known */
    apr_int64_t rows;
} sb_extract_file_t;

/** What was asked for in one breath: absent parameters are NULL. */
typedef struct {
    const char *district_id, *school_id, *grade, *subject, *type;
    int has_data;
} sb_extract_combination_t;

typedef struct {
    const char *version;       /* of the data it was made from */
    apr_array_header_t *files; /* sb_extract_file_t by name; of results only */
    apr_array_header_t *asked; /* sb_extract_combination_t; of results only */
    apr_int64_t rows;          /* of all files; -1 not counted: registration */
    int parts;                 /* archives; 0: there is nothing */
} sb_extract_plan_t;

/** @param db inside a snapshot @return as sb_db_query */
apr_status_t sb_extract_plan(sb_extract_plan_t *plan, const sb_extract_t *x, const sb_conf_t *conf,
                             sb_db_t *db, apr_pool_t *p) SB_MUST_CHECK;

/* ---- making it: sb_extract_make.c ------------------------------------------------------------------ */

/** Who makes it, and how. */
typedef struct {
    const sb_conf_t *conf;
    sb_db_t *db; /* in no transaction */
    /** Open the archive of a part, from 0 on, each once and in order. */
    apr_status_t (*open)(sb_zip_t **pz, void *ctx, int part);
    /** Rows done of all; all < 1: not known. Anything but APR_SUCCESS ends the work. NULL: nobody asks */
    apr_status_t (*progress)(void *ctx, apr_int64_t done, apr_int64_t all);
    void *ctx;
} sb_extract_run_t;

typedef struct {
    sb_extract_plan_t plan;
    apr_int64_t rows; /* written */
    int moved;        /* the data is newer than when it was asked for */
    const char *why;  /* what failed, for the requester: without names and ids of persons; NULL */
} sb_extract_result_t;

/**
 * Make all archives of a request, in one snapshot: x->parts of them, whether or not there is enough for so
 * many. The archives are complete, and ended, only if this succeeds.
 * @return APR_SUCCESS; APR_NOTFOUND nothing to extract; SB_ECONFIG with result->why; what open and progress
 *         returned; as sb_db_query and sb_zip_end
 */
apr_status_t sb_extract_make(sb_extract_result_t *result, const sb_extract_t *x,
                             const sb_extract_run_t *run, apr_pool_t *p) SB_MUST_CHECK;

/* ---- names of files: sb_extract_names.c ------------------------------------------------------------ */

/** What the archive of a synchronous request is called. */
const char *sb_extract_zip_name(const sb_extract_t *x, apr_pool_t *p);
/** What the archive of a part is called: "<uid>_<stamp>[_part<n>].zip" */
const char *sb_extract_part_name(const sb_extract_t *x, int part, apr_pool_t *p);

#endif
