/* The envelope of a message: what is written, and what is read from whoever sent it. */

#include "tap.h"

#include "mq/sb_mq.h"

#define ID "\"id\":\"0b51b1f0-93f5-4f8e-9d33-0f5a4dbb5b36\""

static const struct {
    const char *text;
    const char *complaint; /* its beginning; NULL: fine */
} table[] = {
    {"{" ID ",\"task\":\"udl.package\"}", NULL},
    {"{" ID ",\"task\":\"udl.package\",\"args\":null,\"job\":null,\"attempt\":null}", NULL},
    {"{" ID ",\"task\":\"t\",\"args\":{},\"job\":\"b-1\",\"attempt\":3,\"more\":[1]}", NULL},
    {"", "not JSON: "},
    {"{" ID ",\"task\":\"t\"", "not JSON: "},
    {"{" ID ",\"task\":\"t\"} x", "not JSON: "},
    {"[]", "want a JSON object"},
    {"\"text\"", "want a JSON object"},
    {"{\"task\":\"t\"}", "\"id\""},
    {"{\"id\":17,\"task\":\"t\"}", "\"id\""},
    {"{\"id\":\"17\",\"task\":\"t\"}", "\"id\""},
    {"{" ID "}", "\"task\""},
    {"{" ID ",\"task\":\"\"}", "\"task\""},
    {"{" ID ",\"task\":\"a b\"}", "\"task\""},
    {"{" ID ",\"task\":\"a\\u0000b\"}", "\"task\""},
    {"{" ID ",\"task\":\"t\",\"args\":[]}", "\"args\""},
    {"{" ID ",\"task\":\"t\",\"args\":\"{}\"}", "\"args\""},
    {"{" ID ",\"task\":\"t\",\"attempt\":-1}", "\"attempt\""},
    {"{" ID ",\"task\":\"t\",\"attempt\":1.5}", "\"attempt\""},
    {"{" ID ",\"task\":\"t\",\"attempt\":\"1\"}", "\"attempt\""},
    {"{" ID ",\"task\":\"t\",\"attempt\":99999999999999999999}", "\"attempt\""},
    {"{" ID ",\"task\":\"t\",\"job\":7}", "\"job\""},
    {"{" ID ",\"task\":\"t\",\"job\":\"\"}", "\"job\""},
    {"{" ID ",\"task\":\"t\",\"job\":\"a\\u0000b\"}", "\"job\""},
    {"{" ID ",\"task\":\"t\",\"request_id\":{}}", "\"request_id\""},
    {"{" ID ",\"task\":\"t\",\"task\":\"u\"}", "not JSON: "},
};

int main(void)
{
    apr_pool_t *p = tap_pool();
    sb_envelope_t env, back;
    const char *text, *complaint;
    apr_size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        complaint = sb_envelope_read(&env, table[i].text, strlen(table[i].text), p);
        if (!ok(table[i].complaint ? complaint && !strncmp(complaint, table[i].complaint,
                                                           strlen(table[i].complaint))
                                   : !complaint && env.args,
                "%s", *table[i].text ? table[i].text : "(empty)")) {
            printf("# complaint: %s\n", complaint ? complaint : "none");
        }
        if (complaint) {
            ok(!env.id && !env.task && !env.job && !strcmp(env.args, "{}"),
               "and nothing is left of it");
        }
    }

    env = (sb_envelope_t){
        .id = "0b51b1f0-93f5-4f8e-9d33-0f5a4dbb5b36",
        .task = "udl.package",
        .args = "{\"path\":\"a/\\\"b\\\"\\n\xc3\xa9\",\"n\":[1,2.50,1e3,null,true,{}]}",
        .job = "batch",
        .request_id = "r-1",
        .attempt = 2};
    text = sb_envelope_write(&env, p);
    printf("# %s\n", text);
    ok(!strchr(text, '\n'), "one line");
    complaint = sb_envelope_read(&back, text, strlen(text), p);
    is_str(complaint, NULL, "what is written can be read");
    is_str(back.id, env.id, "id");
    is_str(back.task, env.task, "task");
    is_str(back.args, env.args, "arguments, digit by digit");
    is_str(back.job, env.job, "job");
    is_str(back.request_id, env.request_id, "request id");
    is_int(back.attempt, 2, "attempt");

    env = (sb_envelope_t){.id = env.id, .task = "t"};
    text = sb_envelope_write(&env, p);
    is_str(sb_envelope_read(&back, text, strlen(text), p), NULL, "the least envelope");
    is_str(back.args, "{}", "has empty arguments");
    ok(!back.job && !back.request_id && !back.attempt, "and nothing else");
    apr_pool_destroy(p);
    return done();
}
