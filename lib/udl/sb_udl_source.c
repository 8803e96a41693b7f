/* Unpacking ahead of the loading: see sb_udl_source.h. The two threads share a ring of blocks; the
 * archive itself belongs to the unpacking one. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_file_info.h>
#include <apr_strings.h>
#include <apr_tables.h>

#include "udl/sb_udl_source.h"

#define NBLOCKS 8
#define BLOCK 262144

typedef struct {
    sb_udl_event_t event;
    const char *name;
    apr_size_t len;
    apr_int64_t position; /* of the archive, behind this block */
    char *data;           /* BLOCK bytes */
} block_t;

struct sb_udl_source_t {
    const char *path;
    int is_dir;
    apr_int64_t position, total; /* the consumer's */
    sb_archive_limits_t limits;
    apr_pool_t *p;      /* of the consumer */
    apr_pool_t *unpack; /* of the thread */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t more; /* a block was filled, or the end came */
    pthread_cond_t room; /* a block was freed, or nobody reads any more */
    block_t ring[NBLOCKS];
    unsigned filled, freed; /* counters; the ring holds filled - freed blocks */
    int holding;            /* the consumer still reads block number freed */
    int ended;              /* the thread adds no more */
    int cancelled;
    apr_status_t rv;
    const char *problem;
};

/* ---- the unpacking side ------------------------------------------------------------------------ */

/* @return the next free block, NULL if nobody reads any more */
static block_t *free_block(sb_udl_source_t *s)
{
    block_t *b;

    pthread_mutex_lock(&s->lock);
    while (s->filled - s->freed == NBLOCKS && !s->cancelled) {
        pthread_cond_wait(&s->room, &s->lock);
    }
    b = s->cancelled ? NULL : &s->ring[s->filled % NBLOCKS];
    pthread_mutex_unlock(&s->lock);
    return b;
}

static void hand_over(sb_udl_source_t *s)
{
    pthread_mutex_lock(&s->lock);
    s->filled++;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
}

static apr_status_t put_event(sb_udl_source_t *s, sb_udl_event_t event, const char *name)
{
    block_t *b = free_block(s);

    if (!b) {
        return APR_EINTR;
    }
    b->event = event;
    b->name = name;
    b->len = 0;
    hand_over(s);
    return APR_SUCCESS;
}

/* One member of the archive: blocks are filled up, since libarchive's own may be small. */
static apr_status_t unpack_member(sb_udl_source_t *s, sb_archive_t *a)
{
    const char *data;
    apr_size_t len;
    apr_status_t rv;
    block_t *b = NULL;

    while ((rv = sb_archive_read(&data, &len, a)) == APR_SUCCESS) {
        while (len > 0) {
            apr_size_t take;

            if (!b) {
                b = free_block(s);
                if (!b) {
                    return APR_EINTR;
                }
                b->event = SB_UDL_DATA;
                b->name = NULL;
                b->len = 0;
            }
            take = BLOCK - b->len < len ? BLOCK - b->len : len;
            memcpy(b->data + b->len, data, take);
            b->len += take;
            data += take;
            len -= take;
            b->position = sb_archive_position(a);
            if (b->len == BLOCK) {
                hand_over(s);
                b = NULL;
            }
        }
    }
    if (b) {
        hand_over(s);
    }
    return rv == APR_EOF ? APR_SUCCESS : rv;
}

static apr_status_t unpack(sb_udl_source_t *s)
{
    sb_archive_t *a;
    const char *name;
    apr_int64_t size;
    apr_status_t rv;

    rv = sb_archive_open(&a, s->path, &s->limits, s->unpack);
    while (rv == APR_SUCCESS) {
        rv = sb_archive_next(&name, &size, a);
        if (rv == APR_SUCCESS) {
            rv = put_event(s, SB_UDL_MEMBER, name);
        }
        if (rv == APR_SUCCESS) {
            rv = unpack_member(s, a);
        }
    }
    s->problem = sb_archive_problem(a);
    return rv == APR_EOF ? put_event(s, SB_UDL_END, NULL) : rv;
}

static apr_status_t read_file(sb_udl_source_t *s, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    apr_status_t rv = APR_SUCCESS;
    ssize_t n = 1;

    if (fd < 0) {
        rv = errno;
        s->problem = apr_psprintf(s->unpack, "%s: %s", path, strerror(errno));
        return rv;
    }
    while (n > 0) {
        block_t *b = free_block(s);

        if (!b) {
            rv = APR_EINTR;
            break;
        }
        n = read(fd, b->data, BLOCK);
        if (n > 0) {
            b->event = SB_UDL_DATA;
            b->len = (apr_size_t)n;
            hand_over(s);
        }
    }
    if (n < 0) {
        rv = errno;
        s->problem = apr_psprintf(s->unpack, "%s: %s", path, strerror(errno));
    }
    close(fd);
    return rv;
}

