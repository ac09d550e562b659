/* src/http/limits.h: what one client may do. */
#include "http/limits.h"
#include "store_fixture.h"
#include <arpa/inet.h>
#include <errno.h>

static struct client_address address(const char *text)
{
        struct client_address result;
        assert_int_equal(limits_parse(text, &result), 0);
        return result;
}

static struct limits *limits;

static void a_hop_may_have_a_port(void **state)
{
        static const struct {
                const char *text, *is; /* NULL: no address */
        } hops[] = {
                { "192.0.2.1", "192.0.2.1" },
                { "192.0.2.1:567", "192.0.2.1" },
                { "2001:db8::1", "2001:db8::1" },
                { "[2001:db8::1]", "2001:db8::1" },
                { "[2001:db8::1]:567", "2001:db8::1" },
                { "", NULL },
                { ":", NULL },
                { "[", NULL },
                { "[]", NULL },
                { "[]:1", NULL },
                { "[2001:db8::1", NULL },
                { "[2001:db8::1]x:1", NULL },
                { "unknown", NULL },
                { "_hidden:1", NULL },
                { "192.0.2.1:1:2", NULL },
                { "192.0.2.1111111111111111111111111111111111111111111111111", NULL },
        };
        (void)state;
        for (size_t i = 0; i < sizeof(hops) / sizeof(hops[0]); i++) {
                struct client_address result;
                char text[INET6_ADDRSTRLEN];
                int r = limits_parse_hop(hops[i].text, strlen(hops[i].text), &result);
                if (hops[i].is) {
                        assert_int_equal(r, 0);
                        assert_string_equal(limits_format(&result, text), hops[i].is);
                } else if (r != -EINVAL) {
                        fail_msg("%s is taken for an address", hops[i].text);
                }
        }
}

static void a_burst_is_allowed_and_then_the_rate(void **state)
{
        (void)state;
        config_unref(store.config);
        store.config = store_config("[listener]\nclient_rate=5\nclient_burst=10\n");
        assert_int_equal(limits_new(&limits), 0);
        struct client_address client = address("192.0.2.1"), other = address("192.0.2.2");
        for (int i = 0; i < 10; i++)
                assert_true(limits_take(limits, &client, store.config, 1000));
        assert_false(limits_take(limits, &client, store.config, 1000));
        assert_true(limits_take(limits, &other, store.config, 1000));
        assert_false(limits_take(limits, &client, store.config, 1199));
        assert_true(limits_take(limits, &client, store.config, 1400));
        limits_refund(limits, &client, store.config, 1400);
        assert_true(limits_take(limits, &client, store.config, 1400));
        limits_free(limits);
}

static void a_network_of_ipv6_is_one_client(void **state)
{
        (void)state;
        config_unref(store.config);
        store.config = store_config("[listener]\nclient_rate=1\nclient_burst=1\n");
        assert_int_equal(limits_new(&limits), 0);
        struct client_address one = address("2001:db8::1"), same = address("2001:db8::ffff:1"),
                              other = address("2001:db8:0:1::1");
        assert_true(limits_take(limits, &one, store.config, 1000));
        assert_false(limits_take(limits, &same, store.config, 1000));
        assert_true(limits_take(limits, &other, store.config, 1000));
        limits_free(limits);
}

static void connections_of_a_client_are_counted(void **state)
{
        (void)state;
        assert_int_equal(limits_new(&limits), 0);
        struct client_address one = address("192.0.2.1"), other = address("::ffff:192.0.2.2");
        struct client *first = limits_connect(limits, &one, 2);
        assert_non_null(first);
        assert_non_null(limits_connect(limits, &one, 2));
        assert_null(limits_connect(limits, &one, 2));
        assert_non_null(limits_connect(limits, &other, 2));
        limits_disconnect(first);
        assert_non_null(limits_connect(limits, &one, 2));
        limits_free(limits);
}

static void a_full_table_is_never_no_limit(void **state)
{
        (void)state;
        config_unref(store.config);
        store.config = store_config("[listener]\nclient_rate=1\nclient_burst=1\n");
        assert_int_equal(limits_new(&limits), 0);
        unsigned taken = 0;
        for (uint32_t i = 0; i < 300000; i++) {
                struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0A000000 + i) };
                struct client_address client = limits_address((struct sockaddr *)&in);
                taken += limits_take(limits, &client, store.config, 1000);
        }
        assert_true(taken > 60000);
        assert_true(taken <= 65536 + 1);
        limits_free(limits);
}

static void only_a_configured_proxy_is_trusted(void **state)
{
        (void)state;
        config_unref(store.config);
        store.config = store_config("[listener]\ntrusted_proxies=192.0.2.9, 2001:db8::9\n");
        struct client_address proxy = address("192.0.2.9"), six = address("2001:db8::9"),
                              other = address("192.0.2.8");
        assert_true(limits_is_trusted(store.config, &proxy));
        assert_true(limits_is_trusted(store.config, &six));
        assert_false(limits_is_trusted(store.config, &other));
        struct client_address untouched = other;
        assert_int_equal(limits_parse("192.0.2.300", &untouched), -EINVAL);
        assert_memory_equal(&untouched, &other, sizeof(other));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_hop_may_have_a_port),           TEST(a_burst_is_allowed_and_then_the_rate),
                TEST(a_network_of_ipv6_is_one_client), TEST(connections_of_a_client_are_counted),
                TEST(a_full_table_is_never_no_limit),  TEST(only_a_configured_proxy_is_trusted),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
