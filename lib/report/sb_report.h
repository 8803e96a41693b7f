#ifndef SB_REPORT_H
#define SB_REPORT_H

/**
 * Reports: one table row each (name, parameters, function). A report reads one database connection
 * inside one read-only snapshot, so that a response is consistent in itself, and runs no query
 * without a scope. It knows no HTTP.
 */

#include "auth/sb_scope.h"
#include "core/sb_sid.h"
#include "report/sb_params.h"
#include "store/sb_cache.h"
#include "store/sb_db.h"
#include "store/sb_near.h"

typedef struct sb_known_store_t sb_known_store_t; /* sb_known.h */
typedef struct sb_versions_t sb_versions_t;       /* sb_version.h */

/** What a report is made from. */
typedef struct {
    const sb_conf_t *conf;
    const apr_array_header_t *tenants; /* sb_tenant_t */
    const sb_identity_t *user;
    const sb_scope_t *scope;      /* of the report's role; of aggregates if it has none */
    const sb_scope_t *aggregates; /* of the same state, for what names no person */
    const char *schema;           /* production schema of the scope's tenant, or its public copy */
    const char *sid;              /* public reports: what stands for the state; else NULL */
    const char *origin;           /* of our addresses: "https://host:port" */
    sb_db_t *db;                  /* in a SB_TX_SNAPSHOT, unless own_snapshot; NULL until needed */
    sb_dbpool_t *dbpool;          /* where it comes from; NULL if db is given */
    apr_pool_t *db_until;         /* when it goes back; of sb_report_make() */
    sb_cache_t *cache;            /* NULL: nothing is cached */
    sb_near_t *near;              /* what this process keeps of the cache; NULL: nothing */
    sb_versions_t *versions;      /* what it knows of data versions; NULL: nothing */
    apr_int64_t generation;       /* of what is cached: store/sb_generation.h */
    sb_known_store_t *known;      /* what this process remembers of states; NULL: nothing */
    const sb_params_t *params;
    const char *items; /* with a shared part: the breadcrumb as JSON */
    apr_size_t items_len;
    int *
        passing; /* a shared part says that nobody else is likely to want it, or that it will be another soon
                    without a new data version: it is not kept for others */
    int *found; /* a search says how many persons it names, for the audit line; NULL: nobody asks */
} sb_report_ctx_t;

typedef struct {
    const char *name;     /* last segment of the address */
    const char *callable; /* its name in audit lines */
    const char *role;     /* who holds it sees his places; NULL: every member of the tenant */
    int post_only;        /* its parameters must not be in an address: names of persons */
    int is_public;        /* of the public copy, for anybody: has a parameter sid, no role */
    const char *limit;    /* key of how often a user may call it in a minute; NULL: no limit */
    const sb_param_t *params;
    int own_snapshot; /* run begins and ends its transaction itself, perhaps in one round trip */
    /** Rules between parameters. @return NULL or the complaint. May be NULL */
    const char *(*check)(const sb_params_t *params);
    /**
     * Write what is equal for everybody with that scope: an object, and the breadcrumb. Kept in the
     * cache, so it names no person; inside a snapshot. NULL: nothing is.
     */
    apr_status_t (*shared)(sb_jw_t *w, sb_jw_t *items, const sb_report_ctx_t *ctx, apr_pool_t *p);
    /** Write the response, one JSON object; with a shared part only what is to be added to it, and
     *  without the database. @return APR_NOTFOUND nobody the user may see; SB_EDENIED what he asks for
     *  needs a role that he has not */
    apr_status_t (*run)(sb_jw_t *w, const sb_report_ctx_t *ctx, apr_pool_t *p);
} sb_report_t;

/** The reports by number, from 0; NULL after the last. */
const sb_report_t *sb_report_at(int i);

/** NULL: there is none of that name. */
const sb_report_t *sb_report_find(const char *name);

/** Judge parameters: table, then the report's own rules. @return as sb_params_read */
const char *sb_report_params(const sb_params_t **pparams, const sb_report_t *report,
                             const apr_array_header_t *query, const sb_json_t *body,
                             apr_pool_t *p) SB_MUST_CHECK;

/** A response in two pieces, one behind the other: the first may be shared by many, and is not copied. */
typedef struct {
    const char *head;
    apr_size_t head_len; /* 0: there is none */
    const char *tail;
    apr_size_t tail_len;
    const char *head_hash; /* SHA-256 of what is shared; NULL: nothing is */
} sb_report_body_t;

/**
 * Run a report in a snapshot of its own, with a connection of ctx->dbpool that goes back before this
 * returns, or on ctx->db.
 * @param body what p and others own, until p is cleared
 * @return APR_SUCCESS; APR_NOTFOUND; SB_EDENIED the same, but there is a student whom the scope does not
 *         reach; SB_EUNAVAILABLE, SB_EDB as sb_db_query()
 */
apr_status_t sb_report_make(sb_report_body_t *body, const sb_report_t *report,
                            const sb_report_ctx_t *ctx, apr_pool_t *p) SB_MUST_CHECK;

/** Give ctx a connection, if it has none yet; for the parts of running a report. */
apr_status_t sb_report_connect(sb_report_ctx_t *ctx) SB_MUST_CHECK;

/* The reports, one file each. */
extern const sb_report_t sb_report_academic_year;
extern const sb_report_t sb_report_assessment_completion;
extern const sb_report_t sb_report_comparing_populations;
extern const sb_report_t sb_report_individual_student;
extern const sb_report_t sb_report_list_of_students;
extern const sb_report_t sb_report_public_comparing;
extern const sb_report_t sb_report_public_short_url;
extern const sb_report_t sb_report_quick_links;
extern const sb_report_t sb_report_registration_statistics;
extern const sb_report_t sb_report_search;
extern const sb_report_t sb_report_student_history;
extern const sb_report_t sb_report_subgroups;
extern const sb_report_t sb_report_trends;

#endif
