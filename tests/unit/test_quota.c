/* include/fsp/quota.h: room for one more. */
#include "fsp/quota.h"
#include "store_fixture.h"
#include <arpa/inet.h>

static struct quota *quota;

/* A message of a client that is of no account. */
static enum verdict admit(size_t size)
{
        struct quota_place place = { .size = size };
        return quota_admit(quota, &place);
}

static struct quota_place place_of(const char *client)
{
        struct quota_place place = { .size = 1 };
        assert_int_equal(inet_pton(AF_INET6, client, &place.client), 1);
        return place;
}

static void open_with(const char *limits)
{
        config_unref(store.config);
        store.config = store_config(limits);
        store_open();
        assert_int_equal(quota_new(store.config, store.ledger, &quota), 0);
}

static void no_more_messages_than_allowed_are_admitted(void **state)
{
        (void)state;
        open_with("[staging]\nmin_free=0%\nmax_messages=3\n");
        assert_int_equal(admit(10), VERDICT_ACCEPTED);
        assert_int_equal(admit(10), VERDICT_ACCEPTED);
        assert_int_equal(admit(10), VERDICT_ACCEPTED);
        assert_int_equal(admit(10), VERDICT_STORE_FULL);
        quota_release(quota, &(struct quota_place){ .size = 10 }, false);
        assert_int_equal(admit(10), VERDICT_ACCEPTED);
        quota_free(quota);
}

static void what_the_ledger_holds_counts_until_it_is_forwarded(void **state)
{
        (void)state;
        struct message_name name;
        int64_t shipment;
        open_with("[staging]\nmin_free=0%\nmax_messages=1\n");
        assert_int_equal(store_receive("hello", &name), VERDICT_ACCEPTED);
        assert_int_equal(admit(1), VERDICT_STORE_FULL);
        assert_true(quota_look(quota).fullness >= 1.0);
        assert_int_equal(delivery_mark_staged(store.ledger, &name.seq, 1), 0);
        assert_int_equal(admit(1), VERDICT_STORE_FULL);
        assert_int_equal(delivery_mark_copied(store.ledger, &name.seq, 1, 1, &shipment), 0);
        assert_int_equal(delivery_mark_forwarded(store.ledger, &name.seq, 1, shipment), 0);
        assert_int_equal(admit(1), VERDICT_ACCEPTED);
        quota_free(quota);
}

static void no_more_bytes_than_allowed_are_admitted(void **state)
{
        (void)state;
        open_with("[staging]\nmin_free=0%\nmax_size=1K\n");
        assert_int_equal(admit(1000), VERDICT_ACCEPTED);
        assert_int_equal(admit(25), VERDICT_STORE_FULL);
        assert_int_equal(admit(24), VERDICT_ACCEPTED);
        quota_free(quota);
}

static void a_reserve_of_the_disk_is_never_used(void **state)
{
        (void)state;
        struct fsutil_space space;
        int fd = open(store.folder, O_RDONLY | O_DIRECTORY);
        assert_int_equal(fsutil_space(fd, &space), 0);
        assert_int_equal(close(fd), 0);
        if (space.bytes_free * 10 > space.bytes_total * 9)
                skip(); /* a disk nearly empty: no reserve is larger than what is free */
        open_with("[staging]\nmin_free=90%\n");
        assert_int_equal(admit(1), VERDICT_DISK_LOW);
        struct config *generous = store_config("[staging]\nmin_free=0%\n");
        quota_reload(quota, generous);
        config_unref(generous);
        assert_int_equal(admit(1), VERDICT_ACCEPTED);
        quota_free(quota);
}

/* How many of this client's messages find a place, at most 5,000. */
static unsigned fill(const char *client)
{
        unsigned count = 0;
        struct quota_place place = place_of(client);
        while (count < 5000 && quota_admit(quota, &place) == VERDICT_ACCEPTED)
                count++;
        return count;
}

static void a_network_has_a_share_and_others_have_theirs(void **state)
{
        (void)state;
        open_with("[staging]\nmin_free=0%\nmax_messages=4000\nnetwork_share=30%\n");
        assert_int_equal(fill("::ffff:192.0.2.1"), 1200);
        struct quota_place same = place_of("::ffff:192.0.2.254");
        assert_int_equal(quota_admit(quota, &same), VERDICT_NETWORK_FULL);
        assert_int_equal(fill("::ffff:192.0.3.1"), 1200);
        assert_int_equal(fill("2001:db8:1:2:3::4"), 1200);
        same = place_of("2001:db8:1:ffff::1");
        assert_int_equal(quota_admit(quota, &same), VERDICT_NETWORK_FULL);
        assert_int_equal(fill("2001:db8:2::1"), 400); /* all are 4,000 */
        assert_int_equal(admit(1), VERDICT_STORE_FULL);
        quota_free(quota);
}

