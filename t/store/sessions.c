/* The book of sessions against the stack's PostgreSQL and memcached, as httpd's processes use it: what is ended stays
 * ended, also when memcached still has it. SMARTER_INI names the ini. */

#include "../unit/tap.h"

#include "auth/sb_session.h"
#include "core/sb_crypto.h"
#include "core/sb_log.h"

static apr_pool_t *p;
static sb_session_store_t one, two; /* two processes: each reads the book for itself */
static const char *me;              /* a guid nobody else has */
static sb_conf_t *conf;
static sb_db_t *db;

static void quiet(void *ctx, sb_log_level_t level, int number, apr_status_t rv, const char *text)
{
    (void)ctx, (void)level, (void)number, (void)rv, (void)text;
}

/* @param name_id, index as the identity provider has them; NULL none */
static sb_session_t *sign_in_as(const char *guid, const char *batch, const char *name_id,
                                const char *index)
{
    apr_array_header_t *raw = apr_array_make(p, 1, sizeof(sb_grant_t));
    const sb_tenant_t *t = &APR_ARRAY_IDX(one.tenants, 0, const sb_tenant_t);
    sb_session_t *s = apr_pcalloc(p, sizeof(*s));

    *(sb_grant_t *)apr_array_push(raw) = (sb_grant_t){"PII", t->name, t->state_code, NULL, NULL};
    s->identity = apr_pcalloc(p, sizeof(*s->identity));
    s->identity->guid = guid;
    s->identity->uid = guid ? apr_pstrcat(p, "uid of ", guid, NULL) : me;
    s->identity->batch = batch;
    sb_identity_build(s->identity, raw, one.tenants, p);
    s->browser = "Firefox on Windows";
    s->name_id = name_id;
    s->session_index = index;
    s->lasso_dump = name_id ? apr_pstrcat(p, "<dump of ", name_id, "/>", NULL) : NULL;
    s->not_after = batch ? apr_time_now() + 1000 * one.absolute : 0;
    if (sb_session_create(s, &one, p) != APR_SUCCESS) {
        puts("Bail out! no session can be made");
        exit(EXIT_FAILURE);
    }
    return s;
}

static sb_session_t *sign_in(const char *guid, const char *batch)
{
    return sign_in_as(guid, batch, NULL, NULL);
}

/* As a request does that is let in. */
static apr_status_t find(sb_session_t **ps, const sb_session_store_t *in, const char *id,
                         apr_pool_t *pool)
{
    apr_status_t rv = sb_session_look(ps, in, id, pool);

    return rv == APR_SUCCESS ? sb_session_use(*ps, in, pool) : rv;
}

static int alive(const sb_session_store_t *store, const sb_session_t *s)
{
    sb_session_t *found;

    return find(&found, store, s->id, p) == APR_SUCCESS;
}

static const char *hash_of(const sb_session_t *s)
{
    char hex[SB_SHA256_HEX_SIZE];

    return apr_pstrdup(p, sb_sha256_hex(hex, s->id, strlen(s->id)));
}

static const char *key_of(const sb_session_t *s)
{
    return apr_pstrcat(p, "smarter_session_", hash_of(s), NULL);
}

/* Its memcached was cut off when the session ended, and comes back. */
static void comes_back(void)
{
    sb_session_store_t bookless = one;
    sb_session_t *s = sign_in(me, NULL);
    apr_size_t len;
    char *record;

    bookless.book = NULL;
    ok(alive(&one, s) && alive(&two, s), "a session");
    ok(sb_cache_get(&record, &len, one.cache, key_of(s), p) == APR_SUCCESS, "its record");
    is_int(sb_session_end(&one, s->id), APR_SUCCESS, "it is ended");
    ok(sb_cache_set(one.cache, key_of(s), record, len, one.idle) == APR_SUCCESS,
       "memcached has it still");
    ok(alive(&bookless, s), "it would be good again");
    ok(!alive(&one, s), "but the book says it is over: at once to who ended it");
    apr_sleep(SB_SESSION_BOOK_FRESH + APR_USEC_PER_SEC / 10);
    ok(!alive(&two, s), "to others within a second");
    ok(!sb_session_store_make(&two, conf, p), "a process that starts later");
    ok(!alive(&two, s), "knows it, too");
}

