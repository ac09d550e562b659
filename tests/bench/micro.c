/* micro: what each step of a message's way costs, so that a regression shows
 * where it is.  With --op and --count it does just that and nothing is timed:
 * an instruction counter runs it so. */
#include "micro.h"
#include <errno.h>
#include <getopt.h>
#include <gnu/libc-version.h>
#include <libxml/xmlversion.h>
#include <lz4.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#define RUNS_MAX 99
#define RUN_SECONDS 0.2

static const char usage[] = "Usage: micro [--runs N]            ns a message, median of so many runs (9)\n"
                            "       micro --op NAME --count N  so many of one, untimed\n"
                            "       micro --list | --versions\n";

static double now_s(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
        const double *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

/* A run is as many batches as take RUN_SECONDS by the look of the second one:
 * the first opens what is needed. */
static int time_op(const struct micro_op *op, struct micro *micro, unsigned runs)
{
        double ns[RUNS_MAX], began, took;
        unsigned count;
        int r = op->run(micro, MICRO_BATCH);

        began = now_s();
        if (r == 0)
                r = op->run(micro, MICRO_BATCH);
        took = now_s() - began;
        count = MICRO_BATCH * (1 + (unsigned)(RUN_SECONDS / (took + 1e-6)));
        for (unsigned i = 0; r == 0 && i < runs; i++) {
                began = now_s();
                r = op->run(micro, count);
                ns[i] = (now_s() - began) * 1e9 / count;
        }
        if (r < 0)
                return r;
        qsort(ns, runs, sizeof(*ns), compare);
        return printf("| %s | %.0f | %.0f |\n", op->name, ns[runs / 2], ns[0]) < 0 ? -EIO : 0;
}

static int time_all(struct micro *micro, unsigned runs)
{
        int r = printf("| step | ns a message | least |\n|---|---:|---:|\n") < 0 ? -EIO : 0;

        for (size_t i = 0; r == 0 && i < micro_op_count; i++)
                r = time_op(&micro_ops[i], micro, runs);
        return r;
}

static int list_all(void)
{
        for (size_t i = 0; i < micro_op_count; i++) {
                if (printf("%s\n", micro_ops[i].name) < 0)
                        return -EIO;
        }
        return 0;
}

/* What the counts hold for. */
static int print_versions(void)
{
        return printf("compiler %s\nlibc %s\nlibxml2 %s\nsqlite %s\nlibsodium %s\nlz4 %s\n", __VERSION__,
                      gnu_get_libc_version(), LIBXML_DOTTED_VERSION, sqlite3_libversion(),
                      sodium_version_string(), LZ4_versionString()) < 0
                       ? -EIO
                       : 0;
}

struct choice {
        const struct micro_op *op;
        unsigned count, runs;
        int (*other)(void);
};

static const struct option options[] = {
        { "runs", required_argument, NULL, 'r' },  { "op", required_argument, NULL, 'o' },
        { "count", required_argument, NULL, 'c' }, { "list", no_argument, NULL, 'l' },
        { "versions", no_argument, NULL, 'v' },    { 0 },
};

static int parse_options(int argc, char **argv, struct choice *choice)
{
        int letter;

        while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
                if (letter == 'r')
                        choice->runs = (unsigned)strtoul(optarg, NULL, 10);
                else if (letter == 'c')
                        choice->count = (unsigned)strtoul(optarg, NULL, 10);
                else if (letter == 'o' && (choice->op = micro_find_op(optarg)) == NULL)
                        return -EINVAL;
                else if (letter == 'l')
                        choice->other = list_all;
                else if (letter == 'v')
                        choice->other = print_versions;
                else if (letter == '?')
                        return -EINVAL;
        }
        return optind == argc && choice->runs >= 1 && choice->runs <= RUNS_MAX &&
                               (choice->op == NULL) == (choice->count == 0)
                       ? 0
                       : -EINVAL;
}

int main(int argc, char **argv)
{
        struct choice choice = { .runs = 9 };
        struct micro *micro = NULL;
        int r;

        if (parse_options(argc, argv, &choice) < 0) {
                (void)fputs(usage, stderr); /* nowhere else to say it */
                return EX_USAGE;
        }
        r = choice.other != NULL ? choice.other() : micro_new(&micro);
        if (r == 0 && micro != NULL)
                r = choice.op != NULL ? choice.op->run(micro, choice.count) : time_all(micro, choice.runs);
        micro_free(micro);
        if (r < 0)
                (void)fprintf(stderr, "micro: %s\n", strerror(-r)); /* nowhere else to say it */
        return r < 0 ? EX_SOFTWARE : 0;
}
