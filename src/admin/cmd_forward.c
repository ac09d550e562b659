#include "admin/cmd.h"
#include "fsp/control.h"

/* The daemon's own bound comes first; this one is for a daemon that hangs. */
#define FORWARD_WAIT_MS (CONTROL_FORWARD_TIMEOUT_MS + 5000)

int cmd_forward(const struct cmd_arguments *arguments, const struct config *config)
{
        json_t *answer;
        json_int_t tried, copied;
        const char *fault;
        int result = cmd_ask(config, "forward", FORWARD_WAIT_MS, &answer);

        (void)arguments; /* it has none */
        if (result != CMD_DONE)
                return result;
        if (json_is_true(json_object_get(answer, "timeout"))) {
                cmd_complain(
                        "the run is not over after %d s and goes on: there is much to send, or the inbox "
                        "%s does not answer (see fspmgr.log)",
                        CONTROL_FORWARD_TIMEOUT_MS / 1000, config->forwarder.inbox);
                json_decref(answer);
                return CMD_WRONG;
        }
        tried = json_integer_value(json_object_get(answer, "tried"));
        copied = json_integer_value(json_object_get(answer, "copied"));
        fault = json_string_value(json_object_get(answer, "fault"));
        (void)printf("Successfully copied %" JSON_INTEGER_FORMAT " out of %" JSON_INTEGER_FORMAT " file(s)\n",
                     copied, tried); /* main looks at the stream */
        if (fault)
                cmd_complain("the inbox %s is out of reach: %s", config->forwarder.inbox, fault);
        result = fault || copied < tried ? CMD_WRONG : CMD_DONE;
        json_decref(answer);
        return result;
}
