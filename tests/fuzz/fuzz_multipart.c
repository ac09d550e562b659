/* The content type up to a line end, then the body. */
#include "fuzz.h"
#include "message/multipart.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct multipart_part parts[MULTIPART_MAX_PARTS];
        const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
        size_t count;
        if (!end)
                return 0;
        char *type = strndup((const char *)data, (size_t)(end - data));
        size_t body_size = size - (size_t)(end + 1 - data);
        unsigned char *body = malloc(body_size ? body_size : 1);
        MUST(type && body);
        if (body_size)
                memcpy(body, end + 1, body_size);
        if (multipart_is_type(type) && multipart_split(type, body, body_size, parts, &count) == 0) {
                const unsigned char *last = body;
                MUST(count <= MULTIPART_MAX_PARTS);
                for (size_t i = 0; i < count; i++) {
                        MUST(parts[i].bytes >= last && parts[i].bytes + parts[i].size <= body + body_size);
                        last = parts[i].bytes + parts[i].size;
                }
        }
        free(type);
        free(body);
        return 0;
}
