#ifndef SB_TENANT_H
#define SB_TENANT_H

/**
 * A state as a whole: its schema, its keys in the ini, its senders' keys, its directories, its place in
 * the landing zone. Adding one does it step by step, in an order in which nobody can deliver before
 * everybody knows him; each step may be done again, so that a call that was killed is just repeated.
 */

#include <apr_tables.h>
#include "core/sb_conf.h"
#include "store/sb_db.h"

/** A tenant as the ini has it. Members that are not there are NULL. */
typedef struct {
    const char *name;
    const char *state;                 /* two letters */
    const char *schema;                /* of production */
    const char *web_url;               /* production as the reports read it */
    const char *loader_url;            /* production as promotion writes it */
    const char *batch_url;             /* where batch schemas are made */
    const apr_array_header_t *senders; /* of const char *: fingerprints */
    int require_signature;
    const char *missing; /* keys a whole tenant has and this one has not, in one line; NULL none */
} sb_tenant_entry_t;

typedef struct {
    const char *ini;
    const sb_conf_t *web, *loader; /* sections app:main and app */
} sb_tenant_conf_t;

/** All tenants of the ini. @return of sb_tenant_entry_t, by name */
const apr_array_header_t *sb_tenant_all(const sb_tenant_conf_t *conf, apr_pool_t *p);

/** @return NULL: there is none of that name */
const sb_tenant_entry_t *sb_tenant_find(const sb_tenant_conf_t *conf, const char *name,
                                        apr_pool_t *p);

/** A URL for people: without its password. */
const char *sb_tenant_url_shown(const char *url, apr_pool_t *p);

/** What is being done, for people: one line. */
typedef void sb_tenant_say_fn(const char *step, const char *what);

typedef struct {
    const char *name, *state, *schema;
    const apr_array_header_t
        *senders; /* of const char *: files of keys, or fingerprints in the ring */
    const apr_array_header_t *users; /* of const char *: "USER" or "USER=FILE" of ssh public keys */
    const char *like;      /* tenant whose databases are used; NULL: the first one there is */
    const char *server;    /* "host:port/database" instead of his; NULL: his */
    const char *owner_url; /* to make the schema; NULL: schema.owner.url */
    const char *web_url, *loader_url; /* when there is no tenant yet; without passwords */
    int unsigned_too;                 /* also packages that nobody signed */
    int reload;                       /* run operator.reload */
    int dry_run;                      /* say what would be done */
    sb_tenant_say_fn *say;
} sb_tenant_add_t;

/**
 * Onboard a state.
 * @return NULL, or what is wrong: nothing is half done that calling it again would not finish
 */
const char *sb_tenant_add(const sb_tenant_add_t *add, const sb_tenant_conf_t *conf,
                          apr_pool_t *p) SB_MUST_CHECK;

typedef struct {
    const char *name;
    const char *owner_url; /* NULL: schema.owner.url */
    const char *drop_data; /* the name once more: data and all; else NULL */
    int keep_data;         /* leave schema, history and landing zone as they are */
    int reload, dry_run;
    sb_tenant_say_fn *say;
} sb_tenant_remove_t;

/**
 * The contrary. Refused while there is data, unless it is to be kept or was named; always while
 * batches are on their way. History and the senders' keys in the ring stay.
 */
const char *sb_tenant_remove(const sb_tenant_remove_t *remove, const sb_tenant_conf_t *conf,
                             apr_pool_t *p) SB_MUST_CHECK;

/** What lies in production: "12 batches, 80000 results". @return NULL: nothing at all; *pproblem why it
 *  cannot be told */
const char *sb_tenant_data(const char **pproblem, const sb_tenant_entry_t *t, apr_pool_t *p);

#endif
