/* Configuration: reads one section of an ini file and judges every line by the table of keys. */

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include "core/sb_conf.h"
#include "core/sb_file.h"
#include "core/sb_log.h"
#include "core/sb_schedule.h"

#define MAX_FILE (1024 * 1024)
#define MAX_KEY 200

typedef struct {
    const char *text;
    const sb_key_t *key;
    int line;
} entry_t;

struct sb_conf_t {
    const char *path;
    apr_pool_t *pool;
    apr_hash_t *entries; /* key -> entry_t */
};

/* ---- the table ------------------------------------------------------------------------------- */

/* Does a key fit a name of the table? "<x>" fits one component, a final ".*" any rest. */
static int fits(const char *pattern, const char *key)
{
    while (*pattern && *key) {
        if (!strcmp(pattern, "*")) {
            return 1;
        }
        if (*pattern == '<') {
            apr_size_t n = strcspn(key, ".");

            if (n == 0) {
                return 0;
            }
            key += n;
            pattern = strchr(pattern, '>') + 1;
            continue;
        }
        if (*pattern++ != *key++) {
            return 0;
        }
    }
    return *pattern == *key;
}

static const sb_key_t *find_key(const char *key)
{
    const sb_key_t *k, *wide = NULL;

    for (k = sb_keys; k->name; k++) {
        if (!strcmp(k->name, key)) {
            return k; /* a literal name wins over one with a component left open */
        }
        if (!wide && fits(k->name, key)) {
            wide = k;
        }
    }
    return wide;
}

