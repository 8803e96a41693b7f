#ifndef FUZZ_H
#define FUZZ_H

/**
 * What every libFuzzer target shares: a pool that is cleared for each input, and must(), which says
 * what should have been true. Built by `make fuzz`; run by t/fuzz/run.t, or by hand:
 *     t/fuzz/csv -max_total_time=600 my-corpus ../t/fuzz/corpus/csv
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_pools.h>

#include "core/sb_log.h"

static apr_pool_t *fuzz_pool;

static inline void fuzz_quiet(void *ctx, sb_log_level_t level, int number, apr_status_t rv,
                              const char *text)
{
    (void)ctx, (void)level, (void)number, (void)rv, (void)text;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&fuzz_pool, NULL) != APR_SUCCESS) {
        abort();
    }
    sb_log_set(fuzz_quiet, NULL);
    return 0;
}

#define must(fact)                                                                                 \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #fact);                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/** FUZZ(data, size) { ... } with fuzz_pool as its pool. */
#define FUZZ(data, size)                                                                           \
    static void one_input(const uint8_t *data, size_t size);                                       \
    int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n)                                     \
    {                                                                                              \
        one_input(input, n);                                                                       \
        apr_pool_clear(fuzz_pool);                                                                 \
        return 0;                                                                                  \
    }                                                                                              \
    static void one_input(const uint8_t *data, size_t size)

#endif
