/* load: a closed-loop generator of state messages over HTTP/1.1.
 *
 * Each connection sends one message, waits for its answer, sends the next.
 * One thread, so that little is taken from the server under test when both
 * share a machine. */
#ifndef FSP_BENCH_LOAD_H
#define FSP_BENCH_LOAD_H

#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

struct body_kind {
        const char *name;
        unsigned unit; /* bytes a character */
        size_t size;   /* bytes of the body, byte order mark included */
};

struct load_options {
        char host[256], path[512]; /* host as it goes into the Host header */
        struct sockaddr_storage address;
        socklen_t address_size;
        unsigned connections, idle, sources;
        uint64_t messages; /* 0: seconds decide */
        double seconds;
        int64_t timeout_ns; /* of one request */
        const struct body_kind *body;
        bool new_connection, put, json;
        const char *journal;
        pid_t pid; /* 0: no server to watch */
};

/* ---- message: the request, with the places where its token goes ---- */

#define TOKEN_DIGITS 16
#define MESSAGE_SLOTS_MAX 96

/* A token is eight hex digits of the message's number and eight of the run. */
struct message {
        unsigned char *bytes;
        size_t size;
        uint32_t run;
        struct {
                uint32_t offset;
                uint8_t digit;
        } slots[MESSAGE_SLOTS_MAX];
        unsigned slot_count;
};

/* NULL when there is none of that name. */
const struct body_kind *message_find_body(const char *name);
int message_make(struct message *message, const struct load_options *options);
void message_free(struct message *message);
void message_patch(struct message *message, uint32_t number);
void message_print_token(const struct message *message, uint32_t number, char ret_token[TOKEN_DIGITS + 1]);

/* ---- tally: what came of it ---- */

enum load_error { ERROR_CONNECT, ERROR_RESET, ERROR_CLOSED, ERROR_ANSWER, ERROR_TIMEOUT, ERROR_COUNT };

#define TALLY_STEPS 64 /* to an octave: latencies are right to 1.6 % */
#define TALLY_BUCKETS (42 * TALLY_STEPS)
#define TALLY_STATUS_MAX 600

struct tally {
        uint64_t buckets[TALLY_BUCKETS]; /* latency of accepted messages, in ns */
        uint64_t statuses[TALLY_STATUS_MAX];
        uint64_t errors[ERROR_COUNT];
        uint64_t accepted;
        int64_t longest_ns;
        double seconds;
        unsigned idle_lost;
};

void tally_add_latency(struct tally *tally, int64_t ns);
double tally_quantile_ms(const struct tally *tally, double quantile);
uint64_t tally_error_count(const struct tally *tally);

/* ---- process: what the server took, with its children ---- */

struct process_usage {
        double cpu_seconds;
        uint64_t resident_kb;
};

int process_measure(pid_t pid, struct process_usage *ret_usage);
double process_own_cpu(void);

/* ---- pool: the connections ---- */

/* Runs until all messages are answered or the time is over.  stop may be set
 * by a signal handler. */
int pool_run(const struct load_options *options, struct message *message, FILE *journal,
             const volatile sig_atomic_t *stop, struct tally *tally);

/* ---- report ---- */

struct load_report {
        const struct load_options *options;
        const struct tally *tally;
        struct process_usage before, after;
        double own_cpu_seconds;
};

void report_print(const struct load_report *report, FILE *out);

#endif
