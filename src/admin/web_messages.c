/* The list of messages with its search field, and one message. */
#include "admin/web_site.h"

#include "admin/message_picture.h"
#include "admin/web_html.h"
#include "admin/web_parts.h"
#include "admin/web_text.h"
#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void put_search(FILE *out, const char *text)
{
        html(out,
             "<form class=\"search\" role=\"search\" action=\"/messages\"><label>Search messages"
             "<input type=\"search\" name=\"q\" value=\"%s\" autocomplete=\"off\" spellcheck=\"false\""
             " aria-describedby=\"search-hint\"></label><button>Search</button></form>\n"
             "<p class=\"hint\" id=\"search-hint\">For example <a "
             "href=\"/messages?q=state%%3Afailed%%20since%%3A2h\">"
             "<code>state:failed since:2h</code></a>; also <code>machine:PC-*</code>, <code>topic:800</code>,"
             " <code>class:deployed</code>, <code>delivery:staged</code>, <code>until:today</code>, or a "
             "part of a"
             " name</p>\n",
             text ? text : "");
}

/* "SEQ.PART", where the page before ended; anything else is from the newest. */
static void take_before(const struct web_request *request, struct query_filter *filter)
{
        const char *before = web_parameter(request, "before");
        int64_t seq, part;
        if (before && sscanf(before, "%" SCNd64 ".%" SCNd64, &seq, &part) == 2 && seq > 0) {
                filter->from_seq = seq;
                filter->from_part = part;
        }
}

static void put_older(FILE *out, const struct web_request *request, const struct parts_rows *rows)
{
        char before[48];
        (void)snprintf(before, sizeof(before), "%" PRId64 ".%" PRId64, rows->last_seq,
                       rows->last_part); /* it fits */
        html_further(out, request, before, "Older messages");
}

static int put_list(struct site *site, FILE *out, const struct web_request *request,
                    const struct message_filter *filter)
{
        struct parts_rows rows = { .out = out, .now_ms = clock_wall_ms() };
        html(out, "<div id=\"list\" data-live>\n");
        int r = parts_messages(site->query, &filter->filter, &rows);
        if (rows.count == 0)
                html(out, "<div class=\"sheet empty\"><p><strong>No message matches.</strong></p><p>Leave a "
                          "condition out, or <a href=\"/messages\">show all messages</a>.</p></div>\n");
        else if (rows.count == filter->filter.limit)
                put_older(out, request, &rows);
        html(out, "</div>\n");
        return r;
}

int web_messages(void *arg, const struct web_request *request, struct web_answer *answer)
{
        struct message_filter filter;
        FILE *out = answer->out;
        int r = web_filter_read(request, &filter);
        html_begin(answer, "Messages", "Messages");
        html(out, "<h1>Messages</h1>\n");
        put_search(out, web_parameter(request, "q"));
        if (r < 0) {
                html(out, "<p class=\"complaint\" role=\"alert\">%s</p>\n", filter.why);
                r = 0;
        } else {
                if (filter.filter.limit == 0 || filter.filter.limit > MESSAGE_FILTER_LIMIT)
                        filter.filter.limit = MESSAGE_FILTER_LIMIT;
                take_before(request, &filter.filter);
                r = put_list(arg, out, request, &filter);
                html_links(out, "/api/v1/messages", request);
        }
        html_end(answer);
        return r;
}

static const char *const part_lines[][2] = {
        { "Meaning", "state" },
        { "Class", "class" },
        { "State", "state_id" },
        { "Topic", "topic_type" },
        { "Topic name", "topic" },
        { "Topic ID", "topic_id" },
        { "Message time", "message_time" },
        { "Parameters", "params" },
        { "Error", "error" },
        { "Error text", "error_text" },
        { "Serial number", "serial_number" },
        { "Details", "details" },
};

