/* One client with its time line. */
#include "admin/web_site.h"

#include "admin/web_html.h"
#include "admin/web_parts.h"
#include "fsp/catalog.h"
#include "fsp/clock.h"
#include "fsp/text.h"
#include <errno.h>

#define HISTORY 200
/* Clients that a key may fit, as a glob or as a name of many, among which its own is looked for. */
#define NAMESAKES 10000

struct page {
        FILE *out;
        int64_t now_ms;
};

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
        struct page *page = arg;
        FILE *out = page->out;
        html(out, "<h1>%s</h1>\n<div class=\"sheet\"><dl>\n", parts_client_name(client));
        if (client->state.known) {
                html(out, "<dt>Last state</dt><dd>");
                parts_state_badge(out, &client->state);
                html(out, " ");
                parts_state(out, client->state.topic_type, client->state.state_id);
                html(out, "</dd>\n<dt>Error</dt><dd>");
                parts_error(out, client->state.error);
                html(out, "</dd>\n");
        }
        put_text(out, "Client ID", client->client_id);
        put_text(out, "NetBIOS name", client->netbios_name);
        put_text(out, "Version", client->client_version);
        put_moment(out, "First seen", client->first_seen_ms, page->now_ms);
        put_moment(out, "Last seen", client->last_seen_ms, page->now_ms);
        put_moment(out, "Deployment began", client->deployment_begin_ms, page->now_ms);
        put_moment(out, "Deployment ended", client->deployment_end_ms, page->now_ms);
        put_moment(out, "Assignment began", client->assignment_begin_ms, page->now_ms);
        put_moment(out, "Assignment ended", client->assignment_end_ms, page->now_ms);
        put_answer(out, "Reboot", client->reboot_needed, "needed", "not needed");
        put_answer(out, "Management point", client->communication, "in reach", "out of reach");
        put_answer(out, "Certificate", client->certificate, "found", "not found");
        html(out, "</dl></div>\n");
        put_client_links(out, client->client_id ? client->client_id : parts_client_name(client));
        return 0;
}

static int put_event(void *arg, const struct query_message *message)
{
        struct page *page = arg;
        FILE *out = page->out;
        char id[NAME_SIZE];
        const char *class =
                message->has_state ? catalog_class(message->topic_type, message->state_id) : "unknown";
        html(out, "<li class=\"%s\"><p>", parts_mood(class));
        html_time(out,
                  message->message_time_ms == CLOCK_UNKNOWN ? message->received_ms : message->message_time_ms,
                  page->now_ms);
        html(out, " ");
        parts_badge(out, class);
        html(out, "</p><p><a href=\"/messages/%u\">", name_format_id(&message->name, id));
        parts_state(out, message->topic_type, message->state_id);
        html(out, "</a> <span class=\"soft\">%s</span></p></li>\n", delivery_name(message->delivery));
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
        struct page page = { .out = answer->out, .now_ms = clock_wall_ms() };
        int64_t number;
        int r = find_client(site, request, &number);
        if (r == 0)
                r = viewer_client_by_number(site->query, number, is_there, NULL);
        if (r == -ENOENT)
                (void)fputs("There is no such client\n", answer->out); /* a memory stream: its end tells */
        if (r == 0) {
                html_begin(answer, "Client", "Clients");
                html(answer->out, "<div id=\"client\" data-live>\n");
                r = viewer_client_by_number(site->query, number, put_facts, &page);
        }
        if (r == 0) {
                html(answer->out, "<h2>Time line</h2>\n<ol class=\"timeline sheet\">\n");
                r = viewer_history(site->query, number, 0, HISTORY, put_event, &page);
                html(answer->out, "</ol></div>\n");
                html_end(answer);
        }
        return r;
}
