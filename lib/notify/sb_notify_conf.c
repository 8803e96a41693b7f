/* Configuration of notifications: see sb_notify_conf.h. */

#include "notify/sb_notify_conf.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#define NO_MAILBOX ": it is no mailbox: name@domain"

void sb_notify_mail_server(sb_mail_server_t *server, const sb_conf_t *conf, const char *named,
                           apr_pool_t *p)
{
    const char *colon = named ? strrchr(named, ':') : NULL;

    memset(server, 0, sizeof *server);
    server->host = colon   ? apr_pstrmemdup(p, named, (apr_size_t)(colon - named))
                   : named ? named
                           : sb_conf_str(conf, "mail.server_host");
    server->port = colon ? atoi(colon + 1) : (int)sb_conf_int(conf, "mail.server_port");
    server->user = sb_conf_str(conf, "mail.smtp_username");
    server->password = sb_conf_str(conf, "mail.smtp_password");
    server->ca_file = sb_conf_str(conf, "mail.ca_file");
    server->timeout = apr_time_from_sec(SB_NOTIFY_MAIL_SECS);
    server->tls = sb_mail_tls(sb_conf_str(conf, "mail.tls"), server->port, server->user);
}

static const char *read_networks(sb_notify_conf_t *c, const sb_conf_t *conf, apr_pool_t *p)
{
    static const char key[] = "notification.allow_addresses";
    const apr_array_header_t *list = sb_conf_list(conf, key, p);
    apr_array_header_t *networks = apr_array_make(p, 4, sizeof(sb_network_t));
    int i;

    for (i = 0; i < list->nelts; i++) {
        const char *problem =
            sb_network_parse(apr_array_push(networks), APR_ARRAY_IDX(list, i, const char *), p);

        if (problem) {
            return apr_pstrcat(p, key, ": ", problem, NULL);
        }
    }
    c->rules.networks = networks;
    return NULL;
}

static const char *read_operators(sb_notify_conf_t *c, const sb_conf_t *conf, apr_pool_t *p)
{
    int i;

    if (!sb_conf_bool(conf, "mail.udl_fail.enabled")) {
        return NULL;
    }
    c->operators = sb_conf_list(conf, "mail.udl_fail.to", p);
    c->operator_sender = sb_conf_str(conf, "mail.udl_fail.from");
    sb_notify_mail_server(&c->operator_server, conf, NULL, p);
    if (!c->operators->nelts || !c->operator_sender ||
        sb_target_mailbox(c->operator_sender, NULL)) {
        return "mail.udl_fail.enabled: needs mailboxes in mail.udl_fail.to and mail.udl_fail.from";
    }
    for (i = 0; i < c->operators->nelts; i++) {
        if (sb_target_mailbox(APR_ARRAY_IDX(c->operators, i, const char *), NULL)) {
            return "mail.udl_fail.to" NO_MAILBOX;
        }
    }
    return NULL;
}

/* Of the loader's section, or of that of promotion. */
static const char *migration_str(const sb_notify_opts_t *opts, const char *key)
{
    const char *text = sb_conf_str(opts->loader, key);

    return text || !opts->migration ? text : sb_conf_str(opts->migration, key);
}

const char *sb_notify_conf_read(sb_notify_conf_t *c, const sb_notify_opts_t *opts, apr_pool_t *p)
{
    const sb_conf_t *conf = opts->loader;
    const char *complaint = read_networks(c, conf, p);

    c->rules.hosts = sb_conf_list(conf, "notification.hosts", p);
    c->rules.http = sb_conf_bool(conf, "notification.http");
    c->ca_file = sb_conf_str(conf, "notification.ca_file");
    c->max_parallel = (int)sb_conf_int(conf, "notification.max_parallel");
    c->mail_domains = sb_conf_list(conf, "notification.mail_domains", p);
    c->sender = migration_str(opts, "migrate.notification.mail_sender");
    sb_notify_mail_server(&c->mail_server, conf,
                          migration_str(opts, "migrate.notification.mail_server"), p);
    if (!complaint && c->sender && sb_target_mailbox(c->sender, NULL)) {
        complaint = "migrate.notification.mail_sender" NO_MAILBOX;
    }
    return complaint ? complaint : read_operators(c, conf, p);
}
