/* fspctl: the tool's door.  One table of commands, one of options. */
#include "admin/cmd.h"
#include "fsp/fsutil.h"
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum command_bit {
        STATUS = 1 << 0,
        FORWARD = 1 << 1,
        MESSAGES = 1 << 2,
        SHOW = 1 << 3,
        SEND = 1 << 4,
        SETUP = 1 << 5,
        REQUEUE = 1 << 6,
        RESEND = 1 << 7,
        DRAIN = 1 << 8,
        CLIENTS = 1 << 9,
        REPORT = 1 << 10,
        TAIL = 1 << 11,
        EXPORT = 1 << 12,
};

#define SOME SIZE_MAX
#define OPTIONAL (SIZE_MAX - 1)

struct command {
        const char *name;
        enum command_bit bit;
        cmd_run_fn *run;
        bool needs_config;
        size_t operands; /* SOME: one or more, OPTIONAL: none or one */
        const char *synopsis, *summary, *help;
};

static const struct command commands[] = {
        { "status", STATUS, cmd_status, true, 0, "[--json|--csv]",
          "availability, counters, last and next run; exit 1 unless online", NULL },
        { "forward", FORWARD, cmd_forward, true, 0, "", "forward now, and wait until it is done", NULL },
        { "messages", MESSAGES, cmd_messages, true, 0, "[OPTIONS]", "the state messages, newest first",
          "  --since T --until T  since <= time of receipt < until; T is RFC 3339,\n"
          "                       YYYY-MM-DD, 90s 15m 2h 3d 4w ago, now, today, yesterday\n"
          "  --client C           ClientID or NetBIOS name, * allowed\n"
          "  --topic N --state N  the numbers of the topic type and the state\n"
          "  --class K            such as deploy-failed, deployed, assign-failed\n"
          "  --delivery D         received, staged, copied, forwarded or quarantined\n"
          "  --limit N            100 by default, 0 = all\n"
          "  --json --csv         for programs\n" },
        { "tail", TAIL, cmd_tail, true, 0, "[--json|--csv]", "new state messages as they come", NULL },
        { "clients", CLIENTS, cmd_clients, true, 0, "[OPTIONS]", "the last known state of each client",
          "  --class K            such as deploy-failed, deployed, assign-failed\n"
          "  --client C           ClientID or NetBIOS name, * allowed\n"
          "  --since T            heard of since then\n"
          "  --limit N            100 by default, 0 = all\n"
          "  --json --csv         for programs\n" },
        { "report", REPORT, cmd_reports, true, OPTIONAL, "[NAME] [OPTIONS]",
          "counts and clients by state; without NAME what there is",
          "  --since T            by messages received since then\n"
          "  --limit N            100 by default, 0 = all\n"
          "  --json --csv         for programs\n" },
        { "export", EXPORT, cmd_export, true, 0, "[--since ID]",
          "every message after ID in order of arrival, one JSON object a line", NULL },
        { "show", SHOW, cmd_show, true, 1, "ID [--raw|--json|--csv]",
          "one message and its delivery, or its bytes", NULL },
        { "send", SEND, cmd_send, false, 1, "URL [OPTIONS]", "send a state message as a client would",
          "  --topic N --state N  the numbers of the topic type and the state; 800 and 100\n"
          "  --client-id G        instead of a random one\n"
          "  --name HOST          the NetBIOS name, instead of this host's\n"
          "  --param P            a parameter of the state; may come again\n"
          "  --file F             the bytes of F as they are, instead of all that\n"
          "  --json               status, reason, seconds\n" },
        { "requeue", REQUEUE, cmd_requeue, true, SOME, "ID...",
          "send a quarantined or a forwarded message again", NULL },
        { "resend", RESEND, cmd_resend, true, 0, "--since T",
          "send all forwarded messages received since T again", NULL },
        { "drain", DRAIN, cmd_drain, true, 0, "", "refuse new messages, forward all, exit 0 when empty",
          NULL },
        { "setup", SETUP, cmd_setup, false, 0, "", "check the prerequisites, make our folders", NULL },
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

/* Where an option's value goes: offsets into struct cmd_arguments. */
struct choice {
        const char *name;
        int commands; /* that know it */
        bool has_value;
        size_t place;
};
#define PLACE(member) offsetof(struct cmd_arguments, member)
static const struct choice choices[] = {
        { "json", STATUS | MESSAGES | SHOW | SEND | CLIENTS | REPORT | TAIL | EXPORT, false, PLACE(json) },
        { "csv", STATUS | MESSAGES | SHOW | CLIENTS | REPORT | TAIL, false, PLACE(csv) },
        { "raw", SHOW, false, PLACE(raw) },
        { "since", MESSAGES | RESEND | CLIENTS | REPORT | EXPORT, true, PLACE(since) },
        { "until", MESSAGES, true, PLACE(until) },
        { "client", MESSAGES | CLIENTS, true, PLACE(client) },
        { "topic", MESSAGES | SEND, true, PLACE(topic) },
        { "state", MESSAGES | SEND, true, PLACE(state) },
        { "class", MESSAGES | CLIENTS, true, PLACE(state_class) },
        { "delivery", MESSAGES, true, PLACE(delivery) },
        { "limit", MESSAGES | CLIENTS | REPORT, true, PLACE(limit) },
        { "client-id", SEND, true, PLACE(client_id) },
        { "name", SEND, true, PLACE(name) },
        { "file", SEND, true, PLACE(file) },
        { "param", SEND, true, PLACE(params) }, /* the one that may come again */
};
#define CHOICE_COUNT (sizeof(choices) / sizeof(choices[0]))

static void print_help(FILE *out)
{
        size_t i;

        (void)fputs("usage: fspctl [-c FILE] COMMAND [OPTIONS]\n\n", out); /* main looks at the stream */
        for (i = 0; i < COMMAND_COUNT; i++)
                (void)fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
        (void)fprintf(out,
                      "\n  -c, --config FILE  instead of %s\n"
                      "  -h, --help         this text; after a COMMAND, its options\n"
                      "  -V, --version\n"
                      "Exit: 0 done, 1 something is wrong, 3 fspd is not running, 64 usage,\n"
                      "      78 configuration\n",
                      CONFIG_DEFAULT_PATH);
}

static void print_command_help(const struct command *command)
{
        (void)printf("usage: fspctl %s %s\n%s\n", command->name, command->synopsis, command->summary);
        if (command->help)
                (void)printf("\n%s", command->help); /* main looks at the stream */
}

static int __attribute__((format(printf, 1, 2))) refuse_usage(const char *format, ...)
{
        va_list arguments;

        (void)fputs("fspctl: ", stderr); /* where else could we say so */
        va_start(arguments, format);
        (void)vfprintf(stderr, format, arguments);
        va_end(arguments);
        (void)fputs(" (fspctl --help)\n", stderr);
        return CMD_USAGE;
}

/* What getopt_long gives: a choice's number plus FIRST_CHOICE, or a letter. */
#define FIRST_CHOICE 256

static void fill_options(struct option options[CHOICE_COUNT + 4])
{
        const struct option ours[] = {
                { "config", required_argument, NULL, 'c' },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, 'V' },
                { NULL, 0, NULL, 0 },
        };
        size_t i;

        for (i = 0; i < CHOICE_COUNT; i++)
                options[i] = (struct option){ choices[i].name, choices[i].has_value, NULL,
                                              (int)(FIRST_CHOICE + i) };
        memcpy(options + CHOICE_COUNT, ours, sizeof(ours));
}

