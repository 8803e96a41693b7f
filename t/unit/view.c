/* lib/report/sb_view_csv: the current view, byte for byte, of answers written here. That answers of the server are told so
 * is t/extract/view.t's. */

#include <time.h>
#include "report/sb_view_csv.h"
#include "tap.h"

#define NOW (apr_time_from_sec(1459851072)) /* 2016-04-05T10:11:12 UTC */

static apr_pool_t *p;

#define ITEMS                                                                                      \
    "`asmt_period_year`:[2016,2015],`subjects`:{`subject1`:`Math`},`context`:{`items`"             \
    ":[{`type`:`home`,`name`:`Home`},{`type`:`state`,`name`:`North Carolina`,"                     \
    "`stateCode`:`NC`,`id`:`NC`}"

#define BAR(a, b)                                                                                  \
    "{`intervals`:[{`level`:1,`count`:" #a ",`percentage`:" #a "},{`level`:2,`count`:" #b          \
    ",`percentage`:" #b "}],`total`:100,`unfilteredTotal`:500}"
#define NO_BAR(total, more)                                                                        \
    "{`intervals`:[{`level`:1,`percentage`:" #total "},{`level`:2,`percentage`:" #total            \
    "}],`total`:" #total more "}"
#define ROW(id, name, result) "{`id`:`" id "`,`name`:`" name "`,`results`:{`subject1`:" result "}}"

/* clang-format off */
static const char state[] =
    "{" ITEMS "]},"
    "`summary`:[{`results`:{`subject1`:" BAR(40, 60) "}}],"
    "`records`:["
    ROW("1", "Alder", BAR(30, 70)) ","
    ROW("2", "Birch \\`A\\`", NO_BAR(-1, "")) ","
    ROW("3", "-Cedar", NO_BAR(0, ",`hasInterim`:true")) "]}";

static const char coded[] =
    "{" ITEMS ",{`type`:`district`,`name`:`Oak Public Schools`,`id`:`D1`}]},"
    "`summary`:[{`results`:{`subject1`:" NO_BAR(0, "") "}}],"
    "`records`:["
    ROW("S1", "Elm", "{`intervals`:[{`level`:1,`percentage`:5,`coded`:`below`},"
                     "{`level`:2,`percentage`:95,`coded`:`above`}],`total`:300}") ","
    ROW("S2", "Fir", "{`intervals`:[{`level`:1,`count`:999,`percentage`:0},"
                     "{`level`:2,`count`:1233568,`percentage`:100}],`total`:1234567}") "]}";
/* clang-format on */

/* Texts here have ` for ", to be read by people. */
static char *quoted(const char *text)
{
    char *with = apr_pstrdup(p, text);

    for (char *c = with; *c; c++) {
        *c = *c == '`' ? '"' : *c;
    }
    return with;
}

static const sb_report_t *comparing(void)
{
    return &sb_report_comparing_populations;
}

/* @param query "name=value&name=value" */
static const sb_params_t *params_of(const sb_report_t *report, const char *query)
{
    apr_array_header_t *pairs = apr_array_make(p, 8, sizeof(sb_pair_t));
    char *last, *text = apr_pstrdup(p, query);
    const sb_params_t *params;

    for (char *one = apr_strtok(text, "&", &last); one; one = apr_strtok(NULL, "&", &last)) {
        char *value = strchr(one, '=');

        *value = '\0';
        APR_ARRAY_PUSH(pairs, sb_pair_t) = (sb_pair_t){.name = one, .value = value + 1};
    }
    if (sb_report_params(&params, report, pairs, NULL, p)) {
        puts("Bail out! parameters");
        exit(EXIT_FAILURE);
    }
    return params;
}

static const char *view_of(sb_view_t *view, const char *body)
{
    sb_json_t *json = NULL;

    if (body && sb_json_parse(&json, NULL, body, strlen(body), NULL, p) != APR_SUCCESS) {
        puts("Bail out! a body");
        exit(EXIT_FAILURE);
    }
    return sb_view_read(view, json, p);
}

static void is_csv(const sb_report_t *report, const char *query, const char *body, const char *json,
                   const char *want, const char *what)
{
    const char *text, *name;
    apr_size_t len;
    sb_view_t view;
    apr_status_t rv;

    json = quoted(json);
    is_str(view_of(&view, body ? quoted(body) : NULL), NULL, what);
    rv = sb_view_csv(&text, &len, &name, report, params_of(report, query), &view, json,
                     strlen(json), NOW, p);
    if (ok(rv == APR_SUCCESS, "%s: is told", what)) {
        is_str(apr_pstrmemdup(p, text, len), quoted(want), what);
    }
}

