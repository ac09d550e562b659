#include "reply.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALLOWED "POST, CCM_POST"
#define TEXT_SIZE 256

struct replies {
        struct MHD_Response *responses[VERDICT_COUNT][2]; /* [1]: with Connection: close */
};

static size_t reason_line(enum verdict verdict, char ret_line[TEXT_SIZE])
{
        const char *text = verdict_info(verdict)->text;
        int length = *text ? snprintf(ret_line, TEXT_SIZE, "%s\n", text) : 0;
        assert(length >= 0 && length < TEXT_SIZE);
        return (size_t)length;
}

static bool add_headers(struct MHD_Response *response, enum verdict verdict, bool close)
{
        const struct verdict_info *info = verdict_info(verdict);
        char seconds[16];
        (void)snprintf(seconds, sizeof(seconds), "%u", info->retry_after_s); /* fits any unsigned */
        bool ok = true;
        if (info->status != MHD_HTTP_OK)
                ok = MHD_add_response_header(response, "Content-Type", "text/plain; charset=utf-8");
        if (info->status == MHD_HTTP_METHOD_NOT_ALLOWED)
                ok = ok && MHD_add_response_header(response, "Allow", ALLOWED);
        if (info->retry_after_s)
                ok = ok && MHD_add_response_header(response, "Retry-After", seconds);
        if (close)
                ok = ok && MHD_add_response_header(response, "Connection", "close");
        return ok;
}

int replies_new(struct replies **ret_replies)
{
        struct replies *replies = calloc(1, sizeof(*replies));
        if (!replies)
                return -ENOMEM;
        for (int i = 0; i < VERDICT_COUNT * 2; i++) {
                char line[TEXT_SIZE];
                size_t size = reason_line((enum verdict)(i / 2), line);
                struct MHD_Response *response =
                        MHD_create_response_from_buffer(size, line, MHD_RESPMEM_MUST_COPY);
                replies->responses[i / 2][i % 2] = response;
                if (!response || !add_headers(response, (enum verdict)(i / 2), i % 2)) {
                        replies_free(replies);
                        return -ENOMEM;
                }
        }
        *ret_replies = replies;
        return 0;
}

void replies_free(struct replies *replies)
{
        for (int i = 0; replies && i < VERDICT_COUNT * 2; i++) {
                if (replies->responses[i / 2][i % 2])
                        MHD_destroy_response(replies->responses[i / 2][i % 2]);
        }
        free(replies);
}

enum MHD_Result reply_queue(struct replies *replies, struct MHD_Connection *mhd, enum verdict verdict,
                            bool close)
{
        return MHD_queue_response(mhd, verdict_info(verdict)->status, replies->responses[verdict][close]);
}

size_t reply_format(enum verdict verdict, char *ret_text, size_t size)
{
        const struct verdict_info *info = verdict_info(verdict);
        char retry[32] = "";
        if (info->retry_after_s)
                (void)snprintf(retry, sizeof(retry), "Retry-After: %u\r\n", info->retry_after_s); /* fits */
        int length = snprintf(ret_text, size,
                              "HTTP/1.1 %u %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
                              "Content-Length: %zu\r\n%sConnection: close\r\n\r\n%s\n",
                              info->status, MHD_get_reason_phrase_for(info->status), strlen(info->text) + 1,
                              retry, info->text);
        assert(length > 0 && (size_t)length < size);
        return (size_t)length;
}
