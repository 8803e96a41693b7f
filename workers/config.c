/* smarter-config: makes ini files from settings.yaml, judges them, prints the table of keys. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_conf.h"
#include "core/sb_file.h"
#include "workers/config_yaml.h"
#include "workers/program.h"

#define INI_MODE 0640 /* it holds passwords */

static const program_option_t options[] = {
    {"section", 's', "NAME", "check: only this section (default: those of ours that are there)", 0},
    {"markdown", 'm', NULL, "keys: as a Markdown table", 0},
    {"env", 'e', "ENV", "generate: the environment, laid over the section common", 0},
    {"hostclass", 'H', "CLASS", "generate: lay the section ENV.CLASS over that", 0},
    {"input", 'i', "FILE", "generate: the settings (default settings.yaml)", 0},
    {"output", 'o', "FILE", "generate: the ini file (default: standard output)", 0},
    {NULL, 0, NULL, NULL, 0}};

/* ---- keys ------------------------------------------------------------------------------------ */

static const char *const type_names[] = {
    [SB_KEY_TEXT] = "text",       [SB_KEY_SECRET] = "secret",   [SB_KEY_URL] = "url",
    [SB_KEY_PATH] = "path",       [SB_KEY_INT] = "number",      [SB_KEY_BOOL] = "boolean",
    [SB_KEY_SECONDS] = "seconds", [SB_KEY_BYTES] = "bytes",     [SB_KEY_LIST] = "list",
    [SB_KEY_CHOICE] = "choice",   [SB_KEY_RETIRED] = "retired", [SB_KEY_NEVER] = "only False",
    [SB_KEY_CRON] = "schedule",
};

static const char *type_text(const sb_key_t *k, apr_pool_t *p)
{
    if (k->type == SB_KEY_CHOICE) {
        return k->choices;
    }
    if (k->type == SB_KEY_INT || k->max > 0) {
        return apr_psprintf(p, "%s %" APR_INT64_T_FMT "-%" APR_INT64_T_FMT, type_names[k->type],
                            k->min, k->max);
    }
    return type_names[k->type];
}

/* Text for a cell of a Markdown table. */
static const char *cell(const char *text, apr_pool_t *p)
{
    char *out = apr_palloc(p, 2 * strlen(text) + 1), *o = out;

    for (; *text; text++) {
        if (strchr("|<*_", *text)) {
            *o++ = '\\';
        }
        *o++ = *text;
    }
    *o = '\0';
    return out;
}

static int print_keys(const program_t *prog)
{
    int markdown = program_option(prog, "markdown") != NULL;
    apr_pool_t *p = prog->pool;
    const sb_key_t *k;

    if (markdown) {
        puts("| key | type | default | meaning |\n|---|---|---|---|");
    }
    for (k = sb_keys; k->name; k++) {
        const char *type = type_text(k, p);

        if (markdown) {
            printf("| `%s` | %s | %s | %s |\n", k->name, cell(type, p),
                   k->dflt ? apr_psprintf(p, "`%s`", k->dflt) : "", cell(k->help, p));
        }
        else {
            printf("%s\n    %s%s%s\n    %s\n", k->name, type, k->dflt ? ", default " : "",
                   k->dflt ? k->dflt : "", k->help);
        }
    }
    return PROGRAM_DONE;
}

/* ---- sample ---------------------------------------------------------------------------------- */

static int begins_with_one(const char *name, const char *const *prefixes)
{
    for (; *prefixes; prefixes++) {
        if (!strncmp(name, *prefixes, strlen(*prefixes))) {
            return 1;
        }
    }
    return 0;
}

/* Of the pickup zone alone: in an ini of its own. */
static const char *const pickup_only[] = {"hpz.db.", "hpz.frs.", "hpz.record_expiration",
                                          "hpz.mail.", NULL};

