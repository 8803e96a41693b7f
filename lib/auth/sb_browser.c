/* User-Agent headers in words. */

#include "auth/sb_browser.h"

#include <string.h>
#include <apr_strings.h>

#define ON " on "

typedef struct {
    const char *sign, *word; /* the first sign that is found counts */
} word_t;

/* Who says "Chrome" or "Safari" is often somebody else. */
static const word_t browsers[] = {
    {"Edg/", "Edge"},
    {"EdgA/", "Edge"},
    {"EdgiOS/", "Edge"},
    {"OPR/", "Opera"},
    {"SamsungBrowser/", "Samsung Internet"},
    {"Firefox/", "Firefox"},
    {"FxiOS/", "Firefox"},
    {"CriOS/", "Chrome"},
    {"Chromium/", "Chromium"},
    {"Chrome/", "Chrome"},
    {"Version/", "Safari"}, /* Safari has both */
    {"Safari/", "Safari"},
    {"Trident/", "Internet Explorer"},
    {"curl/", "curl"},
    {NULL, NULL},
};

static const word_t systems[] = {
    {"CrOS", "ChromeOS"},   {"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"},
    {"Windows", "Windows"}, {"Macintosh", "macOS"}, {"Linux", "Linux"},   {NULL, NULL},
};

static const char *find(const word_t *words, const char *text)
{
    while (words->sign && !strstr(text, words->sign)) {
        words++;
    }
    return words->word;
}

const char *sb_browser_words(const char *user_agent, apr_pool_t *p)
{
    const char *browser = user_agent ? find(browsers, user_agent) : NULL;
    const char *system = user_agent ? find(systems, user_agent) : NULL;

    if (!browser && !system) {
        return SB_BROWSER_UNKNOWN;
    }
    return system ? apr_pstrcat(p, browser ? browser : SB_BROWSER_UNKNOWN, ON, system, NULL)
                  : browser;
}

void sb_browser_parts(const char **pname, const char **psystem, const char *words, apr_pool_t *p)
{
    const char *on = strstr(words, ON);
    const char *name = on ? apr_pstrmemdup(p, words, (apr_size_t)(on - words)) : words;

    *pname = *name && strcmp(name, SB_BROWSER_UNKNOWN) != 0 ? name : NULL;
    *psystem = on ? on + strlen(ON) : NULL;
}
