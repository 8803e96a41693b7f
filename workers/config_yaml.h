#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

/** settings.yaml to ini text. Source: the operator's manual, "Generating configuration". */

#include <apr_pools.h>

#include "core/sb_status.h"

/**
 * Lay the sections common, env and env.hostclass over each other and write the result as an ini
 * file: names joined by dots below [app:main], or below a first-level name that is quoted in YAML.
 * Booleans become True and False, nothing becomes empty, lists and maps become Python literals.
 * @param hostclass may be NULL
 * @return NULL or the complaint, with the line where YAML tells one
 */
const char *config_from_yaml(const char **pini, const char *text, apr_size_t len, const char *env,
                             const char *hostclass, apr_pool_t *p) SB_MUST_CHECK;

#endif