/* Which section a key belongs to. Those of logs and statistics are in both. */
static int is_in(const char *name, const char *section)
{
    static const char *const both[] = {"logging.", "edware_stats.", NULL};
    static const char *const loader[] = {"zones.",        "gpg_home",        "passphrase",
                                         "udl2",          "target_db_conn.", "prod_db_conn.",
                                         "tenant.",       "notification",    "mail.",
                                         "file-grabber.", "report.",         NULL};

    if (begins_with_one(name, both)) {
        return 1;
    }
    return !begins_with_one(name, pickup_only) &&
           begins_with_one(name, loader) == !strcmp(section, "app");
}

/* What the pickup zone has in common with the reports: signing in, logs. */
static int is_in_pickup(const char *name)
{
    static const char *const shared[] = {"logging.",
                                         "edware_stats.",
                                         "schema.owner.url",
                                         "edware.db.<tenant>.state_code",
                                         "edware.db.connect_timeout",
                                         "edware.db.pool_timeout",
                                         "edware.db.prepare",
                                         "cache.session.",
                                         "auth.",
                                         "security.",
                                         NULL};

    return begins_with_one(name, pickup_only) || begins_with_one(name, shared);
}

/* "edware.db.<tenant>.url" becomes "edware.db.nc.url". */
static const char *example(const char *name, apr_pool_t *p)
{
    static const char *const words[][2] = {
        {"<tenant>", "nc"}, {"<name>", "lz"}, {"<field>", "minute"}, {NULL, NULL}};
    int i;

    for (i = 0; words[i][0]; i++) {
        const char *at = strstr(name, words[i][0]);

        if (at) {
            name = apr_pstrcat(p, apr_pstrmemdup(p, name, (apr_size_t)(at - name)), words[i][1],
                               at + strlen(words[i][0]), NULL);
        }
    }
    return name;
}

static void print_as_comment(const sb_key_t *k, apr_pool_t *p)
{
    if (k->type != SB_KEY_RETIRED && k->type != SB_KEY_NEVER) {
        printf("\n# %s (%s)\n#%s = %s\n", k->help, type_text(k, p), example(k->name, p),
               k->dflt ? k->dflt : "");
    }
}

/* An ini with every key as a comment: what to set is uncommented. */
static int print_sample(const program_t *prog)
{
    static const char *const sections[] = {"app:main", "app"};
    static const char *const titles[] = {"reporting and promotion", "the loader"};
    const sb_key_t *k;
    int i;

    puts("# Every key there is, with its default where it has one; made by smarter-config sample.\n"
         "# smarter tenant add writes the keys of a tenant (here nc). Judge changes with\n"
         "# smarter-config check FILE. It holds passwords: mode 0640.");
    for (i = 0; i < 2; i++) {
        printf("\n# ---- %s ----\n[%s]\n", titles[i], sections[i]);
        for (k = sb_keys; k->name; k++) {
            if (is_in(k->name, sections[i])) {
                print_as_comment(k, prog->pool);
            }
        }
    }
    return PROGRAM_DONE;
}

static int print_pickup_sample(const program_t *prog)
{
    puts(
        "# Every key of the pickup zone, with its default where it has one; made by "
        "smarter-config\n"
        "# sample hpz. Each state (here nc) has its state_code. Judge changes with smarter-config\n"
        "# check FILE. It holds passwords: mode 0640.\n\n[app:main]");
    for (const sb_key_t *k = sb_keys; k->name; k++) {
        if (is_in_pickup(k->name)) {
            print_as_comment(k, prog->pool);
        }
    }
    return PROGRAM_DONE;
}

/* ---- check ----------------------------------------------------------------------------------- */

/* Does the file have a line that opens this section? */
static int has_section(const char *text, const char *section)
{
    apr_size_t n = strlen(section);
    const char *line, *s;

    for (line = text; line; line = strchr(line, '\n')) {
        line += strspn(line, "\n");
        s = line + strspn(line, " \t");
        if (*s == '[') {
            s++;
            s += strspn(s, " \t");
            if (!strncmp(s, section, n) && s[n + strspn(s + n, " \t")] == ']') {
                return 1;
            }
        }
    }
    return 0;
}

