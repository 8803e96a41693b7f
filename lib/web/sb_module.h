#ifndef SB_MODULE_H
#define SB_MODULE_H

/** What every httpd module of the product does in its hooks. */

#include <httpd.h>
#include <http_config.h>
#include "core/sb_conf.h"

/** Send the library's lines to httpd's error log, under its LogLevel, and as one JSON object each to the
 *  application stream, until p is cleared. In post_config.
 *  @param program name in the stream
 *  @param mod     whose LogLevel it is */
void sb_module_log(const char *program, const module *mod, server_rec *s, apr_pool_t *p);

/**
 * Open the audit, application and security streams of the ini, with the rights of the user who starts
 * httpd; children inherit them. A graceful restart opens them anew, which is what log rotation needs.
 * @return NULL or the complaint
 */
const char *sb_module_open_streams(const sb_conf_t *conf, apr_pool_t *p) SB_MUST_CHECK;

/** Hook translate_name: addresses of this handler are no files. No path is made of them (a long one
 *  would be too long, and an error in the log) and none is looked for. */
int sb_module_translate(request_rec *r, const char *handler);
/** Hook map_to_storage, likewise. */
int sb_module_map_to_storage(const request_rec *r, const char *handler);

#endif
