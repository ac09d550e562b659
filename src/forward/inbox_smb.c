/* An inbox on a share, without a mount: helper processes carry the files, each
 * over a connection of its own. */
#include "fsp/inbox.h"

#include "fsp/clock.h"
#include "fsp/fsutil.h"
#include "smb_helper.h"
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELPERS_MAX 32
#define WINDOW 2      /* requests a helper has in hand, so that it never waits for us */
#define WORTH_FILES 8 /* a helper more is started for each so many files of a run */
#define NO_HELPER UINT32_MAX

struct request {
        char name[64]; /* "" when nobody awaits it by name */
        uint32_t id, helper, op;
        bool done;
        struct smb_head answer;
        char *content;
};

struct smb {
        struct inbox inbox;
        char *address, *credentials;
        struct smb_helper helpers[HELPERS_MAX];
        bool open[HELPERS_MAX]; /* it has its connection, to the same place */
        uint32_t started, limit;
        struct request *requests;
        size_t count, room;
        uint32_t last_id;
        uint64_t begun;
        int fault; /* a helper was lost: the run is over, the next one begins anew */
};

static struct smb *smb_of(struct inbox *inbox)
{
        return (struct smb *)inbox;
}

static struct request *find_id(struct smb *smb, uint32_t id)
{
        for (size_t i = 0; i < smb->count; i++) {
                if (smb->requests[i].id == id)
                        return &smb->requests[i];
        }
        return NULL;
}

static void forget(struct smb *smb, struct request *request)
{
        free(request->content);
        *request = smb->requests[--smb->count];
}

/* What its requests came to is not known: each is told so.  One that had no
 * connection yet had but the request for it, and is not missed. */
static void lose(struct smb *smb, uint32_t index, int fault)
{
        bool missed = smb->open[index] || index == 0;
        smb_helper_stop(&smb->helpers[index]);
        smb->helpers[index].in_hand = 0;
        smb->open[index] = false;
        if (!missed)
                smb->limit = smb->started;
        else if (!smb->fault)
                smb->fault = fault;
        for (size_t i = smb->count; i-- > 0;) {
                struct request *request = &smb->requests[i];
                if (request->helper != index || request->done)
                        continue;
                request->done = true;
                request->answer.result = fault;
                if (!missed)
                        forget(smb, request);
        }
}

/* Is that the place of the inbox?  The first helper tells which that is. */
static int compare(struct smb *smb, const char *identity)
{
        if (!*smb->inbox.identity)
                (void)snprintf(smb->inbox.identity, sizeof(smb->inbox.identity), "%s", identity); /* fits */
        return strcmp(identity, smb->inbox.identity) == 0 ? 0 : -ESTALE;
}

/* The answer to an opening.  The first helper's is awaited; of the others,
 * nobody asks: one that the server does not take stays idle. */
static void admit(struct smb *smb, struct request *request)
{
        uint32_t index = request->helper;
        int r = request->answer.result;
        if (r >= 0)
                r = request->answer.result = compare(smb, request->content);
        smb->open[index] = r >= 0;
        if (index == 0)
                return;
        if (r < 0)
                smb->limit = smb->started; /* it has enough of us */
        forget(smb, request);
}

static void take_answer(struct smb *smb, uint32_t index)
{
        struct smb_head head;
        char *content;
        int r = smb_helper_receive(&smb->helpers[index], &head, &content);
        struct request *request = r == 0 ? find_id(smb, head.id) : NULL;
        if (!request || request->helper != index || request->op != head.op || request->done) {
                if (r == 0)
                        free(content);
                lose(smb, index, r < 0 ? r : -EPROTO);
                return;
        }
        request->done = true;
        request->answer = head;
        request->content = content;
        if (head.op == SMB_OPEN)
                admit(smb, request);
}

