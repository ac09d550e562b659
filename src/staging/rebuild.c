/* At the start: ledger and staging folder are made to agree. */
#include "fsp/rebuild.h"

#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "fsp/log.h"
#include "fsp/quarantine.h"
#include "fsp/query.h"
#include "fsp/text.h"
#include "fsp/witness.h"
#include "import.h"
#include "rebuild_ledger.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRESS_EVERY 100
/* Names that are compared with the ledger at once: in its order, which a folder
 * does not keep, so that each page of it is read a few times, not once a file. */
#define NAMES_ROOM 65536

/* A file found, and what the ledger says of it. */
struct settled {
        struct message_name name;
        enum delivery delivery;
        bool is_known;
};

struct sweep {
        struct config *config;
        struct ledger *ledger;
        struct query *query;
        struct importer importer;
        int folder_fd, corrupt_fd;
        bool (*progress)(void *arg);
        void *progress_arg;
        struct witness witness;
        bool lost; /* the witness knows of a batch that the ledger has forgotten */
        struct settled *names;
        size_t name_count;
        uint64_t seen, leftovers, strangers;
};

static int move_to_corrupt(struct sweep *sweep, const char *file)
{
        return renameat(sweep->folder_fd, file, sweep->corrupt_fd, file) < 0 ? -errno : 0;
}

static int settle_known(struct sweep *sweep, const char *file, enum delivery delivery)
{
        switch (delivery) {
        case DELIVERY_RECEIVED:
        case DELIVERY_STAGED:
        case DELIVERY_COPIED:
                return 0;
        case DELIVERY_FORWARDED:
                sweep->leftovers++;
                return unlinkat(sweep->folder_fd, file, 0) < 0 ? -errno : 0;
        case DELIVERY_QUARANTINED:
                return move_to_corrupt(sweep, file);
        }
        return 0;
}

static int look_up(struct sweep *sweep)
{
        int r = query_begin(sweep->query);
        for (size_t i = 0; r == 0 && i < sweep->name_count; i++) {
                struct settled *file = &sweep->names[i];
                int64_t seq;
                int found = query_find(sweep->query, &file->name, &seq, &file->delivery);
                file->is_known = found == 0;
                r = found == -ENOENT ? 0 : found;
                if (r == 0 && ++sweep->seen % PROGRESS_EVERY == 0 && !sweep->progress(sweep->progress_arg))
                        r = -EINTR;
        }
        query_end(sweep->query);
        return r;
}

static int settle_name(struct sweep *sweep, int place_fd, const struct settled *settled)
{
        char file[NAME_SIZE];
        if (!settled->is_known && !sweep->progress(sweep->progress_arg))
                return -EINTR;
        if (!settled->is_known)
                return import_add(&sweep->importer, place_fd == sweep->corrupt_fd, &settled->name);
        (void)name_format_file(&settled->name, NAME_SUFFIX, file); /* gives file */
        if (place_fd != sweep->corrupt_fd)
                return settle_known(sweep, file, settled->delivery);
        if (settled->delivery == DELIVERY_QUARANTINED)
                return 0;
        sweep->leftovers++; /* sent again by order, and a crash came between */
        return unlinkat(place_fd, file, 0) < 0 ? -errno : 0;
}

static int compare_names(const void *a, const void *b)
{
        const struct settled *left = a, *right = b;
        return (left->name.seq > right->name.seq) - (left->name.seq < right->name.seq);
}

static int settle_names(struct sweep *sweep, int place_fd)
{
        qsort(sweep->names, sweep->name_count, sizeof(*sweep->names), compare_names);
        int r = look_up(sweep);
        for (size_t i = 0; r == 0 && i < sweep->name_count; i++)
                r = settle_name(sweep, place_fd, &sweep->names[i]);
        if (r == 0)
                r = import_flush(&sweep->importer);
        sweep->name_count = 0;
        return r;
}

/* Half-written, from a row that has its bytes.  Only where the row is lost it is
 * all that is left of an accepted message: the sweep of corrupt/ comes next. */
