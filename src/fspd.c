/* The daemon's door: what its command line asks for. */
#include "daemon.h"
#include "fsp/config.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <sysexits.h>

static const char usage[] = "Usage: fspd [-c FILE] [--check-config] [--version] [--help]\n"
                            "\n"
                            "The fallback status point: takes state messages from clients over HTTP and\n"
                            "forwards them to the site server's inbox. Runs in the foreground.\n"
                            "\n"
                            "  -c, --config FILE   configuration (" CONFIG_DEFAULT_PATH ")\n"
                            "      --check-config  print every key with its value, or each fault; exit\n"
                            "      --version       print the version and exit\n"
                            "  -h, --help          print this and exit\n"
                            "\n"
                            "SIGHUP reloads the configuration and reopens the logs, SIGUSR1 forwards now,\n"
                            "SIGTERM stops in order. See fspd(8), fspd.ini(5), fspctl(1).\n";

static void show_fault(void *arg, const char *text)
{
        (void)arg;
        (void)fprintf(stderr, "%s\n", text); /* nowhere to say that it cannot be said */
}

static int print_config(const struct config *config)
{
        if (config_print(config, stdout) < 0 || fflush(stdout) != 0)
                return EX_IOERR;
        return EX_OK;
}

int main(int argc, char **argv)
{
        static const struct option options[] = { { "config", required_argument, NULL, 'c' },
                                                 { "check-config", no_argument, NULL, 'k' },
                                                 { "version", no_argument, NULL, 'v' },
                                                 { "help", no_argument, NULL, 'h' },
                                                 { 0 } };
        const char *config_path = CONFIG_DEFAULT_PATH;
        struct config *config = NULL;
        bool check = false;
        for (int option; (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
                switch (option) {
                case 'c':
                        config_path = optarg;
                        break;
                case 'k':
                        check = true;
                        break;
                case 'v':
                        (void)printf("fspd %s\n", FSP_VERSION); /* as in show_fault */
                        return EX_OK;
                case 'h':
                        (void)fputs(usage, stdout); /* likewise */
                        return EX_OK;
                default: /* getopt has said what is wrong */
                        (void)fputs("Try: fspd --help\n", stderr);
                        return EX_USAGE;
                }
        }
        if (optind < argc) {
                (void)fprintf(stderr, "fspd: %s: no arguments are taken. Try: fspd --help\n", argv[optind]);
                return EX_USAGE;
        }
        if (config_load(config_path, show_fault, NULL, &config) < 0)
                return EX_CONFIG;
        if (!check)
                return daemon_run(config_path, config);
        int status = print_config(config);
        config_unref(config);
        return status;
}
