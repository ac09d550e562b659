/* gate: the rules on a request's head, before any of its body is looked at.
 *
 * The shape of a connection's first head has been checked on the raw bytes
 * (head.c); of later ones libmicrohttpd has already read more than we could
 * peek at, so here the shape is checked again, on what it made of it.
 *
 * Sources: RFC 9110, RFC 9112.  Stricter than both where a proxy in front and
 * fspd could read the same bytes differently: whatever is doubtful is refused
 * and the connection closed. */
#ifndef GATE_H
#define GATE_H

#include "fsp/config.h"
#include "fsp/verdict.h"
#include <microhttpd.h>
#include <stdbool.h>

struct gate_head {
        const char *method, *url, *version; /* as libmicrohttpd gives them */
        const char *start;                  /* where the connection's heads begin; NULL: this is the first */
        const char *uri_end;                /* gate_uri_end, before it was taken apart */
        const char *content_type;           /* NULL: none */
        const char *forwarded_for;          /* the last X-Forwarded-For; NULL: none */
        bool expects;                       /* 100-continue */
        bool on_client_path;
        bool chunked;
        uint64_t length; /* 0 when chunked */
};

/* Where the raw URI ends in libmicrohttpd's memory; NULL: it has a blank or a
 * control character, which the library takes as part of the URI. */
const char *gate_uri_end(const char *uri);

/* VERDICT_ACCEPTED, or the first rule broken; *ret_why says more when not
 * NULL.  head's first five are given, the rest is filled as far as known. */
enum verdict gate_check(struct MHD_Connection *mhd, const struct config *config, struct gate_head *head,
                        const char **ret_why);

/* After these the bytes that follow cannot be trusted to be a request. */
bool gate_must_close(enum verdict verdict);

/* "url, or its path where it is http://HOST/PATH, is one of listener.paths",
 * without case; the query has been cut off. */
bool gate_is_client_path(const struct config *config, const char *url);

#endif