static void a_share_is_never_less_than_a_thousand_and_100_is_none(void **state)
{
        (void)state;
        open_with("[staging]\nmin_free=0%\nmax_messages=1500\nnetwork_share=1%\n");
        assert_int_equal(fill("2001:db8::1"), 1000);
        struct config *generous =
                store_config("[staging]\nmin_free=0%\nmax_messages=1500\nnetwork_share=100%\n");
        quota_reload(quota, generous);
        config_unref(generous);
        assert_int_equal(fill("2001:db8::1"), 500);
        quota_free(quota);
}

static void what_is_stored_counts_until_as_many_have_left(void **state)
{
        (void)state;
        open_with("[staging]\nmin_free=0%\nmax_messages=3000\nnetwork_share=1%\n");
        struct quota_place place = place_of("2001:db8::1"), last = place;
        struct message_name names[2];
        int64_t shipment;
        for (int i = 0; i < 1000; i++)
                assert_int_equal(quota_admit(quota, i == 0 ? &last : &place), VERDICT_ACCEPTED);
        /* Two are in the ledger now, 998 reserved. */
        assert_int_equal(store_receive("one", &names[0]), VERDICT_ACCEPTED);
        assert_int_equal(store_receive("two", &names[1]), VERDICT_ACCEPTED);
        quota_release(quota, &last, true);
        quota_release(quota, &place, true);
        assert_int_equal(quota_admit(quota, &place), VERDICT_NETWORK_FULL);
        int64_t seq = names[0].seq;
        assert_int_equal(delivery_mark_staged(store.ledger, &seq, 1), 0);
        assert_int_equal(delivery_mark_copied(store.ledger, &seq, 1, 1, &shipment), 0);
        assert_int_equal(delivery_mark_forwarded(store.ledger, &seq, 1, shipment), 0);
        assert_int_equal(quota_admit(quota, &place), VERDICT_ACCEPTED);
        assert_int_equal(quota_admit(quota, &place), VERDICT_NETWORK_FULL);
        quota_release(quota, &place, false); /* a duplicate, say */
        assert_int_equal(quota_admit(quota, &place), VERDICT_ACCEPTED);
        quota_free(quota);
}

static void a_start_knows_whose_messages_wait(void **state)
{
        (void)state;
        struct message_name name;
        open_with("[staging]\nmin_free=0%\nmax_messages=3000\nnetwork_share=1%\n");
        assert_int_equal(store_receive("one", &name), VERDICT_ACCEPTED); /* of 192.0.2.1 */
        assert_int_equal(store_receive("two", &name), VERDICT_ACCEPTED);
        quota_free(quota);
        assert_int_equal(quota_new(store.config, store.ledger, &quota), 0);
        assert_int_equal(fill("::ffff:192.0.2.200"), 998);
        assert_int_equal(fill("::ffff:192.0.3.1"), 1000);
        quota_free(quota);
}

static void more_networks_than_there_are_entries_share_what_is_left(void **state)
{
        (void)state;
        open_with("[staging]\nmin_free=0%\nmax_messages=1000000\nnetwork_share=1%\n");
        unsigned full = 0;
        for (unsigned i = 0; i < 20000; i++) {
                struct quota_place place = { .size = 1 };
                place.client.s6_addr[0] = 0x20;
                place.client.s6_addr[4] = (unsigned char)(i >> 8);
                place.client.s6_addr[5] = (unsigned char)i;
                if (quota_admit(quota, &place) == VERDICT_NETWORK_FULL)
                        full++;
        }
        /* 4,096 entries of one each, and the shared one's 10,000. */
        assert_true(full >= 20000 - 4096 - 10000 && full < 20000);
        quota_free(quota);
}

static void a_closed_store_takes_none(void **state)
{
        (void)state;
        open_with("[staging]\nmin_free=0%\n");
        assert_false(quota_closed(quota));
        quota_close(quota);
        assert_true(quota_closed(quota));
        assert_int_equal(admit(1), VERDICT_STOPPING);
        quota_free(quota);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(no_more_messages_than_allowed_are_admitted),
                TEST(what_the_ledger_holds_counts_until_it_is_forwarded),
                TEST(no_more_bytes_than_allowed_are_admitted),
                TEST(a_reserve_of_the_disk_is_never_used),
                TEST(a_network_has_a_share_and_others_have_theirs),
                TEST(a_share_is_never_less_than_a_thousand_and_100_is_none),
                TEST(what_is_stored_counts_until_as_many_have_left),
                TEST(a_start_knows_whose_messages_wait),
                TEST(more_networks_than_there_are_entries_share_what_is_left),
                TEST(a_closed_store_takes_none),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
