/* Packages as a stream: see sb_archive.h. zlib unpacks and checks what gzip promises of length and sum,
 * which libarchive's own filter does not look at; libarchive reads the tar. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

#include <apr_strings.h>

#include "core/sb_path.h"
#include "store/sb_archive.h"

#define READ_BLOCK 65536      /* packed bytes */
#define TAR_BLOCK 65536       /* unpacked bytes: the limit below is asked once a block */
#define HEADERS_MAX (4 << 20) /* unpacked bytes between the contents of two members */
#define RATIO_FREE (16 << 20) /* bytes out that no ratio is asked of */
#define NOT_THE_FORMAT EILSEQ /* how libarchive says so on Linux */
#define GZIP_FIRST 0x1f       /* bytes of each gzip stream */
#define GZIP_SECOND 0x8b
#define TAR_MAGIC_AT 257

struct sb_archive_t {
    struct archive *ar;
    int fd;
    z_stream z;
    int is_between; /* a gzip stream has ended; another one may follow */
    unsigned char in[READ_BLOCK], out[TAR_BLOCK];
    int in_header;            /* libarchive looks for the next member */
    apr_int64_t header_start; /* unpacked position */
    apr_int64_t unpacked;     /* handed to libarchive */
    int headers_too_big;
    sb_archive_limits_t limits;
    apr_int64_t packed; /* size of the file */
    apr_int64_t read;   /* of it, so far */
    apr_int64_t bytes;  /* delivered so far, of all members */
    apr_int64_t at;     /* position inside the member */
    int entries;
    const char *name;
    const char *problem;
    apr_pool_t *p;
};

static apr_status_t close_archive(void *data)
{
    sb_archive_t *a = data;

    archive_read_free(a->ar);
    inflateEnd(&a->z);
    if (a->fd >= 0) {
        close(a->fd);
    }
    return APR_SUCCESS;
}

/* More packed bytes. @return 1; 0 there are none; -1 with errno */
static int refill(sb_archive_t *a)
{
    ssize_t n;

    if (a->z.avail_in) {
        return 1;
    }
    n = read(a->fd, a->in, sizeof a->in);
    a->z.next_in = a->in;
    a->z.avail_in = n > 0 ? (uInt)n : 0;
    a->read += n > 0 ? n : 0;
    return n > 0 ? 1 : (int)n;
}

/* The next block of the tar. @return its size; 0 the end; -1 with errno; EIO: damaged */
static la_ssize_t unpack(sb_archive_t *a)
{
    int r, more;

    a->z.next_out = a->out;
    a->z.avail_out = sizeof a->out;
    while (a->z.avail_out == sizeof a->out) {
        more = refill(a);
        if (more < 0 || (!more && !a->is_between)) {
            errno = more < 0 ? errno : EIO; /* it ends inside of a stream */
            return -1;
        }
        if (a->is_between) {
            if (!more || *a->z.next_in != GZIP_FIRST) {
                return 0; /* what is behind the last stream is nobody's, as for gunzip */
            }
            inflateReset(&a->z);
            a->is_between = 0;
        }
        r = inflate(&a->z, Z_NO_FLUSH);
        if (r == Z_STREAM_END) {
            a->is_between = 1;
        }
        else if (r != Z_OK) {
            errno = r == Z_MEM_ERROR ? ENOMEM : EIO;
            return -1;
        }
    }
    return (la_ssize_t)(sizeof a->out - a->z.avail_out);
}

/* libarchive's source. It collects what headers say, such as the map of a sparse file, without a limit
 * and before it tells us of the member. */
static la_ssize_t read_block(struct archive *ar, void *data, const void **pblock)
{
    sb_archive_t *a = data;
    la_ssize_t n;

    if (a->in_header && a->unpacked - a->header_start > HEADERS_MAX) {
        a->headers_too_big = 1;
        return -1;
    }
    n = unpack(a);
    if (n < 0) {
        archive_set_error(ar, errno, "read");
    }
    else {
        a->unpacked += n;
    }
    *pblock = a->out;
    return n;
}

