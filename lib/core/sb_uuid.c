/* Random identifiers. */

#include <stdio.h>
#include <string.h>
#include "core/sb_crypto.h"
#include "core/sb_uuid.h"

const char *sb_uuid_make(char buf[SB_UUID_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char b[16];
    char *out = buf;
    int i;

    buf[0] = '\0';
    if (sb_random(b, sizeof(b)) != APR_SUCCESS) {
        return NULL;
    }
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* variant of RFC 4122 */
    for (i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        *out++ = hex[b[i] >> 4];
        *out++ = hex[b[i] & 15];
    }
    *out = '\0';
    return buf;
}

int sb_uuid_is_valid(const char *id)
{
    int i;

    for (i = 0; id && i < SB_UUID_SIZE - 1; i++) {
        int dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? id[i] != '-' : !id[i] || !strchr("0123456789abcdef", id[i])) {
            return 0;
        }
    }
    return id && id[i] == '\0';
}
