/* lib/store/sb_archive: whatever a package unpacks to, names are harmless and limits hold. The first
 * byte chooses: even: the rest is the file; odd: the rest is put into gzip first, for what stands behind
 * a checksum is hard to guess. */

#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include <apr_strings.h>

#include "store/sb_archive.h"

static void write_all(int fd, const uint8_t *data, size_t size)
{
    must(write(fd, data, size) == (ssize_t)size);
}

static void write_gzip(int fd, const uint8_t *data, size_t size)
{
    gzFile gz = gzdopen(dup(fd), "wb1");

    must(gz && gzwrite(gz, data, (unsigned)size) == (int)size && gzclose(gz) == Z_OK);
}

static apr_status_t one_member(sb_archive_t *a, apr_int64_t *pbytes)
{
    const char *data;
    apr_size_t len, i;
    apr_status_t rv;
    volatile char last = 0;

    while ((rv = sb_archive_read(&data, &len, a)) == APR_SUCCESS) {
        *pbytes += (apr_int64_t)len;
        for (i = 0; i < len; i += 64) {
            last = data[i]; /* is it all there? */
        }
    }
    (void)last;
    return rv == APR_EOF ? APR_SUCCESS : rv;
}

FUZZ(data, size)
{
    static const sb_archive_limits_t limits = {.max_entries = 4, .max_bytes = 1 << 20};
    int fd = memfd_create("archive", MFD_CLOEXEC), entries = 0;
    apr_int64_t bytes = 0, promised;
    const char *name;
    sb_archive_t *a;
    apr_status_t rv;

    if (fd < 0 || size < 1) {
        close(fd);
        return;
    }
    (data[0] % 2 ? write_gzip : write_all)(fd, data + 1, size - 1);
    rv = sb_archive_open(&a, apr_psprintf(fuzz_pool, "/proc/self/fd/%d", fd), &limits, fuzz_pool);
    while (rv == APR_SUCCESS && (rv = sb_archive_next(&name, &promised, a)) == APR_SUCCESS) {
        must(++entries <= limits.max_entries);
        must(*name && *name != '.' && !strchr(name, '/') && strlen(name) <= 255);
        must(promised >= 0 && promised <= limits.max_bytes);
        rv = one_member(a, &bytes);
        must(bytes <= limits.max_bytes || rv == SB_ETOOBIG);
    }
    must(rv == APR_EOF || rv == SB_EINPUT || rv == SB_ETOOBIG);
    must(rv == APR_EOF || (sb_archive_problem(a) && *sb_archive_problem(a)));
    must(rv != APR_EOF || entries > 0);
    close(fd);
}