__attribute__((format(printf, 3, 4))) static apr_status_t refuse(sb_archive_t *a, apr_status_t rv,
                                                                 const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    a->problem = apr_pvsprintf(a->p, fmt, ap);
    va_end(ap);
    return rv;
}

/* libarchive's own words name its internals; ours name the sender's fault. */
static apr_status_t damaged(sb_archive_t *a)
{
    if (archive_errno(a->ar) == ENOMEM) {
        return APR_ENOMEM;
    }
    if (a->headers_too_big) {
        return refuse(a, SB_ETOOBIG, "the archive holds more than %d bytes between two members",
                      HEADERS_MAX);
    }
    return refuse(a, SB_EINPUT, "the archive is truncated or damaged%s%s",
                  a->name ? " in member " : "", a->name ? a->name : "");
}

/* Is it gzip, or what else? Reads the first block, which the rest begins with. */
static apr_status_t check_format(sb_archive_t *a)
{
    if (refill(a) < 0) {
        return refuse(a, errno, "reading the archive: %s", strerror(errno));
    }
    if (a->z.avail_in > 1 && a->in[0] == GZIP_FIRST && a->in[1] == GZIP_SECOND) {
        return APR_SUCCESS;
    }
    if (a->z.avail_in > TAR_MAGIC_AT + 5 && !memcmp(a->in + TAR_MAGIC_AT, "ustar", 5)) {
        return refuse(a, SB_EINPUT, "the tar archive is not compressed by gzip");
    }
    return refuse(a, SB_EINPUT, "not a gzipped tar archive");
}

apr_status_t sb_archive_open(sb_archive_t **pa, const char *path, const sb_archive_limits_t *limits,
                             apr_pool_t *p)
{
    sb_archive_t *a = apr_pcalloc(p, sizeof *a);
    struct stat st;
    apr_status_t rv;

    *pa = a;
    a->fd = -1;
    a->p = p;
    if (limits) {
        a->limits = *limits;
    }
    a->limits.max_entries = a->limits.max_entries ? a->limits.max_entries : 16;
    a->limits.max_bytes = a->limits.max_bytes ? a->limits.max_bytes : (apr_int64_t)16 << 30;
    a->limits.max_ratio = a->limits.max_ratio ? a->limits.max_ratio : 250;
    a->ar = archive_read_new();
    if (!a->ar) {
        return APR_ENOMEM;
    }
    apr_pool_cleanup_register(p, a, close_archive, apr_pool_cleanup_null);
    a->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (a->fd < 0 || fstat(a->fd, &st)) {
        return refuse(a, errno, "%s: %s", path, strerror(errno));
    }
    a->packed = st.st_size;
    rv = check_format(a);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (inflateInit2(&a->z, 15 + 16) != Z_OK) { /* gzip only */
        return APR_ENOMEM;
    }
    if (archive_read_support_format_tar(a->ar) != ARCHIVE_OK) {
        return refuse(a, SB_EUNAVAILABLE, "libarchive without tar");
    }
    if (archive_read_open(a->ar, a, NULL, read_block, NULL) != ARCHIVE_OK) {
        return archive_errno(a->ar) == NOT_THE_FORMAT
                   ? refuse(a, SB_EINPUT, "not a gzipped tar archive")
                   : damaged(a);
    }
    return APR_SUCCESS;
}

apr_int64_t sb_archive_position(const sb_archive_t *a)
{
    return a->read;
}

/* A name with a directory part is fine, one that climbs or starts at the root is not. */
static apr_status_t check_name(sb_archive_t *a, const char *path)
{
    const char *part, *problem, *base = strrchr(path, '/');

    for (part = path; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL) {
        if (!strncmp(part, "..", 2) && (part[2] == '/' || !part[2])) {
            return refuse(a, SB_EINPUT, "a member's name climbs out of the archive (..)");
        }
    }
    if (*path == '/') {
        return refuse(a, SB_EINPUT, "a member's name is absolute");
    }
    base = base ? base + 1 : path;
    problem = sb_path_component(&a->name, base, strlen(base), a->p);
    if (problem) {
        a->name = NULL;
        return refuse(a, SB_EINPUT, "a member's name is refused: %s", problem);
    }
    return APR_SUCCESS;
}

