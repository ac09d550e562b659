/* winhttp_post FILE URL [CONTENT-TYPE]: posts the bytes of FILE to URL with
 * WinHTTP, the stack that Windows' own management clients use, and prints the
 * answer's status and the length of its body.
 * Exit 0: there was an answer; 1: none; 2: usage or FILE cannot be read. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>
#include <winhttp.h>

#define BODY_MAX (16U * 1024U * 1024U)
#define TIMEOUT_MS 10000

struct body {
        unsigned char *bytes;
        DWORD size;
};

static bool body_read(const wchar_t *path, struct body *ret_body)
{
        FILE *file = _wfopen(path, L"rb");
        if (!file)
                return false;
        unsigned char *bytes = malloc(BODY_MAX);
        size_t size = bytes ? fread(bytes, 1, BODY_MAX, file) : 0;
        bool whole = bytes && !ferror(file) && size < BODY_MAX;
        (void)fclose(file); /* only read from */
        if (!whole) {
                free(bytes);
                return false;
        }
        *ret_body = (struct body){ .bytes = bytes, .size = (DWORD)size };
        return true;
}

static bool answer_print(HINTERNET request)
{
        DWORD status = 0, size = sizeof(status), total = 0;
        if (!WinHttpQueryHeaders(request, WINHTTP_QUERY_STATUS_CODE | WINHTTP_QUERY_FLAG_NUMBER,
                                 WINHTTP_HEADER_NAME_BY_INDEX, &status, &size, WINHTTP_NO_HEADER_INDEX))
                return false;
        for (;;) {
                char chunk[4096];
                DWORD got = 0;
                if (!WinHttpReadData(request, chunk, sizeof(chunk), &got))
                        return false;
                if (got == 0)
                        break;
                total += got;
        }
        printf("status=%lu body=%lu\n", status, total);
        return true;
}

static bool request_run(HINTERNET request, const wchar_t *content_type, struct body body)
{
        if (content_type) {
                wchar_t header[256];
                (void)_snwprintf(header, 255, L"Content-Type: %ls", content_type); /* cut is fine */
                header[255] = L'\0';
                if (!WinHttpAddRequestHeaders(request, header, (DWORD)-1, WINHTTP_ADDREQ_FLAG_ADD))
                        return false;
        }
        return WinHttpSendRequest(request, WINHTTP_NO_ADDITIONAL_HEADERS, 0, body.bytes, body.size, body.size,
                                  0) &&
               WinHttpReceiveResponse(request, NULL) && answer_print(request);
}

static bool url_post(const wchar_t *url, const wchar_t *content_type, struct body body)
{
        wchar_t host[256], path[2048];
        URL_COMPONENTS parts = { .dwStructSize = sizeof(parts),
                                 .lpszHostName = host,
                                 .dwHostNameLength = 256,
                                 .lpszUrlPath = path,
                                 .dwUrlPathLength = 2048 };
        if (!WinHttpCrackUrl(url, 0, 0, &parts))
                return false;
        HINTERNET session = WinHttpOpen(L"ccmhttp", WINHTTP_ACCESS_TYPE_NO_PROXY, WINHTTP_NO_PROXY_NAME,
                                        WINHTTP_NO_PROXY_BYPASS, 0);
        HINTERNET connection = session ? WinHttpConnect(session, host, parts.nPort, 0) : NULL;
        HINTERNET request = connection
                                    ? WinHttpOpenRequest(connection, L"POST", path, NULL, WINHTTP_NO_REFERER,
                                                         WINHTTP_DEFAULT_ACCEPT_TYPES, 0)
                                    : NULL;
        bool done = request && WinHttpSetTimeouts(request, TIMEOUT_MS, TIMEOUT_MS, TIMEOUT_MS, TIMEOUT_MS) &&
                    request_run(request, content_type, body);
        if (!done)
                fprintf(stderr, "winhttp_post: WinHTTP error %lu\n", GetLastError());
        if (request)
                WinHttpCloseHandle(request);
        if (connection)
                WinHttpCloseHandle(connection);
        if (session)
                WinHttpCloseHandle(session);
        return done;
}

int wmain(int argc, wchar_t **argv)
{
        struct body body;
        if (argc < 3 || argc > 4 || !body_read(argv[1], &body)) {
                fprintf(stderr, "usage: winhttp_post FILE URL [CONTENT-TYPE]\n");
                return 2;
        }
        bool done = url_post(argv[2], argc == 4 ? argv[3] : NULL, body);
        free(body.bytes);
        return done ? 0 : 1;
}
