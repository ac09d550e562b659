/* What the files of the http room share.  All of it belongs to the loop
 * thread, but for what is named otherwise. */
#ifndef LISTENER_PRIVATE_H
#define LISTENER_PRIVATE_H

#include "capture.h"
#include "fsp/histogram.h"
#include "fsp/listener.h"
#include "limits.h"
#include "linger.h"
#include "reply.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

enum phase {
        PHASE_HEAD,    /* the head has come */
        PHASE_BODY,    /* taking the body, or letting it pass when refused */
        PHASE_WAITING, /* suspended: the writer has it */
        PHASE_ANSWER,  /* the writer is done */
        PHASE_DONE     /* an answer is queued */
};

/* A connection on its way from the porch to libmicrohttpd. */
struct arrival {
        struct client *client; /* NULL once taken */
        struct client_address peer;
        int64_t started_ms;
        const char *head; /* of its first request, raw */
        size_t head_size;
        size_t charge, engine, front; /* as in struct connection */
};

struct connection {
        struct connection *next, *previous; /* of all open ones */
        struct MHD_Connection *mhd;
        int fd;
        struct client *client;      /* counted there; never NULL */
        struct client_address peer; /* who connected */
        char peer_text[INET6_ADDRSTRLEN];
        bool trusted;         /* a proxy whose X-Forwarded-For is believed */
        uint64_t bytes_idle;  /* received when last seen between requests */
        uint64_t bytes_past;  /* read of earlier requests, and of the head of this one: so many at least */
        uint64_t bytes_ended; /* read when one in chunks ended; 0: none, or another came */
        int64_t started_ms;   /* of the request being received, or of its answer; 0: none */
        struct request *request;
        size_t charge;     /* of listener.memory, for engine and first_head */
        size_t engine;     /* what libmicrohttpd holds for it */
        size_t front;      /* of that, what it reads into */
        bool whole;        /* engine is all that it may hold */
        bool reading;      /* of its next request, but that is not there yet */
        bool kept;         /* open after its first request */
        int64_t rested_ms; /* since when without a request, while kept; monotonic */
        bool ended;        /* by us; libmicrohttpd has still to see that */
        char *first_head;  /* raw, while capturing; NULL: none or used up */
        size_t first_head_size;
        /* Where libmicrohttpd has the head; each later one is moved to the same
         * place, but for what it passes over: empty lines, or lines with a NUL first. */
        const char *head_start;
};

struct request {
        struct ledger_intake intake; /* first: the writer's callback gets it */
        struct listener *listener;
        struct connection *connection;
        struct request *next; /* in the list of the answered, or of the spare */
        enum phase phase;
        enum verdict verdict; /* VERDICT_ACCEPTED so far, or why it will be refused */
        const char *why;      /* more about it, for the log; static text or NULL */
        struct client_address client;
        bool close, keeps, on_client_path, admitted, charged; /* keeps: answered so that another may come */
        bool chunked;
        unsigned pieces;          /* of data, while chunked */
        const char *uri_end;      /* as in struct gate_head */
        int64_t started_us;       /* monotonic: its head */
        struct quota_place place; /* while admitted */
        unsigned char *body;
        size_t size, room, total; /* kept, allocated, seen */
        size_t work; /* of listener.memory, beside room: its decoded and its packed form, and a captured head
                      */
        struct report report;
        struct capture_record *capture; /* NULL: not capturing */
        char content_type[256];
};

struct listener {
        /* Constant while the loop runs. */
        struct ledger *ledger;
        struct quota *quota;
        struct limits *limits;
        struct MHD_Daemon *mhd;
        int socket, epoll_fd, event_fd, engine_fd; /* engine_fd: libmicrohttpd's own epoll set */
        unsigned max_connections;                  /* listener.connections, or what descriptors allow */
        pthread_t thread;
        bool started;
        char url[LISTENER_URL_SIZE];

        /* The loop's. */
        struct config *config;
        struct reader *reader;
        struct replies *replies;
        struct lingering linger;
        struct capture *capture; /* NULL: off */
        struct connection *connections;
        struct request *spare;
        unsigned spare_count, requests; /* requests: in hand, from head to completion */
        unsigned kept_count;            /* connections that had a request already */
        unsigned small_count;           /* those of them that are not charged with all */
        unsigned chunked_count;         /* requests whose body comes in chunks */
        size_t leaving;                 /* of memory: charges of the ended */
        int64_t look_ms;                /* monotonic: when memory_look and chunks_look are due; 0: not */
        size_t memory;                  /* of all bodies and connections in hand: see memory.c */
        struct porch *porch;
        struct arrival *arrival;        /* while MHD_add_connection runs */
        bool accept_paused, engine_due; /* engine_due: libmicrohttpd may have something to do */
        int64_t sweep_ms;               /* monotonic: of the next sweep */

        /* Under lock: what others leave for the loop. */
        pthread_mutex_t lock;
        struct request *answered;
        struct config *next_config;
        struct capture *next_capture;
        bool capture_changes; /* next_capture, which may be NULL, is to take capture's place */

        _Atomic bool is_reloaded; /* next_config or next_capture is to be taken */

