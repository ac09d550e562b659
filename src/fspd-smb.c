/* fspd-smb: carries files to a share for fspd.  It is started by fspd alone and
 * speaks as smb_wire.h says; one request after the other, until the stream ends. */
#include "fsp/fsutil.h"
#include "fsp/smb_wire.h"
#include "smb/sandbox.h"
#include "smb/share.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

struct answer {
        char *data; /* malloc'd */
        size_t size;
};

/* The next text of a request; NULL when it has none. */
static char *next_text(char **rest, const char *end)
{
        char *text = *rest;
        char *stop = memchr(text, '\0', (size_t)(end - text));
        if (!stop)
                return NULL;
        *rest = stop + 1;
        return text;
}

static int identify(struct share *share, struct answer *answer)
{
        answer->data = calloc(1, SHARE_IDENTITY_SIZE);
        if (!answer->data)
                return -ENOMEM;
        int r = share_identify(share, answer->data);
        if (r == 0)
                answer->size = strlen(answer->data) + 1;
        return r;
}

static int read_file(struct share *share, const char *name, const char *rest, const char *end,
                     struct answer *answer)
{
        uint32_t limit;
        if (end - rest != (ptrdiff_t)sizeof(limit))
                return -EPROTO;
        memcpy(&limit, rest, sizeof(limit));
        return limit > SMB_WIRE_LIMIT ? -EFBIG : share_read(share, name, limit, &answer->data, &answer->size);
}

static int serve(struct share **share, enum smb_op op, char *content, size_t size, struct answer *answer)
{
        char *rest = content, *end = content + size;
        char *first = op == SMB_CHECK ? NULL : next_text(&rest, end);
        char *second = op == SMB_OPEN || op == SMB_PUBLISH ? next_text(&rest, end) : NULL;
        bool opened = *share;

        if ((op != SMB_CHECK && !first) || ((op == SMB_OPEN || op == SMB_PUBLISH) && !second) ||
            opened == (op == SMB_OPEN))
                return -EPROTO;
        switch (op) {
        case SMB_OPEN: {
                int r = share_open(first, second, share);
                return r < 0 ? r : identify(*share, answer);
        }
        case SMB_PUT:
                return share_put(*share, first, rest, (size_t)(end - rest));
        case SMB_PUBLISH:
                return share_publish(*share, first, second);
        case SMB_EXISTS:
                return share_exists(*share, first);
        case SMB_READ:
                return read_file(*share, first, rest, end, answer);
        case SMB_REMOVE:
                return share_remove(*share, first);
        case SMB_CHECK:
                return identify(*share, answer);
        }
        return -EPROTO;
}

/* What says that the connection is gone; after the opening, fspd is told so by
 * our end. */
static bool is_loss(int r)
{
        static const int losses[] = { ECONNRESET,   EPIPE,     ENETRESET,    ECONNABORTED, ENOTCONN,
                                      ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH };
        for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
                if (r == -losses[i])
                        return true;
        }
        return false;
}

int main(int argc, char **argv)
{
        struct share *share = NULL;
        struct smb_head head;
        char *content;
        (void)argv;
        if (argc != 1) {
                (void)fputs("fspd-smb is started by fspd, with nothing to say to it: see fspd.ini(5)\n",
                            stderr);
                return EX_USAGE;
        }
        if (sandbox_enter() < 0)
                return EX_OSERR;
        while (smb_wire_receive(STDIN_FILENO, &head, &content) == 0) {
                struct answer answer = { 0 };
                head.result = serve(&share, (enum smb_op)head.op, content, head.size, &answer);
                free(content);
                if (head.op != SMB_OPEN && is_loss(head.result))
                        break;
                const struct smb_part part = { answer.data, head.result < 0 ? 0 : answer.size };
                int r = smb_wire_send(STDIN_FILENO, head, &part, 1);
                free(answer.data);
                if (r < 0)
                        break;
        }
        /* Nothing is open in between: the server sees the connection end. */
        _exit(EX_OK);
}
