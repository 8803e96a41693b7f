/* The landing zone as the ini describes it: see sb_lz_conf.h. */

#include <string.h>

#include <apr_strings.h>

#include "core/sb_path.h"
#include "lz/sb_lz_conf.h"

int sb_lz_is_name(const char *name)
{
    apr_size_t n = strlen(name);

    return n > 0 && n <= SB_LZ_NAME_MAX && *name >= 'a' && *name <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

int sb_lz_is_plain(const char *text)
{
    return *text && *text != '-' &&
           !text[strspn(text,
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-")];
}

const sb_lz_role_t *sb_lz_role(const sb_lz_conf_t *lz, const char *name)
{
    int i;

    for (i = 0; i < SB_LZ_ROLES; i++) {
        if (!strcmp(lz->roles[i].name, name)) {
            return &lz->roles[i];
        }
    }
    return NULL;
}

static const char *join(const char *dir, const char *name, apr_pool_t *p)
{
    return *name ? apr_pstrcat(p, dir, "/", name, NULL) : dir;
}

const char *sb_lz_jail(const char *root, const sb_lz_role_t *role, const char *tenant,
                       const char *user, apr_pool_t *p)
{
    const char *zone = join(root, role->zone, p);

    return join(role->by_tenant ? join(zone, tenant, p) : zone, user, p);
}

const char *sb_lz_printable(const char *text, apr_pool_t *p)
{
    enum { MAX = 120 };
    apr_size_t len = strlen(text), n = 0;
    int utf8 = sb_utf8_is_valid(text, len);
    char *out = apr_palloc(p, MAX + 8);

    for (; *text && n < MAX; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x20 || c == 0x7f || c == '\\' || (c >= 0x80 && !utf8)) {
            n += (apr_size_t)apr_snprintf(out + n, 5, "\\x%02x", c);
        }
        else {
            out[n++] = (char)c;
        }
    }
    while (utf8 && *text && ((unsigned char)*text & 0xc0) == 0x80 && n < MAX + 4) {
        out[n++] = *text++; /* do not cut a character */
    }
    out[n] = '\0';
    return *text ? apr_pstrcat(p, out, "...", NULL) : out;
}

/* A directory of the ini without slashes at its end; relative ones below home. */
static const char *directory(const char *home, const char *text, apr_pool_t *p)
{
    char *path = *text == '/' ? apr_pstrdup(p, text) : apr_pstrcat(p, home, "/", text, NULL);
    apr_size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/') {
        path[--n] = '\0';
    }
    while (path[0] == '/' && path[1] == '/') {
        path++;
    }
    return path;
}

/* One directory name of the ini. */
static const char *component(const char **pname, const sb_conf_t *conf, const char *key,
                             int may_be_empty, apr_pool_t *p)
{
    const char *text = sb_conf_str(conf, key), *why;

    if (may_be_empty && (!text || !*text)) {
        *pname = "";
        return NULL;
    }
    why = sb_path_component(pname, text, strlen(text), p);
    return why ? apr_psprintf(p, "%s: %s = %s %s", sb_conf_path(conf), key, text, why) : NULL;
}

static const char *read_roles(sb_lz_conf_t *lz, const sb_conf_t *conf, apr_pool_t *p)
{
    static const struct {
        const char *name, *zone, *drop;
    } keys[SB_LZ_ROLES] = {
        {"sftparrivals", "sftp.arrivals_dir", "sftp.user_path_sftparrivals_dir"},
        {"sftpdepartures", "sftp.sftp_departures_dir", "sftp.user_path_sftpdepartures_dir"},
        {"filerouter", "sftp.sftp_filerouter_dir", "sftp.user_path_filerouter_dir"},
    };
    const char *why = NULL;
    int i;

    for (i = 0; i < SB_LZ_ROLES && !why; i++) {
        sb_lz_role_t *r = &lz->roles[i];

        r->name = keys[i].name;
        r->by_tenant = i < 2;
        why = component(&r->zone, conf, keys[i].zone, !r->by_tenant, p);
        if (!why) {
            why = component(&r->drop, conf, keys[i].drop, 0, p);
        }
    }
    if (!why && !strcmp(lz->roles[0].zone, lz->roles[1].zone)) {
        why = apr_psprintf(p, "%s: sftp.arrivals_dir and sftp.sftp_departures_dir are the same",
                           sb_conf_path(conf));
    }
    return why;
}

static const char *read_remote(sb_lz_conf_t *lz, const sb_conf_t *conf, apr_pool_t *p)
{
    sb_lz_remote_t *r = apr_pcalloc(p, sizeof *r);

    if (strcmp(sb_conf_str(conf, "sftp.file_move_type"), "sftp")) {
        return NULL;
    }
    r->host = apr_pstrdup(p, sb_conf_str(conf, "sftp.remote.landing_zone_hostname"));
    r->user = apr_pstrdup(p, sb_conf_str(conf, "sftp.remote.sftp_user"));
    r->key = apr_pstrdup(p, sb_conf_str(conf, "sftp.remote.private_key_file"));
    r->arrivals = directory("/", sb_conf_str(conf, "sftp.remote.arrivals_path"), p);
    r->known_hosts = apr_pstrdup(p, sb_conf_str(conf, "sftp.remote.known_hosts"));
    r->port = (int)sb_conf_int(conf, "sftp.remote.port");
    r->timeout = sb_conf_interval(conf, "sftp.remote.timeout");
    if (!r->host || !sb_lz_is_plain(r->host) || strchr(r->host, '/') || !sb_lz_is_plain(r->user) ||
        strchr(r->user, '/') || (r->key && !sb_lz_is_plain(r->key)) ||
        (r->known_hosts && !sb_lz_is_plain(r->known_hosts)) || !sb_lz_is_plain(r->arrivals)) {
        return apr_psprintf(
            p,
            "%s: sftp.file_move_type = sftp needs sftp.remote.landing_zone_hostname; "
            "the values of sftp.remote.* are plain words without blanks",
            sb_conf_path(conf));
    }
    lz->remote = r;
    return NULL;
}

const char *sb_lz_conf_read(const sb_lz_conf_t **plz, const sb_conf_t *conf, apr_pool_t *p)
{
    sb_lz_conf_t *lz = apr_pcalloc(p, sizeof *lz);
    const char *why;

    *plz = lz;
    lz->home = directory("/", sb_conf_str(conf, "sftp.home"), p);
    lz->base = directory(lz->home, sb_conf_str(conf, "sftp.base_dir"), p);
    lz->user_home_base = directory("/", sb_conf_str(conf, "sftp.user_home_base_dir"), p);
    lz->group = apr_pstrdup(p, sb_conf_str(conf, "sftp.group"));
    lz->keys_dir = directory("/", sb_conf_str(conf, "sftp.authorized_keys_dir"), p);
    why = read_roles(lz, conf, p);
    if (why) {
        return why;
    }
    if (!sb_lz_is_name(lz->group)) {
        return apr_psprintf(p, "%s: sftp.group = %s is no name for a group", sb_conf_path(conf),
                            lz->group);
    }
    lz->arrivals = join(lz->base, lz->roles[0].zone, p);
    lz->taken = join(lz->base, ".taken", p);
    lz->quarantine = join(lz->base, ".quarantine", p);
    lz->staging = directory("/", sb_conf_str(conf, "sftp.staging_dir"), p);
    lz->patterns = sb_conf_list(conf, "sftp.file_patterns_to_watch", p);
    lz->interval = sb_conf_interval(conf, "sftp.file_stat_watch_interval");
    lz->period = sb_conf_interval(conf, "sftp.file_stat_watch_period");
    lz->scan_delay = sb_conf_interval(conf, "sftp.file_system_scan_delay");
    lz->quarantine_after = sb_conf_interval(conf, "sftp.quarantine_after");
    lz->max_file_bytes = sb_conf_bytes(conf, "sftp.max_file_bytes");
    lz->user_max_bytes = sb_conf_bytes(conf, "sftp.user_max_bytes");
    lz->user_max_files = (int)sb_conf_int(conf, "sftp.user_max_files");
    return read_remote(lz, conf, p);
}

/* ---- sshd -------------------------------------------------------------------------------------- */

/* sshd knows a user's home (%h), not his jail: base must be some prefix + user_home_base. */
static const char *chroot_of(const sb_lz_conf_t *lz, apr_pool_t *p)
{
    apr_size_t n = strlen(lz->base), m = strlen(lz->user_home_base);

    if (m > n || strcmp(lz->base + n - m, lz->user_home_base)) {
        return NULL;
    }
    return apr_pstrcat(p, apr_pstrmemdup(p, lz->base, n - m), "%h", NULL);
}

const char *sb_lz_sshd_config(const char **ptext, const sb_lz_conf_t *lz, apr_pool_t *p)
{
    const char *jail = chroot_of(lz, p);

    *ptext = "";
    if (!jail) {
        return apr_psprintf(p,
                            "sftp.base_dir (%s) must end with sftp.user_home_base_dir (%s): sshd "
                            "finds a jail by the user's home",
                            lz->base, lz->user_home_base);
    }
    *ptext = apr_psprintf(
        p,
        "# Made by \"smarter-lz sshd-config\". Senders of packages: sftp in a jail, by key, "
        "nothing else.\n"
        "# Keys are outside the jails, so that no sender can change them.\n"
        "Match Group %s\n"
        "    ChrootDirectory %s\n"
        "    ForceCommand internal-sftp -u 0027 -P symlink,hardlink\n"
        "    AuthorizedKeysFile %s/%%u\n"
        "    AuthenticationMethods publickey\n"
        "    PubkeyAuthentication yes\n"
        "    PasswordAuthentication no\n"
        "    KbdInteractiveAuthentication no\n"
        "    HostbasedAuthentication no\n"
        /* one by one: DisableForwarding of OpenSSH before 10.0 forgets X11 and the agent */
        "    AllowTcpForwarding no\n"
        "    AllowStreamLocalForwarding no\n"
        "    AllowAgentForwarding no\n"
        "    X11Forwarding no\n"
        "    PermitTunnel no\n"
        "    PermitTTY no\n"
        "    PermitUserRC no\n"
        "    MaxSessions 4\n"
        "    ClientAliveInterval 60\n"
        "    ClientAliveCountMax 5\n"
        "Match all\n",
        lz->group, jail, lz->keys_dir);
    return NULL;
}
