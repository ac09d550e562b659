/* What our SQL calls beside SQLite's own functions. */
#include "ledger_private.h"

#include "fsp/catalog.h"
#include "fsp/errors.h"
#include "fsp/text.h"
#include "texts.h"
#include <errno.h>
#include <stdlib.h>

/* The count of arguments is not looked at: SQLite has checked it. */
static void seal(sqlite3_context *context, int count, sqlite3_value **values)
{
        (void)count;
        if (sqlite3_value_bytes(values[6]) != LEDGER_DIGEST_SIZE) {
                sqlite3_result_null(context); /* fits no seal */
                return;
        }
        struct message_name name = { .seq = sqlite3_value_int64(values[0]),
                                     .time_ms = sqlite3_value_int64(values[1]),
                                     .node = (unsigned)sqlite3_value_int(values[2]) };
        sqlite3_result_int64(context,
                             ledger_seal(&name, (enum delivery)sqlite3_value_int(values[3]),
                                         (size_t)sqlite3_value_int64(values[4]),
                                         sqlite3_value_int64(values[5]), sqlite3_value_blob(values[6])));
}

static void state_error(sqlite3_context *context, int count, sqlite3_value **values)
{
        (void)count;
        sqlite3_result_int64(context, errors_in_state((const char *)sqlite3_value_text(values[0]),
                                                      (const char *)sqlite3_value_text(values[1])));
}

static void state_param(sqlite3_context *context, int count, sqlite3_value **values)
{
        const char *list = (const char *)sqlite3_value_text(values[0]);
        struct params_text text = { 0 };
        const char *param = params_next(&list, &text);

        (void)count;
        if (param)
                sqlite3_result_text(context, param, (int)text.size, SQLITE_TRANSIENT);
        params_free(&text);
}

static const void *blob_of(sqlite3_value *value)
{
        return sqlite3_value_type(value) == SQLITE_BLOB ? sqlite3_value_blob(value) : NULL;
}

/* values: params, the message's size, its body or null.  What is damaged is null. */
static bool unpack_texts(sqlite3_context *context, sqlite3_value **values, struct texts *ret_texts)
{
        int r = texts_unpack(sqlite3_value_blob(values[0]), (size_t)sqlite3_value_bytes(values[0]),
                             blob_of(values[2]), (size_t)sqlite3_value_bytes(values[2]),
                             (size_t)sqlite3_value_int64(values[1]), ret_texts);
        if (r == -ENOMEM)
                sqlite3_result_error_nomem(context);
        return r == 0;
}

static void packed_params(sqlite3_context *context, int count, sqlite3_value **values)
{
        struct params_text array = { 0 };
        struct texts texts;

        (void)count;
        if (!unpack_texts(context, values, &texts))
                return;
        if (params_write(&array, texts.params, texts.param_count) == 0)
                sqlite3_result_text(context, array.text, (int)array.size, SQLITE_TRANSIENT);
        else
                sqlite3_result_error_nomem(context);
        params_free(&array);
        free(texts.memory);
}

static void packed_details(sqlite3_context *context, int count, sqlite3_value **values)
{
        struct texts texts;

        (void)count;
        if (!unpack_texts(context, values, &texts))
                return;
        if (texts.details)
                sqlite3_result_text(context, texts.details, -1, SQLITE_TRANSIENT);
        free(texts.memory);
}

static void packed_alone(sqlite3_context *context, int count, sqlite3_value **values)
{
        unsigned char *alone = NULL;
        size_t size;
        int r = texts_pack_alone(sqlite3_value_blob(values[0]), (size_t)sqlite3_value_bytes(values[0]),
                                 blob_of(values[2]), (size_t)sqlite3_value_bytes(values[2]),
                                 (size_t)sqlite3_value_int64(values[1]), &alone, &size);

        (void)count;
        if (r == -ENOMEM)
                sqlite3_result_error_nomem(context);
        else if (r == 0)
                sqlite3_result_blob64(context, alone, size, free);
}

/* Null matches nothing. */
static void matches_glob(sqlite3_context *context, int count, sqlite3_value **values)
{
        const char *pattern = (const char *)sqlite3_value_text(values[0]);
        const char *text = (const char *)sqlite3_value_text(values[1]);

        (void)count;
        sqlite3_result_int(context, pattern && text && text_matches_glob(pattern, text));
}

/* Null when there is no state. */
static void state_class(sqlite3_context *context, int count, sqlite3_value **values)
{
        (void)count;
        if (sqlite3_value_type(values[0]) == SQLITE_NULL)
                sqlite3_result_null(context);
        else
                sqlite3_result_text(
                        context,
                        catalog_class(sqlite3_value_int64(values[0]), sqlite3_value_int64(values[1])), -1,
                        SQLITE_STATIC);
}

struct function {
        const char *name;
        int arguments;
        void (*call)(sqlite3_context *context, int count, sqlite3_value **values);
};
static const struct function functions[] = {
        { "seal", 7, seal },               /* seq, name_ms, node, delivery, size, inbox, digest */
        { "state_error", 2, state_error }, /* params, details */
        { "state_param", 1, state_param }, /* params: the first of them */
        /* params, size, body: the array, the details, params without the body */
        { "packed_params", 3, packed_params },
        { "packed_details", 3, packed_details },
        { "packed_alone", 3, packed_alone },
        { "matches_glob", 2, matches_glob }, /* pattern, text */
        { "state_class", 2, state_class },   /* topic_type, state_id */
};

int ledger_add_functions(sqlite3 *db)
{
        int result = SQLITE_OK;
        for (size_t i = 0; result == SQLITE_OK && i < sizeof(functions) / sizeof(functions[0]); i++)
                result = sqlite3_create_function_v2(db, functions[i].name, functions[i].arguments,
                                                    SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
                                                    NULL, functions[i].call, NULL, NULL, NULL);
        return ledger_errno(result);
}
