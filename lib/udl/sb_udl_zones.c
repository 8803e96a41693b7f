/* Files of a batch on their way through the zones: see sb_udl_zones.h. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>
#include <apr_time.h>

#include "core/sb_file.h"
#include "core/sb_log.h"
#include "udl/sb_udl_zones.h"

#define PROCESSING ".processing"
#define DIR_MODE 0750

static int exists(const char *path)
{
    struct stat st;

    return !lstat(path, &st);
}

/* What was noted as a file may have become a directory, a link or a pipe since. */
static int is_file(const char *path)
{
    struct stat st;

    return !lstat(path, &st) && S_ISREG(st.st_mode);
}

static const char *base_name(const char *path, apr_pool_t *p)
{
    const char *slash = strrchr(path, '/');
    apr_size_t len;

    path = slash ? slash + 1 : path;
    len = strlen(path);
    if (len > sizeof PROCESSING - 1 && !strcmp(path + len - (sizeof PROCESSING - 1), PROCESSING)) {
        len -= sizeof PROCESSING - 1;
    }
    return apr_pstrmemdup(p, path, len);
}

static const char *make_label(apr_time_t arrived, const char *guid, apr_pool_t *p)
{
    apr_time_exp_t t;

    apr_time_exp_gmt(&t, arrived);
    return apr_psprintf(p, "%04d%02d%02d%02d%02d%02d_%s", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                        t.tm_hour, t.tm_min, t.tm_sec, guid);
}

static const char *zone_dir(const sb_udl_zones_t *z, const char *root, const char *stage)
{
    return apr_pstrcat(z->p, root, "/", z->conf->tenant, "/", stage, *stage ? "/" : "", z->label,
                       NULL);
}

apr_status_t sb_udl_zones_make(sb_udl_zones_t *z, const sb_udl_conf_t *conf, const char *package,
                               const char *guid, apr_time_t arrived, apr_int64_t claim,
                               apr_pool_t *p)
{
    char *dot;
    apr_status_t rv;

    z->conf = conf;
    z->p = p;
    z->package = package;
    z->name = base_name(package, p);
    z->label = make_label(arrived, guid, p);
    z->scratch =
        apr_psprintf(p, "%s/%" APR_INT64_T_FMT, zone_dir(z, conf->work, "decrypted"), claim);
    z->decrypted = apr_pstrcat(p, z->scratch, "/", z->name, NULL);
    dot = strrchr(z->decrypted, '.');
    if (dot && dot > strrchr(z->decrypted, '/') + 1) {
        *dot = '\0';
    }
    rv = sb_dir_remove(zone_dir(z, conf->work, "decrypted"), p); /* of an attempt that died */
    return rv == APR_SUCCESS ? sb_dir_make(z->scratch, DIR_MODE, p) : rv;
}

