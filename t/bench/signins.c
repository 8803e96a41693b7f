/**
 * Sign-ins by the thousand, for benchmarks and for what watches memory and threads: answers of the stack's
 * identity provider made in advance, each for a request of its own and used once.
 *
 *   signins make INI KEY CERT COUNT [N] >FILE     a line each: RelayState, id of the browser, SAMLResponse, id of
 *                                                 the assertion. Each Nth assertion is encrypted
 *   signins lasso INI FILE THREADS            nothing but Lasso: how fast it takes them
 *   signins post ADDRESS:PORT CA COOKIE THREADS <FILE    how fast the server signs in who sends them
 *
 * KEY and CERT are the identity provider's. COOKIE is the name of the cookie that marks a browser. Both of the
 * latter print "COUNT SECONDS", and fail if one answer is not accepted. Answer and assertion are both signed, as
 * SimpleSAMLphp does it, and written in canonical form, so that making them needs no XML library.
 */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <apr_time.h>
#include <lasso/lasso.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include "auth/sb_relay.h"
#include "auth/sb_saml.h"
#include "core/sb_conf.h"
#include "core/sb_crypto.h"
#include "../saml/seal.h"

#define EXC_C14N "http://www.w3.org/2001/10/xml-exc-c14n#"
#define DSIG "http://www.w3.org/2000/09/xmldsig#"
#define LINE_MAX_BYTES 65536

__attribute__((noreturn)) static void die(const char *what)
{
    fprintf(stderr, "signins: %s\n", what);
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const sb_saml_config_t *read_config(const sb_conf_t **pconf, const char *ini, apr_pool_t *p)
{
    sb_saml_config_t *saml;
    sb_conf_t *conf = NULL;
    const char *bad = sb_conf_load(&conf, ini, "app:main", p);

    bad = bad ? bad : sb_saml_config_load(&saml, conf, p);
    if (bad) {
        die(bad);
    }
    *pconf = conf;
    return saml;
}

/* ---- making answers ----------------------------------------------------------------------------- */

typedef struct {
    EVP_PKEY *key;
    const char *x509; /* base64 of the certificate */
} signer_t;

static signer_t read_signer(const char *key, const char *cert, apr_pool_t *p)
{
    unsigned char *der = NULL;
    signer_t s = {0};
    FILE *in = fopen(key, "r");
    X509 *x;
    int len;

    s.key = in ? PEM_read_PrivateKey(in, NULL, NULL, NULL) : NULL;
    in = fopen(cert, "r");
    x = in ? PEM_read_X509(in, NULL, NULL, NULL) : NULL;
    len = x ? i2d_X509(x, &der) : 0;
    if (!s.key || len <= 0) {
        die("no key or certificate of the identity provider");
    }
    s.x509 = sb_base64_encode(der, (apr_size_t)len, p);
    return s;
}

/* An enveloped signature of an element's canonical text, to stand behind its Issuer. */
static const char *signature_of(const signer_t *s, const char *id, const char *text, apr_pool_t *p)
{
    unsigned char digest[EVP_MAX_MD_SIZE], value[1024];
    size_t value_len = sizeof(value);
    unsigned int len;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const char *rest, *info;

    EVP_Digest(text, strlen(text), digest, &len, EVP_sha256(), NULL);
    rest = apr_psprintf(
        p,
        "<ds:CanonicalizationMethod Algorithm=\"" EXC_C14N "\"></ds:CanonicalizationMethod>"
        "<ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\">"
        "</ds:SignatureMethod><ds:Reference URI=\"#%s\"><ds:Transforms>"
        "<ds:Transform Algorithm=\"" DSIG "enveloped-signature\"></ds:Transform>"
        "<ds:Transform Algorithm=\"" EXC_C14N "\"></ds:Transform></ds:Transforms>"
        "<ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>"
        "<ds:DigestValue>%s</ds:DigestValue></ds:Reference></ds:SignedInfo>",
        id, sb_base64_encode(digest, len, p));
    info = apr_pstrcat(p, "<ds:SignedInfo xmlns:ds=\"" DSIG "\">", rest, NULL);
    if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, s->key) != 1 ||
        EVP_DigestSign(ctx, value, &value_len, (const unsigned char *)info, strlen(info)) != 1) {
        die("signing");
    }
    EVP_MD_CTX_free(ctx);
    return apr_pstrcat(p, "<ds:Signature xmlns:ds=\"" DSIG "\"><ds:SignedInfo>", rest,
                       "<ds:SignatureValue>", sb_base64_encode(value, value_len, p),
                       "</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>", s->x509,
                       "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>", NULL);
}

