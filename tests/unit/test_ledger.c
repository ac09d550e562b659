/* include/fsp/ledger.h: rows, states, names, faults. */
#include "store_fixture.h"

#include "ledger/ledger_private.h"

static struct ledger_totals totals(void)
{
        return ledger_totals(store.ledger);
}

static void a_received_message_survives_a_restart(void **state)
{
        (void)state;
        struct query_pending row;
        struct message_name name;
        store_open();
        assert_int_equal(store_receive("hello", &name), VERDICT_ACCEPTED);
        store_reopen();
        assert_int_equal(totals().received, 1);
        assert_int_equal(totals().bytes, 5);
        assert_int_equal(totals().received_room, 4096); /* a file of one block */
        assert_int_equal(store_pending(DELIVERY_RECEIVED, &row, 1), 1);
        assert_int_equal(row.name.seq, name.seq);
        assert_int_equal(row.name.time_ms, name.time_ms);
        assert_int_equal(row.size, 5);
}

static void the_same_bytes_are_a_duplicate_also_after_a_restart(void **state)
{
        (void)state;
        struct message_name first, again;
        store_open();
        assert_int_equal(store_receive("hello", &first), VERDICT_ACCEPTED);
        assert_int_equal(store_receive("hello", &again), VERDICT_DUPLICATE);
        assert_int_equal(again.seq, first.seq);
        store_reopen();
        assert_int_equal(store_receive("hello", NULL), VERDICT_DUPLICATE);
        assert_int_equal(store_receive("hello ", NULL), VERDICT_ACCEPTED);
        assert_int_equal(totals().received, 2);
}

static void no_deduplication_when_it_is_off(void **state)
{
        (void)state;
        config_unref(store.config);
        store.config = store_config("[policy]\ndeduplicate=0\n");
        store_open();
        assert_int_equal(store_receive("hello", NULL), VERDICT_ACCEPTED);
        assert_int_equal(store_receive("hello", NULL), VERDICT_ACCEPTED);
}

static void a_message_goes_from_state_to_state_and_only_forwards(void **state)
{
        (void)state;
        struct message_name name;
        int64_t inbox, shipment = 0;
        store_open();
        assert_int_equal(store_receive("hello", &name), VERDICT_ACCEPTED);
        assert_int_equal(delivery_inbox(store.ledger, "folder A", "/a", &inbox), 0);
        /* not its turn yet: left alone */
        assert_int_equal(delivery_mark_forwarded(store.ledger, &name.seq, 1, 0), 0);
        assert_int_equal(totals().received, 1);
        assert_int_equal(totals().received_room, 4096);
        assert_int_equal(delivery_mark_staged(store.ledger, &name.seq, 1), 0);
        assert_int_equal(totals().staged, 1);
        assert_int_equal(totals().received_room, 0);
        assert_int_equal(delivery_mark_copied(store.ledger, &name.seq, 1, inbox, &shipment), 0);
        assert_true(shipment > 0);
        assert_int_equal(totals().copied, 1);
        assert_int_equal(delivery_mark_staged(store.ledger, &name.seq, 1), 0);
        assert_int_equal(totals().copied, 1);
        assert_int_equal(delivery_mark_forwarded(store.ledger, &name.seq, 1, shipment), 0);
        assert_int_equal(totals().copied + totals().staged + totals().received, 0);
        assert_int_equal(totals().bytes, 0);
        store_reopen();
        assert_int_equal(totals().bytes, 0);
}

#define MANY_ROWS 2500

static void add_shipment(void *arg, int64_t at_ms, uint64_t files)
{
        uint64_t *sums = arg;
        (void)at_ms;
        sums[0]++;
        sums[1] += files;
}

