/* An identity provider on Lasso, for tests: it reads our requests as a real one does, answers them, and
 * bends its answers as it is told. No HTTP: the test is the browser between.
 *
 *   idp DIR      DIR holds idp.xml, idp.key, idp.pem (its own) and sp.xml (the service provider's metadata)
 *
 * A line is a command: words between tabs, a verb, its subject, then any number of KNOB=VALUE. The answer
 * is one line: "ok" or "error", and what came of it between tabs.
 *
 *   answer QUERY         to an AuthnRequest             ok ADDRESS RELAYSTATE SAMLRESPONSE
 *   unsolicited RELAY    an answer nobody asked for     the same
 *   logout QUERY         to our LogoutRequest           ok ADDRESS (redirect)
 *   leave NAMEID         a LogoutRequest of its own     ok ADDRESS (redirect)
 *   seal TEXT            any text (base64), encrypted   ok ENCRYPTEDASSERTION (XML)
 *
 * Knobs of answers: name_id, issuer (entity id), acs (address it believes to be ours), audience, request
 * (InResponseTo), method, shift (seconds, of all times), conditions=none, session_end (seconds from now),
 * index (SessionIndex), NAME@ = value (an attribute, any number), many=COUNT (attributes), long=BYTES (of a
 * value), sign=none (the response)|sha1|sha384|sha512, encrypt=aes128|aes256|3des, transport=pkcs1|oaep, status.
 * Of logout messages: index, sign, status. Of sealing (seal.h): cert (file; for whom), content, transport,
 * digest, peer, bend_key, bend_content, cut. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <lasso/lasso.h>
#include <lasso/xml/misc_text_node.h>
#include <lasso/xml/saml-2.0/saml2_assertion.h>
#include <lasso/xml/saml-2.0/saml2_attribute.h>
#include <lasso/xml/saml-2.0/saml2_attribute_statement.h>
#include <lasso/xml/saml-2.0/saml2_attribute_value.h>
#include <lasso/xml/saml-2.0/saml2_audience_restriction.h>
#include <lasso/xml/saml-2.0/saml2_authn_statement.h>
#include <lasso/xml/saml-2.0/samlp2_authn_request.h>
#include <lasso/xml/saml-2.0/samlp2_logout_request.h>
#include <lasso/xml/saml-2.0/samlp2_response.h>
#include <lasso/xml/saml-2.0/samlp2_status_response.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include "seal.h"

#define WORDS_MAX 64

static const char *dir;
static char *words[WORDS_MAX];
static int n_words;

static const char *knob(const char *name)
{
    size_t len = strlen(name);

    for (int i = 2; i < n_words; i++) {
        if (!strncmp(words[i], name, len) && words[i][len] == '=') {
            return words[i] + len + 1;
        }
    }
    return NULL;
}

static int knob_is(const char *name, const char *value)
{
    const char *have = knob(name);

    return have && !strcmp(have, value);
}

static void set(gchar **to, const char *text)
{
    g_free(*to);
    *to = g_strdup(text);
}

static char *stamp(long secs)
{
    time_t t = time(NULL) + secs + (knob("shift") ? atol(knob("shift")) : 0);
    struct tm tm;
    char text[40];

    gmtime_r(&t, &tm);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return g_strdup(text);
}

static void fail(const char *what, int rc)
{
    printf("error\t%s\t%d\t%s\n", what, rc, rc ? lasso_strerror(rc) : "");
}

/* ---- who it is, and for whom it takes us --------------------------------------------------------- */

static char *file(const char *name)
{
    char *path = g_strdup_printf("%s/%s", dir, name), *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(EXIT_FAILURE);
    }
    g_free(path);
    return text;
}

/* Our entity id, as its metadata of us has it. */
static char *peer_id(void)
{
    char *sp = file("sp.xml"), *id = strstr(sp, "entityID=\"") + strlen("entityID=\"");

    id = g_strndup(id, strcspn(id, "\""));
    g_free(sp);
    return id;
}

