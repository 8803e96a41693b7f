/**
 * Sessions of invented users, made by the code that signs people in, for benchmarks with more users than
 * anybody wants to type passwords for. The records are those of a sign-in, Lasso's part (4 KB, needed only at
 * sign-out) included.
 *
 *   sessions INI COUNT TENANT STATE DISTRICTS    prints a line each: id, number of his district, number of his school
 *
 * Of ten users one may see the whole state, three a district each, six a school each.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <apr_general.h>
#include <apr_strings.h>
#include "auth/sb_session.h"
#include "core/sb_conf.h"
#include "core/sb_log.h"

#define SCHOOLS 8 /* of a district */
#define LASSO_BYTES 4000

static int districts;

static int district_of(int i)
{
    return i % districts;
}

static int school_of(int i)
{
    return district_of(i) * SCHOOLS + 1 + i / districts % SCHOOLS;
}

static sb_identity_t *somebody(int i, const sb_session_store_t *store, const char *tenant,
                               const char *state, apr_pool_t *p)
{
    apr_array_header_t *raw = apr_array_make(p, 2, sizeof(sb_grant_t));
    sb_identity_t *id = apr_pcalloc(p, sizeof(*id));
    sb_grant_t grant = {"PII", tenant, state, NULL, NULL};

    if (i % 10 > 0) {
        grant.district_id = apr_psprintf(p, "D%d", district_of(i));
    }
    if (i % 10 > 3) {
        grant.school_id = apr_psprintf(p, "S%d", school_of(i));
    }
    id->uid = apr_psprintf(p, "user%d", i);
    id->guid = apr_psprintf(p, "guid-user%d", i);
    id->email = apr_psprintf(p, "user%d@example.org", i);
    id->first_name = "Uma";
    id->last_name = apr_psprintf(p, "User %d", i);
    id->full_name = apr_psprintf(p, "Uma User %d", i);
    APR_ARRAY_PUSH(raw, sb_grant_t) = grant;
    sb_identity_build(id, raw, store->tenants, p);
    return id;
}

int main(int argc, const char *const *argv)
{
    const char *complaint;
    sb_session_store_t store = {0};
    sb_conf_t *conf = NULL;
    char lasso[LASSO_BYTES + 1];
    apr_pool_t *p, *one;

    if (argc != 6) {
        fputs("usage: sessions INI COUNT TENANT STATE DISTRICTS\n", stderr);
        return 2;
    }
    districts = atoi(argv[5]);
    apr_initialize();
    apr_pool_create(&p, NULL);
    apr_pool_create(&one, p);
    complaint = sb_conf_load(&conf, argv[1], "app:main", p);
    if (complaint) {
        fprintf(stderr, "sessions: %s\n", complaint);
        return 1;
    }
    complaint = sb_session_store_make(&store, conf, p);
    if (complaint) {
        fprintf(stderr, "sessions: %s\n", complaint);
        return 1;
    }
    store.book = NULL; /* what is measured asks for sessions, it does not list them */
    if (sb_generations_make(&store.generations,
                            sb_conf_db_url(sb_conf_str(conf, "edware_stats.db.url"), p),
                            sb_conf_str(conf, "edware_stats.db.schema_name"),
                            sb_conf_bool(conf, "edware.db.prepare"), p) != APR_SUCCESS) {
        fputs("sessions: no generations\n", stderr);
        return 1;
    }
    memset(lasso, 'x', LASSO_BYTES);
    lasso[LASSO_BYTES] = '\0';
    for (int i = 0; i < atoi(argv[2]); i++) {
        sb_session_t s = {.lasso_dump = lasso};

        apr_pool_clear(one);
        s.identity = somebody(i, &store, argv[3], argv[4], one);
        s.name_id = apr_psprintf(one, "_name-%d-%s", i, sb_random_hex(8, one));
        s.session_index = apr_psprintf(one, "_index-%d", i);
        if (sb_session_create(&s, &store, one) != APR_SUCCESS) {
            fputs("sessions: the cache does not answer\n", stderr);
            return 1;
        }
        printf("%s %d %d\n", s.id, district_of(i), school_of(i));
    }
    return 0;
}