static void many_are_marked_in_steps_and_charged_at_once(void **state)
{
        (void)state;
        static struct delivery_import imports[MANY_ROWS];
        static int64_t seqs[MANY_ROWS];
        int64_t shipment = 0;
        store_open();
        for (int i = 0; i < MANY_ROWS; i++) {
                seqs[i] = i + 1;
                imports[i] = (struct delivery_import){
                        .name = { .time_ms = clock_wall_ms(), .node = 5, .seq = seqs[i] },
                        .report = { .bytes = (const unsigned char *)&seqs[i], .size = sizeof(seqs[i]) }
                };
        }
        assert_int_equal(delivery_import(store.ledger, imports, MANY_ROWS), 0);
        uint64_t commits = ledger_commits(store.ledger), shipped[2] = { 0 };
        assert_int_equal(delivery_mark_copied(store.ledger, seqs, MANY_ROWS, 1, &shipment), 0);
        assert_true(ledger_commits(store.ledger) >= commits + 3);
        assert_int_equal(shipment, 3); /* a lost commit shows */
        assert_int_equal(totals().copied, MANY_ROWS);
        struct query *query = NULL;
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        assert_int_equal(query_shipments(query, 0, add_shipment, shipped), 0);
        query_close(query);
        assert_int_equal(shipped[0], 1);
        assert_int_equal(shipped[1], MANY_ROWS);
        struct delivery_marking *marking = NULL;
        assert_int_equal(delivery_begin_forwarded(store.ledger, seqs, MANY_ROWS, shipment, &marking), 0);
        assert_int_equal(delivery_await(&marking), 0);
        assert_int_equal(totals().copied, 0);
        assert_int_equal(totals().bytes, 0);
}

static void a_quarantined_message_can_be_requeued(void **state)
{
        (void)state;
        struct message_name name;
        store_open();
        assert_int_equal(store_receive("hello", &name), VERDICT_ACCEPTED);
        assert_int_equal(delivery_requeue(store.ledger, name.seq), -EALREADY);
        assert_int_equal(delivery_requeue(store.ledger, name.seq + 1), -ENOENT);
        assert_int_equal(delivery_mark_staged(store.ledger, &name.seq, 1), 0);
        assert_int_equal(delivery_mark_quarantined(store.ledger, name.seq, "for a test"), 0);
        assert_int_equal(totals().quarantined, 1);
        assert_int_equal(totals().staged, 0);
        assert_int_equal(totals().bytes, 5);
        assert_int_equal(delivery_requeue(store.ledger, name.seq), 0);
        assert_int_equal(totals().received, 1);
        assert_int_equal(totals().quarantined, 0);
        assert_int_equal(totals().bytes, 5);
}

static void a_forwarded_body_is_dropped_when_nothing_is_archived(void **state)
{
        (void)state;
        struct message_name name;
        int64_t shipment;
        config_unref(store.config);
        store.config = store_config("[ledger]\narchive_size=0\n");
        store_open();
        assert_int_equal(store_receive("hello", &name), VERDICT_ACCEPTED);
        assert_int_equal(delivery_mark_staged(store.ledger, &name.seq, 1), 0);
        assert_int_equal(delivery_mark_copied(store.ledger, &name.seq, 1, 1, &shipment), 0);
        assert_int_equal(delivery_mark_forwarded(store.ledger, &name.seq, 1, shipment), 0);
        assert_int_equal(delivery_requeue(store.ledger, name.seq), -ENODATA);
}

static void names_never_go_backwards_and_seq_never_repeats(void **state)
{
        (void)state;
        struct delivery_import import = {
                .name = { .time_ms = clock_wall_ms() + 86400000, .node = 5, .seq = 41 },
                .report = { .bytes = (const unsigned char *)"x", .size = 1 }
        };
        struct message_name name;
        store_open();
        /* as if the wall clock had gone back a day since */
        assert_int_equal(delivery_import(store.ledger, &import, 1), 0);
        assert_int_equal(store_receive("a", &name), VERDICT_ACCEPTED);
        assert_true(name.time_ms >= import.name.time_ms);
        assert_int_equal(name.seq, 42);
        store_reopen();
        assert_int_equal(store_receive("b", &name), VERDICT_ACCEPTED);
        assert_true(name.time_ms >= import.name.time_ms);
        assert_int_equal(name.seq, 43);
}

static void two_files_with_one_sequence_are_both_taken_up(void **state)
{
        (void)state;
        const struct report report = { .bytes = (const unsigned char *)"x", .size = 1 };
        const struct delivery_import both[] = {
                { .name = { .time_ms = 1000, .node = 1, .seq = 9 }, .report = report },
                { .name = { .time_ms = 2000, .node = 2, .seq = 9 }, .report = report },
        };
        struct query_pending rows[2];
        store_open();
        assert_int_equal(delivery_import(store.ledger, both, 2), 0);
        assert_int_equal(store_pending(DELIVERY_STAGED, rows, 2), 2);
        char text[NAME_SIZE];
        assert_string_equal(name_format_id(&rows[1].name, text), "19700101T000002000Z-0002-00000009");
}

