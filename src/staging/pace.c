/* Bursts, storms, and what is too much. */
#include "pace.h"

/* Intake comes first: while messages keep coming, their files wait, but only as
 * long as both the oldest and the newest are files within 5 s for certain. */
#define SOON_MS 2500
/* A storm comes faster than files are made.  200,000 clients at once are
 * answered first; this is spent, and comes back by a second for each ten, for as
 * much as files take less than half of the time: not while the rush lasts. */
#define STORM_MS 15000
#define STORM_MESSAGES 250000
#define STORM_RETURN 10
#define FILE_US 100 /* until it is measured; and at least, beside a storm */
#define FILE_WEIGHT 4

void pace_init(struct pace *pace, int64_t now_ms)
{
        *pace = (struct pace){ .since_ms = now_ms, .allowance_ms = STORM_MS, .file_us = FILE_US };
}

void pace_begin(struct pace *pace, int64_t now_ms)
{
        int64_t calm_ms = now_ms - pace->since_ms - 2 * pace->worked_us / 1000;
        pace->allowance_ms += (calm_ms > 0 ? calm_ms : 0) / STORM_RETURN - pace->spent_ms;
        if (pace->allowance_ms > STORM_MS)
                pace->allowance_ms = STORM_MS;
        pace->spent_ms = pace->worked_us = 0;
        pace->since_ms = now_ms;
}

/* Until so many are files. */
static int64_t needed_ms(const struct pace *pace, int64_t waiting)
{
        return waiting * pace->file_us / 1000;
}

static bool is_storm(const struct pace *pace, int64_t waiting, int64_t age_ms)
{
        bool faster = needed_ms(pace, waiting) >= age_ms || waiting * FILE_US / 1000 >= age_ms;
        return age_ms < pace->allowance_ms && waiting < STORM_MESSAGES && faster;
}

bool pace_let_pass(struct pace *pace, int64_t waiting, int64_t now_ms)
{
        int64_t age_ms = now_ms - pace->since_ms;
        if (age_ms < SOON_MS && needed_ms(pace, waiting) < SOON_MS)
                return true;
        if (!is_storm(pace, waiting, age_ms))
                return false;
        pace->spent_ms = age_ms;
        return true;
}

void pace_learn(struct pace *pace, int64_t files, int64_t took_us)
{
        pace->worked_us += took_us;
        if (files > 0)
                pace->file_us += (took_us / files - pace->file_us) / FILE_WEIGHT;
}

bool pace_is_late(const struct pace *pace, int64_t waiting, int64_t now_ms)
{
        return needed_ms(pace, waiting) >= SOON_MS && !is_storm(pace, waiting, now_ms - pace->since_ms);
}
