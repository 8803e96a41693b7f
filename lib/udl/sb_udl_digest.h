#ifndef SB_UDL_DIGEST_H
#define SB_UDL_DIGEST_H

/**
 * The 64-bit digest of values that sql/batch/001_tables.sql defines: FNV-1a, one byte 0 for NULL, 1 and
 * the text and 0 for a value, mixed at the end.
 */

#include <stdint.h>

#include "udl/sb_udl_rules.h"

#define SB_FNV_BASIS 0xcbf29ce484222325u
#define SB_FNV_PRIME 0x100000001b3u

static inline uint64_t sb_fnv_byte(uint64_t h, unsigned char c)
{
    return (h ^ c) * SB_FNV_PRIME;
}

static inline uint64_t sb_fnv_text(uint64_t h, const char *s, apr_size_t len)
{
    apr_size_t i;

    h = sb_fnv_byte(h, 1);
    for (i = 0; i < len; i++) {
        h = sb_fnv_byte(h, (unsigned char)s[i]);
    }
    return sb_fnv_byte(h, 0);
}

static inline uint64_t sb_fnv_value(uint64_t h, const sb_udl_value_t *v)
{
    switch (v->kind) {
    case SB_UDL_V_TEXT:
        return sb_fnv_text(h, v->s, v->len);
    case SB_UDL_V_BOOL:
        return sb_fnv_text(h, v->number ? "t" : "f", 1);
    default:
        return sb_fnv_byte(h, 0);
    }
}

static inline uint64_t sb_fnv_end(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    return h ^ h >> 33;
}

#endif
