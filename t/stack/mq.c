/* lib/mq against the stack's broker, whose address is SMARTER_AMQP_URL with a virtual host. A relay
 * between us and the broker is cut or frozen to see what a lost connection looks like. */

#include "../unit/tap.h"
#include "../unit/server.h"

#include <poll.h>

#include <apr_strings.h>
#include <openssl/ssl.h>

#include "core/sb_log.h"
#include "core/sb_uuid.h"
#include "mq/sb_mq.h"

#define SECOND apr_time_from_sec(1)

static int last_log;

static void note(void *ctx, sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    (void)ctx, (void)level, (void)rv;
    last_log = number;
    printf("# log %d: %s\n", number, text);
}

/* ---- a relay --------------------------------------------------------------------------------- */

static void pass(int from, int to)
{
    char buf[65536];
    ssize_t n = read(from, buf, sizeof(buf));

    if (n <= 0 || write(to, buf, (size_t)n) != n) {
        _exit(0);
    }
}

static volatile sig_atomic_t told;

static void on_signal(int sig)
{
    told = sig;
}

/* Say what a broker short of memory says, and later that it is well again. Between frames only. */
static void tell(int client)
{
    static const unsigned char blocked[] = {1,  0, 0,  0, 0,   0,   8,   0,
                                            10, 0, 60, 3, 'l', 'o', 'w', 0xce};
    static const unsigned char unblocked[] = {1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 61, 0xce};
    ssize_t n = told == SIGUSR1 ? write(client, blocked, sizeof(blocked))
                                : write(client, unblocked, sizeof(unblocked));

    if (n <= 0) {
        _exit(1);
    }
    told = 0;
}

/* One connection from port to the broker's, until it is killed. */
static pid_t relay_start(int port, int broker)
{
    struct sockaddr_in here = server_address(port), there = server_address(broker);
    int on = 1, lfd = socket(AF_INET, SOCK_STREAM, 0), a, b;
    struct pollfd fds[2];
    pid_t pid;

    setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(lfd, (struct sockaddr *)&here, sizeof(here)) || listen(lfd, 5)) {
        return -1;
    }
    pid = fork();
    if (pid) {
        close(lfd);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, on_signal);
    a = accept(lfd, NULL, NULL);
    b = socket(AF_INET, SOCK_STREAM, 0);
    if (a < 0 || connect(b, (struct sockaddr *)&there, sizeof(there))) {
        _exit(1);
    }
    for (;;) {
        fds[0] = (struct pollfd){.fd = a, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = b, .events = POLLIN};
        poll(fds, 2, 20); /* a signal may come just before: look often */
        if (told) {
            tell(a);
            continue;
        }
        if (fds[0].revents) {
            pass(a, b);
        }
        if (fds[1].revents) {
            pass(b, a);
        }
    }
}

/* What one side of a TLS connection has sent, to the other. @return whether it is still open */
static int pass_tls(SSL *tls, int plain, const struct pollfd fds[2])
{
    char buf[16384];
    int n;

    if (fds[0].revents) {
        do {
            n = SSL_read(tls, buf, sizeof(buf));
            if (n <= 0 || write(plain, buf, (size_t)n) != n) {
                return 0;
            }
        } while (SSL_pending(tls) > 0);
    }
    if (fds[1].revents) {
        n = (int)read(plain, buf, sizeof(buf));
        if (n <= 0 || SSL_write(tls, buf, n) != n) {
            return 0;
        }
    }
    return 1;
}

/* The broker behind TLS, one connection after the other, with the certificate of localhost. */
static pid_t tls_relay_start(int port, int broker, const char *cert, const char *key)
{
    struct sockaddr_in here = server_address(port), there = server_address(broker);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    int lfd = socket(AF_INET, SOCK_STREAM, 0), a, b;
    struct pollfd fds[2];
    pid_t pid;
    SSL *tls;

    if (bind(lfd, (struct sockaddr *)&here, sizeof(here)) || listen(lfd, 5) ||
        SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
        return -1;
    }
    pid = fork();
    if (pid) {
        SSL_CTX_free(ctx);
        close(lfd);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        a = accept(lfd, NULL, NULL);
        b = socket(AF_INET, SOCK_STREAM, 0);
        tls = SSL_new(ctx);
        SSL_set_fd(tls, a);
        if (SSL_accept(tls) == 1 && !connect(b, (struct sockaddr *)&there, sizeof(there))) {
            do {
                fds[0] = (struct pollfd){.fd = a, .events = POLLIN};
                fds[1] = (struct pollfd){.fd = b, .events = POLLIN};
                poll(fds, 2, -1);
            } while (pass_tls(tls, b, fds));
        }
        SSL_free(tls);
        close(a);
        close(b);
    }
}

