#ifndef SB_UUID_H
#define SB_UUID_H

/** Random identifiers (RFC 4122 version 4, from the system's CSPRNG), 36 characters, lower case. */

#include "core/sb_status.h"

#define SB_UUID_SIZE 37

/** @return buf, which holds SB_UUID_SIZE; NULL when the CSPRNG fails */
const char *sb_uuid_make(char buf[SB_UUID_SIZE]) SB_MUST_CHECK;

/** Is it exactly 8-4-4-4-12 lower-case hexadecimal digits? NULL is not. */
int sb_uuid_is_valid(const char *id);

#endif
