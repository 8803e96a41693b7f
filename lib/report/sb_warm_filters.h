#ifndef SB_WARM_FILTERS_H
#define SB_WARM_FILTERS_H

/**
 * The file that says under which filters reports are made in advance, for the views of a state and for those
 * of districts:
 *
 *     {
 *         "state":          [ {"dmgPrgIep": ["Y"]}, {"grade": ["03"]}, {"dmgPrgIep": ["Y"], "grade": ["03"]} ],
 *         "district":       [ {"grade": ["03"]} ],
 *         "ES.district":    [ ]
 *     }
 *
 * A list of one state replaces the common one of its level; it is named by the tenant or by the state
 * code, and the tenant's name wins. A list that is missing is empty. Names and values are those of
 * docs/reporting.md, "Filters".
 */

#include "auth/sb_identity.h"

typedef enum { SB_WARM_STATE, SB_WARM_DISTRICT, SB_WARM_LEVELS } sb_warm_level_t;

typedef struct sb_warm_filters_t sb_warm_filters_t;

/**
 * @param tenants sb_tenant_t: those an override may be about
 * @return NULL; or what is wrong, with its place: "$.state[2].grade: want one of 03, 04, ..."
 */
const char *sb_warm_filters_read(sb_warm_filters_t **pf, const char *text, apr_size_t len,
                                 const apr_array_header_t *tenants, apr_pool_t *p) SB_MUST_CHECK;

/** The filters of a level for a tenant. Array of const char *: JSON objects in canonical form, doubles
 *  left out. */
const apr_array_header_t *sb_warm_filters_of(const sb_warm_filters_t *f, sb_warm_level_t level,
                                             const sb_tenant_t *tenant);

#endif
