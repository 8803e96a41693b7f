/* The landing zone without accounts: names, keys, what sshd is told, and the watcher's passes over a
 * tree that its own user made: what a sender may leave there, and what a watcher that died may. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tap.h"
#include "core/sb_file.h"
#include "core/sb_log.h"
#include "lz/sb_lz_conf.h"
#include "lz/sb_lz_keys.h"
#include "lz/sb_lz_watch.h"

#define DROP "home/arrivals/nc/ann/file_drop"
#define STAGING "staging/nc/ann"
#define TAKEN "home/.taken/nc/ann"
#define QUARANTINE "home/.quarantine/nc/ann"
#define NUL100_MD5 "6d0bb00954ceb7fbee436bb55a8397a9"
#define HELLO_MD5 "b1946ac92492d2347c6235b4d2611184" /* of "hello\n" */

static apr_pool_t *pool;
static char root[64];
static int warnings;

static void count_log(void *ctx, sb_log_level_t level, int number, apr_status_t rv,
                      const char *text)
{
    (void)ctx;
    (void)number;
    (void)rv;
    (void)text;
    warnings += level >= SB_LOG_WARN;
}

static const char *at(const char *path)
{
    return apr_pstrcat(pool, root, "/", path, NULL);
}

static void put(const char *path, const char *text)
{
    int fd = open(at(path), O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        perror(path);
        exit(1);
    }
    close(fd);
}

static const char *text_of(const char *path)
{
    apr_size_t len;
    char *text;

    return sb_file_read(&text, &len, at(path), 100000, pool) == APR_SUCCESS ? text : NULL;
}

static int there(const char *path)
{
    struct stat st;

    return lstat(at(path), &st) == 0;
}

/* Names in a directory, hidden ones too. */
static int count(const char *path)
{
    DIR *dir = opendir(at(path));
    int n = -2; /* . and .. */

    if (!dir) {
        return 0;
    }
    while (readdir(dir)) {
        n++;
    }
    closedir(dir);
    return n;
}

/* ---- names, keys, sshd ------------------------------------------------------------------------- */

static void names(void)
{
    static const struct {
        const char *name;
        int good;
    } table[] = {
        {"nc", 1},
        {"n", 1},
        {"a_9", 1},
        {"", 0},
        {"9a", 0},
        {"_a", 0},
        {"Nc", 0},
        {"a-b", 0},
        {"a.b", 0},
        {"..", 0},
        {"a/b", 0},
        {"-r", 0},
        {"a b", 0},
        {"a\n", 0},
        {"a;reboot", 0},
        {"\xc3\xa4", 0},
        {"root$", 0},
        {"abcdefghijklmnopqrstuvwxyz012345", 1},
        {"abcdefghijklmnopqrstuvwxyz0123456", 0},
    };
    apr_size_t i;

    for (i = 0; i < sizeof table / sizeof *table; i++) {
        is_int(sb_lz_is_name(table[i].name), table[i].good, "a name");
    }
    is_str(sb_lz_printable("a\nb\x7f\\", pool), "a\\x0ab\\x7f\\x5c",
           "control characters are shown");
    is_str(sb_lz_printable("S\xc3\xb6n", pool), "S\xc3\xb6n", "UTF-8 is left");
    is_str(sb_lz_printable("a\xff", pool), "a\\xff", "other bytes are not");
}

#define ED25519 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPKhPsyvlgJAaDrpvutZw2NkFBGOzEp0UeQUD1gD+5ND"
#define RSA1024                                                                                    \
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQCeDOBfqH+6O6Fpe8JkhUKM55mwESKOSwzZB30bEyNozPU3PHYy"     \
    "nvxex1NC6YPOisc6Px84jUNoV2anVGjdDvDCCjARIi/xs2fsnPalI3SJEggn/HAO25nhdKXkBtDW9ndpRnNKfuAS"     \
    "HkOTuz7Ic+wducxjZY/tYAaaBr9adsrBGQ=="

