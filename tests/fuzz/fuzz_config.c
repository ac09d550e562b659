/* A configuration file.  What is accepted must print, read back, and say the same. */
#include "fsp/config.h"
#include "fuzz.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned faults;

static void count_fault(void *arg, const char *text)
{
        (void)arg;
        MUST(*text && !strchr(text, '\n'));
        faults++;
}

static void fail_on_difference(void *arg, const char *section, const char *key)
{
        (void)arg;
        (void)fprintf(stderr, "[%s] %s reads back otherwise\n", section, key); /* for people */
        abort();
}

static int load(const void *data, size_t size, struct config **ret_config)
{
        char path[32];
        int fd = memfd_create("fuzz", MFD_CLOEXEC);
        MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
        MUST(snprintf(path, sizeof(path), "/proc/self/fd/%d", fd) > 0);
        int r = config_load(path, count_fault, NULL, ret_config);
        MUST(close(fd) == 0);
        return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct config *config, *again;
        char *text = NULL;
        size_t text_size = 0;
        faults = 0;
        if (load(data, size, &config) < 0) {
                MUST(faults > 0);
                return 0;
        }
        MUST(faults == 0);
        FILE *out = open_memstream(&text, &text_size);
        MUST(out && config_print(config, out) == 0 && fclose(out) == 0);
        MUST(load(text, text_size, &again) == 0);
        config_differences(config, again, fail_on_difference, NULL);
        config_unref(config);
        config_unref(again);
        free(text);
        return 0;
}