        /* Read by anyone. */
        _Atomic bool stop;
        _Atomic uint64_t verdicts[VERDICT_COUNT];
        _Atomic uint64_t topics[LISTENER_TOPICS];
        struct histogram request_us;
        _Atomic unsigned connection_count;
        _Atomic int64_t heartbeat_ms;
};

/* loop.c */
void *listener_loop(void *arg);
int listener_wake(struct listener *listener);

/* accept.c */
int accept_bind(const char *text, unsigned port, int *ret_socket); /* text: a numeric address */
int accept_adopt(int socket);                                      /* one from systemd, which may block */
void accept_clients(struct listener *listener);
void accept_notify(void *arg, struct MHD_Connection *mhd, void **context,
                   enum MHD_ConnectionNotificationCode code);
void accept_describe(int socket, const char *path, char ret_url[LISTENER_URL_SIZE]);

/* porch.c */
int porch_new(struct porch **ret_porch);
void porch_free(struct listener *listener);
void porch_enter(struct listener *listener, int fd, struct client *client, const struct client_address *peer,
                 const struct sockaddr_storage *address, socklen_t size);
/* Something came on fd, which is or was of the porch. */
void porch_look(struct listener *listener, int fd, uint32_t events);
/* The one that has waited longest is closed; false: nobody waits.  An honest one
 * speaks within milliseconds, so it is never the oldest of a crowd. */
bool porch_make_room(struct listener *listener);
/* How long a stop still waits for the newest connection to begin a request. */
int64_t porch_greeting_ms(const struct listener *listener, int64_t now_ms);
void porch_sweep(struct listener *listener, int64_t now_ms);

/* request.c */
enum MHD_Result request_handle(void *arg, struct MHD_Connection *mhd, const char *url, const char *method,
                               const char *version, const char *data, size_t *size, void **context);
void *request_begin(void *arg, const char *uri, struct MHD_Connection *mhd);
void request_completed(void *arg, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode code);
void request_free_spare(struct listener *listener);

/* An answer past libmicrohttpd, which takes none during an upload; the
 * connection must be ended then. */
void request_give_up(struct request *request, enum verdict verdict, const char *why);

/* answer.c */
enum MHD_Result request_answer(struct request *request, struct MHD_Connection *mhd);
void request_note_verdict(const struct request *request); /* counts and logs it */

/* memory.c: so much of listener.memory; false when it is used up and nobody
 * but this request (NULL: none) can give way. */
bool memory_take(struct listener *listener, size_t size, const struct request *but);
void memory_give(struct listener *listener, size_t size);
/* libmicrohttpd may read so much (front), or all that it may, into what it has
 * for the connection; false as above. */
bool memory_charge_front(struct listener *listener, struct connection *connection, size_t front,
                         const struct request *but);
bool memory_charge_whole(struct listener *listener, struct connection *connection, const struct request *but);
/* From its first request on; keeps: for a next one, it is not only about to close. */
void memory_note_kept(struct listener *listener, struct connection *connection, bool keeps);
void memory_end_charge(struct listener *listener, struct connection *connection);
/* Shuts it down; libmicrohttpd sees the end and cleans up. */
void memory_end(struct listener *listener, struct connection *connection);
/* As if memory were used up, but for places; false: nobody gives way. */
bool memory_make_places(struct listener *listener);
/* Charges those that were made small, and have something to read again. */
void memory_look(struct listener *listener);
size_t memory_round_up(size_t size); /* to whole pages */
/* What a connection costs with a head and front bytes read. */
size_t memory_engine_cost(size_t head_size, size_t front);
#define MEMORY_PAGE 4096U
/* What libmicrohttpd may have for a connection: the largest head, and what it
 * keeps with it; what it and we keep for each besides; and for each field. */
#define ENGINE_MEMORY (36U * 1024U)
#define ENGINE_BASE 2048U
#define ENGINE_WHOLE (ENGINE_BASE + ENGINE_MEMORY)
#define ENGINE_FIELD 64U
#define ENGINE_LINE_MIN 4U /* bytes of the shortest line of a head */

/* chunks.c: what surrounds the data of chunks, which libmicrohttpd shows nobody.
 * A request's head has come, so many bytes of it. */
void chunks_begin(struct request *request, bool chunked, size_t head_size);
void chunks_end(struct request *request); /* nothing of it will be read any more */
/* Refuses those with more around their data than chunks need. */
void chunks_look(struct listener *listener);

/* sweep.c: once a second, deadlines of connections. */
void sweep_connections(struct listener *listener, int64_t now_ms);
/* So many bytes have left the socket; UINT64_MAX: nobody knows. */
uint64_t sweep_bytes_read(const struct connection *connection);
/* Who shuts a connection down between two requests is libmicrohttpd or
 * memory_end.  A client's reset looks like the former once it has been read. */
enum our_side { OUR_SIDE_OPEN, OUR_SIDE_ENDED, OUR_SIDE_UNKNOWN };
enum our_side sweep_our_side(const struct connection *connection);
/* What libmicrohttpd has read by now is of its last request, unless that is known already. */
void sweep_note_idle(struct connection *connection);
/* "libmicrohttpd has read something since its last request." */
bool sweep_is_read(const struct connection *connection);

#endif
