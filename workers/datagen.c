/* smarter-datagen: landing-zone packages of an invented state, reproducible from a seed. */

#include "workers/datagen.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/sb_crypto.h"
#include "core/sb_file.h"
#include "workers/program.h"

#define YEARS_MAX 50
#define NKINDS 4 /* those of dg_kind_t, and: */
#define REGISTRATION 3
#define CALLBACK "https://registration.invalid/callback" /* registration must name one */

static const char *const kinds[NKINDS] = {"summative", "interim", "blocks", "registration"};

typedef struct {
    const char *out;
    int pack, done;
    int rows_per_package; /* 0: all in one */
    int columns;
    int nyears, years[YEARS_MAX];
    int kinds[NKINDS], subjects[DG_NSUBJECTS]; /* wanted? */
    int blocks, levels;
    dg_delta_t delta;
    const char *state_name, *callback;
    dg_pack_t how;
} job_t;

static const program_option_t options[] = {
    {"state", 's', "XX", "two letters; required", 0},
    {"districts", 'd', "N", "how many districts (default 12)", 0},
    {"schools", 0, "N", "how many schools in all, at least one a district (default 60)", 0},
    {"students", 'n', "N", "how many students a year in all (default 20000)", 0},
    {"years", 'y', "Y,...", "academic years, as 2015,2016 or 2014-2016; required", 0},
    {"seed", 0, "S", "the same seed, the same state (default 1)", 0},
    {"out", 'o', "DIR", "directory for what is made; required", 0},
    {"kinds", 0, "LIST",
     "summative, interim (comprehensive), blocks (interim assessment blocks), registration "
     "(student registration; default summative)",
     0},
    {"subjects", 0, "LIST", "Math,ELA,Science (default Math,ELA)", 0},
    {"blocks", 0, "N", "interim blocks of each subject, 1 to 5 (default 3)", 0},
    {"levels", 0, "N", "achievement levels, 3 to 6 (default 4)", 0},
    {"updates", 0, "PCT", "deliver again, with so many per cent of the students corrected", 0},
    {"deletes", 0, "PCT",
     "and so many taken back: Op D in results, gone from the snapshot in registration", 0},
    {"revision", 0, "N", "which later delivery, 1 to 999: each is another choice (default 1)", 0},
    {"only-changes", 0, NULL, "leave out who is as he was", 0},
    {"state-name", 0, "NAME", "for registration (default 'State of XX')", 0},
    {"callback", 0, "URL", "who wants to hear what became of a package", 0},
    {"columns", 0, "N",
     "88 to 91: 89 is without AdministrationCondition and CompleteStatus, 90 without Op, 88 "
     "without "
     "all three (default 91)",
     0},
    {"rows-per-package", 0, "N", "split into packages of at most N rows", 0},
    {"format", 0, "csv|pack", "a directory with CSV and JSON each (default), or a package each", 0},
    {"pack", 'p', NULL, "the same as --format pack", 0},
    {"gnupghome", 0, "DIR", "key ring of the sender (default $SMARTER_GPG_SENDER_HOME)", 0},
    {"recipient", 'r', "KEY", "encrypt to this key (default $SMARTER_GPG_RECIPIENT)", 0},
    {"sign-key", 'k', "KEY", "sign with this key (default: the ring's first secret key)", 0},
    {"no-sign", 0, NULL, "only encrypt", 0},
    {"done", 0, NULL, "write the checksum companion NAME.done of each package", 0},
    {"metadata", 0, NULL, "only print the tenant's custom metadata as JSON", 0},
    {"min-cell-size", 0, "N", "smallest group shown, for --metadata (default 10)", 0},
    {NULL, 0, NULL, NULL, 0}};

/* ---- options --------------------------------------------------------------------------------- */

/* @return 0, or PROGRAM_USAGE after saying so */
static int read_number(int *pn, const program_t *prog, const char *option, int dflt, int min,
                       int max)
{
    const char *text = program_option(prog, option);
    char *end;
    long n;

    *pn = dflt;
    if (!text) {
        return 0;
    }
    n = strtol(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || n < min || n > max) {
        return program_usage(prog, "--%s %s: want %d to %d", option, text, min, max);
    }
    *pn = (int)n;
    return 0;
}

