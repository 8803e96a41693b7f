/* Public keys of senders: see sb_lz_keys.h. */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_crypto.h"
#include "core/sb_file.h"
#include "lz/sb_lz_keys.h"

#define FILE_MAX 65536
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 16384
#define RESTRICT "restrict " /* sshd: no forwarding, no terminal, whatever its configuration says */

static const struct {
    const char *name;
    int fields; /* strings in the blob, after the name of the type */
} types[] = {
    {"ssh-ed25519", 1},
    {"ecdsa-sha2-nistp256", 2},
    {"ecdsa-sha2-nistp384", 2},
    {"ecdsa-sha2-nistp521", 2},
    {"sk-ssh-ed25519@openssh.com", 2},
    {"sk-ecdsa-sha2-nistp256@openssh.com", 3},
    {"ssh-rsa", 2},
};

/* A string of RFC 4251 5. @return its length, -1: there is none */
static apr_int64_t field(const unsigned char **at, const unsigned char *end)
{
    const unsigned char *s = *at;
    apr_uint32_t n;

    if (end - s < 4) {
        return -1;
    }
    n = (apr_uint32_t)s[0] << 24 | (apr_uint32_t)s[1] << 16 | (apr_uint32_t)s[2] << 8 | s[3];
    if ((apr_uint64_t)(end - s - 4) < n) {
        return -1;
    }
    *at = s + 4 + n;
    return n;
}

/* Bits of a positive number of RFC 4251 5. */
static apr_int64_t bits(const unsigned char *s, apr_int64_t n)
{
    apr_int64_t k;

    while (n > 0 && !*s) {
        s++;
        n--;
    }
    if (n == 0) {
        return 0;
    }
    for (k = 8; !(*s >> (k - 1)); k--) {
    }
    return (n - 1) * 8 + k;
}

/* Is the blob a key of this type, and a strong one? */
static const char *judge_blob(const unsigned char *blob, apr_size_t len, apr_size_t type,
                              apr_pool_t *p)
{
    const unsigned char *at = blob, *end = blob + len;
    const char *name = types[type].name;
    apr_int64_t n = field(&at, end);
    int i;

    if (n != (apr_int64_t)strlen(name) || memcmp(blob + 4, name, (apr_size_t)n) != 0) {
        return "its content is no key of the type it names";
    }
    for (i = 0; i < types[type].fields; i++) {
        n = field(&at, end);
        if (n <= 0) {
            return "it is cut off or damaged";
        }
    }
    if (at != end) {
        return "it is damaged";
    }
    if (!strcmp(name, "ssh-rsa")) {
        apr_int64_t size = bits(at - n, n); /* the modulus is the last field */

        if (size < RSA_BITS_MIN || size > RSA_BITS_MAX) {
            return apr_psprintf(p, "an RSA key of %d bits; at least %d are needed", (int)size,
                                RSA_BITS_MIN);
        }
    }
    return NULL;
}

const char *sb_lz_key_judge(const char **pkey, const char *line, apr_pool_t *p)
{
    apr_size_t word = strcspn(line, " \t"), n, i;
    unsigned char *blob;
    const char *text, *why;

    *pkey = NULL;
    for (i = 0; line[i]; i++) {
        if (((unsigned char)line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f) {
            return "it holds a control character";
        }
    }
    for (i = 0; i < sizeof types / sizeof *types; i++) {
        if (strlen(types[i].name) == word && !strncmp(types[i].name, line, word)) {
            break;
        }
    }
    if (i == sizeof types / sizeof *types) {
        return "it does not begin with a type of key that is taken (ssh-ed25519, "
               "ecdsa-sha2-nistp*, "
               "sk-*, ssh-rsa); options are not";
    }
    text = line + word + strspn(line + word, " \t");
    n = strcspn(text, " \t");
    if (!n || sb_base64_decode(&blob, &word, text, n, p) != APR_SUCCESS) {
        return "the key is no base64";
    }
    why = judge_blob(blob, word, i, p);
    if (!why) {
        *pkey = apr_pstrcat(p, types[i].name, " ", apr_pstrmemdup(p, text, n), NULL);
    }
    return why;
}

const char *sb_lz_keys_judge(apr_array_header_t **pkeys, const char *text, apr_pool_t *p)
{
    apr_array_header_t *keys = apr_array_make(p, 4, sizeof(const char *));
    int line = 1;

    *pkeys = keys;
    for (; *text; line++) {
        apr_size_t n = strcspn(text, "\n");
        char *one = apr_pstrmemdup(p, text, n && text[n - 1] == '\r' ? n - 1 : n);
        const char *key, *why;

        text += n + (text[n] == '\n');
        one += strspn(one, " \t");
        if (!*one || *one == '#') {
            continue;
        }
        why = sb_lz_key_judge(&key, one, p);
        if (why) {
            return apr_psprintf(p, "line %d: %s", line, why);
        }
        if (keys->nelts == SB_LZ_KEYS_MAX) {
            return apr_psprintf(p, "more than %d keys", SB_LZ_KEYS_MAX);
        }
        APR_ARRAY_PUSH(keys, const char *) = key;
    }
    return keys->nelts ? NULL : "there is no key in it";
}

static const char *path_of(const char *dir, const char *user, apr_pool_t *p)
{
    return apr_pstrcat(p, dir, "/", user, NULL);
}

apr_status_t sb_lz_keys_add(const char *dir, const char *user, const apr_array_header_t *keys,
                            apr_pool_t *p)
{
    const char *path = path_of(dir, user, p), *text = "";
    char *have;
    apr_status_t rv;
    apr_size_t len;
    int i, added = 0;
    mode_t old;

    rv = sb_file_read(&have, &len, path, FILE_MAX, p);
    if (rv == APR_SUCCESS) {
        text = have;
    }
    else if (!APR_STATUS_IS_ENOENT(rv)) {
        return rv;
    }
    for (i = 0; i < keys->nelts; i++) {
        const char *line =
            apr_pstrcat(p, RESTRICT, APR_ARRAY_IDX(keys, i, const char *), "\n", NULL);

        if (!strstr(text, line)) {
            text = apr_pstrcat(p, text, line, NULL);
            added++;
        }
    }
    if (strlen(text) > FILE_MAX) {
        return SB_ETOOBIG;
    }
    if (added) {
        old = umask(022); /* sshd reads it as the user */
        rv = sb_file_write(path, text, strlen(text), 0644, p);
        umask(old);
        return rv;
    }
    return APR_SUCCESS;
}

int sb_lz_keys_count(const char *dir, const char *user, apr_pool_t *p)
{
    apr_size_t len, i;
    char *text;
    int n = 0;

    if (sb_file_read(&text, &len, path_of(dir, user, p), FILE_MAX, p) != APR_SUCCESS) {
        return 0;
    }
    for (i = 0; i < len; i++) {
        n += text[i] == '\n';
    }
    return n;
}

apr_status_t sb_lz_keys_remove(const char *dir, const char *user, apr_pool_t *p)
{
    return unlink(path_of(dir, user, p)) && errno != ENOENT ? errno : APR_SUCCESS;
}
