#ifndef SB_NOTIFY_CONF_H
#define SB_NOTIFY_CONF_H

/** What notifications read from the ini: whom they may reach, by which servers, as whom. */

#include "notify/sb_notify.h"
#include "notify/sb_target.h"

#define SB_NOTIFY_MAIL_SECS 60 /* time limit of a mail */

typedef struct {
    sb_target_rules_t rules; /* of addresses that are called back */
    const char *ca_file;     /* for calling back; NULL: the system's */
    int max_parallel;        /* calls and mails at a time */

    const apr_array_header_t *mail_domains; /* senders' mailboxes are there; empty: anywhere */
    const char *sender;                     /* of mails to senders; NULL: none are sent */
    sb_mail_server_t mail_server;

    const apr_array_header_t *operators; /* const char *; NULL: they are not told */
    const char *operator_sender;
    sb_mail_server_t operator_server;
} sb_notify_conf_t;

/** @return NULL, or the complaint: key and what is wrong with it */
const char *sb_notify_conf_read(sb_notify_conf_t *c, const sb_notify_opts_t *opts,
                                apr_pool_t *p) SB_MUST_CHECK;

#endif
