/* Registration reports: lines, titles, the arithmetic of a cell and how it is written. */
#include "tap.h"
#include "report/sb_registration.h"

/* ---- how a cell is written ------------------------------------------------------------------- */

static const struct {
    double percent;
    const char *text;
} roundings[] = {
    {50, "50"},
    {100.0 / 3, "33.33"},
    {200.0 / 3, "66.67"},
    {0, "0"},
    {-0.0, "-0"},
    {-0.001, "-0"},
    {0.004, "0"},
    {0.006, "0.01"},
    {-25, "-25"},
    {12.5, "12.5"},
    {0.125, "0.12"}, /* exact ties: to even */
    {0.375, "0.38"},
    {2.625, "2.62"},
    {-0.125, "-0.12"},
    {1.005, "1"}, /* a little less than it looks */
    {2.675, "2.67"},
    {1.115, "1.11"}, /* 1.115 is 1.11499... */
    {1.125, "1.12"},
    {99.995, "100"}, /* 99.9950000000000045 */
    {100, "100"},
    {1e6, "1000000"},
    {200000000, "200000000"},
    {1.0 / 800 * 100, "0.12"},
};

static void texts(void)
{
    char buf[SB_REG_TEXT_SIZE];
    sb_reg_cell_t blank = {.kind = SB_REG_BLANK, .count = 7, .percent = 7};

    for (size_t i = 0; i < sizeof(roundings) / sizeof(roundings[0]); i++) {
        sb_reg_cell_t cell = {.kind = SB_REG_PERCENT, .percent = roundings[i].percent};
        char what[64];

        snprintf(what, sizeof(what), "%.17g", roundings[i].percent);
        is_str(sb_reg_text(buf, &cell), roundings[i].text, what);
    }
    is_str(sb_reg_text(buf, &blank), "", "blank");
    is_str(sb_reg_text(buf, &(sb_reg_cell_t){.kind = SB_REG_COUNT, .count = -12}), "-12",
           "a count that went down");
    is_str(sb_reg_text(buf, &(sb_reg_cell_t){.kind = SB_REG_COUNT, .count = 0}), "0", "none");
}

/* ---- statistics ------------------------------------------------------------------------------ */

/* Counts of all and of one line, and its nine cells. */
static const struct {
    const char *what;
    apr_int64_t all[3], line[3]; /* last year, this year, in both */
    const char *cells;
} cases[] = {
    {"grown", {200, 300, 150}, {50, 100, 40}, "50 25 100 33.33 50 100 8.33 40 80"},
    {"unrounded percents are compared", {3, 7, 0}, {1, 2, 0}, "1 33.33 2 28.57 1 100 -4.76 0 0"},
    {"shrunk", {10, 10, 10}, {8, 2, 2}, "8 80 2 20 -6 -75 -60 2 25"},
    {"nobody of that line", {10, 20, 5}, {0, 0, 0}, "0 0 0 0 0 - 0 0 -"},
    {"nobody of it last year", {10, 20, 5}, {0, 4, 0}, "0 0 4 20 4 - 20 0 -"},
    {"nobody of it this year", {10, 20, 5}, {4, 0, 0}, "4 40 0 0 -4 -100 -40 0 0"},
    {"a place that is new", {0, 20, 0}, {0, 4, 0}, "- - 4 20 - - - - -"},
    {"a place that is gone", {20, 0, 0}, {4, 0, 0}, "4 20 - - - - - - -"},
    {"a tie, divided first", {800, 800, 0}, {1, 1, 0}, "1 0.12 1 0.12 0 0 0 0 0"},
};

static const char *cells_of(sb_reg_kind_t kind, const sb_reg_counts_t *counts, int line,
                            apr_pool_t *p)
{
    sb_reg_cell_t cells[SB_REG_COLUMNS];
    char buf[SB_REG_TEXT_SIZE];
    const char *all = "";

    sb_reg_cells(cells, kind, counts, line);
    for (int i = 0; i < sb_reg_columns(kind); i++) {
        const char *text = sb_reg_text(buf, &cells[i]);

        all = apr_pstrcat(p, all, i ? " " : "", *text ? text : "-", NULL);
    }
    return all;
}