static int read_years(job_t *job, const program_t *prog, const char *text)
{
    char *copy = apr_pstrdup(prog->pool, text), *last, *word, *end;
    long from, to;

    for (word = apr_strtok(copy, ", ", &last); word; word = apr_strtok(NULL, ", ", &last)) {
        from = to = strtol(word, &end, 10);
        if (*end == '-') {
            to = strtol(end + 1, &end, 10);
        }
        if (*end || from < 1990 || to > 2099 || from > to) {
            return program_usage(prog, "--years %s: want years from 1990 to 2099", word);
        }
        for (; from <= to; from++) {
            if (job->nyears == YEARS_MAX) {
                return program_usage(prog, "--years: at most %d", YEARS_MAX);
            }
            job->years[job->nyears++] = (int)from;
        }
    }
    return 0;
}

/* A list of known words to flags. */
static int read_words(int *flags, const char *const *words, int nwords, const program_t *prog,
                      const char *option, const char *dflt)
{
    const char *text = program_option(prog, option), *known = words[0];
    char *copy = apr_pstrdup(prog->pool, text ? text : dflt), *last, *word;
    int i;

    for (i = 1; i < nwords; i++) {
        known = apr_pstrcat(prog->pool, known, i == nwords - 1 ? " or " : ", ", words[i], NULL);
    }
    for (word = apr_strtok(copy, ", ", &last); word; word = apr_strtok(NULL, ", ", &last)) {
        for (i = 0; i < nwords && strcasecmp(words[i], word); i++) {
        }
        if (i == nwords) {
            return program_usage(prog, "--%s %s: want %s", option, word, known);
        }
        flags[i] = 1;
    }
    return 0;
}

static int read_subjects(int flags[DG_NSUBJECTS], const program_t *prog)
{
    const char *names[DG_NSUBJECTS];
    int i;

    for (i = 0; i < DG_NSUBJECTS; i++) {
        names[i] = dg_subjects[i].name;
    }
    return read_words(flags, names, DG_NSUBJECTS, prog, "subjects", "Math,ELA");
}

static int read_delta(job_t *job, const program_t *prog)
{
    dg_delta_t *d = &job->delta;
    int rv = read_number(&d->updates, prog, "updates", 0, 0, 100);

    if (!rv) {
        rv = read_number(&d->deletes, prog, "deletes", 0, 0, 100);
    }
    if (!rv) {
        rv = read_number(&d->revision, prog, "revision", d->updates || d->deletes, 1, 999);
    }
    d->only = program_option(prog, "only-changes") != NULL;
    if (!rv && d->updates + d->deletes > 100) {
        rv = program_usage(prog, "--updates and --deletes: more than all");
    }
    if (!rv && d->only && !d->revision) {
        rv = program_usage(prog, "--only-changes needs --updates or --deletes");
    }
    if (!rv && d->deletes && !DG_HAS_OP(job->columns)) {
        rv = program_usage(prog, "--deletes needs the column Op: --columns 89 or 91");
    }
    return rv;
}

static int read_packing(job_t *job, const program_t *prog)
{
    const char *format = program_option(prog, "format");

    job->pack = program_option(prog, "pack") != NULL;
    if (format && !strcmp(format, "pack")) {
        job->pack = 1;
    }
    else if (format && strcmp(format, "csv")) {
        return program_usage(prog, "--format %s: want csv or pack", format);
    }
    job->done = program_option(prog, "done") != NULL;
    job->how.home = program_option(prog, "gnupghome");
    job->how.recipient = program_option(prog, "recipient");
    job->how.signer = program_option(prog, "sign-key");
    job->how.sign = !program_option(prog, "no-sign");
    if (!job->how.home) {
        job->how.home = getenv("SMARTER_GPG_SENDER_HOME");
    }
    if (!job->how.recipient) {
        job->how.recipient = getenv("SMARTER_GPG_RECIPIENT");
    }
    if (job->pack && (!job->how.recipient || !*job->how.recipient)) {
        return program_usage(prog, "--pack needs --recipient: the loader's key");
    }
    return 0;
}

