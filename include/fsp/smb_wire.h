/* smb_wire: how fspd and its helper fspd-smb speak.
 *
 * libsmbclient is GPL-3, not thread-safe, and parses what a server sends; so it
 * lives in a process of its own, at the other end of a stream socket that is
 * the helper's standard input.
 *
 * A frame is this head and then size bytes, in the machine's own byte order:
 *
 *     0  u32 size     of what follows the head, at most SMB_WIRE_LIMIT
 *     4  u32 id       of the request; its answer has the same
 *     8  u32 op       enum smb_op
 *    12  i32 result   of an answer: 0 or more, or -errno; of a request 0
 *
 *     op        request, texts with their NUL     answer
 *     OPEN      address, credentials              the inbox's identity, with NUL
 *     PUT       name, then the bytes              -
 *     PUBLISH   temporary name, final name        -
 *     EXISTS    name                              result 1 or 0
 *     READ      name, then a u32: most bytes      the bytes
 *     REMOVE    name                              -
 *     CHECK     -                                 the identity, as it is now
 *
 * Calling sequence: OPEN, once, answered before anything else is sent; then any
 * of the others, several at a time (fspd keeps two on the way, so that none
 * waits for the other side).  Answers come in the order of the requests.  The
 * end of the stream is the order to end.
 *
 * Owns      nothing.
 * Threads   one at each end.
 * Errors    beside those of the file: -ENONET no such host, -ECONNREFUSED
 *           nobody listens, -EKEYREJECTED logon refused, -ENOKEY credentials
 *           unreadable, -ENOMEDIUM no such share, -ENOENT no such folder,
 *           -EPROTONOSUPPORT only old dialects.  A helper that loses its
 *           connection ends: it never makes a second one, since libsmbclient
 *           calls files absent that it only could not ask for. */
#ifndef FSP_SMB_WIRE_H
#define FSP_SMB_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define SMB_WIRE_LIMIT (32U * 1024 * 1024)

enum smb_op {
        SMB_OPEN,
        SMB_PUT,
        SMB_PUBLISH,
        SMB_EXISTS,
        SMB_READ,
        SMB_REMOVE,
        SMB_CHECK,
};

struct smb_head {
        uint32_t size, id, op;
        int32_t result;
};

/* Sends a frame whose content is parts one after the other; waits for room.
 * -EPIPE when nobody reads. */
struct smb_part {
        const void *data;
        size_t size;
};
int smb_wire_send(int fd, struct smb_head head, const struct smb_part *parts, size_t count);

/* Waits for a frame.  *ret_content is malloc'd, with a NUL after its end.
 * -EPIPE at the end of the stream, -EPROTO for what is no frame. */
int smb_wire_receive(int fd, struct smb_head *ret_head, char **ret_content);

#endif
