/* A start with a damaged ledger and a strange file in staging.  The input is a
 * row of (offset, value) that hit a sound ledger, then the bytes of the file. */
#include "fsp/fsutil.h"
#include "fsp/query.h"
#include "fsp/rebuild.h"
#include "fuzz.h"
#include <fcntl.h>
#include <ftw.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HIT 4 /* three bytes of offset, one of value */
#define STAGED "20240115T093012123Z-0001-00000001.SMX"

static char folder[64];
static unsigned char *sound;
static size_t sound_size;
static struct config *config;

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        (void)st;
        (void)type;
        return ftw->level > 0 ? remove(path) : 0;
}

static void clear(void)
{
        MUST(nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

static void end(void)
{
        clear();
        (void)rmdir(folder); /* in /dev/shm, it is no one's loss */
}

static void put(const char *name, const void *data, size_t size)
{
        char path[128];
        MUST(snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path));
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
        MUST(fd >= 0 && fsutil_write_all(fd, data, size) == 0 && close(fd) == 0);
}

static void show_fault(void *arg, const char *text)
{
        (void)arg;
        (void)fprintf(stderr, "%s\n", text); /* for people */
}

static void make_folders(void)
{
        char path[128];
        static const char *const names[] = { "staging", "staging/corrupt", "inbox" };
        for (size_t i = 0; i < 3; i++) {
                MUST(snprintf(path, sizeof(path), "%s/%s", folder, names[i]) < (int)sizeof(path));
                MUST(mkdir(path, 0750) == 0);
        }
}

static bool go_on(void *arg)
{
        (void)arg;
        return true;
}

static void start(void)
{
        char ini[512], path[96];
        int size, root;
        struct ledger *ledger;
        strcpy(folder, "/dev/shm/fsp-fuzz.XXXXXX");
        MUST(sodium_init() >= 0 && mkdtemp(folder) && atexit(end) == 0);
        size = snprintf(ini, sizeof(ini),
                        "[site]\ncode=P01\n[ledger]\nfile=%s/ledger.db\n[staging]\ndirectory=%s/staging\n"
                        "min_free=0%%\n[forwarder]\ninbox=%s/inbox\n[log]\ndirectory=%s\n",
                        folder, folder, folder, folder);
        MUST(size < (int)sizeof(ini));
        put("fspd.ini", ini, (size_t)size);
        MUST(snprintf(path, sizeof(path), "%s/fspd.ini", folder) < (int)sizeof(path));
        MUST(config_load(path, show_fault, NULL, &config) == 0);
        make_folders();
        static const char message[] = "<Report><ReportHeader><Identification><Machine/></Identification>"
                                      "</ReportHeader><ReportBody><StateMessage><Topic Type='1'/>"
                                      "<State ID='1'/></StateMessage></ReportBody></Report>";
        put("staging/" STAGED, message, sizeof(message) - 1);
        MUST(rebuild_open(config, go_on, NULL, &ledger) == 0);
        ledger_close(ledger);
        MUST(fsutil_open_folder(folder, &root) == 0);
        MUST(fsutil_read_at(root, "ledger.db", 1 << 22, &sound, &sound_size) == 0 && close(root) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct ledger *ledger;
        if (!config)
                start();
        clear();
        make_folders();
        unsigned char *hit = malloc(sound_size);
        MUST(hit);
        memcpy(hit, sound, sound_size);
        size_t hits = size ? data[0] % 32 : 0, at = 1;
        for (; hits > 0 && at + HIT <= size; hits--, at += HIT) {
                size_t offset = (size_t)data[at] << 16 | (size_t)data[at + 1] << 8 | data[at + 2];
                hit[offset % sound_size] = data[at + 3];
        }
        put("ledger.db", hit, sound_size);
        free(hit);
        if (at < size)
                put("staging/" STAGED, data + at, size - at);
        if (rebuild_open(config, go_on, NULL, &ledger) == 0)
                ledger_close(ledger);
        return 0;
}
