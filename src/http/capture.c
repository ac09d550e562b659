#include "capture.h"

#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "fsp/log.h"
#include "fsp/text.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_MAX 256
#define MEMORY_SHARE 4 /* of listener.memory, one part in so many is the queue's */
#define NAME_TEMPORARY ".tmp"

/* Of all that is queued, and in a thread's hand, also of those that were closed. */
static _Atomic size_t queued_bytes;

struct capture {
        int folder_fd;
        pthread_t thread;
        unsigned left; /* the loop's: how many more may begin */
        unsigned number;

        pthread_mutex_t lock; /* for all below */
        pthread_cond_t wake;
        struct capture_record *first, **last;
        unsigned queued, dropped;
        bool stop;
};

static int write_file(int folder, const char *name, const void *data, size_t size)
{
        AUTO_CLOSE int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
        return fd < 0 ? -errno : fsutil_write_all(fd, data, size);
}

static size_t format_answer(const struct capture_record *record, char *ret_text, size_t size)
{
        const struct verdict_info *info = verdict_info(record->verdict);
        char when[CLOCK_TEXT_SIZE];
        const char *received = clock_format_rfc3339(record->received_ms, when);
        int length = record->unanswered
                             ? snprintf(ret_text, size, "peer: %s\nreceived: %s\nstatus: none\nreason: %s\n",
                                        record->peer, received, "the request did not come whole")
                             : snprintf(ret_text, size,
                                        "peer: %s\nreceived: %s\nstatus: %u\nverdict: %s\nreason: %s\n",
                                        record->peer, received, info->status, info->name, info->text);
        return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

static int write_record(struct capture *capture, const struct capture_record *record)
{
        time_t seconds = (time_t)(record->received_ms / 1000);
        struct tm tm;
        char stem[64], name[96], answer[512];
        if (!gmtime_r(&seconds, &tm) || strftime(stem, sizeof(stem), "%Y%m%dT%H%M%S", &tm) == 0)
                return -EOVERFLOW;
        unsigned number = ++capture->number;
        (void)snprintf(name, sizeof(name), "%s%03dZ-%06u.head", stem, (int)(record->received_ms % 1000),
                       number); /* fits */
        int r = write_file(capture->folder_fd, name, record->head, record->head_size);
        if (r < 0)
                return r;
        (void)snprintf(name, sizeof(name), "%s%03dZ-%06u.body", stem, (int)(record->received_ms % 1000),
                       number); /* fits */
        r = write_file(capture->folder_fd, name, record->body, record->body_size);
        if (r < 0)
                return r;
        /* It comes last and whole: who sees it finds the others complete. */
        (void)snprintf(name, sizeof(name), "%s%03dZ-%06u.answer", stem, (int)(record->received_ms % 1000),
                       number); /* fits */
        return fsutil_write_whole(capture->folder_fd, ".answer" NAME_TEMPORARY, name, answer,
                                  format_answer(record, answer, sizeof(answer)));
}

static size_t size_of(const struct capture_record *record)
{
        return sizeof(*record) + record->head_size + record->body_size;
}

static struct capture_record *take(struct capture *capture, unsigned *ret_dropped)
{
        (void)pthread_mutex_lock(&capture->lock); /* cannot fail on this kind of mutex */
        while (!capture->first && !capture->stop)
                (void)pthread_cond_wait(&capture->wake, &capture->lock); /* cannot fail */
        struct capture_record *record = capture->first;
        if (record) {
                capture->first = record->next;
                capture->queued--;
        }
        if (!capture->first)
                capture->last = &capture->first;
        *ret_dropped = capture->dropped;
        capture->dropped = 0;
        (void)pthread_mutex_unlock(&capture->lock);
        return record;
}

static void *capture_thread(void *arg)
{
        struct capture *capture = arg;
        struct capture_record *record;
        unsigned dropped;
        (void)pthread_setname_np(pthread_self(), "fspd-capture"); /* only a name */
        while ((record = take(capture, &dropped))) {
                int r = write_record(capture, record);
                if (r < 0)
                        log_mgr(LOG_ERROR, "A captured request cannot be written: %s", strerror(-r));
                if (dropped)
                        log_mgr(LOG_WARNING,
                                "%u request(s) not captured: they came faster than they could be written",
                                dropped);
                queued_bytes -= size_of(record);
                capture_discard(record);
        }
        fsutil_close_pointer(&capture->folder_fd);
        free(capture);
        return NULL;
}

/* How many requests are there already, and the highest number. */
static int count_existing(struct capture *capture, unsigned *ret_count)
{
        int copy = openat(capture->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = copy < 0 ? NULL : fdopendir(copy);
        if (!folder) {
                int r = -errno;
                fsutil_close_pointer(&copy);
                return r;
        }
        unsigned count = 0;
        for (struct dirent *entry; (entry = readdir(folder));) {
                unsigned number;
                if (!text_has_suffix(entry->d_name, ".answer"))
                        continue;
                count++;
                if (sscanf(entry->d_name, "%*[0-9TZ]-%6u.answer", &number) == 1 && number > capture->number)
                        capture->number = number;
        }
        (void)closedir(folder); /* it was only read */
        *ret_count = count;
        return 0;
}

int capture_open(const char *folder, unsigned limit, struct capture **ret_capture)
{
        struct capture *capture = calloc(1, sizeof(*capture));
        if (!capture)
                return -ENOMEM;
        capture->folder_fd = -1;
        capture->last = &capture->first;
        (void)pthread_mutex_init(&capture->lock, NULL); /* cannot fail with default attributes */
        (void)pthread_cond_init(&capture->wake, NULL);  /* likewise */
        unsigned count = 0;
        int r = fsutil_make_folder(folder);
        if (r == 0)
                r = fsutil_open_folder(folder, &capture->folder_fd);
        if (r == 0)
                r = count_existing(capture, &count);
        if (r == 0)
                r = -pthread_create(&capture->thread, NULL, capture_thread, capture);
        if (r < 0) {
                fsutil_close_pointer(&capture->folder_fd);
                free(capture);
                return r;
        }
        capture->left = count < limit ? limit - count : 0;
        *ret_capture = capture;
        return 0;
}

void capture_announce(const struct capture *capture, const char *folder)
{
        log_mgr(LOG_INFO, "Capturing requests to %s, %u more", folder, capture->left);
}

size_t capture_leaves(size_t memory, const struct capture *capture)
{
        return capture || queued_bytes ? memory - memory / MEMORY_SHARE : memory;
}

bool capture_is_over(const struct capture *capture)
{
        return !capture || capture->left == 0;
}

void capture_close(struct capture *capture, int64_t wait_ms)
{
        if (!capture)
                return;
        pthread_t thread = capture->thread; /* capture is its thread's from here on */
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until); /* cannot fail for this clock */
        until.tv_sec += wait_ms / 1000;
        (void)pthread_mutex_lock(&capture->lock); /* as in take */
        capture->stop = true;
        (void)pthread_cond_signal(&capture->wake); /* cannot fail */
        (void)pthread_mutex_unlock(&capture->lock);
        if (pthread_timedjoin_np(thread, NULL, &until) != 0)
                (void)pthread_detach(thread); /* its folder hangs, or is slow */
}

struct capture_record *capture_begin(struct capture *capture, const char *uri)
{
        if (capture_is_over(capture))
                return NULL;
        struct capture_record *record = calloc(1, sizeof(*record));
        if (!record || !(record->uri = strdup(uri ? uri : ""))) {
                free(record);
                return NULL;
        }
        record->received_ms = clock_wall_ms();
        if (--capture->left == 0)
                log_mgr(LOG_INFO, "listener.capture_limit is reached: this is the last request captured");
        return record;
}

static enum MHD_Result write_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_size,
                                    const char *value, size_t value_size)
{
        (void)kind;
        FILE *out = arg;
        /* The blanks between colon and value still stand in memory. */
        size_t blanks = value && value > name + name_size && value - name - name_size - 1 < 256
                                ? (size_t)(value - name - name_size - 1)
                                : 0;
        (void)fprintf(out, "%.*s:%.*s%.*s\r\n", (int)name_size, name, (int)blanks, name + name_size + 1,
                      value ? (int)value_size : 0,
                      value ? value : ""); /* a memory stream: checked when closed */
        return MHD_YES;
}

