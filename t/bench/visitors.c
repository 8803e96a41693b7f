/**
 * Signed-in users of a web site, each a browser: thinks, opens a TLS connection (resuming its session),
 * asks, reads the whole answer, keeps the connection for a while, closes it, thinks again. One thread on
 * epoll, so that ten thousand of them cost as little as possible next to the server they share a machine with.
 *
 *   visitors ADDRESS PORT HOST CA COOKIES REQUESTS USERS THINK-SECS KEEP-SECS WARM-SECS MEASURE-SECS
 *
 * COOKIES holds a line for each user (used in turn): "name=value", then words of his own. REQUESTS holds lines
 * "CLASS SHARE PATH": a user picks a class by the shares of its lines, then one of them, in which "{1}" to "{9}"
 * stand for his words. The time of an answer counts from the moment
 * the user wanted it until its last byte, connecting included. Prints "begin" when measuring begins, then one
 * line of JSON.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define SLOTS 262144 /* of the timer wheel, one millisecond each: longer than anybody thinks */
#define HEAD_MAX 4096
#define GIVE_UP 30.0 /* seconds */
#define SOURCES 250  /* addresses that users come from: no port is scarce */

enum { THINKING, CONNECTING, SENDING, READING, KEEPING };

typedef struct user_t user_t;
struct user_t {
    user_t *next; /* in the same slot of the wheel */
    int state, fd, in_wheel;
    SSL *ssl;
    SSL_SESSION *session;
    const char *cookie, *words[9];
    int class;
    double wanted, due; /* when he wanted the answer; when the timer is up */
    char *head;         /* of the answer, while it is read */
    size_t head_len;
    long left; /* bytes of the body to come; -1: the head is not complete */
    int status, sent;
    char *request;
    size_t request_len;
};

typedef struct {
    char name[24];
    double share;
    char **paths;
    size_t n;
    float *times; /* ms */
    size_t measured;
} class_t;

static class_t classes[8];
static int nclasses;
static user_t *users, *wheel[SLOTS];
static size_t nusers;
static long ticks;
static double think, keep, begin_at = 1e18, end_at = 1e18, started;
static long errors, full, resumed, bytes;
static double held_up; /* seconds that this program waited for a core, in pieces over 20 ms */
static char error_text[200];
static SSL_CTX *ctx;
static int ep;
static struct sockaddr_in server;
static const char *host;
static unsigned long long seed = 88172645463325252ULL;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9 - started;
}

static double chance(void) /* xorshift: the same users each run */
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (double)(seed >> 11) / 9007199254740992.0;
}

