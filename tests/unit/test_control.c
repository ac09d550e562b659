/* The orders: what is one, how a line travels, whose socket it is, and what
 * the daemon says of itself. */
#include "admin/control_connection.h"
#include "admin/control_socket.h"
#include "admin/order.h"
#include "admin/status.h"
#include "fsp/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void an_order_is_known_or_refused(void **state)
{
        static const char *const refused[] = {
                "",
                "status",
                "[]",
                "{}",
                "null",
                "{\"order\":1}",
                "{\"order\":\"\"}",
                "{\"order\":\"stat\"}",
                "{\"order\":\"STATUS\"}",
                "{\"order\":\"status\"",
                "{\"order\":\"status\"} x",
                "{\"order\":\"status\",\"order\":\"forward\"}",
                "{\"order\":\"status\\u0000\"}",
                "{\"order\":\"requeue\"}",
                "{\"order\":\"requeue\",\"ids\":[]}",
                "{\"order\":\"requeue\",\"ids\":[1]}",
                "{\"order\":\"resend\"}",
                "{\"order\":\"resend\",\"since\":\"some day\"}",
        };
        static const char requeue[] = "{\"order\":\"requeue\",\"ids\":[\"a\",\"b\"]}";
        static const char resend[] = "{\"order\":\"resend\",\"since\":\"2026-11-21T10:00:00Z\"}";
        struct order_request order = { .ids = NULL };
        const char *why;
        size_t i;

        (void)state;
        assert_int_equal(order_parse("{\"order\":\"forward\",\"more\":1}", 28, &order, &why), 0);
        assert_int_equal(order.order, ORDER_FORWARD);
        assert_int_equal(order_parse("{\"order\":\"status\"}\r", 19, &order, &why), 0);
        assert_int_equal(order.order, ORDER_STATUS);
        assert_int_equal(order_parse(requeue, strlen(requeue), &order, &why), 0);
        assert_int_equal(order.order, ORDER_REQUEUE);
        assert_int_equal(json_array_size(order.ids), 2);
        order_request_free(&order);
        assert_int_equal(order_parse(resend, strlen(resend), &order, &why), 0);
        assert_int_equal(order.since_ms, 1795255200000);
        for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
                why = NULL;
                assert_int_equal(order_parse(refused[i], strlen(refused[i]), &order, &why), -EINVAL);
                assert_non_null(why);
        }
}

struct pair {
        struct control_connection connection;
        int peer;
};

