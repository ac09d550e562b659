/* texts: see texts.h. */
#include "texts.h"

#include "body.h"
#include "fsp/fsutil.h"
#include "packing.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum form { BEHIND_BODY = 1, BEHIND_WORDS = 2 };
#define HEAD_SIZE 3
#define BODY_MAX 32768 /* a larger one would have to be unpacked for little */
#define PLAIN_MIN 64   /* less gains nothing worth the work */
#define PLAIN_MAX 8192 /* two bytes tell its size; texts of messages have hundreds */
#define GAIN 2         /* so many times as short, or it is not worth it */
#define DETAILS 'd'
#define NO_DETAILS '-'

static void write_head(unsigned char *packed, enum form form, size_t plain_size)
{
        packed[0] = (unsigned char)form;
        packed[1] = (unsigned char)plain_size;
        packed[2] = (unsigned char)(plain_size >> 8);
}

/* With its NUL; false when it does not fit. */
static bool put(char plain[PLAIN_MAX], size_t *size, const char *text)
{
        size_t length = strlen(text) + 1;
        if (length > PLAIN_MAX - *size)
                return false;
        memcpy(plain + *size, text, length);
        *size += length;
        return true;
}

/* 0: too long. */
static size_t gather(const struct state_message *state, char plain[PLAIN_MAX])
{
        size_t size = 0;
        plain[size++] = state->details ? DETAILS : NO_DETAILS;
        bool fits = put(plain, &size, state->details ? state->details : "");
        for (size_t i = 0; fits && i < state->param_count; i++)
                fits = put(plain, &size, state->params[i]);
        return fits ? size : 0;
}

size_t texts_pack(const struct report *report, unsigned char *packed, size_t room)
{
        char plain[PLAIN_MAX];
        if (report->state_count != 1 || report->size > BODY_MAX || room <= HEAD_SIZE)
                return 0;
        size_t plain_size = gather(&report->states[0], plain);
        if (plain_size < PLAIN_MIN)
                return 0;
        write_head(packed, BEHIND_BODY, plain_size);
        size_t size = packing_behind_last(plain, plain_size, packed + HEAD_SIZE, room - HEAD_SIZE);
        return size > 0 && HEAD_SIZE + size <= plain_size / GAIN ? HEAD_SIZE + size : 0;
}

static int undo_behind_body(const unsigned char *packed, size_t packed_size, const void *body,
                            size_t body_size, size_t size, char *plain, size_t plain_size)
{
        unsigned char *source AUTO_FREE = NULL;
        size_t source_size = 0;
        if (!body)
                return -EUCLEAN;
        int r = body_source(body, body_size, size, &source, &source_size);
        return r < 0 ? r : packing_undo(packed, packed_size, source, source_size, plain, plain_size);
}

/* plain has room for PLAIN_MAX; gives its size. */
static int undo(const unsigned char *packed, size_t packed_size, const void *body, size_t body_size,
                size_t size, char *plain)
{
        if (packed_size <= HEAD_SIZE)
                return -EUCLEAN;
        size_t plain_size = packed[1] | (size_t)packed[2] << 8;
        if (plain_size < 2 || plain_size > PLAIN_MAX)
                return -EUCLEAN;
        int length = -EUCLEAN;
        if (packed[0] == BEHIND_BODY)
                length = undo_behind_body(packed + HEAD_SIZE, packed_size - HEAD_SIZE, body, body_size, size,
                                          plain, plain_size);
        else if (packed[0] == BEHIND_WORDS)
                length = packing_undo_behind_words(packed + HEAD_SIZE, packed_size - HEAD_SIZE, plain,
                                                   plain_size);
        if (length < 0)
                return length;
        bool sound = (size_t)length == plain_size && plain[length - 1] == '\0' &&
                     (plain[0] == DETAILS || plain[0] == NO_DETAILS);
        return sound ? length : -EUCLEAN;
}

static int divide(struct texts *texts, size_t size)
{
        const char *at = texts->memory, *end = at + size;
        texts->details = *at == DETAILS ? at + 1 : NULL;
        for (at += strlen(at) + 1; at < end; at += strlen(at) + 1) {
                if (texts->param_count == MESSAGE_MAX_PARAMS)
                        return -EUCLEAN;
                texts->params[texts->param_count++] = at;
        }
        return 0;
}

int texts_unpack(const unsigned char *packed, size_t packed_size, const void *body, size_t body_size,
                 size_t size, struct texts *ret_texts)
{
        char *plain AUTO_FREE = malloc(PLAIN_MAX);
        if (!plain)
                return -ENOMEM;
        int length = undo(packed, packed_size, body, body_size, size, plain);
        struct texts texts = { .memory = plain };
        int r = length < 0 ? length : divide(&texts, (size_t)length);
        if (r < 0)
                return r;
        plain = NULL;
        *ret_texts = texts;
        return 0;
}

int texts_pack_alone(const unsigned char *packed, size_t packed_size, const void *body, size_t body_size,
                     size_t size, unsigned char **ret_alone, size_t *ret_alone_size)
{
        char plain[PLAIN_MAX];
        int length = undo(packed, packed_size, body, body_size, size, plain);
        if (length < 0)
                return length;
        size_t room = packing_bound((size_t)length);
        unsigned char *alone = malloc(HEAD_SIZE + room);
        if (!alone)
                return -ENOMEM;
        write_head(alone, BEHIND_WORDS, (size_t)length);
        size_t alone_size = packing_behind_words(plain, (size_t)length, alone + HEAD_SIZE, room);
        assert(alone_size > 0); /* the room is enough for anything */
        *ret_alone = alone;
        *ret_alone_size = HEAD_SIZE + alone_size;
        return 0;
}
