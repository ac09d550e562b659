/* Sends as a client of the site would: one POST, no proxy, no redirects. */
#include "admin/cmd_send.h"
#include "fsp/fsutil.h"
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT_PATH "/SMS_FSP/.sms_fsp"
#define TIMEOUT_S 30L
#define FILE_LIMIT ((size_t)1024 * 1024 * 1024)
#define REASON_SIZE 512

/* A report of ours is UTF-16 and says so; of a file we know nothing. */
#define REPORT_TYPE "Content-Type: text/plain; charset=UTF-16"
#define FILE_TYPE "Content-Type: application/octet-stream"

struct answer {
        long status; /* 0: none came */
        double seconds;
        curl_off_t retry_after_s;
        char reason[REASON_SIZE]; /* the body's first line, or curl's words */
        size_t reason_size;
        bool reason_over; /* its line end has come */
};

/* Keeps the first line and lets the rest go by. */
static size_t keep_reason(char *data, size_t one, size_t size, void *arg)
{
        struct answer *answer = arg;
        size_t i;

        (void)one; /* always 1 */
        for (i = 0; i < size && !answer->reason_over; i++) {
                answer->reason_over =
                        data[i] == '\n' || data[i] == '\r' || answer->reason_size == REASON_SIZE - 1;
                if (!answer->reason_over)
                        answer->reason[answer->reason_size++] = data[i];
        }
        return size;
}

/* URL with the scheme and path that were left out; curl_free it. */
static int complete_url(const char *url, char **ret_url)
{
        CURLU *parts = curl_url();
        char *text = NULL, *path = NULL;
        CURLUcode code = CURLUE_OUT_OF_MEMORY;

        if (parts && asprintf(&text, "%s%s", strstr(url, "://") ? "" : "http://", url) >= 0) {
                code = curl_url_set(parts, CURLUPART_URL, text, 0);
                free(text);
        }
        if (code == CURLUE_OK)
                code = curl_url_get(parts, CURLUPART_PATH, &path, 0);
        if (code == CURLUE_OK && strcmp(path, "/") == 0)
                code = curl_url_set(parts, CURLUPART_PATH, CLIENT_PATH, 0);
        if (code == CURLUE_OK)
                code = curl_url_get(parts, CURLUPART_URL, ret_url, 0);
        curl_free(path);
        curl_url_cleanup(parts);
        if (code == CURLUE_OK)
                return 0;
        cmd_complain("%s: %s", url, curl_url_strerror(code));
        return -EINVAL;
}

static CURLcode set_options(CURL *curl, const char *url, struct curl_slist *headers, const void *body,
                            size_t size, struct answer *answer)
{
        const CURLcode codes[] = {
                curl_easy_setopt(curl, CURLOPT_URL, url),
                curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https"),
                curl_easy_setopt(curl, CURLOPT_NOPROXY, "*"),
                curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L),
                curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S),
                curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1),
                curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L),
                curl_easy_setopt(curl, CURLOPT_USERAGENT, "fspctl/" FSP_VERSION),
                curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers),
                curl_easy_setopt(curl, CURLOPT_POST, 1L),
                curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size),
                curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body),
                curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep_reason),
                curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer),
        };
        size_t i;

        for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
                if (codes[i] != CURLE_OK)
                        return codes[i];
        return CURLE_OK;
}

static CURLcode perform(const char *url, const char *type, const void *body, size_t size,
                        struct answer *answer)
{
        CURL *curl = curl_easy_init();
        struct curl_slist *headers = curl_slist_append(NULL, type);
        CURLcode code = CURLE_OUT_OF_MEMORY;

        if (curl && headers)
                code = set_options(curl, url, headers, body, size, answer);
        if (code == CURLE_OK)
                code = curl_easy_perform(curl);
        if (curl) {
                (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status); /* 0 stays 0 */
                (void)curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME, &answer->seconds);
                (void)curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &answer->retry_after_s);
        }
        curl_slist_free_all(headers);
        curl_easy_cleanup(curl);
        return code;
}

static int post(const char *url, const char *type, const void *body, size_t size, struct answer *ret_answer)
{
        struct answer answer = { 0 };
        char *whole = NULL;
        CURLcode code;

        if (complete_url(url, &whole) < 0)
                return -EINVAL;
        code = perform(whole, type, body, size, &answer);
        curl_free(whole);
        /* A server that refuses early may close while we still send: its words count. */
        if (code != CURLE_OK && answer.status < 200) {
                answer.status = 0;
                (void)snprintf(answer.reason, sizeof(answer.reason), "%s",
                               curl_easy_strerror(code)); /* may be cut */
        }
        *ret_answer = answer;
        return 0;
}

static void print_answer(const char *url, const struct answer *answer)
{
        if (answer->status == 0) {
                cmd_complain("%s: %s", url, answer->reason);
                return;
        }
        (void)printf("%ld: ", answer->status); /* main looks at the stream */
        cmd_print(stdout, answer->status == 200 && !*answer->reason ? "accepted" : answer->reason);
        if (answer->retry_after_s > 0)
                (void)printf(" (again in %jd s)", (intmax_t)answer->retry_after_s);
        (void)fputc('\n', stdout);
}

static int print_json(const struct answer *answer)
{
        json_t *object = json_pack(
                "{s:o, s:o, s:f}", "status", answer->status ? json_integer(answer->status) : json_null(),
                "reason", format_text(*answer->reason ? answer->reason : NULL), "seconds", answer->seconds);
        int r = object ? format_json_value(stdout, object, false) : -ENOMEM;

        json_decref(object);
        return r;
}

static int load_file(const char *path, unsigned char **ret_bytes, size_t *ret_size)
{
        int r = fsutil_read_at(AT_FDCWD, path, FILE_LIMIT, ret_bytes, ret_size);

        if (r < 0)
                cmd_complain("%s: %s", path, strerror(-r));
        return r;
}

int cmd_send(const struct cmd_arguments *arguments, const struct config *config)
{
        const char *url = arguments->operands[0];
        unsigned char *bytes AUTO_FREE = NULL;
        size_t size;
        struct answer answer;
        int r;

        (void)config; /* any fallback status point will do */
        if (arguments->file && load_file(arguments->file, &bytes, &size) < 0)
                return CMD_WRONG;
        if (!arguments->file) {
                r = cmd_make_report(arguments, &bytes, &size);
                if (r < 0)
                        return r == -EINVAL ? CMD_USAGE : CMD_WRONG;
        }
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
                cmd_complain("libcurl does not start");
                return CMD_WRONG;
        }
        r = post(url, arguments->file ? FILE_TYPE : REPORT_TYPE, bytes, size, &answer);
        curl_global_cleanup();
        if (r < 0)
                return CMD_USAGE;
        if (!arguments->json)
                print_answer(url, &answer);
        else if (print_json(&answer) < 0)
                return CMD_WRONG;
        return answer.status == 200 ? CMD_DONE : CMD_WRONG;
}
