#ifndef SB_MIGRATE_DB_H
#define SB_MIGRATE_DB_H

/**
 * The databases of promotion and withdrawal, as section [app:main] names them. Connections do not
 * prepare statements: a run lives shortly, and in front of the server may be a pooler. For lib/migrate
 * only. All set *perror unless APR_SUCCESS; SB_EUNAVAILABLE no answer, SB_ECONFIG a key is missing.
 */

#include "core/sb_conf.h"
#include "store/sb_db.h"

typedef struct {
    const sb_conf_t *conf;
    const char *app; /* application_name */
    const char **perror;
    apr_pool_t *p; /* connections live as long */
} sb_migrate_db_t;

/** Batch status; its schema is the statistics schema. */
apr_status_t sb_migrate_db_stats(sb_db_t **pdb, const sb_migrate_db_t *where) SB_MUST_CHECK;
/** Order of arrival and err_list; its schema is the loader's. */
apr_status_t sb_migrate_db_loader(sb_db_t **pdb, const sb_migrate_db_t *where) SB_MUST_CHECK;
/** Production of a tenant. @return APR_NOTFOUND the configuration has no such tenant */
apr_status_t sb_migrate_db_production(sb_db_t **pdb, const char **pschema,
                                      const sb_migrate_db_t *where,
                                      const char *tenant) SB_MUST_CHECK;
/**
 * Where batch schemas of a tenant may be besides production's database.
 * @param pdbs of sb_db_t *: those that answer
 * @return how many do not
 */
int sb_migrate_db_sources(apr_array_header_t **pdbs, const sb_migrate_db_t *where,
                          const char *tenant);

#endif
