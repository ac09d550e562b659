/* store_fixture: a configuration, a ledger and folders of their own, for the
 * tests of what stands on them. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "fsp/clock.h"
#include "fsp/config.h"
#include "fsp/fsutil.h"
#include "fsp/ledger.h"
#include "fsp/query.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST(function) cmocka_unit_test_setup_teardown(function, store_setup, store_teardown)

struct store {
        char folder[64];
        struct config *config;
        struct ledger *ledger;
};

static struct store store;

static void print_fault(void *arg, const char *text)
{
        (void)arg;
        print_error("%s\n", text);
}

static char *store_path(const char *name)
{
        static char paths[4][160];
        static unsigned next;
        char *path = paths[next++ % 4];
        (void)snprintf(path, sizeof(paths[0]), "%s/%s", store.folder, name);
        return path;
}

/* extra: more lines, each under a section of its own. */
static struct config *store_config(const char *extra)
{
        const char *path = store_path("fspd.ini");
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        (void)fprintf(out,
                      "[site]\ncode=P01\n[ledger]\nfile=%s/ledger.db\n[staging]\ndirectory=%s/staging\n"
                      "[log]\ndirectory=%s\n[admin]\nsocket=%s/control.sock\nport=off\n[forwarder]\ninbox=%s/"
                      "inbox\n%s",
                      store.folder, store.folder, store.folder, store.folder, store.folder, extra);
        assert_int_equal(fclose(out), 0);
        struct config *config = NULL;
        assert_int_equal(config_load(path, print_fault, NULL, &config), 0);
        return config;
}

static int store_setup(void **state)
{
        (void)state;
        strcpy(store.folder, "/tmp/fsp-unit.XXXXXX");
        if (sodium_init() < 0 || !mkdtemp(store.folder))
                return -1;
        store.config = store_config("[staging]\nmin_free=0%\n");
        store.ledger = NULL;
        return mkdir(store_path("inbox"), 0750) || mkdir(store_path("staging"), 0750) ||
               mkdir(store_path("staging/corrupt"), 0750);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st;
        (void)type;
        (void)ftw;
        return remove(path);
}

static int store_teardown(void **state)
{
        (void)state;
        ledger_close(store.ledger);
        config_unref(store.config);
        return nftw(store.folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void store_open(void)
{
        assert_int_equal(ledger_open(store.config, NULL, &store.ledger), 0);
}

static inline void store_close(void)
{
        ledger_close(store.ledger);
        store.ledger = NULL;
}

static inline void store_reopen(void)
{
        store_close();
        store_open();
}

/* A message on its way in, waited for. */
struct delivery_wait {
        struct ledger_intake intake;
        pthread_mutex_t lock;
        pthread_cond_t over;
        bool done;
};

static inline void note_done(struct ledger_intake *intake)
{
        struct delivery_wait *wait = (struct delivery_wait *)intake;
        pthread_mutex_lock(&wait->lock);
        wait->done = true;
        pthread_cond_signal(&wait->over);
        pthread_mutex_unlock(&wait->lock);
}

static inline enum verdict store_receive_report(const struct report *report, struct message_name *ret_name)
{
        struct delivery_wait wait = {
                .intake = { .report = report, .client_address = "192.0.2.7", .done = note_done },
                .lock = PTHREAD_MUTEX_INITIALIZER,
                .over = PTHREAD_COND_INITIALIZER
        };
        assert_int_equal(ledger_intake_prepare(&wait.intake), 0);
        ledger_submit(store.ledger, &wait.intake);
        pthread_mutex_lock(&wait.lock);
        while (!wait.done)
                pthread_cond_wait(&wait.over, &wait.lock);
        pthread_mutex_unlock(&wait.lock);
        ledger_intake_free(&wait.intake);
        if (ret_name)
                *ret_name = wait.intake.name;
        return wait.intake.verdict;
}

static inline enum verdict store_receive_from(const char *text, const char *client_id,
                                              struct message_name *ret_name)
{
        struct state_message one = { .topic_type = 800,
                                     .state_id = 301,
                                     .topic_id = "{0D94311F-CB7B-4E73-94B1-75878081111C}",
                                     .message_time_ms = 1700000000000,
                                     .params = { "0x80072ee7", "a \"b\"" },
                                     .param_count = 2 };
        struct report report = { .client_id = client_id,
                                 .netbios_name = "PC0001",
                                 .client_version = "5.00.9096.1000",
                                 .states = &one,
                                 .state_count = 1,
                                 .bytes = (const unsigned char *)text,
                                 .size = strlen(text) };
        return store_receive_report(&report, ret_name);
}

static inline enum verdict store_receive(const char *text, struct message_name *ret_name)
{
        return store_receive_from(text, "GUID:1", ret_name);
}

static inline size_t store_pending(enum delivery delivery, struct query_pending *rows, size_t room)
{
        struct query *query = NULL;
        size_t count = 0;
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        assert_int_equal(query_pending(query, delivery, 0, room, rows, &count), 0);
        query_close(query);
        return count;
}

static inline void store_write(const char *name, const void *data, size_t size)
{
        int fd = open(store_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0640);
        assert_true(fd >= 0);
        assert_int_equal(fsutil_write_all(fd, data, size), 0);
        assert_int_equal(close(fd), 0);
}

static inline void assert_file(const char *name, const char *expected)
{
        unsigned char *data = NULL;
        size_t size;
        int r = fsutil_read_at(AT_FDCWD, store_path(name), 1 << 20, &data, &size);
        if (r < 0)
                fail_msg("%s: %s", name, strerror(-r));
        assert_string_equal((char *)data, expected);
        free(data);
}

static inline bool file_exists(const char *name)
{
        return access(store_path(name), F_OK) == 0;
}

static inline unsigned count_files(const char *folder, const char *suffix)
{
        unsigned count = 0;
        DIR *dir = opendir(store_path(folder));
        assert_non_null(dir);
        for (struct dirent *entry; (entry = readdir(dir));) {
                size_t length = strlen(entry->d_name), tail = strlen(suffix);
                count += length > tail && strcmp(entry->d_name + length - tail, suffix) == 0;
        }
        closedir(dir);
        return count;
}

/* A file name in a folder: "staging/<id>.SMX". */
static inline const char *in_folder(const char *folder, const struct message_name *name, const char *suffix)
{
        static char texts[2][NAME_SIZE + 32];
        static unsigned next;
        char file[NAME_SIZE], *text = texts[next++ % 2];
        (void)snprintf(text, sizeof(texts[0]), "%s/%s", folder, name_format_file(name, suffix, file));
        return text;
}

#endif
