/* facts: the tree of a report, walked element by element. */
#include "message/facts.h"
#include "fsp/clock.h"
#include "message/report.h"
#include <string.h>

#define MAX_DIGITS 18 /* always fit int64_t */

/* Indexed by place: the element's name and the place it stands in. */
static const struct {
        const char *name;
        enum place parent;
} places[] = {
        [PLACE_REPORT] = { "Report", PLACE_OUTSIDE },
        [PLACE_HEADER] = { "ReportHeader", PLACE_REPORT },
        [PLACE_IDENTIFICATION] = { "Identification", PLACE_HEADER },
        [PLACE_MACHINE] = { "Machine", PLACE_IDENTIFICATION },
        [PLACE_CLIENT_ID] = { "ClientID", PLACE_MACHINE },
        [PLACE_CLIENT_VERSION] = { "ClientVersion", PLACE_MACHINE },
        [PLACE_NETBIOS_NAME] = { "NetBIOSName", PLACE_MACHINE },
        [PLACE_BODY] = { "ReportBody", PLACE_REPORT },
        [PLACE_STATE_MESSAGE] = { "StateMessage", PLACE_BODY },
        [PLACE_TOPIC] = { "Topic", PLACE_STATE_MESSAGE },
        [PLACE_STATE] = { "State", PLACE_STATE_MESSAGE },
        [PLACE_DETAILS] = { "StateDetails", PLACE_STATE_MESSAGE },
        [PLACE_PARAMETERS] = { "UserParameters", PLACE_STATE_MESSAGE },
        [PLACE_PARAM] = { "Param", PLACE_PARAMETERS },
};
#define PLACE_COUNT (sizeof places / sizeof places[0])

static void note_fault(struct facts *facts, const char *fault)
{
        if (facts->fault == NULL)
                facts->fault = fault;
}

static struct state_message *last_state(const struct facts *facts)
{
        return &facts->report->states[facts->report->state_count - 1];
}

/* The unprefixed attribute of that name. */
static const struct facts_attribute *find_attribute(const struct facts_attribute *attributes, size_t count,
                                                    const char *name)
{
        for (size_t i = 0; i < count; i++)
                if (attributes[i].prefix == NULL && strcmp((const char *)attributes[i].name, name) == 0)
                        return &attributes[i];
        return NULL;
}

static const char *keep_attribute(struct facts *facts, const struct facts_attribute *attribute)
{
        if (attribute == NULL)
                return NULL;
        char *text = report_begin_text(facts->report);
        report_append_text(facts->report, (const char *)attribute->value,
                           (size_t)(attribute->end - attribute->value));
        return report_end_trimmed(facts->report, text);
}

static bool read_number(const struct facts_attribute *attribute, int64_t *ret_number)
{
        int64_t number = 0;

        if (attribute == NULL || attribute->end == attribute->value ||
            attribute->end - attribute->value > MAX_DIGITS)
                return false;
        for (const unsigned char *digit = attribute->value; digit < attribute->end; digit++) {
                if (*digit < '0' || *digit > '9')
                        return false;
                number = number * 10 + (*digit - '0');
        }
        *ret_number = number;
        return true;
}

static enum verdict enter_state_message(struct facts *facts, const struct facts_attribute *attributes,
                                        size_t count)
{
        if (facts->report->state_count == MESSAGE_MAX_STATES)
                return VERDICT_TOO_COMPLEX;
        struct state_message *state = report_add_state(facts->report);
        if (state == NULL)
                return VERDICT_BUSY;
        facts->state_seen = true;
        facts->topics = facts->states = 0;
        facts->numeric = true;
        state->message_time = keep_attribute(facts, find_attribute(attributes, count, "MessageTime"));
        if (state->message_time != NULL)
                state->message_time_ms = clock_parse_message_time(state->message_time);
        state->serial_number = keep_attribute(facts, find_attribute(attributes, count, "SerialNumber"));
        return VERDICT_ACCEPTED;
}

static void enter_topic(struct facts *facts, const struct facts_attribute *attributes, size_t count)
{
        if (facts->topics++ > 0)
                return;
        struct state_message *state = last_state(facts);
        if (!read_number(find_attribute(attributes, count, "Type"), &state->topic_type)) {
                facts->numeric = false;
                note_fault(facts, "a Topic has no numeric Type");
        }
        state->topic_id = keep_attribute(facts, find_attribute(attributes, count, "ID"));
}

static void enter_state(struct facts *facts, const struct facts_attribute *attributes, size_t count)
{
        if (facts->states++ > 0)
                return;
        if (!read_number(find_attribute(attributes, count, "ID"), &last_state(facts)->state_id)) {
                facts->numeric = false;
                note_fault(facts, "a State has no numeric ID");
        }
}