/* What is there of it. */
static int put_lines(FILE *out, const json_t *object, const char *const lines[][2], size_t count)
{
        html(out, "<dl>\n");
        for (size_t i = 0; i < count; i++) {
                char *text AUTO_FREE = format_cell(json_object_get(object, lines[i][1]));
                if (!text)
                        return -ENOMEM;
                if (*text)
                        html(out, "<dt>%s</dt><dd>%s</dd>\n", lines[i][0], text);
        }
        html(out, "</dl>\n");
        return 0;
}

static void put_history(FILE *out, const json_t *history)
{
        html(out, "<h2>Delivery</h2><ol class=\"timeline sheet\">\n");
        for (size_t i = 0; i < json_array_size(history); i++) {
                const json_t *entry = json_array_get(history, i);
                html(out, "<li><p><strong>%s</strong></p><p><time>%s</time></p></li>\n",
                     json_string_value(json_object_get(entry, "delivery")),
                     json_string_value(json_object_get(entry, "at")));
        }
        html(out, "</ol>\n");
}

static int put_raw(FILE *out, struct query *query, int64_t seq, const char *id)
{
        unsigned char *bytes AUTO_FREE = NULL;
        char *text AUTO_FREE = NULL;
        size_t size;
        int r = query_body(query, seq, &bytes, &size);
        html(out, "<h2>As received</h2>\n");
        if (r == -ENODATA) {
                html(out, "<p class=\"sheet\">Its bytes are no longer kept.</p>\n");
                return 0;
        }
        if (r == 0)
                r = web_text_decode(bytes, size, &text);
        if (r < 0)
                return r;
        html(out, "<div class=\"sheet\"><pre id=\"raw\">");
        html_lines(out, text);
        html(out, "</pre></div><p class=\"links\"><a href=\"/api/v1/messages/%u/raw\">The bytes</a></p>\n",
             id);
        return 0;
}

static int put_message(struct site *site, FILE *out, const json_t *object, int64_t seq)
{
        const char *id = json_string_value(json_object_get(object, "id"));
        const char *client = json_string_value(json_object_get(object, "client_id"));
        const json_t *parts = json_object_get(object, "report");
        if (!client)
                client = json_string_value(json_object_get(object, "netbios_name"));
        html(out, "<h1>Message <code>%s</code></h1>\n<div class=\"sheet\">", id);
        int r = put_lines(out, object, message_picture_lines + 1, message_picture_line_count - 1);
        if (client)
                html(out, "<p><a href=\"/client?key=%u\">All of this client</a></p>", client);
        html(out, "</div>\n");
        for (size_t i = 0; i < json_array_size(parts); i++) {
                const json_t *part = json_array_get(parts, i);
                html(out, "<h2>State message %d</h2>\n<div class=\"sheet\">", (int64_t)i + 1);
                if (r == 0)
                        r = put_lines(out, part, part_lines, sizeof(part_lines) / sizeof(part_lines[0]));
                html(out, "</div>\n");
        }
        put_history(out, json_object_get(object, "history"));
        if (r == 0)
                r = put_raw(out, site->query, seq, id);
        html(out,
             "<p class=\"links\">This as <a href=\"/api/v1/messages/%u\">JSON</a> or "
             "<a href=\"/api/v1/messages/%u?format=csv\">CSV</a></p>\n",
             id, id);
        return r;
}

int web_message(void *arg, const struct web_request *request, struct web_answer *answer)
{
        struct site *site = arg;
        json_t *object = NULL;
        int64_t seq;
        int r = message_picture_find(site->query, request->item, &seq);
        if (r == 0)
                r = message_picture_read(site->query, seq, &object);
        if (r == -ENOENT) {
                (void)fputs("There is no such message\n", answer->out); /* a memory stream: its end tells */
                return r;
        }
        if (r < 0)
                return r;
        html_begin(answer, "Message", "Messages");
        r = put_message(site, answer->out, object, seq);
        html_end(answer);
        json_decref(object);
        return r;
}