/* Its memcached is cut off while somebody ends all of his sessions: no list has it. */
static void all_others(void)
{
    const char *who = sb_random_hex(8, p);
    sb_session_t *mine = sign_in(who, NULL), *there = sign_in(who, NULL),
                 *away = sign_in(who, NULL), *other = sign_in(me, NULL),
                 *program = sign_in(who, "night work");
    sb_session_query_t query = {.user = who, .but = sb_session_ref(mine->id, p)}, nobodys = {0};
    const apr_array_header_t *ended;
    apr_size_t len;
    char *record;

    ok(alive(&two, there) && alive(&two, away), "sessions of somebody");
    ok(sb_cache_get(&record, &len, one.cache, key_of(away), p) == APR_SUCCESS &&
           sb_cache_delete(one.cache, key_of(away)) == APR_SUCCESS,
       "memcached does not know one of them just now");
    is_int(sb_session_end_all(&ended, &one, &nobodys, p), APR_EINVAL,
           "nobody's is not everybody's");
    is_int(sb_session_end_all(&ended, &one, &query, p), APR_SUCCESS, "he ends all others");
    is_int(ended->nelts, 2, "which are two");
    ok(sb_cache_set(one.cache, key_of(away), record, len, one.idle) == APR_SUCCESS,
       "memcached is back");
    ok(!alive(&one, there) && !alive(&one, away), "they are over");
    ok(alive(&one, mine) && alive(&one, other) && alive(&one, program),
       "his own, others' and a program's are not");
    is_int(sb_session_end_all(&ended, &one, &query, p), APR_SUCCESS, "and once more");
    is_int(ended->nelts, 0, "there is none any more");
    apr_sleep(SB_SESSION_BOOK_FRESH + APR_USEC_PER_SEC / 10);
    ok(!alive(&two, there) && !alive(&two, away), "other processes know it within a second");
}

static apr_status_t end_by_sql(const sb_session_t *s)
{
    static const sb_stmt_t st = {
        "t_end", 1,
        "UPDATE {schema}.session SET ended_at = now(), ended_by = pg_current_xact_id()"
        " WHERE hash = $1"};
    const char *args[] = {hash_of(s)};

    return sb_db_exec(NULL, db, &st, args);
}

/* Its number is lower than that of others which were read before: reading on from the last one would miss it. */
static void late_commit(void)
{
    sb_session_t *slow = sign_in(me, NULL), *quick = sign_in(me, NULL);

    ok(alive(&two, slow) && alive(&two, quick), "two sessions");
    ok(sb_db_begin(db, SB_TX_WRITE) == APR_SUCCESS && end_by_sql(slow) == APR_SUCCESS,
       "one is being ended by a transaction that takes long");
    is_int(sb_session_end(&one, quick->id), APR_SUCCESS, "meanwhile another is ended");
    apr_sleep(SB_SESSION_BOOK_FRESH + APR_USEC_PER_SEC / 10);
    ok(!alive(&two, quick) && alive(&two, slow), "that is known to all");
    ok(sb_db_commit(db) == APR_SUCCESS, "now the long one ends");
    apr_sleep(SB_SESSION_BOOK_FRESH + APR_USEC_PER_SEC / 10);
    ok(!alive(&two, slow), "and is not overlooked");
}

static int listed(const sb_session_query_t *query, const sb_session_t *s)
{
    const apr_array_header_t *list;
    const char *hash = hash_of(s);
    int more;

    if (sb_session_list(&list, &more, &two, query, p) != APR_SUCCESS) {
        return -1;
    }
    for (int i = 0; i < list->nelts; i++) {
        const sb_session_listed_t *l = &APR_ARRAY_IDX(list, i, const sb_session_listed_t);

        if (!strcmp(l->entry->hash, hash)) {
            return l->seen == s->seen && l->entry->created == s->created &&
                   !strcmp(l->entry->browser, "Firefox on Windows") &&
                   !strcmp(l->entry->service, "reports");
        }
    }
    return 0;
}

static const apr_array_header_t *texts(const char *a, const char *b)
{
    apr_array_header_t *list = apr_array_make(p, 2, sizeof(const char *));

    if (a) {
        APR_ARRAY_PUSH(list, const char *) = a;
    }
    if (b) {
        APR_ARRAY_PUSH(list, const char *) = b;
    }
    return list;
}

