/* Decryption and its verdict, with real keys made by gpg in a directory of our own. */

#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_file.h"
#include "store/sb_gpg.h"
#include "tap.h"

static apr_pool_t *p;
static const char *dir;

/* Run a shell command with gpg ready for batch use; @return its exit status was 0 */
static int sh(const char *cmd)
{
    const char *line = apr_psprintf(p,
                                    "cd %s && exec 2>>log && "
                                    "gpg() { command gpg --homedir \"$H\" --batch --yes --quiet "
                                    "--pinentry-mode loopback --trust-model always \"$@\"; } && "
                                    "H=%s/all && %s",
                                    dir, dir, cmd);

    return system(line) == 0;
}

static void make_keys(void)
{
    ok(sh("mkdir -m 700 all loader && "
          "for u in sender stranger unknown; do"
          " gpg --passphrase '' --quick-gen-key $u future-default default never; done && "
          "T='--faked-system-time 20200101T000000!' && "
          "gpg $T --passphrase '' --quick-gen-key expired future-default default seconds=3600 && "
          "gpg $T --passphrase sesame --quick-gen-key loader future-default default never && "
          "gpg --export-secret-keys --passphrase sesame loader >loader.sec && "
          "gpg --export sender stranger expired >known.pub && "
          "for u in sender stranger expired; do gpg --with-colons -k $u | awk -F: '/^fpr/{print "
          "$10; exit}' >$u.fpr; done && "
          "H=$PWD/loader && gpg --passphrase sesame --import loader.sec && gpg --import known.pub"),
       "keys");
}

static void make_messages(void)
{
    ok(sh("seq 1 20000 >plain && "
          "pack() { gpg -z 0 -r loader -e \"$@\" plain; } && "
          "pack -s -u sender -o good.gpg && pack -s -u sender -a -o armoured.gpg && "
          "pack -o unsigned.gpg && pack -s -u stranger -o stranger.gpg && pack -s -u unknown -o "
          "unknown.gpg && "
          "pack -s -u sender -u stranger -o twice.gpg && "
          "pack --faked-system-time 20200101T000100! -s -u expired -o expired.gpg && "
          "gpg -z 0 -r stranger -e -s -u sender -o foreign.gpg plain && "
          "gpg -z 0 -s -u sender -o clear.gpg plain && "
          "gpg -z 0 --passphrase other -c -s -u sender -o phrase.gpg plain && "
          "gpg -z 0 --passphrase other -c -e -r stranger -s -u sender -o both.gpg plain && "
          "gpg -z 9 -r loader -e -s -u sender -o bomb.gpg /dev/fd/3 3<<X\n$(head -c 3000000 "
          "/dev/zero | tr '\\0' x)\nX\n"
          "true"),
       "messages");
    ok(sh("head -c 90000 good.gpg >truncated.gpg && echo 'some text' >text.gpg && : >empty.gpg && "
          "cp good.gpg flipped.gpg && printf '\\377' | dd of=flipped.gpg bs=1 seek=50000 "
          "conv=notrunc && "
          "echo Z | dd of=flipped.gpg bs=1 seek=50001 conv=notrunc"),
       "damage");
}

static const char *const none[] = {NULL};

static apr_status_t try(sb_gpg_result_t *r, const char *file, const char *const *senders,
                        int required, const char *passphrase, apr_int64_t max)
{
    sb_gpg_opts_t opts = {apr_pstrcat(p, dir, "/loader", NULL), passphrase, senders, required, max};
    const char *out = apr_pstrcat(p, dir, "/out", NULL);
    apr_status_t rv;

    unlink(out);
    rv = sb_gpg_decrypt(r, apr_psprintf(p, "%s/%s", dir, file), out, &opts, p);
    if (rv != APR_SUCCESS && !access(out, F_OK)) {
        ok(0, "%s leaves no output behind", file);
    }
    return rv;
}

static void is(const char *file, const char *const *senders, int required, apr_status_t want,
               const char *problem)
{
    sb_gpg_result_t r;
    apr_status_t rv = try(&r, file, senders, required, "sesame", 0);

    ok(rv == want && (!problem || (r.problem && strstr(r.problem, problem))), "%s: %s", file,
       problem ? problem : "passes");
    if (rv != want || problem) {
        printf("# %d (want %d): %s\n", rv, want, r.problem ? r.problem : "-");
    }
}