/* text, with the value of the first attribute `name` replaced */
static char *with_attribute(char *text, const char *after, const char *name, const char *value)
{
    char *at = value ? strstr(text, after) : NULL, *end, *out;

    at = at ? strstr(at, name) : NULL;
    if (!at) {
        return text;
    }
    at = strchr(at, '"') + 1;
    end = strchr(at, '"');
    out = g_strdup_printf("%.*s%s%s", (int)(at - text), text, value, end);
    g_free(text);
    return out;
}

static void set_encryption(LassoServer *server)
{
    LassoProvider *sp = NULL;
    GHashTableIter i;
    gpointer value;

    g_hash_table_iter_init(&i, server->providers);
    if (!knob("encrypt") || !g_hash_table_iter_next(&i, NULL, &value)) {
        return;
    }
    sp = LASSO_PROVIDER(value);
    lasso_provider_set_encryption_mode(sp, LASSO_ENCRYPTION_MODE_ASSERTION);
    lasso_provider_set_encryption_sym_key_type(
        sp, knob_is("encrypt", "aes256") ? LASSO_ENCRYPTION_SYM_KEY_TYPE_AES_256
            : knob_is("encrypt", "3des") ? LASSO_ENCRYPTION_SYM_KEY_TYPE_3DES
                                         : LASSO_ENCRYPTION_SYM_KEY_TYPE_AES_128);
    lasso_provider_set_key_encryption_method(sp, knob_is("transport", "pkcs1")
                                                     ? LASSO_KEY_ENCRYPTION_METHOD_PKCS1
                                                     : LASSO_KEY_ENCRYPTION_METHOD_OAEP);
}

/* Its metadata of us, with one more address for answers if it is told of one. */
static char *peer_metadata(void)
{
    char *text = file("sp.xml"), *at = strstr(text, "<md:AssertionConsumerService"), *out;

    if (!knob("acs") || !at) {
        return text;
    }
    out =
        g_strdup_printf("%.*s<md:AssertionConsumerService Binding=\"%s\" Location=\"%s\" "
                        "index=\"99\"/>%s",
                        (int)(at - text), text, LASSO_SAML2_METADATA_BINDING_POST, knob("acs"), at);
    g_free(text);
    return out;
}

static LassoServer *make_server(void)
{
    char *own = with_attribute(file("idp.xml"), "EntityDescriptor", "entityID=", knob("issuer"));
    char *peer = peer_metadata();
    char *key = file("idp.key"), *cert = file("idp.pem");
    LassoServer *server = lasso_server_new_from_buffers(own, key, NULL, NULL);

    if (!server ||
        lasso_server_add_provider_from_buffer(server, LASSO_PROVIDER_ROLE_SP, peer, NULL, NULL)) {
        fprintf(stderr, "Lasso does not take the metadata in %s\n", dir);
        exit(EXIT_FAILURE);
    }
    server->signature_method = knob_is("sign", "sha1")     ? LASSO_SIGNATURE_METHOD_RSA_SHA1
                               : knob_is("sign", "sha384") ? LASSO_SIGNATURE_METHOD_RSA_SHA384
                               : knob_is("sign", "sha512") ? LASSO_SIGNATURE_METHOD_RSA_SHA512
                                                           : LASSO_SIGNATURE_METHOD_RSA_SHA256;
    set_encryption(server);
    g_free(own);
    g_free(peer);
    g_free(key);
    g_free(cert);
    return server;
}

/* ---- answers ------------------------------------------------------------------------------------- */