static apr_status_t copy_bytes(int in, int out)
{
    char buf[65536];
    ssize_t n;

    while ((n = read(in, buf, sizeof buf)) > 0) {
        apr_status_t rv = sb_fd_write(out, buf, (apr_size_t)n);

        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    return n < 0 || fsync(out) ? errno : APR_SUCCESS;
}

/* A copy that is there whole or not at all. Its name meanwhile is short, as that of a package may be as
 * long as names can be, and hidden, so that nobody takes it for a package. */
static apr_status_t copy_file(const char *from, const char *to, apr_pool_t *p)
{
    const char *part = apr_psprintf(p, "%.*s/.partial", (int)(strrchr(to, '/') - to), to);
    apr_status_t rv;
    int in, out;

    in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (in < 0) {
        return errno;
    }
    out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (out < 0) {
        rv = errno;
        close(in);
        return rv;
    }
    rv = copy_bytes(in, out);
    close(in);
    close(out);
    if (rv == APR_SUCCESS) {
        rv = sb_file_move(part, to, p);
    }
    if (rv != APR_SUCCESS) {
        unlink(part);
    }
    return rv;
}

apr_status_t sb_udl_move_file(const char *from, const char *to, apr_pool_t *p)
{
    apr_status_t rv = sb_file_move(from, to, p);

    if (rv != EXDEV) {
        return rv;
    }
    rv = copy_file(from, to, p);
    if (rv == APR_SUCCESS && unlink(from)) {
        rv = errno;
    }
    return rv;
}

/* @param any whatever it is, it goes; else only a regular file */
static apr_status_t move_out(const char *root, const char *path, const char *to, int any,
                             apr_pool_t *p)
{
    apr_size_t len = strlen(root);
    const char *name = strrchr(path, '/') + 1, *below, *from;
    struct stat st;
    apr_status_t rv;
    int fd;

    if (strncmp(path, root, len) || path[len] != '/') {
        return SB_EINPUT;
    }
    below = path + len + 1 < name
                ? apr_pstrndup(p, path + len + 1, (apr_size_t)(name - path) - len - 2)
                : "";
    rv = sb_dir_open_below(&fd, root, below, p);
    if (rv != APR_SUCCESS) {
        return rv == ELOOP || rv == ENOTDIR ? SB_EINPUT : rv;
    }
    /* the directory by its descriptor: whoever renames it meanwhile changes nothing */
    from = apr_psprintf(p, "/proc/self/fd/%d/%s", fd, name);
    if (lstat(from, &st)) {
        rv = errno;
    }
    else {
        rv = any || S_ISREG(st.st_mode) ? sb_udl_move_file(from, to, p) : SB_EINPUT;
    }
    close(fd);
    return rv;
}

apr_status_t sb_udl_take_file(const char *root, const char *path, const char *to, apr_pool_t *p)
{
    return move_out(root, path, to, 0, p);
}

apr_status_t sb_udl_zones_take(sb_udl_zones_t *z)
{
    const char *dir = zone_dir(z, z->conf->work, "arrived"),
               *to = apr_pstrcat(z->p, dir, "/", z->name, NULL);
    const char *done = apr_pstrcat(z->p, z->package, ".done", NULL);
    apr_status_t rv;

    if (!exists(to)) {
        rv = sb_dir_make(dir, DIR_MODE, z->p);
        if (rv == APR_SUCCESS) {
            rv = sb_udl_take_file(z->conf->arrivals, z->package, to, z->p);
        }
        if (rv != APR_SUCCESS) {
            rmdir(dir);
            return rv;
        }
        unlink(done);
    }
    z->package = to;
    return is_file(to) ? APR_SUCCESS : SB_EINPUT; /* from here on nobody else can change it */
}

const char *sb_udl_zones_kept_in(const sb_udl_zones_t *z, const char *problem)
{
    return zone_dir(z, z->conf->history, problem ? "failed" : "");
}

/* What was refused when it was to be taken still lies in arrivals; what only a link leads to stays. */
static apr_status_t put_in(const sb_udl_zones_t *z, const char *to)
{
    const char *root = z->conf->arrivals;
    apr_size_t len = strlen(root);
    apr_status_t rv;

    if (strncmp(z->package, root, len) || z->package[len] != '/') {
        return sb_udl_move_file(z->package, to, z->p);
    }
    rv = move_out(root, z->package, to, 1, z->p);
    return rv == SB_EINPUT ? APR_SUCCESS : rv;
}

apr_status_t sb_udl_zones_keep(sb_udl_zones_t *z, const char *problem)
{
    const char *dir = sb_udl_zones_kept_in(z, problem);
    apr_status_t rv;

    if (!exists(z->package)) {
        return APR_SUCCESS; /* an earlier attempt got this far */
    }
    rv = sb_dir_make(dir, DIR_MODE, z->p);
    if (rv == APR_SUCCESS && problem) {
        rv = sb_file_write(apr_pstrcat(z->p, dir, "/reason.txt", NULL),
                           apr_pstrcat(z->p, problem, "\n", NULL), strlen(problem) + 1, 0640, z->p);
    }
    if (rv == APR_SUCCESS) {
        rv = put_in(z, apr_pstrcat(z->p, dir, "/", z->name, NULL));
    }
    return rv;
}

apr_status_t sb_udl_zones_bring_back(sb_udl_zones_t *z)
{
    const char *dir = zone_dir(z, z->conf->work, "arrived"),
               *to = apr_pstrcat(z->p, dir, "/", z->name, NULL);
    const char *kept = zone_dir(z, z->conf->history, "");
    apr_status_t rv;

    if (exists(to)) {
        return APR_SUCCESS;
    }
    rv = sb_dir_make(dir, DIR_MODE, z->p);
    if (rv == APR_SUCCESS) {
        rv = sb_udl_move_file(apr_pstrcat(z->p, kept, "/", z->name, NULL), to, z->p);
    }
    rmdir(kept); /* empty now */
    return rv;
}

apr_status_t sb_udl_zones_repeat(const sb_udl_conf_t *conf, const char *kept, const char *guid,
                                 apr_time_t arrived, apr_pool_t *p)
{
    sb_udl_zones_t z = {.conf = conf, .p = p, .label = make_label(arrived, guid, p)};
    const char *dir = zone_dir(&z, conf->work, "arrived"),
               *to = apr_pstrcat(p, dir, "/", base_name(kept, p), NULL);
    apr_status_t rv = sb_dir_make(dir, DIR_MODE, p);

    if (rv != APR_SUCCESS || exists(to) || !link(kept, to)) {
        return rv;
    }
    return errno == EXDEV || errno == EPERM || errno == EMLINK ? copy_file(kept, to, p) : errno;
}

void sb_udl_zones_clean(sb_udl_zones_t *z)
{
    apr_status_t rv = sb_dir_remove(z->scratch, z->p);

    if (rv != APR_SUCCESS) {
        sb_log(SB_LOG_WARN, SBLOGNO(2210), rv, "removing the work directory %s", z->label);
    }
    rmdir(zone_dir(z, z->conf->work, "decrypted")); /* stays while another attempt is in it */
    rmdir(zone_dir(z, z->conf->work, "arrived"));   /* stays while the package is in it */
}
