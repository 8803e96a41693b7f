/* lib/mq: an envelope that is read can be written, and reads the same again. */

#include "fuzz.h"

#include "mq/sb_mq.h"

static int same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

FUZZ(data, size)
{
    char *copy = malloc(size ? size : 1);
    const char *complaint, *text;
    sb_envelope_t env, back;

    memcpy(copy, data, size);
    complaint = sb_envelope_read(&env, copy, size, fuzz_pool);
    free(copy);
    if (complaint) {
        must(*complaint && !env.id);
        return;
    }
    text = sb_envelope_write(&env, fuzz_pool);
    must(!strchr(text, '\n'));
    must(!sb_envelope_read(&back, text, strlen(text), fuzz_pool));
    must(same(env.id, back.id) && same(env.task, back.task) && same(env.args, back.args));
    must(same(env.job, back.job) && same(env.request_id, back.request_id));
    must(env.attempt == back.attempt && env.attempt >= 0);
}
