/* Changing an ini: what is not meant stays as it is, byte for byte. */
#include "tap.h"
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/sb_conf_edit.h"
#include "core/sb_file.h"

static const char before[] = "# Of Tuesday.\n"
                             "\n"
                             "[app:main]\n"
                             "; the web\n"
                             "edware.db.nc.url=postgresql://w:secret@h/d\n"
                             "edware.db.nc.state_code = NC\n"
                             "mode = prod\n"
                             "mode = test\n"
                             "\n"
                             "[other]\n"
                             "edware.db.nc.url = not ours\n"
                             "\n"
                             "[app]\n"
                             "tenant.nc.senders = AAAA,\n"
                             "    # the second one\n"
                             "    BBBB,\n"
                             "\n"
                             "    CCCC\n"
                             "zones.work = /w\n";

static char path[] = "/tmp/sb-conf-edit-XXXXXX";

static const char *now(apr_pool_t *p)
{
    apr_size_t len;
    char *text;

    return sb_file_read(&text, &len, path, 100000, p) == APR_SUCCESS ? text : "(no file)";
}

static sb_conf_edit_t *edit(apr_pool_t *p)
{
    const char *problem;
    sb_conf_edit_t *e;

    problem = sb_conf_edit_open(&e, path, p);
    if (problem) {
        printf("Bail out! %s\n", problem);
        exit(1);
    }
    return e;
}

static void put(const char *text, apr_pool_t *p)
{
    if (sb_file_write(path, text, strlen(text), 0640, p) != APR_SUCCESS || chmod(path, 0640)) {
        puts("Bail out! no file");
        exit(1);
    }
}

/* Does another process have to wait? */
static int is_locked(void)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        sb_conf_edit_t *e;
        apr_pool_t *p;

        apr_pool_create(&p, NULL);
        alarm(1);
        _exit(sb_conf_edit_open(&e, path, p) ? 2 : 0);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
}

