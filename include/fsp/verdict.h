/* verdict: what can be said of a request, in one table.
 *
 * Owns      the table (src/message/verdict.c): HTTP status, counter name,
 *           the line the client reads.  Threads: constant data. */
#ifndef FSP_VERDICT_H
#define FSP_VERDICT_H

enum verdict {
        VERDICT_ACCEPTED,
        VERDICT_DUPLICATE, /* accepted before: 200, not staged again */
        /* the message (reader) */
        VERDICT_EMPTY,
        VERDICT_ENCODING,     /* neither UTF-8 nor UTF-16, or not valid as such */
        VERDICT_NOT_XML,      /* not well-formed XML 1.0 with namespaces */
        VERDICT_DOCTYPE,      /* DOCTYPE or processing instruction */
        VERDICT_TOO_COMPLEX,  /* nesting, attributes, elements */
        VERDICT_NOT_A_REPORT, /* root, Machine, StateMessage, Topic or State missing or doubled */
        VERDICT_MULTIPART,    /* a multipart body that cannot be taken apart, or with no or two reports */
        VERDICT_OLD_CLIENT,   /* policy.min_client_version */
        VERDICT_TOPIC,        /* policy.topics */
        /* the request (gate) */
        VERDICT_PATH,
        VERDICT_METHOD,
        VERDICT_FRAMING,        /* doubtful head or length: 400, closed */
        VERDICT_NO_LENGTH,      /* 411, closed */
        VERDICT_HEAD_TOO_LARGE, /* 431, closed */
        VERDICT_TOO_LARGE,      /* 413, closed */
        VERDICT_CONTENT_CODING,
        VERDICT_EXPECTATION, /* Expect other than 100-continue */
        VERDICT_RATE,        /* 429 */
        /* the store */
        VERDICT_STORE_FULL,   /* staging.max_size, max_messages */
        VERDICT_NETWORK_FULL, /* staging.network_share */
        VERDICT_DISK_LOW,     /* staging.min_free */
        VERDICT_STORE_FAULT,  /* not durable: the client still owns its message */
        VERDICT_BUSY,         /* listener.memory */
        VERDICT_STOPPING,     /* also draining */
        VERDICT_COUNT
};

struct verdict_info {
        unsigned status;        /* HTTP */
        const char *name;       /* of the counter: lower case, underscores */
        const char *text;       /* one line for the client; for VERDICT_ACCEPTED empty */
        unsigned retry_after_s; /* 0: no Retry-After header */
};

const struct verdict_info *verdict_info(enum verdict verdict);

#endif
