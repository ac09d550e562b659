/* smb_helper: one process fspd-smb, which carries files over one connection.
 *
 * Threads   of the thread that started it: when that ends, so does the process.
 * Errors    -ENOPKG when the program is not installed; -ETIMEDOUT when nothing
 *           comes for SMB_HELPER_DEADLINE_MS; -ECONNRESET when it has ended
 *           (it does when it loses its connection). */
#ifndef FORWARD_SMB_HELPER_H
#define FORWARD_SMB_HELPER_H

#include "fsp/smb_wire.h"
#include <stdint.h>
#include <sys/types.h>

#define SMB_HELPER_DEADLINE_MS 15000

struct smb_helper {
        pid_t pid;
        int fd;
        unsigned in_hand; /* requests on their way */
        int64_t since_ms; /* monotonic: the last sign of life while there are such */
};

int smb_helper_start(struct smb_helper *ret_helper);
int smb_helper_send(struct smb_helper *helper, enum smb_op op, uint32_t id, const struct smb_part *parts,
                    size_t count);
/* The next answer; *ret_content is malloc'd. */
int smb_helper_receive(struct smb_helper *helper, struct smb_head *ret_head, char **ret_content);
/* Ends the process, whatever it is doing. */
void smb_helper_stop(struct smb_helper *helper);

#endif
