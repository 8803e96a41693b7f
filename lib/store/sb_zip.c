/* Writing a zip file: see sb_zip.h. With a thread, caller and thread share a ring of blocks; the archive
 * belongs to the thread until it has ended. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <apr_strings.h>

#include "core/sb_crypto.h"
#include "core/sb_file.h"
#include "store/sb_zip.h"

#define NBLOCKS 8
#define BLOCK 262144

typedef enum { BLOCK_DATA, BLOCK_MEMBER, BLOCK_END } kind_t;

typedef struct {
    kind_t kind;
    apr_size_t len;
    char data[BLOCK]; /* of BLOCK_MEMBER its name */
} block_t;

typedef struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more; /* a block was filled */
    pthread_cond_t room; /* a block was freed */
    unsigned filled, freed;
    apr_status_t rv;       /* the archive's */
    block_t ring[NBLOCKS]; /* filled - freed of them are the thread's, the next one the caller's */
} ahead_t;

struct sb_zip_t {
    apr_pool_t *p;
    const char *path, *temporary; /* NULL: fd is the caller's */
    int fd;
    struct archive *a;
    time_t when; /* of members; 0: now */
    apr_status_t rv;
    ahead_t *ahead; /* NULL: no thread */
};

/* ---- the archive ------------------------------------------------------------------------------- */

static apr_status_t why(struct archive *a)
{
    return archive_errno(a) > 0 ? archive_errno(a) : APR_EGENERAL;
}

static apr_status_t put_member(struct archive *a, const char *name, time_t when)
{
    struct archive_entry *e = archive_entry_new();
    apr_status_t rv = APR_SUCCESS;

    if (!e) {
        return APR_ENOMEM;
    }
    archive_entry_set_pathname_utf8(e, name);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0640);
    archive_entry_set_mtime(e, when ? when : time(NULL), 0);
    if (archive_write_header(a, e) != ARCHIVE_OK) {
        rv = why(a);
    }
    archive_entry_free(e);
    return rv;
}

static apr_status_t put_data(struct archive *a, const void *data, apr_size_t len)
{
    return archive_write_data(a, data, len) == (la_ssize_t)len ? APR_SUCCESS : why(a);
}

/* ---- the thread -------------------------------------------------------------------------------- */

static apr_status_t put_block(const sb_zip_t *z, const block_t *b)
{
    return b->kind == BLOCK_MEMBER ? put_member(z->a, b->data, z->when)
                                   : put_data(z->a, b->data, b->len);
}

/* After a failure blocks are only taken out, so that the caller never waits for nothing. */
static void *run(void *arg)
{
    sb_zip_t *z = arg;
    ahead_t *h = z->ahead;
    apr_status_t rv = APR_SUCCESS;
    kind_t kind;

    do {
        const block_t *b;

        pthread_mutex_lock(&h->lock);
        while (h->filled == h->freed) {
            pthread_cond_wait(&h->more, &h->lock);
        }
        b = &h->ring[h->freed % NBLOCKS];
        pthread_mutex_unlock(&h->lock);
        kind = b->kind;
        if (rv == APR_SUCCESS && kind != BLOCK_END) {
            rv = put_block(z, b);
        }
        pthread_mutex_lock(&h->lock);
        h->rv = rv;
        h->freed++;
        pthread_cond_signal(&h->room);
        pthread_mutex_unlock(&h->lock);
    } while (kind != BLOCK_END);
    return NULL;
}

static block_t *current(ahead_t *h)
{
    return &h->ring[h->filled % NBLOCKS]; /* filled is changed by the caller's side only */
}

/* The current block is full; the next one may have to be waited for. */
static void hand_over(sb_zip_t *z)
{
    ahead_t *h = z->ahead;

    pthread_mutex_lock(&h->lock);
    h->filled++;
    pthread_cond_signal(&h->more);
    while (h->filled - h->freed == NBLOCKS) {
        pthread_cond_wait(&h->room, &h->lock);
    }
    z->rv = h->rv;
    pthread_mutex_unlock(&h->lock);
    current(h)->kind = BLOCK_DATA;
    current(h)->len = 0;
}

static void hand_over_all(sb_zip_t *z)
{
    if (current(z->ahead)->len) {
        hand_over(z);
    }
}

static apr_status_t start_thread(sb_zip_t *z)
{
    ahead_t *h = malloc(sizeof *h);

    if (!h) {
        return APR_ENOMEM;
    }
    h->filled = h->freed = 0;
    h->rv = APR_SUCCESS;
    h->ring[0].kind = BLOCK_DATA;
    h->ring[0].len = 0;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->more, NULL);
    pthread_cond_init(&h->room, NULL);
    z->ahead = h;
    if (pthread_create(&h->thread, NULL, run, z)) {
        z->ahead = NULL;
        free(h);
        return APR_ENOMEM;
    }
    return APR_SUCCESS;
}

