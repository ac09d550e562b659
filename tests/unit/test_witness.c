/* include/fsp/witness.h: what is remembered of a batch. */
#include "fsp/witness.h"
#include "store_fixture.h"

static int staging_fd = -1;

static void open_staging(void)
{
        assert_int_equal(fsutil_open_folder(store_path("staging"), &staging_fd), 0);
}

static struct message_name name_of(int64_t seq)
{
        return (struct message_name){ .time_ms = 1700000000000 + seq, .node = 3, .seq = seq };
}

static struct witness witness_now(void)
{
        struct witness witness;
        assert_int_equal(witness_read(staging_fd, &witness), 0);
        return witness;
}

static void assert_witness(int64_t batch, const int64_t *seqs, size_t count)
{
        struct witness witness = witness_now();
        assert_int_equal(witness.batch, batch);
        assert_int_equal(witness.count, count);
        for (size_t i = 0; i < count; i++) {
                struct message_name name = name_of(seqs[i]);
                assert_true(witness_has(&witness, &name));
                name.node++;
                assert_false(witness_has(&witness, &name));
        }
        free(witness.names);
}

static void names_of_several_batches_add_up_until_they_are_over(void **state)
{
        (void)state;
        struct message_name first[] = { name_of(7), name_of(9) }, second[] = { name_of(8) };
        open_staging();
        assert_witness(0, NULL, 0);
        assert_int_equal(witness_write(staging_fd, 4, first, 2, false), 0);
        assert_int_equal(witness_write(staging_fd, 5, second, 1, true), 0);
        assert_witness(5, (int64_t[]){ 7, 8, 9 }, 3);
        assert_int_equal(witness_write(staging_fd, 6, second, 1, false), 0);
        assert_witness(6, (int64_t[]){ 8 }, 1);
        witness_settle(staging_fd, 6);
        assert_witness(6, NULL, 0);
        fsutil_close_pointer(&staging_fd);
}

static void what_a_crash_left_of_a_batch_is_no_name(void **state)
{
        (void)state;
        struct message_name first = name_of(7);
        open_staging();
        assert_int_equal(witness_write(staging_fd, 4, &first, 1, false), 0);
        AUTO_CLOSE int fd = open(store_path("staging/.renaming"), O_WRONLY | O_APPEND);
        assert_int_equal(fsutil_write_all(fd, "batch 5\n20231114T2213", 21), 0);
        assert_witness(5, (int64_t[]){ 7 }, 1);
        fsutil_close_pointer(&staging_fd);
}

static void a_batch_that_is_renamed_needs_no_names(void **state)
{
        (void)state;
        open_staging();
        assert_int_equal(witness_count(staging_fd, 12), 0);
        assert_witness(12, NULL, 0);
        fsutil_close_pointer(&staging_fd);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(names_of_several_batches_add_up_until_they_are_over),
                TEST(what_a_crash_left_of_a_batch_is_no_name),
                TEST(a_batch_that_is_renamed_needs_no_names),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
