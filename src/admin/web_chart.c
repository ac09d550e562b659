/* The chart of what came and went, drawn here as SVG: no script is needed for it. */
#include "admin/web_parts.h"

#include "admin/web_html.h"
#include "fsp/clock.h"
#include <inttypes.h>
#include <string.h>

#define HOUR_MS INT64_C(3600000)
#define WIDTH 960.0
#define HEIGHT 220.0
#define LEFT 56.0
#define BOTTOM 24.0
#define TOP 10.0
#define BUCKETS 90

struct range {
        const char *name, *title, *step;
        int64_t hours; /* a bucket */
        unsigned buckets, label_every;
};
static const struct range ranges[] = {
        { "24h", "24 hours", "hour", 1, 24, 4 },
        { "7d", "7 days", "2 hours", 2, 84, 12 },
        { "30d", "30 days", "8 hours", 8, 90, 15 },
};

struct chart {
        FILE *out;
        const struct range *range;
        int64_t first_ms;
        uint64_t accepted[BUCKETS], forwarded[BUCKETS], most;
};

static void add_hour(void *arg, const struct query_hour *hour)
{
        struct chart *chart = arg;
        int64_t bucket = (hour->start_ms - chart->first_ms) / (chart->range->hours * HOUR_MS);
        if (hour->start_ms < chart->first_ms || bucket >= chart->range->buckets)
                return; /* of a clock that was set back */
        chart->accepted[bucket] += hour->accepted;
        chart->forwarded[bucket] += hour->forwarded;
        if (chart->accepted[bucket] > chart->most)
                chart->most = chart->accepted[bucket];
        if (chart->forwarded[bucket] > chart->most)
                chart->most = chart->forwarded[bucket];
}

/* 1, 2 or 5 times a power of ten, the next one up. */
static uint64_t round_up(uint64_t value)
{
        uint64_t power = 1;
        while (power * 10 <= value)
                power *= 10;
        static const unsigned steps[] = { 1, 2, 5 };
        for (unsigned i = 0; i < 3; i++)
                if (steps[i] * power >= value)
                        return steps[i] * power;
        return power * 10;
}

static double x_of(const struct chart *chart, unsigned bucket)
{
        return LEFT + (WIDTH - LEFT) * bucket / chart->range->buckets;
}

static double y_of(const struct chart *chart, uint64_t value)
{
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (double)value / (double)chart->most;
}

static void draw_scale(const struct chart *chart)
{
        char text[CLOCK_TEXT_SIZE];
        for (unsigned i = 0; i <= 2; i++) {
                uint64_t value = chart->most * i / 2;
                (void)fprintf(chart->out,
                              "<line x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                              "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%" PRIu64 "</text>\n",
                              LEFT, WIDTH, y_of(chart, value), y_of(chart, value), LEFT - 6,
                              y_of(chart, value) + 4, value);
        }
        for (unsigned i = 0; i < chart->range->buckets; i += chart->range->label_every) {
                (void)clock_format_rfc3339(chart->first_ms + i * chart->range->hours * HOUR_MS, text);
                /* the hour within a day, else the day */
                (void)fprintf(chart->out, "<text x=\"%.1f\" y=\"%.0f\">%.5s</text>\n", x_of(chart, i),
                              HEIGHT - 6, chart->range->hours == 1 ? text + 11 : text + 5);
        }
}

static void draw(const struct chart *chart)
{
        double width = (WIDTH - LEFT) / chart->range->buckets;
        (void)fprintf(chart->out,
                      "<svg class=\"chart\" viewBox=\"0 0 %.0f %.0f\" role=\"img\""
                      " aria-labelledby=\"chart-title\">\n",
                      WIDTH, HEIGHT);
        draw_scale(chart);
        for (unsigned i = 0; i < chart->range->buckets; i++)
                if (chart->accepted[i] > 0)
                        (void)fprintf(chart->out,
                                      "<rect class=\"accepted\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" "
                                      "height=\"%.1f\"/>\n",
                                      x_of(chart, i) + width * .1, y_of(chart, chart->accepted[i]),
                                      width * .8, HEIGHT - BOTTOM - y_of(chart, chart->accepted[i]));
        (void)fputs("<polyline class=\"forwarded\" points=\"", chart->out);
        for (unsigned i = 0; i < chart->range->buckets; i++)
                (void)fprintf(chart->out, "%.1f,%.1f ", x_of(chart, i) + width / 2,
                              y_of(chart, chart->forwarded[i]));
        (void)fputs("\"/>\n</svg>\n", chart->out);
}

static void put_numbers(const struct chart *chart)
{
        char text[CLOCK_TEXT_SIZE];
        html(chart->out, "<details><summary>As numbers</summary><table><thead><tr><th scope=\"col\">From</th>"
                         "<th scope=\"col\" class=\"number\">Accepted</th>"
                         "<th scope=\"col\" class=\"number\">Forwarded</th></tr></thead><tbody>\n");
        for (unsigned i = chart->range->buckets; i-- > 0;) {
                if (chart->accepted[i] == 0 && chart->forwarded[i] == 0)
                        continue;
                html(chart->out,
                     "<tr><td>%s</td><td class=\"number\">%d</td><td class=\"number\">%d</td></tr>\n",
                     clock_format_rfc3339(chart->first_ms + i * chart->range->hours * HOUR_MS, text),
                     (int64_t)chart->accepted[i], (int64_t)chart->forwarded[i]);
        }
        html(chart->out, "</tbody></table></details>\n");
}

static void put_choice(const struct chart *chart)
{
        html(chart->out, "<nav aria-label=\"Range of the chart\"><ul>\n");
        for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
                html(chart->out, "<li><a href=\"/?range=%u\"", ranges[i].name);
                html(chart->out,
                     &ranges[i] == chart->range ? " aria-current=\"true\">%s</a></li>\n" : ">%s</a></li>\n",
                     ranges[i].title);
        }
        html(chart->out, "</ul></nav>\n");
}

int parts_chart(struct query *query, FILE *out, const char *range, int64_t now_ms)
{
        struct chart chart = { .out = out, .range = &ranges[0] };
        for (size_t i = 0; range && i < sizeof(ranges) / sizeof(ranges[0]); i++)
                if (strcmp(ranges[i].name, range) == 0)
                        chart.range = &ranges[i];
        /* The last bucket is the one that now falls in. */
        int64_t step_ms = chart.range->hours * HOUR_MS;
        chart.first_ms = now_ms / step_ms * step_ms - (chart.range->buckets - 1) * step_ms;
        int r = query_hours(query, chart.first_ms, add_hour, &chart);
        chart.most = round_up(chart.most ? chart.most : 2);
        html(out,
             "<section id=\"chart\" data-live aria-labelledby=\"chart-title\"><h2 id=\"chart-title\">"
             "Messages per %s, last %s</h2>\n<div class=\"sheet\">",
             chart.range->step, chart.range->title);
        put_choice(&chart);
        draw(&chart);
        html(out, "<p class=\"legend\"><span class=\"accepted\">accepted</span>"
                  "<span class=\"forwarded\">forwarded</span></p>\n");
        put_numbers(&chart);
        html(out,
             "<p class=\"links\">This as <a href=\"/api/v1/hours?since=%u\">JSON</a> or "
             "<a href=\"/api/v1/hours?format=csv&amp;since=%u\">CSV</a></p></div></section>\n",
             chart.range->name, chart.range->name);
        return r;
}
