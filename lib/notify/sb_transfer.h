#ifndef SB_TRANSFER_H
#define SB_TRANSFER_H

/**
 * Calls and mails on their way, several at once, by libcurl: HTTPS verified, nothing followed, nothing
 * taken from the environment (no proxy, no .netrc), answers read up to a limit and thrown away.
 * The implementations of this file and of pickup/sb_pickup.h are the only ones that move bytes by libcurl.
 */

#include <apr_time.h>
#include "notify/sb_target.h"

typedef struct sb_transfers_t sb_transfers_t;

typedef enum {
    SB_TRANSFER_DONE,  /* received */
    SB_TRANSFER_AGAIN, /* nobody answered, or not now: worth another attempt */
    SB_TRANSFER_NEVER  /* refused for good */
} sb_transfer_verdict_t;

/** Called once for each transfer. @param error NULL when done; names no address and quotes no answer */
typedef void sb_transfer_fn(void *ctx, sb_transfer_verdict_t verdict, const char *error);

/** @param p what is under way is ended with it, unheard */
apr_status_t sb_transfers_make(sb_transfers_t **pt, apr_pool_t *p) SB_MUST_CHECK;

typedef struct {
    const sb_target_t *target;
    const sb_target_rules_t *rules; /* must outlive the transfer */
    const char *ca_file;            /* trusted besides the system's authorities; NULL: none */
    const char *key;                /* value of Idempotency-Key */
    const char *body;               /* JSON */
    apr_interval_time_t timeout;    /* of the whole exchange */
} sb_post_t;
apr_status_t sb_transfers_post(sb_transfers_t *t, const sb_post_t *post, sb_transfer_fn *fn,
                               void *ctx) SB_MUST_CHECK;

typedef enum {
    SB_MAIL_PLAIN,    /* no TLS */
    SB_MAIL_STARTTLS, /* TLS after STARTTLS, or no mail */
    SB_MAIL_TLS       /* TLS from the first byte */
} sb_mail_tls_t;

/** @param name "plain", "starttls", "tls", or "auto": by port, and never a password in the clear */
sb_mail_tls_t sb_mail_tls(const char *name, int port, const char *user);

typedef struct {
    const char *host;
    int port;
    sb_mail_tls_t tls;
    const char *user, *password; /* NULL: no login */
    const char *ca_file;         /* as above */
    apr_interval_time_t timeout;
} sb_mail_server_t;

typedef struct {
    const char *id;               /* of the message, letters and digits: sent twice, it is one mail;
                                           NULL: a new one */
    const char *from;             /* a mailbox */
    const char *envelope_from;    /* where it comes back to; NULL: from */
    const apr_array_header_t *to; /* of const char *: mailboxes */
    const char *subject;          /* UTF-8 */
    const char *text;             /* UTF-8 */
    const char *attachment, *file_name; /* path of a zip file and what it is called; NULL: none */
} sb_mail_t;
apr_status_t sb_transfers_mail(sb_transfers_t *t, const sb_mail_server_t *server,
                               const sb_mail_t *mail, sb_transfer_fn *fn, void *ctx) SB_MUST_CHECK;

/**
 * Go on with all of them; wait for something to happen at most this long.
 * @param stop_fd readable: return at once; -1: none
 */
apr_status_t sb_transfers_run(sb_transfers_t *t, apr_interval_time_t wait,
                              int stop_fd) SB_MUST_CHECK;

/** What an attempt comes to where there are only so many: the last one is not tried again. */
sb_transfer_verdict_t sb_transfer_outcome(sb_transfer_verdict_t verdict, int attempt, int most);

/** Seconds until the next attempt: the first pause, doubled with each, at most "longest" (or the first one,
 *  if that is longer). @param attempt the one that ended, from 1 */
apr_int64_t sb_transfer_pause(int attempt, apr_int64_t first, apr_int64_t longest);

/** How many are under way. */
int sb_transfers_count(const sb_transfers_t *t);

#endif