static int distance(const char *a, const char *b)
{
    apr_size_t la = strlen(a), lb = strlen(b), i, j;
    int row[MAX_KEY + 1];

    if (la > MAX_KEY || lb > MAX_KEY) {
        return INT_MAX;
    }
    for (j = 0; j <= lb; j++) {
        row[j] = (int)j;
    }
    for (i = 1; i <= la; i++) {
        int diagonal = row[0];

        row[0] = (int)i;
        for (j = 1; j <= lb; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[lb];
}

static const char *nearest(const char *key)
{
    const sb_key_t *k;
    const char *best = NULL;
    int least = INT_MAX;

    for (k = sb_keys; k->name; k++) {
        int d = distance(key, k->name);

        if (d < least) {
            least = d;
            best = k->name;
        }
    }
    return best;
}

/* ---- values ---------------------------------------------------------------------------------- */

static int parse_bool(int *value, const char *text)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1", NULL};
    int i;

    for (i = 0; words[i]; i++) {
        if (!strcasecmp(text, words[i])) {
            *value = i & 1;
            return 1;
        }
    }
    return 0;
}

static int parse_int(apr_int64_t *value, const char *text)
{
    char *end;

    errno = 0;
    *value = strtoll(text, &end, 10);
    return end != text && !*end && !errno;
}

typedef struct {
    const char *name;
    apr_int64_t factor;
} unit_t;

/* A whole number with an optional unit; the unit "" is the default. */
static int parse_units(apr_int64_t *value, const char *text, const unit_t *units)
{
    char *end;

    errno = 0;
    *value = strtoll(text, &end, 10);
    if (end == text || errno || *value < 0) {
        return 0;
    }
    end += strspn(end, " ");
    for (; units->name; units++) {
        if (!strcasecmp(end, units->name)) {
            if (*value > APR_INT64_MAX / units->factor) {
                return 0;
            }
            *value *= units->factor;
            return 1;
        }
    }
    return 0;
}

static int parse_interval(apr_int64_t *value, const char *text)
{
    static const unit_t units[] = {
        {"", 1000000},       {"ms", 1000},         {"s", 1000000},
        {"sec", 1000000},    {"m", 60000000},      {"min", 60000000},
        {"h", 3600000000LL}, {"d", 86400000000LL}, {NULL, 0},
    };

    return parse_units(value, text, units);
}

static int parse_bytes(apr_int64_t *value, const char *text)
{
    static const unit_t units[] = {
        {"", 1},         {"B", 1},       {"K", 1 << 10},  {"KB", 1 << 10},  {"M", 1 << 20},
        {"MB", 1 << 20}, {"G", 1 << 30}, {"GB", 1 << 30}, {"T", 1LL << 40}, {NULL, 0},
    };

    return parse_units(value, text, units);
}

static int is_choice(const char *choices, const char *text)
{
    apr_size_t n = strlen(text);

    for (;;) {
        apr_size_t len = strcspn(choices, "|");

        if (len == n && !strncmp(choices, text, n)) {
            return 1;
        }
        if (!choices[len]) {
            return 0;
        }
        choices += len + 1;
    }
}

/* What an address of that key looks like: its help names the protocol, unless it is a database. */
static const char *like(const sb_key_t *k)
{
    return strstr(k->help, "amqp://") ? "amqps://user@host:5671/vhost"
           : strstr(k->help, "https") ? "https://host:443/path"
                                      : "postgresql://user@host:5432/database";
}

/* An address, or several with blanks between. A password with a bare '%' is a common mistake; it is found here, since
 * who takes the address apart may quote it. @return as judge() */
static const char *judge_url(const sb_key_t *k, const char *text, apr_pool_t *p)
{
    const char *sample = like(k), *percent;
    char *state, *url = apr_strtok(apr_pstrdup(p, text), " \t\n", &state);

    for (; url; url = apr_strtok(NULL, " \t\n", &state)) {
        if (strncmp(url, sample, 4) || !strstr(url, "://")) { /* amqp, http, post */
            return apr_pstrcat(p, "an address such as ", sample, NULL);
        }
        for (percent = strchr(url, '%'); percent; percent = strchr(percent + 1, '%')) {
            if (!isxdigit((unsigned char)percent[1]) || !isxdigit((unsigned char)percent[2])) {
                return apr_pstrcat(p, "an address such as ", sample,
                                   ", with %25 for a '%' in the password", NULL);
            }
        }
    }
    return NULL;
}

/* @return NULL, or what is accepted instead */
static const char *judge(const sb_key_t *k, const char *name, const char *text, apr_pool_t *p)
{
    apr_int64_t v = 0;
    int b;

    switch (k->type) {
    case SB_KEY_BOOL:
        return parse_bool(&b, text) ? NULL : "True or False";
    case SB_KEY_NEVER:
        return parse_bool(&b, text) && !b ? NULL
                                          : "only False: this protection cannot be switched off";
    case SB_KEY_INT:
        if (parse_int(&v, text) && v >= k->min && v <= k->max) {
            return NULL;
        }
        return apr_psprintf(p, "a whole number from %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT,
                            k->min, k->max);
    case SB_KEY_SECONDS:
        if (parse_interval(&v, text) &&
            (k->max == 0 || (v >= k->min * 1000000 && v <= k->max * 1000000))) {
            return NULL;
        }
        return k->max ? apr_psprintf(p,
                                     "%" APR_INT64_T_FMT " to %" APR_INT64_T_FMT
                                     " seconds, or with a unit (90s, 20min, 12h, 7d)",
                                     k->min, k->max)
                      : "a number of seconds, or with a unit (90s, 20min, 12h, 7d)";
    case SB_KEY_BYTES:
        if (parse_bytes(&v, text) && (k->max == 0 || (v >= k->min && v <= k->max))) {
            return NULL;
        }
        return k->max ? apr_psprintf(p,
                                     "%" APR_INT64_T_FMT " to %" APR_INT64_T_FMT
                                     " bytes, or with a unit (64K, 16M, 2G)",
                                     k->min, k->max)
                      : "a number of bytes, or with a unit (64K, 16M, 2G)";
    case SB_KEY_CHOICE:
        return is_choice(k->choices, text) ? NULL : apr_pstrcat(p, "one of ", k->choices, NULL);
    case SB_KEY_PATH:
        return text[0] == '/' ? NULL : "an absolute path";
    case SB_KEY_URL:
        return judge_url(k, text, p);
    case SB_KEY_CRON:
        return sb_schedule_judge(strrchr(name, '.') + 1, text);
    case SB_KEY_TEXT:
    case SB_KEY_SECRET:
    case SB_KEY_LIST:
    case SB_KEY_RETIRED:
        break;
    }
    return NULL;
}

/* ---- the file -------------------------------------------------------------------------------- */

static char *trim(char *s)
{
    char *end;

    s += strspn(s, " \t\r");
    end = s + strlen(s);
    while (end > s && strchr(" \t\r", end[-1])) {
        end--;
    }
    *end = '\0';
    return s;
}

static const char *take(sb_conf_t *conf, const char *name, char *value, int line, apr_pool_t *p)
{
    const sb_key_t *k = find_key(name);
    const char *wanted;
    entry_t *e;

    if (!k) {
        sb_log(SB_LOG_WARN, SBLOGNO(1001), SB_NO_STATUS,
               "%s:%d: unknown key '%s'; did you mean '%s'? (ignored)", conf->path, line, name,
               nearest(name));
        return NULL;
    }
    if (k->type == SB_KEY_RETIRED) {
        sb_log(SB_LOG_INFO, SBLOGNO(1002), SB_NO_STATUS,
               "%s:%d: key '%s' has no effect any more: %s", conf->path, line, name, k->help);
        return NULL;
    }
    if (!*value) {
        return NULL; /* "key =" is the same as no line */
    }
    wanted = judge(k, name, value, p);
    if (wanted) {
        int hide = k->type == SB_KEY_SECRET || k->type == SB_KEY_URL;

        return apr_psprintf(p, "%s:%d: %s = %s: accepted is %s", conf->path, line, name,
                            hide ? "(not shown)" : value, wanted);
    }
    e = apr_palloc(p, sizeof(*e));
    e->text = value;
    e->key = k;
    e->line = line;
    apr_hash_set(conf->entries, name, APR_HASH_KEY_STRING, e);
    return NULL;
}

/* ---- reading the file -------------------------------------------------------------------------- */

typedef struct {
    sb_conf_t *conf;
    const char *section; /* the one that is wanted */
    int inside, seen;    /* it */
    int number;          /* of the line */
    char *name, *value;  /* the last key, whose value may go on in the next line; name NULL: none */
    int name_line;
    apr_pool_t *p;
} reader_t;

/* The value of the last key is whole. */
static const char *end_key(reader_t *r)
{
    const char *name = r->name;

    r->name = NULL;
    return name && r->inside ? take(r->conf, name, r->value, r->name_line, r->p) : NULL;
}

static const char *begin_section(reader_t *r, char *body)
{
    char *close = strchr(body, ']');

    if (!close) {
        return apr_psprintf(r->p, "%s:%d: '%s': a section is written [name]", r->conf->path,
                            r->number, body);
    }
    *close = '\0';
    r->inside = !strcmp(trim(body + 1), r->section);
    r->seen |= r->inside;
    return NULL;
}

static const char *begin_key(reader_t *r, char *body)
{
    char *eq = strchr(body, '=');

    if (!eq) {
        return apr_psprintf(r->p, "%s:%d: not of the form 'key = value'", r->conf->path, r->number);
    }
    *eq = '\0';
    r->name = trim(body);
    r->value = trim(eq + 1);
    r->name_line = r->number;
    return NULL;
}

static const char *read_line(reader_t *r, char *line)
{
    int goes_on = r->name && (*line == ' ' || *line == '\t');
    char *body = trim(line);
    const char *complaint;

    if (!*body || *body == '#' || *body == ';') {
        return NULL;
    }
    if (goes_on) {
        r->value = *r->value ? apr_pstrcat(r->p, r->value, " ", body, NULL) : body;
        return NULL;
    }
    complaint = end_key(r);
    if (complaint) {
        return complaint;
    }
    return *body == '[' ? begin_section(r, body) : begin_key(r, body);
}

const char *sb_conf_load(sb_conf_t **pconf, const char *path, const char *section, apr_pool_t *p)
{
    sb_conf_t *conf = apr_pcalloc(p, sizeof(*conf));
    reader_t r = {.conf = conf, .section = section, .p = p};
    const char *complaint = NULL;
    char *text, *line, *next, why[200];
    apr_size_t len;
    apr_status_t rv;

    *pconf = NULL;
    rv = sb_file_read(&text, &len, path, MAX_FILE, p);
    if (rv != APR_SUCCESS) {
        return apr_psprintf(p, "%s: cannot be read: %s", path, sb_strerror(rv, why, sizeof(why)));
    }
    if (strlen(text) != len) {
        return apr_psprintf(p, "%s: holds a NUL; an ini file is text", path);
    }
    conf->path = apr_pstrdup(p, path);
    conf->pool = p;
    conf->entries = apr_hash_make(p);
    for (line = text; line && !complaint; line = next) {
        r.number++;
        next = strchr(line, '\n');
        if (next) {
            *next++ = '\0';
        }
        complaint = read_line(&r, line);
    }
    if (!complaint) {
        complaint = end_key(&r);
    }
    if (!complaint && !r.seen) {
        complaint = apr_psprintf(p, "%s: has no section [%s]", path, section);
    }
    if (!complaint) {
        *pconf = conf;
    }
    return complaint;
}

/* ---- reading values -------------------------------------------------------------------------- */

static const char *lookup(const sb_conf_t *conf, const char *key, const char *what, sb_key_type_t a,
                          sb_key_type_t b)
{
    const entry_t *e = apr_hash_get(conf->entries, key, APR_HASH_KEY_STRING);
    const sb_key_t *k = e ? e->key : find_key(key);

    if (!k || (k->type != a && k->type != b && a != SB_KEY_TEXT)) {
        fprintf(stderr, "sb_conf: key '%s' read as %s is not in the table as such\n", key, what);
        abort();
    }
    return e ? e->text : k->dflt;
}

const char *sb_conf_str(const sb_conf_t *conf, const char *key)
{
    return lookup(conf, key, "text", SB_KEY_TEXT, SB_KEY_TEXT);
}

apr_int64_t sb_conf_int(const sb_conf_t *conf, const char *key)
{
    const char *text = lookup(conf, key, "integer", SB_KEY_INT, SB_KEY_INT);
    apr_int64_t v = 0;

    return text && parse_int(&v, text) ? v : 0;
}

int sb_conf_bool(const sb_conf_t *conf, const char *key)
{
    const char *text = lookup(conf, key, "boolean", SB_KEY_BOOL, SB_KEY_NEVER);
    int v = 0;

    return text && parse_bool(&v, text) && v;
}

apr_interval_time_t sb_conf_interval(const sb_conf_t *conf, const char *key)
{
    const char *text = lookup(conf, key, "seconds", SB_KEY_SECONDS, SB_KEY_SECONDS);
    apr_int64_t v = 0;

    return text && parse_interval(&v, text) ? v : 0;
}

apr_int64_t sb_conf_bytes(const sb_conf_t *conf, const char *key)
{
    const char *text = lookup(conf, key, "bytes", SB_KEY_BYTES, SB_KEY_BYTES);
    apr_int64_t v = 0;

    return text && parse_bytes(&v, text) ? v : 0;
}

const apr_array_header_t *sb_conf_list(const sb_conf_t *conf, const char *key, apr_pool_t *p)
{
    const char *text = lookup(conf, key, "list", SB_KEY_LIST, SB_KEY_LIST);
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(const char *));
    char *state, *item;

    if (!text) {
        return list;
    }
    for (item = apr_strtok(apr_pstrdup(p, text), ", \t[]'\"", &state); item;
         item = apr_strtok(NULL, ", \t[]'\"", &state)) {
        APR_ARRAY_PUSH(list, const char *) = item;
    }
    return list;
}

