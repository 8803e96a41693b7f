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
    sb_metadata_t m;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *complaint = sb_metadata_parse(&m, cases[i].text, p);

        ok((complaint == NULL) == cases[i].good, "%s: %s", cases[i].text ? cases[i].text : "none",
           complaint ? complaint : "taken");
        ok(m.levels[SB_MATH] == cases[i].math && m.levels[SB_ELA] == cases[i].ela &&
               m.min_cell == cases[i].cell,
           "%d and %d levels, groups over %d", m.levels[SB_MATH], m.levels[SB_ELA],
           (int)m.min_cell);
        if (cases[i].json) {
            sb_jw_t *w = sb_jw_make(p);

            sb_metadata_json(w, NULL, &m);
            is_str(sb_jw_text(w, NULL), cases[i].json, "as the page gets it");
        }
    }
    is_int(sb_subject_of("Math"), SB_MATH, "Math");
    is_int(sb_subject_of("ELA"), SB_ELA, "ELA");
    is_int(sb_subject_of("Science"), SB_SUBJECTS, "neither");
    is_str(sb_state_name("NC"), "North Carolina", "a state");
    is_str(sb_state_name("DC"), "District of Columbia", "no state, but listed");
    is_str(sb_state_name("ZZ"), "Example State", "none");
    return done();
}