/* ---- helpers --------------------------------------------------------------------------------- */

static sb_envelope_t envelope(const char *args, apr_pool_t *p)
{
    sb_envelope_t env = {.task = "test", .args = args};
    char *id = apr_palloc(p, SB_UUID_SIZE);

    env.id = sb_uuid_make(id);
    return env;
}

static apr_int64_t depth(sb_mq_t *mq, const char *queue)
{
    apr_int64_t n;

    return sb_mq_depth(&n, NULL, mq, queue) == APR_SUCCESS ? n : -1;
}

/* A quorum queue counts what a lost consumer gave back a moment later. */
static int becomes(sb_mq_t *mq, const char *queue, apr_int64_t want)
{
    int i;

    for (i = 0; i < 50 && depth(mq, queue) != want; i++) {
        apr_sleep(apr_time_from_msec(100));
    }
    return depth(mq, queue) == want;
}

/* ---- the tests ------------------------------------------------------------------------------- */

static void addresses(const char *url, apr_pool_t *p)
{
    int nobody = server_free_port();
    sb_mq_t *mq;

    is_int(sb_mq_open(&mq, "http://localhost", NULL, p), SB_ECONFIG, "no broker's address");
    is_int(sb_mq_open(&mq, NULL, NULL, p), SB_ECONFIG, "none at all");
    is_int(sb_mq_open(&mq, apr_psprintf(p, "amqp://a:b@127.0.0.1:%d/x", nobody), NULL, p),
           SB_EUNAVAILABLE, "nobody listens");
    is_int(last_log, 1400, "which is logged");
    is_int(sb_mq_open(&mq, apr_pstrcat(p, url, "-none", NULL), NULL, p), SB_EDENIED,
           "no such virtual host");
    is_int(
        sb_mq_open(&mq, apr_psprintf(p, "amqp://smarter:wrong@%s", strchr(url, '@') + 1), NULL, p),
        SB_EDENIED, "wrong password");
    is_int(last_log, 1401, "with the broker's words");
}

