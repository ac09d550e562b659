/* load: sends state messages to an HTTP server as fast as it answers them. */
#include "load.h"
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

#define CONNECTIONS_MAX 10000
#define SOURCES_MAX 60000
#define SPARE_FILES 32

static volatile sig_atomic_t stop;

static const char usage[] =
        "Usage: load --url URL [OPTIONS]\n"
        "  --url URL            http://ADDRESS[:PORT]/PATH\n"
        "  --connections N      1 to 10000 (1)\n"
        "  --messages N         send so many, or\n"
        "  --seconds S          send for so long (5)\n"
        "  --body KIND          utf16-4k (default) or utf8-2k\n"
        "  --new-connection     a new connection for each request\n"
        "  --put                PUT to URL/TOKEN.xml; 201 and 204 count as accepted\n"
        "  --idle N             so many silent connections beside\n"
        "  --sources N          spread connections over 127.1.0.1 and the N - 1 after it\n"
        "  --timeout S          give a request up after so long (30)\n"
        "  --journal FILE       the token of each accepted message, one a line\n"
        "  --pid PID            the server's: report its CPU time and memory, children included\n"
        "  --json               the report on one line\n"
        "Exit: 0 all accepted, 1 some not, 64 usage, 70 internal.\n";

static void on_signal(int number)
{
        (void)number;
        stop = 1;
}

static int parse_number(const char *text, uint64_t floor, uint64_t ceiling, uint64_t *ret_number)
{
        char *end;
        uint64_t number;

        errno = 0;
        number = strtoull(text, &end, 10);
        if (errno != 0 || end == text || *end != '\0' || *text == '-' || number < floor || number > ceiling)
                return -EINVAL;
        *ret_number = number;
        return 0;
}

static int parse_seconds(const char *text, double *ret_seconds)
{
        char *end;
        double seconds = strtod(text, &end);

        if (end == text || *end != '\0' || !(seconds > 0 && seconds <= 86400))
                return -EINVAL;
        *ret_seconds = seconds;
        return 0;
}

static int parse_url(const char *url, struct load_options *options)
{
        struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
        char name[256], port[6] = "80";
        const char *rest;
        int length = 0;

        if (sscanf(url, "http://%255[^/]%n", options->host, &length) != 1)
                return -EINVAL;
        rest = url + length;
        if (strlen(rest) >= sizeof(options->path))
                return -ENAMETOOLONG;
        (void)strcpy(options->path, *rest != '\0' ? rest : "/"); /* fits, see above */
        if (sscanf(options->host, "[%255[^]]]:%5[0-9]", name, port) < 1 &&
            sscanf(options->host, "%255[^:]:%5[0-9]", name, port) < 1)
                return -EINVAL;
        if (getaddrinfo(name, port, &hints, &found) != 0)
                return -EINVAL;
        memcpy(&options->address, found->ai_addr, found->ai_addrlen);
        options->address_size = found->ai_addrlen;
        freeaddrinfo(found);
        return 0;
}

/* The letters are only getopt_long's return values; there are no short options. */
static const struct option long_options[] = {
        { "url", required_argument, NULL, 'u' },
        { "connections", required_argument, NULL, 'c' },
        { "messages", required_argument, NULL, 'm' },
        { "seconds", required_argument, NULL, 's' },
        { "body", required_argument, NULL, 'b' },
        { "new-connection", no_argument, NULL, 'n' },
        { "put", no_argument, NULL, 'p' },
        { "idle", required_argument, NULL, 'i' },
        { "sources", required_argument, NULL, 'a' },
        { "timeout", required_argument, NULL, 't' },
        { "journal", required_argument, NULL, 'j' },
        { "pid", required_argument, NULL, 'P' },
        { "json", no_argument, NULL, 'J' },
        { 0 },
};

