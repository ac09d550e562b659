/* Latencies in a histogram of equal relative steps, and the report. */
#include "load.h"

static const char *const error_names[ERROR_COUNT] = {
        [ERROR_CONNECT] = "connect", [ERROR_RESET] = "reset",     [ERROR_CLOSED] = "closed",
        [ERROR_ANSWER] = "answer",   [ERROR_TIMEOUT] = "timeout",
};

/* Values below two octaves' steps stand for themselves; above, the leading
 * bits of the value are the bucket. */
static unsigned bucket_of(uint64_t ns)
{
        unsigned octave;

        if (ns < 2 * TALLY_STEPS)
                return (unsigned)ns;
        octave = 63 - (unsigned)__builtin_clzll(ns) - (unsigned)__builtin_ctz(TALLY_STEPS);
        return octave * TALLY_STEPS + (unsigned)(ns >> octave);
}

static double bucket_middle(unsigned bucket)
{
        unsigned octave;

        if (bucket < 2 * TALLY_STEPS)
                return bucket;
        octave = bucket / TALLY_STEPS - 1;
        return ((double)(bucket - octave * TALLY_STEPS) + 0.5) * (double)(1ULL << octave);
}

void tally_add_latency(struct tally *tally, int64_t ns)
{
        unsigned bucket = bucket_of(ns > 0 ? (uint64_t)ns : 0);

        tally->buckets[bucket < TALLY_BUCKETS ? bucket : TALLY_BUCKETS - 1]++;
        if (ns > tally->longest_ns)
                tally->longest_ns = ns;
        tally->accepted++;
}

double tally_quantile_ms(const struct tally *tally, double quantile)
{
        double wanted = quantile * (double)tally->accepted;
        uint64_t seen = 0;

        for (unsigned i = 0; i < TALLY_BUCKETS; i++) {
                seen += tally->buckets[i];
                if (seen > 0 && (double)seen >= wanted)
                        return bucket_middle(i) / 1e6;
        }
        return 0;
}

uint64_t tally_error_count(const struct tally *tally)
{
        uint64_t count = 0;

        for (unsigned i = 0; i < ERROR_COUNT; i++)
                count += tally->errors[i];
        return count;
}

static double per_message_us(const struct tally *tally, double seconds)
{
        return tally->accepted > 0 ? seconds * 1e6 / (double)tally->accepted : 0;
}

static void print_counts(const struct tally *tally, FILE *out)
{
        const char *comma = "";

        (void)fprintf(out, "\"statuses\": {");
        for (unsigned i = 0; i < TALLY_STATUS_MAX; i++) {
                if (tally->statuses[i] == 0)
                        continue;
                (void)fprintf(out, "%s\"%u\": %ju", comma, i, (uintmax_t)tally->statuses[i]);
                comma = ", ";
        }
        (void)fprintf(out, "}, \"errors\": %ju, \"error_kinds\": {", (uintmax_t)tally_error_count(tally));
        comma = "";
        for (unsigned i = 0; i < ERROR_COUNT; i++) {
                if (tally->errors[i] == 0)
                        continue;
                (void)fprintf(out, "%s\"%s\": %ju", comma, error_names[i], (uintmax_t)tally->errors[i]);
                comma = ", ";
        }
        (void)fprintf(out, "}");
}

/* The text form is the JSON object with one group a line: one form to keep. */
void report_print(const struct load_report *report, FILE *out)
{
        const struct load_options *options = report->options;
        const struct tally *tally = report->tally;
        const char *gap = options->json ? " " : "\n  ";
        double rate = tally->seconds > 0 ? (double)tally->accepted / tally->seconds : 0;

        (void)fprintf(out, "{\"connections\": %u, \"idle\": %u, \"sources\": %u,", options->connections,
                      options->idle, options->sources);
        (void)fprintf(out, " \"new_connection\": %s, \"body\": \"%s\",%s",
                      options->new_connection ? "true" : "false", options->body->name, gap);
        (void)fprintf(out, "\"messages\": %ju, \"seconds\": %.3f, \"messages_per_second\": %.1f,%s",
                      (uintmax_t)tally->accepted, tally->seconds, rate, gap);
        (void)fprintf(out, "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"p999_ms\": %.3f, \"max_ms\": %.3f,%s",
                      tally_quantile_ms(tally, 0.5), tally_quantile_ms(tally, 0.99),
                      tally_quantile_ms(tally, 0.999), (double)tally->longest_ns / 1e6, gap);
        print_counts(tally, out);
        (void)fprintf(out, ", \"idle_lost\": %u,%s", tally->idle_lost, gap);
        if (options->pid != 0)
                (void)fprintf(out,
                              "\"server_cpu_us_per_message\": %.1f, \"server_cpu_seconds\": %.2f, "
                              "\"resident_kb_before\": %ju, \"resident_kb_after\": %ju,%s",
                              per_message_us(tally, report->after.cpu_seconds - report->before.cpu_seconds),
                              report->after.cpu_seconds - report->before.cpu_seconds,
                              (uintmax_t)report->before.resident_kb, (uintmax_t)report->after.resident_kb,
                              gap);
        (void)fprintf(out, "\"load_cpu_seconds\": %.2f, \"load_cpu_us_per_message\": %.1f}\n",
                      report->own_cpu_seconds, per_message_us(tally, report->own_cpu_seconds));
}
