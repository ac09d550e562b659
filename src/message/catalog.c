/* catalog: look-ups in the table of states. */
#include "fsp/catalog.h"
#include "fsp/text.h"
#include "message/catalog_table.h"

#define TOPIC_CLIENT_DEPLOYMENT 800

/* The first row not before that one. */
static size_t lower_bound(int64_t topic_type, int64_t state_id)
{
        size_t low = 0, high = catalog_table_count;

        while (low < high) {
                size_t middle = (low + high) / 2;
                const struct catalog_state *row = &catalog_table[middle];
                if (row->topic_type < topic_type ||
                    (row->topic_type == topic_type && row->state_id < state_id))
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

const struct catalog_state *catalog_find(int64_t topic_type, int64_t state_id)
{
        size_t i = lower_bound(topic_type, state_id);

        if (i == catalog_table_count || catalog_table[i].topic_type != topic_type ||
            catalog_table[i].state_id != state_id)
                return NULL;
        return &catalog_table[i];
}

const char *catalog_topic_name(int64_t topic_type)
{
        size_t i = lower_bound(topic_type, INT64_MIN);

        if (i == catalog_table_count || catalog_table[i].topic_type != topic_type)
                return NULL;
        return catalog_table[i].topic_name;
}

const char *catalog_state_text(int64_t topic_type, int64_t state_id)
{
        const struct catalog_state *row = catalog_find(topic_type, state_id);

        return row == NULL ? NULL : row->description;
}

const char *catalog_class(int64_t topic_type, int64_t state_id)
{
        static const char *const by_hundreds[] = {
                [1] = "in-progress", [3] = "deploy-failed", [4] = "deployed",
                [5] = "assigning",   [6] = "assign-failed", [7] = "assigned",
        };
        const struct catalog_state *row = catalog_find(topic_type, state_id);

        if (row != NULL)
                return row->state_class;
        if (topic_type != TOPIC_CLIENT_DEPLOYMENT || state_id < 0 || state_id > 799 ||
            by_hundreds[state_id / 100] == NULL)
                return "unknown";
        return by_hundreds[state_id / 100];
}

enum catalog_mood catalog_mood(const char *state_class)
{
        static const struct {
                const char *glob;
                enum catalog_mood mood;
        } moods[] = {
                { "*-failed", CATALOG_BAD },  { "deployed-reboot", CATALOG_WARNING },
                { "deployed", CATALOG_GOOD }, { "assigned", CATALOG_GOOD },
                { "*-ok", CATALOG_GOOD },
        };
        size_t i;

        for (i = 0; i < sizeof(moods) / sizeof(moods[0]); i++)
                if (text_matches_glob(moods[i].glob, state_class))
                        return moods[i].mood;
        return CATALOG_NEUTRAL;
}

const struct catalog_state *catalog_rows(size_t *ret_count)
{
        *ret_count = catalog_table_count;
        return catalog_table;
}
