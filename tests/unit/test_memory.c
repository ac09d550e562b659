/* src/http/memory.c: who gives way when listener.memory is used up. */
#include "fsp/clock.h"
#include "http/listener_private.h"
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT 80000U
#define LEAVING (LIMIT / 8)
#define USUAL (16U * 1024U)
#define CHARGE (20U * 1024U)
#define ROOM 4096U

static struct config config = { .listener.memory = LIMIT };
static struct listener listener;
static struct connection kept, slow;
static struct request request;
static int others[2]; /* the clients' ends of kept and slow */

/* Two ends of a connection over loopback. */
static void connect_ends(int ret_ends[2])
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ret_ends[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(door, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(door, 1), 0);
        assert_int_equal(getsockname(door, (struct sockaddr *)&address, &size), 0);
        assert_int_equal(connect(ret_ends[1], (struct sockaddr *)&address, sizeof(address)), 0);
        ret_ends[0] = accept4(door, NULL, NULL, SOCK_CLOEXEC);
        assert_true(ret_ends[0] >= 0);
        (void)close(door);
}

static void link_connection(struct connection *connection, int *ret_other)
{
        int ends[2];
        connect_ends(ends);
        *connection = (struct connection){ .fd = ends[0],
                                           .charge = CHARGE,
                                           .engine = CHARGE,
                                           .bytes_idle = UINT64_MAX,
                                           .next = listener.connections };
        listener.connections = connection;
        *ret_other = ends[1];
}

/* What is neither free nor these two's stands for what waits for the writer. */
static void begin(size_t free_bytes)
{
        listener = (struct listener){ .config = &config, .memory = LIMIT - free_bytes };
        link_connection(&kept, &others[0]);
        link_connection(&slow, &others[1]);
        memory_note_kept(&listener, &kept, false);
        request = (struct request){ .listener = &listener,
                                    .connection = &slow,
                                    .phase = PHASE_BODY,
                                    .verdict = VERDICT_ACCEPTED,
                                    .body = malloc(ROOM),
                                    .room = ROOM };
        assert_non_null(request.body);
        slow.request = &request;
}

static void end(void)
{
        (void)close(kept.fd);
        (void)close(slow.fd);
        (void)close(others[0]); /* -1: closed already */
        (void)close(others[1]);
        free(request.body);
}