/* The tar has ended; gzip's sum stands behind it. @return APR_EOF, or what is wrong */
static apr_status_t drain(sb_archive_t *a)
{
    la_ssize_t n;

    a->name = NULL;
    while ((n = unpack(a)) > 0) {
        a->unpacked += n;
        if (a->unpacked - a->header_start > HEADERS_MAX) {
            return refuse(a, SB_ETOOBIG, "more than %d bytes follow the archive", HEADERS_MAX);
        }
    }
    if (n < 0 && errno == ENOMEM) {
        return APR_ENOMEM;
    }
    return n < 0 ? refuse(a, SB_EINPUT, "the archive is truncated or damaged") : APR_EOF;
}

apr_status_t sb_archive_next(const char **pname, apr_int64_t *psize, sb_archive_t *a)
{
    struct archive_entry *entry;
    const char *path;
    apr_status_t rv;
    int r;

    *pname = NULL;
    *psize = 0;
    a->header_start = a->unpacked;
    a->in_header = 1;
    r = archive_read_next_header(a->ar, &entry);
    a->in_header = 0;
    if (r == ARCHIVE_EOF) {
        return a->entries ? drain(a)
                          : refuse(a, SB_EINPUT, "not a gzipped tar archive, or an empty one");
    }
    if (r == ARCHIVE_WARN) {
        r = archive_entry_pathname(entry) ? ARCHIVE_OK
                                          : r; /* of owners and attributes we do not use */
    }
    if (r != ARCHIVE_OK) {
        return archive_errno(a->ar) == NOT_THE_FORMAT
                   ? refuse(a, SB_EINPUT, "not a gzipped tar archive")
                   : damaged(a);
    }
    if (++a->entries > a->limits.max_entries) {
        return refuse(a, SB_ETOOBIG, "the archive has more than %d members", a->limits.max_entries);
    }
    path = archive_entry_pathname(entry);
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry)) {
        return refuse(a, SB_EINPUT, "a member is no regular file but a directory, link or device");
    }
    rv = path ? check_name(a, path) : refuse(a, SB_EINPUT, "a member without a readable name");
    if (rv != APR_SUCCESS) {
        return rv;
    }
    *psize = archive_entry_size(entry);
    if (*psize < 0 || *psize > a->limits.max_bytes - a->bytes) {
        return refuse(a, SB_ETOOBIG, "the archive unpacks to more than %" APR_INT64_T_FMT " bytes",
                      a->limits.max_bytes);
    }
    a->at = 0;
    *pname = a->name;
    return APR_SUCCESS;
}

apr_status_t sb_archive_read(const char **pdata, apr_size_t *plen, sb_archive_t *a)
{
    const void *block;
    size_t len;
    la_int64_t offset;
    int r;

    *pdata = NULL;
    *plen = 0;
    r = archive_read_data_block(a->ar, &block, &len, &offset);
    if (r == ARCHIVE_EOF) {
        return APR_EOF;
    }
    if (r != ARCHIVE_OK) {
        return damaged(a);
    }
    if (offset != a->at) {
        return refuse(a, SB_EINPUT, "member %s is a sparse file", a->name);
    }
    a->at += (apr_int64_t)len;
    a->bytes += (apr_int64_t)len;
    if (a->bytes > a->limits.max_bytes) {
        return refuse(a, SB_ETOOBIG, "the archive unpacks to more than %" APR_INT64_T_FMT " bytes",
                      a->limits.max_bytes);
    }
    if (a->bytes > RATIO_FREE && a->bytes / a->limits.max_ratio > a->packed) {
        return refuse(a, SB_ETOOBIG, "the archive unpacks to more than %d times its size",
                      a->limits.max_ratio);
    }
    *pdata = block;
    *plen = len;
    return APR_SUCCESS;
}

const char *sb_archive_problem(const sb_archive_t *a)
{
    return a->problem;
}
