/* Whom we may call: addresses, hosts, mailboxes. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include "tap.h"
#include "notify/sb_target.h"
#include "notify/sb_transfer.h"

static int judge(const sb_target_rules_t *rules, const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        return sb_target_address(rules, (const void *)&v4);
    }
    return inet_pton(AF_INET6, text, &v6.sin6_addr) == 1
               ? sb_target_address(rules, (const void *)&v6)
               : -1;
}

static void addresses(apr_pool_t *p)
{
    static const char *const closed[] = {
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:10.1.2.3",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "fe80::1",
        "fc00::1",
        "fd12:3456::1",
        "fec0::1",
        "ff02::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "100::1",
        "5f00::1",
    };
    static const char *const open[] = {
        "8.8.8.8",         "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.1",       "172.15.0.1",     "172.32.0.1",  "192.167.255.255",
        "223.255.255.254", "::ffff:8.8.8.8", "2600::1",     "2a00:1450:4001::1",
    };
    static const struct {
        const char *text;
        int good;
    } networks[] = {
        {"10.1.0.0/16", 1}, {"::1", 1},       {"fd00::/8", 1},    {"127.0.0.1", 1},
        {"10.1.0.0/33", 0}, {"10.1", 0},      {"10.1.0.0/", 0},   {"10.1.0.0/x", 0},
        {"::/129", 0},      {"", 0},          {"localhost", 0},   {"10.0.0.0/-1", 0},
        {"0x7f.0.0.1", 0},  {"fd00::/8 ", 0}, {"1.2.3.4/8/9", 0},
    };
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(sb_network_t));
    sb_target_rules_t rules = {0};
    sb_network_t net;
    size_t i;

    for (i = 0; i < sizeof closed / sizeof *closed; i++) {
        ok(judge(&rules, closed[i]) == 0, "%s is not called", closed[i]);
    }
    for (i = 0; i < sizeof open / sizeof *open; i++) {
        ok(judge(&rules, open[i]) == 1, "%s is called", open[i]);
    }
    for (i = 0; i < sizeof networks / sizeof *networks; i++) {
        ok((sb_network_parse(&net, networks[i].text, p) == NULL) == networks[i].good,
           "'%s' is %s network", networks[i].text, networks[i].good ? "a" : "no");
    }
    rules.networks = list;
    ok(!sb_network_parse(apr_array_push(list), "127.0.0.0/9", p) &&
           !sb_network_parse(apr_array_push(list), "fd00::/20", p),
       "two networks are allowed");
    is_int(judge(&rules, "127.127.0.1"), 1, "inside");
    is_int(judge(&rules, "127.128.0.1"), 0, "one bit outside");
    is_int(judge(&rules, "::ffff:127.0.0.1"), 1, "the same address inside IPv6");
    is_int(judge(&rules, "fd00:fff::1"), 1, "inside by its first 20 bits");
    is_int(judge(&rules, "fd00:1000::1"), 0, "outside by the 20th");
    is_int(judge(&rules, "::1"), 0, "and nothing else");
}

static const apr_array_header_t *list_of(apr_pool_t *p, const char *const *texts)
{
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(const char *));

    for (; *texts; texts++) {
        APR_ARRAY_PUSH(list, const char *) = *texts;
    }
    return list;
}

static void urls(apr_pool_t *p)
{
    static const char *const hosts[] = {"back.example.org", ".state.us", "odd.example.org:8443",
                                        "127.0.0.1:8443", NULL};
    static const struct {
        const char *url;
        int http, good;
    } cases[] = {
        {"https://back.example.org/x?y=1", 0, 1},
        {"https://BACK.example.ORG/", 0, 1},
        {"https://back.example.org:443/", 0, 1},
        {"https://back.example.org:444/", 0, 0},
        {"https://odd.example.org:8443/", 0, 1},
        {"https://odd.example.org/", 0, 0},
        {"https://a.state.us/", 0, 1},
        {"https://a.b.state.us/", 0, 1},
        {"https://state.us/", 0, 0},
        {"https://evilstate.us/", 0, 0},
        {"https://back.example.org.evil.net/", 0, 0},
        {"https://back.example.org./", 0, 0},
        {"https://evil.net/back.example.org", 0, 0},
        {"https://back.example.org@evil.net/", 0, 0},
        {"https://evil.net#back.example.org/", 0, 0},
        {"https://evil.net\\@back.example.org/", 0, 0},
        {"https://user:pw@back.example.org/", 0, 0},
        {"http://back.example.org/", 0, 0},
        {"http://back.example.org/", 1, 1},
        {"https://127.0.0.1:8443/", 0, 1},
        {"https://2130706433:8443/", 0, 1}, /* the same host, judged as what it is */
        {"https://0x7f.1:8443/", 0, 1},
        {"https://2130706433/", 0, 0},
        {"https://[2600::1]/", 0, 0},
        {"https://[::ffff:127.0.0.1]:8443/", 0, 0},
        {"ftp://back.example.org/", 1, 0},
        {"file:///etc/passwd", 1, 0},
        {"gopher://back.example.org/", 1, 0},
        {"back.example.org", 1, 0},
        {"//back.example.org/", 1, 0},
        {"https://back.example.org/\r\nX: y", 0, 0},
        {"https://back.example.org/ x", 0, 0},
        {"https://back.example.org/\xc3\xa9", 0, 0},
        {"", 0, 0},
        {"https://", 0, 0},
    };
    sb_target_rules_t rules = {.hosts = list_of(p, hosts)}, none = {0};
    sb_target_t target;
    char *longest = apr_palloc(p, 3001);
    size_t i;

    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        rules.http = cases[i].http;
        ok((sb_target_url(&target, &rules, cases[i].url, p) == NULL) == cases[i].good,
           "%s is %scalled", cases[i].url, cases[i].good ? "" : "not ");
    }
    ok(sb_target_url(&target, &none, "https://back.example.org/", p) != NULL,
       "without configured hosts nobody is called");
    memset(longest, 'a', 3000);
    longest[3000] = '\0';
    memcpy(longest, "https://back.example.org/", 25);
    ok(sb_target_url(&target, &rules, longest, p) != NULL, "an address has an end");
}

