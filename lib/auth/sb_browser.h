#ifndef SB_BROWSER_WORDS_H
#define SB_BROWSER_WORDS_H

#include <apr_pools.h>

#define SB_BROWSER_UNKNOWN "an unknown browser"

/**
 * A browser in words, for somebody who looks which of his sessions is which: "Firefox on Windows". Of what the
 * browser says of itself only words of ours are kept.
 * @param user_agent the header; NULL or anything
 * @return constant, or in p
 */
const char *sb_browser_words(const char *user_agent, apr_pool_t *p);

/**
 * The two words of it, for who says them in another language.
 * @param words of sb_browser_words()
 * @param pname, psystem "Firefox", "Windows"; NULL unknown
 */
void sb_browser_parts(const char **pname, const char **psystem, const char *words, apr_pool_t *p);

#endif