static bool is_open(int fd)
{
        char byte;
        return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void nobody_gives_way_in_vain(void **state)
{
        (void)state;
        begin(0);
        assert_false(memory_take(&listener, LEAVING + ROOM + 1, NULL));
        assert_int_equal(listener.memory, LIMIT);
        assert_true(is_open(others[0]) && is_open(others[1]));
        assert_true(!kept.ended && !slow.ended && request.phase == PHASE_BODY);
        assert_true(memory_take(&listener, LEAVING + ROOM, NULL));
        end();
}

static void who_asks_does_not_give_way(void **state)
{
        (void)state;
        begin(0);
        assert_false(memory_take(&listener, LEAVING + 1, &request));
        assert_true(is_open(others[0]) && is_open(others[1]));
        assert_true(memory_take(&listener, LEAVING, &request));
        assert_true(!is_open(others[0]) && is_open(others[1]));
        end();
}

static void the_kept_one_comes_first_and_then_the_slow_one(void **state)
{
        (void)state;
        begin(0);
        assert_true(memory_take(&listener, LEAVING, NULL));
        assert_true(kept.ended && !slow.ended && is_open(others[1]));
        assert_true(memory_take(&listener, ROOM, NULL));
        assert_true(slow.ended);
        assert_int_equal(request.verdict, VERDICT_BUSY);
        assert_false(memory_take(&listener, 1, NULL));
        end();
}

static void who_gave_way_is_charged_until_it_is_gone(void **state)
{
        (void)state;
        begin(0);
        assert_true(memory_take(&listener, 1, NULL));
        assert_int_equal(listener.memory, LIMIT + 1);
        assert_int_equal(listener.leaving, CHARGE);
        memory_end_charge(&listener, &kept);
        assert_int_equal(listener.memory, LIMIT + 1 - CHARGE);
        assert_int_equal(listener.leaving + listener.kept_count + listener.small_count, 0);
        end();
}

static void who_gave_way_may_still_read_and_is_charged(void **state)
{
        (void)state;
        begin(0);
        assert_true(memory_take(&listener, 1, NULL));
        memory_give(&listener, LIMIT / 2);
        assert_true(memory_charge_front(&listener, &kept, MEMORY_PAGE, NULL));
        assert_int_equal(listener.leaving, CHARGE + MEMORY_PAGE);
        memory_end_charge(&listener, &kept);
        assert_int_equal(listener.leaving, 0);
        end();
}

static void what_is_large_leaves_something_to_the_usual(void **state)
{
        (void)state;
        begin(USUAL);
        slow.request = NULL;
        assert_false(memory_take(&listener, USUAL + LEAVING / 2 + 1, NULL));
        assert_true(memory_take(&listener, USUAL + LEAVING / 2, NULL));
        assert_true(memory_take(&listener, LEAVING / 2, NULL));
        assert_false(memory_take(&listener, 1, NULL));
        end();
}

static void a_kept_one_that_works_does_not_give_way(void **state)
{
        (void)state;
        begin(0);
        kept.rested_ms = clock_monotonic_ms();
        slow.request = NULL;
        assert_false(memory_take(&listener, 1, NULL));
        assert_true(is_open(others[0]));
        kept.rested_ms -= 60000;
        assert_true(memory_take(&listener, 1, NULL));
        assert_false(is_open(others[0]));
        end();
}

static void what_is_read_is_charged_by_pages_and_once(void **state)
{
        (void)state;
        begin(LIMIT / 2);
        assert_true(memory_charge_front(&listener, &slow, 1, &request));
        assert_true(memory_charge_front(&listener, &slow, MEMORY_PAGE, &request));
        assert_int_equal(listener.memory, LIMIT / 2 + MEMORY_PAGE);
        assert_int_equal(slow.charge, CHARGE + MEMORY_PAGE);
        assert_true(memory_charge_front(&listener, &slow, ENGINE_MEMORY, &request));
        assert_true(memory_charge_whole(&listener, &slow, &request));
        assert_int_equal(slow.charge, ENGINE_WHOLE);
        assert_int_equal(listener.memory, LIMIT / 2 + ENGINE_WHOLE - CHARGE);
        end();
}

static void a_head_of_many_fields_costs_more_than_its_bytes(void **state)
{
        (void)state;
        assert_int_equal(memory_engine_cost(200, 4000), ENGINE_BASE + 2 * MEMORY_PAGE);
        assert_int_equal(memory_engine_cost(1024, 1024), ENGINE_BASE + 5 * MEMORY_PAGE);
        assert_int_equal(memory_engine_cost(32000, 32000), ENGINE_WHOLE);
}

static unsigned count_resident(void *start)
{
        unsigned char pages[ENGINE_MEMORY / MEMORY_PAGE];
        unsigned count = 0;
        assert_int_equal(mincore(start, ENGINE_MEMORY, pages), 0);
        for (size_t i = 0; i < sizeof(pages); i++)
                count += pages[i] & 1;
        return count;
}

/* kept is as libmicrohttpd leaves it between two requests, but for a word that it has read. */
static char *begin_cleared(void)
{
        char *memory = mmap(NULL, ENGINE_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(memory, MAP_FAILED);
        memset(memory, 0, ENGINE_MEMORY);
        memory[MEMORY_PAGE + 7] = 'x';
        begin(ENGINE_WHOLE - CHARGE);
        assert_true(memory_charge_whole(&listener, &kept, NULL));
        kept.rested_ms = clock_monotonic_ms();
        kept.head_start = memory;
        slow.request = NULL;
        assert_int_equal(listener.memory, LIMIT);
        assert_int_equal(count_resident(memory), ENGINE_MEMORY / MEMORY_PAGE);
        return memory;
}

static void pages_of_zeros_are_given_back_before_anybody_gives_way(void **state)
{
        (void)state;
        char *memory = begin_cleared();
        assert_true(memory_take(&listener, CHARGE, NULL));
        assert_true(is_open(others[0]) && !kept.ended && !kept.whole);
        assert_int_equal(count_resident(memory), 1);
        assert_true(memory[MEMORY_PAGE + 7] == 'x' && memory[0] == 0);
        assert_int_equal(kept.charge, ENGINE_BASE + MEMORY_PAGE);
        assert_int_equal(listener.memory, LIMIT - ENGINE_MEMORY + MEMORY_PAGE + CHARGE);
        assert_int_equal(listener.small_count, 1);
        assert_int_equal(munmap(memory, ENGINE_MEMORY), 0);
        end();
}

static void what_is_cleared_is_charged_and_others_are_made_small(void **state)
{
        (void)state;
        char *memory = begin_cleared();
        memory_note_kept(&listener, &slow, true);
        assert_true(slow.whole && !kept.whole && is_open(others[0]));
        assert_int_equal(slow.charge, ENGINE_WHOLE);
        assert_int_equal(listener.memory, LIMIT - ENGINE_MEMORY + MEMORY_PAGE + ENGINE_WHOLE - CHARGE);
        assert_int_equal(listener.small_count, 1);
        assert_int_equal(munmap(memory, ENGINE_MEMORY), 0);
        end();
}

static void what_may_be_gone_or_in_use_is_not_touched(void **state)
{
        (void)state;
        char *memory = begin_cleared();
        kept.request = &request;
        assert_false(memory_take(&listener, CHARGE, NULL));
        kept.request = NULL;
        kept.reading = true;
        assert_false(memory_take(&listener, CHARGE, NULL));
        kept.reading = false;
        kept.head_start = NULL;
        assert_false(memory_take(&listener, CHARGE, NULL));
        kept.head_start = memory;
        struct linger reset = { .l_onoff = 1 };
        assert_int_equal(setsockopt(others[0], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
        assert_int_equal(close(others[0]), 0);
        others[0] = -1;
        assert_false(memory_take(&listener, CHARGE, NULL));
        assert_int_equal(count_resident(memory), ENGINE_MEMORY / MEMORY_PAGE);
        assert_true(kept.whole);
        assert_int_equal(munmap(memory, ENGINE_MEMORY), 0);
        end();
}

static void what_a_client_that_hung_up_has_is_given_back(void **state)
{
        (void)state;
        char *memory = begin_cleared();
        assert_int_equal(shutdown(others[0], SHUT_WR), 0);
        assert_true(memory_take(&listener, CHARGE, NULL));
        assert_true(!kept.ended && !kept.whole);
        assert_int_equal(count_resident(memory), 1);
        assert_int_equal(munmap(memory, ENGINE_MEMORY), 0);
        end();
}

/* As libmicrohttpd does where it frees what it has, before it tells the end. */
static void what_was_freed_between_two_requests_is_no_one_s(void **state)
{
        (void)state;
        char *memory = begin_cleared();
        assert_int_equal(munmap(memory, ENGINE_MEMORY), 0);
        kept.reading = true; /* the end of its connection was all that came */
        assert_int_equal(shutdown(kept.fd, SHUT_WR), 0);
        assert_int_equal(shutdown(others[0], SHUT_WR), 0);
        assert_true(memory_take(&listener, CHARGE, NULL));
        assert_true(!kept.ended && !kept.whole);
        assert_int_equal(kept.charge, ENGINE_BASE);
        assert_int_equal(listener.memory, LIMIT - ENGINE_MEMORY + CHARGE);
        end();
}

static void what_we_end_is_charged_and_counted_once(void **state)
{
        (void)state;
        char *memory = begin_cleared();
        memory_end(&listener, &kept);
        memory_end(&listener, &kept);
        assert_int_equal(listener.leaving, ENGINE_WHOLE);
        assert_false(memory_take(&listener, CHARGE, NULL)); /* libmicrohttpd has it still */
        assert_int_equal(count_resident(memory), ENGINE_MEMORY / MEMORY_PAGE);
        memory_end_charge(&listener, &kept);
        assert_int_equal(listener.leaving, 0);
        assert_int_equal(munmap(memory, ENGINE_MEMORY), 0);
        end();
}

/* What lies in the socket costs nothing here until it is read. */
static void speak(void)
{
        char byte;
        assert_int_equal(send(others[0], "P", 1, 0), 1);
        assert_int_equal(poll(&(struct pollfd){ .fd = kept.fd, .events = POLLIN }, 1, 10000), 1);
        memory_look(&listener);
        assert_false(kept.whole || kept.ended);
        assert_int_equal(recv(kept.fd, &byte, 1, 0), 1);
        memory_look(&listener);
}

static void who_was_made_small_is_charged_when_something_comes(void **state)
{
        (void)state;
        char *memory = begin_cleared();
        assert_true(memory_take(&listener, 1, NULL));
        memory_give(&listener, 1);
        memory_look(&listener);
        assert_false(kept.whole);
        speak();
        assert_true(kept.whole && kept.reading && is_open(others[0]));
        assert_int_equal(listener.memory, LIMIT);
        assert_int_equal(listener.small_count, 0);
        assert_int_equal(munmap(memory, ENGINE_MEMORY), 0);
        end();
}

static void who_was_made_small_is_ended_where_there_is_no_more_room(void **state)
{
        (void)state;
        char *memory = begin_cleared();
        assert_true(memory_take(&listener, 1, NULL));
        speak();
        assert_true(kept.ended && !is_open(others[0]));
        assert_int_equal(munmap(memory, ENGINE_MEMORY), 0);
        end();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nobody_gives_way_in_vain),
                cmocka_unit_test(who_asks_does_not_give_way),
                cmocka_unit_test(the_kept_one_comes_first_and_then_the_slow_one),
                cmocka_unit_test(who_gave_way_is_charged_until_it_is_gone),
                cmocka_unit_test(who_gave_way_may_still_read_and_is_charged),
                cmocka_unit_test(what_is_large_leaves_something_to_the_usual),
                cmocka_unit_test(a_kept_one_that_works_does_not_give_way),
                cmocka_unit_test(what_is_read_is_charged_by_pages_and_once),
                cmocka_unit_test(a_head_of_many_fields_costs_more_than_its_bytes),
                cmocka_unit_test(pages_of_zeros_are_given_back_before_anybody_gives_way),
                cmocka_unit_test(what_is_cleared_is_charged_and_others_are_made_small),
                cmocka_unit_test(what_may_be_gone_or_in_use_is_not_touched),
                cmocka_unit_test(what_a_client_that_hung_up_has_is_given_back),
                cmocka_unit_test(what_was_freed_between_two_requests_is_no_one_s),
                cmocka_unit_test(what_we_end_is_charged_and_counted_once),
                cmocka_unit_test(who_was_made_small_is_charged_when_something_comes),
                cmocka_unit_test(who_was_made_small_is_ended_where_there_is_no_more_room),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
