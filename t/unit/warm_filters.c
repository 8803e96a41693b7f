/* lib/report/sb_warm_filters: the filter file of the cache warmer. */

#include "tap.h"

#include <string.h>
#include <apr_strings.h>
#include "core/sb_file.h"
#include "report/sb_warm_filters.h"

static apr_array_header_t *tenants(apr_pool_t *p)
{
    apr_array_header_t *all = apr_array_make(p, 3, sizeof(sb_tenant_t));

    APR_ARRAY_PUSH(all, sb_tenant_t) = (sb_tenant_t){"nc", "NC"};
    APR_ARRAY_PUSH(all, sb_tenant_t) = (sb_tenant_t){"example", "ES"};
    APR_ARRAY_PUSH(all, sb_tenant_t) = (sb_tenant_t){"VT", "ME"}; /* called like another state */
    APR_ARRAY_PUSH(all, sb_tenant_t) = (sb_tenant_t){"vermont", "VT"};
    return all;
}

static const char *judge(sb_warm_filters_t **pf, const char *text, apr_pool_t *p)
{
    return sb_warm_filters_read(pf, text, strlen(text), tenants(p), p);
}

static const char *list_of(const sb_warm_filters_t *f, sb_warm_level_t level, const char *name,
                           const char *state, apr_pool_t *p)
{
    const sb_tenant_t t = {name, state};

    return apr_array_pstrcat(p, sb_warm_filters_of(f, level, &t), ' ');
}

static void whose_list(apr_pool_t *p)
{
    sb_warm_filters_t *f;
    static const char text[] =
        "{\"state\": [{\"grade\": [\"03\"]}],"
        " \"district\": [{\"sex\": [\"male\"]}, {\"grade\": [\"04\", \"03\", \"04\"]},"
        "                {\"grade\": [\"03\", \"04\"]}],"
        " \"ES.state\": [{\"grade\": [\"11\"]}], \"ES.district\": [],"
        " \"VT.state\": [{\"grade\": [\"05\"]}], \"vermont.state\": [{\"grade\": [\"06\"]}]}";

    is_str(judge(&f, text, p), NULL, "a good file");
    is_str(list_of(f, SB_WARM_STATE, "nc", "NC", p), "{\"grade\":[\"03\"]}", "the common list");
    is_str(list_of(f, SB_WARM_DISTRICT, "nc", "NC", p),
           "{\"sex\":[\"male\"]} {\"grade\":[\"03\",\"04\"]}",
           "each list for its level; values in order, the same filter once");
    is_str(list_of(f, SB_WARM_STATE, "example", "ES", p), "{\"grade\":[\"11\"]}",
           "a state's own list, by its code");
    is_str(list_of(f, SB_WARM_DISTRICT, "example", "ES", p), "", "which may be empty");
    is_str(list_of(f, SB_WARM_STATE, "vermont", "VT", p), "{\"grade\":[\"06\"]}",
           "the tenant's name wins over the code");
    is_str(list_of(f, SB_WARM_STATE, "VT", "ME", p), "{\"grade\":[\"05\"]}",
           "also a name that is another state's code");
    is_str(judge(&f, "{}", p), NULL, "an empty file");
    is_str(list_of(f, SB_WARM_STATE, "nc", "NC", p), "", "means no filters");
}

static void complaints(apr_pool_t *p)
{
    static const struct {
        const char *text, *complaint;
    } bad[] = {
        {"", ""},
        {"[]", "$: want an object"},
        {"{\"state\": {}}", "$.state: want a list of at most 500 filters"},
        {"{\"school\": []}", "$.school: want state, district, or one of them behind a tenant's "
                             "name or a state code and a dot"},
        {"{\"ES.school\": []}", "$.ES.school: want state, district, or one of them behind a "
                                "tenant's name or a state code and a "
                                "dot"},
        {"{\"es.state\": []}", "$.es.state: no tenant or state of this ini is called es"},
        {"{\".state\": []}", "$..state: no tenant or state of this ini is called "},
        {"{\"state\": [{\"grade\": [\"03\"]}, {}]}",
         "$.state[1]: want an object with at least one filter"},
        {"{\"state\": [3]}", "$.state[0]: want an object with at least one filter"},
        {"{\"district\": [{\"grade\": [\"3\"]}]}",
         "$.district[0].grade: want texts out of 03, 04, 05, 06, 07, 08, 11"},
        {"{\"district\": [{\"grade\": [3]}]}",
         "$.district[0].grade: want texts out of 03, 04, 05, 06, 07, 08, 11"},
        {"{\"state\": [{\"dmgPrgIep\": \"Y\"}]}",
         "$.state[0].dmgPrgIep: want a list of texts that is not empty"},
        {"{\"state\": [{\"dmgPrgIep\": []}]}",
         "$.state[0].dmgPrgIep: want a list of texts that is not empty"},
        {"{\"state\": [{\"iep\": [\"Y\"]}]}", "$.state[0].iep: no such filter; want dmgPrgLep, "
                                              "dmgPrgIep, dmgPrg504, dmgStsEcd, dmgStsMig, "
                                              "ethnicity, sex, grade, complete"},
    };
    sb_warm_filters_t *f;

    for (apr_size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *complaint = judge(&f, bad[i].text, p);

        ok(complaint && !f && (!*bad[i].complaint || !strcmp(complaint, bad[i].complaint)), "%s",
           complaint ? complaint : bad[i].text);
    }
}

/* The file that is installed as an example. */
static void example(apr_pool_t *p)
{
    const char *top = getenv("SB_TOP");
    sb_warm_filters_t *f = NULL;
    apr_size_t len;
    char *text;
    const sb_tenant_t t = {"nc", "NC"};

    is_int(sb_file_read(&text, &len,
                        apr_pstrcat(p, top ? top : ".",
                                    "/conf.d/comparing_populations_precache_filters.json", NULL),
                        1 << 20, p),
           APR_SUCCESS, "the example");
    is_str(sb_warm_filters_read(&f, text, len, tenants(p), p), NULL, "is good");
    is_int(sb_warm_filters_of(f, SB_WARM_STATE, &t)->nelts, 23, "with 23 filters of states");
    is_int(sb_warm_filters_of(f, SB_WARM_DISTRICT, &t)->nelts, 23, "and of districts");
}

int main(void)
{
    apr_pool_t *p = tap_pool();

    whose_list(p);
    complaints(p);
    example(p);
    apr_pool_destroy(p);
    return done();
}
