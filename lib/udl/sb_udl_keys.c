/* Sets of digests: see sb_udl_keys.h. Many small tables instead of one, so that growing never holds
 * two copies of everything. */

#include <stdlib.h>

#include "udl/sb_udl_keys.h"

#define NTABLES 64    /* chosen by the six upper bits */
#define FIRST_SIZE 64 /* slots; a power of two */

/* Open addressing by the lower bits; 0 is a free slot. */
typedef struct {
    uint64_t *slots;
    uint32_t nslots, n;
} table_t;

struct sb_udl_keys_t {
    table_t table[NTABLES];
    long n; /* -1: no more */
};

static apr_status_t free_tables(void *data)
{
    sb_udl_keys_t *keys = data;
    int i;

    for (i = 0; i < NTABLES; i++) {
        free(keys->table[i].slots);
        keys->table[i].slots = NULL;
    }
    return APR_SUCCESS;
}

sb_udl_keys_t *sb_udl_keys_make(apr_pool_t *p)
{
    sb_udl_keys_t *keys = apr_pcalloc(p, sizeof *keys);

    apr_pool_cleanup_register(p, keys, free_tables, apr_pool_cleanup_null);
    return keys;
}

/* @return the slot of a digest, or the free one where it belongs */
static uint64_t *slot_of(const table_t *t, uint64_t digest)
{
    uint32_t i = (uint32_t)digest & (t->nslots - 1);

    while (t->slots[i] && t->slots[i] != digest) {
        i = (i + 1) & (t->nslots - 1);
    }
    return &t->slots[i];
}

static int grow(table_t *t)
{
    table_t bigger = {NULL, t->nslots ? 2 * t->nslots : FIRST_SIZE, t->n};
    uint32_t i;

    bigger.slots = calloc(bigger.nslots, sizeof *bigger.slots);
    if (!bigger.slots) {
        return 0;
    }
    for (i = 0; i < t->nslots; i++) {
        if (t->slots[i]) {
            *slot_of(&bigger, t->slots[i]) = t->slots[i];
        }
    }
    free(t->slots);
    *t = bigger;
    return 1;
}

int sb_udl_keys_seen(sb_udl_keys_t *keys, uint64_t digest)
{
    table_t *t = &keys->table[digest >> 58];
    uint64_t *slot;

    if (keys->n < 0 || keys->n >= SB_UDL_KEYS_MAX ||
        (t->n + t->n / 4 + 1 >= t->nslots && !grow(t))) { /* at most four fifths full */
        if (keys->n >= 0) {
            free_tables(keys);
            keys->n = -1;
        }
        return -1;
    }
    digest = digest ? digest : 1;
    slot = slot_of(t, digest);
    if (*slot) {
        return 1;
    }
    *slot = digest;
    t->n++;
    keys->n++;
    return 0;
}
