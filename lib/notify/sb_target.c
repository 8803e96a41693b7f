/* Whom we may call: see sb_target.h. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <apr_strings.h>
#include <curl/curl.h>

#include "notify/sb_target.h"

#define URL_MAX 2000
#define MAILBOX_MAX 254
#define LOCAL_PART_MAX 64

/* ---- addresses --------------------------------------------------------------------------------- */

/* Nobody's public address; RFC 6890 and its registry. */
static const char *const closed4[] = {
    "0.0.0.0/8",     "10.0.0.0/8",      "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",
    "172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",   "192.88.99.0/24", "192.168.0.0/16",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",    "240.0.0.0/4",
};
/* Of IPv6 only global unicast is public, without what wraps IPv4, documentation and benchmarks. */
static const char open6[] = "2000::/3";
static const char *const closed6[] = {"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"};

static int is_inside(const sb_network_t *net, int family, const unsigned char *bytes)
{
    int whole = net->bits / 8, rest = net->bits % 8;

    return net->family == family && !memcmp(net->bytes, bytes, (size_t)whole) &&
           (!rest || (net->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0);
}

/* @return NULL, or what is wrong */
static const char *parse_network(sb_network_t *net, const char *text)
{
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    char address[INET6_ADDRSTRLEN];
    char *end;
    long bits;
    int max;

    memset(net, 0, sizeof *net);
    if (len >= sizeof address) {
        return "too long for an address";
    }
    memcpy(address, text, len);
    address[len] = '\0';
    net->family = strchr(address, ':') ? AF_INET6 : AF_INET;
    max = net->family == AF_INET6 ? 128 : 32;
    if (inet_pton(net->family, address, net->bytes) != 1) {
        return "no IPv4 or IPv6 address";
    }
    bits = slash ? strtol(slash + 1, &end, 10) : max;
    if (slash && (end == slash + 1 || *end || bits < 0 || bits > max)) {
        return "its length in bits is wrong";
    }
    net->bits = (int)bits;
    return NULL;
}

const char *sb_network_parse(sb_network_t *net, const char *text, apr_pool_t *p)
{
    const char *problem = parse_network(net, text);

    return problem ? apr_psprintf(p, "'%s': %s; try 10.1.0.0/16", text, problem) : NULL;
}

static int is_inside_any(const char *const *list, size_t n, int family, const unsigned char *bytes)
{
    sb_network_t net;
    size_t i;

    for (i = 0; i < n; i++) {
        if (!parse_network(&net, list[i]) && is_inside(&net, family, bytes)) {
            return 1;
        }
    }
    return 0;
}

static int is_public(int family, const unsigned char *bytes)
{
    static const char *const open[] = {open6};

    if (family == AF_INET) {
        return !is_inside_any(closed4, sizeof closed4 / sizeof *closed4, family, bytes);
    }
    return is_inside_any(open, 1, family, bytes) &&
           !is_inside_any(closed6, sizeof closed6 / sizeof *closed6, family, bytes);
}

int sb_target_address(const sb_target_rules_t *rules, const struct sockaddr *address)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    const unsigned char *bytes;
    int family = address->sa_family, i;

    if (family == AF_INET) {
        bytes = (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;
    }
    else if (family == AF_INET6) {
        bytes = ((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr;
        if (!memcmp(bytes, mapped, sizeof mapped)) {
            family = AF_INET;
            bytes += sizeof mapped;
        }
    }
    else {
        return 0;
    }
    for (i = 0; rules->networks && i < rules->networks->nelts; i++) {
        if (is_inside(&APR_ARRAY_IDX(rules->networks, i, sb_network_t), family, bytes)) {
            return 1;
        }
    }
    return is_public(family, bytes);
}

/* ---- names ------------------------------------------------------------------------------------- */

/* Is name the entry, or, for ".suffix", does it end so? */
static int name_matches(const char *entry, size_t len, const char *name)
{
    size_t have = strlen(name);

    if (*entry == '.') {
        return have > len && !strncasecmp(name + have - len, entry, len);
    }
    return have == len && !strncasecmp(name, entry, len);
}

static int host_matches(const char *entry, const char *host, int port, int dflt)
{
    const char *colon = strchr(entry, ':');
    size_t len = colon ? (size_t)(colon - entry) : strlen(entry);

    return name_matches(entry, len, host) && port == (colon ? atoi(colon + 1) : dflt);
}

static int host_is_listed(const sb_target_rules_t *rules, const char *host, int port, int dflt)
{
    int i;

    for (i = 0; rules->hosts && i < rules->hosts->nelts; i++) {
        if (host_matches(APR_ARRAY_IDX(rules->hosts, i, const char *), host, port, dflt)) {
            return 1;
        }
    }
    return 0;
}

static const char *part(CURLU *u, CURLUPart what, unsigned int flags, apr_pool_t *p)
{
    char *text = NULL;
    const char *copy = NULL;

    if (curl_url_get(u, what, &text, flags) == CURLUE_OK) {
        copy = apr_pstrdup(p, text);
    }
    curl_free(text);
    return copy;
}

/* libcurl reads it as it will when it calls it: 0x7f.1 is 127.0.0.1 for both. */
static const char *judge_url(sb_target_t *target, const sb_target_rules_t *rules, CURLU *u,
                             const char *url, apr_pool_t *p)
{
    const char *scheme, *host, *port;

    if (curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) != CURLUE_OK) {
        return "not called: it is no web address, or has a user name in it";
    }
    scheme = part(u, CURLUPART_SCHEME, 0, p);
    host = part(u, CURLUPART_HOST, 0, p);
    port = part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, p);
    target->url = part(u, CURLUPART_URL, 0, p);
    if (!scheme || !host || !port || !target->url ||
        (strcmp(scheme, "https") && strcmp(scheme, "http"))) {
        return "not called: it is no https address";
    }
    if (!strcmp(scheme, "http") && !rules->http) {
        return "not called: it is not https, and notification.http does not allow that";
    }
    target->host = host;
    target->port = atoi(port);
    if (!rules->hosts || !rules->hosts->nelts) {
        return "not called: notification.hosts names no host";
    }
    return host_is_listed(rules, host, target->port, strcmp(scheme, "http") ? 443 : 80)
               ? NULL
               : "not called: its host and port are not in notification.hosts";
}

const char *sb_target_url(sb_target_t *target, const sb_target_rules_t *rules, const char *url,
                          apr_pool_t *p)
{
    const char *c, *problem;
    CURLU *u;

    memset(target, 0, sizeof *target);
    if (strlen(url) > URL_MAX) {
        return "not called: it is too long";
    }
    for (c = url; *c; c++) {
        if (*c <= ' ' || *c > '~') {
            return "not called: it has characters that belong in no address";
        }
    }
    u = curl_url();
    if (!u) {
        return "not called: out of memory";
    }
    problem = judge_url(target, rules, u, url, p);
    curl_url_cleanup(u);
    return problem;
}

/* ---- mailboxes --------------------------------------------------------------------------------- */

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* Words with single dots between them. */
static int is_dotted(const char *text, size_t len, const char *allowed)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (text[i] == '.' ? i == 0 || i == len - 1 || text[i - 1] == '.'
                           : !strchr(allowed, text[i])) {
            return 0;
        }
    }
    return len > 0;
}

const char *sb_target_mailbox(const char *text, const apr_array_header_t *domains)
{
    const char *at = strchr(text, '@');
    int i;

    if (!at || strlen(text) > MAILBOX_MAX || at - text > LOCAL_PART_MAX ||
        !is_dotted(text, (size_t)(at - text), LETTERS DIGITS "!#$%&'*+/=?^_`{|}~-") ||
        *text == '-' || !is_dotted(at + 1, strlen(at + 1), LETTERS DIGITS "-") || at[1] == '-') {
        return "not sent: it is no single mailbox";
    }
    for (i = 0; domains && i < domains->nelts; i++) {
        const char *entry = APR_ARRAY_IDX(domains, i, const char *);

        if (name_matches(entry, strlen(entry), at + 1)) {
            return NULL;
        }
    }
    return domains && domains->nelts ? "not sent: its domain is not in notification.mail_domains"
                                     : NULL;
}
