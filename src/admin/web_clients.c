/* The list of clients, one client with its time line, and the reports. */
#include "admin/web_site.h"

#include "admin/web_html.h"
#include "admin/web_parts.h"
#include "admin/web_viewer.h"
#include "fsp/catalog.h"
#include "fsp/clock.h"
#include "fsp/errors.h"
#include "fsp/fsutil.h"
#include "fsp/text.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY 200
/* Clients that a key may fit, as a glob or as a name of many, among which its own is looked for. */
#define NAMESAKES 10000

struct clients {
        FILE *out;
        int64_t now_ms;
        uint64_t count;
        struct viewer_filter last; /* where the list goes on */
};

static const char *client_name(const struct viewer_client *client)
{
        const char *name = client->netbios_name ? client->netbios_name : client->client_id;
        return name ? name : "?";
}

static const char *state_class(const struct viewer_state *state)
{
        return state->known ? catalog_class(state->topic_type, state->state_id) : "unknown";
}

static int put_client(void *arg, const struct viewer_client *client)
{
        struct clients *clients = arg;
        FILE *out = clients->out;
        if (clients->count++ == 0)
                html(out,
                     "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Clients\"><table>"
                     "<thead><tr><th scope=\"col\">Client</th><th scope=\"col\">State</th><th "
                     "scope=\"col\">Class</th>"
                     "<th scope=\"col\" class=\"wide\">Error</th><th scope=\"col\" "
                     "class=\"wide\">Version</th>"
                     "<th scope=\"col\">Last seen</th></tr></thead><tbody>\n");
        html(out, "<tr><td><a href=\"/clients/%d\">%s</a></td><td>", client->number, client_name(client));
        if (client->state.known)
                parts_state(out, client->state.topic_type, client->state.state_id);
        else
                html(out, "–");
        html(out, "</td><td>");
        parts_badge(out, state_class(&client->state));
        html(out, "</td><td class=\"wide\">");
        parts_error(out, client->state.known ? client->state.error : ERRORS_NONE);
        html(out, "</td><td class=\"wide\">%s</td><td>", client->client_version);
        html_time(out, client->last_seen_ms, clients->now_ms);
        html(out, "</td></tr>\n");
        web_viewer_after(&clients->last, client);
        return 0;
}

/* "MS.NUMBER.TOPIC", where the page before ended. */
static void take_after(const struct web_request *request, struct viewer_filter *filter)
{
        const char *before = web_parameter(request, "before");
        int64_t ms, number, topic;
        if (before && sscanf(before, "%" SCNd64 ".%" SCNd64 ".%" SCNd64, &ms, &number, &topic) == 3) {
                filter->after_ms = ms;
                filter->after_number = number;
                filter->after_topic = topic;
        }
}

static void put_further(FILE *out, const struct web_request *request, const struct viewer_filter *last)
{
        html(out, "<p><a rel=\"next\" href=\"?before=%d.%d.%d", last->after_ms, last->after_number,
             last->after_topic);
        for (size_t i = 0; i < request->parameter_count; i++)
                if (strcmp(request->parameters[i].name, "before") != 0)
                        html(out, "&amp;%u=%u", request->parameters[i].name, request->parameters[i].value);
        html(out, "\">Further clients</a></p>\n");
}

static void put_search(FILE *out, const struct web_request *request)
{
        static const char *const classes[] = { "deploy-failed",   "assign-failed", "in-progress", "deployed",
                                               "deployed-reboot", "assigning",     "assigned",    "unknown" };
        const char *client = web_parameter(request, "client"), *chosen = web_parameter(request, "class");
        html(out,
             "<form class=\"search\" role=\"search\" action=\"/clients\"><label>Name or ID, <code>*</code> "
             "is any text"
             "<input type=\"search\" name=\"client\" value=\"%s\" autocomplete=\"off\" "
             "spellcheck=\"false\"></label>"
             "<label>Class<br><select name=\"class\"><option value=\"\">any</option>\n",
             client ? client : "");
        for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
                html(out,
                     chosen && strcmp(chosen, classes[i]) == 0 ? "<option selected>%s</option>\n"
                                                               : "<option>%s</option>\n",
                     classes[i]);
        html(out, "</select></label><button>Search</button></form>\n");
}

/* report: VIEWER_REPORT_COUNT for all clients. */
static int put_clients(struct site *site, FILE *out, const struct web_request *request,
                       struct web_viewer_filter *filter, enum viewer_report report)
{
        struct clients clients = { .out = out, .now_ms = clock_wall_ms() };
        const struct viewer_filter *wanted = web_viewer_filter(filter);
        if (filter->filter.limit == 0 || filter->filter.limit > MESSAGE_FILTER_LIMIT)
                filter->filter.limit = MESSAGE_FILTER_LIMIT;
        take_after(request, &filter->filter);
        html(out, "<div id=\"list\" data-live>\n");
        int r = report == VIEWER_REPORT_COUNT
                        ? viewer_clients(site->query, wanted, put_client, &clients)
                        : viewer_report_clients(site->query, report, wanted, put_client, &clients);
        if (clients.count > 0)
                html(out, "</tbody></table></div>\n");
        else
                html(out,
                     "<div class=\"sheet empty\"><p><strong>No client matches.</strong></p><p>A client is "
                     "listed when a message of its has come.</p></div>\n");
        parts_left_out(out, site->query);
        if (clients.count == wanted->limit)
                put_further(out, request, &clients.last);
        html(out, "</div>\n");
        return r;
}

