#ifndef SB_IDENTITY_PARSE_H
#define SB_IDENTITY_PARSE_H

/**
 * What an identity provider says of a person, read as who he is here: attributes of a SAML assertion and
 * members of an answer about a bearer token alike. Which attribute holds what, and what a tenancy chain
 * means, differs between identity providers: a table has the variants, the configuration names one.
 * No SAML, no HTTP. What is made of malformed ones: docs/security.md, "Roles and places".
 */

#include "auth/sb_identity.h"

typedef struct {
    const char *name;
    const char *value; /* never NULL; a name with several values comes several times */
} sb_attribute_t;

typedef enum { SB_SOURCE_SAML, SB_SOURCE_OAUTH } sb_identity_source_t;

typedef struct {
    const struct sb_identity_variant_t *variant;
    const char *base_dn; /* of the variant "basic": where tenants hang; else NULL */
} sb_identity_parser_t;

/**
 * The parser that auth.saml.identity_parser or auth.oauth2.identity_parser names: "sbac", "sbac-live",
 * "basic", or a class name of an old file, with any package in front.
 * @return NULL; or the complaint: key, value, what is accepted
 */
const char *sb_identity_parser_choose(sb_identity_parser_t *parser, const sb_conf_t *conf,
                                      sb_identity_source_t source, apr_pool_t *p) SB_MUST_CHECK;

/**
 * Who is it? What is malformed, too long or too much is as if it were not there, and logged without its
 * text: nothing of it may become a right. Role "NONE" if nothing usable is left.
 * @param attributes sb_attribute_t
 * @param tenants    sb_tenant_t
 */
void sb_identity_parse(sb_identity_t *id, const sb_identity_parser_t *parser,
                       const apr_array_header_t *attributes, const apr_array_header_t *tenants,
                       apr_pool_t *p);

/* ---- chains, for tests ------------------------------------------------------------------------ */

#define SB_CHAINS_MAX 500   /* of one person: more, and none of them counts */
#define SB_CHAIN_BYTES 4096 /* of one chain */
#define SB_CHAIN_ID_BYTES                                                                          \
    160 /* of a role, tenant or place: 40 characters of production's columns */
#define SB_PERSON_TEXT_BYTES 512 /* of an id, a name, an address */

typedef enum {
    SB_CHAIN_SBAC, /* StateID is the tenant, State the state's code */
    SB_CHAIN_LIVE  /* StateID is both: the tenant in lower case */
} sb_chain_layout_t;

/**
 * Parse one tenancy chain of 17 fields between bars.
 * @param grant all NULL unless it is good
 * @return NULL; or why it is skipped, to stand behind "it": too few fields, unknown tenant, a place
 *         without the one it lies in
 */
const char *sb_chain_parse(sb_grant_t *grant, const char *chain, sb_chain_layout_t layout,
                           const apr_array_header_t *tenants, apr_pool_t *p) SB_MUST_CHECK;

/**
 * Cut one text into its chains. They are told apart by counting bars, since names may hold commas; so
 * one bar too many or too few moves all fields behind it, and nothing of the text can be believed.
 * @param chains const char *, appended to; not touched with a complaint
 * @return NULL; or the complaint, as above
 */
const char *sb_chains_cut(apr_array_header_t *chains, const char *text,
                          apr_pool_t *p) SB_MUST_CHECK;

#endif
