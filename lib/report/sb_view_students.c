/**
 * The current view of the list of students. Summative results: a line a student, with the newest result of each
 * subject. Interim comprehensive ones: the same, or, of one subject, a line a result. Blocks: a line a student, with
 * the newest result of each block. Of one subject, claims are told, too.
 */

#include <string.h>
#include <apr_strings.h>
#include "report/sb_asmt.h"
#include "report/sb_view_work.h"

typedef struct {
    sb_view_work_t *k;
    sb_sheet_t *columns;
    const sb_json_t *subjects; /* the first one */
    int single;                /* one subject: its claims are shown */
    int interim;               /* results of several days: the day is told */
} list_t;

/* ---- cells ----------------------------------------------------------------------------------------- */

/* "Last, First M." */
static void write_name(sb_sheet_t *s, const sb_json_t *student)
{
    const char *first = sb_view_text(student, "student_first_name");
    const char *last = sb_view_text(student, "student_last_name");
    const char *middle = sb_view_text(student, "student_middle_name");
    int initial = middle && *middle ? 1 : 0;

    while (initial && ((unsigned char)middle[initial] & 0xC0) == 0x80) {
        initial++; /* the rest of a letter of several bytes */
    }
    sb_sheet_fieldf(s, "%s%s%s%s%.*s%s", last ? last : "", last && first ? ", " : "",
                    first ? first : "", initial ? " " : "", initial, initial ? middle : "",
                    initial ? "." : "");
}

/* "20160405" -> "2016.04.05" */
static void write_date(sb_sheet_t *s, const char *date)
{
    if (date && strlen(date) == 8) {
        sb_sheet_fieldf(s, "%.4s.%.2s.%.2s", date, date + 4, date + 6);
    }
    else {
        sb_sheet_field(s, date);
    }
}

static void write_status(sb_sheet_t *s, const sb_json_t *result)
{
    const char *condition = sb_view_text(result, "administration_condition");
    const sb_json_t *complete = sb_json_get(result, "complete");
    int partial = complete && complete->type == SB_JSON_BOOL && !complete->truth;
    const char *said = !condition                 ? ""
                       : !strcmp(condition, "IN") ? "Invalid"
                       : !strcmp(condition, "SD") ? "Standardized"
                                                  : "";

    sb_sheet_fieldf(s, "%s%s%s", said, *said && partial ? "," : "", partial ? "Partial" : "");
}

/* What a claim has not got is told as "None" to pages. */
static void write_claim(sb_sheet_t *s, const sb_json_t *claim)
{
    const char *level = sb_view_text(claim, "perf_lvl");
    int none = !level || !strcmp(level, "None");

    sb_sheet_field(s, none ? "" : level);
    sb_sheet_field(s, none ? "" : sb_view_text(claim, "perf_lvl_name"));
}

static void write_result(sb_sheet_t *s, const sb_json_t *result)
{
    const char *low = sb_view_text(result, "asmt_score_range_min");
    const char *high = sb_view_text(result, "asmt_score_range_max");
    const char *level = sb_view_text(result, "asmt_perf_lvl");

    sb_sheet_field(s, sb_view_text(result, "asmt_score"));
    sb_sheet_fieldf(s, "%s%s%s", low && high ? low : "", low && high ? "-" : "",
                    low && high ? high : "");
    sb_sheet_fieldf(s, "%s%s", level ? "Level " : "", level ? level : "");
    sb_sheet_field(s, level);
    write_status(s, result);
}

/* ---- whole assessments ----------------------------------------------------------------------------- */

static const sb_json_t *claims_of(const list_t *l, const char *alias)
{
    return sb_view_first(sb_json_get(sb_json_get(l->k->answer, "metadata"), "claims"), alias);
}

static void whole_columns(const list_t *l)
{
    sb_sheet_t *c = l->columns;

    sb_sheet_field(c, "Students");
    for (const sb_json_t *s = l->subjects; s; s = s->next) {
        const char *name = sb_view_subject(s);

        if (l->interim) {
            sb_sheet_fieldf(c, "%s%s", l->single ? "Date taken" : "Most Recent ",
                            l->single ? "" : name);
        }
        sb_sheet_fieldf(c, "%s Overall", name);
        sb_sheet_fieldf(c, "%s Error Band", name);
        sb_sheet_fieldf(c, "%s Performance Level", name);
        sb_sheet_fieldf(c, "%s Performance Level Number", name);
        sb_sheet_field(c, "Status");
        for (const sb_json_t *m = claims_of(l, s->key); m && l->single; m = m->next) {
            const char *claim = sb_view_text(m, "name");

            sb_sheet_fieldf(c, "%s - %s - Performance Level Number", name, claim ? claim : "");
            sb_sheet_fieldf(c, "%s - %s - Performance Level", name, claim ? claim : "");
        }
    }
    sb_sheet_line(c);
}

