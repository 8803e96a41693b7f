/* The envelope of a message as JSON: {"id", "task", "args", "job", "request_id", "attempt"}. */

#include "mq/sb_mq.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "core/sb_json.h"
#include "core/sb_uuid.h"

#define TASK_MAX 100
#define NAME_MAX_LEN 200 /* job and request id */
#define ATTEMPT_MAX 1000000

const char *sb_envelope_write(const sb_envelope_t *env, apr_pool_t *p)
{
    const char *args = env->args ? env->args : "{}";
    sb_jw_t *w = sb_jw_make(p);

    sb_jw_object(w, NULL);
    sb_jw_str(w, "id", env->id);
    sb_jw_str(w, "task", env->task);
    sb_jw_raw(w, "args", args, strlen(args));
    sb_jw_str(w, "job", env->job);
    sb_jw_str(w, "request_id", env->request_id);
    sb_jw_int(w, "attempt", env->attempt);
    sb_jw_end(w);
    return sb_jw_text(w, NULL);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void write_node(sb_jw_t *w, const sb_json_t *n)
{
    const sb_json_t *child;

    switch (n->type) {
    case SB_JSON_NULL:
        sb_jw_null(w, n->key);
        return;
    case SB_JSON_BOOL:
        sb_jw_bool(w, n->key, n->truth);
        return;
    case SB_JSON_NUMBER:
        sb_jw_raw(w, n->key, n->text, n->len); /* as written: no digit gets lost */
        return;
    case SB_JSON_STRING:
        sb_jw_strn(w, n->key, n->text, n->len);
        return;
    case SB_JSON_OBJECT:
        sb_jw_object(w, n->key);
        break;
    case SB_JSON_ARRAY:
        sb_jw_array(w, n->key);
        break;
    }
    for (child = n->child; child; child = child->next) {
        write_node(w, child);
    }
    sb_jw_end(w);
}

/* The arguments as text again. */
static const char *args_text(const sb_json_t *args, apr_pool_t *p)
{
    sb_jw_t *w = sb_jw_make(p);
    sb_json_t top = *args;

    top.key = NULL; /* nobody's member now */
    write_node(w, &top);
    return sb_jw_text(w, NULL);
}

/* Absent and null are both "none". */
static int is_there(const sb_json_t *n)
{
    return n && n->type != SB_JSON_NULL;
}

static int is_task_name(const sb_json_t *n)
{
    apr_size_t i;

    if (!n || n->type != SB_JSON_STRING || !n->len || n->len > TASK_MAX) {
        return 0;
    }
    for (i = 0; i < n->len; i++) {
        if (!apr_isalnum(n->text[i]) && !strchr("._-", n->text[i])) {
            return 0;
        }
    }
    return !memchr(n->text, '\0', n->len);
}

static const char *read_name(const char **pname, const sb_json_t *root, const char *key,
                             apr_pool_t *p)
{
    const sb_json_t *n = sb_json_get(root, key);

    if (!is_there(n)) {
        return NULL;
    }
    if (n->type != SB_JSON_STRING || !n->len || n->len > NAME_MAX_LEN ||
        strlen(n->text) != n->len) {
        return apr_psprintf(p, "\"%s\": want 1 to %d characters or null", key, NAME_MAX_LEN);
    }
    *pname = n->text;
    return NULL;
}

static const char *read_members(sb_envelope_t *env, const sb_json_t *root, apr_pool_t *p)
{
    const sb_json_t *n;
    apr_int64_t attempt;
    const char *complaint;

    if (root->type != SB_JSON_OBJECT) {
        return "want a JSON object";
    }
    env->id = sb_json_str(sb_json_get(root, "id"), NULL);
    if (!sb_uuid_is_valid(env->id)) {
        return "\"id\": want a UUID";
    }
    n = sb_json_get(root, "task");
    if (!is_task_name(n)) {
        return "\"task\": want a name of letters, digits and . _ -";
    }
    env->task = n->text;
    n = sb_json_get(root, "args");
    if (is_there(n)) {
        if (n->type != SB_JSON_OBJECT) {
            return "\"args\": want an object";
        }
        env->args = args_text(n, p);
    }
    n = sb_json_get(root, "attempt");
    if (is_there(n)) {
        if (sb_json_int(&attempt, n) != APR_SUCCESS || attempt < 0 || attempt > ATTEMPT_MAX) {
            return "\"attempt\": want a count";
        }
        env->attempt = (int)attempt;
    }
    complaint = read_name(&env->job, root, "job", p);
    return complaint ? complaint : read_name(&env->request_id, root, "request_id", p);
}

const char *sb_envelope_read(sb_envelope_t *env, const char *text, apr_size_t len, apr_pool_t *p)
{
    static const sb_json_limits_t limits = {.max_bytes = 16 * 1024 * 1024};
    const char *complaint;
    sb_json_t *root;

    memset(env, 0, sizeof(*env));
    env->args = "{}";
    if (sb_json_parse(&root, &complaint, text, len, &limits, p) != APR_SUCCESS) {
        complaint = apr_pstrcat(p, "not JSON: ", complaint ? complaint : "unknown", NULL);
    }
    else {
        complaint = read_members(env, root, p);
    }
    if (complaint) {
        memset(env, 0, sizeof(*env));
        env->args = "{}";
    }
    return complaint;
}