static void add_value(LassoSaml2AttributeStatement *statement, const char *name, const char *value)
{
    LassoSaml2Attribute *attribute = NULL;
    LassoSaml2AttributeValue *holder =
        LASSO_SAML2_ATTRIBUTE_VALUE(lasso_saml2_attribute_value_new());
    LassoMiscTextNode *text =
        LASSO_MISC_TEXT_NODE(lasso_misc_text_node_new_with_string((char *)value));

    for (GList *i = statement->Attribute; i; i = i->next) {
        if (!strcmp(LASSO_SAML2_ATTRIBUTE(i->data)->Name, name)) {
            attribute = i->data;
        }
    }
    if (!attribute) {
        attribute = LASSO_SAML2_ATTRIBUTE(lasso_saml2_attribute_new());
        attribute->Name = g_strdup(name);
        attribute->NameFormat = g_strdup(LASSO_SAML2_ATTRIBUTE_NAME_FORMAT_BASIC);
        statement->Attribute = g_list_append(statement->Attribute, attribute);
    }
    text->text_child = TRUE; /* else it would be written as an element */
    holder->any = g_list_append(NULL, text);
    attribute->AttributeValue = g_list_append(attribute->AttributeValue, holder);
}

static void add_attributes(LassoSaml2Assertion *assertion)
{
    LassoSaml2AttributeStatement *statement =
        LASSO_SAML2_ATTRIBUTE_STATEMENT(lasso_saml2_attribute_statement_new());
    long many = knob("many") ? atol(knob("many")) : 0, size = knob("long") ? atol(knob("long")) : 0;

    for (int i = 2; i < n_words; i++) {
        char *eq = strchr(words[i], '=');

        if (eq && eq > words[i] && eq[-1] == '@') {
            char *name = g_strndup(words[i], (gsize)(eq - 1 - words[i]));

            add_value(statement, name, eq + 1);
            g_free(name);
        }
    }
    for (long i = 0; i < many; i++) {
        char *name = g_strdup_printf("a%ld", i);

        add_value(statement, name, "x");
        g_free(name);
    }
    if (size) {
        char *text = g_malloc0((gsize)size + 1);

        memset(text, 'x', (size_t)size);
        add_value(statement, "long", text);
        g_free(text);
    }
    assertion->AttributeStatement = g_list_append(NULL, statement);
}

static void bend_subject(LassoSaml2Assertion *assertion, LassoSamlp2Response *response)
{
    LassoSaml2SubjectConfirmation *confirmation = assertion->Subject->SubjectConfirmation;
    LassoSaml2SubjectConfirmationData *data = confirmation->SubjectConfirmationData;

    g_free(data->NotOnOrAfter);
    data->NotOnOrAfter = stamp(300);
    g_free(data->NotBefore);
    data->NotBefore = NULL;
    if (knob("method")) {
        set(&confirmation->Method, knob("method"));
    }
    if (knob("name_id")) {
        set(&assertion->Subject->NameID->content, knob("name_id"));
    }
    if (knob("request")) {
        set(&data->InResponseTo, knob("request"));
        set(&LASSO_SAMLP2_STATUS_RESPONSE(response)->InResponseTo, knob("request"));
    }
}

static void bend(LassoSamlp2Response *response)
{
    LassoSaml2Assertion *assertion = LASSO_SAML2_ASSERTION(response->Assertion->data);
    LassoSaml2AuthnStatement *authn = LASSO_SAML2_AUTHN_STATEMENT(assertion->AuthnStatement->data);

    add_attributes(assertion);
    bend_subject(assertion, response);
    if (knob("audience")) {
        set(&LASSO_SAML2_AUDIENCE_RESTRICTION(assertion->Conditions->AudienceRestriction->data)
                 ->Audience,
            knob("audience"));
    }
    if (knob_is("conditions", "none")) {
        g_object_unref(assertion->Conditions);
        assertion->Conditions = NULL;
    }
    if (knob("index")) {
        set(&authn->SessionIndex, knob("index"));
    }
    if (knob("session_end")) {
        char *end = stamp(atol(knob("session_end")));

        set(&authn->SessionNotOnOrAfter, end);
        g_free(end);
    }
    if (knob("status")) {
        set(&LASSO_SAMLP2_STATUS_RESPONSE(response)->Status->StatusCode->Value, knob("status"));
    }
}