int main(void)
{
    apr_pool_t *p = tap_pool(), *pe;
    const char *problem, *link = "/tmp/sb-conf-edit-link";
    struct stat st, old;
    sb_conf_edit_t *e;
    int fd = mkstemp(path), wrong = 0;

    close(fd);
    put(before, p);
    apr_pool_create(&pe, p);
    e = edit(pe);
    is_str(sb_conf_edit_text(e, p), before, "read and said again");
    is_str(sb_conf_edit_get(e, "app:main", "edware.db.nc.url"), "postgresql://w:secret@h/d",
           "a value");
    is_str(sb_conf_edit_get(e, "app:main", "mode"), "test", "the later one counts");
    is_str(sb_conf_edit_get(e, "app", "tenant.nc.senders"), "AAAA, BBBB, CCCC", "continued lines");
    is_str(sb_conf_edit_get(e, "app", "mode"), NULL, "of another section");
    wrong += sb_conf_edit_set(e, "app:main", "mode", "test", NULL) != NULL;
    ok(!wrong && !sb_conf_edit_is_changed(e), "the same value is no change");
    ok(is_locked(), "one editor at a time");

    wrong += sb_conf_edit_set(e, "app:main", "mode", "dev", NULL) != NULL;
    wrong += sb_conf_edit_set(e, "app:main", "edware.db.ga.url", "postgresql://w:secret@h/d",
                              "edware.db.") != NULL;
    wrong += sb_conf_edit_set(e, "app:main", "edware.db.ga.state_code", "GA", "edware.db.") != NULL;
    wrong += sb_conf_edit_set(e, "app", "tenant.ga.senders", "DDDD", "tenant.") != NULL;
    wrong += sb_conf_edit_set(e, "app", "zones.history", "/h", "nothing.like.it") != NULL;
    ok(!wrong, "values are taken");
    is_str(now(p), before, "nothing is written yet");
    is_str(sb_conf_edit_save(e), NULL, "saved");
    is_str(now(p),
           "# Of Tuesday.\n"
           "\n"
           "[app:main]\n"
           "; the web\n"
           "edware.db.nc.url=postgresql://w:secret@h/d\n"
           "edware.db.nc.state_code = NC\n"
           "edware.db.ga.url = postgresql://w:secret@h/d\n"
           "edware.db.ga.state_code = GA\n"
           "mode = prod\n"
           "mode = dev\n"
           "\n"
           "[other]\n"
           "edware.db.nc.url = not ours\n"
           "\n"
           "[app]\n"
           "tenant.nc.senders = AAAA,\n"
           "    # the second one\n"
           "    BBBB,\n"
           "\n"
           "    CCCC\n"
           "tenant.ga.senders = DDDD\n"
           "zones.work = /w\n"
           "zones.history = /h\n",
           "each key beside its kin, all else as it was");
    ok(!stat(path, &st) && (st.st_mode & 07777) == 0640, "the mode is kept");
    apr_pool_clear(pe);
    ok(!is_locked(), "the lock ends with the pool");

    e = edit(pe);
    ok(sb_conf_edit_remove(e, "app:main", "edware.db.ga.url") &&
           sb_conf_edit_remove(e, "app:main", "edware.db.ga.state_code") &&
           sb_conf_edit_remove(e, "app", "tenant.ga.senders") &&
           sb_conf_edit_remove(e, "app", "zones.history"),
       "keys are taken out");
    ok(!sb_conf_edit_remove(e, "app", "zones.history"), "what is not there is not");
    wrong += sb_conf_edit_set(e, "app:main", "mode", "test", NULL) != NULL;
    is_str(sb_conf_edit_save(e), NULL, "saved");
    is_str(now(p), before, "and the file is what it was");
    wrong += sb_conf_edit_set(e, "app", "tenant.nc.senders", "EEEE", NULL) != NULL;
    is_str(sb_conf_edit_save(e), NULL, "a continued value is replaced");
    ok(strstr(now(p), "tenant.nc.senders = EEEE\n    # the second one\n\nzones.work = /w\n") !=
           NULL,
       "with all its lines, but not with the comment among them");
    apr_pool_clear(pe);

    /* ---- what must not be written ---- */
    put(before, p);
    e = edit(pe);
    ok(!stat(path, &old), "before");
    problem = sb_conf_edit_set(e, "app:main", "mode", "fast", NULL);
    problem = problem ? problem : sb_conf_edit_save(e);
    ok(problem && strstr(problem, "mode = fast: accepted is one of"),
       "what the reader would refuse: %s", problem ? problem : "taken");
    is_str(now(p), before, "leaves the file alone");
    ok(!stat(path, &st) && st.st_ino == old.st_ino, "even its inode");
    ok(access(apr_pstrcat(p, path, ".new", NULL), F_OK) != 0, "and nothing beside it");
    ok(sb_conf_edit_set(e, "app", "zones.work", "/w\nmode = dev", NULL) != NULL &&
           sb_conf_edit_set(e, "app", "zones.work", " /w", NULL) != NULL &&
           sb_conf_edit_set(e, "app", "zones.work", "", NULL) != NULL,
       "a value is one line");
    apr_pool_clear(pe);
    e = edit(pe);
    problem = sb_conf_edit_set(e, "app:main", "edware.db.nc.url", "topsecret", NULL);
    problem = problem ? problem : sb_conf_edit_save(e);
    ok(problem && !strstr(problem, "topsecret"), "no complaint shows a secret");
    apr_pool_clear(pe);

    /* ---- other files ---- */
    put("[app:main]\r\nmode = prod\r\n", p);
    e = edit(pe);
    wrong += sb_conf_edit_set(e, "app:main", "logging.audit", "none", NULL) != NULL;
    wrong += sb_conf_edit_set(e, "app", "zones.work", "/w", NULL) != NULL;
    is_str(sb_conf_edit_save(e), NULL, "saved");
    is_str(now(p),
           "[app:main]\r\nmode = prod\r\nlogging.audit = none\r\n\r\n[app]\r\nzones.work = /w\r\n",
           "line ends are kept, a section is added");
    apr_pool_clear(pe);
    put("[app]\nzones.work = /w", p);
    unlink(link);
    ok(!symlink(path, link) && !sb_conf_edit_open(&e, link, pe) &&
           !sb_conf_edit_set(e, "app", "zones.history", "/h", NULL) && !sb_conf_edit_save(e),
       "by a symbolic link");
    is_str(now(p), "[app]\nzones.work = /w\nzones.history = /h\n",
           "the file behind it is changed; a last line without an end");
    ok(!lstat(link, &st) && S_ISLNK(st.st_mode), "and the link stays one");
    unlink(link);
    unlink(path);
    apr_pool_clear(pe);
    problem = sb_conf_edit_open(&e, path, pe);
    ok(problem && strstr(problem, path), "no file: %s", problem ? problem : "opened");
    is_int(wrong, 0, "no value was refused that is one");
    return done();
}
