/* What a process and its children took, from /proc. */
#include "load.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct process {
        pid_t pid, parent;
        double cpu_seconds;
        bool counted;
};

static int read_proc(pid_t pid, const char *name, char *text, size_t size)
{
        char path[64];
        FILE *file;
        size_t length;

        (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name); /* always fits */
        file = fopen(path, "re");
        if (file == NULL)
                return -errno;
        length = fread(text, 1, size - 1, file);
        text[length] = '\0';
        (void)fclose(file); /* only read from */
        return length > 0 ? 0 : -EIO;
}

static int read_stat(pid_t pid, struct process *ret_process)
{
        char text[1024];
        const char *fields;
        unsigned long user_ticks, system_ticks;
        int parent, r;

        r = read_proc(pid, "stat", text, sizeof(text));
        if (r < 0)
                return r;
        fields = strrchr(text, ')'); /* the name before it may hold anything */
        if (fields == NULL || sscanf(fields, ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &parent,
                                     &user_ticks, &system_ticks) != 3)
                return -EIO;
        *ret_process = (struct process){ .pid = pid,
                                         .parent = parent,
                                         .cpu_seconds = (double)(user_ticks + system_ticks) /
                                                        (double)sysconf(_SC_CLK_TCK) };
        return 0;
}

static uint64_t resident_kb(pid_t pid)
{
        char text[4096];
        const char *line;

        if (read_proc(pid, "status", text, sizeof(text)) < 0)
                return 0;
        line = strstr(text, "\nVmRSS:");
        return line != NULL ? strtoull(line + strlen("\nVmRSS:"), NULL, 10) : 0;
}

static int list_processes(struct process **ret_list, size_t *ret_count)
{
        struct process *list = NULL;
        size_t count = 0;
        const struct dirent *entry;
        DIR *folder = opendir("/proc");

        if (folder == NULL)
                return -errno;
        while ((entry = readdir(folder)) != NULL) {
                struct process *grown, process;
                pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

                if (pid <= 0 || read_stat(pid, &process) < 0) /* gone meanwhile, or no process */
                        continue;
                grown = reallocarray(list, count + 1, sizeof(*list));
                if (grown == NULL) {
                        free(list);
                        (void)closedir(folder); /* only read from */
                        return -ENOMEM;
                }
                list = grown;
                list[count++] = process;
        }
        (void)closedir(folder); /* only read from */
        *ret_list = list;
        *ret_count = count;
        return 0;
}

static bool belongs(const struct process *list, size_t count, const struct process *process, pid_t root)
{
        if (process->pid == root)
                return true;
        for (size_t i = 0; i < count; i++) {
                if (list[i].counted && list[i].pid == process->parent)
                        return true;
        }
        return false;
}

int process_measure(pid_t pid, struct process_usage *ret_usage)
{
        struct process_usage usage = { 0 };
        struct process *list = NULL;
        size_t count = 0;
        bool found;
        int r = list_processes(&list, &count);

        if (r < 0)
                return r;
        do { /* once more for each generation of children */
                found = false;
                for (size_t i = 0; i < count; i++) {
                        if (list[i].counted || !belongs(list, count, &list[i], pid))
                                continue;
                        list[i].counted = found = true;
                        usage.cpu_seconds += list[i].cpu_seconds;
                        usage.resident_kb += resident_kb(list[i].pid);
                }
        } while (found);
        free(list);
        if (usage.resident_kb == 0)
                return -ESRCH;
        *ret_usage = usage;
        return 0;
}

double process_own_cpu(void)
{
        struct rusage usage;

        if (getrusage(RUSAGE_SELF, &usage) < 0)
                return 0;
        return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