/* @param result NULL: the student has none; its cells are empty */
static void whole_cells(const list_t *l, const char *alias, const sb_json_t *result,
                        const char *date)
{
    const sb_json_t *claim = sb_view_first(result, "claims");

    if (l->interim) {
        write_date(l->k->rows, date);
    }
    write_result(l->k->rows, result);
    for (const sb_json_t *m = claims_of(l, alias); m && l->single; m = m->next) {
        write_claim(l->k->rows, claim);
        claim = claim ? claim->next : NULL;
    }
}

/* The newest result of a subject. @param pdate its day. @return NULL: there is none */
static const sb_json_t *newest(const char **pdate, const sb_json_t *results, const char *alias)
{
    *pdate = NULL;
    for (const sb_json_t *r = results->child; r; r = r->next) { /* the newest first */
        const sb_json_t *result = r->child ? sb_json_get(r->child, alias) : NULL;

        if (result) {
            *pdate = r->child->key;
            return result;
        }
    }
    return NULL;
}

/* @param results [{day: {the student, and of a subject a result}}] */
static void student_line(const list_t *l, const sb_json_t *results)
{
    write_name(l->k->rows, results->child->child);
    for (const sb_json_t *s = l->subjects; s; s = s->next) {
        const char *date;
        const sb_json_t *result = newest(&date, results, s->key);

        whole_cells(l, s->key, result, date);
    }
    sb_sheet_line(l->k->rows);
}

static void result_lines(const list_t *l, const sb_json_t *results)
{
    const char *alias = l->subjects->key;

    for (const sb_json_t *r = results->child; r; r = r->next) {
        const sb_json_t *result = r->child ? sb_json_get(r->child, alias) : NULL;

        if (result) {
            write_name(l->k->rows, r->child);
            whole_cells(l, alias, result, r->child->key);
            sb_sheet_line(l->k->rows);
        }
    }
}

static void whole(const list_t *l, const char *kind)
{
    const sb_json_t *of_kind = sb_json_get(sb_json_get(l->k->answer, "assessments"), kind);

    whole_columns(l);
    for (const sb_json_t *s = of_kind ? of_kind->child : NULL; s; s = s->next) {
        if (s->child && s->child->child) {
            (l->interim && l->single ? result_lines : student_line)(l, s);
        }
    }
}

/* ---- blocks ---------------------------------------------------------------------------------------- */

static const sb_json_t *blocks_of(const list_t *l, const char *alias)
{
    return sb_view_first(sb_json_get(l->k->answer, "interim_assessment_blocks"), alias);
}

static void block_columns(const list_t *l)
{
    sb_sheet_field(l->columns, "Students");
    for (const sb_json_t *s = l->subjects; s; s = s->next) {
        for (const sb_json_t *b = blocks_of(l, s->key); b; b = b->next) {
            static const char *const what[] = {"Performance Level Number", "Performance Level",
                                               "Status"};

            for (int i = 0; i < 3; i++) {
                sb_sheet_fieldf(l->columns, "%s - %s - Latest result - %s", sb_view_subject(s),
                                b->key, what[i]);
            }
        }
    }
    sb_sheet_line(l->columns);
}

static void blocks(const list_t *l)
{
    block_columns(l);
    for (const sb_json_t *student =
             sb_view_first(sb_json_get(l->k->answer, "assessments"), SB_ASMT_BLOCKS);
         student; student = student->next) {
        write_name(l->k->rows, student);
        for (const sb_json_t *s = l->subjects; s; s = s->next) {
            const sb_json_t *of_subject = sb_json_get(student, s->key);

            for (const sb_json_t *b = blocks_of(l, s->key); b; b = b->next) {
                const sb_json_t *result = sb_view_first(of_subject, b->key); /* the newest first */

                write_claim(l->k->rows, sb_view_first(result, "claims"));
                write_status(l->k->rows, result);
            }
        }
        sb_sheet_line(l->k->rows);
    }
}

/* ---- the list -------------------------------------------------------------------------------------- */

void sb_view_students(sb_view_work_t *k, sb_sheet_t *columns)
{
    const char *type = sb_params_str(k->params, "asmtType");
    const char *kind = sb_asmt_type_shown(type ? type : "SUMMATIVE", k->p);
    const sb_json_t *subjects = sb_json_get(k->answer, "subjects");
    const sb_json_t *grade = sb_view_place(k, "grade"), *school = sb_view_place(k, "school");
    const char *place = grade    ? sb_view_grade(sb_view_text(grade, "name"), k->p)
                        : school ? sb_view_text(school, "name")
                                 : NULL;
    list_t l = {.k = k,
                .columns = columns,
                .subjects = subjects ? subjects->child : NULL,
                .single = subjects && subjects->nchild == 1,
                .interim = type && !strcmp(type, "INTERIM COMPREHENSIVE")};
    int year = sb_view_year(k);

    k->title = apr_pstrcat(k->p, place ? "Assessment Results for " : "Assessment Results",
                           place ? place : "", NULL);
    k->types = apr_psprintf(k->p, "%d - %d \xC2\xB7 %s", year - 1, year, kind);
    k->order = "Students";
    if (type && !strcmp(type, SB_ASMT_BLOCKS)) {
        blocks(&l);
    }
    else {
        whole(&l, kind);
    }
    k->nrows = sb_sheet_lines(k->rows);
}
