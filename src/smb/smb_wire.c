#include "fsp/smb_wire.h"

#include "fsp/fsutil.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int send_all(int fd, const char *data, size_t size, int flags)
{
        while (size > 0) {
                ssize_t sent = send(fd, data, size, flags | MSG_NOSIGNAL);
                if (sent < 0 && errno != EINTR)
                        return -errno;
                if (sent > 0) {
                        data += sent;
                        size -= (size_t)sent;
                }
        }
        return 0;
}

int smb_wire_send(int fd, struct smb_head head, const struct smb_part *parts, size_t count)
{
        size_t size = 0;
        for (size_t i = 0; i < count; i++)
                size += parts[i].size;
        if (size > SMB_WIRE_LIMIT)
                return -EMSGSIZE;
        head.size = (uint32_t)size;
        int r = send_all(fd, (const char *)&head, sizeof(head), size ? MSG_MORE : 0);
        for (size_t i = 0; r == 0 && i < count; i++)
                r = send_all(fd, parts[i].data, parts[i].size, i + 1 < count ? MSG_MORE : 0);
        return r;
}

static int receive_all(int fd, char *data, size_t size)
{
        while (size > 0) {
                ssize_t got = recv(fd, data, size, 0);
                if (got == 0)
                        return -EPIPE;
                if (got < 0 && errno != EINTR)
                        return -errno;
                if (got > 0) {
                        data += got;
                        size -= (size_t)got;
                }
        }
        return 0;
}

int smb_wire_receive(int fd, struct smb_head *ret_head, char **ret_content)
{
        struct smb_head head;
        int r = receive_all(fd, (char *)&head, sizeof(head));
        if (r < 0)
                return r;
        if (head.size > SMB_WIRE_LIMIT || head.op > SMB_CHECK)
                return -EPROTO;
        AUTO_FREE char *content = malloc((size_t)head.size + 1);
        if (!content)
                return -ENOMEM;
        r = receive_all(fd, content, head.size);
        if (r < 0)
                return r;
        content[head.size] = '\0';
        *ret_head = head;
        *ret_content = content;
        content = NULL;
        return 0;
}
