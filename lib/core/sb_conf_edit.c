/* Changes of an ini file: see sb_conf_edit.h. Lines are read by the same rules as in sb_conf.c. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <apr_strings.h>
#include "core/sb_conf_edit.h"
#include "core/sb_file.h"

#define MAX_FILE (1024 * 1024)
#define NONE (-1)

typedef struct {
    const char *text;    /* without the line break */
    const char *section; /* it lies in; "" before the first */
    const char *key;     /* it gives a value to; NULL: it is no such line */
    const char *value;   /* on this line */
    int continues;       /* it continues the value of the key line before it */
} line_t;

struct sb_conf_edit_t {
    apr_pool_t *p;
    const char *path;          /* of the file itself */
    apr_array_header_t *lines; /* of line_t */
    const char *eol;
    int dir; /* open and locked */
    int changed;
};

static line_t *line_at(const sb_conf_edit_t *e, int i)
{
    return &APR_ARRAY_IDX(e->lines, i, line_t);
}

/* ---- reading --------------------------------------------------------------------------------- */

static const char *trimmed(apr_pool_t *p, const char *s, apr_size_t n)
{
    while (n > 0 && strchr(" \t\r", *s)) {
        s++;
        n--;
    }
    while (n > 0 && strchr(" \t\r", s[n - 1])) {
        n--;
    }
    return apr_pstrmemdup(p, s, n);
}

/* Cut the text into lines and say what each of them is. */
static void cut(sb_conf_edit_t *e, const char *text)
{
    const char *section = "", *next, *body, *eq;
    int in_key = 0;

    for (; *text; text = next) {
        apr_size_t n = strcspn(text, "\n");
        line_t l = {NULL, section, NULL, NULL, 0};

        next = text + n + (text[n] == '\n');
        l.text = apr_pstrmemdup(e->p, text, n && text[n - 1] == '\r' ? n - 1 : n);
        body = trimmed(e->p, l.text, strlen(l.text));
        if ((*text == ' ' || *text == '\t') && in_key) {
            l.continues = *body && *body != '#' && *body != ';';
            l.value = body;
        }
        else if (*body == '[') {
            section = trimmed(e->p, body + 1, strcspn(body + 1, "]"));
            l.section = section;
            in_key = 0;
        }
        else if (*body && *body != '#' && *body != ';') {
            eq = strchr(body, '=');
            in_key = eq != NULL;
            if (eq) {
                l.key = trimmed(e->p, body, (apr_size_t)(eq - body));
                l.value = trimmed(e->p, eq + 1, strlen(eq + 1));
            }
        }
        APR_ARRAY_PUSH(e->lines, line_t) = l;
    }
}

static apr_status_t unlock(void *data)
{
    close(((sb_conf_edit_t *)data)->dir);
    return APR_SUCCESS;
}

/* The directory is what is locked: the file itself is replaced. */
static const char *lock(sb_conf_edit_t *e)
{
    const char *slash = strrchr(e->path, '/');
    const char *dir =
        slash == e->path ? "/" : apr_pstrmemdup(e->p, e->path, (apr_size_t)(slash - e->path));

    e->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (e->dir < 0) {
        return apr_psprintf(e->p, "%s: %s", dir, strerror(errno));
    }
    apr_pool_cleanup_register(e->p, e, unlock, apr_pool_cleanup_null);
    while (flock(e->dir, LOCK_EX)) {
        if (errno != EINTR) {
            return apr_psprintf(e->p, "%s: cannot be locked: %s", dir, strerror(errno));
        }
    }
    return NULL;
}

