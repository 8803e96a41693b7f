/* lib/auth/sb_browser: what browsers say of themselves, in words. */

#include "tap.h"

#include "auth/sb_browser.h"

static const struct {
    const char *header, *words, *name, *system;
} cases[] = {
    {"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
     "Firefox on Windows", "Firefox", "Windows"},
    {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/126.0.0.0 Safari/537.36",
     "Chrome on Windows", "Chrome", "Windows"},
    {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
     "Edge on Windows", "Edge", "Windows"},
    {"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/126.0.0.0 Safari/537.36",
     "Chrome on ChromeOS", "Chrome", "ChromeOS"},
    {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
     "Version/17.5 Safari/605.1.15",
     "Safari on macOS", "Safari", "macOS"},
    {"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
     "CriOS/126.0 Mobile/15E148 Safari/604.1",
     "Chrome on iPad", "Chrome", "iPad"},
    {"Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) "
     "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
     "Samsung Internet on Android", "Samsung Internet", "Android"},
    {"curl/7.88.1", "curl", "curl", NULL},
    {"something else (Linux)", SB_BROWSER_UNKNOWN " on Linux", NULL, "Linux"},
    {"<script>alert(1)</script>\r\n", SB_BROWSER_UNKNOWN, NULL, NULL},
    {"", SB_BROWSER_UNKNOWN, NULL, NULL},
    {NULL, SB_BROWSER_UNKNOWN, NULL, NULL},
};

int main(void)
{
    apr_pool_t *p = tap_pool();
    const char *name, *system;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_str(sb_browser_words(cases[i].header, p), cases[i].words, cases[i].words);
        sb_browser_parts(&name, &system, cases[i].words, p);
        is_str(name, cases[i].name, "its name");
        is_str(system, cases[i].system, "its system");
    }
    sb_browser_parts(&name, &system, "", p);
    ok(!name && !system, "a program has no browser");
    return done();
}