static void die(const char *what)
{
    fprintf(stderr, "visitors: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(1);
}

static int measuring(void)
{
    double t = now();

    return t >= begin_at && t < end_at;
}

/* ---- the timer wheel ------------------------------------------------------------------------- */

static void later(user_t *u, double due)
{
    long slot = (long)(due * 1000);

    if (slot <= ticks) {
        slot = ticks + 1;
    }
    u->due = due;
    u->in_wheel = 1;
    u->next = wheel[slot % SLOTS];
    wheel[slot % SLOTS] = u;
}

/* ---- a visit --------------------------------------------------------------------------------- */

static void hang_up(user_t *u)
{
    if (u->ssl) { /* however it ended, its session is good for the next one */
        SSL_set_shutdown(u->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(u->ssl);
        u->ssl = NULL;
    }
    if (u->fd >= 0) {
        close(u->fd);
        u->fd = -1;
    }
}

static void go_thinking(user_t *u)
{
    u->state = THINKING;
    if (!u->in_wheel) { /* 5 to 15 seconds for a mean of ten */
        later(u, now() + think * (0.5 + chance()));
    }
}

static void failed(user_t *u, const char *why)
{
    if (measuring()) {
        errors++;
        if (!error_text[0]) {
            snprintf(error_text, sizeof(error_text), "%s, state %d, status %d", why, u->state,
                     u->status);
        }
    }
    ERR_clear_error();
    hang_up(u);
    free(u->head);
    u->head = NULL;
    go_thinking(u);
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    user_t *u = SSL_get_app_data(ssl);

    if (u->session) {
        SSL_SESSION_free(u->session);
    }
    u->session = session;
    return 1;
}

/* The path with the user's words in it. */
static const char *path_of(const user_t *u, const char *template)
{
    static char path[2000];
    char *o = path;

    for (const char *t = template; *t && o < path + sizeof(path) - 100; t++) {
        if (*t == '{' && t[1] >= '1' && t[1] <= '9' && t[2] == '}' && u->words[t[1] - '1']) {
            o += snprintf(o, 100, "%s", u->words[t[1] - '1']);
            t += 2;
        }
        else {
            *o++ = *t;
        }
    }
    *o = '\0';
    return path;
}

static void read_user(user_t *u, const char *line)
{
    char *copy = strdup(line), *word, *rest = NULL;
    int n = 0;

    u->fd = -1;
    u->cookie = strtok_r(copy, " ", &rest);
    while (n < 9 && (word = strtok_r(NULL, " ", &rest)) != NULL) {
        u->words[n++] = word;
    }
}

static void ask(user_t *u)
{
    double pick = chance() * classes[nclasses - 1].share;
    int c = 0;

    while (c < nclasses - 1 && pick >= classes[c].share) {
        c++;
    }
    u->class = c;
    free(u->request);
    u->request_len = (size_t)asprintf(
        &u->request,
        "GET %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nAccept: application/json\r\n\r\n",
        path_of(u, classes[c].paths[(size_t)(chance() * (double)classes[c].n)]), host, u->cookie);
    u->head = malloc(HEAD_MAX);
    u->head_len = 0;
    u->left = -1;
    u->status = 0;
    u->state = SENDING;
}

static void connect_to(user_t *u)
{
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = u};
    int one = 1;

    u->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (u->fd < 0) {
        die("socket");
    }
    from.sin_addr.s_addr = htonl(0x7f010001U + (unsigned)((size_t)(u - users) % SOURCES));
    setsockopt(u->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    setsockopt(u->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (bind(u->fd, (struct sockaddr *)&from, sizeof(from))) {
        die("bind");
    }
    if (connect(u->fd, (struct sockaddr *)&server, sizeof(server)) && errno != EINPROGRESS) {
        failed(u, strerror(errno));
        return;
    }
    u->ssl = SSL_new(ctx);
    SSL_set_fd(u->ssl, u->fd);
    SSL_set_app_data(u->ssl, u);
    SSL_set_connect_state(u->ssl);
    SSL_set_tlsext_host_name(u->ssl, "localhost");
    if (u->session) { /* the ticket that the last connection brought */
        SSL_set_session(u->ssl, u->session);
    }
    u->state = CONNECTING;
    if (epoll_ctl(ep, EPOLL_CTL_ADD, u->fd, &e)) {
        die("epoll_ctl");
    }
}

static void answered(user_t *u)
{
    class_t *c = &classes[u->class];
    double t = now();

    if (u->status != 200) {
        failed(u, "status");
        return;
    }
    if (u->wanted >= begin_at && t < end_at) {
        c->times[c->measured++] = (float)((t - u->wanted) * 1000);
    }
    free(u->head);
    u->head = NULL;
    u->state = KEEPING;
    later(u, t + keep);
}

/* @return 0 it is none */
static int read_head(user_t *u, const char *data, size_t n)
{
    size_t take = n < HEAD_MAX - 1 - u->head_len ? n : HEAD_MAX - 1 - u->head_len;
    const char *end, *length;

    memcpy(u->head + u->head_len, data, take);
    u->head_len += take;
    u->head[u->head_len] = '\0';
    end = strstr(u->head, "\r\n\r\n");
    if (!end) {
        return u->head_len < HEAD_MAX - 1;
    }
    length = strcasestr(u->head, "\r\nContent-Length:");
    if (!length || length > end) {
        return 0;
    }
    u->status = atoi(u->head + 9);
    u->left =
        atol(length + 17) - (long)(u->head_len - (size_t)(end + 4 - u->head)) - (long)(n - take);
    return 1;
}

/* Do what can be done now. */
static void go_on(user_t *u)
{
    static char buf[65536];
    int n;

    if (!u->ssl) {
        return; /* an event of a connection that is closed meanwhile */
    }
    if (u->state == CONNECTING) {
        n = SSL_do_handshake(u->ssl);
        if (n != 1) {
            n = SSL_get_error(u->ssl, n);
            if (n != SSL_ERROR_WANT_READ && n != SSL_ERROR_WANT_WRITE) {
                failed(u, "handshake");
            }
            return;
        }
        if (measuring()) {
            *(SSL_session_reused(u->ssl) ? &resumed : &full) += 1;
        }
        ask(u);
    }
    if (u->state == SENDING) {
        n = SSL_write(u->ssl, u->request, (int)u->request_len);
        if (n <= 0) {
            n = SSL_get_error(u->ssl, n);
            if (n != SSL_ERROR_WANT_READ && n != SSL_ERROR_WANT_WRITE) {
                failed(u, "sending");
            }
            return;
        }
        u->state = READING;
    }
    while (u->state == READING || u->state == KEEPING) {
        n = SSL_read(u->ssl, buf, sizeof(buf));
        if (n <= 0) {
            n = SSL_get_error(u->ssl, n);
            if (n == SSL_ERROR_WANT_READ) {
                return;
            }
            if (u->state == READING) {
                failed(u, "reading");
            }
            else { /* the server has hung up first; the timer will find nothing to close */
                ERR_clear_error();
                hang_up(u);
            }
            return;
        }
        if (u->state == KEEPING) {
            failed(u, "more than the answer");
            return;
        }
        if (measuring()) {
            bytes += n;
        }
        if (u->left >= 0) {
            u->left -= n;
        }
        else if (!read_head(u, buf, (size_t)n)) {
            failed(u, "no answer of HTTP");
            return;
        }
        if (u->left == 0) {
            answered(u);
        }
        else if (u->left < -1) {
            failed(u, "more than the answer");
            return;
        }
    }
}

static void timer(user_t *u)
{
    u->in_wheel = 0;
    if (u->state == KEEPING) {
        if (u->ssl) {
            SSL_shutdown(u->ssl);
            hang_up(u);
        }
        u->state = THINKING;
        later(u, u->due - keep + think * (0.5 + chance()));
    }
    else if (u->state == THINKING) {
        u->wanted = u->due;
        connect_to(u);
    }
}

static void turn_wheel(void)
{
    long to = (long)(now() * 1000);

    for (; ticks < to; ticks++) {
        user_t *u = wheel[(ticks + 1) % SLOTS], *next;

        wheel[(ticks + 1) % SLOTS] = NULL;
        for (; u; u = next) {
            next = u->next;
            timer(u);
        }
    }
}

static void give_up(void)
{
    static double last;
    double t = now();

    if (t - last < 1) {
        return;
    }
    last = t;
    for (size_t i = 0; i < nusers; i++) {
        if (users[i].state >= CONNECTING && users[i].state <= READING &&
            t - users[i].wanted > GIVE_UP) {
            failed(&users[i], "no answer in time");
        }
    }
}

/* ---- what is read before, and said after ----------------------------------------------------- */

static char **lines_of(const char *path, size_t *pn)
{
    char **lines = NULL, *line = NULL;
    size_t n = 0, size = 0;
    FILE *in = fopen(path, "r");

    if (!in) {
        die(path);
    }
    while (getline(&line, &size, in) > 0) {
        line[strcspn(line, "\n")] = '\0';
        lines = realloc(lines, (n + 1) * sizeof(*lines));
        lines[n++] = strdup(line);
    }
    fclose(in);
    *pn = n;
    return lines;
}

static void read_requests(const char *path)
{
    size_t n;
    char **lines = lines_of(path, &n);

    for (size_t i = 0; i < n; i++) {
        char name[24], what[4000];
        double share;
        class_t *c = classes;

        if (sscanf(lines[i], "%23s %lf %3999s", name, &share, what) != 3) {
            die(lines[i]);
        }
        while (c < classes + nclasses && strcmp(c->name, name)) {
            c++;
        }
        if (c == classes + nclasses) {
            if (++nclasses > 8) {
                die("too many classes");
            }
            strcpy(c->name, name);
        }
        c->share += share;
        c->paths = realloc(c->paths, (c->n + 1) * sizeof(char *));
        c->paths[c->n++] = strdup(what);
    }
    for (int i = 1; i < nclasses; i++) { /* shares become limits */
        classes[i].share += classes[i - 1].share;
    }
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

static void say_times(const char *name, float *times, size_t n)
{
    qsort(times, n, sizeof(*times), by_size);
    printf("\"%s\":{\"n\":%zu,\"p50\":%.2f,\"p95\":%.2f,\"p99\":%.2f,\"max\":%.2f}", name, n,
           n ? times[n / 2] : 0, n ? times[n * 95 / 100] : 0, n ? times[n * 99 / 100] : 0,
           n ? times[n - 1] : 0);
}

static void report(double seconds, double cpu)
{
    float *all;
    size_t n = 0;

    for (int i = 0; i < nclasses; i++) {
        n += classes[i].measured;
    }
    all = malloc((n + 1) * sizeof(*all));
    n = 0;
    for (int i = 0; i < nclasses; i++) {
        memcpy(all + n, classes[i].times, classes[i].measured * sizeof(*all));
        n += classes[i].measured;
    }
    printf("{\"rate\":%.1f,\"errors\":%ld,\"error\":\"%s\",\"full\":%ld,\"resumed\":%ld,"
           "\"mbytes\":%.1f,\"seconds\":%.1f,\"cpu\":%.2f,\"held_up\":%.2f,",
           (double)n / seconds, errors, error_text, full, resumed, (double)bytes / 1e6, seconds,
           cpu, held_up);
    say_times("all", all, n);
    for (int i = 0; i < nclasses; i++) {
        putchar(',');
        say_times(classes[i].name, classes[i].times, classes[i].measured);
    }
    puts("}");
}

static double cpu_seconds(void)
{
    struct rusage r;

    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void make_ctx(const char *ca)
{
    ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx || !SSL_CTX_load_verify_locations(ctx, ca, NULL)) {
        die(ca);
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(ctx, keep_session);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_CTX_set1_groups_list(ctx, "X25519:P-256");
}

int main(int argc, char **argv)
{
    struct epoll_event events[256];
    double warm, measure, cpu = 0;
    size_t ncookies;
    char **cookies;
    int begun = 0;

    if (argc != 12) {
        fputs(
            "usage: visitors ADDRESS PORT HOST CA COOKIES REQUESTS USERS THINK KEEP WARM MEASURE\n",
            stderr);
        return 2;
    }
    started = now();
    server.sin_family = AF_INET;
    server.sin_port = htons((unsigned short)atoi(argv[2]));
    inet_pton(AF_INET, argv[1], &server.sin_addr);
    host = argv[3];
    make_ctx(argv[4]);
    cookies = lines_of(argv[5], &ncookies);
    read_requests(argv[6]);
    nusers = (size_t)atol(argv[7]);
    think = atof(argv[8]);
    keep = atof(argv[9]);
    warm = atof(argv[10]);
    measure = atof(argv[11]);
    ep = epoll_create1(EPOLL_CLOEXEC);
    users = calloc(nusers, sizeof(*users));
    for (int i = 0; i < nclasses; i++) {
        classes[i].times =
            malloc(sizeof(float) * ((size_t)(10 * measure * (double)nusers / think) + 1000));
    }
    for (size_t i = 0; i < nusers; i++) {
        read_user(&users[i], cookies[i % ncookies]);
        later(&users[i],
              chance() * (warm > 3 * think ? warm - 2 * think : think)); /* they come one by one */
    }
    begin_at = warm;
    end_at = warm + measure;
    while (now() < end_at) {
        double before = now(), cpu_before = cpu_seconds(), away;
        int n = epoll_wait(ep, events, 256, 1);

        if (!begun && now() >= begin_at) {
            begun = 1;
            cpu = cpu_seconds();
            puts("begin");
            fflush(stdout);
        }
        for (int i = 0; i < n; i++) {
            go_on(events[i].data.ptr);
        }
        turn_wheel();
        give_up();
        away = now() - before - (cpu_seconds() - cpu_before);
        if (measuring() && away > 0.02) {
            held_up += away;
        }
    }
    report(measure, cpu_seconds() - cpu);
    return 0;
}
