/**
 * Results as the XML they came as: the files of each student, in as many archives as were promised. A
 * student without a file is none's fault: he was not delivered by score batches.
 */

#include "extract/sb_extract_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include "core/sb_file.h"
#include "core/sb_path.h"
#include "core/sb_time.h"

#define INDEX ".metadata"
#define INDEX_MAX (256 * 1024 * 1024)
#define LOCK_PATIENCE 3.0 /* seconds: an index is written in a moment */
#define LOCK_EACH apr_time_from_msec(50)
#define PIECE 65536
#define LOOK_EACH 64 /* pieces */

typedef struct {
    const char *name;
    apr_int64_t size;
} entry_t;

typedef struct {
    sb_extract_work_t *k;
    const char *root;
    apr_int64_t total, threshold;
    apr_int64_t position; /* bytes in this part */
    apr_hash_t *names;    /* in the archive: a name is there once */
    apr_status_t (*each)(void *ctx, const char *path, const char *name, apr_int64_t size);

    const char *dir;           /* whose index this is */
    apr_array_header_t *index; /* entry_t by name */
    apr_pool_t *dir_pool;
    apr_pool_t *p; /* of one student */
} raw_t;

/* ---- the index of a directory ---------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const entry_t *)a)->name, ((const entry_t *)b)->name);
}

/* "f:NAME:SIZE:MTIME"; a line that is none is passed over. Names may have colons. */
static void read_line(raw_t *t, char *line)
{
    char *name = strchr(line, ':'), *size, *mtime = strrchr(line, ':');
    const char *ok;

    if (!name || mtime == name) {
        return;
    }
    *mtime = '\0';
    size = strrchr(line, ':');
    if (size == name) {
        return;
    }
    *size++ = '\0';
    name++;
    if (!sb_path_component(&ok, name, strlen(name), t->dir_pool)) {
        APR_ARRAY_PUSH(t->index, entry_t) = (entry_t){ok, apr_atoi64(size)};
    }
}

/* Whoever writes it holds a lock meanwhile. Should he stand still with it, the task waits, not the worker. */
static apr_status_t lock(raw_t *t, int fd)
{
    double until = sb_time_monotonic() + LOCK_PATIENCE;
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && flock(fd, LOCK_SH | LOCK_NB)) {
        if (errno != EWOULDBLOCK) {
            return errno;
        }
        if (sb_time_monotonic() > until) {
            t->k->result->why = "the index of a directory is being written";
            return SB_EBUSY;
        }
        apr_sleep(LOCK_EACH);
        rv = sb_extract_look(t->k);
    }
    return rv;
}

static apr_status_t read_index(raw_t *t, const char *path)
{
    apr_size_t len;
    char *data, *line, *last;
    apr_status_t rv;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        return errno == ENOENT ? APR_SUCCESS : errno; /* there need be none */
    }
    rv = lock(t, fd);
    if (rv == APR_SUCCESS) {
        rv = sb_file_read(&data, &len, path, INDEX_MAX, t->dir_pool);
    }
    close(fd);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (line = apr_strtok(data, "\r\n", &last); line; line = apr_strtok(NULL, "\r\n", &last)) {
        read_line(t, line);
    }
    qsort(t->index->elts, (size_t)t->index->nelts, sizeof(entry_t), by_name);
    return APR_SUCCESS;
}

static apr_status_t enter(raw_t *t, const char *dir)
{
    if (t->dir && !strcmp(t->dir, dir)) {
        return APR_SUCCESS;
    }
    apr_pool_clear(t->dir_pool);
    t->dir = apr_pstrdup(t->dir_pool, dir);
    t->index = apr_array_make(t->dir_pool, 64, sizeof(entry_t));
    return read_index(t, apr_pstrcat(t->dir_pool, t->root, "/", dir, "/" INDEX, NULL));
}

/* ---- the files of a student ------------------------------------------------------------------------ */

static int ends_with(const char *text, const char *end)
{
    apr_size_t len = strlen(text), elen = strlen(end);

    return len >= elen && !strcmp(text + len - elen, end);
}

