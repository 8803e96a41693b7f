#ifndef SB_GENERATION_H
#define SB_GENERATION_H

/**
 * Generations of the caches: a number in front of every key, by which a cache is emptied. Raising it
 * makes everything kept before unreachable, on all servers, however many entries there are; a node that
 * was away meanwhile cannot bring any back. They live in PostgreSQL (sql/stats/005_cache.sql), since a
 * cache may forget. A process asks for them at most once a second, by one of its threads: a report costs
 * no query more, and a raised number counts everywhere a second later.
 */

#include <apr_time.h>
#include "store/sb_db.h"

typedef enum {
    SB_GENERATION_SESSION, /* sign-ins */
    SB_GENERATION_DATA,    /* reports */
    SB_GENERATIONS
} sb_generation_kind_t;

#define SB_GENERATION_BIT(kind) (1 << (kind))

/** How old the number that a process goes by may be, as long as the database answers. */
#define SB_GENERATION_FRESH apr_time_from_sec(1)

typedef struct sb_generations_t sb_generations_t;

/** The words of operators for some of them: "all", "session", "data". @return bits; 0 no such word */
int sb_generation_kinds(const char *word);

/**
 * Connects on first use.
 * @param url, schema of the statistics, a role that may read cache_generation
 * @param prepare     as edware.db.prepare
 */
apr_status_t sb_generations_make(sb_generations_t **pg, const char *url, const char *schema,
                                 int prepare, apr_pool_t *p) SB_MUST_CHECK;

/**
 * The number to put in front of a key. While the database is away the last one that was read counts:
 * nobody can raise it either.
 * @param g NULL: always 0
 * @return APR_SUCCESS; SB_EUNAVAILABLE it was never read and cannot be now
 */
apr_status_t sb_generation_find(apr_int64_t *pnumber, sb_generations_t *g,
                                sb_generation_kind_t kind) SB_MUST_CHECK;

/** Read all of them now. @return as sb_db_query */
apr_status_t sb_generations_read(apr_int64_t numbers[SB_GENERATIONS], sb_db_t *db,
                                 apr_pool_t *p) SB_MUST_CHECK;

/** Raise some. Who wants to be sure that every process goes by it waits SB_GENERATION_FRESH.
 *  @param kinds bits. @return as sb_db_exec */
apr_status_t sb_generations_raise(sb_db_t *db, int kinds) SB_MUST_CHECK;

#endif
