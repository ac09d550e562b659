/* The orders that send again, and the one that empties a node. */
#include "admin/cmd.h"
#include "fsp/clock.h"
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define REQUEUE_WAIT_MS 600000 /* a million rows take their time */
#define STATUS_WAIT_MS 10000
#define DRAIN_LOOK_MS 500

static int report_requeued(json_t *answer)
{
        const json_t *refused = json_object_get(answer, "refused");
        for (size_t i = 0; i < json_array_size(refused); i++) {
                const json_t *one = json_array_get(refused, i);
                cmd_complain("%s: %s", json_string_value(json_object_get(one, "id")),
                             json_string_value(json_object_get(one, "why")));
        }
        (void)printf("%" JSON_INTEGER_FORMAT
                     " message(s) are sent again with the next run (fspctl forward: now)\n",
                     json_integer_value(json_object_get(answer, "requeued"))); /* main looks at the stream */
        int result = json_array_size(refused) ? CMD_WRONG : CMD_DONE;
        json_decref(answer);
        return result;
}

int cmd_requeue(const struct cmd_arguments *arguments, const struct config *config)
{
        json_t *ids = json_array(), *answer;
        for (size_t i = 0; i < arguments->operand_count; i++)
                (void)json_array_append_new(
                        ids, json_string(arguments->operands[i])); /* no text, no id: refused */
        int result = cmd_ask_object(config, json_pack("{s:s, s:o}", "order", "requeue", "ids", ids),
                                    REQUEUE_WAIT_MS, &answer);
        return result == CMD_DONE ? report_requeued(answer) : result;
}

int cmd_resend(const struct cmd_arguments *arguments, const struct config *config)
{
        char since[CLOCK_TEXT_SIZE];
        int64_t since_ms;
        json_t *answer;
        if (!arguments->since) {
                cmd_complain("resend needs --since T");
                return CMD_USAGE;
        }
        if (clock_parse_when(arguments->since, clock_wall_ms(), &since_ms) < 0) {
                cmd_complain("--since %s: no time; see fspctl messages --help", arguments->since);
                return CMD_USAGE;
        }
        (void)clock_format_rfc3339(since_ms, since); /* gives its argument */
        int result = cmd_ask_object(config, json_pack("{s:s, s:s}", "order", "resend", "since", since),
                                    REQUEUE_WAIT_MS, &answer);
        return result == CMD_DONE ? report_requeued(answer) : result;
}

static json_int_t number(const json_t *object, const char *key)
{
        return json_integer_value(json_object_get(object, key));
}

/* Until staging is empty, or a run ends that leaves something behind for a
 * reason that does not pass by itself while we wait. */
int cmd_drain(const struct cmd_arguments *arguments, const struct config *config)
{
        static const struct timespec pause = { .tv_nsec = DRAIN_LOOK_MS * 1000000L };
        json_int_t left = -1;
        json_t *answer;
        (void)arguments; /* it has none */
        int result = cmd_ask(config, "drain", STATUS_WAIT_MS, &answer);
        if (result != CMD_DONE)
                return result;
        json_decref(answer);
        for (;;) {
                result = cmd_ask(config, "status", STATUS_WAIT_MS, &answer);
                if (result != CMD_DONE)
                        return result;
                json_int_t staged = number(answer, "staged");
                json_decref(answer);
                if (staged == 0)
                        break;
                if (staged != left)
                        (void)fprintf(stderr, "%" JSON_INTEGER_FORMAT " message(s) to forward\n",
                                      staged); /* progress */
                left = staged;
                (void)nanosleep(&pause,
                                NULL); /* the daemon has no bell for this; a shorter look does no harm */
        }
        (void)puts("Drained: new messages are refused, staging is empty"); /* main looks at the stream */
        return CMD_DONE;
}
