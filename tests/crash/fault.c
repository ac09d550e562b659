/* A preload that makes the N-th call of a program go wrong: it counts the calls
 * that touch the folders of fspd, and at one of them kills the process or
 * reports an error.  The file named by FSP_FAULT_MAP is shared with the driver
 * (fault.py), which sets what is to happen, at any time, and reads what did. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The order of these three enums is fault.py's as well. */
enum call {
        CALL_OPEN,
        CALL_WRITE,
        CALL_SYNC,
        CALL_RENAME,
        CALL_UNLINK,
        CALL_TRUNCATE,
        CALL_CLOSE, /* of a file opened to write */
        CALL_SEND,
        CALL_READ,
        CALL_MALLOC /* counted by itself */
};
enum place { PLACE_ELSEWHERE, PLACE_STAGING, PLACE_INBOX, PLACE_LEDGER, PLACE_LOG, PLACE_NET, PLACE_COUNT };
enum mode { MODE_COUNT, MODE_KILL_BEFORE, MODE_KILL_AFTER, MODE_KILL_WITHIN, MODE_FAIL };

#define TRACE_ROOM 16384
#define NAME_SIZE 48
#define FD_MAX 4096

struct entry {
        uint8_t call, place;
        char thread[14];
        char name[NAME_SIZE];
};

struct control {
        _Atomic uint32_t mode;
        uint32_t error, ever, calls, places; /* calls, places: masks of those that count */
        uint32_t linger_us;                  /* before a kill, while the other threads go on */
        uint64_t at, malloc_at;              /* 1 …; 0: none */
        _Atomic uint64_t count, malloc_count;
        _Atomic uint32_t hits, dead, written_again, traced;
        char root[256];  /* of the folders staging, inbox, ledger, log */
        char thread[16]; /* only its calls count; empty: all do */
        struct entry hit, trace[TRACE_ROOM];
};

enum fate { FATE_GO, FATE_FAIL, FATE_DIE_AFTER, FATE_DIE_WITHIN };

static struct control *control;
static int (*real_closedir)(DIR *);
static struct file {
        uint8_t place;
        bool writable, sync_failed;
        char name[NAME_SIZE];
} files[FD_MAX];

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

__attribute__((constructor)) static void attach(void)
{
        const char *path = getenv("FSP_FAULT_MAP");
        int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
        void *map = fd < 0 ? MAP_FAILED
                           : mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (fd >= 0)
                (void)syscall(SYS_close, fd);
        real_closedir = (int (*)(DIR *))dlsym(RTLD_NEXT, "closedir");
        if (map != MAP_FAILED)
                control = map;
}

static void die(void)
{
        atomic_store(&control->dead, 1);
        (void)syscall(SYS_kill, getpid(), SIGKILL);
        for (;;)
                (void)pause();
}

/* The end of a path is what tells files apart. */
static void keep_name(char *to, const char *path)
{
        size_t size = strlen(path);
        (void)strncpy(to, size < NAME_SIZE ? path : path + size - NAME_SIZE + 1, NAME_SIZE - 1);
}

static enum place place_of_path(int folder, const char *path)
{
        static const char *const names[] = { [PLACE_STAGING] = "/staging",
                                             [PLACE_INBOX] = "/inbox",
                                             [PLACE_LEDGER] = "/ledger",
                                             [PLACE_LOG] = "/log" };
        if (path[0] != '/')
                return folder >= 0 && folder < FD_MAX ? (enum place)files[folder].place : PLACE_ELSEWHERE;
        size_t root = strlen(control->root);
        if (strncmp(path, control->root, root) != 0)
                return PLACE_ELSEWHERE;
        for (int i = PLACE_STAGING; i <= PLACE_LOG; i++) {
                size_t size = strlen(names[i]);
                if (strncmp(path + root, names[i], size) == 0 &&
                    (!path[root + size] || path[root + size] == '/'))
                        return (enum place)i;
        }
        return PLACE_ELSEWHERE;
}

static void describe(struct entry *entry, enum call call, enum place place, const char *name)
{
        char thread[16] = "";
        (void)prctl(PR_GET_NAME, thread);
        entry->call = (uint8_t)call;
        entry->place = (uint8_t)place;
        memcpy(entry->thread, thread, sizeof(entry->thread) - 1);
        keep_name(entry->name, name);
}

