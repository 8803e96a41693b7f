/* lib/pickup/sb_deposit: what is read of a registration, whose a file is, and what it is called. */

#include "tap.h"

#include "pickup/sb_deposit.h"

static apr_pool_t *pool;

/* ---- whose it is --------------------------------------------------------------------------------- */

static sb_identity_t *person(const char *uid, const sb_grant_t *grants, int n)
{
    sb_identity_t *id = apr_pcalloc(pool, sizeof(*id));
    apr_array_header_t *all = apr_array_make(pool, 4, sizeof(sb_grant_t));

    for (int i = 0; i < n; i++) {
        APR_ARRAY_PUSH(all, sb_grant_t) = grants[i];
    }
    id->uid = uid;
    id->grants = all;
    return id;
}

static sb_deposit_t *file_for(const char *role, const sb_pickup_place_t *places, int n)
{
    sb_deposit_t *d = apr_pcalloc(pool, sizeof(*d));
    apr_array_header_t *all = apr_array_make(pool, 4, sizeof(sb_pickup_place_t));

    for (int i = 0; i < n; i++) {
        APR_ARRAY_PUSH(all, sb_pickup_place_t) = places[i];
    }
    d->owner = (sb_pickup_owner_t){.uid = "me", .role = role, .tenant = "nc", .state_code = "NC"};
    d->owner.places = n ? all : NULL;
    return d;
}

static void rights(void)
{
    static const sb_grant_t everywhere = {"PII", "nc", "NC", NULL, NULL};
    static const sb_grant_t all_states = {"PII", NULL, NULL, NULL, NULL};
    static const sb_grant_t other_state = {"PII", "zz", "ZZ", NULL, NULL};
    static const sb_grant_t district = {"PII", "nc", "NC", "D1", NULL};
    static const sb_grant_t school = {"PII", "nc", "NC", "D1", "S1"};
    static const sb_grant_t other_role = {"SAREXTRACTS", "nc", "NC", NULL, NULL};
    static const sb_pickup_place_t d1 = {"D1", NULL}, s1 = {"D1", "S1"}, s2 = {"D1", "S2"},
                                   other = {"D2", "S1"};
    const struct {
        const char *what;
        sb_grant_t grants[2];
        int ngrants;
        sb_pickup_place_t places[2];
        int nplaces, want;
    } cases[] = {
        {"the state by the state", {everywhere}, 1, {{0}}, 0, 1},
        {"the state by all states", {all_states}, 1, {{0}}, 0, 1},
        {"the state by another state", {other_state}, 1, {{0}}, 0, 0},
        {"the state by a district", {district}, 1, {{0}}, 0, 0},
        {"the state by a school", {school}, 1, {{0}}, 0, 0},
        {"the state by another right", {other_role}, 1, {{0}}, 0, 0},
        {"the state by no right", {{0}}, 0, {{0}}, 0, 0},
        {"a district by the state", {everywhere}, 1, {d1}, 1, 1},
        {"a district by itself", {district}, 1, {d1}, 1, 1},
        {"a district by one of its schools", {school}, 1, {d1}, 1, 0},
        {"a school by its district", {district}, 1, {s2}, 1, 1},
        {"a school by itself", {school}, 1, {s1}, 1, 1},
        {"a school by another one", {school}, 1, {s2}, 1, 0},
        {"a school of the same id elsewhere", {school}, 1, {other}, 1, 0},
        {"two places by one right", {district}, 1, {s1, other}, 2, 0},
        {"two places by two rights",
         {district, {"PII", "nc", "NC", "D2", NULL}},
         2,
         {s1, other},
         2,
         1},
        {"two places by the state", {everywhere}, 1, {s1, other}, 2, 1},
    };
    const char *why;

    for (apr_size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sb_deposit_t *d = file_for("PII", cases[i].places, cases[i].nplaces);

        is_int(sb_deposit_is_for(&why, d, person("me", cases[i].grants, cases[i].ngrants)),
               cases[i].want, cases[i].what);
        ok((why == NULL) == cases[i].want, "... with a reason when not");
        ok(!sb_deposit_is_for(NULL, d, person("you", cases[i].grants, cases[i].ngrants)),
           "... and never somebody else's");
    }
    ok(sb_deposit_is_for(NULL, file_for(NULL, NULL, 0), person("me", NULL, 0)),
       "without a right named: the owner's");
    ok(!sb_deposit_is_for(NULL, file_for(NULL, NULL, 0), person("Me", NULL, 0)),
       "ids are compared byte for byte");
    ok(!sb_deposit_is_for(NULL, file_for(NULL, NULL, 0), person(NULL, NULL, 0)),
       "who has no id has no file");
}