const char *sb_conf_edit_open(sb_conf_edit_t **pe, const char *path, apr_pool_t *p)
{
    sb_conf_edit_t *e = apr_pcalloc(p, sizeof(*e));
    char real[PATH_MAX], why[200], *text;
    const char *problem;
    apr_size_t len;
    apr_status_t rv;

    *pe = NULL;
    if (!realpath(path, real)) {
        return apr_psprintf(p, "%s: %s", path, strerror(errno));
    }
    e->p = p;
    e->path = apr_pstrdup(p, real);
    e->lines = apr_array_make(p, 128, sizeof(line_t));
    problem = lock(e);
    if (problem) {
        return problem;
    }
    rv = sb_file_read(&text, &len, e->path, MAX_FILE, p);
    if (rv != APR_SUCCESS) {
        return apr_psprintf(p, "%s: cannot be read: %s", path, sb_strerror(rv, why, sizeof(why)));
    }
    if (strlen(text) != len) {
        return apr_psprintf(p, "%s: holds a NUL; an ini file is text", path);
    }
    e->eol = strstr(text, "\r\n") ? "\r\n" : "\n";
    cut(e, text);
    *pe = e;
    return NULL;
}

/* ---- looking --------------------------------------------------------------------------------- */

/* The line that counts: the last one of the key. */
static int find(const sb_conf_edit_t *e, const char *section, const char *key)
{
    int i;

    for (i = e->lines->nelts - 1; i >= 0; i--) {
        const line_t *l = line_at(e, i);

        if (l->key && !strcmp(l->key, key) && !strcmp(l->section, section)) {
            return i;
        }
    }
    return NONE;
}

/* The last line that belongs to the key of line i. */
static int last_of(const sb_conf_edit_t *e, int i)
{
    int last = i;

    for (i++; i < e->lines->nelts && !line_at(e, i)->key && *line_at(e, i)->text != '['; i++) {
        if (line_at(e, i)->continues) {
            last = i;
        }
    }
    return last;
}

const char *sb_conf_edit_get(const sb_conf_edit_t *e, const char *section, const char *key)
{
    int i = find(e, section, key), last;
    const char *value;

    if (i == NONE) {
        return NULL;
    }
    value = line_at(e, i)->value;
    last = last_of(e, i);
    for (i++; i <= last; i++) {
        if (line_at(e, i)->continues) {
            value = apr_pstrcat(e->p, value, *value ? " " : "", line_at(e, i)->value, NULL);
        }
    }
    return value;
}

int sb_conf_edit_is_changed(const sb_conf_edit_t *e)
{
    return e->changed;
}

/* ---- changing -------------------------------------------------------------------------------- */

static void delete_line(sb_conf_edit_t *e, int i)
{
    memmove(line_at(e, i), line_at(e, i) + 1,
            sizeof(line_t) * (apr_size_t)(e->lines->nelts - i - 1));
    e->lines->nelts--;
    e->changed = 1;
}

static void insert_line(sb_conf_edit_t *e, int at, line_t l)
{
    apr_array_push(e->lines);
    memmove(line_at(e, at) + 1, line_at(e, at),
            sizeof(line_t) * (apr_size_t)(e->lines->nelts - at - 1));
    *line_at(e, at) = l;
    e->changed = 1;
}

/* Take out what continues line i; comments in between stay. */
static void delete_continued(sb_conf_edit_t *e, int i)
{
    int last = last_of(e, i);

    for (; last > i; last--) {
        if (line_at(e, last)->continues) {
            delete_line(e, last);
        }
    }
}

int sb_conf_edit_remove(sb_conf_edit_t *e, const char *section, const char *key)
{
    int i, found = 0;

    while ((i = find(e, section, key)) != NONE) { /* the same key twice: both */
        delete_continued(e, i);
        delete_line(e, i);
        found = 1;
    }
    return found;
}

/* Where a new key goes. */
static int place(sb_conf_edit_t *e, const char *section, const char *family)
{
    apr_size_t n = family ? strlen(family) : 0;
    int i, end = NONE, kin = NONE;

    for (i = 0; i < e->lines->nelts; i++) {
        const line_t *l = line_at(e, i);

        if (strcmp(l->section, section)) {
            continue;
        }
        if (*l->text) {
            end = i + 1; /* before the blank lines that part it from the next section */
        }
        if (n && l->key && !strncmp(l->key, family, n)) {
            kin = last_of(e, i) + 1;
        }
    }
    if (end == NONE) {
        line_t blank = {"", "", NULL, NULL, 0},
               open = {apr_psprintf(e->p, "[%s]", section), section, NULL, NULL, 0};

        insert_line(e, e->lines->nelts, blank);
        insert_line(e, e->lines->nelts, open);
        end = e->lines->nelts;
    }
    return kin != NONE ? kin : end;
}