static const char *line_of(const char *file)
{
    char *text;
    apr_size_t len;

    if (sb_file_read(&text, &len, apr_psprintf(p, "%s/%s", dir, file), 100, p) != APR_SUCCESS) {
        return "?";
    }
    text[strcspn(text, "\n")] = '\0';
    return text;
}

int main(void)
{
    char template[] = "/tmp/sbgpg-XXXXXX";
    const char *senders[3] = {NULL};
    const char *lower[2] = {NULL};
    sb_gpg_result_t r;

    p = tap_pool();
    dir = mkdtemp(template);
    if (!dir || system("command -v gpg >/dev/null")) {
        puts("1..0 # SKIP no gpg here");
        return 0;
    }
    make_keys();
    make_messages();
    senders[0] = line_of("sender.fpr");
    senders[1] = line_of("expired.fpr");

    is_int(try(&r, "good.gpg", senders, 1, "sesame", 0), APR_SUCCESS,
           "a signed package of a known sender");
    is_str(r.fingerprint, senders[0], "names its sender");
    ok(sh("cmp plain out"), "and comes out whole");
    is_int(r.bytes, 108894, "with its size");
    lower[0] = apr_pstrdup(p, senders[0]);
    for (char *c = (char *)(uintptr_t)lower[0]; *c; c++) {
        *c = (char)(*c >= 'A' && *c <= 'F' ? *c + 32 : *c);
    }
    is("good.gpg", lower, 1, APR_SUCCESS, NULL);
    is("armoured.gpg", senders, 1, APR_SUCCESS, NULL);
    is("unsigned.gpg", senders, 0, APR_SUCCESS, NULL);
    is("unsigned.gpg", senders, 1, SB_ESIGNATURE, "not signed");
    is("stranger.gpg", senders, 1, SB_ESIGNATURE, "no sender of this tenant");
    is("stranger.gpg", senders, 0, SB_ESIGNATURE, "no sender of this tenant");
    is("good.gpg", none, 1, SB_ESIGNATURE, "no sender of this tenant");
    is("unknown.gpg", senders, 1, SB_ESIGNATURE, "a key we do not have");
    is("expired.gpg", senders, 1, SB_ESIGNATURE, "has expired");
    is("twice.gpg", senders, 1, SB_ESIGNATURE, "more than one signature");
    is("foreign.gpg", senders, 1, SB_EDENIED, "not encrypted to the loader's key");
    is("phrase.gpg", senders, 1, SB_EDENIED, "encrypted by a passphrase");
    is("both.gpg", senders, 1, SB_EDENIED, "encrypted by a passphrase");
    is("clear.gpg", senders, 1, SB_EINPUT, "not an encrypted");
    is("text.gpg", senders, 1, SB_EINPUT, "not an encrypted");
    is("empty.gpg", senders, 1, SB_EINPUT, "not an encrypted");
    is("truncated.gpg", senders, 1, SB_EINPUT, "truncated or damaged");
    is("flipped.gpg", senders, 1, SB_EINPUT, "truncated or damaged");
    is("nowhere.gpg", senders, 1, APR_ENOENT, "No such file");
    is_int(try(&r, "bomb.gpg", senders, 1, "sesame", 1000000), SB_ETOOBIG,
           "a bomb meets the limit");
    ok(sh("H=$PWD/loader; gpg --pinentry-mode loopback --passphrase x -k >/dev/null;"
          " gpgconf --homedir $PWD/loader --kill gpg-agent"),
       "the agent forgets the passphrase");
    is_int(try(&r, "good.gpg", senders, 1, "wrong", 0), SB_ECONFIG, "a wrong passphrase");
    is_int(try(&r, "good.gpg", senders, 1, NULL, 0), SB_ECONFIG, "no passphrase");
    is_str(r.problem, "the passphrase of the loader's key is missing or wrong",
           "is our fault, not the sender's");
    sh("for h in all loader; do gpgconf --homedir $PWD/$h --kill gpg-agent; done");
    ok(sb_dir_remove(dir, p) == APR_SUCCESS, "cleaned up");
    return done();
}