static int parse_option(int letter, struct load_options *options)
{
        uint64_t number = 0;
        double seconds = 0;
        int r = 0;

        switch (letter) {
        case 'u':
                return parse_url(optarg, options);
        case 'c':
                r = parse_number(optarg, 1, CONNECTIONS_MAX, &number);
                options->connections = (unsigned)number;
                return r;
        case 'm':
                return parse_number(optarg, 1, UINT32_MAX, &options->messages);
        case 's':
                return parse_seconds(optarg, &options->seconds);
        case 'b':
                options->body = message_find_body(optarg);
                return options->body != NULL ? 0 : -EINVAL;
        case 'n':
                options->new_connection = true;
                return 0;
        case 'p':
                options->put = true;
                return 0;
        case 'i':
                r = parse_number(optarg, 0, SOURCES_MAX, &number);
                options->idle = (unsigned)number;
                return r;
        case 'a':
                r = parse_number(optarg, 1, SOURCES_MAX, &number);
                options->sources = (unsigned)number;
                return r;
        case 't':
                r = parse_seconds(optarg, &seconds);
                options->timeout_ns = (int64_t)(seconds * 1e9);
                return r;
        case 'j':
                options->journal = optarg;
                return 0;
        case 'P':
                r = parse_number(optarg, 1, INT32_MAX, &number);
                options->pid = (pid_t)number;
                return r;
        case 'J':
                options->json = true;
                return 0;
        default: /* getopt has said what is wrong */
                return -EINVAL;
        }
}

static int parse_options(int argc, char **argv, struct load_options *options)
{
        int letter;

        while ((letter = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
                if (parse_option(letter, options) < 0)
                        return -EINVAL;
        }
        if (optind != argc || options->address_size == 0)
                return -EINVAL;
        return options->sources > 0 && options->address.ss_family != AF_INET ? -EINVAL : 0;
}

static int raise_file_limit(const struct load_options *options)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return -errno;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
                return -errno;
        return limit.rlim_max < options->connections + options->idle + SPARE_FILES ? -EMFILE : 0;
}

static int run(const struct load_options *options, struct message *message, FILE *journal,
               struct load_report *report, struct tally *tally)
{
        double own_before;
        int r = 0;

        if (options->pid != 0)
                r = process_measure(options->pid, &report->before);
        if (r < 0)
                return r;
        own_before = process_own_cpu();
        r = pool_run(options, message, journal, &stop, tally);
        report->own_cpu_seconds = process_own_cpu() - own_before;
        /* A server killed meanwhile is a finding, not our failure. */
        if (r == 0 && options->pid != 0 && process_measure(options->pid, &report->after) == -ESRCH)
                report->after = report->before;
        return r;
}

static int run_journalled(const struct load_options *options, struct message *message, struct tally *tally)
{
        struct load_report report = { .options = options, .tally = tally };
        FILE *journal = NULL;
        int r;

        if (options->journal != NULL && (journal = fopen(options->journal, "we")) == NULL)
                return -errno;
        r = run(options, message, journal, &report, tally);
        if (journal != NULL && fclose(journal) != 0 && r == 0)
                r = -errno;
        if (r < 0)
                return r;
        report_print(&report, stdout);
        return fflush(stdout) == 0 ? 0 : -errno;
}

int main(int argc, char **argv)
{
        struct load_options options = { .connections = 1, .seconds = 5, .timeout_ns = 30000000000LL };
        struct sigaction action = { .sa_handler = on_signal };
        struct message message = { 0 };
        static struct tally tally;
        int r;

        options.body = message_find_body("utf16-4k");
        if (parse_options(argc, argv, &options) < 0) {
                (void)fputs(usage, stderr); /* nowhere else to say it */
                return EX_USAGE;
        }
        r = raise_file_limit(&options);
        if (r == 0 && (sigaction(SIGINT, &action, NULL) < 0 || sigaction(SIGTERM, &action, NULL) < 0))
                r = -errno;
        if (r == 0)
                r = message_make(&message, &options);
        if (r == 0)
                r = run_journalled(&options, &message, &tally);
        message_free(&message);
        if (r < 0) {
                (void)fprintf(stderr, "load: %s\n", strerror(-r)); /* nowhere else to say it */
                return EX_SOFTWARE;
        }
        for (unsigned i = 0; i < TALLY_STATUS_MAX; i++) {
                bool accepted = i == 200 || (options.put && (i == 201 || i == 204));

                if (tally.statuses[i] > 0 && !accepted)
                        return 1;
        }
        return tally_error_count(&tally) > 0 ? 1 : 0;
}
