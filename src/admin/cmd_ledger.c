#include "admin/cmd_ledger.h"
#include "admin/cmd.h"
#include "admin/cmd_pager.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

int cmd_complain_ledger(const struct config *config, int fault)
{
        const char *file = config->ledger.file;

        switch (-fault) {
        case ENOENT:
                cmd_complain("there is no ledger %s: fspd makes it at its first start", file);
                break;
        case EUCLEAN:
                cmd_complain("%s is no ledger of this version of fspd, or it is damaged", file);
                break;
        case EACCES:
                cmd_complain("the ledger %s may not be read by this user", file);
                break;
        case EIO:
                cmd_complain("the ledger %s or the output: %s", file, strerror(EIO));
                break;
        default: /* errno, a foreign list */
                cmd_complain("the ledger %s: %s", file, strerror(-fault));
                break;
        }
        return CMD_WRONG;
}

int cmd_open_ledger(const struct config *config, struct query **ret_query)
{
        int r = query_open(config->ledger.file, ret_query);

        return r < 0 ? cmd_complain_ledger(config, r) : CMD_DONE;
}

static void tell_limit(const struct format *format, uint64_t limit)
{
        if (format->kind == &format_table && format->terminal && limit > 0 && format->rows == limit)
                (void)fprintf(format->out, "There may be more than these %" PRIu64 ": --limit 0 shows all\n",
                              limit); /* main looks at the stream */
}

int cmd_show_list(const struct config *config, struct format *format, uint64_t limit,
                  int (*write)(void *arg, struct query *query), void *arg)
{
        struct cmd_pager pager;
        struct query *query;
        int end, r, result = cmd_open_ledger(config, &query);

        if (result != CMD_DONE)
                return result;
        cmd_pager_begin(&pager, format);
        r = format->kind->begin(format);
        if (r == 0)
                r = write(arg, query);
        end = format->kind->end(format);
        query_close(query);
        tell_limit(format, limit);
        cmd_pager_end(&pager);
        return r < 0 || end < 0 ? cmd_complain_ledger(config, r < 0 ? r : end) : CMD_DONE;
}