/* Waits until at least one answer has come, or a helper is past its deadline. */
static void wait_for_answers(struct smb *smb)
{
        struct pollfd slots[HELPERS_MAX];
        int64_t now_ms = clock_monotonic_ms(), left_ms = SMB_HELPER_DEADLINE_MS;
        for (uint32_t i = 0; i < smb->started; i++) {
                const struct smb_helper *helper = &smb->helpers[i];
                slots[i] = (struct pollfd){ .fd = helper->in_hand ? helper->fd : -1, .events = POLLIN };
                int64_t until_ms = helper->since_ms + SMB_HELPER_DEADLINE_MS - now_ms;
                if (helper->in_hand && until_ms < left_ms)
                        left_ms = until_ms;
        }
        (void)poll(slots, smb->started, left_ms > 0 ? (int)left_ms : 0); /* the slots tell */
        now_ms = clock_monotonic_ms();
        for (uint32_t i = 0; i < smb->started; i++) {
                if (slots[i].fd < 0)
                        continue;
                if (slots[i].revents)
                        take_answer(smb, i);
                else if (now_ms - smb->helpers[i].since_ms >= SMB_HELPER_DEADLINE_MS)
                        lose(smb, i, -ETIMEDOUT);
        }
}

static int add_request(struct smb *smb, uint32_t helper, const char *name, enum smb_op op,
                       struct request **ret_request)
{
        if (strlen(name) >= sizeof((*ret_request)->name))
                return -ENAMETOOLONG;
        if (smb->count == smb->room) {
                size_t room = smb->room ? smb->room * 2 : 64;
                struct request *requests = reallocarray(smb->requests, room, sizeof(*requests));
                if (!requests)
                        return -ENOMEM;
                smb->requests = requests;
                smb->room = room;
        }
        struct request *request = &smb->requests[smb->count++];
        *request = (struct request){ .id = ++smb->last_id, .helper = helper, .op = op };
        strcpy(request->name, name);
        *ret_request = request;
        return 0;
}

static int send_to(struct smb *smb, uint32_t helper, const char *name, enum smb_op op,
                   const struct smb_part *parts, size_t count, uint32_t *ret_id)
{
        struct request *request;
        int r = add_request(smb, helper, name, op, &request);
        if (r < 0)
                return r;
        *ret_id = request->id;
        r = smb_helper_send(&smb->helpers[helper], op, request->id, parts, count);
        if (r < 0)
                lose(smb, helper, r); /* the request has its result by that */
        return 0;
}

/* Waits for one answer; its content goes to ret_content (malloc'd) unless NULL. */
static int finish(struct smb *smb, uint32_t id, struct smb_head *ret_head, char **ret_content)
{
        struct request *request;
        while ((request = find_id(smb, id)) && !request->done)
                wait_for_answers(smb);
        assert(request);
        int r = request->answer.result;
        if (ret_content && r >= 0) {
                *ret_head = request->answer;
                *ret_content = request->content;
                request->content = NULL;
        }
        forget(smb, request);
        return r;
}

static int call(struct smb *smb, enum smb_op op, const struct smb_part *parts, size_t count,
                struct smb_head *ret_head, char **ret_content)
{
        uint32_t id;
        if (smb->fault)
                return smb->fault;
        int r = send_to(smb, 0, "", op, parts, count, &id);
        return r < 0 ? r : finish(smb, id, ret_head, ret_content);
}

static int start_helper(struct smb *smb, uint32_t *ret_id)
{
        const struct smb_part parts[] = { { smb->address, strlen(smb->address) + 1 },
                                          { smb->credentials, strlen(smb->credentials) + 1 } };
        int r = smb_helper_start(&smb->helpers[smb->started]);
        return r < 0 ? r : send_to(smb, smb->started++, "", SMB_OPEN, parts, 2, ret_id);
}

/* One more, which takes part once it is open. */
static void start_another(struct smb *smb)
{
        uint32_t id;
        if (start_helper(smb, &id) < 0)
                smb->limit = smb->started; /* those that there are, do */
}

static uint32_t find_idle(const struct smb *smb)
{
        uint32_t best = NO_HELPER;
        for (uint32_t i = 0; i < smb->started; i++) {
                unsigned in_hand = smb->helpers[i].in_hand;
                if (smb->open[i] && in_hand < WINDOW &&
                    (best == NO_HELPER || in_hand < smb->helpers[best].in_hand))
                        best = i;
        }
        return best;
}

/* Hands the request to a helper and does not wait for what comes of it. */
static int begin(struct smb *smb, const char *name, enum smb_op op, const struct smb_part *parts,
                 size_t count)
{
        uint32_t helper, id;
        smb->begun++;
        if (smb->started < smb->limit && smb->begun > (uint64_t)smb->started * WORTH_FILES)
                start_another(smb);
        while (!smb->fault && (helper = find_idle(smb)) == NO_HELPER)
                wait_for_answers(smb);
        if (smb->fault)
                return smb->fault;
        int r = send_to(smb, helper, name, op, parts, count, &id);
        return r < 0 ? r : -EINPROGRESS;
}

