/* include/fsp/quota.h: room for one more. */
#include "fsp/quota.h"
#include "store_fixture.h"

static struct quota *quota;

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
        assert_int_equal(quota_admit(quota, 10), VERDICT_ACCEPTED);
        assert_int_equal(quota_admit(quota, 10), VERDICT_ACCEPTED);
        assert_int_equal(quota_admit(quota, 10), VERDICT_ACCEPTED);
        assert_int_equal(quota_admit(quota, 10), VERDICT_STORE_FULL);
        quota_release(quota, 10);
        assert_int_equal(quota_admit(quota, 10), VERDICT_ACCEPTED);
        quota_free(quota);
}

static void what_the_ledger_holds_counts_until_it_is_forwarded(void **state)
{
        (void)state;
        struct message_name name;
        int64_t shipment;
        open_with("[staging]\nmin_free=0%\nmax_messages=1\n");
        assert_int_equal(store_receive("hello", &name), VERDICT_ACCEPTED);
        assert_int_equal(quota_admit(quota, 1), VERDICT_STORE_FULL);
        assert_true(quota_look(quota).fullness >= 1.0);
        assert_int_equal(delivery_mark_staged(store.ledger, &name.seq, 1), 0);
        assert_int_equal(quota_admit(quota, 1), VERDICT_STORE_FULL);
        assert_int_equal(delivery_mark_copied(store.ledger, &name.seq, 1, 1, &shipment), 0);
        assert_int_equal(delivery_mark_forwarded(store.ledger, &name.seq, 1, shipment), 0);
        assert_int_equal(quota_admit(quota, 1), VERDICT_ACCEPTED);
        quota_free(quota);
}

static void no_more_bytes_than_allowed_are_admitted(void **state)
{
        (void)state;
        open_with("[staging]\nmin_free=0%\nmax_size=1K\n");
        assert_int_equal(quota_admit(quota, 1000), VERDICT_ACCEPTED);
        assert_int_equal(quota_admit(quota, 25), VERDICT_STORE_FULL);
        assert_int_equal(quota_admit(quota, 24), VERDICT_ACCEPTED);
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
        assert_int_equal(quota_admit(quota, 1), VERDICT_DISK_LOW);
        struct config *generous = store_config("[staging]\nmin_free=0%\n");
        quota_reload(quota, generous);
        config_unref(generous);
        assert_int_equal(quota_admit(quota, 1), VERDICT_ACCEPTED);
        quota_free(quota);
}

static void a_closed_store_takes_none(void **state)
{
        (void)state;
        open_with("[staging]\nmin_free=0%\n");
        assert_false(quota_closed(quota));
        quota_close(quota);
        assert_true(quota_closed(quota));
        assert_int_equal(quota_admit(quota, 1), VERDICT_STOPPING);
        quota_free(quota);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(no_more_messages_than_allowed_are_admitted),
                TEST(what_the_ledger_holds_counts_until_it_is_forwarded),
                TEST(no_more_bytes_than_allowed_are_admitted),
                TEST(a_reserve_of_the_disk_is_never_used),
                TEST(a_closed_store_takes_none),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