int web_clients(void *arg, const struct web_request *request, struct web_answer *answer)
{
        struct web_viewer_filter filter;
        int r = web_viewer_read(request, answer, &filter);
        if (r < 0)
                return r;
        html_begin(answer, "Clients", "Clients");
        html(answer->out, "<h1>Clients</h1>\n");
        put_search(answer->out, request);
        r = put_clients(arg, answer->out, request, &filter, VIEWER_REPORT_COUNT);
        html_links(answer->out, "/api/v1/clients", request);
        html_end(answer);
        return r;
}

static void put_moment(FILE *out, const char *title, int64_t ms, int64_t now_ms)
{
        if (ms == CLOCK_UNKNOWN)
                return;
        html(out, "<dt>%s</dt><dd>", title);
        html_time(out, ms, now_ms);
        html(out, "</dd>\n");
}

static void put_answer(FILE *out, const char *title, enum viewer_answer answer, const char *yes,
                       const char *no)
{
        if (answer != VIEWER_UNKNOWN)
                html(out, "<dt>%s</dt><dd>%s</dd>\n", title, answer == VIEWER_YES ? yes : no);
}

static void put_text(FILE *out, const char *title, const char *text)
{
        if (text)
                html(out, "<dt>%s</dt><dd>%s</dd>\n", title, text);
}

static void put_client_links(FILE *out, const char *key)
{
        html(out,
             "<p class=\"links\">This as <a href=\"/api/v1/clients?client=%u\">JSON</a> or"
             " <a href=\"/api/v1/clients?format=csv&amp;client=%u\">CSV</a>, its messages as"
             " <a href=\"/api/v1/messages?client=%u\">JSON</a> or"
             " <a href=\"/api/v1/messages?format=csv&amp;client=%u\">CSV</a></p>\n",
             key, key, key, key);
}

static int put_facts(void *arg, const struct viewer_client *client)
{
        struct clients *clients = arg;
        FILE *out = clients->out;
        html(out, "<h1>%s</h1>\n<div class=\"sheet\"><dl>\n", client_name(client));
        if (client->state.known) {
                html(out, "<dt>Last state</dt><dd>");
                parts_badge(out, state_class(&client->state));
                html(out, " ");
                parts_state(out, client->state.topic_type, client->state.state_id);
                html(out, "</dd>\n<dt>Error</dt><dd>");
                parts_error(out, client->state.error);
                html(out, "</dd>\n");
        }
        put_text(out, "Client ID", client->client_id);
        put_text(out, "NetBIOS name", client->netbios_name);
        put_text(out, "Version", client->client_version);
        put_moment(out, "First seen", client->first_seen_ms, clients->now_ms);
        put_moment(out, "Last seen", client->last_seen_ms, clients->now_ms);
        put_moment(out, "Deployment began", client->deployment_begin_ms, clients->now_ms);
        put_moment(out, "Deployment ended", client->deployment_end_ms, clients->now_ms);
        put_moment(out, "Assignment began", client->assignment_begin_ms, clients->now_ms);
        put_moment(out, "Assignment ended", client->assignment_end_ms, clients->now_ms);
        put_answer(out, "Reboot", client->reboot_needed, "needed", "not needed");
        put_answer(out, "Management point", client->communication, "in reach", "out of reach");
        put_answer(out, "Certificate", client->certificate, "found", "not found");
        html(out, "</dl></div>\n");
        put_client_links(out, client->client_id ? client->client_id : client_name(client));
        return 0;
}

static int put_event(void *arg, const struct query_message *message)
{
        struct clients *clients = arg;
        FILE *out = clients->out;
        char id[NAME_SIZE];
        const char *class =
                message->has_state ? catalog_class(message->topic_type, message->state_id) : "unknown";
        html(out, "<li class=\"%s\"><p>", parts_mood(class));
        html_time(out,
                  message->message_time_ms == CLOCK_UNKNOWN ? message->received_ms : message->message_time_ms,
                  clients->now_ms);
        html(out, " ");
        parts_badge(out, class);
        html(out, "</p><p><a href=\"/messages/%u\">", name_format_id(&message->name, id));
        parts_state(out, message->topic_type, message->state_id);
        html(out, "</a> <span class=\"soft\">%s</span></p></li>\n", delivery_name(message->delivery));
        clients->count++;
        return 0;
}

struct search {
        const char *key;
        int64_t number; /* 0: not found */
};

/* The glob may hit others too. */
static int match_key(void *arg, const struct viewer_client *client)
{
        struct search *search = arg;
        bool same = client->client_id ? text_equal_nocase(client->client_id, search->key) : false;
        if (!client->client_id && client->netbios_name)
                same = text_equal_nocase(client->netbios_name, search->key);
        if (same)
                search->number = client->number;
        return same; /* ends the walk */
}