static int read_job(job_t *job, const program_t *prog)
{
    const apr_array_header_t *years = program_options(prog, "years");
    int i, rv;

    job->out = program_option(prog, "out");
    job->state_name = program_option(prog, "state-name");
    job->callback = program_option(prog, "callback");
    rv = read_number(&job->rows_per_package, prog, "rows-per-package", 0, 1, 100000000);
    if (!rv) {
        rv = read_number(&job->columns, prog, "columns", 91, 88, 91);
    }
    if (!rv) {
        rv = read_words(job->kinds, kinds, NKINDS, prog, "kinds", "summative");
    }
    if (!rv) {
        rv = read_subjects(job->subjects, prog);
    }
    if (!rv) {
        rv = read_number(&job->blocks, prog, "blocks", 3, 1, DG_NBLOCKS);
    }
    if (!rv) {
        rv = read_number(&job->levels, prog, "levels", 4, 3, DG_LEVELS_MAX);
    }
    if (!rv) {
        rv = read_delta(job, prog);
    }
    if (!rv) {
        rv = read_packing(job, prog);
    }
    for (i = 0; !rv && i < years->nelts; i++) {
        rv = read_years(job, prog, APR_ARRAY_IDX(years, i, const char *));
    }
    for (i = 0; !rv && i < prog->args->nelts; i++) { /* --years 2015 2016 */
        rv = read_years(job, prog, APR_ARRAY_IDX(prog->args, i, const char *));
    }
    if (!rv && (!job->nyears || !job->out)) {
        rv = program_usage(prog, "--state, --years and --out are required");
    }
    return rv;
}

static int read_world(dg_world_t **pworld, const program_t *prog)
{
    const char *state = program_option(prog, "state"), *seed = program_option(prog, "seed");
    int districts, schools, students, rv;

    rv = read_number(&districts, prog, "districts", 12, 1, 100000);
    if (!rv) {
        rv =
            read_number(&schools, prog, "schools", districts > 12 ? 5 * districts : 60, 1, 1000000);
    }
    if (!rv) {
        rv = read_number(&students, prog, "students", 20000, 1, 50000000);
    }
    if (!rv && (!state || strlen(state) != 2 || !isupper((unsigned char)state[0]) ||
                !isupper((unsigned char)state[1]))) {
        rv = program_usage(prog, "--state: want two capital letters");
    }
    if (!rv && schools < districts) {
        rv = program_usage(prog, "--schools %d: want at least one for each of %d districts",
                           schools, districts);
    }
    if (!rv) {
        *pworld = dg_world_make(seed ? strtoull(seed, NULL, 10) : 1, state, districts, schools,
                                students, prog->pool);
    }
    return rv;
}

/* ---- work ------------------------------------------------------------------------------------ */

static const char *failed(const char *path, apr_status_t rv, apr_pool_t *p)
{
    char buf[200];

    return apr_psprintf(p, "%s: %s", path, sb_strerror(rv, buf, sizeof(buf)));
}

static const char *write_companion(const char *path, apr_pool_t *p)
{
    const char *name = apr_psprintf(p, "%s.done", path), *text;
    unsigned char buf[65536];
    sb_digest_t *d = NULL;
    apr_status_t rv = sb_digest_make(&d, "MD5", p);
    FILE *in = fopen(path, "r");
    size_t n;

    while (in && rv == APR_SUCCESS && (n = fread(buf, 1, sizeof(buf), in)) > 0) {
        rv = sb_digest_update(d, buf, n);
    }
    if (in) {
        fclose(in);
    }
    if (rv == APR_SUCCESS) {
        text = apr_psprintf(p, "%s %s\n", sb_digest_hex(d), strrchr(path, '/') + 1);
        rv = sb_file_write(name, text, strlen(text), 0644, p);
    }
    return rv == APR_SUCCESS ? NULL : failed(name, rv, p);
}

