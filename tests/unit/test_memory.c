/* src/http/memory.c: who gives way when listener.memory is used up. */
#include "fsp/clock.h"
#include "http/listener_private.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT 100000U
#define CHARGE ENGINE_USUAL
#define ROOM 8192U

static struct config config = { .listener.memory = LIMIT };
static struct listener listener;
static struct connection kept, slow;
static struct request request;
static int others[2]; /* the clients' ends of kept and slow */

static void link_connection(struct connection *connection, int *ret_other)
{
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        *connection = (struct connection){ .fd = ends[0], .charge = CHARGE, .next = listener.connections };
        listener.connections = connection;
        *ret_other = ends[1];
}

/* Another's hold stands for what waits for the writer. */
static void begin(size_t waiting)
{
        listener = (struct listener){ .config = &config, .memory = waiting + CHARGE + CHARGE + ROOM };
        link_connection(&kept, &others[0]);
        link_connection(&slow, &others[1]);
        kept.kept = true;
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
        (void)close(others[0]);
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
        begin(LIMIT);
        size_t before = listener.memory;
        assert_false(memory_take(&listener, ROOM, NULL));
        assert_int_equal(listener.memory, before);
        assert_true(is_open(others[0]) && is_open(others[1]));
        assert_true(!kept.evicted && !slow.evicted && request.phase == PHASE_BODY);
        end();
}

static void who_asks_does_not_give_way(void **state)
{
        (void)state;
        begin(LIMIT - CHARGE - ROOM - ROOM);
        assert_false(memory_take(&listener, CHARGE + ROOM, &request));
        assert_true(is_open(others[0]) && is_open(others[1]));
        assert_true(memory_take(&listener, ROOM, &request));
        assert_true(!is_open(others[0]) && is_open(others[1]));
        end();
}

static void the_kept_one_comes_first_and_then_the_slow_one(void **state)
{
        (void)state;
        begin(LIMIT - CHARGE - CHARGE - ROOM);
        assert_true(memory_take(&listener, CHARGE, NULL));
        assert_true(kept.evicted && !slow.evicted && is_open(others[1]));
        assert_int_equal(listener.memory, LIMIT);
        assert_true(memory_take(&listener, CHARGE + ROOM, NULL));
        assert_true(slow.evicted);
        assert_int_equal(request.verdict, VERDICT_BUSY);
        assert_int_equal(listener.memory, LIMIT);
        assert_false(memory_take(&listener, 1, NULL));
        end();
}

static void a_kept_one_that_works_does_not_give_way(void **state)
{
        (void)state;
        begin(LIMIT - CHARGE - CHARGE - ROOM);
        kept.rested_ms = clock_monotonic_ms();
        slow.request = NULL;
        assert_false(memory_take(&listener, CHARGE, NULL));
        assert_true(is_open(others[0]));
        kept.rested_ms -= 60000;
        assert_true(memory_take(&listener, CHARGE, NULL));
        assert_false(is_open(others[0]));
        end();
}

static void what_is_large_leaves_free_what_kept_ones_hold(void **state)
{
        (void)state;
        begin(0);
        kept.kept = false;
        memory_note_kept(&listener, &kept);
        size_t beyond = ENGINE_MEMORY - ENGINE_USUAL, held = listener.memory;
        assert_int_equal(listener.beyond, beyond);
        kept.rested_ms = clock_monotonic_ms();
        slow.request = NULL;
        assert_false(memory_take(&listener, LIMIT - held - beyond + 1, NULL));
        assert_true(memory_take(&listener, LIMIT - held - beyond, NULL));
        assert_true(memory_take(&listener, beyond <= ENGINE_USUAL ? beyond : ENGINE_USUAL, NULL));
        memory_end_charge(&listener, &kept);
        assert_int_equal(listener.beyond, 0);
        end();
}

static void a_large_body_is_charged_with_all_once(void **state)
{
        (void)state;
        begin(0);
        kept.kept = false;
        memory_note_kept(&listener, &kept);
        size_t held = listener.memory;
        assert_true(memory_charge_whole(&listener, &kept, NULL));
        assert_true(memory_charge_whole(&listener, &kept, NULL));
        assert_int_equal(listener.memory, held + ENGINE_MEMORY - ENGINE_USUAL);
        assert_int_equal(kept.charge, ENGINE_MEMORY);
        assert_int_equal(listener.beyond, 0);
        end();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nobody_gives_way_in_vain),
                cmocka_unit_test(who_asks_does_not_give_way),
                cmocka_unit_test(the_kept_one_comes_first_and_then_the_slow_one),
                cmocka_unit_test(a_kept_one_that_works_does_not_give_way),
                cmocka_unit_test(what_is_large_leaves_free_what_kept_ones_hold),
                cmocka_unit_test(a_large_body_is_charged_with_all_once),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