static void one_inbox_has_one_number(void **state)
{
        (void)state;
        int64_t a, b, again;
        store_open();
        assert_int_equal(delivery_inbox(store.ledger, "folder A", "/a", &a), 0);
        assert_int_equal(delivery_inbox(store.ledger, "folder B", "/a", &b), 1);
        assert_int_equal(delivery_inbox(store.ledger, "folder A", "/a", &again), 0);
        assert_int_equal(a, again);
        assert_true(a != b);
}

static void the_oldest_is_that_which_is_still_on_its_way(void **state)
{
        (void)state;
        struct message_name first, second;
        store_open();
        assert_true(ledger_oldest_ms(store.ledger) == CLOCK_UNKNOWN);
        assert_int_equal(store_receive("a", &first), VERDICT_ACCEPTED);
        assert_int_equal(store_receive("b", &second), VERDICT_ACCEPTED);
        assert_int_equal(delivery_mark_staged(store.ledger, &second.seq, 1), 0);
        assert_true(ledger_oldest_ms(store.ledger) <= second.time_ms);
        assert_int_equal(delivery_mark_quarantined(store.ledger, first.seq, "for a test"), 0);
        assert_int_equal(ledger_oldest_ms(store.ledger), second.time_ms);
}

static void a_second_fspd_on_the_same_ledger_is_refused(void **state)
{
        (void)state;
        struct ledger *second = NULL;
        store_open();
        assert_int_equal(ledger_open(store.config, NULL, &second), -EWOULDBLOCK);
}

static void what_is_no_ledger_is_not_touched(void **state)
{
        (void)state;
        static const char text[] =
                "this is somebody's letter, which must not be overwritten by any program whatever";
        store_write("ledger.db", text, sizeof(text) - 1);
        assert_int_equal(ledger_open(store.config, NULL, &store.ledger), -EUCLEAN);
        assert_file("ledger.db", text);
}

static void what_is_forwarded_and_old_is_removed_but_never_the_newest(void **state)
{
        (void)state;
        struct message_name name[3];
        int64_t shipment, until;
        config_unref(store.config);
        store.config = store_config("[ledger]\nretention=1s\n[policy]\ndeduplicate=0\n");
        store_open();
        for (int i = 0; i < 3; i++) {
                char text[2] = { (char)('a' + i), '\0' };
                assert_int_equal(store_receive(text, &name[i]), VERDICT_ACCEPTED);
                assert_int_equal(delivery_mark_staged(store.ledger, &name[i].seq, 1), 0);
        }
        /* the second one is not forwarded: it stays however old it is */
        assert_int_equal(delivery_mark_copied(store.ledger, &name[0].seq, 1, 1, &shipment), 0);
        assert_int_equal(delivery_mark_copied(store.ledger, &name[2].seq, 1, 1, &shipment), 0);
        assert_int_equal(delivery_mark_forwarded(store.ledger, &name[0].seq, 1, 0), 0);
        assert_int_equal(delivery_mark_forwarded(store.ledger, &name[2].seq, 1, 0), 0);
        struct query *query = NULL;
        enum delivery delivery;
        int64_t seq;
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        until = clock_monotonic_ms() + 15000;
        while (query_find(query, &name[0], &seq, &delivery) == 0) {
                assert_true(clock_monotonic_ms() < until);
                (void)usleep(10000);
        }
        assert_int_equal(query_find(query, &name[1], &seq, &delivery), 0);
        assert_int_equal(query_find(query, &name[2], &seq, &delivery), 0);
        query_close(query);
}