static void comparing_populations(void)
{
    const char *text, *name;
    apr_size_t len;
    sb_view_t view;

    is_csv(comparing(), "stateCode=NC", NULL, state,
           "`Report Name`,`Districts in North Carolina`\r\n"
           "`Date`,`2016-04-05T10:11:12`\r\n"
           "`Report Info`,`North Carolina`\r\n"
           "`Sort By`,`District Name`\r\n"
           "`Compare`,`Off`\r\n"
           "`Assessment Type`,`Summative`\r\n"
           "`Total Count`,`3`\r\n"
           "`Academic year`,`2015 - 2016`\r\n"
           "\r\n"
           "\r\n"
           "`District Name`,`Mathematics Level 1 Count`,`Mathematics Level 1 Percentage`,"
           "`Mathematics Level 2 Count`,`Mathematics Level 2 Percentage`,"
           "`Mathematics Total Assessed`\r\n"
           "`NC State Overall`,`40`,`40%`,`60`,`60%`,`100`\r\n"
           "`Alder`,`30`,`30%`,`70`,`70%`,`100`\r\n"
           "`Birch ``A```,`Hidden to protect student privacy`,`Hidden to protect student "
           "privacy`,`Hidden to protect student privacy`,`Hidden to protect student privacy`,"
           "`Hidden to protect student privacy`\r\n"
           "`'-Cedar`,`Interim results only`,`Interim results only`,`Interim results "
           "only`,`Interim results only`,`Interim results only`\r\n",
           "a state");
    is_csv(comparing(), "stateCode=NC&asmtYear=2015&sex=male&sex=female&grade=11&complete=N",
           "{`view`:{`rows`:[`1`],`sort`:`subject1.upper`,`order`:`desc`}}", state,
           "`Report Name`,`Districts in North Carolina`\r\n"
           "`Date`,`2016-04-05T10:11:12`\r\n"
           "`Report Info`,`North Carolina`\r\n"
           "`Filtered by`,`Grade: 11`,`Gender: Female,Male`,`Completeness: Partial`\r\n"
           "`Sort By`,`Mathematics (achievement: most to least)`\r\n"
           "`Compare`,`On`\r\n"
           "`Assessment Type`,`Summative`\r\n"
           "`Total Count`,`1`\r\n"
           "`Academic year`,`2014 - 2015`\r\n"
           "\r\n"
           "`District Name`,`Mathematics Level 1 Count`,`Mathematics Level 1 Percentage`,"
           "`Mathematics Level 2 Count`,`Mathematics Level 2 Percentage`,"
           "`Mathematics Filtered Student Count`,`Mathematics Total Assessed`\r\n"
           "`NC State Overall`,`40`,`40%`,`60`,`60%`,`100`,`500`\r\n"
           "`Alder`,`30`,`30%`,`70`,`70%`,`100`,`500`\r\n",
           "with filters and chosen rows");
    is_csv(comparing(), "stateCode=NC&districtId=D1", NULL, coded,
           "`Report Name`,`Schools in Oak Public Schools`\r\n"
           "`Date`,`2016-04-05T10:11:12`\r\n"
           "`Report Info`,`North Carolina,Oak Public Schools`\r\n"
           "`Sort By`,`School Name`\r\n"
           "`Compare`,`Off`\r\n"
           "`Assessment Type`,`Summative`\r\n"
           "`Total Count`,`2`\r\n"
           "`Academic year`,`2015 - 2016`\r\n"
           "\r\n"
           "\r\n"
           "`School Name`,`Mathematics Level 1 Count`,`Mathematics Level 1 Percentage`,"
           "`Mathematics Level 2 Count`,`Mathematics Level 2 Percentage`,"
           "`Mathematics Total Assessed`\r\n"
           "`Oak District Overall`,`No data available`,`No data available`,`No data "
           "available`,`No data available`,`No data available`\r\n"
           "`Elm`,``,`< 5%`,``,`> 95%`,`300`\r\n"
           "`Fir`,`999`,`0%`,`1,233,568`,`100%`,`1,234,567`\r\n",
           "limits instead of shares, large numbers, and a district's name");
    is_str(view_of(&view, NULL), NULL, "no body");
    is_int(sb_view_csv(&text, &len, &name, comparing(), params_of(comparing(), "stateCode=NC"),
                       &view, quoted(state), sizeof(state) - 1, NOW, p),
           APR_SUCCESS, "told");
    is_str(name, "comparing_populations_20160405T101112.csv", "name of the file");
    is_int(sb_view_csv(&text, &len, &name, comparing(), params_of(comparing(), "stateCode=NC"),
                       &view, "{", 1, NOW, p),
           SB_EINPUT, "no JSON");
}

#define RESULT(level, more)                                                                        \
    "`subject1`:{`asmt_score`:1850,`asmt_score_range_min`:1785,`asmt_score_range_max`:"            \
    "1915,`asmt_perf_lvl`:" #level ",`claims`:[{`perf_lvl`:`2`,`perf_lvl_name`:`Near "             \
    "Standard`},{`perf_lvl`:`None`,`perf_lvl_name`:`None`}]" more "}"
#define ANN                                                                                        \
    "`student_first_name`:`Ann`,`student_middle_name`:`\xC3\x89lise`,`student_last_"               \
    "name`:`Lee`,"
#define BOB "`student_first_name`:`Bob`,`student_middle_name`:null,`student_last_name`:`Oak`,"
#define PLACE                                                                                      \
    ",{`type`:`district`,`name`:`D`},{`type`:`school`,`name`:`S`},{`type`:"                        \
    "`grade`,`name`:`03`}]},`metadata`:{`claims`:{`subject1`:[{`name`:`Reading`},"                 \
    "{"                                                                                            \
    "`name`:`Writing`}]}},"

