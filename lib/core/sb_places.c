/* Places for what lasts long: see sb_places.h. */

#include "core/sb_places.h"

#include <string.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

struct sb_places_t {
    apr_thread_mutex_t *lock;
    int most, each;
    int kept;         /* for who has none */
    const char **who; /* NULL: free. They are few: looked through one by one */
};

typedef struct {
    sb_places_t *of;
    int i;
} place_t;

apr_status_t sb_places_make(sb_places_t **pplaces, int most, int each, apr_pool_t *p)
{
    sb_places_t *s = apr_pcalloc(p, sizeof(*s));

    s->most = most;
    s->each = each ? each : most;
    s->kept = each ? most / 3 : 0;
    s->who = apr_pcalloc(p, (apr_size_t)most * sizeof(*s->who));
    *pplaces = s;
    return apr_thread_mutex_create(&s->lock, APR_THREAD_MUTEX_DEFAULT, p);
}

static apr_status_t leave(void *data)
{
    const place_t *place = data;

    apr_thread_mutex_lock(place->of->lock);
    place->of->who[place->i] = NULL;
    apr_thread_mutex_unlock(place->of->lock);
    return APR_SUCCESS;
}

sb_place_t sb_places_take(sb_places_t *places, const char *who, apr_pool_t *p)
{
    place_t *place = apr_pcalloc(p, sizeof(*place));
    const char *name = who ? apr_pstrdup(p, who) : "";
    sb_place_t got;
    int mine = 0, left = 0;

    place->of = places;
    place->i = -1;
    apr_thread_mutex_lock(places->lock);
    for (int i = 0; i < places->most; i++) {
        if (!places->who[i]) {
            place->i = i;
            left++;
        }
        else if (who) {
            mine += !strcmp(places->who[i], who);
        }
    }
    got = mine >= places->each || (mine && left <= places->kept) ? SB_PLACE_ENOUGH
          : !left                                                ? SB_PLACE_NONE
                                                                 : SB_PLACE_TAKEN;
    if (got == SB_PLACE_TAKEN) {
        places->who[place->i] = name;
    }
    apr_thread_mutex_unlock(places->lock);
    if (got == SB_PLACE_TAKEN) {
        apr_pool_cleanup_register(p, place, leave, apr_pool_cleanup_null);
    }
    return got;
}