static enum fate strike(enum call call, enum place place, const char *name)
{
        enum mode mode = (enum mode)atomic_load(&control->mode);
        if (mode == MODE_COUNT)
                return FATE_GO;
        if (atomic_fetch_add(&control->hits, 1) == 0)
                describe(&control->hit, call, place, name);
        if (mode == MODE_FAIL) {
                errno = (int)control->error;
                return FATE_FAIL;
        }
        if (mode == MODE_KILL_BEFORE) {
                struct timespec linger = { .tv_nsec = (long)control->linger_us * 1000 };
                (void)nanosleep(&linger, NULL);
                die();
        }
        return mode == MODE_KILL_WITHIN ? FATE_DIE_WITHIN : FATE_DIE_AFTER;
}

static bool is_heard(void)
{
        char name[16] = "";
        if (!control->thread[0])
                return true;
        (void)prctl(PR_GET_NAME, name);
        return strcmp(name, control->thread) == 0;
}

static enum fate judge(enum call call, enum place place, const char *name)
{
        if (!control || place == PLACE_ELSEWHERE)
                return FATE_GO;
        if (atomic_load(&control->dead))
                die();
        if (!(control->calls >> call & 1) || !(control->places >> place & 1) || !is_heard())
                return FATE_GO;
        uint64_t number = atomic_fetch_add(&control->count, 1) + 1;
        if (number <= TRACE_ROOM) {
                describe(&control->trace[number - 1], call, place, name);
                atomic_store(&control->traced, (uint32_t)number);
        }
        bool mine = control->at && (number == control->at || (control->ever && number > control->at));
        return mine ? strike(call, place, name) : FATE_GO;
}

static enum fate judge_fd(enum call call, int fd)
{
        if (fd < 0 || fd >= FD_MAX)
                return FATE_GO;
        return judge(call, (enum place)files[fd].place, files[fd].name);
}

static long end(enum fate fate, long result)
{
        if (fate == FATE_DIE_AFTER || fate == FATE_DIE_WITHIN)
                die();
        return result;
}

/* --- files ----------------------------------------------------------- */

static int do_open(int folder, const char *path, int flags, mode_t mode)
{
        enum place place = control ? place_of_path(folder, path) : PLACE_ELSEWHERE;
        enum fate fate = judge(CALL_OPEN, place, path);
        if (fate == FATE_FAIL)
                return -1;
        int fd = (int)syscall(SYS_openat, folder, path, flags, mode);
        if (fd >= 0 && fd < FD_MAX) {
                files[fd] =
                        (struct file){ .place = (uint8_t)place, .writable = (flags & O_ACCMODE) != O_RDONLY };
                keep_name(files[fd].name, path);
        }
        return (int)end(fate, fd);
}

#define MODE_ARGUMENT(flags)                                                                                 \
        va_list list;                                                                                        \
        va_start(list, flags);                                                                               \
        mode_t mode = va_arg(list, mode_t);                                                                  \
        va_end(list)

#define OPEN_LIKE(name)                                                                                      \
        int name(const char *path, int flags, ...)                                                           \
        {                                                                                                    \
                MODE_ARGUMENT(flags);                                                                        \
                return do_open(AT_FDCWD, path, flags, mode);                                                 \
        }
#define OPENAT_LIKE(name)                                                                                    \
        int name(int folder, const char *path, int flags, ...)                                               \
        {                                                                                                    \
                MODE_ARGUMENT(flags);                                                                        \
                return do_open(folder, path, flags, mode);                                                   \
        }
OPEN_LIKE(open)
OPEN_LIKE(open64)
OPENAT_LIKE(openat)
OPENAT_LIKE(openat64)

/* After a failed sync the kernel calls the next one of the same file a success
 * and means nothing by it: a WAL of which that is known must be opened anew. */
static void look_for_defiance(int fd)
{
        if (!control || fd < 0 || fd >= FD_MAX || !files[fd].sync_failed)
                return;
        size_t size = strlen(files[fd].name);
        if (size > 4 && strcmp(files[fd].name + size - 4, "-wal") == 0)
                atomic_fetch_add(&control->written_again, 1);
}

/* A kernel looks for a fatal signal between two pages of the file, so a killed
 * write ends there; the ledger may take the size of its WAL for evidence.  For
 * other files we are stricter. */