static void mailboxes(apr_pool_t *p)
{
    static const char *const domains[] = {"example.org", ".state.us", NULL};
    static const struct {
        const char *text;
        int good, here;
    } cases[] = {
        {"a@example.org", 1, 1},
        {"first.last+tag@example.org", 1, 1},
        {"a@x.state.us", 1, 1},
        {"a@state.us", 1, 0},
        {"a@other.net", 1, 0},
        {"a@b", 1, 0},
        {"", 0, 0},
        {"a", 0, 0},
        {"@example.org", 0, 0},
        {"a@", 0, 0},
        {"a@example.org\r\nBcc: b@example.org", 0, 0},
        {"a\n@example.org", 0, 0},
        {"a@example.org,b@example.org", 0, 0},
        {"a@example.org b@example.org", 0, 0},
        {"<a@example.org>", 0, 0},
        {"A <a@example.org>", 0, 0},
        {"\"a b\"@example.org", 0, 0},
        {"a@b@example.org", 0, 0},
        {"-oQ@example.org", 0, 0},
        {"a..b@example.org", 0, 0},
        {"a@example..org", 0, 0},
        {"a@-example.org", 0, 0},
        {"a@[127.0.0.1]", 0, 0},
        {"a@ex\xc3\xa4mple.org", 0, 0},
        {"a@example.org.", 0, 0},
    };
    const apr_array_header_t *list = list_of(p, domains);
    char longest[301];
    size_t i;

    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        ok((sb_target_mailbox(cases[i].text, NULL) == NULL) == cases[i].good,
           "'%.*s' is %s mailbox", (int)strcspn(cases[i].text, "\r\n"), cases[i].text,
           cases[i].good ? "a" : "no");
        ok((sb_target_mailbox(cases[i].text, list) == NULL) == cases[i].here,
           "'%.*s' is %sin our domains", (int)strcspn(cases[i].text, "\r\n"), cases[i].text,
           cases[i].here ? "" : "not ");
    }
    memset(longest, 'a', sizeof longest - 1);
    longest[300] = '\0';
    longest[20] = '@';
    ok(sb_target_mailbox(longest, NULL) != NULL, "a mailbox has an end");
}

static void attempts(void)
{
    static const struct {
        int attempt, first, longest, want;
    } pauses[] = {{1, 60, 14400, 60},      {2, 60, 14400, 120},     {8, 60, 14400, 7680},
                  {9, 60, 14400, 14400},   {100, 60, 14400, 14400}, {1, 86400, 3600, 86400},
                  {50, 86400, 3600, 86400}};

    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        is_int(sb_transfer_pause(pauses[i].attempt, pauses[i].first, pauses[i].longest),
               pauses[i].want, "the pause after an attempt");
    }
    is_int(sb_transfer_outcome(SB_TRANSFER_AGAIN, 2, 3), SB_TRANSFER_AGAIN, "not yet the last one");
    is_int(sb_transfer_outcome(SB_TRANSFER_AGAIN, 3, 3), SB_TRANSFER_NEVER, "the last one");
    is_int(sb_transfer_outcome(SB_TRANSFER_DONE, 3, 3), SB_TRANSFER_DONE, "... that was received");
}

int main(void)
{
    apr_pool_t *p = tap_pool();

    addresses(p);
    urls(p);
    mailboxes(p);
    attempts();
    return done();
}