/* As the command line has it, before the command is known. */
struct line {
        struct cmd_arguments arguments;
        bool given[CHOICE_COUNT];
        bool help, version;
};

static void take_choice(struct line *line, size_t i, const char *value)
{
        struct cmd_arguments *arguments = &line->arguments;
        char *place = (char *)arguments + choices[i].place;

        line->given[i] = true;
        if (!choices[i].has_value)
                *(bool *)place = true;
        else if (choices[i].place == PLACE(params))
                arguments->params[arguments->param_count++] = value;
        else
                *(const char **)place = value;
}

/* Options may stand anywhere, whatever POSIXLY_CORRECT says: "-" hands us the
 * other words in order, as code 1. */
static int parse_line(int argc, char **argv, struct line *line)
{
        struct option options[CHOICE_COUNT + 4];
        int code;

        fill_options(options);
        while ((code = getopt_long(argc, argv, "-c:hV", options, NULL)) != -1) {
                if (code >= FIRST_CHOICE)
                        take_choice(line, (size_t)(code - FIRST_CHOICE), optarg);
                else if (code == 1)
                        line->arguments.operands[line->arguments.operand_count++] = optarg;
                else if (code == 'c')
                        line->arguments.config_path = optarg;
                else if (code == 'h')
                        line->help = true;
                else if (code == 'V')
                        line->version = true;
                else
                        return CMD_USAGE; /* getopt has said why */
        }
        while (optind < argc) /* after "--" */
                line->arguments.operands[line->arguments.operand_count++] = argv[optind++];
        return CMD_DONE;
}