static size_t cut_short(int fd, size_t size, off_t at)
{
        const off_t page = 4096;
        off_t from = at >= 0 ? at : (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
        off_t cut = (from + (off_t)(size / 2) + page / 2) / page * page;
        if (fd >= FD_MAX || files[fd].place != PLACE_LEDGER)
                return size / 2;
        return cut > from && cut < from + (off_t)size ? (size_t)(cut - from) : size;
}

static ssize_t do_write(int fd, const void *data, size_t size, off_t at)
{
        look_for_defiance(fd);
        enum fate fate = judge_fd(CALL_WRITE, fd);
        if (fate == FATE_FAIL)
                return -1;
        if (fate == FATE_DIE_WITHIN)
                size = cut_short(fd, size, at);
        return end(fate,
                   at < 0 ? syscall(SYS_write, fd, data, size) : syscall(SYS_pwrite64, fd, data, size, at));
}

ssize_t write(int fd, const void *data, size_t size)
{
        return do_write(fd, data, size, -1);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
        return do_write(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t at)
{
        return do_write(fd, data, size, at);
}

static ssize_t do_read(int fd, void *data, size_t size, off_t at)
{
        if (judge_fd(CALL_READ, fd) == FATE_FAIL)
                return -1;
        return at < 0 ? syscall(SYS_read, fd, data, size) : syscall(SYS_pread64, fd, data, size, at);
}

ssize_t read(int fd, void *data, size_t size)
{
        return do_read(fd, data, size, -1);
}

ssize_t pread(int fd, void *data, size_t size, off_t at)
{
        return do_read(fd, data, size, at);
}

ssize_t pread64(int fd, void *data, size_t size, off_t at)
{
        return do_read(fd, data, size, at);
}

static int do_sync(long number, int fd)
{
        enum fate fate = judge_fd(CALL_SYNC, fd);
        if (fate == FATE_FAIL) {
                files[fd].sync_failed = true;
                return -1;
        }
        return (int)end(fate, syscall(number, fd));
}

int fsync(int fd)
{
        return do_sync(SYS_fsync, fd);
}

int fdatasync(int fd)
{
        return do_sync(SYS_fdatasync, fd);
}

int syncfs(int fd)
{
        return do_sync(SYS_syncfs, fd);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
        enum fate fate = judge(CALL_RENAME, control ? place_of_path(to_folder, to) : PLACE_ELSEWHERE, to);
        if (fate == FATE_FAIL)
                return -1;
        return (int)end(fate, syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
        return renameat2(from_folder, from, to_folder, to, 0);
}

int rename(const char *from, const char *to)
{
        return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int folder, const char *path, int flags)
{
        enum fate fate = judge(CALL_UNLINK, control ? place_of_path(folder, path) : PLACE_ELSEWHERE, path);
        if (fate == FATE_FAIL)
                return -1;
        return (int)end(fate, syscall(SYS_unlinkat, folder, path, flags));
}

int unlink(const char *path)
{
        return unlinkat(AT_FDCWD, path, 0);
}

int ftruncate(int fd, off_t size)
{
        enum fate fate = judge_fd(CALL_TRUNCATE, fd);
        if (fate == FATE_FAIL)
                return -1;
        return (int)end(fate, syscall(SYS_ftruncate, fd, size));
}

int ftruncate64(int fd, off_t size)
{
        return ftruncate(fd, size);
}

/* As the kernel does, a close that fails has closed. */
int close(int fd)
{
        bool known = fd >= 0 && fd < FD_MAX;
        enum fate fate = known && files[fd].writable ? judge_fd(CALL_CLOSE, fd) : FATE_GO;
        int error = errno;
        if (known)
                files[fd] = (struct file){ 0 };
        long result = syscall(SYS_close, fd);
        if (fate == FATE_FAIL) {
                errno = error;
                return -1;
        }
        return (int)end(fate, result);
}

int closedir(DIR *folder)
{
        int fd = dirfd(folder);
        if (fd >= 0 && fd < FD_MAX)
                files[fd] = (struct file){ 0 };
        return real_closedir(folder);
}

/* --- answers ------------------------------------------------------------ */

ssize_t send(int fd, const void *data, size_t size, int flags)
{
        enum fate fate = judge(CALL_SEND, PLACE_NET, "send");
        return fate == FATE_FAIL ? -1 : end(fate, syscall(SYS_sendto, fd, data, size, flags, NULL, 0));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
        /* sd_notify's are no answers. */
        enum fate fate = message->msg_name ? FATE_GO : judge(CALL_SEND, PLACE_NET, "sendmsg");
        return fate == FATE_FAIL ? -1 : end(fate, syscall(SYS_sendmsg, fd, message, flags));
}

/* --- memory ------------------------------------------------------------- */

static bool starves(void)
{
        if (!control || !control->malloc_at)
                return false;
        uint64_t number = atomic_fetch_add(&control->malloc_count, 1) + 1;
        if (number != control->malloc_at && !(control->ever && number > control->malloc_at))
                return false;
        if (atomic_load(&control->mode) != MODE_FAIL)
                return false;
        if (atomic_fetch_add(&control->hits, 1) == 0)
                describe(&control->hit, CALL_MALLOC, PLACE_ELSEWHERE, "malloc");
        errno = ENOMEM;
        return true;
}

void *malloc(size_t size)
{
        return starves() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
        return starves() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
        return starves() ? NULL : __libc_realloc(old, size);
}
