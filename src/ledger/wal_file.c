#include "wal_file.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* SQLite's unix file writes less than 128 KB at once. */
#define ROOM ((size_t)120 * 1024)

struct wal_file {
        sqlite3_file base;
        unsigned char *held; /* what is not the system's yet */
        size_t size;
        sqlite3_int64 offset; /* of held, in the file */
        /* The system's file lies behind. */
};

static sqlite3_vfs *system_vfs, vfs;

static sqlite3_file *system_file(sqlite3_file *base)
{
        return (sqlite3_file *)((struct wal_file *)base + 1);
}

/* Fails once: whoever then gives the transaction up finds nothing of it held. */
static int hand_over(sqlite3_file *base)
{
        struct wal_file *file = (struct wal_file *)base;
        sqlite3_file *system = system_file(base);
        int size = (int)file->size;
        file->size = 0;
        return size > 0 ? system->pMethods->xWrite(system, file->held, size, file->offset) : SQLITE_OK;
}

static int wal_close(sqlite3_file *base)
{
        sqlite3_file *system = system_file(base);
        int handed_over = hand_over(base), closed = system->pMethods->xClose(system);
        free(((struct wal_file *)base)->held);
        return handed_over != SQLITE_OK ? handed_over : closed;
}

static int wal_read(sqlite3_file *base, void *data, int size, sqlite3_int64 offset)
{
        sqlite3_file *system = system_file(base);
        int result = hand_over(base);
        return result == SQLITE_OK ? system->pMethods->xRead(system, data, size, offset) : result;
}

static int wal_write(sqlite3_file *base, const void *data, int size, sqlite3_int64 offset)
{
        struct wal_file *file = (struct wal_file *)base;
        sqlite3_file *system = system_file(base);
        bool follows = offset == file->offset + (sqlite3_int64)file->size;
        if (!follows || (size_t)size > ROOM - file->size) {
                int result = hand_over(base);
                if (result != SQLITE_OK)
                        return result;
                file->offset = offset;
        }
        if ((size_t)size > ROOM) /* a page may be 64 KB, so never */
                return system->pMethods->xWrite(system, data, size, offset);
        memcpy(file->held + file->size, data, (size_t)size);
        file->size += (size_t)size;
        return SQLITE_OK;
}

static int wal_truncate(sqlite3_file *base, sqlite3_int64 size)
{
        sqlite3_file *system = system_file(base);
        int result = hand_over(base);
        return result == SQLITE_OK ? system->pMethods->xTruncate(system, size) : result;
}

static int wal_sync(sqlite3_file *base, int flags)
{
        sqlite3_file *system = system_file(base);
        int result = hand_over(base);
        return result == SQLITE_OK ? system->pMethods->xSync(system, flags) : result;
}

static int wal_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
        sqlite3_file *system = system_file(base);
        int result = hand_over(base);
        return result == SQLITE_OK ? system->pMethods->xFileSize(system, ret_size) : result;
}

static int wal_control(sqlite3_file *base, int operation, void *arg)
{
        sqlite3_file *system = system_file(base);
        return system->pMethods->xFileControl(system, operation, arg);
}

static int wal_sector_size(sqlite3_file *base)
{
        sqlite3_file *system = system_file(base);
        return system->pMethods->xSectorSize(system);
}

static int wal_characteristics(sqlite3_file *base)
{
        sqlite3_file *system = system_file(base);
        return system->pMethods->xDeviceCharacteristics(system);
}

/* Locks and shared memory are the database's, never the WAL's. */
static const sqlite3_io_methods methods = { .iVersion = 1,
                                            .xClose = wal_close,
                                            .xRead = wal_read,
                                            .xWrite = wal_write,
                                            .xTruncate = wal_truncate,
                                            .xSync = wal_sync,
                                            .xFileSize = wal_size,
                                            .xFileControl = wal_control,
                                            .xSectorSize = wal_sector_size,
                                            .xDeviceCharacteristics = wal_characteristics };

static int open_file(sqlite3_vfs *self, const char *path, sqlite3_file *base, int flags, int *ret_flags)
{
        (void)self;
        if (!(flags & SQLITE_OPEN_WAL))
                return system_vfs->xOpen(system_vfs, path, base, flags, ret_flags);
        struct wal_file *file = (struct wal_file *)base;
        *file = (struct wal_file){ .held = malloc(ROOM) };
        if (!file->held)
                return SQLITE_NOMEM;
        int result = system_vfs->xOpen(system_vfs, path, system_file(base), flags, ret_flags);
        if (result == SQLITE_OK)
                file->base.pMethods = &methods;
        else
                free(file->held);
        return result;
}

static void make_vfs(void)
{
        system_vfs = sqlite3_vfs_find(NULL);
        if (!system_vfs)
                return;
        vfs = *system_vfs;
        vfs.zName = "fspd";
        vfs.szOsFile = (int)sizeof(struct wal_file) + system_vfs->szOsFile;
        vfs.xOpen = open_file;
        if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK)
                system_vfs = NULL;
}

const char *wal_file_vfs(void)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        (void)pthread_once(&once, make_vfs); /* cannot fail */
        return system_vfs ? vfs.zName : NULL;
}
