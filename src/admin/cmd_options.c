#include "admin/cmd_options.h"
#include "admin/cmd.h"
#include "fsp/catalog.h"
#include "fsp/clock.h"
#include "fsp/text.h"
#include <string.h>

bool cmd_parse_when(const char *option, const char *text, int64_t *ret_ms)
{
        if (!text || clock_parse_when(text, clock_wall_ms(), ret_ms) == 0)
                return true;
        cmd_complain(
                "--%s %s: give an RFC 3339 time, YYYY-MM-DD, an age such as 90s 15m 2h 3d 4w, now, today or "
                "yesterday",
                option, text);
        return false;
}

static bool parse_number(const char *option, const char *text, uint64_t most, uint64_t *ret_value)
{
        uint64_t value;

        if (text_parse_u64(text, &value) < 0 || value > most) {
                cmd_complain("--%s %s: give a number from 0 to %ju", option, text, (uintmax_t)most);
                return false;
        }
        *ret_value = value;
        return true;
}

bool cmd_parse_identifier(const char *option, const char *text, int64_t *ret_value)
{
        uint64_t value;

        if (!text)
                return true;
        if (!parse_number(option, text, INT64_MAX, &value))
                return false;
        *ret_value = (int64_t)value;
        return true;
}

bool cmd_parse_limit(const char *text, uint64_t *ret_limit)
{
        return !text || parse_number("limit", text, INT64_MAX, ret_limit);
}

bool cmd_parse_class(const char *text)
{
        const struct catalog_state *rows;
        size_t count, i;

        if (!text || strcmp(text, "unknown") == 0)
                return true;
        rows = catalog_rows(&count);
        for (i = 0; i < count; i++)
                if (strcmp(rows[i].state_class, text) == 0)
                        return true;
        cmd_complain("--class %s: there is no such class", text);
        return false;
}