/* What is delivered: results of a test, or registration. */
typedef struct {
    const char *name; /* of file and package, without what follows */
    int year;
    const dg_assessment_t *test; /* NULL: registration */
} delivery_t;

/* A snapshot replaces the last one of its system, hence each part of a split one has its own. */
static dg_registration_t registration(const job_t *job, const dg_world_t *w, int year,
                                      const char *part, apr_pool_t *p)
{
    dg_registration_t reg = {.state = w->state, .year = year, .revision = job->delta.revision};

    reg.state_name =
        job->state_name ? job->state_name : apr_pstrcat(p, "State of ", w->state, NULL);
    reg.system = apr_pstrcat(p, w->state, "-REG", part, NULL);
    reg.callback = job->callback ? job->callback : CALLBACK;
    return reg;
}

/* Both files of a package. */
static apr_status_t write_files(int *pnrows, const job_t *job, dg_walk_t *walk, const delivery_t *d,
                                const char *part, const char *csv, const char *json, apr_pool_t *p)
{
    const char *text;
    apr_status_t rv;

    if (d->test) {
        text = dg_json_text(d->test, job->callback, p);
        rv = dg_csv_write(pnrows, csv, d->test, walk, p);
    }
    else {
        dg_registration_t reg = registration(job, walk->world, d->year, part, p);

        text = dg_registration_text(&reg, p);
        rv = dg_registration_write(pnrows, csv, &reg, walk, p);
    }
    return rv == APR_SUCCESS ? sb_file_write(json, text, strlen(text), 0644, p) : rv;
}

/* One CSV and its JSON, as a directory or as a package. */
static const char *make_one(const job_t *job, dg_walk_t *walk, const delivery_t *d,
                            const char *part, apr_pool_t *p)
{
    apr_array_header_t *files = apr_array_make(p, 2, sizeof(char *));
    const char *name = apr_pstrcat(p, d->name, part, NULL);
    const char *dir = apr_psprintf(p, "%s/%s%s", job->out, job->pack ? "." : "", name);
    const char *csv = apr_psprintf(p, "%s/%s.csv", dir, name);
    const char *json = apr_psprintf(p, "%s/%s.json", dir, name);
    const char *complaint = NULL, *path = dir;
    int nrows = 0;
    apr_status_t rv;

    rv = sb_dir_make(dir, 0755, p);
    if (rv == APR_SUCCESS) {
        rv = write_files(&nrows, job, walk, d, part, csv, json, p);
    }
    if (rv != APR_SUCCESS) {
        complaint = failed(dir, rv, p);
    }
    else if (job->pack) {
        APR_ARRAY_PUSH(files, const char *) = csv;
        APR_ARRAY_PUSH(files, const char *) = json;
        path = apr_psprintf(p, "%s/%s.tar.gz.gpg", job->out, name);
        complaint = dg_pack(path, files, &job->how, p);
        if (!complaint && job->done) {
            complaint = write_companion(path, p);
        }
    }
    if (job->pack) {
        rv = sb_dir_remove(dir, p);
        if (rv != APR_SUCCESS && !complaint) {
            complaint = failed(dir, rv, p);
        }
    }
    if (!complaint) {
        printf("%s\t%d\n", path, nrows);
        fflush(stdout);
    }
    return complaint;
}

/* All of its packages. */
static const char *make_delivery(const job_t *job, const dg_world_t *w, delivery_t d, apr_pool_t *p)
{
    int size = job->rows_per_package ? job->rows_per_package : w->nstudents, from, n = 0;
    const char *complaint = NULL, *part = "";
    dg_walk_t walk;
    apr_pool_t *sub;

    if (job->delta.revision) {
        d.name = apr_psprintf(p, "%s-r%d", d.name, job->delta.revision);
    }
    apr_pool_create(&sub, p);
    for (from = 0; from < w->nstudents && !complaint; from += size) {
        if (program_stopping()) {
            return "stopped";
        }
        apr_pool_clear(sub);
        if (job->rows_per_package) {
            part = apr_psprintf(sub, "-%03d", ++n);
        }
        dg_walk_begin(&walk, w, &job->delta, d.year, from,
                      w->nstudents - from < size ? w->nstudents : from + size);
        complaint = make_one(job, &walk, &d, part, sub);
        complaint = complaint ? apr_pstrdup(p, complaint) : NULL;
    }
    apr_pool_destroy(sub);
    return complaint;
}