static int make_pair(void **state)
{
        struct pair *pair = calloc(1, sizeof(*pair));
        int ends[2];

        if (!pair || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
                return -1;
        control_connection_start(&pair->connection, ends[0], 0);
        pair->peer = ends[1];
        *state = pair;
        return 0;
}

static int free_pair(void **state)
{
        struct pair *pair = *state;

        control_connection_end(&pair->connection);
        if (pair->peer >= 0)
                (void)close(pair->peer); /* a socket has nothing to lose */
        free(pair);
        return 0;
}

static void tell(struct pair *pair, const char *text, size_t size)
{
        assert_int_equal(send(pair->peer, text, size, MSG_NOSIGNAL), size);
}

static void a_line_comes_in_pieces(void **state)
{
        struct pair *pair = *state;

        assert_int_equal(control_connection_read(&pair->connection), 0);
        tell(pair, "{\"ord", 5);
        assert_int_equal(control_connection_read(&pair->connection), 0);
        tell(pair, "er\":1}\nrest", 11);
        assert_int_equal(control_connection_read(&pair->connection), 1);
        assert_int_equal(pair->connection.request_size, 11);
        assert_memory_equal(pair->connection.request, "{\"order\":1}", 11);
}

static void a_line_without_end_is_refused(void **state)
{
        struct pair *pair = *state;
        static char piece[4096];
        int r = 0;
        size_t sent = 0;

        memset(piece, ' ', sizeof(piece));
        while (r == 0 && sent <= CONTROL_MAX_REQUEST) {
                tell(pair, piece, sizeof(piece));
                sent += sizeof(piece);
                r = control_connection_read(&pair->connection);
        }
        assert_int_equal(r, -EMSGSIZE);
        assert_int_equal(sent, CONTROL_MAX_REQUEST);
}

static void a_peer_that_leaves_is_noticed(void **state)
{
        struct pair *pair = *state;

        tell(pair, "{", 1);
        assert_int_equal(control_connection_read(&pair->connection), 0);
        (void)close(pair->peer); /* a socket has nothing to lose */
        pair->peer = -1;
        assert_int_equal(control_connection_read(&pair->connection), -EPIPE);
        assert_int_equal(control_connection_answer(&pair->connection, order_timeout(), 0), 0);
        assert_int_equal(control_connection_write(&pair->connection), -EPIPE);
}

static void a_long_answer_goes_out_in_pieces(void **state)
{
        struct pair *pair = *state;
        static char text[1000001], line[1000100];
        size_t got = 0;
        int r, small = 4096;
        json_t *answer;

        memset(text, 'x', sizeof(text) - 1);
        assert_int_equal(setsockopt(pair->connection.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
        assert_int_equal(control_connection_answer(&pair->connection, order_refusal(text), 7), 0);
        assert_int_equal(pair->connection.phase, CONNECTION_WRITING);
        assert_int_equal(pair->connection.deadline_ms, 7);
        r = control_connection_write(&pair->connection);
        assert_int_equal(r, 0);
        while (r == 0) {
                ssize_t n = recv(pair->peer, line + got, sizeof(line) - got, 0);

                assert_true(n > 0);
                got += (size_t)n;
                r = control_connection_write(&pair->connection);
        }
        assert_int_equal(r, 1);
        while (got < pair->connection.answer_size)
                got += (size_t)recv(pair->peer, line + got, sizeof(line) - got, 0);
        assert_int_equal(line[got - 1], '\n');
        answer = json_loadb(line, got, 0, NULL);
        assert_string_equal(json_string_value(json_object_get(answer, "error")), text);
        json_decref(answer);
}

static unsigned allocations_left;

static void *allocate_while_there_is(size_t size)
{
        return allocations_left == 0 || --allocations_left == 0 ? NULL : malloc(size);
}

static void without_memory_there_is_no_answer_rather_than_half_of_one(void **state)
{
        struct pair *pair = *state;
        int r = -ENOMEM;

        for (unsigned fails = 1; r == -ENOMEM; fails++) {
                json_t *answer = order_timeout();

                assert_non_null(answer);
                assert_true(fails < 100);
                allocations_left = fails;
                json_set_alloc_funcs(allocate_while_there_is, free);
                r = control_connection_answer(&pair->connection, answer, 0);
                json_set_alloc_funcs(malloc, free);
        }
        assert_int_equal(r, 0);
        json_t *sent = json_loadb(pair->connection.answer, pair->connection.answer_size, 0, NULL);
        assert_non_null(sent);
        json_decref(sent);
}

static void the_socket_file_has_one_owner(void **state)
{
        char folder[] = "/tmp/fspd-control-XXXXXX", path[64], copy[64];
        int listener, second = -1, client;
        struct stat info;

        (void)state;
        assert_non_null(mkdtemp(folder));
        (void)snprintf(path, sizeof(path), "%s/control.sock", folder);
        (void)snprintf(copy, sizeof(copy), "%s/dead.sock", folder);
        assert_int_equal(control_socket_connect(path, &client), -ENOENT);
        assert_int_equal(control_socket_listen(path, &listener), 0);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 07777, 0660);
        assert_int_equal(control_socket_listen(path, &second), -EADDRINUSE);
        assert_int_equal(control_socket_connect(path, &client), 0);
        (void)close(client); /* a socket has nothing to lose */

        /* A dead daemon leaves its file behind. */
        assert_int_equal(link(path, copy), 0);
        control_socket_close(path, listener);
        assert_int_equal(stat(path, &info), -1);
        assert_int_equal(control_socket_connect(copy, &client), -ECONNREFUSED);
        assert_int_equal(control_socket_listen(copy, &listener), 0);
        control_socket_close(copy, listener);

        listener = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(listener >= 0);
        assert_int_equal(control_socket_listen(path, &second), -EEXIST);
        assert_int_equal(second, -1);
        control_socket_close(path, listener);
        assert_int_equal(rmdir(folder), 0);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
        char path[200];
        int fd = -1;

        (void)state;
        memset(path, 'a', sizeof(path) - 1);
        path[sizeof(path) - 1] = '\0';
        assert_int_equal(control_socket_listen(path, &fd), -ENAMETOOLONG);
        assert_int_equal(control_socket_connect(path, &fd), -ENAMETOOLONG);
        assert_int_equal(fd, -1);
}

static struct status_facts good_facts(void)
{
        struct status_facts facts = {
                .now_ms = 1000000,
                .site_code = "P01",
                .listen = "http://[::]:80/SMS_FSP/.sms_fsp",
                .totals = { .received = 1, .staged = 2, .copied = 4, .online = true },
                .oldest_ms = 990000,
                .quota = { .verdict = VERDICT_ACCEPTED, .fullness = 0.8 },
                .forwarder = { .next_run_ms = CLOCK_UNKNOWN, .late_ms = STATUS_LATE_MS },
        };

        return facts;
}

static void check_availability(const struct status_facts *facts, enum availability availability,
                               size_t reasons)
{
        json_t *list = json_array();

        assert_int_equal(status_judge(facts, list), availability);
        assert_int_equal(status_judge(facts, NULL), availability);
        assert_int_equal(json_array_size(list), reasons);
        json_decref(list);
}

static void availability_follows_the_facts(void **state)
{
        struct status_facts facts = good_facts();

        (void)state;
        check_availability(&facts, AVAILABILITY_ONLINE, 0);
        facts.quota.fullness = 0.81;
        check_availability(&facts, AVAILABILITY_WARNING, 1);
        facts.totals.quarantined = 1;
        facts.forwarder.late_ms++;
        facts.forwarder.last.fault = -ENOENT;
        check_availability(&facts, AVAILABILITY_WARNING, 4);
        facts.stager_fault = -ENOENT;
        check_availability(&facts, AVAILABILITY_WARNING, 5);
        facts.totals.online = false;
        facts.totals.fault = -EIO;
        check_availability(&facts, AVAILABILITY_OFFLINE, 6);

        facts = good_facts();
        facts.draining = true;
        facts.quota.verdict = VERDICT_STOPPING;
        check_availability(&facts, AVAILABILITY_OFFLINE, 1);

        facts = good_facts();
        facts.quota.verdict = VERDICT_DISK_LOW;
        check_availability(&facts, AVAILABILITY_OFFLINE, 1);
}

static json_int_t number(const json_t *object, const char *key)
{
        const json_t *value = json_object_get(object, key);

        assert_true(json_is_integer(value));
        return json_integer_value(value);
}

static void status_has_the_keys_of_the_contract(void **state)
{
        static const char *const keys[] = {
                "availability", "site_code", "version",     "listen",
                "admin",        "staged",    "quarantined", "oldest_staged_seconds",
                "received",     "forwarded", "duplicates",  "refused",
                "last_run",     "next_run"
        };
        struct status_facts facts = good_facts();
        json_t *object;
        size_t i;

        (void)state;
        facts.listener.verdicts[VERDICT_ACCEPTED] = 10;
        facts.listener.verdicts[VERDICT_DUPLICATE] = 20;
        facts.listener.verdicts[VERDICT_NOT_XML] = 30;
        facts.listener.verdicts[VERDICT_RATE] = 1;
        facts.listener.verdicts[VERDICT_PATH] = 1000;
        object = status_object(&facts);
        for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
                assert_non_null(json_object_get(object, keys[i]));
        assert_int_equal(number(object, "staged"), 7);
        assert_int_equal(number(object, "oldest_staged_seconds"), 10);
        assert_int_equal(number(object, "received"), 10);
        assert_int_equal(number(object, "duplicates"), 20);
        assert_int_equal(number(object, "refused"), 31);
        assert_true(json_is_null(json_object_get(object, "last_run")));
        assert_true(json_is_null(json_object_get(object, "next_run")));
        json_decref(object);

        facts.forwarder.last = (struct forwarder_run){
                .number = 1, .started_ms = 0, .duration_ms = 1500, .tried = 3, .copied = 2
        };
        facts.oldest_ms = facts.now_ms + 5000;
        object = status_object(&facts);
        assert_int_equal(number(object, "oldest_staged_seconds"), 0);
        assert_int_equal(number(json_object_get(object, "last_run"), "tried"), 3);
        assert_int_equal(number(json_object_get(object, "last_run"), "copied"), 2);
        assert_float_equal(json_real_value(json_object_get(json_object_get(object, "last_run"), "seconds")),
                           1.5, 0.0001);
        json_decref(object);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_order_is_known_or_refused),
                cmocka_unit_test_setup_teardown(a_line_comes_in_pieces, make_pair, free_pair),
                cmocka_unit_test_setup_teardown(a_line_without_end_is_refused, make_pair, free_pair),
                cmocka_unit_test_setup_teardown(a_peer_that_leaves_is_noticed, make_pair, free_pair),
                cmocka_unit_test_setup_teardown(a_long_answer_goes_out_in_pieces, make_pair, free_pair),
                cmocka_unit_test_setup_teardown(without_memory_there_is_no_answer_rather_than_half_of_one,
                                                make_pair, free_pair),
                cmocka_unit_test(the_socket_file_has_one_owner),
                cmocka_unit_test(a_path_that_is_too_long_is_refused),
                cmocka_unit_test(availability_follows_the_facts),
                cmocka_unit_test(status_has_the_keys_of_the_contract),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