/* clang-format off */
static const char students[] =
    "{" ITEMS PLACE "`assessments`:{"
    "`Summative`:{"
    "`a`:[{`20160405`:{" ANN RESULT(3, ",`administration_condition`:`IN`,`complete`:false") "}},"
         "{`20150405`:{" ANN RESULT(1, "") "}}],"
    "`b`:[{`20160406`:{" BOB RESULT(4, ",`administration_condition`:null,`complete`:true") "}}]},"
    "`Interim Comprehensive`:{"
    "`a`:[{`20160301`:{" ANN RESULT(2, "") "}},"
         "{`20160201`:{" ANN RESULT(1, ",`administration_condition`:`SD`") "}}]}}}";

static const char blocks[] =
    "{" ITEMS PLACE "`interim_assessment_blocks`:{`subject1`:{`Frac, tions`:[`20160301`],`Geometry`:[`20160302`]}},"
    "`assessments`:{`INTERIM ASSESSMENT BLOCKS`:{`b`:{" BOB "`subject1`:{`Geometry`:["
    "{`date_taken`:`20160302`,`complete`:false,`claims`:[{`perf_lvl`:`3`,`perf_lvl_name`:`Above Standard`}]},"
    "{`date_taken`:`20160101`,`claims`:[{`perf_lvl`:`1`,`perf_lvl_name`:`Below Standard`}]}]}}}}}";
/* clang-format on */

#define HEAD(type, count)                                                                          \
    "`Report Name`,`Assessment Results for Grade 03`\r\n"                                          \
    "`Date`,`2016-04-05T10:11:12`\r\n"                                                             \
    "`Report Info`,`North Carolina,D,S,Grade 03`\r\n"                                              \
    "`Sort By`,`Students`\r\n"                                                                     \
    "`Compare`,`Off`\r\n"                                                                          \
    "`Assessment Type`,`2015 - 2016 \xC2\xB7 " type "`\r\n"                                        \
    "`Total Count`,`" count "`\r\n"                                                                \
    "`Academic year`,`2015 - 2016`\r\n"                                                            \
    "\r\n"                                                                                         \
    "\r\n"
#define OVERALL                                                                                    \
    "`Mathematics Overall`,`Mathematics Error Band`,`Mathematics Performance Level`,"              \
    "`Mathematics Performance Level Number`,`Status`"
#define CLAIMS                                                                                     \
    ",`Mathematics - Reading - Performance Level Number`,`Mathematics - Reading - "                \
    "Performance Level`,`Mathematics - Writing - Performance Level Number`,`Mathematics - "        \
    "Writing - Performance Level`\r\n"
#define CLAIMED ",`2`,`Near Standard`,``,``\r\n"

static void list_of_students(void)
{
    const sb_report_t *report = &sb_report_list_of_students;
#define WHERE "stateCode=NC&districtId=D&schoolId=S&asmtGrade=03"

    is_csv(report, WHERE, NULL, students,
           HEAD("Summative", "2") "`Students`," OVERALL CLAIMS
                                  "`Lee, Ann \xC3\x89.`,`1850`,`1785-1915`,`Level 3`,`3`,"
                                  "`Invalid,Partial`" CLAIMED
                                  "`Oak, Bob`,`1850`,`1785-1915`,`Level 4`,`4`,``" CLAIMED,
           "students, of one subject");
    is_csv(report, WHERE "&asmtType=INTERIM COMPREHENSIVE", NULL, students,
           HEAD("Interim Comprehensive",
                "2") "`Students`,`Date taken`," OVERALL CLAIMS
                     "`Lee, Ann \xC3\x89.`,`2016.03.01`,`1850`,`1785-1915`,`Level "
                     "2`,`2`,``" CLAIMED
                     "`Lee, Ann \xC3\x89.`,`2016.02.01`,`1850`,`1785-1915`,`Level "
                     "1`,`1`,`Standardized`" CLAIMED,
           "interim comprehensive: a line a result");
    is_csv(report, WHERE "&asmtType=INTERIM ASSESSMENT BLOCKS", NULL, blocks,
           HEAD("Interim Assessment Blocks",
                "1") "`Students`,`Mathematics - Frac, tions - Latest result - Performance Level "
                     "Number`,"
                     "`Mathematics - Frac, tions - Latest result - Performance "
                     "Level`,`Mathematics - Frac, tions - Latest result - Status`,"
                     "`Mathematics - Geometry - Latest result - Performance Level Number`,"
                     "`Mathematics - Geometry - Latest result - Performance Level`,`Mathematics "
                     "- Geometry - Latest result - Status`\r\n"
                     "`Oak, Bob`,``,``,``,`3`,`Above Standard`,`Partial`\r\n",
           "blocks: the newest result of each");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&p, NULL);
    setenv("TZ", "UTC", 1);
    tzset();
    comparing_populations();
    list_of_students();
    return done();
}
