/* cmd: what the commands of fspctl share.
 *
 * Owns      the meaning of the exit codes.  Threads: fspctl has one. */
#ifndef ADMIN_CMD_H
#define ADMIN_CMD_H

#include "admin/format.h"
#include "fsp/config.h"
#include <stdbool.h>
#include <stddef.h>

enum cmd_result {
        CMD_DONE = 0,
        CMD_WRONG = 1,       /* done, but something is wrong; or it could not be done */
        CMD_NOT_RUNNING = 3, /* the daemon */
        CMD_USAGE = 64,
        CMD_CONFIG = 78,
};

/* The command line, taken apart; NULL or false where nothing was given. */
struct cmd_arguments {
        const char *config_path;
        bool json, csv, raw;
        const char *since, *until, *client, *topic, *state, *state_class, *delivery, *limit;
        const char *client_id, *name, *file;
        const char **params;
        size_t param_count;
        char **operands; /* without the command */
        size_t operand_count;
};

/* config is NULL for a command that needs none. */
typedef int cmd_run_fn(const struct cmd_arguments *arguments, const struct config *config);
cmd_run_fn cmd_status, cmd_forward, cmd_messages, cmd_show, cmd_send, cmd_setup;
cmd_run_fn cmd_requeue, cmd_resend, cmd_drain;
cmd_run_fn cmd_clients, cmd_reports, cmd_tail, cmd_export;

/* "fspctl: ..." on standard error. */
void cmd_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --json, --csv or the table, on standard output. */
struct format cmd_format(const struct cmd_arguments *arguments, const struct format_column *columns,
                         size_t column_count, const struct format_column *table_columns,
                         size_t table_column_count);
extern const struct format_kind format_table;

/* Prints text, which strangers may have made, harmless. */
void cmd_print(FILE *out, const char *text);

/* Sends an order to the daemon and waits for the answer, at most timeout_ms.
 * Complains itself: CMD_DONE, CMD_WRONG or CMD_NOT_RUNNING. */
int cmd_ask(const struct config *config, const char *order, int64_t timeout_ms, json_t **ret_answer);
/* The same for an order with more to it; order is taken over (NULL: out of memory). */
int cmd_ask_object(const struct config *config, json_t *order, int64_t timeout_ms, json_t **ret_answer);

#endif
