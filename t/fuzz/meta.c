/* lib/udl/sb_udl_meta: metadata is refused with a reason, or can be stored. */

#include "fuzz.h"

#include "sink.h"
#include "udl/sb_udl_meta.h"

FUZZ(data, size)
{
    char *copy = malloc(size ? size : 1); /* so that reading beyond it is seen */
    sb_udl_meta_t meta;
    const char *problem;

    memcpy(copy, data, size);
    problem = sb_udl_meta_read(&meta, copy, size, fuzz_pool);
    free(copy);
    if (problem) {
        must(*problem && sb_utf8_is_valid(problem, strlen(problem)) && strlen(problem) < 4096);
        return;
    }
    must(meta.load_type);
    if (meta.load == SB_UDL_ASSESSMENT) {
        must(meta.type && meta.guid && *meta.guid && meta.subject);
    }
    must(sb_udl_meta_store(NULL, "00000000-0000-4000-8000-000000000000", &meta, fuzz_pool) ==
         APR_SUCCESS);
}
