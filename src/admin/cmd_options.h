/* cmd_options: the values of options that several commands share.
 *
 * Each says on standard error what is wrong and gives false. */
#ifndef ADMIN_CMD_OPTIONS_H
#define ADMIN_CMD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define CMD_DEFAULT_LIMIT 100

/* NULL is left as it is. */
bool cmd_parse_when(const char *option, const char *text, int64_t *ret_ms);
bool cmd_parse_limit(const char *text, uint64_t *ret_limit);
bool cmd_parse_identifier(const char *option, const char *text, int64_t *ret_value);
bool cmd_parse_class(const char *text);

#endif