/* head + issuer + tail is the canonical text. */
static const char *sign_it(const signer_t *s, const char *id, const char *head, const char *tail,
                           apr_pool_t *p)
{
    const char *text = apr_pstrcat(p, head, tail, NULL);

    return apr_pstrcat(p, head, signature_of(s, id, text, p), tail, NULL);
}

static const char *stamp(int offset, apr_pool_t *p)
{
    apr_time_exp_t t;

    apr_time_exp_gmt(&t, apr_time_now() + apr_time_from_sec(offset));
    return apr_psprintf(p, "%04d-%02d-%02dT%02d:%02d:%02dZ", t.tm_year + 1900, t.tm_mon + 1,
                        t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
}

static const char *attribute(const char *name, const char *value, apr_pool_t *p)
{
    return apr_pstrcat(p, "<saml:Attribute Name=\"", name, "\"><saml:AttributeValue>", value,
                       "</saml:AttributeValue></saml:Attribute>", NULL);
}

static const char *assertion(const signer_t *s, const sb_saml_config_t *c, const char *id,
                             const char *request, int n, apr_pool_t *p)
{
    const char *end = stamp(3000, p), *start = stamp(-5, p), *uid = apr_psprintf(p, "bench%d", n);
    const char *head =
        apr_psprintf(p,
                     "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\""
                     " ID=\"%s\" IssueInstant=\"%s\" Version=\"2.0\"><saml:Issuer>%s</saml:Issuer>",
                     id, start, c->idp_id);
    const char *tail = apr_psprintf(
        p,
        "<saml:Subject><saml:NameID Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:transient\">"
        "_n%s</saml:NameID><saml:SubjectConfirmation"
        " Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData"
        " InResponseTo=\"%s\" NotOnOrAfter=\"%s\" Recipient=\"%s\"></saml:SubjectConfirmationData>"
        "</saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore=\"%s\""
        " NotOnOrAfter=\"%s\"><saml:AudienceRestriction><saml:Audience>%s</saml:Audience>"
        "</saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant=\"%s\""
        " SessionIndex=\"_s%s\" SessionNotOnOrAfter=\"%s\"><saml:AuthnContext>"
        "<saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
        "</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>"
        "<saml:AttributeStatement>%s%s%s%s%s%s%s%s</saml:AttributeStatement></saml:Assertion>",
        id, request, end, c->acs_url, start, end, c->issuer, start, id, end,
        attribute("uid", uid, p), attribute("guid", uid, p), attribute("firstName", "Uma", p),
        attribute("lastName", "User", p), attribute("fullName", "Uma User", p),
        attribute("mail", "uma@example.org", p),
        attribute("memberOf", "||GENERAL||||||nc|NC|||||||||", p),
        attribute("memberOf", "||PII||||||nc|NC|||D001||||S0001||", p));

    return sign_it(s, id, head, tail, p);
}

/* @param to NULL: not encrypted */
static const char *sealed(const char *text, EVP_PKEY *to, apr_pool_t *p)
{
    static const seal_t as_usual;
    char *made;

    if (!to) {
        return text;
    }
    made = seal(text, strlen(text), to, &as_usual);
    if (!made) {
        die("encrypting");
    }
    text = apr_pstrdup(p, made);
    free(made);
    return text;
}

static const char *response(const signer_t *s, const sb_saml_config_t *c, const char *said,
                            EVP_PKEY *to, const char *request, apr_pool_t *p)
{
    const char *id = apr_pstrcat(p, "_", sb_random_hex(20, p), NULL);
    /* The canonical form declares a prefix where it is first seen: at Issuer, Assertion. */
    const char *head = apr_psprintf(
        p,
        "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" Destination=\"%s\""
        " ID=\"%s\" InResponseTo=\"%s\" IssueInstant=\"%s\" Version=\"2.0\">"
        "<saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">%s</saml:Issuer>",
        c->acs_url, id, request, stamp(-5, p), c->idp_id);
    const char *tail = apr_pstrcat(
        p,
        "<samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\">"
        "</samlp:StatusCode></samlp:Status>",
        sealed(said, to, p), "</samlp:Response>", NULL);

    return sign_it(s, id, head, tail, p);
}

static EVP_PKEY *key_of(const sb_saml_config_t *c)
{
    BIO *in = BIO_new_mem_buf(c->sp_key, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);

    BIO_free(in);
    if (!key) {
        die("no key of the service provider");
    }
    return key;
}

static int make(const char *const *argv)
{
    const char *secrets[2] = {NULL, NULL};
    int each = argv[4] ? atoi(argv[4]) : 0;
    EVP_PKEY *ours;
    const sb_saml_config_t *saml;
    const sb_conf_t *conf;
    sb_keyring_t *ring;
    sb_cache_t *cache;
    apr_pool_t *p, *one;
    signer_t signer;

    apr_pool_create(&p, NULL);
    apr_pool_create(&one, p);
    saml = read_config(&conf, argv[0], p);
    signer = read_signer(argv[1], argv[2], p);
    ours = each ? key_of(saml) : NULL;
    secrets[0] = sb_conf_str(conf, "auth.session.secret");
    if (sb_cache_make(&cache, sb_conf_str(conf, "cache.session.url"), 1, p) != APR_SUCCESS ||
        sb_keyring_make(&ring, secrets, SB_RELAY_KEYS, p) != APR_SUCCESS) {
        die("no cache or no key");
    }
    for (int i = 0; i < atoi(argv[3]); i++) {
        const char *key = sb_relay_random(one), *browser = sb_relay_random(one), *text;
        const char *id = apr_pstrcat(one, "_", sb_random_hex(20, one), NULL);
        sb_relay_t relay = {.kind = SB_RELAY_SIGN_IN,
                            .request_id = apr_pstrcat(one, "_", sb_random_hex(20, one), NULL),
                            .target = "/"};

        if (sb_relay_put(cache, ring, key, browser, &relay, one) != APR_SUCCESS) {
            die("the cache does not answer");
        }
        text = assertion(&signer, saml, id, relay.request_id, i, one);
        text = response(&signer, saml, text, each && i % each == 0 ? ours : NULL, relay.request_id,
                        one);
        printf("%s %s %s %s\n", key, browser, sb_base64_encode(text, strlen(text), one), id);
        apr_pool_clear(one);
    }
    EVP_PKEY_free(ours);
    return 0;
}

/* ---- taking them -------------------------------------------------------------------------------- */

typedef struct {
    char *key, *browser, *answer;
} line_t;

static line_t *lines;
static int nlines;
static int next_line; /* atomic */
static int accepted;  /* atomic */

static void read_lines(FILE *in)
{
    static char text[LINE_MAX_BYTES];

    lines = calloc(1000000, sizeof(*lines));
    while (in && lines && fgets(text, sizeof(text), in)) {
        line_t *l = &lines[nlines++];

        l->key = strdup(strtok(text, " \n"));
        l->browser = strdup(strtok(NULL, " \n"));
        l->answer = strdup(strtok(NULL, " \n"));
    }
    if (!nlines) {
        die("no answers");
    }
}

static const line_t *take_line(void)
{
    int i = __atomic_fetch_add(&next_line, 1, __ATOMIC_RELAXED);

    return i < nlines ? &lines[i] : NULL;
}

static void race(int threads, void *(*run)(void *), void *arg)
{
    pthread_t all[256];
    double start = now();

    for (int i = 0; i < threads; i++) {
        if (pthread_create(&all[i], NULL, run, arg)) {
            die("no thread");
        }
    }
    for (int i = 0; i < threads; i++) {
        pthread_join(all[i], NULL);
    }
    printf("%d %.6f\n", accepted, now() - start);
    if (accepted != nlines) {
        die("not all were accepted");
    }
}

static void *lasso_run(void *server)
{
    const line_t *l;

    while ((l = take_line())) {
        LassoLogin *login = lasso_login_new(server);

        if (lasso_login_process_authn_response_msg(login, l->answer) == 0 &&
            lasso_login_accept_sso(login) == 0) {
            __atomic_fetch_add(&accepted, 1, __ATOMIC_RELAXED);
        }
        lasso_login_destroy(login);
    }
    return NULL;
}

static int by_lasso(const char *const *argv)
{
    const sb_saml_config_t *c;
    const sb_conf_t *conf;
    LassoServer *server;
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    c = read_config(&conf, argv[0], p);
    read_lines(fopen(argv[1], "r"));
    if (lasso_init() != 0) {
        die("no Lasso");
    }
    server = lasso_server_new_from_buffers(c->sp_metadata, c->sp_key, NULL, NULL);
    if (!server || lasso_server_add_provider_from_buffer(server, LASSO_PROVIDER_ROLE_IDP,
                                                         c->idp_metadata, NULL, NULL) != 0) {
        die("Lasso does not take the metadata");
    }
    race(atoi(argv[2]), lasso_run, server);
    return 0;
}

/* ---- sending them ------------------------------------------------------------------------------- */

typedef struct {
    const char *host, *port, *cookie;
    SSL_CTX *tls;
} target_t;

static SSL *connect_to(const target_t *t)
{
    struct addrinfo *to, hints = {.ai_socktype = SOCK_STREAM};
    int fd = -1;
    SSL *ssl;

    if (getaddrinfo(t->host, t->port, &hints, &to) == 0) {
        fd = socket(to->ai_family, SOCK_STREAM, 0);
        if (connect(fd, to->ai_addr, to->ai_addrlen) != 0) {
            die("cannot connect");
        }
        freeaddrinfo(to);
    }
    ssl = SSL_new(t->tls);
    SSL_set_fd(ssl, fd);
    SSL_set_tlsext_host_name(ssl, "localhost");
    if (SSL_set1_host(ssl, "localhost") != 1 || SSL_connect(ssl) != 1) {
        die("no TLS");
    }
    return ssl;
}

/* Base64 and hexadecimal digits only: '+', '/' and '=' are what a form must escape. */
static char *escape(char *to, const char *text)
{
    for (; *text; text++) {
        if (strchr("+/=", *text)) {
            to += sprintf(to, "%%%02X", *text);
        }
        else {
            *to++ = *text;
        }
    }
    *to = '\0';
    return to;
}

/* The answer has a Content-Length of 0. @return was it a new session? */
static int read_answer(SSL *ssl)
{
    char in[8192];
    int n, len = 0;

    while (len < (int)sizeof(in) - 1 &&
           (n = SSL_read(ssl, in + len, (int)sizeof(in) - 1 - len)) > 0) {
        len += n;
        in[len] = '\0';
        if (strstr(in, "\r\n\r\n")) {
            return !strncmp(in, "HTTP/1.1 303 ", 13) && strstr(in, "Set-Cookie: __Host-smarter");
        }
    }
    return 0;
}

static void *post_run(void *arg)
{
    const target_t *t = arg;
    char *body = malloc(4 * LINE_MAX_BYTES), *request = malloc(4 * LINE_MAX_BYTES);
    SSL *ssl = connect_to(t);
    const line_t *l;

    for (int n = 1; (l = take_line()); n++) {
        char *end = escape(body + sprintf(body, "RelayState=%s&SAMLResponse=", l->key), l->answer);
        int len = sprintf(request,
                          "POST /saml_post HTTP/1.1\r\nHost: localhost:%s\r\n"
                          "Content-Type: application/x-www-form-urlencoded\r\n"
                          "Cookie: %s=%s\r\nContent-Length: %d\r\n\r\n%s",
                          t->port, t->cookie, l->browser, (int)(end - body), body);

        if (SSL_write(ssl, request, len) != len || !read_answer(ssl)) {
            break;
        }
        __atomic_fetch_add(&accepted, 1, __ATOMIC_RELAXED);
        if (n % 500 == 0) { /* before httpd's MaxKeepAliveRequests does */
            SSL_shutdown(ssl);
            ssl = connect_to(t);
        }
    }
    SSL_shutdown(ssl);
    free(body);
    free(request);
    return NULL;
}

static int by_posting(const char *const *argv)
{
    char *peer = strdup(argv[0]), *colon = strrchr(peer, ':');
    target_t t = {.host = peer, .port = colon ? colon + 1 : "443", .cookie = argv[2]};

    if (colon) {
        *colon = '\0';
    }
    t.tls = SSL_CTX_new(TLS_client_method());
    if (SSL_CTX_load_verify_locations(t.tls, argv[1], NULL) != 1) {
        die("no certificates to trust");
    }
    SSL_CTX_set_verify(t.tls, SSL_VERIFY_PEER, NULL);
    read_lines(stdin);
    race(atoi(argv[3]), post_run, &t);
    return 0;
}

int main(int argc, const char *const *argv)
{
    static const struct {
        const char *name;
        int args, more; /* those that may be left out */
        int (*run)(const char *const *argv);
    } commands[] = {{"make", 4, 1, make}, {"lasso", 3, 0, by_lasso}, {"post", 4, 0, by_posting}};

    apr_initialize();
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++) {
        int left = argc - 2 - commands[i].args;

        if (!strcmp(argv[1], commands[i].name) && left >= 0 && left <= commands[i].more) {
            return commands[i].run(argv + 2);
        }
    }
    fputs("usage: signins make INI KEY CERT COUNT [N] | lasso INI FILE THREADS |"
          " post HOST:PORT CA COOKIE THREADS\n",
          stderr);
    return 2;
}