static int check_section(const char *file, const char *section, apr_pool_t *p)
{
    const char *complaint;
    sb_conf_t *conf;

    complaint = sb_conf_load(&conf, file, section, p);
    if (complaint) {
        fprintf(stderr, "smarter-config: %s\n", complaint);
        return PROGRAM_FAILED;
    }
    printf("%s: [%s] is good\n", file, section);
    return PROGRAM_DONE;
}

static int check(const program_t *prog, const char *file)
{
    static const char *const ours[] = {"app:main", "app"};
    const char *section = program_option(prog, "section");
    apr_pool_t *p = prog->pool;
    int status = PROGRAM_DONE, found = 0;
    apr_status_t rv;
    apr_size_t len, i;
    char why[200], *text;

    if (section) {
        return check_section(file, section, p);
    }
    rv = sb_file_read(&text, &len, file, 1024 * 1024, p);
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "smarter-config: %s: cannot be read: %s\n", file,
                sb_strerror(rv, why, sizeof(why)));
        return PROGRAM_FAILED;
    }
    for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        if (has_section(text, ours[i])) {
            found = 1;
            if (check_section(file, ours[i], p) != PROGRAM_DONE) {
                status = PROGRAM_FAILED;
            }
        }
    }
    if (!found) {
        fprintf(stderr, "smarter-config: %s: has neither section [app:main] nor [app]\n", file);
        status = PROGRAM_FAILED;
    }
    return status;
}

/* ---- generate -------------------------------------------------------------------------------- */

static int generate(const program_t *prog)
{
    const char *env = program_option(prog, "env"), *input = program_option(prog, "input");
    const char *output = program_option(prog, "output"), *complaint, *ini;
    char why[200], *text;
    apr_size_t len;
    apr_status_t rv;

    if (!env) {
        return program_usage(prog, "generate: -e ENV is required");
    }
    input = input ? input : "settings.yaml";
    rv = sb_file_read(&text, &len, input, 4 * 1024 * 1024, prog->pool);
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "smarter-config: %s: cannot be read: %s\n", input,
                sb_strerror(rv, why, sizeof(why)));
        return PROGRAM_FAILED;
    }
    complaint =
        config_from_yaml(&ini, text, len, env, program_option(prog, "hostclass"), prog->pool);
    if (complaint) {
        fprintf(stderr, "smarter-config: %s: %s\n", input, complaint);
        return PROGRAM_FAILED;
    }
    if (!output || !strcmp(output, "-")) {
        fputs(ini, stdout);
        return PROGRAM_DONE;
    }
    rv = sb_file_write(output, ini, strlen(ini), INI_MODE, prog->pool);
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "smarter-config: %s: cannot be written: %s\n", output,
                sb_strerror(rv, why, sizeof(why)));
        return PROGRAM_FAILED;
    }
    return PROGRAM_DONE;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int run(program_t *prog)
{
    const char *command = prog->args->nelts ? APR_ARRAY_IDX(prog->args, 0, const char *) : "";
    const char *file = prog->args->nelts > 1 ? APR_ARRAY_IDX(prog->args, 1, const char *) : NULL;

    if (!strcmp(command, "check") && file) {
        return check(prog, file);
    }
    if (!strcmp(command, "keys") && !file) {
        return print_keys(prog);
    }
    if (!strcmp(command, "sample") && file && !strcmp(file, "hpz")) {
        return print_pickup_sample(prog);
    }
    if (!strcmp(command, "sample") && !file) {
        return print_sample(prog);
    }
    if (!strcmp(command, "generate") && !file) {
        return generate(prog);
    }
    return program_usage(prog, "want check FILE, keys, sample, sample hpz or generate");
}

static const program_def_t def = {
    .name = "smarter-config",
    .summary =
        "judge an ini file, print the keys there are, or make an ini file from settings.yaml",
    .usage = "check FILE [--section NAME] | keys [--markdown] | sample [hpz] |\n"
             "       generate -e ENV [-H CLASS] [-i settings.yaml] [-o smarter.ini]",
    .section = "app:main",
    .options = options,
    .max_args = 2,
    .flags = PROGRAM_TOOL | PROGRAM_NO_INI,
    .run = run,
};

int main(int argc, char **argv)
{
    return program_main(&def, argc, argv);
}
