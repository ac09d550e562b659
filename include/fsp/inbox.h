/* inbox: where the site server takes its messages from.  One vtable, so that a
 * folder and a share are the same to the forwarder.
 *
 * Calling sequence for a batch:
 *   open → put each as N.tmp → flush → (ledger: copied) → publish each → settle
 *        → (ledger: forwarded) → close
 * A put or publish that gives -EINPROGRESS is awaited before the next step, so
 * that many can be on their way to a server at a time.
 *
 * Owns      what a kind of inbox has open there, from open to close.
 * Threads   one struct inbox belongs to the forwarder thread.  Every call may
 *           hang for as long as the server behind it does.
 * Crash     put: nothing is promised.  flush: all put files are whole on disk
 *           under their .tmp names.  publish: a rename, which may or may not
 *           survive.  settle: all renames are on disk.
 * Errors    -errno; -ENOENT, -ENOTDIR, -EACCES, -EROFS, -ENOSPC, -EIO,
 *           -ESTALE … as the file system says them, those of smb_wire.h and
 *           smb_helper.h for a share; nothing is retried. */
#ifndef FSP_INBOX_H
#define FSP_INBOX_H

#include "fsp/config.h"
#include <stdbool.h>
#include <stddef.h>

struct inbox;
struct inbox_kind {
        int (*put)(struct inbox *inbox, const char *name, const void *data, size_t size);
        /* The result of the put or publish of that .tmp that is in progress.
         * NULL: nothing ever is. */
        int (*await)(struct inbox *inbox, const char *temporary);
        int (*flush)(struct inbox *inbox);
        /* Does the file exist?  1, 0, or -errno when that cannot be known. */
        int (*exists)(struct inbox *inbox, const char *name);
        /* .tmp → .SMX without replacing; -EEXIST when the name is taken. */
        int (*publish)(struct inbox *inbox, const char *temporary, const char *final);
        int (*settle)(struct inbox *inbox);
        /* -ENOENT when it is not there. */
        int (*remove)(struct inbox *inbox, const char *name);
        /* As fsutil_read_at. */
        int (*read)(struct inbox *inbox, const char *name, size_t limit, unsigned char **ret_data,
                    size_t *ret_size);
        /* Still the same place, reachable?  Tells a poison file from a lost inbox. */
        int (*check)(struct inbox *inbox);
        void (*close)(struct inbox *inbox); /* and frees it */
};
#define INBOX_IDENTITY_SIZE 512
/* Each kind's struct begins with this. */
struct inbox {
        const struct inbox_kind *kind;
        char identity[INBOX_IDENTITY_SIZE]; /* equal exactly when it is the same place */
        char former[INBOX_IDENTITY_SIZE];   /* the same in the words of older ledgers */
        /* The staged file stands for N.tmp: put finds it whole, publish takes it
         * out of staging. */
        bool renames;
        /* A flush serves them all at once: the more files, the better. */
        bool flushes_all;
};

/* A folder.  It is never made: -ENOENT when it is missing.  require_mount:
 * -ENODEV when it is on the same file system as its parent. */
int inbox_open_folder(const char *path, bool require_mount, struct inbox **ret_inbox);

/* A folder that staged files are renamed into; -EXDEV when that cannot be.
 * to_put: also when it would leave them with other rights than those of a copy;
 * else none can be put, and what is half-way there is finished in any case. */
int inbox_open_renaming(const char *path, bool require_mount, int staging_fd, bool to_put,
                        struct inbox **ret_inbox);

/* A folder on a share, as smb_url.h reads it.  credentials: the full path of
 * the file, or "" for Kerberos.  At most so many connections. */
int inbox_open_smb(const char *address, const char *credentials, unsigned connections,
                   struct inbox **ret_inbox);

/* The one of them that fits best, with what the configuration says of it.
 * staging_fd: -1 where nothing is to be renamed out of it. */
int inbox_open(const struct config *config, const char *place, int staging_fd, struct inbox **ret_inbox);
/* The one that has this identity, or had it in an older ledger; -ESTALE when
 * another one is there now. */
int inbox_open_again(const struct config *config, const char *place, int staging_fd, const char *identity,
                     struct inbox **ret_inbox);

/* Is it our own staging or quarantine folder, by whatever name or link?  Such a
 * place is not opened: -ENOTUNIQ. */
bool inbox_is_ours(const struct config *config, const char *place);

/* What -errno means there, for a person, and what to do; the text is constant. */
const char *inbox_explain(const char *place, int fault);
/* 0 when a file can be written, renamed and removed there; tries it. */
int inbox_try(const struct config *config, const char *place);

#endif