static void work(const char *url, const char *queue, apr_pool_t *p)
{
    const char *dead = apr_pstrcat(p, queue, ".dead", NULL);
    sb_envelope_t env;
    sb_delivery_t d;
    sb_mq_t *mq, *other;
    int i, good;

    is_int(sb_mq_open(&mq, url, NULL, p), APR_SUCCESS, "open");
    is_int(depth(mq, queue), -1, "the queue is not there yet");
    env = envelope(NULL, p);
    is_int(sb_mq_publish(mq, queue, &env, 5 * SECOND), APR_NOTFOUND, "so nothing can be published");
    is_int(sb_mq_declare(mq, queue), APR_SUCCESS, "declare, on the same connection");
    is_int(sb_mq_declare(mq, queue), APR_SUCCESS, "declare again");
    is_int(sb_mq_publish(mq, queue, &env, 5 * SECOND), APR_SUCCESS, "publish");
    is_int(depth(mq, queue), 1, "it is there");

    is_int(sb_mq_open(&other, url, NULL, p), APR_SUCCESS, "another connection");
    is_int(sb_mq_next(&d, other, 0, p), APR_TIMEUP, "which does not consume yet");
    is_int(sb_mq_consume(other, queue, 2), APR_SUCCESS, "consume");
    is_int(sb_mq_next(&d, other, 5 * SECOND, p), APR_SUCCESS, "a message");
    is_str(d.env.id, env.id, "the same");
    is_str(d.env.task, "test", "its task");
    is_str(d.env.args, "{}", "its arguments");
    ok(!d.problem && !d.redelivered, "for the first time");
    is_int(sb_mq_ack(other, d.tag), APR_SUCCESS, "acknowledge");
    is_int(sb_mq_next(&d, other, apr_time_from_msec(200), p), APR_TIMEUP, "nothing more");

    env = envelope("{\"path\":\"x\"}", p);
    is_int(sb_mq_publish(mq, queue, &env, 5 * SECOND), APR_SUCCESS, "one that nobody can do");
    is_int(sb_mq_next(&d, other, 5 * SECOND, p), APR_SUCCESS, "comes");
    is_str(d.env.args, "{\"path\":\"x\"}", "with arguments");
    is_int(sb_mq_reject(other, d.tag, 1), APR_SUCCESS, "given back");
    is_int(sb_mq_next(&d, other, 5 * SECOND, p), APR_SUCCESS, "comes again");
    ok(d.redelivered, "and says so");
    is_int(sb_mq_reject(other, d.tag, 0), APR_SUCCESS, "refused");
    ok(becomes(mq, dead, 1), "it is a dead letter");
    is_int(sb_mq_next(&d, other, apr_time_from_msec(200), p), APR_TIMEUP, "and not back");

    /* one connection that publishes while deliveries arrive for it */
    is_int(sb_mq_consume(mq, dead, 1), APR_SUCCESS, "consume dead letters while publishing");
    for (i = 0, good = 0; i < 200; i++) {
        env = envelope(NULL, p);
        good += sb_mq_publish(mq, queue, &env, 5 * SECOND) == APR_SUCCESS;
    }
    is_int(good, 200, "200 publishes are confirmed");
    is_int(sb_mq_next(&d, mq, 5 * SECOND, p), APR_SUCCESS, "and the delivery was not lost");
    is_str(d.env.args, "{\"path\":\"x\"}", "the dead letter");
    is_int(sb_mq_ack(mq, d.tag), APR_SUCCESS, "acknowledge it");
    for (i = 0, good = 0; i < 200; i++) {
        good += sb_mq_next(&d, other, 5 * SECOND, p) == APR_SUCCESS && !d.problem &&
                sb_mq_ack(other, d.tag) == APR_SUCCESS;
    }
    is_int(good, 200, "all 200 are received");
    ok(becomes(mq, queue, 0), "and gone");
    sb_mq_close(other);

    env = envelope(apr_psprintf(p, "{\"x\":\"%0*d\"}", 1000000, 7), p);
    is_int(sb_mq_publish(mq, queue, &env, 5 * SECOND), APR_SUCCESS, "a message of a million bytes");
    is_int(sb_mq_open(&other, url, NULL, p), APR_SUCCESS, "opened again");
    is_int(sb_mq_consume(other, queue, 1), APR_SUCCESS, "consume");
    is_int(sb_mq_next(&d, other, 5 * SECOND, p), APR_SUCCESS, "comes in many frames");
    is_str(d.env.args, env.args, "whole");
    sb_mq_close(other);
    ok(becomes(mq, queue, 1), "a consumer that ends without acknowledging gives it back");
    is_int(sb_mq_open(&other, url, NULL, p), APR_SUCCESS, "the next one");
    is_int(sb_mq_consume(other, queue, 1), APR_SUCCESS, "consumes");
    is_int(sb_mq_next(&d, other, 5 * SECOND, p), APR_SUCCESS, "and gets it");
    ok(d.redelivered, "a second time");
    is_int(sb_mq_ack(other, d.tag), APR_SUCCESS, "acknowledge");
    is_int(sb_mq_ack(other, d.tag), APR_SUCCESS, "twice by mistake");
    is_int(sb_mq_next(&d, other, 5 * SECOND, p), SB_EUNAVAILABLE, "ends the channel");
    is_int(sb_mq_ack(other, 99), SB_EUNAVAILABLE, "on which nothing works any more");
    is_int(sb_mq_consume(other, queue, 1), APR_SUCCESS, "until it is opened again");
    sb_mq_close(other);
    sb_mq_close(mq);
}

