#ifndef SB_CONF_EDIT_H
#define SB_CONF_EDIT_H

/**
 * Changing an ini file as a careful person would: comments, order and everything else stay; the new
 * file is judged by the reader, written beside the old one and put in its place in one step, with the
 * same owner and mode. One editor at a time.
 */

#include "core/sb_conf.h"

typedef struct sb_conf_edit_t sb_conf_edit_t;

/**
 * Read a file for changing; others who want to change it wait until p is cleared.
 * @param path symbolic links are followed: the file they lead to is changed
 * @return NULL, or what is wrong
 */
const char *sb_conf_edit_open(sb_conf_edit_t **pe, const char *path, apr_pool_t *p) SB_MUST_CHECK;

/** The text of a key as the reader sees it (continued lines joined), NULL if there is none. */
const char *sb_conf_edit_get(const sb_conf_edit_t *e, const char *section, const char *key);

/**
 * Give a key a value, in its old place; a new key comes behind the last one of the section that begins
 * with family ("edware.db."), else to the section's end. A section that is not there is added.
 * @return NULL, or why this cannot be a value (line breaks, blanks around it); never quotes it
 */
const char *sb_conf_edit_set(sb_conf_edit_t *e, const char *section, const char *key,
                             const char *value, const char *family) SB_MUST_CHECK;

/** Take a key out with its continued lines. @return was it there? */
int sb_conf_edit_remove(sb_conf_edit_t *e, const char *section, const char *key);

/** Was anything changed? */
int sb_conf_edit_is_changed(const sb_conf_edit_t *e);

/** The file as it would be. */
const char *sb_conf_edit_text(const sb_conf_edit_t *e, apr_pool_t *p);

/** Put it in place; nothing is written when nothing changed. @return NULL, or what is wrong: then the
 *  old file is untouched */
const char *sb_conf_edit_save(sb_conf_edit_t *e) SB_MUST_CHECK;

#endif