/* A test, or of blocks each. */
static const char *make_tests(const job_t *job, const dg_world_t *w, int year, dg_kind_t kind,
                              dg_subject_t subject, apr_pool_t *p)
{
    int block, nblocks = kind == DG_BLOCKS ? job->blocks : 1;
    const char *complaint = NULL;
    dg_assessment_t a;
    delivery_t d = {.year = year, .test = &a};

    for (block = 0; block < nblocks && !complaint; block++) {
        dg_assessment_make(&a, w, year, subject, kind, block, job->levels, job->columns);
        d.name =
            apr_psprintf(p, "%s-%d-%s-%s%s", w->state, year, dg_subjects[subject].file, kinds[kind],
                         kind == DG_BLOCKS ? apr_psprintf(p, "-%d", block + 1) : "");
        complaint = make_delivery(job, w, d, p);
    }
    return complaint;
}

static const char *make_year(const job_t *job, const dg_world_t *w, int year, apr_pool_t *p)
{
    delivery_t d = {.year = year};
    const char *complaint = NULL;
    int subject, kind;

    for (kind = 0; kind < REGISTRATION; kind++) {
        for (subject = 0; subject < DG_NSUBJECTS; subject++) {
            if (job->kinds[kind] && job->subjects[subject] && !complaint) {
                complaint = make_tests(job, w, year, (dg_kind_t)kind, (dg_subject_t)subject, p);
            }
        }
    }
    if (job->kinds[REGISTRATION] && !complaint) {
        d.name = apr_psprintf(p, "%s-%d-registration", w->state, year);
        complaint = make_delivery(job, w, d, p);
    }
    return complaint;
}

static const char *make_all(const job_t *job, const dg_world_t *w, apr_pool_t *p)
{
    const char *complaint = NULL;
    int y;

    for (y = 0; y < job->nyears && !complaint; y++) {
        complaint = make_year(job, w, job->years[y], p);
    }
    return complaint;
}

static int print_metadata(const program_t *prog, int min_cell)
{
    int subjects[DG_NSUBJECTS] = {0}, levels, rv = read_subjects(subjects, prog);

    if (!rv) {
        rv = read_number(&levels, prog, "levels", 4, 3, DG_LEVELS_MAX);
    }
    if (!rv) {
        puts(dg_metadata_text(subjects, levels, min_cell, prog->pool));
    }
    return rv;
}

static int run(program_t *prog)
{
    job_t job = {0};
    dg_world_t *world;
    const char *complaint;
    int rv, min_cell;

    rv = read_number(&min_cell, prog, "min-cell-size", 10, 1, 10000);
    if (!rv && program_option(prog, "metadata")) {
        return print_metadata(prog, min_cell);
    }
    if (!rv) {
        rv = read_job(&job, prog);
    }
    if (!rv) {
        rv = read_world(&world, prog);
    }
    if (rv) {
        return rv;
    }
    complaint = make_all(&job, world, prog->pool);
    if (complaint) {
        fprintf(stderr, "smarter-datagen: %s\n", complaint);
        return PROGRAM_FAILED;
    }
    return PROGRAM_DONE;
}

static const program_def_t def = {
    .name = "smarter-datagen",
    .summary = "make landing-zone packages of an invented state: the same seed, the same bytes",
    .usage = "--state XX --years Y,... --out DIR [OPTION...]",
    .section = "app",
    .options = options,
    .max_args = YEARS_MAX,
    .flags = PROGRAM_TOOL | PROGRAM_NO_INI,
    .run = run,
};

int main(int argc, char **argv)
{
    return program_main(&def, argc, argv);
}