/* "a.<tenant>.b" with the component replaced by value; without value, the component is left out. */
static const char *fill(apr_pool_t *p, const char *name, const char *value)
{
    const char *open = strchr(name, '<'), *close = open ? strchr(open, '>') : NULL;

    if (!close) {
        return name;
    }
    if (!value) {
        return apr_pstrcat(p, apr_pstrmemdup(p, name, (apr_size_t)(open - name)),
                           close[1] == '.' ? close + 2 : close + 1, NULL);
    }
    return apr_pstrcat(p, apr_pstrmemdup(p, name, (apr_size_t)(open - name)), value, close + 1,
                       NULL);
}

const char *sb_conf_tenant_str(const sb_conf_t *conf, const char *name, const char *tenant)
{
    apr_pool_t *p;
    const entry_t *e;
    const sb_key_t *k = find_key(name);
    const char *text;

    if (!k) {
        fprintf(stderr, "sb_conf: key '%s' is not in the table\n", name);
        abort();
    }
    apr_pool_create(&p, NULL);
    e = apr_hash_get(conf->entries, fill(p, name, tenant), APR_HASH_KEY_STRING);
    if (!e) {
        e = apr_hash_get(conf->entries, fill(p, name, NULL), APR_HASH_KEY_STRING);
    }
    text = e ? e->text : k->dflt;
    apr_pool_destroy(p);
    return text;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const apr_array_header_t *sb_conf_names(const sb_conf_t *conf, const char *name, apr_pool_t *p)
{
    apr_array_header_t *names = apr_array_make(p, 4, sizeof(const char *));
    apr_size_t at = strcspn(name, "<");
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(p, conf->entries); hi; hi = apr_hash_next(hi)) {
        const char *key = apr_hash_this_key(hi);

        if (fits(name, key)) {
            APR_ARRAY_PUSH(names, const char *) =
                apr_pstrmemdup(p, key + at, strcspn(key + at, "."));
        }
    }
    if (names->nelts > 1) {
        qsort(names->elts, (size_t)names->nelts, sizeof(const char *), by_text);
    }
    return names;
}

const char *sb_conf_path(const sb_conf_t *conf)
{
    return conf->path;
}

const char *sb_conf_db_url(const char *url, apr_pool_t *p)
{
    const char *plus = strchr(url, '+'), *colon = strstr(url, "://");

    if (plus && colon && plus < colon && !strncmp(url, "postgres", 8)) {
        return apr_pstrcat(p, "postgresql", colon, NULL);
    }
    return url;
}

const apr_array_header_t *sb_conf_db_urls(const char *urls, apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 2, sizeof(const char *));
    char *state, *url = apr_strtok(apr_pstrdup(p, urls), " \t\n", &state);

    for (; url; url = apr_strtok(NULL, " \t\n", &state)) {
        APR_ARRAY_PUSH(list, const char *) = sb_conf_db_url(url, p);
    }
    return list;
}