static void statistics(apr_pool_t *p)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sb_reg_counts_t counts = {0};

        for (int m = 0; m < 3; m++) {
            counts.n[m][0] = cases[i].all[m];
            counts.n[m][5] = cases[i].line[m];
        }
        is_str(cells_of(SB_REG_STATISTICS, &counts, 5, p), cases[i].cells, cases[i].what);
    }
}

static void completion(apr_pool_t *p)
{
    sb_reg_counts_t counts = {0};

    counts.n[SB_REG_REGISTERED][0] = 30;
    counts.n[SB_REG_REGISTERED][3] = 9;
    counts.n[SB_REG_SUMMATIVE_MATH][3] = 9;
    counts.n[SB_REG_SUMMATIVE_ELA][3] = 3;
    counts.n[SB_REG_INTERIM_MATH][3] = 1;
    is_str(cells_of(SB_REG_COMPLETION, &counts, 3, p), "9 9 100 3 33.33 1 11.11 0 0", "completion");
    is_str(cells_of(SB_REG_COMPLETION, &counts, 4, p), "0 0 - 0 - 0 - 0 -",
           "nobody of that line is registered: no percentage");
    counts.n[SB_REG_INTERIM_ELA][3] =
        18; /* registered once, assessed twice: two subjects' spellings */
    is_str(cells_of(SB_REG_COMPLETION, &counts, 3, p), "9 9 100 3 33.33 1 11.11 18 200",
           "over 100");
}

/* ---- words ----------------------------------------------------------------------------------- */

static const char *titles_of(sb_reg_kind_t kind, apr_pool_t *p)
{
    const char *all = "";

    for (int i = 0; i < sb_reg_columns(kind); i++) {
        all = apr_pstrcat(p, all, i ? "," : "", sb_reg_title(kind, 2016, i, p), NULL);
    }
    return all;
}

static void words(apr_pool_t *p)
{
    const char *all = "";

    is_str(
        titles_of(SB_REG_STATISTICS, p),
        "AY2015 Count,AY2015 Percent of Total,AY2016 Count,AY2016 Percent of Total,Change in Count,"
        "Percent Difference in Count,Change in Percent of Total,AY2016 Matched IDs to AY2015 Count,"
        "AY2016 Matched IDs Percent of AY2015 Count",
        "columns of statistics");
    is_str(titles_of(SB_REG_COMPLETION, p),
           "AY2016 Count of Registered Students,"
           "AY2016 Count of Students Assessed by Summative Math,"
           "AY2016 Percent of Registered Students Assessed by Summative Math,"
           "AY2016 Count of Students Assessed by Summative ELA,"
           "AY2016 Percent of Registered Students Assessed by Summative ELA,"
           "AY2016 Count of Students Assessed by Interim Comprehensive Math,"
           "AY2016 Percent of Registered Students Assessed by Interim Comprehensive Math,"
           "AY2016 Count of Students Assessed by Interim Comprehensive ELA,"
           "AY2016 Percent of Registered Students Assessed by Interim Comprehensive ELA",
           "columns of completion");
    for (int i = 0; i < SB_REG_LINES; i++) {
        all = apr_pstrcat(p, all, i ? "," : "", sb_reg_category(i), "/", sb_reg_value(i), NULL);
    }
    is_str(
        all,
        "Total/Total,Sex/Male,Sex/Female,Ethnicity/HispanicOrLatinoEthnicity,"
        "Race/AmericanIndianOrAlaskaNative,Race/Asian,Race/BlackOrAfricanAmerican,"
        "Race/NativeHawaiianOrOtherPacificIslander,Race/White,Race/DemographicRaceTwoOrMoreRaces,"
        "Program/IDEAIndicator,Program/LEPStatus,Program/504Status,"
        "Program/EconomicDisadvantageStatus,Program/MigrantStatus,Grade KG/Total,Grade 01/Total,"
        "Grade 02/Total,Grade 03/Total,Grade 04/Total,Grade 05/Total,Grade 06/Total,"
        "Grade 07/Total,Grade 08/Total,Grade 09/Total,Grade 10/Total,Grade 11/Total,"
        "Grade 12/Total",
        "the lines");
}

int main(void)
{
    apr_pool_t *p = tap_pool();

    texts();
    statistics(p);
    completion(p);
    words(p);
    return done();
}
