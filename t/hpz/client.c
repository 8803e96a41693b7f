/* The client of the pickup zone against the real one; t/hpz/client.t gives it an ini and files.
 * client INI FILE: announces, delivers, prints what came. client INI FILE ID: delivers only. */

#include <stdio.h>
#include <stdlib.h>
#include <apr_general.h>
#include "pickup/sb_pickup.h"

static int say(const char *what, apr_status_t rv, const char *error)
{
    char why[200];

    printf("%s: %s%s%s%s\n", what, rv == APR_SUCCESS ? "done" : sb_strerror(rv, why, sizeof(why)),
           sb_is_transient(rv) ? " (again)" : "", error ? ": " : "", error ? error : "");
    return rv == APR_SUCCESS ? 0 : 1;
}

static int never(void *ctx)
{
    (void)ctx;
    return 0;
}

static int at_once(void *ctx)
{
    (void)ctx;
    return 1;
}

int main(int argc, char **argv)
{
    sb_pickup_place_t place = {"D001", NULL};
    sb_pickup_owner_t owner = {.uid = "state1",
                               .email = "state1@smarter.invalid",
                               .role = "SAREXTRACTS",
                               .tenant = "nc",
                               .state_code = "NC"};
    const sb_pickup_client_t *client;
    sb_pickup_receipt_t receipt;
    sb_pickup_t pickup = {0};
    apr_array_header_t *places;
    const char *error;
    sb_conf_t *conf;
    apr_status_t rv;
    apr_pool_t *p;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&p, NULL);
    if (argc < 3) {
        return 2;
    }
    error = sb_conf_load(&conf, argv[1], "app:main", p);
    if (!error) {
        error = sb_pickup_client_make(&client, conf, p);
    }
    if (error) {
        printf("configuration: %s\n", error);
        return 1;
    }
    pickup.id = argc > 3 ? argv[3] : NULL;
    if (!pickup.id) {
        places = apr_array_make(p, 1, sizeof(place));
        APR_ARRAY_PUSH(places, sb_pickup_place_t) = place;
        owner.places = places;
        rv = sb_pickup_register(&pickup, 1, &error, client, &owner, 0, p);
        if (say("register", rv, error)) {
            return 1;
        }
        printf("id %s\nurl %s\nweb_url %s\n", pickup.id, pickup.url, pickup.web_url);
    }
    rv = sb_pickup_upload(&receipt, &error, client, argv[2], pickup.id, "R\xc3\xa9sultats.zip",
                          getenv("STOP") ? at_once : never, NULL, p);
    printf("size %ld\nsha256 %s\n", (long)receipt.size, receipt.sha256);
    if (say("upload", rv, error)) {
        return 1;
    }
    if (getenv("REMOVE")) {
        rv = sb_pickup_remove(&error, client, pickup.id, 0, p);
        return say("remove", rv, error);
    }
    return 0;
}