static void keys(void)
{
    static const struct {
        const char *line, *says; /* NULL: good */
    } table[] = {
        {ED25519, NULL},
        {ED25519 " ann@example.org, her laptop", NULL},
        {"command=\"/bin/sh\" " ED25519, "options"},
        {"from=\"10.0.0.1\" " ED25519, "options"},
        {"restrict " ED25519, "options"},
        {"", "options"},
        {"ssh-dss AAAAB3NzaC1kc3MAAACB", "options"},
        {"ssh-ed25519-cert-v01@openssh.com AAAA", "options"},
        {"ssh-ed25519", "base64"},
        {"ssh-ed25519 !!!!", "base64"},
        {"ssh-ed25519 AAAA", "no key of the type"},
        {"ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIPKhPsyvlgJAaDrpvutZw2NkFBGOzEp0UeQUD1gD+5ND",
         "no key of the type"},
        {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPKhPsyvlgJAaDrpvutZw2NkFBGOzEp0UeQUD1g=", "cut off"},
        {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPKhPsyvlgJAaDrpvutZw2NkFBGOzEp0UeQUD1gD+5NDAAAA",
         "damaged"},
        {RSA1024, "RSA key of 1024 bits"},
        {ED25519 "\rssh-rsa", "control"},
    };
    const char *key, *why;
    apr_array_header_t *list;
    struct stat st;
    apr_size_t i;

    for (i = 0; i < sizeof table / sizeof *table; i++) {
        why = sb_lz_key_judge(&key, table[i].line, pool);
        ok(table[i].says ? why && strstr(why, table[i].says) && !key : !why && key, "key %d: %s",
           (int)i, why ? why : "good");
    }
    why = sb_lz_keys_judge(&list, "# mine\n\n" ED25519 " one\r\n" ED25519, pool);
    ok(!why && list->nelts == 2, "a file of keys");
    is_str(APR_ARRAY_IDX(list, 0, const char *), ED25519, "without the comment");
    why = sb_lz_keys_judge(&list, ED25519 "\ncommand=\"x\" " ED25519, pool);
    ok(why && strstr(why, "line 2"), "the bad line is named: %s", why ? why : "(none)");
    ok(sb_lz_keys_judge(&list, "\n#\n", pool) != NULL, "a file without a key");

    mkdir(at("keys"), 0755);
    APR_ARRAY_PUSH(list, const char *) = ED25519;
    umask(077);
    is_int(sb_lz_keys_add(at("keys"), "ann", list, pool), APR_SUCCESS, "added");
    umask(022);
    ok(stat(at("keys/ann"), &st) == 0 && (st.st_mode & 0777) == 0644,
       "for sshd to read as the user, whatever the umask");
    is_int(sb_lz_keys_add(at("keys"), "ann", list, pool), APR_SUCCESS, "added again");
    is_str(text_of("keys/ann"), "restrict " ED25519 "\n", "there once, and restricted");
    is_int(sb_lz_keys_count(at("keys"), "ann", pool), 1, "counted");
    is_int(sb_lz_keys_remove(at("keys"), "ann", pool), APR_SUCCESS, "removed");
    is_int(sb_lz_keys_remove(at("keys"), "ann", pool), APR_SUCCESS, "and again");
    is_int(sb_lz_keys_count(at("keys"), "ann", pool), 0, "none left");
}

static const sb_lz_conf_t *conf(const char *more)
{
    const sb_lz_conf_t *lz;
    sb_conf_t *c;
    const char *why;

    put("ini", apr_pstrcat(pool, "[app:main]\nsftp.base_dir = ", root, "/home\nsftp.staging_dir = ",
                           root, "/staging\nsftp.user_home_base_dir = ", root,
                           "/home\nsftp.file_stat_watch_period = 0\n", more, NULL));
    why = sb_conf_load(&c, at("ini"), "app:main", pool);
    if (!why) {
        why = sb_lz_conf_read(&lz, c, pool);
    }
    if (why) {
        printf("# %s\n", why);
        return NULL;
    }
    return lz;
}

static void sshd(void)
{
    const char *text, *why = sb_lz_sshd_config(&text, conf("sftp.group = senders\n"), pool);

    ok(!why && strstr(text, "Match Group senders\n    ChrootDirectory %h\n"),
       "the jail is the home");
    why = sb_lz_sshd_config(
        &text, conf("sftp.base_dir = /sftp/opt/x\nsftp.user_home_base_dir = /opt/x/\n"), pool);
    ok(!why && strstr(text, "    ChrootDirectory /sftp%h\n"), "the jail is above the home");
    why = sb_lz_sshd_config(&text, conf("sftp.user_home_base_dir = /opt/x\n"), pool);
    ok(why && strstr(why, "must end with"), "no jail by the home: %s", why ? why : "(none)");
    ok(!conf("sftp.group = a;b\n"), "a group that is no name");
    ok(!conf("sftp.arrivals_dir = ../x\n"), "a zone elsewhere");
    ok(!conf("sftp.arrivals_dir = departures\n"), "one zone twice");
    ok(!conf("sftp.file_move_type = sftp\n"), "push to nobody");
    ok(!conf("sftp.file_move_type = sftp\nsftp.remote.landing_zone_hostname = -oProxyCommand=x\n"),
       "a host that is an option");
}

/* ---- the watcher ------------------------------------------------------------------------------- */

static sb_lz_pass_t look(const sb_lz_conf_t *lz)
{
    const char *what;
    sb_lz_watch_t *w;
    sb_lz_pass_t pass = {0};
    apr_pool_t *p;
    apr_status_t rv;

    apr_pool_create(&p, pool);
    rv = sb_lz_watch_open(&w, &what, lz, NULL, p);
    ok(rv == APR_SUCCESS, "the watcher opens %s", what);
    if (rv == APR_SUCCESS) {
        sb_lz_watch_pass(&pass, w);
    }
    apr_pool_destroy(p);
    return pass;
}

static void release(void)
{
    const sb_lz_conf_t *lz = conf("sftp.quarantine_after = 1h\n"),
                       *slow = conf("sftp.file_stat_watch_period = 1h\n");
    const char *what;
    sb_lz_watch_t *one, *two;
    apr_pool_t *p;
    sb_lz_pass_t pass;
    struct stat before, after;

    /* without a companion: the stability time */
    put(DROP "/a.gpg", "hello\n");
    pass = look(slow);
    ok(pass.waiting == 1 && pass.released == 0 && there(DROP "/a.gpg"),
       "it waits until it is stable");
    stat(at(DROP "/a.gpg"), &before);
    pass = look(lz);
    is_int(pass.released, 1, "and is released");
    is_str(text_of(STAGING "/a.gpg"), "hello\n", "with its content");
    is_str(text_of(STAGING "/a.gpg.done"), HELLO_MD5 " a.gpg\n", "and a companion");
    stat(at(STAGING "/a.gpg"), &after);
    ok(before.st_ino != after.st_ino && before.st_mtime == after.st_mtime, "as a copy");
    ok(count(DROP) == 0 && count(TAKEN) == 0, "nothing is left behind");

    /* its companion says that it is complete */
    put(DROP "/b.gpg", "hello\n");
    put(DROP "/b.gpg.done", HELLO_MD5 "  b.gpg\n");
    is_int(look(slow).released, 1, "a companion makes it complete at once");
    ok(there(STAGING "/b.gpg") && !there(DROP "/b.gpg.done"), "both have gone");
    put(DROP "/c.gpg", "hellx\n");
    put(DROP "/c.gpg.done", HELLO_MD5 "  c.gpg\n");
    warnings = 0;
    ok(look(lz).released == 0 && warnings == 1, "another MD5 holds it back, and is said");
    put(DROP "/c.gpg", "hello\n");
    is_int(look(slow).released, 1, "until it fits");

    /* the same name again */
    put(DROP "/a.gpg", "second\n");
    is_int(look(lz).released, 0, "not over a file that was not fetched");
    is_str(text_of(STAGING "/a.gpg"), "hello\n", "which stays");
    unlink(at(STAGING "/a.gpg"));
    unlink(at(STAGING "/a.gpg.done"));
    is_int(look(lz).released, 1, "after it");
    is_str(text_of(STAGING "/a.gpg"), "second\n", "the second one");

    /* what is nobody's package yet */
    put(DROP "/d.gpg.partial", "x");
    put(DROP "/.e.gpg", "x");
    put(DROP "/f.zip", "x");
    put(DROP "/g.gpg.done", "x");
    pass = look(lz);
    ok(pass.released == 0 && pass.quarantined == 0 && count(DROP) == 4, "others are left alone");
    mkdir(at(DROP "/sub"), 0755);
    put(DROP "/sub/h.gpg", "hello\n");
    put(DROP "/sub/h.gpg.done", HELLO_MD5);
    is_int(look(lz).released, 1, "a directory of the sender's is looked into");
    ok(there(STAGING "/h.gpg") && count(DROP "/sub") == 0, "and not kept");
    put("home/arrivals/nc/ann/stray.gpg", "x");
    put("home/arrivals/stray.gpg", "x");
    warnings = 0;
    ok(look(lz).released == 0 && warnings == 2, "files of nobody stay, and are said");

    /* one at a time */
    apr_pool_create(&p, pool);
    is_int(sb_lz_watch_open(&one, &what, lz, NULL, p), APR_SUCCESS, "one watcher");
    is_int(sb_lz_watch_open(&two, &what, lz, NULL, p), SB_EBUSY, "no second one");
    warnings = 0;
    sb_lz_watch_pass(&pass, one);
    sb_lz_watch_pass(&pass, one);
    is_int(warnings, 2, "what is known is not said again");
    apr_pool_destroy(p);
}

/* As the watcher leaves it when it dies between two steps. */
static void crashes(void)
{
    const sb_lz_conf_t *lz = conf("");

    put(TAKEN "/k1.gpg", "hello\n");
    look(lz);
    is_str(text_of(STAGING "/k1.gpg"), "hello\n", "taken and not copied");

    put(TAKEN "/k2.gpg", "hello\n");
    put(DROP "/k2.gpg.done", HELLO_MD5);
    put(STAGING "/k2.gpg.partial", "hel");
    put(STAGING "/k2.gpg.done.partial", HELLO_MD5);
    look(lz);
    is_str(text_of(STAGING "/k2.gpg"), "hello\n", "copied in part");
    ok(!there(DROP "/k2.gpg.done"), "and its companion taken with it");

    put(STAGING "/k3.gpg.partial", "hello\n");
    put(STAGING "/k3.gpg.done.partial", HELLO_MD5 " k3.gpg\n");
    is_int(look(lz).released, 1, "copied and not named");
    is_str(text_of(STAGING "/k3.gpg.done"), HELLO_MD5 " k3.gpg\n", "with its companion");

    put(STAGING "/k4.gpg.partial", "hello\n");
    put(STAGING "/k4.gpg.done", HELLO_MD5 " k4.gpg\n");
    look(lz);
    is_str(text_of(STAGING "/k4.gpg"), "hello\n", "named by half");

    put(STAGING "/k5.gpg.partial", "first\n");
    put(DROP "/k5.gpg", "second\n");
    look(lz);
    is_str(text_of(STAGING "/k5.gpg"), "first\n", "the next one of a name waits for the last");
    is_str(text_of(DROP "/k5.gpg"), "second\n", "where it is");
    ok(count(TAKEN) == 0, "nothing stays on the way");
}

static void tricks(void)
{
    const sb_lz_conf_t *lz = conf("sftp.quarantine_after = 1s\nsftp.max_file_bytes = 100\n"
                                  "sftp.user_max_files = 15\n");
    char big[200];
    int n;

    unlink(at("home/arrivals/stray.gpg"));
    unlink(at("home/arrivals/nc/ann/stray.gpg"));
    unlink(at(DROP "/k5.gpg"));
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    put("secret", "secret\n");
    if (symlink(at("secret"), at(DROP "/link.gpg")) || mkfifo(at(DROP "/fifo.gpg"), 0644) ||
        link(at("secret"), at(DROP "/hard.gpg")) || mkdir(at(DROP "/dir.gpg"), 0755)) {
        perror("making tricks");
    }
    put(DROP "/line\nfeed.gpg", "x");
    put(DROP "/big.gpg", big);
    put(DROP "/hole.gpg", "");
    put(DROP "/parts.gpg", "x");
    put(DROP "/parts.gpg.done", NUL100_MD5 " parts.gpg\n");
    if (truncate(at(DROP "/hole.gpg"), 100) || truncate(at(DROP "/parts.gpg"), 0) ||
        truncate(at(DROP "/parts.gpg"), 100)) {
        perror("truncate");
    }
    /* d.gpg.partial, .e.gpg, f.zip, g.gpg.done are there since before, and sub */
    is_int(look(lz).released, 0, "none of it is released");
    sleep(2);
    warnings = 0;
    n = look(lz).quarantined;
    is_int(n, 12, "all of it goes to quarantine in time");
    is_int(warnings, 13, "and is reported, and that a companion does not help");
    is_int(count(QUARANTINE), 24, "each with its reason");
    ok(!there(DROP "/link.gpg") && !there(DROP "/hard.gpg") && !there(DROP "/fifo.gpg"),
       "it has gone");
    is_str(text_of("secret"), "secret\n", "what was linked is untouched");
    is_int(count(STAGING), 17, "staging has what was released before, and nothing else");

    /* taken, and turned into something else just before */
    if (symlink(at("secret"), at(TAKEN "/swap.gpg"))) {
        perror("symlink");
    }
    mkdir(at(TAKEN "/dir.gpg"), 0755);
    is_int(look(lz).quarantined, 2, "what was swapped at the last moment is no file either");
    for (n = 0; n < 5; n++) {
        put(apr_psprintf(pool, DROP "/full%d.tmp", n), "x");
    }
    sleep(2);
    look(lz);
    look(lz);
    is_int(count(QUARANTINE), 30, "a quarantine has an end");
}

/* What one user makes fail is no other user's concern. */
static void neighbours(void)
{
    const sb_lz_conf_t *lz = conf("sftp.user_max_files = 1\n"); /* his quarantine is full */
    sb_lz_pass_t pass;
    int i;

    for (i = 0; i < 30; i++) {
        const char *dir = apr_psprintf(pool, TAKEN "/dir%d.gpg", i);

        if (mkdir(at(dir), 0755)) {
            perror(dir);
        }
        put(apr_pstrcat(pool, dir, "/x", NULL), "x"); /* so it cannot be removed either */
    }
    mkdir(at("home/.taken/nc/bob"), 0700);
    put("home/.taken/nc/bob/a.gpg", "hello\n");
    pass = look(lz);
    is_int(pass.failed, 10, "one user fails and fails");
    is_int(pass.released, 1, "the next one is served");
    ok(there("staging/nc/bob/a.gpg"), "with what was his");
}

int main(void)
{
    pool = tap_pool();
    snprintf(root, sizeof root, "/tmp/sb-lz-XXXXXX");
    if (!mkdtemp(root)) {
        perror("mkdtemp");
        return 1;
    }
    sb_log_set(count_log, NULL);
    names();
    keys();
    sshd();
    if (sb_dir_make(at(DROP), 0755, pool) || sb_dir_make(at(TAKEN), 0700, pool) ||
        sb_dir_make(at(STAGING), 0755, pool)) {
        perror(root);
        return 1;
    }
    release();
    crashes();
    tricks();
    neighbours();
    if (sb_dir_remove(root, pool) != APR_SUCCESS) {
        perror(root);
    }
    return done();
}
