/* Archives, good and hostile, made by tar in a directory of our own. */

#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_file.h"
#include "store/sb_archive.h"
#include "tap.h"

static apr_pool_t *p;
static const char *dir;

static int sh(const char *cmd)
{
    return system(apr_psprintf(p, "cd %s && { %s; } 2>>log", dir, cmd)) == 0;
}

/* Read it all. @param plist "name:size name:size" */
static apr_status_t list(const char **plist, const char **pproblem, const char *file,
                         const sb_archive_limits_t *limits)
{
    sb_archive_t *a;
    const char *name, *data;
    apr_int64_t size, total;
    apr_size_t len;
    apr_status_t rv;

    *plist = "";
    rv = sb_archive_open(&a, apr_psprintf(p, "%s/%s", dir, file), limits, p);
    while (rv == APR_SUCCESS && (rv = sb_archive_next(&name, &size, a)) == APR_SUCCESS) {
        for (total = 0; (rv = sb_archive_read(&data, &len, a)) == APR_SUCCESS;
             total += (apr_int64_t)len) {
        }
        *plist = apr_psprintf(p, "%s%s%s:%d", *plist, **plist ? " " : "", name, (int)total);
        rv = rv == APR_EOF ? APR_SUCCESS : rv;
    }
    *pproblem = sb_archive_problem(a);
    return rv;
}

static void is(const char *file, const char *make, apr_status_t want, const char *names,
               const char *problem)
{
    const char *have, *why;
    apr_status_t rv;

    if (!sh(make)) {
        ok(0, "%s is made", file);
        return;
    }
    rv = list(&have, &why, file, NULL);
    ok(rv == want && (!names || !strcmp(have, names)) &&
           (!problem ? !why : why && strstr(why, problem)),
       "%s: %s", file, problem ? problem : "passes");
    printf("# %s (%s)\n", why ? why : "-", have);
}

