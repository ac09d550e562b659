#include "fsp/name.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ID_LENGTH 33 /* 19 of time, '-', 4 of node, '-', 8 of sequence */

const char *name_format_file(const struct message_name *name, const char *suffix, char ret_file[NAME_SIZE])
{
        time_t seconds = (time_t)(name->time_ms / 1000);
        struct tm tm;
        assert(name->time_ms >= 0 && name->node <= 0xFFFF);
        struct tm *broken = gmtime_r(&seconds, &tm);
        assert(broken && tm.tm_year + 1900 <= 9999);
        (void)broken;
        int length =
                snprintf(ret_file, NAME_SIZE, "%04d%02d%02dT%02d%02d%02d%03dZ-%04X-%08" PRIX32 "%s",
                         (tm.tm_year + 1900) % 10000, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                         tm.tm_sec, (int)(name->time_ms % 1000), name->node, (uint32_t)name->seq, suffix);
        assert(length > 0 && length < NAME_SIZE);
        (void)length;
        return ret_file;
}

const char *name_format_id(const struct message_name *name, char ret_id[NAME_SIZE])
{
        return name_format_file(name, "", ret_id);
}

int name_parse(const char *text, const char *suffix, struct message_name *ret_name)
{
        struct tm tm = { 0 };
        unsigned ms, node;
        uint32_t seq;
        if (strlen(text) < ID_LENGTH || strlen(text) >= NAME_SIZE ||
            (suffix && strcmp(text + ID_LENGTH, suffix)))
                return -EINVAL;
        if (sscanf(text, "%4d%2d%2dT%2d%2d%2d%3uZ-%4X-%8" SCNx32, &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms, &node, &seq) != 9)
                return -EINVAL;
        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        int64_t seconds = timegm(&tm);
        if (seconds < 0)
                return -EINVAL;
        struct message_name name = { .time_ms = seconds * 1000 + ms, .node = node, .seq = seq };
        char again[NAME_SIZE];
        /* The only spelling is our own: signs, blanks, lower case and days
         * that do not exist come out different. */
        if (name.time_ms / 1000 > 253402300799 ||
            strcmp(name_format_file(&name, text + ID_LENGTH, again), text))
                return -EINVAL;
        if (!suffix && text[ID_LENGTH] && strcmp(text + ID_LENGTH, NAME_SUFFIX))
                return -EINVAL;
        *ret_name = name;
        return 0;
}