static void lost(const char *url, int broker, const char *queue, apr_pool_t *p)
{
    int port = server_free_port();
    const char *via = apr_psprintf(p, "%.*s@127.0.0.1:%d%s", (int)(strchr(url, '@') - url), url,
                                   port, strrchr(url, '/'));
    pid_t relay = relay_start(port, broker);
    sb_mq_opts_t opts = {.heartbeat_secs = 1};
    sb_envelope_t env = envelope("{\"n\":1}", p);
    sb_delivery_t d;
    sb_mq_t *mq, *direct;
    apr_time_t t0;

    is_int(sb_mq_open(&direct, url, NULL, p), APR_SUCCESS, "a direct connection");
    ok(relay > 0 && sb_mq_open(&mq, via, NULL, p) == APR_SUCCESS, "and one by a relay");
    is_int(sb_mq_consume(mq, queue, 5), APR_SUCCESS, "consumes");
    is_int(sb_mq_publish(direct, queue, &env, 5 * SECOND), APR_SUCCESS, "a message");
    is_int(sb_mq_next(&d, mq, 5 * SECOND, p), APR_SUCCESS, "is taken");
    server_stop(relay, SIGKILL);
    t0 = apr_time_now();
    is_int(sb_mq_next(&d, mq, 5 * SECOND, p), SB_EUNAVAILABLE, "the connection is cut");
    ok(apr_time_now() - t0 < SECOND, "seen at once");
    is_int(sb_mq_ack(mq, d.tag), SB_EUNAVAILABLE, "no acknowledging");
    is_int(sb_mq_publish(mq, queue, &env, SECOND), SB_EUNAVAILABLE, "no publishing");
    is_int(sb_mq_declare(mq, queue), SB_EUNAVAILABLE, "no declaring");
    sb_mq_close(mq);
    ok(becomes(direct, queue, 1), "the broker gives the message to the next");

    relay = relay_start(port, broker);
    ok(relay > 0 && sb_mq_open(&mq, via, &opts, p) == APR_SUCCESS,
       "a relay again, with heartbeats");
    is_int(sb_mq_declare(mq, queue), APR_SUCCESS, "it works");
    kill(relay, SIGSTOP);
    t0 = apr_time_now();
    is_int(sb_mq_publish(mq, queue, &env, apr_time_from_msec(300)), SB_EUNAVAILABLE,
           "a broker that says nothing: no confirm");
    ok(apr_time_now() - t0 < SECOND, "within the time given");
    is_int(sb_mq_next(&d, mq, 10 * SECOND, p), SB_EUNAVAILABLE, "heartbeats find it dead");
    ok(apr_time_now() - t0 < 6 * SECOND, "long before the time is up");
    server_stop(relay, SIGKILL);
    sb_mq_close(mq);

    is_int(sb_mq_consume(direct, queue, 10), APR_SUCCESS, "clean up");
    while (sb_mq_next(&d, direct, apr_time_from_msec(500), p) == APR_SUCCESS) {
        if (sb_mq_ack(direct, d.tag) != APR_SUCCESS) {
            break;
        }
    }
    sb_mq_close(direct);
}

static void blocked(const char *url, int broker, const char *queue, apr_pool_t *p)
{
    int port = server_free_port();
    const char *via = apr_psprintf(p, "%.*s@127.0.0.1:%d%s", (int)(strchr(url, '@') - url), url,
                                   port, strrchr(url, '/'));
    pid_t relay = relay_start(port, broker);
    sb_envelope_t env = envelope("{\"n\":2}", p);
    sb_delivery_t d;
    sb_mq_t *mq;

    ok(relay > 0 && sb_mq_open(&mq, via, NULL, p) == APR_SUCCESS, "by a relay");
    is_int(sb_mq_consume(mq, queue, 5), APR_SUCCESS, "consume");
    kill(relay, SIGUSR1);
    apr_sleep(apr_time_from_msec(200));
    is_int(sb_mq_publish(mq, queue, &env, 5 * SECOND), SB_EUNAVAILABLE,
           "a blocked broker takes nothing");
    is_int(last_log, 1404, "which is logged");
    is_int(sb_mq_next(&d, mq, apr_time_from_msec(200), p), APR_TIMEUP,
           "and nothing was sent to it");
    kill(relay, SIGUSR2);
    apr_sleep(apr_time_from_msec(200));
    is_int(sb_mq_publish(mq, queue, &env, 5 * SECOND), APR_SUCCESS, "until it is well again");
    is_int(sb_mq_next(&d, mq, 5 * SECOND, p), APR_SUCCESS, "then the message comes");
    is_int(sb_mq_ack(mq, d.tag), APR_SUCCESS, "once");
    sb_mq_close(mq);
    server_stop(relay, SIGKILL);
}