/* Such as an administrator's, or that of a tool which looks at the ledger. */
static void statistics_are_no_damage(void **state)
{
        (void)state;
        sqlite3 *db = NULL;
        store_open();
        assert_int_equal(store_receive("a", NULL), VERDICT_ACCEPTED);
        store_close();
        assert_int_equal(sqlite3_open(store.config->ledger.file, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "ANALYZE", NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        store_open();
        assert_int_equal(store_receive("a", NULL), VERDICT_DUPLICATE);
}

static void memory_is_not_counted(void **state)
{
        (void)state;
        store_open();
        assert_int_equal(store_receive("a", NULL), VERDICT_ACCEPTED);
        assert_int_equal(sqlite3_memory_used(), 0);
}

static enum verdict receive_utf16(void)
{
        struct report report = { .bytes = (const unsigned char *)"a\0b\0", .size = 4 };
        return store_receive_report(&report, NULL);
}

static void a_duplicate_is_told_across_the_change_of_digests(void **state)
{
        (void)state;
        unsigned char digest[LEDGER_DIGEST_SIZE];
        char hex[2 * sizeof(digest) + 1], sql[256];
        sqlite3 *db = NULL;
        store_open();
        assert_int_equal(receive_utf16(), VERDICT_ACCEPTED);
        store_close();
        ledger_former_digest("a\0b\0", 4, digest);
        (void)snprintf(
                sql, sizeof(sql),
                "UPDATE message SET digest = x'%s', seal = seal(seq, name_ms, node, delivery, size, inbox,"
                " x'%s'); PRAGMA user_version = 4;",
                sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest)), hex);
        assert_int_equal(ledger_connect(store.config->ledger.file, true, &db), 0);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        store_open();
        assert_int_equal(receive_utf16(), VERDICT_DUPLICATE);
        store_reopen();
        assert_int_equal(receive_utf16(), VERDICT_DUPLICATE);
}