int main(void)
{
    char template[] = "/tmp/sbtar-XXXXXX";
    sb_archive_limits_t few = {.max_entries = 1}, small = {.max_bytes = 100000},
                        flat = {.max_ratio = 20};
    const char *have, *why;

    p = tap_pool();
    dir = mkdtemp(template);
    ok(sh("seq 1 20000 >a.csv && echo '{}' >a.json && mkdir d && cp a.csv d/b.csv"), "files");

    is("good.tar.gz", "tar czf good.tar.gz a.csv a.json", APR_EOF, "a.csv:108894 a.json:3", NULL);
    is("pax.tar.gz", "tar --format=pax -czf pax.tar.gz a.csv a.json", APR_EOF,
       "a.csv:108894 a.json:3", NULL);
    is("ustar.tar.gz", "tar --format=ustar -czf ustar.tar.gz a.json", APR_EOF, "a.json:3", NULL);
    is("nested.tar.gz", "tar czf nested.tar.gz d/b.csv ./a.json", APR_EOF, "b.csv:108894 a.json:3",
       NULL);
    is("dir.tar.gz", "tar czf dir.tar.gz d", SB_EINPUT, "", "no regular file");
    is("climb.tar.gz", "tar czf climb.tar.gz --transform 's,^,../,' a.csv", SB_EINPUT, "",
       "climbs");
    is("climb2.tar.gz", "tar czf climb2.tar.gz --transform 's,^,x/../../,' a.csv", SB_EINPUT, "",
       "climbs");
    is("root.tar.gz", "tar czPf root.tar.gz --transform 's,^,/tmp/,' a.csv", SB_EINPUT, "",
       "absolute");
    is("hidden.tar.gz", "tar czf hidden.tar.gz --transform 's,^,.,' a.csv", SB_EINPUT, "",
       "refused");
    is("link.tar.gz", "ln -s /etc/passwd l.csv && tar czf link.tar.gz l.csv", SB_EINPUT, "",
       "no regular file");
    is("hard.tar.gz", "ln a.csv h.csv && tar czf hard.tar.gz a.csv h.csv", SB_EINPUT,
       "a.csv:108894", "no regular file");
    is("fifo.tar.gz", "mkfifo f.csv && tar czf fifo.tar.gz f.csv", SB_EINPUT, "",
       "no regular file");
    is("sparse.tar.gz", "truncate -s 100M s.csv && echo x >>s.csv && tar czSf sparse.tar.gz s.csv",
       SB_EINPUT, "s.csv:0", "sparse");
    is("map.tar.gz",
       "perl -e 'sub head { my ($name, $size, $type) = @_; my $h = pack \"a100 a8 a8 a8 a12 a12 A8 "
       "a1 "
       "x100 a6 a2 x247\", $name, \"0000644\", \"0000000\", \"0000000\", sprintf(\"%011o\", "
       "$size), "
       "\"00000000000\", \"\", $type, \"ustar\", \"00\"; substr($h, 148, 8) = sprintf \"%06o\\0 "
       "\", "
       "unpack \"%32C*\", $h; $h }"
       " my $p = \"22 GNU.sparse.major=1\\n22 GNU.sparse.minor=0\\n25 GNU.sparse.name=m.csv\\n"
       "31 GNU.sparse.realsize=9999999\\n\"; my $n = 9_000_000;"
       " print head(\"x\", length $p, \"x\"), $p, \"\\0\" x (512 - length $p), head(\"m.csv\", 4 * "
       "$n + "
       "8, 0), \"$n\\n\", \"1\\n0\\n\" x $n' | gzip >map.tar.gz",
       SB_ETOOBIG, "", "between two members");
    is("plain.tar", "tar cf plain.tar a.csv", SB_EINPUT, "", "not compressed by gzip");
    is("bz.tar.bz2", "cp a.csv bz.tar.bz2 && bzip2 <a.csv >bz.tar.bz2 || true", SB_EINPUT, "",
       "not a gzipped tar");
    is("text", "echo hello >text", SB_EINPUT, "", "not a gzipped tar");
    is("empty", ": >empty", SB_EINPUT, "", "not a gzipped tar");
    is("notar.gz", "gzip -c a.csv >notar.gz", SB_EINPUT, "", "not a gzipped tar");
    is("cut.tar.gz", "tar cz a.csv | head -c 20000 >cut.tar.gz", SB_EINPUT, NULL,
       "truncated or damaged");
    is("cut2.tar.gz", "tar cz a.csv | head -c 45000 >cut2.tar.gz", SB_EINPUT, NULL,
       "truncated or damaged in member a.csv");
    is("sum.tar.gz", "perl -0777 -pe 'substr($_, -8, 1) ^= \"\\1\"' good.tar.gz >sum.tar.gz",
       SB_EINPUT, NULL, "truncated or damaged");
    is("length.tar.gz", "perl -0777 -pe 'substr($_, -4, 1) ^= \"\\1\"' good.tar.gz >length.tar.gz",
       SB_EINPUT, NULL, "truncated or damaged");
    is("bit.tar.gz",
       "tar c a.csv | gzip -1 >bit.tar.gz && perl -0777 -i -pe 'substr($_, 30000, 1) ^= \"\\4\"' "
       "bit.tar.gz",
       SB_EINPUT, NULL, "truncated or damaged");
    is("no-end.tar.gz", "head -c -8 good.tar.gz >no-end.tar.gz", SB_EINPUT, NULL,
       "truncated or damaged");
    is("two.tar.gz",
       "tar c a.csv a.json >two && (head -c 5000 two | gzip; tail -c +5001 two | gzip) >two.tar.gz",
       APR_EOF, "a.csv:108894 a.json:3", NULL);
    is("behind.tar.gz", "cp good.tar.gz behind.tar.gz && echo more >>behind.tar.gz", APR_EOF,
       "a.csv:108894 a.json:3", NULL);
    is("flood.tar.gz", "(tar c a.json; head -c 20000000 /dev/zero) | gzip >flood.tar.gz",
       SB_ETOOBIG, NULL, "bytes follow the archive");
    is("bomb.tar.gz", "head -c 60000000 /dev/zero >z.csv && tar czf bomb.tar.gz z.csv", SB_ETOOBIG,
       "z.csv:16776704", "250 times");

    is_int(list(&have, &why, "good.tar.gz", &few), SB_ETOOBIG, "too many members");
    is_str(why, "the archive has more than 1 members", "said so");
    is_int(list(&have, &why, "good.tar.gz", &small), SB_ETOOBIG, "too many bytes");
    is_int(list(&have, &why, "bomb.tar.gz", &flat), SB_ETOOBIG, "a sharper ratio");
    is_int(list(&have, &why, "nowhere", NULL), APR_ENOENT, "no such file");
    ok(sb_dir_remove(dir, p) == APR_SUCCESS, "cleaned up");
    return done();
}
