#ifndef SB_TARGET_H
#define SB_TARGET_H

/**
 * Whom we may call. Addresses of callbacks and of mail come out of packages: a sender must not be able to
 * make our servers talk to each other. So a host must be configured by name, and what its name resolves
 * to must be a public address, judged on the address a connection is really opened to.
 */

#include <apr_tables.h>
#include <sys/socket.h>
#include "core/sb_status.h"

typedef struct {
    const apr_array_header_t
        *hosts; /* of const char *: "host", ".suffix", each with ":port" or not;
                                        an address in IPv6 form never matches */
    const apr_array_header_t *networks; /* of sb_network_t: addresses allowed though not public */
    int http;                           /* http:// too */
} sb_target_rules_t;

/** Addresses that share their first bits. */
typedef struct {
    int family;
    unsigned char bytes[16];
    int bits;
} sb_network_t;

/** Read "10.1.0.0/16", "fd00::/8", or one address. @return NULL, or the complaint */
const char *sb_network_parse(sb_network_t *net, const char *text, apr_pool_t *p) SB_MUST_CHECK;

/** May a connection be opened to this address? An IPv4 address inside IPv6 is judged as IPv4. */
int sb_target_address(const sb_target_rules_t *rules, const struct sockaddr *address);

typedef struct {
    const char *url;  /* as it is to be called */
    const char *host; /* compared without regard to case */
    int port;
} sb_target_t;

/** @return NULL, or why this address is not called, as a sentence part without the address itself */
const char *sb_target_url(sb_target_t *target, const sb_target_rules_t *rules, const char *url,
                          apr_pool_t *p) SB_MUST_CHECK;

/**
 * One mailbox, "name@domain", and nothing else: no display name, comment, quotes, or line break.
 * @param domains of const char *: "domain" or ".suffix"; empty: any
 * @return NULL, or why no mail is sent there
 */
const char *sb_target_mailbox(const char *text, const apr_array_header_t *domains) SB_MUST_CHECK;

#endif
