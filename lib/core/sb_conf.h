#ifndef SB_CONF_H
#define SB_CONF_H

/**
 * Configuration: one ini file per application with the operator manual's key names. One typed table
 * (sb_keys.c) lists every key: type, default, range, help. Reading a key that the table does not
 * know is a programming error and aborts.
 *
 * File form: "[section]" lines, "key = value", comments by '#' or ';' at the start of a line, a
 * continued value on indented lines. Keys are compared exactly. The same key twice: the later wins.
 */

#include <apr_tables.h>
#include <apr_time.h>
#include "core/sb_status.h"

typedef enum {
    SB_KEY_TEXT,
    SB_KEY_SECRET, /* text that is never printed */
    SB_KEY_URL,    /* a database, broker or web address; passwords inside are never printed */
    SB_KEY_PATH,
    SB_KEY_INT,     /* min..max */
    SB_KEY_BOOL,    /* true/false, yes/no, on/off, 1/0, any case */
    SB_KEY_SECONDS, /* a number of seconds, or with a unit: 90, 500ms, 20min, 12h, 7d */
    SB_KEY_BYTES,   /* a number, or with a unit: 64K, 16M, 2G (powers of 1024) */
    SB_KEY_LIST,   /* comma- or blank-separated texts; brackets and quotes of old files tolerated */
    SB_KEY_CHOICE, /* one of choices, separated by '|' */
    SB_KEY_CRON,   /* a field of a schedule, named by the key's last component: core/sb_schedule.h */
    SB_KEY_RETIRED, /* accepted and ignored with a note: help says what replaced it */
    SB_KEY_NEVER    /* only "False" is accepted: a switch too dangerous to exist */
} sb_key_type_t;

typedef struct {
    const char *name; /* "<tenant>", "<name>", "<field>" and so on stand for one component */
    sb_key_type_t type;
    const char *dflt;     /* NULL: none */
    apr_int64_t min, max; /* INT; SECONDS and BYTES when max > 0 */
    const char *choices;  /* CHOICE */
    const char *help;     /* one line, with the unit */
} sb_key_t;

/** The table, ordered by application and name; ends with name NULL. */
extern const sb_key_t sb_keys[];

typedef struct sb_conf_t sb_conf_t;

/**
 * Read one section of an ini file and judge every line of it.
 * @param section "app:main" (reporting, migration), "app" (loader)
 * @return NULL; or the complaint: file, line, key, value (unless secret) and what is accepted.
 *         Unknown keys are warned about in the log, naming the nearest known one.
 */
const char *sb_conf_load(sb_conf_t **pconf, const char *path, const char *section,
                         apr_pool_t *p) SB_MUST_CHECK;

/** Text value, the table's default, or NULL. Valid as long as conf. */
const char *sb_conf_str(const sb_conf_t *conf, const char *key);
apr_int64_t sb_conf_int(const sb_conf_t *conf, const char *key);
int sb_conf_bool(const sb_conf_t *conf, const char *key);
apr_interval_time_t sb_conf_interval(const sb_conf_t *conf, const char *key); /* SECONDS, as usec */
apr_int64_t sb_conf_bytes(const sb_conf_t *conf, const char *key);
/** LIST as texts; empty when not set and without default. */
const apr_array_header_t *sb_conf_list(const sb_conf_t *conf, const char *key, apr_pool_t *p);

/** Text of a per-tenant key: name with "<tenant>" replaced; falls back to the key without the
 *  tenant component ("edware.db.<tenant>.pool_size" -> "edware.db.pool_size"), then the default. */
const char *sb_conf_tenant_str(const sb_conf_t *conf, const char *name, const char *tenant);

/** Names that fill "<tenant>" (or "<name>") in a key, sorted. @param name e.g. "edware.db.<tenant>.url" */
const apr_array_header_t *sb_conf_names(const sb_conf_t *conf, const char *name, apr_pool_t *p);

/** The file it came from, for messages. */
const char *sb_conf_path(const sb_conf_t *conf);

/** A libpq address from a key of type URL: "postgresql+psycopg2://" becomes "postgresql://". */
const char *sb_conf_db_url(const char *url, apr_pool_t *p);

/** The same for a value that may be several addresses with blanks between. @return of const char * */
const apr_array_header_t *sb_conf_db_urls(const char *urls, apr_pool_t *p);

#endif