static int settle_temporary(struct sweep *sweep, const char *file, const struct message_name *name)
{
        int64_t seq;
        enum delivery delivery;
        char final[NAME_SIZE];
        int r = query_find(sweep->query, name, &seq, &delivery);
        if (r == -ENOENT)
                return renameat(sweep->folder_fd, file, sweep->corrupt_fd,
                                name_format_file(name, NAME_SUFFIX, final)) < 0
                               ? -errno
                               : 0;
        sweep->leftovers++;
        return r < 0 ? r : unlinkat(sweep->folder_fd, file, 0) < 0 ? -errno : 0;
}

static int settle_file(struct sweep *sweep, int place_fd, const char *file)
{
        struct message_name name;
        if (place_fd == sweep->folder_fd && name_parse(file, NAME_TEMPORARY_SUFFIX, &name) == 0)
                return settle_temporary(sweep, file, &name);
        if (name_parse(file, NAME_SUFFIX, &name) < 0) {
                sweep->strangers++;
                return 0;
        }
        sweep->names[sweep->name_count++].name = name;
        return sweep->name_count == NAMES_ROOM ? settle_names(sweep, place_fd) : 0;
}

static int settle_folder(struct sweep *sweep, int place_fd)
{
        int copy = openat(place_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = copy < 0 ? NULL : fdopendir(copy);
        if (!folder) {
                int r = -errno;
                fsutil_close_pointer(&copy);
                return r;
        }
        int r = 0;
        for (struct dirent *entry; r == 0 && (errno = 0, entry = readdir(folder));) {
                if (entry->d_name[0] == '.' || strcmp(entry->d_name, QUARANTINE_FOLDER) == 0)
                        continue;
                r = settle_file(sweep, place_fd, entry->d_name);
        }
        if (r == 0 && errno)
                r = -errno;
        (void)closedir(folder); /* it was only read */
        return r == 0 ? settle_names(sweep, place_fd) : r;
}

static struct quarantine quarantine_of(const struct sweep *sweep)
{
        return (struct quarantine){ .ledger = sweep->ledger,
                                    .query = sweep->query,
                                    .staging_fd = sweep->folder_fd,
                                    .corrupt_fd = sweep->corrupt_fd };
}

static int look_at(struct sweep *sweep, enum delivery delivery, int64_t seq, struct query_pending *ret_row)
{
        size_t count = 0;
        int r = query_pending(sweep->query, delivery, seq - 1, 1, ret_row, &count);
        return r < 0 ? r : count == 0 || ret_row->name.seq != seq ? -ENOENT : 0;
}

static int look_for_loss(struct sweep *sweep)
{
        int64_t last;
        int r = witness_read(sweep->folder_fd, &sweep->witness);
        if (r == 0)
                r = query_last_shipment(sweep->query, &last);
        if (r == 0)
                sweep->lost = sweep->witness.batch > last;
        return r;
}

/* A name of the last batch has a row that is copied at least, unless it is
 * sent again by order; or else that commit was lost. */
static int settle_witnessed(struct sweep *sweep)
{
        struct quarantine quarantine = quarantine_of(sweep);
        if (sweep->witness.batch && !sweep->lost && !ledger_is_suspect(sweep->ledger))
                return 0;
        for (size_t i = 0; i < sweep->witness.count; i++) {
                struct query_pending row;
                enum delivery delivery;
                int64_t seq;
                int r = query_find(sweep->query, &sweep->witness.names[i], &seq, &delivery);
                if (r == -ENOENT || (r == 0 && delivery >= DELIVERY_COPIED))
                        continue;
                if (r == 0)
                        r = look_at(sweep, delivery, seq, &row);
                if (r == 0)
                        r = quarantine_message(&quarantine, &row, MAYBE_SENT);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Commits were lost: a message that is received by its row, but has no file,
 * may long have been staged and sent.  It is not sent again by guess. */
static int settle_suspects(struct sweep *sweep)
{
        struct quarantine quarantine = quarantine_of(sweep);
        int64_t after_seq = 0;
        size_t count;
        struct query_pending row;
        if (!sweep->lost && !ledger_is_suspect(sweep->ledger))
                return 0;
        log_mgr(LOG_ERROR, "The ledger has lost its last commits; what may have been sent is quarantined");
        for (;;) {
                char file[NAME_SIZE];
                int r = query_pending(sweep->query, DELIVERY_RECEIVED, after_seq, 1, &row, &count);
                if (r < 0 || count == 0)
                        return r;
                after_seq = row.name.seq;
                if (faccessat(sweep->folder_fd, name_format_file(&row.name, NAME_SUFFIX, file), F_OK, 0) < 0)
                        r = quarantine_message(&quarantine, &row, MAYBE_SENT);
                if (r < 0)
                        return r;
        }
}

static void say(const struct sweep *sweep)
{
        if (sweep->importer.staged || sweep->importer.quarantined)
                log_mgr(LOG_WARNING,
                        "%llu staged file(s) without a row in the ledger are taken up again, %llu damaged "
                        "one(s) quarantined",
                        (unsigned long long)sweep->importer.staged,
                        (unsigned long long)sweep->importer.quarantined);
        if (sweep->leftovers)
                log_mgr(LOG_INFO, "Removed %llu leftover file(s) from staging",
                        (unsigned long long)sweep->leftovers);
        if (sweep->strangers)
                log_mgr(LOG_WARNING, "%llu file(s) in staging are not ours and are left alone",
                        (unsigned long long)sweep->strangers);
}

static int open_folders(struct sweep *sweep)
{
        const char *staging = sweep->config->staging.directory;
        char corrupt[PATH_MAX];
        if (snprintf(corrupt, sizeof(corrupt), "%s/%s", staging, QUARANTINE_FOLDER) >= (int)sizeof(corrupt))
                return -ENAMETOOLONG;
        int r = fsutil_make_folder(staging);
        if (r == 0)
                r = fsutil_make_folder(corrupt);
        if (r == 0)
                r = fsutil_open_folder(staging, &sweep->folder_fd);
        return r == 0 ? fsutil_open_folder(corrupt, &sweep->corrupt_fd) : r;
}

static int open_importer(struct sweep *sweep)
{
        sweep->importer.config = sweep->config;
        sweep->importer.ledger = sweep->ledger;
        sweep->importer.witness = &sweep->witness;
        sweep->importer.folder_fd = sweep->folder_fd;
        sweep->importer.corrupt_fd = sweep->corrupt_fd;
        return import_open(&sweep->importer);
}

int rebuild_open(struct config *config, bool (*progress)(void *arg), void *arg, struct ledger **ret_ledger)
{
        struct sweep sweep = {
                .config = config, .folder_fd = -1, .corrupt_fd = -1, .progress = progress, .progress_arg = arg
        };
        int r = open_folders(&sweep);
        if (r < 0)
                log_mgr(LOG_ERROR, "The staging folder %s cannot be used: %s", config->staging.directory,
                        strerror(-r));
        if (r == 0 && (r = rebuild_ledger_open(config, progress, arg, &sweep.ledger)) < 0 && r != -EINTR)
                log_mgr(LOG_ERROR, "The ledger %s cannot be used: %s", config->ledger.file,
                        r == -EWOULDBLOCK ? "another fspd has it open" : strerror(-r));
        bool opened = r == 0;
        if (r == 0)
                r = query_open(config->ledger.file, &sweep.query);
        if (r == 0)
                r = open_importer(&sweep);
        if (r == 0 && !(sweep.names = malloc(NAMES_ROOM * sizeof(*sweep.names))))
                r = -ENOMEM;
        if (r == 0)
                r = look_for_loss(&sweep);
        if (r == 0)
                r = settle_folder(&sweep, sweep.folder_fd);
        if (r == 0)
                r = settle_folder(&sweep, sweep.corrupt_fd);
        if (r == 0)
                r = settle_witnessed(&sweep);
        if (r == 0)
                r = settle_suspects(&sweep);
        if (r == 0)
                r = delivery_quarantine_broken(sweep.ledger);
        if (r == 0 && sweep.lost)
                r = delivery_resume_shipments(sweep.ledger, sweep.witness.batch);
        if (r == 0)
                r = rebuild_ledger_settle(config);
        if (opened && r < 0 && r != -EINTR)
                log_mgr(LOG_ERROR, "The staging folder %s cannot be compared with the ledger: %s",
                        config->staging.directory, strerror(-r));
        say(&sweep);
        import_close(&sweep.importer);
        free(sweep.names);
        free(sweep.witness.names);
        query_close(sweep.query);
        fsutil_close_pointer(&sweep.folder_fd);
        fsutil_close_pointer(&sweep.corrupt_fd);
        if (r < 0)
                ledger_close(sweep.ledger);
        else
                *ret_ledger = sweep.ledger;
        return r;
}
