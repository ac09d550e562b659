/* confine: see include/fsp/confine.h. */
#include "fsp/confine.h"
#include "fsp/fsutil.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rights that came after the header of Debian 12's kernel, by their numbers. */
#define TRUNCATE (UINT64_C(1) << 14)
#define IOCTL_DEVICE (UINT64_C(1) << 15)
#define TCP_BIND_CONNECT (UINT64_C(1) << 0 | UINT64_C(1) << 1)
#define SCOPE_ABSTRACT_SOCKETS (UINT64_C(1) << 0)

/* As version 6 has it; an older kernel takes it with zeroes at the end. */
struct rules {
        uint64_t files, network, scoped;
};

static const uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
static const uint64_t changing =
        LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG;
/* Nobody needs these, wherever. */
static const uint64_t never = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                              LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                              LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                              LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

static struct rules make_rules(enum confine what, long version)
{
        struct rules rules = { .files = changing | never };
        if (version >= 3)
                rules.files |= TRUNCATE;
        if (version >= 5)
                rules.files |= IOCTL_DEVICE;
        if (what == CONFINE_ALL) {
                rules.files |= reading;
                rules.network = version >= 4 ? TCP_BIND_CONNECT : 0;
                rules.scoped = version >= 6 ? SCOPE_ABSTRACT_SOCKETS : 0;
        }
        return rules;
}

static int allow(int rules_fd, const struct rules *rules, const char *path)
{
        AUTO_CLOSE int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        const struct landlock_path_beneath_attr beneath = {
                .allowed_access = rules->files & (reading | changing | TRUNCATE),
                .parent_fd = fd,
        };
        if (fd < 0)
                return -errno;
        return syscall(SYS_landlock_add_rule, rules_fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) < 0 ? -errno
                                                                                                     : 0;
}

int confine_thread(enum confine what, const char *const folders[])
{
        long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
        if (version < 0) /* EPERM: some filter of system calls is older than it */
                return errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM ? 0 : -errno;
        const struct rules rules = make_rules(what, version);
        AUTO_CLOSE int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
        if (fd < 0)
                return -errno;
        for (size_t i = 0; folders[i]; i++) {
                int r = allow(fd, &rules, folders[i]);
                if (r < 0)
                        return r;
        }
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
                return -errno;
        return (int)version;
}
