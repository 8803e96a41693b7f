#ifndef SB_REGISTRATION_H
#define SB_REGISTRATION_H

/**
 * The two registration reports as rows: how many students are registered this year and the last, and how
 * many of them took an assessment, for the state, its districts and its schools, by sex, ethnicity, race,
 * program and grade. Who shows them (JSON) or writes them (CSV) finds every cell here, with its rounding.
 * Source of the rules: docs/reporting.md, "Registration reports".
 */

#include "auth/sb_scope.h"
#include "store/sb_db.h"

typedef enum {
    SB_REG_STATISTICS, /* this year against the year before */
    SB_REG_COMPLETION  /* registered against assessed */
} sb_reg_kind_t;

/* ---- lines and columns ----------------------------------------------------------------------- */

#define SB_REG_LINES 28   /* of every place */
#define SB_REG_COLUMNS 9  /* at most: of both kinds */
#define SB_REG_MEASURES 5 /* counts that columns are computed from: at most */

/** What a line counts: "Sex", "Male"; "Grade 03", "Total". @param line 0..27 */
const char *sb_reg_category(int line);
const char *sb_reg_value(int line);

int sb_reg_columns(sb_reg_kind_t kind);
/** "AY2016 Percent of Total" */
const char *sb_reg_title(sb_reg_kind_t kind, int year, int column, apr_pool_t *p);

/** Measures of statistics, and of completion. */
enum { SB_REG_PREVIOUS, SB_REG_CURRENT, SB_REG_MATCHED };
enum {
    SB_REG_REGISTERED,
    SB_REG_SUMMATIVE_MATH,
    SB_REG_SUMMATIVE_ELA,
    SB_REG_INTERIM_MATH,
    SB_REG_INTERIM_ELA
};

/** Of one place: rows by measure and line. Line 0 counts all: 0 there, the place had none that year. */
typedef struct {
    apr_int64_t n[SB_REG_MEASURES][SB_REG_LINES];
} sb_reg_counts_t;

/* ---- cells ----------------------------------------------------------------------------------- */

typedef struct {
    enum { SB_REG_BLANK, SB_REG_COUNT, SB_REG_PERCENT } kind;
    apr_int64_t count; /* SB_REG_COUNT; may be negative: a change */
    double percent;    /* SB_REG_PERCENT, not rounded */
} sb_reg_cell_t;

/** Compute the cells of a line. */
void sb_reg_cells(sb_reg_cell_t cells[SB_REG_COLUMNS], sb_reg_kind_t kind,
                  const sb_reg_counts_t *counts, int line);

#define SB_REG_TEXT_SIZE 32
/** As it is shown: "" blank; a percentage with at most two decimals, rounded from the exact value of the
 *  double, without trailing zeros ("50", "33.33", "-0"). Also a JSON number. @return buf */
const char *sb_reg_text(char buf[SB_REG_TEXT_SIZE], const sb_reg_cell_t *cell);

/* ---- places ---------------------------------------------------------------------------------- */

/** Ids and names are NULL above their level. */
typedef struct {
    const char *state_code, *district_id, *school_id;
    const char *state_name, *district_name, *school_name;
    const sb_reg_counts_t *counts; /* by the ids: two names of one id share them */
} sb_reg_place_t;

/**
 * Count the registrations of a year. The state comes first, then districts, then schools, each by names
 * in the order of code points.
 * @param pplaces     array of sb_reg_place_t; empty: nobody is registered
 * @param year        any number; of most there are no registrations
 * @param district_id only that district and its schools; NULL: all
 * @param db          inside a transaction, for which the memory of sorts and hashes is raised
 * @return as sb_db_query()
 */
apr_status_t sb_reg_find(const apr_array_header_t **pplaces, sb_reg_kind_t kind, int year,
                         const char *district_id, sb_db_t *db, const char *schema,
                         const sb_scope_t *scope, apr_pool_t *p) SB_MUST_CHECK;

/**
 * Count what is missing of all years and keep it, each in a transaction of its own, for sb_reg_find() to read. For
 * whoever changed registrations or results, when nobody waits for him. The role must be allowed to write.
 * @param stopping asked between counts; NULL: nobody wants to stop
 */
apr_status_t sb_reg_refresh(sb_db_t *db, const char *schema, int (*stopping)(void),
                            apr_pool_t *p) SB_MUST_CHECK;

#endif
