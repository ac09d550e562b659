/* delay PORT MICROSECONDS: listens on a free loopback port, says which, and hands
 * everything on to PORT, both ways, so much later.  Ends with its standard input. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LINES 256
#define CHUNK 65536

struct chunk {
        struct chunk *next;
        int64_t due_ns;
        size_t size; /* 0: the end */
        char data[];
};
struct line {
        int from, to;
        struct chunk *first, **last;
};
static struct line lines[LINES];
static size_t count;

static int64_t now_ns(void)
{
        struct timespec now;
        (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
        return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void fail(const char *what)
{
        perror(what);
        exit(1);
}

static void add_line(int from, int to)
{
        const int on = 1;
        if (count == LINES)
                fail("too many connections");
        (void)setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* only slower */
        lines[count] = (struct line){ .from = from, .to = to };
        lines[count].last = &lines[count].first;
        count++;
}

static void join(int listener, const struct sockaddr_in *target)
{
        int near = accept(listener, NULL, NULL), far = socket(AF_INET, SOCK_STREAM, 0);
        if (near < 0 || far < 0 || connect(far, (const struct sockaddr *)target, sizeof(*target)) < 0)
                fail("connection");
        add_line(near, far);
        add_line(far, near);
}

static void take(struct line *line, int64_t delay_ns)
{
        struct chunk *chunk = malloc(sizeof(*chunk) + CHUNK);
        if (!chunk)
                fail("memory");
        ssize_t got = read(line->from, chunk->data, CHUNK);
        *chunk = (struct chunk){ .due_ns = now_ns() + delay_ns, .size = got > 0 ? (size_t)got : 0 };
        *line->last = chunk;
        line->last = &chunk->next;
        if (got <= 0)
                line->from = -1;
}

/* What is due; gives when the next is. */
static int64_t hand_on(struct line *line)
{
        while (line->first && line->first->due_ns <= now_ns()) {
                struct chunk *chunk = line->first;
                for (size_t done = 0; done < chunk->size;) {
                        ssize_t sent = send(line->to, chunk->data + done, chunk->size - done, MSG_NOSIGNAL);
                        if (sent <= 0)
                                break; /* the other side is gone, which it learns by itself */
                        done += (size_t)sent;
                }
                if (chunk->size == 0)
                        (void)shutdown(line->to, SHUT_RDWR); /* likewise */
                line->first = chunk->next;
                if (!line->first)
                        line->last = &line->first;
                free(chunk);
        }
        return line->first ? line->first->due_ns : INT64_MAX;
}

static void wait_and_take(int listener, const struct sockaddr_in *target, int64_t delay_ns)
{
        struct pollfd slots[LINES + 2] = { { .fd = listener, .events = POLLIN },
                                           { .fd = STDIN_FILENO, .events = POLLIN } };
        int64_t due_ns = INT64_MAX;
        size_t waited = count;
        for (size_t i = 0; i < count; i++) {
                int64_t next_ns = hand_on(&lines[i]);
                due_ns = next_ns < due_ns ? next_ns : due_ns;
                slots[i + 2] = (struct pollfd){ .fd = lines[i].from, .events = POLLIN };
        }
        int64_t left_ns = due_ns == INT64_MAX ? INT64_C(1000000000) : due_ns - now_ns();
        struct timespec left = { left_ns > 0 ? left_ns / 1000000000 : 0,
                                 left_ns > 0 ? left_ns % 1000000000 : 0 };
        if (ppoll(slots, waited + 2, &left, NULL) < 0)
                fail("poll");
        if (slots[1].revents)
                exit(0);
        for (size_t i = 0; i < waited; i++) {
                if (slots[i + 2].revents)
                        take(&lines[i], delay_ns);
        }
        if (slots[0].revents)
                join(listener, target);
}

int main(int argc, char **argv)
{
        if (argc != 3)
                fail("delay PORT MICROSECONDS");
        struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        struct sockaddr_in target = here;
        socklen_t size = sizeof(here);
        target.sin_port = htons((uint16_t)atoi(argv[1]));
        int listener = socket(AF_INET, SOCK_STREAM, 0);
        (void)prctl(PR_SET_TIMERSLACK, 1UL); /* else the kernel adds 50 us */
        if (listener < 0 || bind(listener, (struct sockaddr *)&here, sizeof(here)) < 0 ||
            listen(listener, 64) < 0 || getsockname(listener, (struct sockaddr *)&here, &size) < 0)
                fail("listener");
        (void)printf("%u\n", ntohs(here.sin_port)); /* the reader sees what is missing */
        (void)fflush(stdout);
        for (;;)
                wait_and_take(listener, &target, atol(argv[2]) * INT64_C(1000));
}