static void encrypted(const char *url, int broker, const char *queue, const char *tls,
                      apr_pool_t *p)
{
    int port = server_free_port();
    const char *user = strstr(url, "://") + 3, *vhost = strrchr(url, '/');
    const char *named = apr_psprintf(p, "amqps://%.*s@localhost:%d%s",
                                     (int)(strchr(user, '@') - user), user, port, vhost);
    const char *numbered = apr_psprintf(p, "amqps://%.*s@127.0.0.1:%d%s",
                                        (int)(strchr(user, '@') - user), user, port, vhost);
    pid_t relay = tls_relay_start(port, broker, apr_pstrcat(p, tls, "/server.pem", NULL),
                                  apr_pstrcat(p, tls, "/server.key", NULL));
    sb_mq_opts_t ours = {.ca_file = apr_pstrcat(p, tls, "/ca.pem", NULL)},
                 other = {.ca_file = apr_pstrcat(p, tls, "/idp.pem", NULL)},
                 none = {.ca_file = "/nonexistent/ca.pem"};
    sb_envelope_t env = envelope(apr_psprintf(p, "{\"x\":\"%0*d\"}", 100000, 7), p);
    sb_delivery_t d;
    sb_mq_t *mq;

    ok(relay > 0, "the broker behind TLS");
    is_int(sb_mq_open(&mq, named, &ours, p), APR_SUCCESS,
           "with the authority that signed its certificate");
    if (mq) {
        is_int(sb_mq_consume(mq, queue, 1), APR_SUCCESS, "consume");
        is_int(sb_mq_publish(mq, queue, &env, 5 * SECOND), APR_SUCCESS, "publish");
        is_int(sb_mq_next(&d, mq, 5 * SECOND, p), APR_SUCCESS, "a message of many records");
        is_str(d.env.args, env.args, "whole");
        is_int(sb_mq_ack(mq, d.tag), APR_SUCCESS, "acknowledge");
        sb_mq_close(mq);
    }
    ok(sb_mq_open(&mq, named, &other, p) != APR_SUCCESS && !mq, "another authority: refused");
    ok(sb_mq_open(&mq, named, NULL, p) != APR_SUCCESS && !mq, "the system's authorities: refused");
    is_int(sb_mq_open(&mq, named, &none, p), SB_ECONFIG, "no such file of authorities");
    ok(sb_mq_open(&mq, numbered, &ours, p) != APR_SUCCESS && !mq,
       "another name than the certificate's");
    ok(sb_mq_open(&mq, apr_psprintf(p, "amqp%s", named + 5), &ours, p) != APR_SUCCESS && !mq,
       "plain text to it");
    server_stop(relay, SIGKILL);
}

/* How long a confirm takes: with a quorum queue each is an fsync. */
static void pace(const char *url, const char *queue, apr_pool_t *p)
{
    sb_envelope_t env = envelope(NULL, p);
    apr_time_t t0 = apr_time_now();
    int i, good = 0;
    sb_mq_t *mq;

    if (sb_mq_open(&mq, url, NULL, p) == APR_SUCCESS) {
        for (i = 0; i < 100; i++) {
            good += sb_mq_publish(mq, queue, &env, 5 * SECOND) == APR_SUCCESS;
        }
        printf("# %.2f ms a confirmed message\n", (double)(apr_time_now() - t0) / 1e3 / 100);
        sb_mq_close(mq);
    }
    is_int(good, 100, "100 confirmed one by one");
}

int main(void)
{
    apr_pool_t *p = tap_pool();
    const char *url = getenv("SMARTER_AMQP_URL"), *tls = getenv("SMARTER_TLS_DIR"), *colon;
    const char *queue;

    if (!url) {
        puts("1..0 # SKIP no broker: SMARTER_AMQP_URL is not set");
        return 0;
    }
    colon = strchr(strchr(url, '@') ? strchr(url, '@') : url, ':');
    if (!colon || !strchr(colon, '/')) {
        puts("Bail out! SMARTER_AMQP_URL: want amqp://user:password@host:port/vhost");
        return EXIT_FAILURE;
    }
    sb_log_set(note, NULL);
    queue = apr_psprintf(p, "test-%d-%ld", (int)getpid(), (long)apr_time_sec(apr_time_now()));
    addresses(url, p);
    work(url, queue, p);
    lost(url, atoi(colon + 1), queue, p);
    blocked(url, atoi(colon + 1), queue, p);
    if (tls) {
        encrypted(url, atoi(colon + 1), queue, tls, p);
    }
    pace(url, queue, p);
    apr_pool_destroy(p);
    return done();
}