static int read_request(LassoLogin *login, int solicited)
{
    LassoProfile *profile = LASSO_PROFILE(login);
    char *id;
    int rc;

    if (solicited) {
        return lasso_login_process_authn_request_msg(login, words[1]);
    }
    id = peer_id();
    rc = lasso_login_init_idp_initiated_authn_request(login, id);
    g_free(id);
    if (rc == 0) {
        LassoSamlp2AuthnRequest *q = LASSO_SAMLP2_AUTHN_REQUEST(profile->request);

        set(&profile->msg_relayState, words[1]);
        set(&q->ProtocolBinding, LASSO_SAML2_METADATA_BINDING_POST);
        set(&q->NameIDPolicy->Format, LASSO_SAML2_NAME_IDENTIFIER_FORMAT_TRANSIENT);
        q->NameIDPolicy->AllowCreate = TRUE;
        rc = lasso_login_process_authn_request_msg(login, NULL);
    }
    return rc;
}

static const char *answer(LassoLogin *login, int solicited, int *prc)
{
    LassoProfile *profile = LASSO_PROFILE(login);
    char *now = stamp(0), *start = stamp(-30), *end = stamp(300);
    const char *step = "reading the request";

    if (knob_is("sign", "none")) {
        lasso_profile_set_signature_hint(profile, LASSO_PROFILE_SIGNATURE_HINT_FORBID);
    }
    *prc = read_request(login, solicited);
    if (!*prc) {
        step = "accepting the request";
        if (knob("acs")) {
            set(&LASSO_SAMLP2_AUTHN_REQUEST(profile->request)->AssertionConsumerServiceURL,
                knob("acs"));
        }
        *prc = lasso_login_validate_request_msg(login, TRUE, TRUE);
    }
    if (!*prc) {
        step = "making an assertion";
        *prc = lasso_login_build_assertion(login, LASSO_SAML2_AUTHN_CONTEXT_PASSWORD, now, NULL,
                                           start, end);
    }
    if (!*prc) {
        step = "making the answer";
        bend(LASSO_SAMLP2_RESPONSE(profile->response));
        *prc = lasso_login_build_authn_response_msg(login);
    }
    g_free(now);
    g_free(start);
    g_free(end);
    return *prc ? step : NULL;
}

static void sign_in(LassoServer *server, int solicited)
{
    LassoLogin *login = lasso_login_new(server);
    LassoProfile *profile = LASSO_PROFILE(login);
    int rc;
    const char *step = answer(login, solicited, &rc);

    if (step) {
        fail(step, rc);
    }
    else {
        printf("ok\t%s\t%s\t%s\n", profile->msg_url,
               profile->msg_relayState ? profile->msg_relayState : "", profile->msg_body);
    }
    lasso_login_destroy(login);
}

/* ---- signing out --------------------------------------------------------------------------------- */

/* A session of the provider's in which it knows this name of somebody at our side. */
static int know(LassoProfile *profile, const char *name_id, const char *index)
{
    char *id = peer_id(), *text;
    int rc;

    text = g_strdup_printf(
        "<Session xmlns=\"http://www.entrouvert.org/namespaces/lasso/0.0\" Version=\"2\">"
        "<NidAndSessionIndex ProviderID=\"%s\" AssertionID=\"_known\" SessionIndex=\"%s\">"
        "<saml:NameID xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" "
        "Format=\"" LASSO_SAML2_NAME_IDENTIFIER_FORMAT_TRANSIENT "\">%s</saml:NameID>"
        "</NidAndSessionIndex></Session>",
        id, index, name_id);
    rc = lasso_profile_set_session_from_dump(profile, text);
    g_free(text);
    g_free(id);
    return rc;
}

static void leave(LassoServer *server)
{
    LassoLogout *logout = lasso_logout_new(server);
    LassoProfile *profile = LASSO_PROFILE(logout);
    const char *index = knob("index");
    int rc = know(profile, words[1], index ? index : "_none");

    if (!rc) {
        rc = lasso_logout_init_request(logout, NULL, LASSO_HTTP_METHOD_REDIRECT);
    }
    if (!rc) {
        rc = lasso_logout_build_request_msg(logout);
    }
    if (rc) {
        fail("making a LogoutRequest", rc);
    }
    else {
        printf("ok\t%s\n", profile->msg_url);
    }
    lasso_logout_destroy(logout);
}