static void the_writer_has_its_own_kind_of_wal(void **state)
{
        (void)state;
        sqlite3 *db = NULL;
        const sqlite3_vfs *vfs = NULL;
        assert_int_equal(ledger_connect(store.config->ledger.file, true, &db), 0);
        assert_int_equal(sqlite3_file_control(db, "main", SQLITE_FCNTL_VFS_POINTER, &vfs), SQLITE_OK);
        assert_string_equal(vfs->zName, "fspd");
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

#define OLD_ROWS 1500
#define STEP_ROWS 200 /* of retention.c, one each STEP_MS at most */
#define STEP_MS 50

/* Bodies that no packing makes smaller; staged. */
static void stage_many(int64_t seqs[OLD_ROWS])
{
        char text[12001];
        for (unsigned i = 0; i < OLD_ROWS; i++) {
                struct message_name name;
                randombytes_buf(text, sizeof(text));
                for (size_t c = 0; c < sizeof(text) - 1; c++)
                        text[c] = (char)(33 + (unsigned char)text[c] % 94);
                text[sizeof(text) - 1] = '\0';
                assert_int_equal(store_receive(text, &name), VERDICT_ACCEPTED);
                seqs[i] = name.seq;
        }
        assert_int_equal(delivery_mark_staged(store.ledger, seqs, OLD_ROWS), 0);
}

static void forward_many(void)
{
        static int64_t seqs[OLD_ROWS];
        int64_t shipment;
        stage_many(seqs);
        assert_int_equal(delivery_mark_copied(store.ledger, seqs, OLD_ROWS, 1, &shipment), 0);
        assert_int_equal(delivery_mark_forwarded(store.ledger, seqs, OLD_ROWS, shipment), 0);
}

static int count_message(void *arg, const struct query_message *message)
{
        (void)message;
        (*(int64_t *)arg)++;
        return 0;
}

static int64_t count_rows(struct query *query)
{
        const struct query_filter all = QUERY_FILTER();
        int64_t count = 0;
        assert_int_equal(query_messages(query, &all, count_message, &count), 0);
        return count;
}

static int64_t number_of(sqlite3 *db, const char *sql)
{
        int64_t number;
        assert_int_equal(ledger_read_number(db, sql, &number), 0);
        return number;
}

static void wait_at_most(int64_t most, const char *sql)
{
        int64_t until_ms = clock_monotonic_ms() + 30000;
        sqlite3 *db = NULL;
        assert_int_equal(sqlite3_open(store.config->ledger.file, &db), SQLITE_OK);
        while (number_of(db, sql) > most) {
                assert_true(clock_monotonic_ms() < until_ms);
                (void)usleep(20000);
        }
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void what_is_old_goes_in_small_steps_and_the_file_shrinks(void **state)
{
        (void)state;
        struct stat before, after;
        struct query *query = NULL;
        int64_t left = OLD_ROWS;
        store_open();
        forward_many();
        store_close();
        assert_int_equal(stat(store.config->ledger.file, &before), 0);
        config_unref(store.config);
        store.config =
                store_config("[ledger]\nretention=1s\n[policy]\ndeduplicate=0\n[staging]\nmin_free=0%\n");
        store_open();
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        int64_t began_ms = clock_monotonic_ms(), until_ms = began_ms + 30000;
        while (left > 1) {
                left = count_rows(query);
                int64_t now_ms = clock_monotonic_ms();
                assert_true(OLD_ROWS - left <= STEP_ROWS * ((now_ms - began_ms) / STEP_MS + 2));
                assert_true(now_ms < until_ms);
                (void)usleep(2000);
        }
        query_close(query);
        wait_at_most(0, "PRAGMA freelist_count");
        store_close();
        assert_int_equal(stat(store.config->ledger.file, &after), 0);
        assert_true(after.st_size * 4 < before.st_size);
}

#define AHEAD_ROWS 2500  /* more than retention.c looks at in two steps */
#define BEHIND_ROWS 3000 /* and more than rollup.c leaves for later */

/* Forwarded rows as the first one: some from a time that has not come, others after them. */
static void forward_with_a_clock_ahead(void)
{
        char sql[512];
        sqlite3 *db = NULL;
        (void)snprintf(sql, sizeof(sql),
                       "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                       "INSERT INTO message(seq, name_ms, node, received_ms, delivery, digest, size,"
                       " client_address, client_id, forwarded_ms, seal)"
                       "SELECT i, name_ms, node, received_ms + (i <= %d) * 86400000, 3, digest, size,"
                       " client_address, client_id, received_ms, 0 FROM n, message WHERE seq = 1",
                       AHEAD_ROWS + BEHIND_ROWS, AHEAD_ROWS);
        assert_int_equal(sqlite3_open(store.config->ledger.file, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Those stay that came "tomorrow", the first one, which is not forwarded, and the newest. */
static void what_is_old_goes_also_behind_rows_of_a_clock_that_was_ahead(void **state)
{
        (void)state;
        struct query *query = NULL;
        int64_t until_ms = clock_monotonic_ms() + 30000, left = BEHIND_ROWS;
        store_open();
        assert_int_equal(store_receive("hello", NULL), VERDICT_ACCEPTED);
        store_close();
        forward_with_a_clock_ahead();
        config_unref(store.config);
        store.config =
                store_config("[ledger]\nretention=1s\n[policy]\ndeduplicate=0\n[staging]\nmin_free=0%\n");
        store_open();
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        while (left > 1) {
                assert_true(clock_monotonic_ms() < until_ms);
                (void)usleep(10000);
                left = count_rows(query) - AHEAD_ROWS;
        }
        assert_int_equal(left, 1);
        query_close(query);
}

static int run_broken(struct ledger *ledger, struct ledger_job *job)
{
        (void)ledger;
        (void)job;
        return -EIO;
}

#define WAL_PAGES_AT_MOST 500 /* a checkpoint's, and those of a commit that folds */
#define WAL_PAGES_OF_CHORES 4500
#define WAL_COMMITS 400 /* of several pages each */

/* The WAL is never cut, so its size tells how long it became at most. */
static off_t wal_pages(void)
{
        char path[PATH_MAX];
        struct stat status;
        assert_true(snprintf(path, sizeof(path), "%s-wal", store.config->ledger.file) < (int)sizeof(path));
        assert_int_equal(stat(path, &status), 0);
        return status.st_size / 8192;
}

/* The bodies of those that are still staged are moved into the places of those that go. */
static void an_archive_that_is_too_large_loses_its_oldest_bodies_and_the_wal_stays_short(void **state)
{
        (void)state;
        static int64_t staged[OLD_ROWS];
        store_open();
        forward_many();
        stage_many(staged);
        store_close(); /* the WAL goes, and no file was made lately */
        config_unref(store.config);
        store.config = store_config("[ledger]\narchive_size=1M\n[staging]\nmin_free=0%\n");
        store_open();
        wait_at_most(0, "SELECT count(*) FROM body JOIN message USING(seq) WHERE delivery = 3");
        wait_at_most(0, "PRAGMA freelist_count");
        wait_at_most(-OLD_ROWS, "SELECT -count(*) FROM body");
        assert_true(wal_pages() <= WAL_PAGES_OF_CHORES);
}

static void who_waits_for_a_checkpoint_waits_for_a_short_one(void **state)
{
        (void)state;
        store_open();
        for (int i = 0; i < WAL_COMMITS; i++) {
                char text[16];
                (void)snprintf(text, sizeof(text), "%d", i);
                assert_int_equal(store_receive(text, NULL), VERDICT_ACCEPTED);
        }
        assert_true(wal_pages() > 200);
        assert_true(wal_pages() <= WAL_PAGES_AT_MOST);
}

static void beside_files_on_a_roomy_disk_checkpoints_are_rare(void **state)
{
        (void)state;
        struct message_name name;
        struct fsutil_space space;
        int fd = open(store.folder, O_RDONLY | O_DIRECTORY);
        assert_int_equal(fsutil_space(fd, &space), 0);
        assert_int_equal(close(fd), 0);
        if (space.bytes_free < UINT64_C(2) << 30)
                skip(); /* there they are not */
        config_unref(store.config);
        store.config = store_config("[staging]\nmin_free=0%\n");
        store_open();
        for (int i = 0; i < WAL_COMMITS; i++) {
                char text[16];
                (void)snprintf(text, sizeof(text), "%d", i);
                assert_int_equal(store_receive(text, &name), VERDICT_ACCEPTED);
                assert_int_equal(delivery_mark_staged(store.ledger, &name.seq, 1), 0);
        }
        assert_true(wal_pages() > 2 * WAL_PAGES_AT_MOST);
}

/* Bounded: the writer tries again after a second. */
static void wait_online(bool online)
{
        int64_t until = clock_monotonic_ms() + 15000;
        while (totals().online != online) {
                assert_true(clock_monotonic_ms() < until);
                (void)usleep(1000);
        }
}

static void after_a_fault_everything_is_refused_until_the_ledger_is_reopened(void **state)
{
        (void)state;
        struct ledger_job job = { .run = run_broken };
        struct query_pending row;
        store_open();
        assert_int_equal(store_receive("a", NULL), VERDICT_ACCEPTED);
        assert_int_equal(ledger_call(store.ledger, &job), -EIO);
        wait_online(false);
        assert_int_equal(store_receive("b", NULL), VERDICT_STORE_FAULT);
        wait_online(true);
        assert_int_equal(store_receive("b", NULL), VERDICT_ACCEPTED);
        assert_int_equal(totals().received, 2);
        assert_int_equal(store_pending(DELIVERY_RECEIVED, &row, 1), 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_received_message_survives_a_restart),
                TEST(the_same_bytes_are_a_duplicate_also_after_a_restart),
                TEST(no_deduplication_when_it_is_off),
                TEST(a_message_goes_from_state_to_state_and_only_forwards),
                TEST(many_are_marked_in_steps_and_charged_at_once),
                TEST(a_quarantined_message_can_be_requeued),
                TEST(a_forwarded_body_is_dropped_when_nothing_is_archived),
                TEST(names_never_go_backwards_and_seq_never_repeats),
                TEST(two_files_with_one_sequence_are_both_taken_up),
                TEST(one_inbox_has_one_number),
                TEST(the_oldest_is_that_which_is_still_on_its_way),
                TEST(a_second_fspd_on_the_same_ledger_is_refused),
                TEST(what_is_no_ledger_is_not_touched),
                TEST(what_is_forwarded_and_old_is_removed_but_never_the_newest),
                TEST(statistics_are_no_damage),
                TEST(memory_is_not_counted),
                TEST(a_duplicate_is_told_across_the_change_of_digests),
                TEST(the_writer_has_its_own_kind_of_wal),
                TEST(what_is_old_goes_in_small_steps_and_the_file_shrinks),
                TEST(an_archive_that_is_too_large_loses_its_oldest_bodies_and_the_wal_stays_short),
                TEST(what_is_old_goes_also_behind_rows_of_a_clock_that_was_ahead),
                TEST(who_waits_for_a_checkpoint_waits_for_a_short_one),
                TEST(beside_files_on_a_roomy_disk_checkpoints_are_rare),
                TEST(after_a_fault_everything_is_refused_until_the_ledger_is_reopened),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