/* Where the text of an element belongs: into the place still free for it, or nowhere. */
static const char **text_target(const struct facts *facts)
{
        struct report *report = facts->report;
        struct state_message *state;

        switch (facts->place) {
        case PLACE_CLIENT_ID:
                return report->client_id == NULL ? &report->client_id : NULL;
        case PLACE_CLIENT_VERSION:
                return report->client_version == NULL ? &report->client_version : NULL;
        case PLACE_NETBIOS_NAME:
                return report->netbios_name == NULL ? &report->netbios_name : NULL;
        case PLACE_DETAILS:
                state = last_state(facts);
                return state->details == NULL ? &state->details : NULL;
        case PLACE_PARAM:
                state = last_state(facts);
                return state->param_count < MESSAGE_MAX_PARAMS ? &state->params[state->param_count] : NULL;
        case PLACE_OUTSIDE:
        case PLACE_REPORT:
        case PLACE_HEADER:
        case PLACE_IDENTIFICATION:
        case PLACE_MACHINE:
        case PLACE_BODY:
        case PLACE_STATE_MESSAGE:
        case PLACE_TOPIC:
        case PLACE_STATE:
        case PLACE_PARAMETERS:
                break;
        }
        return NULL;
}

static bool is_same_namespace(const char *a, const char *b)
{
        return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* PLACE_OUTSIDE when the table has no such element here. */
static enum place find_place(const struct facts *facts, const char *name, const char *uri)
{
        if (facts->unknown > 0 || !is_same_namespace(uri, facts->root_namespace))
                return PLACE_OUTSIDE;
        for (size_t i = PLACE_REPORT; i < PLACE_COUNT; i++)
                if (places[i].parent == facts->place && strcmp(places[i].name, name) == 0)
                        return (enum place)i;
        return PLACE_OUTSIDE;
}

enum verdict facts_enter(struct facts *facts, const char *name, const char *uri,
                         const struct facts_attribute *attributes, size_t count)
{
        if (facts->place == PLACE_OUTSIDE && facts->unknown == 0)
                facts->root_namespace = uri;
        enum place place = find_place(facts, name, uri);
        if (place == PLACE_OUTSIDE) {
                facts->unknown++;
                return VERDICT_ACCEPTED;
        }
        facts->place = place;
        if (place == PLACE_STATE_MESSAGE)
                return enter_state_message(facts, attributes, count);
        if (place == PLACE_REPORT)
                facts->report_seen = true;
        else if (place == PLACE_MACHINE)
                facts->machine_seen = true;
        else if (place == PLACE_TOPIC)
                enter_topic(facts, attributes, count);
        else if (place == PLACE_STATE)
                enter_state(facts, attributes, count);
        else if (text_target(facts) != NULL)
                facts->text = report_begin_text(facts->report);
        return VERDICT_ACCEPTED;
}

void facts_text(struct facts *facts, const char *piece, size_t size)
{
        if (facts->text != NULL && facts->unknown == 0)
                report_append_text(facts->report, piece, size);
}

static void leave_text(struct facts *facts)
{
        const char **target = text_target(facts);

        if (facts->place == PLACE_PARAM) {
                *target = report_end_text(facts->report, facts->text);
                last_state(facts)->param_count++;
        } else {
                *target = report_end_trimmed(facts->report, facts->text);
        }
        facts->text = NULL;
}

/* Keeps what has a topic and a state to speak of. */
static void leave_state_message(struct facts *facts)
{
        if (facts->topics != 1)
                note_fault(facts, facts->topics == 0 ? "a StateMessage without Topic"
                                                     : "a StateMessage with more than one Topic");
        if (facts->states != 1)
                note_fault(facts, facts->states == 0 ? "a StateMessage without State"
                                                     : "a StateMessage with more than one State");
        if (facts->topics == 0 || facts->states == 0 || !facts->numeric)
                facts->report->state_count--;
}

void facts_leave(struct facts *facts)
{
        if (facts->unknown > 0) {
                facts->unknown--;
                return;
        }
        if (facts->text != NULL)
                leave_text(facts);
        else if (facts->place == PLACE_STATE_MESSAGE)
                leave_state_message(facts);
        facts->place = places[facts->place].parent;
}

const char *facts_missing(const struct facts *facts)
{
        if (!facts->report_seen)
                return "the root element is not Report";
        if (!facts->machine_seen)
                return "no ReportHeader/Identification/Machine";
        if (!facts->state_seen)
                return "no ReportBody/StateMessage";
        return facts->fault;
}
