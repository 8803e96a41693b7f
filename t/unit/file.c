/* Files that are there whole or not at all, and directories that are removed without following links. */

#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_file.h"

static char root[] = "/tmp/sb-file-XXXXXX";

static const char *in_root(const char *name, apr_pool_t *p)
{
    return apr_pstrcat(p, root, "/", name, NULL);
}

static int exists(const char *path)
{
    struct stat st;

    return !lstat(path, &st);
}

static void reading(apr_pool_t *p)
{
    const char *path = in_root("f", p);
    apr_size_t len;
    char *data;

    is_int(sb_file_read(&data, &len, path, 100, p), ENOENT, "no such file");
    ok(!data && !len, "nothing comes out");
    is_int(sb_file_write(path, "a\0b", 3, 0600, p), APR_SUCCESS, "write");
    is_int(sb_file_read(&data, &len, path, 3, p), APR_SUCCESS, "read up to the limit");
    ok(len == 3 && !memcmp(data, "a\0b", 4), "any bytes, and a NUL behind them");
    is_int(sb_file_read(&data, &len, path, 2, p), SB_ETOOBIG, "over the limit");
    is_int(sb_file_read(&data, &len, root, 100, p), SB_EINPUT, "a directory is no file");
    is_int(mkfifo(in_root("fifo", p), 0600), 0, "a FIFO that nobody writes to");
    is_int(sb_file_read(&data, &len, in_root("fifo", p), 100, p), SB_EINPUT, "does not hold us");
    is_int(sb_file_read(&data, &len, "/proc/self/status", 100, p), APR_SUCCESS,
           "a file of no size is empty");
}

static void writing(apr_pool_t *p)
{
    const char *path = in_root("g", p);
    struct stat st;
    apr_size_t len;
    char *data;
    mode_t mask = umask(022);

    is_int(sb_file_write(path, "first", 5, 0640, p), APR_SUCCESS, "a new file");
    ok(!stat(path, &st) && (st.st_mode & 0777) == 0640, "with the mode asked for");
    is_int(sb_file_write(path, "second", 6, 0600, p), APR_SUCCESS, "replaced");
    ok(sb_file_read(&data, &len, path, 100, p) == APR_SUCCESS && !strcmp(data, "second"), "whole");
    is_int(sb_file_write(in_root("none/x", p), "x", 1, 0600, p), ENOENT, "no such directory");
    is_int(sb_file_write(root, "x", 1, 0600, p), EISDIR, "a directory in its place");
    is_int(sb_file_move(path, in_root("h", p), p), APR_SUCCESS, "move");
    ok(!exists(path) && exists(in_root("h", p)), "from there to here");
    is_int(sb_file_move(path, in_root("h", p), p), ENOENT, "nothing to move");
    umask(mask);
}

static void directories(apr_pool_t *p)
{
    const char *deep = in_root("d/e/f", p), *outside = in_root("outside", p);

    is_int(sb_dir_make(deep, 0755, p), APR_SUCCESS, "make with parents");
    is_int(sb_dir_make(deep, 0755, p), APR_SUCCESS, "again");
    is_int(sb_dir_make(in_root("d//e/", p), 0755, p), APR_SUCCESS, "with more slashes than needed");
    is_int(sb_dir_make(in_root("h/x", p), 0755, p), ENOTDIR, "not below a file");
    is_int(sb_dir_make(in_root("h", p), 0755, p), ENOTDIR, "nor in a file's place");
    is_int(sb_file_write(in_root("d/e/f/x", p), "x", 1, 0400, p), APR_SUCCESS, "a file in it");
    is_int(sb_dir_make(outside, 0755, p), APR_SUCCESS, "a directory outside");
    is_int(sb_file_write(in_root("outside/keep", p), "x", 1, 0600, p), APR_SUCCESS, "with a file");
    is_int(symlink(outside, in_root("d/e/link", p)), 0, "and a link to it from inside");
    is_int(symlink("keep", in_root("outside/l", p)), 0, "and one to a file");
    is_int(sb_dir_remove(in_root("d", p), p), APR_SUCCESS, "remove");
    ok(!exists(in_root("d", p)), "it is gone");
    ok(exists(in_root("outside/keep", p)), "what it linked to is not");
    is_int(sb_dir_remove(in_root("d", p), p), APR_SUCCESS, "nothing to remove");
    is_int(symlink(outside, in_root("l", p)), 0, "a link in its place");
    ok(sb_dir_remove(in_root("l", p), p) != APR_SUCCESS, "is refused");
    ok(exists(in_root("outside/keep", p)), "and not followed");
    ok(sb_dir_remove(in_root("h", p), p) == ENOTDIR, "a file is no directory");
}

int main(void)
{
    apr_pool_t *p = tap_pool();

    if (!mkdtemp(root)) {
        puts("Bail out! no temporary directory");
        return EXIT_FAILURE;
    }
    reading(p);
    writing(p);
    directories(p);
    is_int(sb_dir_remove(root, p), APR_SUCCESS, "clean up");
    apr_pool_destroy(p);
    return done();
}
