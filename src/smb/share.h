/* share: one folder on one share, over one connection.  The only room with
 * libsmbclient.h.
 *
 * Threads   one; libsmbclient is made for no more.
 * Errors    -errno as smb_wire.h lists them. */
#ifndef SMB_SHARE_H
#define SMB_SHARE_H

#include <stddef.h>

struct share;

/* address as smb_url.h reads it; credentials a full path, or "": Kerberos,
 * by the tickets of KRB5CCNAME. */
int share_open(const char *address, const char *credentials, struct share **ret_share);
/* Server, share and path, and the folder's number there. */
#define SHARE_IDENTITY_SIZE 512
int share_identify(struct share *share, char ret_identity[SHARE_IDENTITY_SIZE]);
int share_put(struct share *share, const char *name, const char *data, size_t size);
/* -EEXIST when the name is taken. */
int share_publish(struct share *share, const char *temporary, const char *final);
/* 1; 0 only when that is certain. */
int share_exists(struct share *share, const char *name);
int share_read(struct share *share, const char *name, size_t limit, char **ret_data, size_t *ret_size);
int share_remove(struct share *share, const char *name);

#endif