static void succeed(LassoSamlp2StatusResponse *r)
{
    LassoSamlp2StatusCode *code = r->Status->StatusCode;

    set(&code->Value, knob("status") ? knob("status") : LASSO_SAML2_STATUS_CODE_SUCCESS);
    g_clear_object(&code->StatusCode);
}

static void answer_logout(LassoServer *server)
{
    LassoLogout *logout = lasso_logout_new(server);
    LassoProfile *profile = LASSO_PROFILE(logout);
    int rc = lasso_logout_process_request_msg(logout, words[1]);

    if (rc) {
        fail("reading a LogoutRequest", rc);
        lasso_logout_destroy(logout);
        return;
    }
    /* It keeps no sessions, so Lasso says no; this provider is always done. */
    (void)lasso_logout_validate_request(logout);
    succeed(LASSO_SAMLP2_STATUS_RESPONSE(profile->response));
    rc = lasso_logout_build_response_msg(logout);
    if (rc) {
        fail("answering a LogoutRequest", rc);
    }
    else {
        printf("ok\t%s\n", profile->msg_url);
    }
    lasso_logout_destroy(logout);
}

/* ---- encryption without Lasso, which knows no GCM ------------------------------------------------- */

static EVP_PKEY *key_of(const char *path)
{
    FILE *in = path ? fopen(path, "r") : NULL;
    X509 *cert = in ? PEM_read_X509(in, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = cert ? X509_get_pubkey(cert) : NULL;

    X509_free(cert);
    if (in) {
        fclose(in);
    }
    return key;
}

static void seal_text(void)
{
    const seal_t how = {.content = knob("content"),
                        .transport = knob("transport"),
                        .digest = knob("digest"),
                        .is_peer = knob("peer") != NULL,
                        .bend_key = knob("bend_key") != NULL,
                        .bend_content = knob("bend_content") != NULL,
                        .cut = knob("cut") ? atoi(knob("cut")) : 0};
    EVP_PKEY *key = key_of(knob("cert"));
    gsize len;
    guchar *text = g_base64_decode(words[1], &len);
    char *sealed = key ? seal((char *)text, len, key, &how) : NULL;

    if (sealed) {
        printf("ok\t%s\n", sealed);
    }
    else {
        fail("sealing", 0);
    }
    free(sealed);
    g_free(text);
    EVP_PKEY_free(key);
}

/* ---- commands ------------------------------------------------------------------------------------ */

static void quiet(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer data)
{
    (void)domain;
    (void)level;
    (void)text;
    (void)data;
}

static void obey(char *line)
{
    LassoServer *server;

    n_words = 0;
    for (char *word = line; word && n_words < WORDS_MAX; n_words++) {
        words[n_words] = word;
        word = strchr(word, '\t');
        if (word) {
            *word++ = '\0';
        }
    }
    if (n_words < 2) {
        fail("no command", 0);
        return;
    }
    if (!strcmp(words[0], "seal")) {
        seal_text();
        return;
    }
    server = make_server();
    if (!strcmp(words[0], "answer") || !strcmp(words[0], "unsolicited")) {
        sign_in(server, words[0][0] == 'a');
    }
    else if (!strcmp(words[0], "leave")) {
        leave(server);
    }
    else if (!strcmp(words[0], "logout")) {
        answer_logout(server);
    }
    else {
        fail("unknown command", 0);
    }
    g_object_unref(server);
}

int main(int argc, char **argv)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;

    if (argc != 2) {
        fputs("usage: idp DIR\n", stderr);
        return EXIT_FAILURE;
    }
    dir = argv[1];
    unsetenv("LASSO_FLAG");
    g_log_set_default_handler(quiet, NULL);
    if (lasso_init() != 0) {
        return EXIT_FAILURE;
    }
    while ((len = getline(&line, &room, stdin)) > 0) {
        if (line[len - 1] == '\n') {
            line[len - 1] = '\0';
        }
        obey(line);
        fflush(stdout);
    }
    free(line);
    return EXIT_SUCCESS;
}