/* First entry that is not before a name. */
static int find_entry(const raw_t *t, const char *name)
{
    int low = 0, high = t->index->nelts;

    while (low < high) {
        int middle = (low + high) / 2;

        if (strcmp(APR_ARRAY_IDX(t->index, middle, entry_t).name, name) < 0) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low;
}

static apr_status_t each_file(void *ctx, const sb_extract_leaf_t *leaf)
{
    raw_t *t = ctx;
    const char *prefix = apr_pstrcat(t->p, leaf->name, ".", NULL), *path;
    apr_status_t rv = enter(t, leaf->dir);
    struct stat st;
    int found = 0;

    for (int i = rv == APR_SUCCESS ? find_entry(t, prefix) : 0;
         rv == APR_SUCCESS && i < t->index->nelts; i++) {
        const entry_t *e = &APR_ARRAY_IDX(t->index, i, entry_t);

        if (strncmp(e->name, prefix, strlen(prefix))) {
            break;
        }
        if (ends_with(e->name + strlen(prefix) - 1, ".xml") &&
            strlen(e->name) > strlen(prefix) + 3) { /* more than ID.xml */
            path = apr_pstrcat(t->p, t->root, "/", leaf->dir, "/", e->name, NULL);
            rv = t->each(t, path, e->name, e->size);
            found = 1;
        }
    }
    if (rv == APR_SUCCESS && !found) {
        path = apr_pstrcat(t->p, t->root, "/", leaf->dir, "/", prefix, "xml", NULL);
        if (!stat(path, &st)) {
            rv = t->each(t, path, apr_pstrcat(t->p, prefix, "xml", NULL), st.st_size);
        }
    }
    return rv;
}

static apr_status_t add_size(void *ctx, const char *path, const char *name, apr_int64_t size)
{
    (void)path;
    (void)name;
    ((raw_t *)ctx)->total += size;
    return APR_SUCCESS;
}

/* Of a student's file so much is in the archive. */
static apr_status_t look(const sb_extract_work_t *k, apr_int64_t done, apr_int64_t size)
{
    const sb_extract_result_t *r = k->result;
    apr_status_t rv = sb_zip_status(k->zip);

    if (rv != APR_SUCCESS || !k->run->progress) {
        return rv;
    }
    size = size > done ? size : done; /* it may grow meanwhile */
    return k->run->progress(k->run->ctx, r->rows * size + done, r->plan.rows * size);
}

/* It may be of any size: how far it is shows, and who is told to stop does, as in the midst of students. */
static apr_status_t copy_in(const sb_extract_work_t *k, int fd)
{
    char piece[PIECE];
    struct stat st;
    apr_int64_t done = 0;
    apr_status_t rv = fstat(fd, &st) ? errno : APR_SUCCESS;
    ssize_t n = 0;

    if (rv == APR_SUCCESS && !S_ISREG(st.st_mode)) {
        k->result->why = "what should be a student's file is none";
        return SB_EINPUT;
    }
    for (unsigned i = 1; rv == APR_SUCCESS && (n = read(fd, piece, sizeof(piece))) > 0; i++) {
        sb_zip_write(k->zip, piece, (apr_size_t)n);
        done += n;
        if (i % LOOK_EACH == 0) {
            rv = look(k, done, st.st_size);
        }
    }
    return n < 0 ? errno : rv;
}

static apr_status_t add(void *ctx, const char *path, const char *name, apr_int64_t size)
{
    raw_t *t = ctx;
    apr_status_t rv = APR_SUCCESS;
    int fd;

    if (apr_hash_get(t->names, name, APR_HASH_KEY_STRING)) {
        return APR_SUCCESS;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us */
    if (fd < 0) {
        return errno == ENOENT ? APR_SUCCESS : errno; /* the index knows more than there is */
    }
    if (t->threshold && t->position && t->k->part + 1 < t->k->result->plan.parts &&
        t->position + size > t->threshold) {
        rv = sb_extract_next_part(t->k);
        t->position = 0;
    }
    name = apr_pstrdup(t->k->p, name);
    apr_hash_set(t->names, name, APR_HASH_KEY_STRING, name);
    if (rv == APR_SUCCESS) {
        rv = sb_zip_member(t->k->zip, name);
    }
    if (rv == APR_SUCCESS) {
        rv = copy_in(t->k, fd);
    }
    t->position += size;
    close(fd);
    return rv;
}

static apr_status_t add_student(void *ctx, const sb_extract_leaf_t *leaf)
{
    apr_status_t rv = each_file(ctx, leaf);

    return rv == APR_SUCCESS ? sb_extract_did(((raw_t *)ctx)->k, 1) : rv;
}

apr_status_t sb_extract_raw(sb_extract_work_t *k)
{
    raw_t t = {.k = k,
               .root = sb_conf_str(k->run->conf, "extract.raw_data_base_dir"),
               .names = apr_hash_make(k->p)};
    int parts = k->result->plan.parts;
    apr_status_t rv = APR_SUCCESS;
    struct stat st;

    if (stat(t.root, &st)) {
        k->result->why = "extract.raw_data_base_dir is not there";
        return SB_ECONFIG;
    }
    apr_pool_create(&t.p, k->p);
    apr_pool_create(&t.dir_pool, k->p);
    if (parts > 1) {
        t.each = add_size;
        rv = sb_extract_each_student(k, each_file, &t, t.p);
        t.threshold = t.total / parts;
    }
    t.each = add;
    if (rv == APR_SUCCESS) {
        rv = sb_extract_each_student(k, add_student, &t, t.p);
    }
    apr_pool_destroy(t.p);
    apr_pool_destroy(t.dir_pool);
    return rv;
}