void capture_head(struct capture_record *record, struct MHD_Connection *mhd, const char *method,
                  const char *version)
{
        FILE *out = open_memstream(&record->head, &record->head_size);
        if (!out)
                return;
        (void)fprintf(out, "%s %s%s%s\r\n", method, record->uri, *version ? " " : "", version); /* as above */
        (void)MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, write_header, out); /* gives the count */
        (void)fprintf(out, "\r\n");                                                 /* as above */
        if (fclose(out) != 0)
                log_mgr(LOG_ERROR, "A request's head cannot be captured: %s", strerror(errno));
        fsutil_free_pointer(&record->uri);
}

void capture_raw_head(struct capture_record *record, char *head, size_t size)
{
        fsutil_free_pointer(&record->uri);
        record->head = head;
        record->head_size = size;
}

void capture_submit(struct capture *capture, struct capture_record *record, size_t memory)
{
        (void)pthread_mutex_lock(&capture->lock); /* as in take */
        bool fits = capture->queued < QUEUE_MAX &&
                    queued_bytes + size_of(record) <= memory / MEMORY_SHARE; /* only here it grows */
        if (fits) {
                queued_bytes += size_of(record);
                record->next = NULL;
                *capture->last = record;
                capture->last = &record->next;
                capture->queued++;
                (void)pthread_cond_signal(&capture->wake); /* cannot fail */
        } else {
                capture->dropped++;
        }
        (void)pthread_mutex_unlock(&capture->lock);
        if (!fits)
                capture_discard(record);
}

void capture_discard(struct capture_record *record)
{
        if (!record)
                return;
        free(record->uri);
        free(record->head);
        free(record->body);
        free(record);
}