static void end_thread(sb_zip_t *z)
{
    ahead_t *h = z->ahead;

    hand_over_all(z);
    current(h)->kind = BLOCK_END;
    hand_over(z);
    pthread_join(h->thread, NULL);
    z->rv = h->rv;
    pthread_cond_destroy(&h->more);
    pthread_cond_destroy(&h->room);
    pthread_mutex_destroy(&h->lock);
    free(h);
    z->ahead = NULL;
}

/* ---- the caller -------------------------------------------------------------------------------- */

static apr_status_t give_up(void *data)
{
    sb_zip_t *z = data;

    if (z->ahead) {
        end_thread(z);
    }
    if (z->a) {
        archive_write_free(z->a);
        z->a = NULL;
    }
    if (z->temporary && z->fd >= 0) {
        close(z->fd);
        unlink(z->temporary);
    }
    z->fd = -1;
    return APR_SUCCESS;
}

static apr_status_t open_temporary(sb_zip_t *z, const sb_zip_opts_t *opts)
{
    const char *hex = sb_random_hex(6, z->p);

    if (!hex) {
        return APR_EGENERAL;
    }
    z->path = apr_pstrdup(z->p, opts->path);
    z->temporary = apr_pstrcat(z->p, opts->path, ".", hex, ".partial", NULL);
    z->fd = open(z->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, opts->mode);
    return z->fd < 0 ? errno : APR_SUCCESS;
}

static apr_status_t open_archive(sb_zip_t *z, int level)
{
    z->a = archive_write_new();
    if (!z->a) {
        return APR_ENOMEM;
    }
    if (archive_write_set_format_zip(z->a) != ARCHIVE_OK ||
        (level && archive_write_set_format_option(z->a, "zip", "compression-level",
                                                  apr_itoa(z->p, level)) != ARCHIVE_OK) ||
        archive_write_set_bytes_in_last_block(z->a, 1) != ARCHIVE_OK ||
        archive_write_open_fd(z->a, z->fd) != ARCHIVE_OK) {
        return why(z->a);
    }
    return APR_SUCCESS;
}

apr_status_t sb_zip_open(sb_zip_t **pz, const sb_zip_opts_t *opts, apr_pool_t *p)
{
    sb_zip_t *z = apr_pcalloc(p, sizeof *z);
    apr_status_t rv = APR_SUCCESS;

    *pz = NULL;
    z->p = p;
    z->fd = opts->fd;
    z->when = (time_t)apr_time_sec(opts->when);
    if (opts->path) {
        rv = open_temporary(z, opts);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_pool_cleanup_register(p, z, give_up, apr_pool_cleanup_null);
    rv = open_archive(z, opts->level);
    if (rv == APR_SUCCESS && opts->ahead) {
        rv = start_thread(z);
    }
    if (rv == APR_SUCCESS) {
        *pz = z;
    }
    return rv;
}

apr_status_t sb_zip_begin(sb_zip_t **pz, const char *path, int mode, apr_pool_t *p)
{
    return sb_zip_open(pz, &(sb_zip_opts_t){.path = path, .mode = mode}, p);
}

apr_status_t sb_zip_member(sb_zip_t *z, const char *name)
{
    if (z->rv != APR_SUCCESS) {
        return z->rv;
    }
    if (!z->ahead) {
        return z->rv = put_member(z->a, name, z->when);
    }
    hand_over_all(z);
    current(z->ahead)->kind = BLOCK_MEMBER;
    apr_cpystrn(current(z->ahead)->data, name, BLOCK);
    hand_over(z);
    return z->rv;
}

void sb_zip_write(sb_zip_t *z, const void *data, apr_size_t len)
{
    const char *from = data;

    if (z->rv == APR_SUCCESS && !z->ahead && len) {
        z->rv = put_data(z->a, data, len);
    }
    while (z->rv == APR_SUCCESS && z->ahead && len > 0) {
        block_t *b = current(z->ahead);
        apr_size_t take = BLOCK - b->len < len ? BLOCK - b->len : len;

        memcpy(b->data + b->len, from, take);
        b->len += take;
        from += take;
        len -= take;
        if (b->len == BLOCK) {
            hand_over(z);
        }
    }
}

apr_status_t sb_zip_status(sb_zip_t *z)
{
    return z->rv;
}

apr_status_t sb_zip_end(sb_zip_t *z)
{
    apr_status_t rv;

    if (z->ahead) {
        end_thread(z);
    }
    rv = z->rv;
    if (rv == APR_SUCCESS && archive_write_close(z->a) != ARCHIVE_OK) {
        rv = why(z->a);
    }
    if (rv == APR_SUCCESS && z->temporary && fsync(z->fd)) {
        rv = errno;
    }
    if (rv == APR_SUCCESS && z->temporary) {
        rv = sb_file_move(z->temporary, z->path, z->p);
        if (rv == APR_SUCCESS) {
            close(z->fd);
            z->fd = -1;
        }
    }
    apr_pool_cleanup_run(z->p, z, give_up);
    return rv;
}
