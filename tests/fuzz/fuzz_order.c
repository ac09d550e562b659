/* A line of the control socket. */
#include "admin/order.h"
#include "fuzz.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct order_request request;
        const char *why = NULL;
        char *line = malloc(size ? size : 1);
        MUST(line);
        if (size)
                memcpy(line, data, size);
        if (order_parse(line, size, &request, &why) == 0) {
                MUST(request.order <= ORDER_DRAIN);
                MUST(request.order != ORDER_REQUEUE || json_array_size(request.ids) > 0);
                order_request_free(&request);
        } else {
                MUST(why && *why);
        }
        free(line);
        return 0;
}