/* ---- names --------------------------------------------------------------------------------------- */

static void names(void)
{
    static const char *const offered[][2] = {
        {"a.zip", "a.zip"},
        {"/x/y/a.zip", "a.zip"},
        {"C:\\x\\a.zip", "a.zip"},
        {"../a", "a"},
        {"..", NULL},
        {"", NULL},
        {"/", NULL},
        {"a/", NULL},
        {" . a ", "a"},
        {"a\r\nX: y", "aX: y"},
        {"a\x7f", "a"},
        {"\xc3\xa4.zip", "\xc3\xa4.zip"},
        {"\xff", NULL},
        {"\xc3", NULL},
        {"\xff/a.zip", NULL},
        {"a\xc2\x85\xc2\x9f.zip", "a.zip"},
        {"x\xe2\x80\xaepiz.exe", "xpiz.exe"},
        {"a\xe2\x80\x8b\xe2\x81\xa6.zip\xef\xbb\xbf", "a.zip"},
        {"\xe2\xc2\x80\x80\xa8", NULL},
        {"\xc2\xa0\xe2\x80\x93\xd8\xa8\xe2\x82\xac", "\xc2\xa0\xe2\x80\x93\xd8\xa8\xe2\x82\xac"}};
    static const char *const headers[][2] = {
        {"a-b_1.zip", "attachment; filename=\"a-b_1.zip\""},
        {"a b.zip", "attachment; filename=\"a b.zip\"; filename*=UTF-8''a%20b.zip"},
        {"a\"b\\c%.zip", "attachment; filename=\"a_b_c_.zip\"; filename*=UTF-8''a%22b%5Cc%25.zip"},
        {"\xc3\xa4;.zip", "attachment; filename=\"__;.zip\"; filename*=UTF-8''%C3%A4%3B.zip"},
        {"\xe5\xad\xa6\xe7\x94\x9f.csv",
         "attachment; filename=\"______.csv\"; filename*=UTF-8''%E5%AD%A6%E7%94%9F.csv"}};
    char *longest = apr_palloc(pool, SB_DEPOSIT_NAME_MAX + 2);

    for (apr_size_t i = 0; i < sizeof(offered) / sizeof(offered[0]); i++) {
        is_str(sb_deposit_name(offered[i][0], pool), offered[i][1], "a name as it is kept");
    }
    memset(longest, 'x', SB_DEPOSIT_NAME_MAX + 1);
    longest[SB_DEPOSIT_NAME_MAX + 1] = '\0';
    ok(!sb_deposit_name(longest, pool), "a long one is refused");
    ok(sb_deposit_name(longest + 1, pool) != NULL, "the longest is not");
    for (apr_size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        is_str(sb_deposit_disposition(headers[i][0], pool), headers[i][1], "Content-Disposition");
    }
    is_str(sb_deposit_type("x.ZIP"), "application/zip", "a type by its ending");
    is_str(sb_deposit_type(".zip"), "application/octet-stream", "an ending alone is none");
}

/* ---- what is said -------------------------------------------------------------------------------- */

static const char *complaint_of(sb_pickup_owner_t *owner, const char *text)
{
    sb_json_t *said;

    if (sb_json_parse(&said, NULL, text, strlen(text), NULL, pool) != APR_SUCCESS) {
        return "no JSON";
    }
    return sb_deposit_read(owner, said, pool);
}

