/* A file name as recovery finds it in the staging folder. */
#include "fsp/name.h"
#include "fuzz.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const char *const suffixes[] = { "", NAME_SUFFIX, NAME_TEMPORARY_SUFFIX };
        char *text = strndup((const char *)data, size), again[NAME_SIZE];
        MUST(text);
        for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
                struct message_name name;
                /* Nothing is taken but what would be written. */
                if (name_parse(text, suffixes[i], &name) == 0)
                        MUST(strcmp(name_format_file(&name, suffixes[i], again), text) == 0);
        }
        free(text);
        return 0;
}