static void lists(void)
{
    const char *other = sb_random_hex(8, p);
    const char *tenant = APR_ARRAY_IDX(one.tenants, 0, const sb_tenant_t).name;
    sb_session_t *mine = sign_in(me, NULL), *theirs = sign_in(other, NULL),
                 *program = sign_in(other, "night work"), *nameless = sign_in(NULL, NULL);
    const sb_session_query_t by_guid = {.user = me}, by_either = {.guid_or_uid = me};
    const struct {
        sb_session_query_t query;
        int mine, theirs, program;
        const char *what;
    } cases[] = {
        {{.user = me}, 1, 0, 0, "of one person"},
        {{.user = mine->identity->uid}, 0, 0, 0, "a uid is not a guid"},
        {{.guid_or_uid = mine->identity->uid}, 1, 0, 0, "but an operator may say either"},
        {{.user = other, .batch = -1}, 0, 1, 1, "with those of programs"},
        {{.user = other, .batch = 1}, 0, 0, 1, "only those"},
        {{.ref = sb_session_ref(mine->id, p), .batch = -1}, 1, 0, 0, "by its reference"},
        {{.ref = "%", .batch = -1}, 0, 0, 0, "which is no pattern"},
        {{.guid_or_uid = me, .tenants = texts(tenant, "zz")}, 1, 0, 0, "whose tenants one has"},
        {{.guid_or_uid = me, .tenants = texts("zz", NULL)}, 0, 0, 0, "or has not"},
        {{.guid_or_uid = me, .tenants = texts(NULL, NULL)}, 0, 0, 0, "who has none sees nobody"},
        {{.guid_or_uid = me, .tenant = tenant}, 1, 0, 0, "of a tenant"},
        {{.guid_or_uid = me, .tenant = "zz"}, 0, 0, 0, "of another"},
        {{.user = me, .but = sb_session_ref(mine->id, p)}, 0, 0, 0, "all but one"},
        {{.user = other, .but = sb_session_ref(mine->id, p)}, 0, 1, 0, "which is not among them"},
    };
    apr_int64_t all, batch;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ok(listed(&cases[i].query, mine) == cases[i].mine &&
               listed(&cases[i].query, theirs) == cases[i].theirs &&
               listed(&cases[i].query, program) == cases[i].program,
           "%s", cases[i].what);
    }
    ok(listed(&by_guid, nameless) == 0 && listed(&by_either, nameless) == 1,
       "whose uid reads like another's guid is not he");
    ok(sb_session_book_count(&all, &batch, one.book) == APR_SUCCESS && all >= 3 && batch >= 1,
       "how many there are");
    ok(sb_cache_delete(one.cache, key_of(theirs)) == APR_SUCCESS &&
           listed(&cases[3].query, theirs) == 0,
       "one that memcached has forgotten is over");
    ok(sb_session_end(&one, mine->id) == APR_SUCCESS && listed(&cases[0].query, mine) == 0,
       "one that was ended is");
    ok(program->not_after > program->created + one.absolute && alive(&one, program),
       "a program's session has an end of its own");
    ok(sb_session_end(&one, program->id) == APR_SUCCESS && !alive(&one, program),
       "and can be ended like others");
}

/* A new LogoutRequest, or the one of the id. @return how many it ended; -1 used before; -2 else */
static int logout(const char **plasso, const char *id, const char *name_id, const char *index)
{
    sb_session_named_t named = {.issuer = "https://idp.invalid/",
                                .message_id = id ? id : sb_random_hex(16, p),
                                .message_end = apr_time_now() + apr_time_from_sec(300),
                                .name_id = name_id,
                                .session_index = index};
    apr_status_t rv;
    int ended;

    rv = sb_session_end_named(&ended, plasso, &one, &named, p);
    return rv == APR_SUCCESS ? ended : rv == SB_EDENIED && ended == 0 ? -1 : -2;
}

static void single_logout(void)
{
    const char *name = sb_random_hex(8, p), *id = sb_random_hex(16, p), *lasso;
    sb_session_t *home = sign_in_as(me, NULL, name, "i1"),
                 *school = sign_in_as(me, NULL, name, "i2"),
                 *mobile = sign_in_as(me, NULL, name, NULL),
                 *other = sign_in_as(me, NULL, sb_random_hex(8, p), "i1");
    int many = 0;

    ok(alive(&two, home) && alive(&two, mobile), "sessions of a name");
    is_int(logout(&lasso, id, name, "i1"), 2,
           "one session index ends that session, and the one without an index");
    is_str(lasso, apr_pstrcat(p, "<dump of ", name, "/>", NULL),
           "and gives Lasso's part for the answer");
    ok(!alive(&one, home) && !alive(&one, mobile) && alive(&one, school) && alive(&one, other),
       "the others live on");
    is_int(logout(&lasso, id, name, NULL), -1, "the message is used up");
    ok(alive(&one, school), "it ends nothing any more");
    ok(sb_cache_delete(one.cache, key_of(home)) == APR_SUCCESS, "whatever memcached forgets");
    for (int i = 0; i < 40; i++) {
        many += alive(&one, sign_in_as(me, NULL, name, NULL));
    }
    is_int(many, 40, "forty more of the name");
    is_int(logout(&lasso, NULL, name, NULL), 41, "no session index ends all of the name");
    ok(!alive(&one, school) && alive(&one, other), "and of no other");
    is_int(logout(&lasso, NULL, name, NULL), 0, "there is none any more");
    ok(!lasso, "nothing for the answer");
    apr_sleep(SB_SESSION_BOOK_FRESH + APR_USEC_PER_SEC / 10);
    ok(!alive(&two, school), "other processes know it within a second");
}

