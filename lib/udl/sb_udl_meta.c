/* The metadata of a package: see sb_udl_meta.h. */

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "core/sb_json.h"
#include "udl/sb_udl_meta.h"

#define NUMBER_MAX 9999 /* four digits; more were cut to another number */
#define LISTED_MAX 10   /* faults named in the complaint */
#define URL_MAX 512

typedef struct {
    const char *path;
    const char *target; /* column of the batch table asmt */
    sb_udl_rule_t rule;
    int max;
    int flags;
} meta_column_t;

/* clang-format off */
static const meta_column_t columns[SB_UDL_NMETA] = {
    {"Identification.EffectiveDate", "effective_date", SB_UDL_DAY_TAKEN, 8, SB_UDL_REQUIRED},
    {"Identification.Guid", "asmt_guid", SB_UDL_CLEAN, 255, SB_UDL_REQUIRED | SB_UDL_IS_ID},
    {"Identification.Period", "asmt_period", SB_UDL_CLEAN, 32, 0},
    {"Identification.Subject", "asmt_subject", SB_UDL_SUBJECT, 64, SB_UDL_REQUIRED},
    {"Identification.Type", "asmt_type", SB_UDL_TYPE, 32, SB_UDL_REQUIRED},
    {"Identification.Version", "asmt_version", SB_UDL_CLEAN, 40, SB_UDL_REQUIRED | SB_UDL_IS_ID},
    {"Identification.Year", "asmt_period_year", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Overall.MaxScore", "asmt_score_max", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Overall.MinScore", "asmt_score_min", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"PerformanceLevels.Level1.Name", "asmt_perf_lvl_name_1", SB_UDL_CLEAN, 25, 0},
    {"PerformanceLevels.Level2.CutPoint", "asmt_cut_point_1", SB_UDL_NUMBER, 0, 0},
    {"PerformanceLevels.Level2.Name", "asmt_perf_lvl_name_2", SB_UDL_CLEAN, 25, 0},
    {"PerformanceLevels.Level3.CutPoint", "asmt_cut_point_2", SB_UDL_NUMBER, 0, 0},
    {"PerformanceLevels.Level3.Name", "asmt_perf_lvl_name_3", SB_UDL_CLEAN, 25, 0},
    {"PerformanceLevels.Level4.CutPoint", "asmt_cut_point_3", SB_UDL_NUMBER, 0, 0},
    {"PerformanceLevels.Level4.Name", "asmt_perf_lvl_name_4", SB_UDL_CLEAN, 25, 0},
    {"PerformanceLevels.Level5.CutPoint", "asmt_cut_point_4", SB_UDL_NUMBER, 0, 0},
    {"PerformanceLevels.Level5.Name", "asmt_perf_lvl_name_5", SB_UDL_CLEAN, 25, 0},
    {"Claims.Claim1.MaxScore", "asmt_claim_1_score_max", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Claims.Claim1.MinScore", "asmt_claim_1_score_min", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Claims.Claim1.Name", "asmt_claim_1_name", SB_UDL_CLEAN, 128, 0},
    {"Claims.Claim2.MaxScore", "asmt_claim_2_score_max", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Claims.Claim2.MinScore", "asmt_claim_2_score_min", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Claims.Claim2.Name", "asmt_claim_2_name", SB_UDL_CLEAN, 128, 0},
    {"Claims.Claim3.MaxScore", "asmt_claim_3_score_max", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Claims.Claim3.MinScore", "asmt_claim_3_score_min", SB_UDL_NUMBER, 0, SB_UDL_REQUIRED},
    {"Claims.Claim3.Name", "asmt_claim_3_name", SB_UDL_CLEAN, 128, 0},
    {"Claims.Claim4.MaxScore", "asmt_claim_4_score_max", SB_UDL_NUMBER, 0, 0},
    {"Claims.Claim4.MinScore", "asmt_claim_4_score_min", SB_UDL_NUMBER, 0, 0},
    {"Claims.Claim4.Name", "asmt_claim_4_name", SB_UDL_CLEAN, 128, 0},
    {"ClaimsPerformanceLevel.Level1.Name", "asmt_claim_perf_lvl_name_1", SB_UDL_CLEAN, 128, 0},
    {"ClaimsPerformanceLevel.Level2.Name", "asmt_claim_perf_lvl_name_2", SB_UDL_CLEAN, 128, 0},
    {"ClaimsPerformanceLevel.Level3.Name", "asmt_claim_perf_lvl_name_3", SB_UDL_CLEAN, 128, 0},
};
/* clang-format on */

/* One reading: what was found wrong so far. */
typedef struct {
    sb_udl_meta_t *meta;
    const sb_json_t *root;
    apr_array_header_t *warnings;
    const char *faults; /* "; " between them */
    int nfaults;
    apr_pool_t *p;
} reader_t;

__attribute__((format(printf, 2, 3))) static void complain(reader_t *r, const char *fmt, ...)
{
    const char *text;
    va_list ap;

    va_start(ap, fmt);
    text = apr_pvsprintf(r->p, fmt, ap);
    va_end(ap);
    if (r->nfaults++ < LISTED_MAX) {
        r->faults = r->faults ? apr_pstrcat(r->p, r->faults, "; ", text, NULL) : text;
    }
}

static const char *complaint(const reader_t *r)
{
    if (!r->nfaults) {
        return NULL;
    }
    return apr_psprintf(r->p, "in the metadata: %s%s (code 3013)", r->faults,
                        r->nfaults > LISTED_MAX
                            ? apr_psprintf(r->p, "; and %d more", r->nfaults - LISTED_MAX)
                            : "");
}

/* ---- values ------------------------------------------------------------------------------------ */

/* @return the node at a dotted path, names in any case; NULL if it is not there */
static const sb_json_t *at_path(const sb_json_t *root, const char *path, apr_pool_t *p)
{
    char *rest = apr_pstrdup(p, path), *name, *state;

    for (name = apr_strtok(rest, ".", &state); name && root; name = apr_strtok(NULL, ".", &state)) {
        root = sb_json_get_nocase(root, name);
    }
    return root;
}

/* Names are taken in any case of letters: is then more than one member meant by a part of the path? */
static int is_ambiguous(const sb_json_t *at, const char *path)
{
    const sb_json_t *c, *found;
    apr_size_t len;

    for (; at; at = found) {
        len = strcspn(path, ".");
        for (c = at->child, found = NULL; c; c = c->next) {
            if (c->key && strlen(c->key) == len && !strncasecmp(c->key, path, len)) {
                if (found) {
                    return 1;
                }
                found = c;
            }
        }
        path += len;
        if (!*path++) {
            return 0;
        }
    }
    return 0;
}

/* Text of a value: numbers as written, null and anything else as nothing. */
static const char *text_of(const sb_json_t *n, apr_size_t *plen)
{
    if (!n || (n->type != SB_JSON_STRING && n->type != SB_JSON_NUMBER)) {
        *plen = 0;
        return "";
    }
    *plen = n->len;
    return n->text;
}

/* An optional text, if it is one that a URL or address may be. */
static const char *optional_text(const sb_json_t *root, const char *path, apr_pool_t *p)
{
    const char *text = sb_json_str(at_path(root, path, p), NULL);

    return text && *text && strlen(text) <= URL_MAX ? text : NULL;
}

static int is_zero_length(const sb_udl_value_t *v)
{
    return v->kind == SB_UDL_V_NULL || (v->kind == SB_UDL_V_TEXT && !v->len);
}

/* Convert one value into v, in r->p. */
static void read_value(reader_t *r, sb_udl_value_t *v, const meta_column_t *column)
{
    const sb_json_t *node = at_path(r->root, column->path, r->p);
    char *scratch = apr_palloc(r->p, SB_UDL_SCRATCH);
    apr_size_t used = 0, len;
    const char *text = text_of(node, &len);
    sb_udl_issue_t issue;

    memset(v, 0, sizeof *v);
    if (!node) {
        complain(r, "%s is missing", column->path);
        return;
    }
    if (is_ambiguous(r->root, column->path)) {
        complain(r, "%s is there twice, in different cases of letters", column->path);
        return;
    }
    if (node->type == SB_JSON_OBJECT || node->type == SB_JSON_ARRAY || node->type == SB_JSON_BOOL) {
        complain(r, "%s: neither text nor number", column->path);
        return;
    }
    issue = sb_udl_convert(v, column->rule, column->max, column->flags | SB_UDL_NOT_PLAIN, text,
                           len, scratch, &used);
    if (issue == SB_UDL_NO_NUMBER && len && strspn(text, " ") == len) {
        v->kind = SB_UDL_V_NULL; /* blank stands for nothing here */
        issue = column->flags & SB_UDL_REQUIRED ? SB_UDL_MISSING : SB_UDL_FINE;
    }
    if (v->kind == SB_UDL_V_INT && abs(v->number) > NUMBER_MAX) {
        complain(r, "%s: more than four digits", column->path);
    }
    else if (sb_udl_issue_info[issue].action >= SB_UDL_REJECT) {
        complain(r, "%s: %s", column->path, sb_udl_issue_text(issue, column->max, r->p));
    }
    else if (issue != SB_UDL_FINE) {
        sb_udl_meta_warning_t *w = apr_array_push(r->warnings);

        w->path = column->path;
        w->issue = issue;
        w->reason = sb_udl_issue_text(issue, column->max, r->p);
    }
}

/* Text that is stored as it was written. */
static const char *read_text(reader_t *r, const char *path, int max)
{
    const meta_column_t column = {path, NULL, SB_UDL_CLEAN, max, SB_UDL_REQUIRED | SB_UDL_IS_ID};
    sb_udl_value_t v;

    read_value(r, &v, &column);
    return v.kind == SB_UDL_V_TEXT ? apr_pstrmemdup(r->p, v.s, v.len) : "";
}

static int read_year(reader_t *r, const char *path)
{
    const meta_column_t column = {path, NULL, SB_UDL_NUMBER, 0, SB_UDL_REQUIRED};
    sb_udl_value_t v;

    read_value(r, &v, &column);
    if (v.kind == SB_UDL_V_INT && v.number < 1) {
        complain(r, "%s: no year", path);
    }
    return v.kind == SB_UDL_V_INT ? v.number : 0;
}

/* ---- levels and claims beyond the columns ------------------------------------------------------ */

/* The highest number behind a word among the names of an object: 7 for Level7. */
static int highest(const sb_json_t *object, const char *word)
{
    apr_size_t len = strlen(word);
    const sb_json_t *n;
    int max = 0;

    if (!object || object->type != SB_JSON_OBJECT) {
        return 0;
    }
    for (n = object->child; n; n = n->next) {
        const char *digits = n->key + len;

        if (!strncasecmp(n->key, word, len) && strspn(digits, "0123456789") == strlen(digits) &&
            *digits >= '1' && *digits <= '9') {
            int number = strlen(digits) > 4 ? 9999 : atoi(digits);

            max = number > max ? number : max;
        }
    }
    return max;
}

/* A member of these objects. */
typedef struct {
    const char *object, *word;     /* "PerformanceLevels", "Level" */
    const char *key;               /* "level" */
    int first, max;                /* number of the first without columns, and the last possible */
    const char *numbers[2];        /* "CutPoint" */
    const char *number_columns[2]; /* "cut_point" */
    int name_max;                  /* characters */
} series_t;

static const series_t levels_series = {
    "PerformanceLevels", "Level", "level", 6, SB_UDL_LEVELS_MAX, {"CutPoint", NULL},
    {"cut_point", NULL}, 25};
static const series_t claims_series = {"Claims",
                                       "Claim",
                                       "claim",
                                       5,
                                       SB_UDL_CLAIMS_MAX,
                                       {"MinScore", "MaxScore"},
                                       {"score_min", "score_max"},
                                       128};

static void write_value(sb_jw_t *w, const char *key, const sb_udl_value_t *v)
{
    if (v->kind == SB_UDL_V_INT) {
        sb_jw_int(w, key, v->number);
    }
    else if (is_zero_length(v)) {
        sb_jw_null(w, key);
    }
    else {
        sb_jw_strn(w, key, v->s, v->len);
    }
}

/* @return the JSON array for the batch table, NULL if there are none; *plast: the last one in use */
static const char *read_series(reader_t *r, int *plast, const series_t *s)
{
    int last = highest(at_path(r->root, s->object, r->p), s->word), n, k, used = 0;
    sb_jw_t *w = sb_jw_make(r->p);

    if (last > s->max) {
        complain(r, "%s.%s%d: want at most %d", s->object, s->word, last, s->max);
        return NULL;
    }
    sb_jw_array(w, NULL);
    for (n = s->first; n <= last; n++) {
        const char *path = apr_psprintf(r->p, "%s.%s%d.", s->object, s->word, n);
        const meta_column_t name = {apr_pstrcat(r->p, path, "Name", NULL), NULL, SB_UDL_CLEAN,
                                    s->name_max, 0};
        sb_udl_value_t v[3];

        memset(v, 0, sizeof v);
        read_value(r, &v[0], &name);
        for (k = 0; k < 2 && s->numbers[k]; k++) {
            const meta_column_t number = {apr_pstrcat(r->p, path, s->numbers[k], NULL), NULL,
                                          SB_UDL_NUMBER, 0, 0};

            read_value(r, &v[1 + k], &number);
        }
        if (is_zero_length(&v[0]) && is_zero_length(&v[1]) && is_zero_length(&v[2])) {
            continue;
        }
        sb_jw_object(w, NULL);
        sb_jw_int(w, s->key, n);
        write_value(w, "name", &v[0]);
        for (k = 0; k < 2 && s->numbers[k]; k++) {
            write_value(w, s->number_columns[k], &v[1 + k]);
        }
        sb_jw_end(w);
        used = 1;
        *plast = n;
    }
    sb_jw_end(w);
    return used ? sb_jw_text(w, NULL) : NULL;
}

/* ---- the two kinds ----------------------------------------------------------------------------- */

static const sb_udl_value_t *value_of(const sb_udl_meta_t *meta, const char *target)
{
    int i;

    for (i = 0; strcmp(columns[i].target, target); i++) {
    }
    return &meta->values[i];
}

static const char *text_value(const reader_t *r, const char *target)
{
    const sb_udl_value_t *v = value_of(r->meta, target);

    return v->kind == SB_UDL_V_TEXT ? apr_pstrmemdup(r->p, v->s, v->len) : "";
}

static void set_bounds(sb_udl_bounds_t *b, const sb_udl_meta_t *meta, const char *min,
                       const char *max)
{
    const sb_udl_value_t *low = value_of(meta, min), *high = value_of(meta, max);

    b->score_min = low->kind == SB_UDL_V_INT ? low->number : INT16_MIN;
    b->score_max = high->kind == SB_UDL_V_INT ? high->number : INT16_MAX;
}

/* The highest level in use among the columns of a name. */
static int last_level(const reader_t *r, const char *names, const char *numbers, int n)
{
    for (; n > 0; n--) {
        const char *number = numbers && n > 1 ? apr_psprintf(r->p, "%s%d", numbers, n - 1) : NULL;

        if (!is_zero_length(value_of(r->meta, apr_psprintf(r->p, "%s%d", names, n))) ||
            (number && !is_zero_length(value_of(r->meta, number)))) {
            break;
        }
    }
    return n;
}

static void read_bounds(reader_t *r, int last)
{
    sb_udl_bounds_t *b = r->meta->bounds;
    int claim_levels = last_level(r, "asmt_claim_perf_lvl_name_", NULL, 3), i;

    set_bounds(&b[0], r->meta, "asmt_score_min", "asmt_score_max");
    b[0].level_max = last ? last : last_level(r, "asmt_perf_lvl_name_", "asmt_cut_point_", 5);
    for (i = 1; i < SB_UDL_NBLOCKS; i++) {
        set_bounds(&b[i], r->meta, apr_psprintf(r->p, "asmt_claim_%d_score_min", i),
                   apr_psprintf(r->p, "asmt_claim_%d_score_max", i));
        b[i].level_max = claim_levels;
    }
}

static const char *read_assessment(reader_t *r)
{
    static const char *const types[] = {"SUMMATIVE", "INTERIM COMPREHENSIVE", SB_UDL_BLOCKS_TYPE,
                                        NULL};
    const char *type = sb_json_str(at_path(r->root, "Identification.Type", r->p), NULL);
    sb_udl_meta_t *meta = r->meta;
    int last = 0, ignored, i;

    for (i = 0; types[i] && (!type || strcmp(types[i], type)); i++) {
    }
    if (!types[i]) {
        return "No valid load type specified in json file -- Identification.Type: want SUMMATIVE, "
               "INTERIM COMPREHENSIVE or INTERIM ASSESSMENT BLOCKS";
    }
    meta->type = types[i];
    for (i = 0; i < SB_UDL_NMETA; i++) {
        read_value(r, &meta->values[i], &columns[i]);
    }
    meta->guid = text_value(r, "asmt_guid");
    meta->subject = text_value(r, "asmt_subject");
    meta->levels = read_series(r, &last, &levels_series);
    meta->claims = read_series(r, &ignored, &claims_series);
    read_bounds(r, last);
    if (at_path(r->root, "Identification.AcademicYear", r->p)) {
        read_year(r, "Identification.AcademicYear");
    }
    return complaint(r);
}

static const char *read_registration(reader_t *r)
{
    sb_udl_meta_t *meta = r->meta;

    meta->guid = read_text(r, "Identification.Guid", 40);
    meta->academic_year = read_year(r, "Identification.AcademicYear");
    meta->extract_date = read_text(r, "Identification.ExtractDate", 10);
    meta->reg_system_id = read_text(r, "Source.TestRegSysID", 40);
    meta->callback_url = optional_text(r->root, "Source.TestRegCallbackURL", r->p);
    if (!meta->callback_url) {
        complain(r, "Source.TestRegCallbackURL: want an address of at most %d bytes", URL_MAX);
    }
    return complaint(r);
}

const char *sb_udl_meta_read(sb_udl_meta_t *meta, const char *text, apr_size_t len, apr_pool_t *p)
{
    reader_t r = {
        .meta = meta, .warnings = apr_array_make(p, 2, sizeof(sb_udl_meta_warning_t)), .p = p};
    const char *problem, *content;
    sb_json_t *root;
    apr_status_t rv;

    memset(meta, 0, sizeof *meta);
    meta->warnings = r.warnings;
    rv = sb_json_parse(&root, &problem, text, len, NULL, p);
    if (rv != APR_SUCCESS) {
        return apr_psprintf(p, "the metadata is no JSON: %s (code 3012)",
                            problem ? problem : "too large");
    }
    if (root->type != SB_JSON_OBJECT) {
        return "the metadata is JSON, but no object (code 3013)";
    }
    r.root = root;
    meta->callback_url = optional_text(root, "Source.CallbackURL", p);
    meta->email = optional_text(root, "Source.EmailNotification", p);
    content = sb_json_str(sb_json_get_nocase(root, "Content"), "");
    if (!strcasecmp(content, "assessment")) {
        meta->load = SB_UDL_ASSESSMENT;
        meta->load_type = "assessment";
        return read_assessment(&r);
    }
    if (!strcasecmp(content, "studentregistration")) {
        meta->load = SB_UDL_REGISTRATION;
        meta->load_type = "studentregistration";
        return read_registration(&r);
    }
    return "No valid load type specified in json file -- Content: want assessment or "
           "StudentRegistration";
}

/* ---- storing ----------------------------------------------------------------------------------- */

static apr_status_t store_registration(sb_db_t *db, const char *guid, const sb_udl_meta_t *meta,
                                       apr_pool_t *p)
{
    const char *args[] = {meta->guid, apr_itoa(p, meta->academic_year), meta->extract_date,
                          meta->reg_system_id};

    return sb_db_exec_text(NULL, db,
                           sb_sql(p,
                                  "INSERT INTO {batch}.registration (student_reg_guid,"
                                  " academic_year, extract_date, reg_system_id)"
                                  " VALUES ($1, $2::smallint, $3, $4)",
                                  "batch", guid, NULL),
                           4, args);
}

static void copy_json(sb_copy_t *copy, const char *json, apr_pool_t *p)
{
    if (json) {
        json = apr_pstrcat(p, "\x01", json, NULL); /* version of jsonb on the wire */
        sb_copy_text(copy, json, strlen(json));
    }
    else {
        sb_copy_null(copy);
    }
}

static apr_status_t store_assessment(sb_db_t *db, const char *guid, const sb_udl_meta_t *meta,
                                     apr_pool_t *p)
{
    const char *names = "levels, claims";
    sb_copy_t *copy;
    apr_status_t rv;
    int i;

    for (i = 0; i < SB_UDL_NMETA; i++) {
        names = apr_pstrcat(p, names, ", ", columns[i].target, NULL);
    }
    rv = sb_copy_begin(
        &copy, db,
        sb_sql(p,
               apr_pstrcat(p, "COPY {batch}.asmt (", names, ") FROM STDIN (FORMAT binary)", NULL),
               "batch", guid, NULL),
        SB_UDL_NMETA + 2, p);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = sb_copy_row(copy);
    if (rv == APR_SUCCESS) {
        copy_json(copy, meta->levels, p);
        copy_json(copy, meta->claims, p);
    }
    for (i = 0; rv == APR_SUCCESS && i < SB_UDL_NMETA; i++) {
        const sb_udl_value_t *v = &meta->values[i];

        switch (v->kind) {
        case SB_UDL_V_TEXT:
            sb_copy_text(copy, v->s, v->len);
            break;
        case SB_UDL_V_INT:
            sb_copy_int2(copy, v->number);
            break;
        default:
            sb_copy_null(copy);
            break;
        }
    }
    return sb_copy_finish(copy, NULL);
}

apr_status_t sb_udl_meta_store(sb_db_t *db, const char *guid, const sb_udl_meta_t *meta,
                               apr_pool_t *p)
{
    return meta->load == SB_UDL_ASSESSMENT ? store_assessment(db, guid, meta, p)
                                           : store_registration(db, guid, meta, p);
}
