#include "admin/cmd.h"
#include "fsp/fsutil.h"
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

void cmd_complain(const char *format, ...)
{
        va_list arguments;

        (void)fputs("fspctl: ", stderr); /* where else could we say so */
        va_start(arguments, format);
        (void)vfprintf(stderr, format, arguments);
        va_end(arguments);
        (void)fputc('\n', stderr);
}

void cmd_print(FILE *out, const char *text)
{
        char *escaped AUTO_FREE = format_escape(text);

        (void)fputs(escaped ? escaped : "(out of memory)", out); /* main looks at the stream */
}

struct format cmd_format(const struct cmd_arguments *arguments, const struct format_column *columns,
                         size_t column_count, const struct format_column *table_columns,
                         size_t table_column_count)
{
        bool table = !arguments->json && !arguments->csv;

        return (struct format){
                .kind = arguments->json  ? &format_json
                        : arguments->csv ? &format_csv
                                         : &format_table,
                .out = stdout,
                .columns = table ? table_columns : columns,
                .column_count = table ? table_column_count : column_count,
                .terminal = isatty(STDOUT_FILENO),
        };
}