/* @param ago when he proved who he is; -1 nobody says when. @return what becomes of his sign-in */
static apr_status_t comes(const char *guid, const char *batch, int ago)
{
    sb_session_t *s = apr_pmemdup(p, sign_in(me, NULL), sizeof(*s));

    s->identity = apr_pmemdup(p, s->identity, sizeof(*s->identity));
    s->identity->guid = guid;
    s->identity->batch = batch;
    s->proved = ago < 0 ? 0 : apr_time_now() - apr_time_from_sec(ago);
    return sb_session_create(s, &one, p);
}

/* The identity provider may know a browser longer than its session here lived. */
static void proofs(void)
{
    const char *who = sb_random_hex(8, p), *other = sb_random_hex(8, p);
    sb_session_t *lost = sign_in(who, NULL), *program = sign_in(who, "night work");
    sb_session_query_t by_ref = {.ref = sb_session_ref(lost->id, p)}, all = {.user = other},
                       none = {.user = other, .ref = "000000000000"},
                       programs = {.guid_or_uid = who, .batch = 1};
    const apr_array_header_t *ended;

    is_int(comes(who, NULL, 7200), APR_SUCCESS, "who proved long ago who he is gets a session");
    is_int(comes(who, NULL, -1), APR_SUCCESS, "and he of whom nobody says when");
    ok(sb_session_end(&one, sign_in(who, NULL)->id) == APR_SUCCESS &&
           comes(who, NULL, 7200) == APR_SUCCESS,
       "also after he has signed out");
    ok(sb_session_end_all(&ended, &one, &programs, p) == APR_SUCCESS && ended->nelts == 1 &&
           !alive(&one, program) && comes(who, NULL, 7200) == APR_SUCCESS,
       "or a program's session was ended");
    ok(sb_session_end_all(&ended, &one, &by_ref, p) == APR_SUCCESS && ended->nelts == 1,
       "one of his is ended from elsewhere");
    is_int(comes(who, NULL, 2), SB_EDENIED, "who proved it before that gets none");
    is_int(comes(who, NULL, -1), SB_EDENIED, "nor he of whom nobody says when");
    is_int(comes(other, NULL, 7200), APR_SUCCESS, "others do");
    is_int(comes(who, "night work", -1), APR_SUCCESS, "a program proves nothing");
    apr_sleep(APR_USEC_PER_SEC / 100);
    is_int(comes(who, NULL, 0), APR_SUCCESS, "who has proved it since does, too");
    ok(sb_session_end_all(&ended, &one, &none, p) == APR_SUCCESS && ended->nelts == 0 &&
           comes(other, NULL, 7200) == APR_SUCCESS,
       "ending one that there is not asks for nothing");
    ok(sb_session_end_all(&ended, &one, &all, p) == APR_SUCCESS && ended->nelts > 0 &&
           sb_session_end_all(&ended, &one, &all, p) == APR_SUCCESS && ended->nelts == 0 &&
           comes(other, NULL, 1) == SB_EDENIED,
       "ending all does, whether there are any");
}

/* Nobody can be told that a session is over for sure. */
static void without_book(void)
{
    sb_session_store_t cut_off = one;
    sb_session_t *s = sign_in(me, NULL), *none = apr_pmemdup(p, s, sizeof(*s));

    if (sb_session_book_make(&cut_off.book, "postgresql://smarter_web@127.0.0.1:1/none", "signin",
                             1, p) != APR_SUCCESS) {
        ok(0, "a book");
        return;
    }
    is_int(sb_session_create(none, &cut_off, p), SB_EUNAVAILABLE, "no session is made");
    is_int(find(&none, &cut_off, s->id, p), SB_EUNAVAILABLE,
           "who never read the book takes none for good");
    is_int(sb_session_end(&cut_off, s->id), SB_EUNAVAILABLE, "who cannot write it says so");
    ok(!alive(&one, s), "but the session is gone from memcached");
}

int main(void)
{
    const char *complaint, *url;
    sb_db_opts_t opts = {.app = "t"};

    p = tap_pool();
    sb_log_set(quiet, NULL);
    complaint = sb_conf_load(&conf, getenv("SMARTER_INI"), "app:main", p);
    if (!complaint) {
        complaint = sb_session_store_make(&one, conf, p);
    }
    if (!complaint) {
        complaint = sb_session_store_make(&two, conf, p);
    }
    if (complaint) {
        printf("Bail out! %s\n", complaint);
        return EXIT_FAILURE;
    }
    url = sb_conf_str(conf, "security.db.url");
    opts.schema = sb_conf_str(conf, "security.db.schema_name");
    if (!ok(sb_db_open(&db, sb_conf_db_url(url, p), &opts, p) == APR_SUCCESS, "connected")) {
        return done();
    }
    me = sb_random_hex(8, p);
    one.service = "reports";
    comes_back();
    all_others();
    late_commit();
    lists();
    single_logout();
    proofs();
    without_book();
    return done();
}