static void registrations(void)
{
    sb_pickup_owner_t o;

    ok(!complaint_of(&o, "{\"uid\":\"u\"}"), "a uid is enough");
    ok(!o.email && !o.role && !o.places, "nothing is made up");
    ok(!complaint_of(&o, "{\"uid\":\"u\",\"email\":null,\"role\":null,\"places\":[],\"extra\":1}"),
       "null and unknown members");
    ok(!o.places, "no place is the whole state");
    ok(!complaint_of(&o, "{\"uid\":\"u\",\"role\":\"R\",\"tenant\":\"t\",\"state_code\":\"S\","
                         "\"places\":[{\"district_id\":\"d\"}]}"),
       "a right at a place");
    is_int(o.places->nelts, 1, "one place");
    is_str(APR_ARRAY_IDX(o.places, 0, sb_pickup_place_t).school_id, NULL, "a whole district");
    ok(complaint_of(&o, "{\"uid\":\"u\",\"role\":\"R\",\"tenant\":\"t\"}") != NULL,
       "a right without a state");
    ok(!complaint_of(&o, "{\"uid\":\"u\",\"email\":\"a@b.example\"}") && o.email, "a mailbox");
    ok(complaint_of(&o, "{\"uid\":\"u\",\"email\":\"a@b.example\\r\\nBcc: x@y\"}") != NULL,
       "a line break is refused");
    ok(!complaint_of(&o, "{\"uid\":\"u\",\"email\":\"A <a@b.example>\"}") && !o.email,
       "what is no mailbox is left out");
}

#define REQUEST "0c9b1d2e-1111-4222-8333-444455556666"

static const char *finish_complaint(const char **prequest, const char **poutcome, const char *text)
{
    sb_json_t *said;

    if (sb_json_parse(&said, NULL, text, strlen(text), NULL, pool) != APR_SUCCESS) {
        return "no JSON";
    }
    return sb_deposit_read_finish(prequest, poutcome, said);
}

static void requests(void)
{
    static const char *const bad[] = {
        "\"request_id\":\"x\"", "\"request_id\":7", "\"request_id\":\"" REQUEST "0\"",
        "\"part\":0",           "\"part\":1.5",     "\"part\":\"1\"",
        "\"part\":1000000"};
    static const char *const no_end[] = {"[]",
                                         "{}",
                                         "{\"request_id\":\"" REQUEST "\"}",
                                         "{\"outcome\":\"ready\"}",
                                         "{\"request_id\":null,\"outcome\":\"ready\"}",
                                         "{\"request_id\":\"" REQUEST "\",\"outcome\":7}",
                                         "{\"request_id\":\"" REQUEST "\",\"outcome\":\"done\"}"};
    const char *request, *outcome;
    sb_pickup_owner_t o;

    ok(!complaint_of(&o, "{\"uid\":\"u\"}") && !o.request && o.part == 1,
       "a file by itself is of no request");
    ok(!complaint_of(&o, "{\"uid\":\"u\",\"request_id\":\"" REQUEST "\",\"part\":3}"),
       "a part of a request");
    is_str(o.request, REQUEST, "of which one");
    is_int(o.part, 3, "which part");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ok(complaint_of(&o, apr_pstrcat(pool, "{\"uid\":\"u\",", bad[i], "}", NULL)) != NULL,
           "refused: %s", bad[i]);
    }
    ok(!finish_complaint(&request, &outcome,
                         "{\"request_id\":\"" REQUEST "\",\"outcome\":\"failed\"}"),
       "the end of one");
    is_str(apr_pstrcat(pool, request, " ", outcome, NULL), REQUEST " failed", "which, and how");
    for (size_t i = 0; i < sizeof no_end / sizeof *no_end; i++) {
        ok(finish_complaint(&request, &outcome, no_end[i]) != NULL, "no end: %s", no_end[i]);
    }
}

int main(void)
{
    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&pool, NULL);
    rights();
    names();
    registrations();
    requests();
    return done();
}
