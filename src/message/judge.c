/* judge: policy.min_client_version and policy.topics. */
#include "message/judge.h"
#include "fsp/text.h"
#include <string.h>

static bool is_topic_accepted(const struct config_list *topics, int64_t topic_type)
{
        for (size_t i = 0; i < topics->count; i++) {
                uint64_t accepted;
                if (strcmp(topics->items[i], "*") == 0)
                        return true;
                if (text_parse_u64(topics->items[i], &accepted) == 0 && accepted == (uint64_t)topic_type)
                        return true;
        }
        return false;
}

enum verdict judge_report(const struct config *policy, const struct report *report, const char **ret_why)
{
        if (report->client_version != NULL &&
            text_compare_versions(report->client_version, policy->policy.min_client_version) < 0) {
                *ret_why = "ClientVersion is below policy.min_client_version";
                return VERDICT_OLD_CLIENT;
        }
        for (size_t i = 0; i < report->state_count; i++) {
                if (!is_topic_accepted(&policy->policy.topics, report->states[i].topic_type)) {
                        *ret_why = "a topic type is not in policy.topics";
                        return VERDICT_TOPIC;
                }
        }
        return VERDICT_ACCEPTED;
}
