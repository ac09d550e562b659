/* report: where the facts of one message live. */
#include "message/report.h"
#include "fsp/clock.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct report_memory {
        char *text;
        size_t used, size;
        struct state_message *states;
        size_t capacity;
};

void report_reset(struct report *report)
{
        struct report_memory *memory = report->memory;

        *report = (struct report){ .memory = memory };
        if (memory != NULL) {
                memory->used = 0;
                report->states = memory->states;
        }
}

int report_prepare(struct report *report, size_t text_size)
{
        if (report->memory == NULL)
                report->memory = calloc(1, sizeof *report->memory);
        if (report->memory == NULL)
                return -ENOMEM;
        struct report_memory *memory = report->memory;
        if (memory->size < text_size) {
                char *text = malloc(text_size);
                if (text == NULL)
                        return -ENOMEM;
                free(memory->text);
                memory->text = text;
                memory->size = text_size;
        }
        report_reset(report);
        return 0;
}

void report_free(struct report *report)
{
        if (report->memory != NULL) {
                free(report->memory->text);
                free(report->memory->states);
                free(report->memory);
        }
        *report = (struct report){ 0 };
}

struct state_message *report_add_state(struct report *report)
{
        struct report_memory *memory = report->memory;

        if (report->state_count == memory->capacity) {
                size_t capacity = memory->capacity == 0 ? 1 : memory->capacity * 2;
                struct state_message *states = reallocarray(memory->states, capacity, sizeof *states);
                if (states == NULL)
                        return NULL;
                memory->states = states;
                memory->capacity = capacity;
                report->states = states;
        }
        struct state_message *state = &report->states[report->state_count++];
        *state = (struct state_message){ .message_time_ms = CLOCK_UNKNOWN };
        return state;
}

char *report_begin_text(struct report *report)
{
        return report->memory->text + report->memory->used;
}

void report_append_text(struct report *report, const char *piece, size_t size)
{
        struct report_memory *memory = report->memory;

        assert(size <= memory->size - memory->used); /* the bound of report.h */
        memcpy(memory->text + memory->used, piece, size);
        memory->used += size;
}

const char *report_end_text(struct report *report, char *text)
{
        report_append_text(report, "", 1);
        return text;
}

static bool is_white(char c)
{
        return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

const char *report_end_trimmed(struct report *report, char *text)
{
        struct report_memory *memory = report->memory;
        char *end = memory->text + memory->used;

        while (text < end && is_white(*text))
                text++;
        while (end > text && is_white(end[-1]))
                end--;
        memory->used = (size_t)(end - memory->text);
        return end == text ? NULL : report_end_text(report, text);
}