static int by_name(const void *a, const void *b)
{
    return -strcmp(*(const char *const *)a, *(const char *const *)b); /* .json before .csv */
}

/* Files of the directory, hidden ones left out. */
static apr_status_t read_dir(sb_udl_source_t *s)
{
    apr_array_header_t *names = apr_array_make(s->unpack, 8, sizeof(const char *));
    apr_finfo_t info;
    apr_dir_t *dir;
    apr_status_t rv;
    int i;

    rv = apr_dir_open(&dir, s->path, s->unpack);
    if (rv != APR_SUCCESS) {
        s->problem = apr_psprintf(s->unpack, "%s cannot be read", s->path);
        return rv;
    }
    while (apr_dir_read(&info, APR_FINFO_NAME, dir) == APR_SUCCESS &&
           names->nelts <= s->limits.max_entries) {
        if (*info.name != '.') {
            APR_ARRAY_PUSH(names, const char *) = apr_pstrdup(s->unpack, info.name);
        }
    }
    apr_dir_close(dir);
    qsort(names->elts, (size_t)names->nelts, sizeof(const char *), by_name);
    for (i = 0; i < names->nelts && rv == APR_SUCCESS; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);

        rv = put_event(s, SB_UDL_MEMBER, name);
        if (rv == APR_SUCCESS) {
            rv = read_file(s, apr_pstrcat(s->unpack, s->path, "/", name, NULL));
        }
    }
    return rv == APR_SUCCESS ? put_event(s, SB_UDL_END, NULL) : rv;
}

static void *run(void *arg)
{
    sb_udl_source_t *s = arg;
    apr_status_t rv = s->is_dir ? read_dir(s) : unpack(s);

    pthread_mutex_lock(&s->lock);
    s->rv = rv;
    s->ended = 1;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- the consuming side ------------------------------------------------------------------------ */

static apr_status_t stop(void *data)
{
    sb_udl_source_t *s = data;
    int i;

    pthread_mutex_lock(&s->lock);
    s->cancelled = 1;
    pthread_cond_signal(&s->room);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    for (i = 0; i < NBLOCKS; i++) {
        free(s->ring[i].data);
    }
    apr_pool_destroy(s->unpack);
    pthread_cond_destroy(&s->more);
    pthread_cond_destroy(&s->room);
    pthread_mutex_destroy(&s->lock);
    return APR_SUCCESS;
}

apr_status_t sb_udl_source_open(sb_udl_source_t **psource, const char *path,
                                const sb_archive_limits_t *limits, apr_pool_t *p)
{
    sb_udl_source_t *s = apr_pcalloc(p, sizeof *s);
    struct stat st;
    apr_status_t rv;
    int i;

    *psource = s;
    s->path = path;
    s->limits = *limits;
    s->p = p;
    if (stat(path, &st)) {
        rv = errno;
        s->problem = apr_psprintf(p, "%s: %s", path, strerror(errno));
        return rv;
    }
    s->is_dir = S_ISDIR(st.st_mode);
    s->total = s->is_dir ? -1 : st.st_size;
    /* not a child of p: the two threads allocate at the same time */
    rv = apr_pool_create(&s->unpack, NULL);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < NBLOCKS; i++) {
        s->ring[i].data = malloc(BLOCK);
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->more, NULL);
    pthread_cond_init(&s->room, NULL);
    if (!s->ring[NBLOCKS - 1].data || pthread_create(&s->thread, NULL, run, s)) {
        apr_pool_destroy(s->unpack);
        return APR_ENOMEM;
    }
    apr_pool_cleanup_register(p, s, stop, apr_pool_cleanup_null);
    return APR_SUCCESS;
}

apr_status_t sb_udl_source_next(sb_udl_piece_t *piece, sb_udl_source_t *s)
{
    apr_status_t rv = APR_SUCCESS;
    block_t *b;

    pthread_mutex_lock(&s->lock);
    if (s->holding) {
        s->holding = 0;
        s->freed++;
        pthread_cond_signal(&s->room);
    }
    while (s->filled == s->freed && !s->ended) {
        pthread_cond_wait(&s->more, &s->lock);
    }
    if (s->filled != s->freed) {
        b = &s->ring[s->freed % NBLOCKS];
        piece->event = b->event;
        piece->name = b->name;
        piece->data = b->data;
        piece->len = b->len;
        s->holding = 1;
        if (b->event == SB_UDL_DATA) {
            s->position = b->position;
        }
    }
    else {
        rv = s->rv != APR_SUCCESS ? s->rv : APR_EOF;
    }
    pthread_mutex_unlock(&s->lock);
    return rv;
}

void sb_udl_source_position(apr_int64_t *pdone, apr_int64_t *ptotal, const sb_udl_source_t *s)
{
    *pdone = s->is_dir ? -1 : s->position;
    *ptotal = s->total;
}

const char *sb_udl_source_problem(const sb_udl_source_t *source)
{
    return source->problem;
}