/* Would a reader see it as it is meant? */
static int is_value(const char *value)
{
    const char *c;

    for (c = value; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            return 0;
        }
    }
    return *value && *value != ' ' && c[-1] != ' ';
}

const char *sb_conf_edit_set(sb_conf_edit_t *e, const char *section, const char *key,
                             const char *value, const char *family)
{
    const char *old = sb_conf_edit_get(e, section, key);
    line_t l = {NULL, apr_pstrdup(e->p, section), apr_pstrdup(e->p, key), apr_pstrdup(e->p, value),
                0};
    int i;

    if (!is_value(value)) {
        return apr_psprintf(e->p, "%s: a value is one line without blanks around it", key);
    }
    if (old && !strcmp(old, value)) {
        return NULL;
    }
    l.text = apr_psprintf(e->p, "%s = %s", key, value);
    i = find(e, section, key);
    if (i == NONE) {
        insert_line(e, place(e, section, family), l);
        return NULL;
    }
    delete_continued(e, i);
    *line_at(e, i) = l;
    e->changed = 1;
    return NULL;
}

/* ---- writing --------------------------------------------------------------------------------- */

const char *sb_conf_edit_text(const sb_conf_edit_t *e, apr_pool_t *p)
{
    apr_array_header_t *parts = apr_array_make(p, 2 * e->lines->nelts, sizeof(const char *));
    int i;

    for (i = 0; i < e->lines->nelts; i++) {
        APR_ARRAY_PUSH(parts, const char *) = line_at(e, i)->text;
        APR_ARRAY_PUSH(parts, const char *) = e->eol;
    }
    return apr_array_pstrcat(p, parts, 0);
}

/* Every section the reader may be asked for. */
static const char *judge(const sb_conf_edit_t *e, const char *file, apr_pool_t *p)
{
    static const char *const ours[] = {"app:main", "app"};
    const char *complaint = NULL;
    sb_conf_t *conf;
    apr_size_t i;
    int k;

    for (i = 0; i < sizeof(ours) / sizeof(ours[0]) && !complaint; i++) {
        for (k = 0; k < e->lines->nelts && strcmp(line_at(e, k)->section, ours[i]); k++) {
        }
        if (k < e->lines->nelts) {
            complaint = sb_conf_load(&conf, file, ours[i], p);
        }
    }
    return complaint;
}

/* The new file, complete and durable, under its temporary name: owner and mode first, content last, for
 * it holds passwords. */
static const char *write_new(const sb_conf_edit_t *e, const char *file, apr_pool_t *p)
{
    const char *text = sb_conf_edit_text(e, p);
    struct stat st;
    int fd, error = 0;

    unlink(file); /* of somebody who died */
    fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || stat(e->path, &st) || fchown(fd, st.st_uid, st.st_gid) ||
        fchmod(fd, st.st_mode & 07777)) {
        error = errno;
    }
    if (!error) {
        error = sb_fd_write(fd, text, strlen(text));
    }
    if (!error && fsync(fd)) {
        error = errno;
    }
    if (fd >= 0 && close(fd) && !error) {
        error = errno;
    }
    return error ? apr_psprintf(p, "%s: %s", file, strerror(error)) : NULL;
}

const char *sb_conf_edit_save(sb_conf_edit_t *e)
{
    const char *file = apr_pstrcat(e->p, e->path, ".new", NULL), *problem;

    if (!e->changed) {
        return NULL;
    }
    problem = write_new(e, file, e->p);
    if (!problem) {
        problem = judge(e, file, e->p);
    }
    if (!problem && rename(file, e->path)) {
        problem = apr_psprintf(e->p, "%s: %s", e->path, strerror(errno));
    }
    if (problem) {
        unlink(file);
        return problem;
    }
    e->changed = 0;
    return fsync(e->dir) && errno != EINVAL
               ? apr_psprintf(e->p, "%s: written, but perhaps not durable: %s", e->path,
                              strerror(errno))
               : NULL;
}
