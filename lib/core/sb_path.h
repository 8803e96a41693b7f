#ifndef SB_PATH_H
#define SB_PATH_H

/** Names from outside on their way to a file system. */

#include "core/sb_status.h"

#define SB_PATH_COMPONENT_MAX 200

/**
 * Turn text from outside (a district id, a member name, a tenant) into one path component.
 * @param pname the same text, allocated in p
 * @return NULL, or why it is refused: empty, ".", "..", leading ".", '/', NUL, control characters,
 *         not UTF-8, over SB_PATH_COMPONENT_MAX bytes
 */
const char *sb_path_component(const char **pname, const char *text, apr_size_t len,
                              apr_pool_t *p) SB_MUST_CHECK;

/** Is it well-formed UTF-8 (no overlong forms, surrogates, or code points above U+10FFFF)? */
int sb_utf8_is_valid(const char *s, apr_size_t len);

#endif
