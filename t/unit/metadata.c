/* What a state has set for its reports, and names of states. */
#include "tap.h"
#include "report/sb_metadata.h"
#include "report/sb_parts.h"

static const struct {
    const char *text;
    int good, math, ela;
    long cell;
    const char *json;
} cases[] = {
    {NULL, 1, 4, 4, 10,
     "{\"branding\":null,\"subject1\":{\"colors\":null,\"min_cell_size\":null},"
     "\"subject2\":{\"colors\":null,\"min_cell_size\":null}}"},
    {"{}", 1, 4, 4, 10, NULL},
    {"[]", 1, 4, 4, 10, NULL},
    {"{\"min_cell_size\":30}", 1, 4, 4, 30,
     "{\"branding\":null,\"subject1\":{\"colors\":null,\"min_cell_size\":30},"
     "\"subject2\":{\"colors\":null,\"min_cell_size\":30}}"},
    {"{\"min_cell_size\":null}", 1, 4, 4, 10, NULL},
    {"{\"min_cell_size\":0}", 1, 4, 4, 10, NULL},
    {"{\"min_cell_size\":-1}", 0, 4, 4, 10, NULL},
    {"{\"min_cell_size\":\"30\"}", 0, 4, 4, 10, NULL},
    {"{\"min_cell_size\":1.5}", 0, 4, 4, 10, NULL},
    {"{\"subjects\":{\"Math\":{\"colors\":[{},{},{}]},\"ELA\":{\"colors\":[]}}}", 1, 3, 4, 10,
     "{\"branding\":null,\"subject1\":{\"colors\":[{},{},{}],\"min_cell_size\":null},"
     "\"subject2\":{\"colors\":[],\"min_cell_size\":null}}"},
    {"{\"subjects\":{\"Math\":{\"colors\":{}}},\"branding\":[]}", 1, 4, 4, 10, NULL},
    {"{\"subjects\":7}", 1, 4, 4, 10, NULL},
    {"{\"branding\":{\"display\":\"N\\u00f6rd\",\"n\":1.50,\"b\":true,\"x\":null}}", 1, 4, 4, 10,
     "{\"branding\":{\"display\":\"N\xc3\xb6rd\",\"n\":1.50,\"b\":true,\"x\":null},"
     "\"subject1\":{\"colors\":null,\"min_cell_size\":null},"
     "\"subject2\":{\"colors\":null,\"min_cell_size\":null}}"},
    {"{\"min_cell_size\":", 0, 4, 4, 10, NULL},
    {"", 0, 4, 4, 10, NULL},
};

int main(void)
{
    apr_pool_t *p = tap_pool();
    const sb_subjects_t subjects = {
        .n = 3, .name = {"Math", "ELA", "Science"}, .levels = {4, 4, 5}};
    apr_array_header_t *names = apr_array_make(p, 2, sizeof(const char *));
    sb_subjects_t two = subjects, some;
    sb_metadata_t m;

    two.n = 2;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *complaint = sb_metadata_parse(&m, &two, cases[i].text, p);

        ok((complaint == NULL) == cases[i].good, "%s: %s", cases[i].text ? cases[i].text : "none",
           complaint ? complaint : "taken");
        ok(m.subjects.levels[0] == cases[i].math && m.subjects.levels[1] == cases[i].ela &&
               m.min_cell == cases[i].cell,
           "%d and %d levels, groups over %d", m.subjects.levels[0], m.subjects.levels[1],
           (int)m.min_cell);
        if (cases[i].json) {
            sb_jw_t *w = sb_jw_make(p);

            sb_metadata_json(w, NULL, &m);
            is_str(sb_jw_text(w, NULL), cases[i].json, "as the page gets it");
        }
    }
    is_int(sb_subjects_index(&subjects, "ELA"), 1, "a subject by name");
    is_int(sb_subjects_index(&subjects, "Art"), -1, "none of that name");
    sb_subjects_pick(&some, &subjects, NULL);
    is_int(some.n, 3, "nothing asked for: all");
    sb_subjects_pick(&some, &subjects, names);
    is_int(some.n, 3, "an empty list: all");
    APR_ARRAY_PUSH(names, const char *) = "Science";
    APR_ARRAY_PUSH(names, const char *) = "ELA";
    APR_ARRAY_PUSH(names, const char *) = "Art";
    sb_subjects_pick(&some, &subjects, names);
    ok(some.n == 2 && !strcmp(some.name[0], "ELA") && !strcmp(some.name[1], "Science") &&
           some.levels[1] == 5,
       "some, in their order");
    sb_metadata_parse(&m, &subjects, "{\"subjects\":{\"Science\":{\"colors\":[{},{},{}]}}}", p);
    is_int(m.subjects.levels[2], 3, "colours say how many levels a third subject has");
    is_str(sb_state_name("NC"), "North Carolina", "a state");
    is_str(sb_state_name("DC"), "District of Columbia", "no state, but listed");
    is_str(sb_state_name("ZZ"), "Example State", "none");
    return done();
}
