/* judge: what the administrator's [policy] says of a report.
 *
 * Owns      nothing.  Threads: pure functions. */
#ifndef FSP_MESSAGE_JUDGE_H
#define FSP_MESSAGE_JUDGE_H

#include "fsp/message.h"

/* VERDICT_ACCEPTED, VERDICT_OLD_CLIENT or VERDICT_TOPIC. */
enum verdict judge_report(const struct config *policy, const struct report *report, const char **ret_why);

#endif
