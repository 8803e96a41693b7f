/**
 * Names of files: for people, and for programs that read them. Whatever comes from the data passes
 * sb_path_component.
 */

#include "extract/sb_extract_private.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include "core/sb_path.h"

#define CLAIM_MAX 10 /* characters of a claim's name */

/* "MM-DD-YYYY_HH-MM-SS", local time. */
static const char *stamp(apr_time_t when, apr_pool_t *p)
{
    char text[sizeof("MM-DD-YYYY_HH-MM-SS") + 8];
    time_t t = (time_t)apr_time_sec(when);
    struct tm tm;

    localtime_r(&t, &tm);
    strftime(text, sizeof(text), "%m-%d-%Y_%H-%M-%S", &tm);
    return apr_pstrdup(p, text);
}

static const char *upper(const char *text, apr_pool_t *p)
{
    char *copy = apr_pstrdup(p, text);

    for (char *c = copy; *c; c++) {
        *c = (char)apr_toupper(*c);
    }
    return copy;
}

static const char *first(const sb_extract_t *x, const char *name)
{
    const apr_array_header_t *list = sb_params_list(x->params, name);

    return list && list->nelts ? APR_ARRAY_IDX(list, 0, const char *) : NULL;
}

const char *sb_extract_zip_name(const sb_extract_t *x, apr_pool_t *p)
{
    const apr_array_header_t *grades = sb_params_list(x->params, "asmtGrade");
    const apr_array_header_t *subjects = sb_params_list(x->params, "asmtSubject"); /* sorted */

    return apr_pstrcat(p, "ASMT_", first(x, "asmtYear"),
                       grades && grades->nelts == 1 ? "_GRADE_" : "",
                       grades && grades->nelts == 1 ? first(x, "asmtGrade") : "", "_",
                       upper(apr_array_pstrcat(p, subjects, '_'), p), "_",
                       upper(first(x, "asmtType"), p), "_", stamp(x->when, p), ".zip", NULL);
}

/* Of the user's id only what no file system, shell or header minds. */
const char *sb_extract_part_name(const sb_extract_t *x, int part, apr_pool_t *p)
{
    const char *uid = x->user && x->user->uid && *x->user->uid ? x->user->uid : "extract";
    char *safe = apr_pstrndup(p, uid, 60);

    for (char *c = safe; *c; c++) {
        if (!apr_isalnum(*c) && !strchr("-_@+", *c) && !(*c == '.' && c > safe)) {
            *c = '_';
        }
    }
    return apr_pstrcat(p, safe, "_", stamp(x->when, p),
                       x->parts > 1 ? apr_psprintf(p, "_part%d", part) : "", ".zip", NULL);
}

static apr_status_t safe(const char **pname, const char *name, apr_pool_t *p)
{
    return sb_path_component(pname, name, strlen(name), p) ? SB_EINPUT : APR_SUCCESS;
}

/* ---- results --------------------------------------------------------------------------------------- */

/* Letters and digits only, and few of them. */
static const char *claim_of(const sb_extract_file_t *f, apr_pool_t *p)
{
    char text[CLAIM_MAX + 1];
    int n = 0;

    for (const char *c = f->claim ? f->claim : ""; *c && n < CLAIM_MAX; c++) {
        if (apr_isalnum(*c)) {
            text[n++] = *c;
        }
    }
    text[n] = '\0';
    return apr_pstrdup(p, text);
}

/* YYYYMMDD as MM-DD-YYYY. */
static const char *day_of(const sb_extract_file_t *f, apr_pool_t *p)
{
    const char *d = f->effective_date ? f->effective_date : "";

    return strlen(d) == 8 ? apr_psprintf(p, "%.2s-%.2s-%.4s", d + 4, d + 6, d) : d;
}

/* "_GRADE_03_MATH_SUMMATIVE", "_GRADE_03_MATH_IAB_Fractions_EFF01-11-2015" */
static const char *what(const sb_extract_file_t *f, apr_pool_t *p)
{
    const char *head =
        apr_pstrcat(p, "_GRADE_", upper(f->grade, p), "_", upper(f->subject, p), NULL);

    return sb_extract_is_block(f->type)
               ? apr_pstrcat(p, head, "_IAB_", claim_of(f, p), "_EFF", day_of(f, p), NULL)
               : apr_pstrcat(p, head, "_", upper(f->type, p), NULL);
}

apr_status_t sb_extract_csv_name(const char **pname, const sb_extract_t *x,
                                 const sb_extract_file_t *f, apr_pool_t *p)
{
    return safe(pname,
                apr_pstrcat(p, "ASMT_", first(x, "asmtYear"), x->async ? "_" : "",
                            x->async ? first(x, "stateCode") : "", what(f, p),
                            sb_extract_is_block(f->type) ? "_TS" : "_", stamp(x->when, p), "_",
                            f->guid, ".csv", NULL),
                p);
}

apr_status_t sb_extract_json_name(const char **pname, const sb_extract_t *x,
                                  const sb_extract_file_t *f, apr_pool_t *p)
{
    return safe(pname,
                apr_pstrcat(p, "METADATA_ASMT_", first(x, "asmtYear"), "_", first(x, "stateCode"),
                            what(f, p), "_", f->guid, ".json", NULL),
                p);
}

/* ---- the others ------------------------------------------------------------------------------------ */

apr_status_t sb_extract_items_name(const char **pname, const sb_extract_t *x, int part, int parts,
                                   apr_pool_t *p)
{
    return safe(pname,
                apr_pstrcat(p, "ITEMS_", sb_params_str(x->params, "stateCode"), "_",
                            sb_params_str(x->params, "asmtYear"), "_",
                            upper(sb_params_str(x->params, "asmtType"), p), "_",
                            upper(sb_params_str(x->params, "asmtSubject"), p), "_GRADE_",
                            sb_params_str(x->params, "asmtGrade"), "_", stamp(x->when, p),
                            parts > 1 ? apr_psprintf(p, "_part%d", part) : "", ".csv", NULL),
                p);
}

apr_status_t sb_extract_registration_name(const char **pname, const sb_extract_t *x, apr_pool_t *p)
{
    return safe(pname,
                apr_psprintf(p, "%s_%d_%s_%s.csv", sb_params_str(x->params, "stateCode"),
                             (int)sb_params_int(x->params, "academicYear", 0),
                             sb_extract_about(x->kind)->name, stamp(x->when, p)),
                p);
}