static int check_line(const struct line *line, const struct command *command)
{
        const struct cmd_arguments *arguments = &line->arguments;
        size_t i;

        for (i = 0; i < CHOICE_COUNT; i++)
                if (line->given[i] && !(choices[i].commands & command->bit))
                        return refuse_usage("%s has no option --%s", command->name, choices[i].name);
        bool fits = command->operands == SOME       ? arguments->operand_count > 0
                    : command->operands == OPTIONAL ? arguments->operand_count <= 1
                                                    : arguments->operand_count == command->operands;
        if (!fits)
                return refuse_usage("usage: fspctl %s %s", command->name, command->synopsis);
        if (arguments->json + arguments->csv + arguments->raw > 1)
                return refuse_usage("only one of --json, --csv and --raw");
        if (arguments->file && (arguments->topic || arguments->state || arguments->client_id ||
                                arguments->name || arguments->param_count > 0))
                return refuse_usage("--file is sent as it is: no other option goes with it");
        return CMD_DONE;
}

static void say_fault(void *arg, const char *text)
{
        (void)arg; /* none is needed */
        (void)fprintf(stderr, "%s\n", text);
}

static int run_command(const struct command *command, const struct cmd_arguments *arguments)
{
        struct config *config = NULL;
        int result;

        if (command->needs_config && config_load(arguments->config_path, say_fault, NULL, &config) < 0)
                return CMD_CONFIG;
        result = command->run(arguments, config);
        config_unref(config);
        return result;
}

static int find_and_run(struct line *line)
{
        const char *name = line->arguments.operands[0];
        size_t i = 0;
        int result;

        while (i < COMMAND_COUNT && strcmp(commands[i].name, name) != 0)
                i++;
        if (i == COMMAND_COUNT)
                return refuse_usage("there is no command %s", name);
        line->arguments.operands++;
        line->arguments.operand_count--;
        if (line->help) {
                print_command_help(&commands[i]);
                return CMD_DONE;
        }
        result = check_line(line, &commands[i]);
        return result == CMD_DONE ? run_command(&commands[i], &line->arguments) : result;
}

static int run_line(struct line *line)
{
        if (line->help && line->arguments.operand_count == 0) {
                print_help(stdout);
                return CMD_DONE;
        }
        if (line->version) {
                (void)puts("fspctl " FSP_VERSION); /* main looks at the stream */
                return CMD_DONE;
        }
        if (line->arguments.operand_count == 0) {
                print_help(stderr);
                return CMD_USAGE;
        }
        return find_and_run(line);
}

int main(int argc, char **argv)
{
        char **words AUTO_FREE = calloc((size_t)argc + 1, sizeof(*words));
        const char **params AUTO_FREE = calloc((size_t)argc + 1, sizeof(*params));
        struct line line = {
                .arguments = { .config_path = CONFIG_DEFAULT_PATH, .operands = words, .params = params },
        };
        int result;

        if (!words || !params) {
                cmd_complain("%s", strerror(ENOMEM));
                return CMD_WRONG;
        }
        (void)setlocale(LC_CTYPE, ""); /* the width of characters in tables; C will do */
        result = parse_line(argc, argv, &line);
        if (result == CMD_DONE)
                result = run_line(&line);
        if (fflush(stdout) == EOF || ferror(stdout)) {
                cmd_complain("standard output: %s", strerror(errno));
                return CMD_WRONG;
        }
        return result;
}