static int smb_put(struct inbox *inbox, const char *name, const void *data, size_t size)
{
        const struct smb_part parts[] = { { name, strlen(name) + 1 }, { data, size } };
        return begin(smb_of(inbox), name, SMB_PUT, parts, 2);
}

static int smb_publish(struct inbox *inbox, const char *temporary, const char *final)
{
        const struct smb_part parts[] = { { temporary, strlen(temporary) + 1 },
                                          { final, strlen(final) + 1 } };
        return begin(smb_of(inbox), temporary, SMB_PUBLISH, parts, 2);
}

static int smb_await(struct inbox *inbox, const char *temporary)
{
        struct smb *smb = smb_of(inbox);
        for (size_t i = 0; i < smb->count; i++) {
                if (strcmp(smb->requests[i].name, temporary) == 0)
                        return finish(smb, smb->requests[i].id, NULL, NULL);
        }
        return -EINVAL;
}

/* Each answer to a put or a publish was the server's receipt. */
static int smb_settled(struct inbox *inbox)
{
        return smb_of(inbox)->fault;
}

static int smb_exists(struct inbox *inbox, const char *name)
{
        const struct smb_part part = { name, strlen(name) + 1 };
        return call(smb_of(inbox), SMB_EXISTS, &part, 1, NULL, NULL);
}

static int smb_remove(struct inbox *inbox, const char *name)
{
        const struct smb_part part = { name, strlen(name) + 1 };
        return call(smb_of(inbox), SMB_REMOVE, &part, 1, NULL, NULL);
}

static int smb_read(struct inbox *inbox, const char *name, size_t limit, unsigned char **ret_data,
                    size_t *ret_size)
{
        uint32_t most = limit < SMB_WIRE_LIMIT ? (uint32_t)limit : SMB_WIRE_LIMIT;
        const struct smb_part parts[] = { { name, strlen(name) + 1 }, { &most, sizeof(most) } };
        struct smb_head head;
        char *data;
        int r = call(smb_of(inbox), SMB_READ, parts, 2, &head, &data);
        if (r < 0)
                return r;
        *ret_data = (unsigned char *)data;
        *ret_size = head.size;
        return 0;
}

static int smb_check(struct inbox *inbox)
{
        struct smb_head head;
        AUTO_FREE char *identity = NULL;
        int r = call(smb_of(inbox), SMB_CHECK, NULL, 0, &head, &identity);
        return r < 0 ? r : compare(smb_of(inbox), identity);
}

static void smb_close(struct inbox *inbox)
{
        struct smb *smb = smb_of(inbox);
        for (uint32_t i = 0; i < smb->started; i++) {
                if (smb->helpers[i].fd >= 0)
                        smb_helper_stop(&smb->helpers[i]);
        }
        while (smb->count)
                forget(smb, &smb->requests[0]);
        free(smb->requests);
        free(smb->address);
        free(smb->credentials);
        free(smb);
}

static const struct inbox_kind smb_kind = {
        .put = smb_put,
        .await = smb_await,
        .flush = smb_settled,
        .exists = smb_exists,
        .publish = smb_publish,
        .settle = smb_settled,
        .remove = smb_remove,
        .read = smb_read,
        .check = smb_check,
        .close = smb_close,
};

int inbox_open_smb(const char *address, const char *credentials, unsigned connections,
                   struct inbox **ret_inbox)
{
        struct smb *smb = calloc(1, sizeof(*smb));
        if (!smb)
                return -ENOMEM;
        smb->inbox.kind = &smb_kind;
        smb->limit = connections < HELPERS_MAX ? connections : HELPERS_MAX;
        smb->address = strdup(address);
        smb->credentials = strdup(credentials);
        uint32_t id;
        int r = smb->address && smb->credentials ? start_helper(smb, &id) : -ENOMEM;
        if (r == 0)
                r = finish(smb, id, NULL, NULL);
        if (r < 0) {
                smb_close(&smb->inbox);
                return r;
        }
        *ret_inbox = &smb->inbox;
        return 0;
}