static int is_there(void *arg, const struct viewer_client *client)
{
        (void)arg;
        (void)client;
        return 0;
}

static int find_client(struct site *site, const struct web_request *request, int64_t *ret_number)
{
        struct search search = { .key = web_parameter(request, "key") };
        struct viewer_filter filter = VIEWER_ALL;
        uint64_t number;
        if (request->item && text_parse_u64(request->item, &number) == 0 && number <= INT64_MAX) {
                *ret_number = (int64_t)number;
                return 0;
        }
        if (request->item || !search.key)
                return -ENOENT;
        filter.client = search.key;
        filter.limit = NAMESAKES;
        int r = viewer_clients(site->query, &filter, match_key, &search);
        if (r < 0)
                return r;
        *ret_number = search.number;
        return search.number ? 0 : -ENOENT;
}

int web_client(void *arg, const struct web_request *request, struct web_answer *answer)
{
        struct site *site = arg;
        struct clients clients = { .out = answer->out, .now_ms = clock_wall_ms() };
        int64_t number;
        int r = find_client(site, request, &number);
        if (r == 0)
                r = viewer_client_by_number(site->query, number, is_there, NULL);
        if (r == -ENOENT)
                (void)fputs("There is no such client\n", answer->out); /* a memory stream: its end tells */
        if (r == 0) {
                html_begin(answer, "Client", "Clients");
                html(answer->out, "<div id=\"client\" data-live>\n");
                r = viewer_client_by_number(site->query, number, put_facts, &clients);
        }
        if (r == 0) {
                html(answer->out, "<h2>Time line</h2>\n<ol class=\"timeline sheet\">\n");
                r = viewer_history(site->query, number, 0, HISTORY, put_event, &clients);
                html(answer->out, "</ol></div>\n");
                html_end(answer);
        }
        return r;
}

static int put_count(void *arg, const struct viewer_count *count)
{
        struct clients *clients = arg;
        FILE *out = clients->out;
        if (clients->count++ == 0)
                html(out,
                     "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Clients by "
                     "state\"><table>"
                     "<thead><tr><th scope=\"col\" class=\"number\">Clients</th><th scope=\"col\">State</th>"
                     "<th scope=\"col\">Class</th></tr></thead><tbody>\n");
        const char *class = catalog_class(count->topic_type, count->state_id);
        html(out, "<tr><td class=\"number\">%d</td><td>", count->clients);
        parts_state(out, count->topic_type, count->state_id);
        html(out, "</td><td><a href=\"/clients?class=%u\">", class);
        parts_badge(out, class);
        html(out, "</a></td></tr>\n");
        return 0;
}

static int put_counts(struct site *site, FILE *out, enum viewer_report report,
                      const struct viewer_filter *filter)
{
        struct clients clients = { .out = out, .now_ms = clock_wall_ms() };
        int r = viewer_counts(site->query, report, filter, put_count, &clients);
        html(out, clients.count > 0 ? "</tbody></table></div>\n"
                                    : "<p class=\"sheet\">No client has told anything yet.</p>\n");
        parts_left_out(out, site->query);
        return r;
}

int web_report(void *arg, const struct web_request *request, struct web_answer *answer)
{
        struct site *site = arg;
        struct web_viewer_filter filter;
        enum viewer_report report;
        char path[96];
        if (viewer_report_parse(request->item, &report) < 0) {
                (void)fputs("There is no such report\n", answer->out); /* as above */
                return -ENOENT;
        }
        int r = web_viewer_read(request, answer, &filter);
        if (r < 0)
                return r;
        const struct viewer_report_info *info = viewer_report_info(report);
        (void)snprintf(path, sizeof(path), "/api/v1/reports/%s", info->name); /* fits: names of ours */
        html_begin(answer, info->title, "Reports");
        html(answer->out, "<h1>%s</h1>\n", info->title);
        if (report == VIEWER_PROBLEMS_SUMMARY)
                r = parts_problems(site->query, answer->out, MESSAGE_FILTER_LIMIT, clock_wall_ms());
        else if (report == VIEWER_DEPLOYMENT_STATUS || report == VIEWER_ASSIGNMENT_STATUS)
                r = put_counts(site, answer->out, report, web_viewer_filter(&filter));
        else
                r = put_clients(site, answer->out, request, &filter, report);
        html_links(answer->out, path, request);
        html_end(answer);
        return r;
}

int web_reports(void *arg, const struct web_request *request, struct web_answer *answer)
{
        (void)arg;
        html_begin(answer, "Reports", "Reports");
        html(answer->out, "<h1>Reports</h1>\n<ul class=\"sheet\">\n");
        for (unsigned i = 0; i < VIEWER_REPORT_COUNT; i++) {
                const struct viewer_report_info *info = viewer_report_info((enum viewer_report)i);
                html(answer->out, "<li><a href=\"/reports/%u\">%s</a></li>\n", info->name, info->title);
        }
        html(answer->out, "</ul>\n");
        html_links(answer->out, "/api/v1/reports", request);
        html_end(answer);
        return 0;
}
