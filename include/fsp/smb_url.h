/* smb_url: the address of a folder on a share, smb://SERVER[:PORT]/SHARE[/PATH].
 *
 * Owns      nothing.  Threads: pure functions. */
#ifndef FSP_SMB_URL_H
#define FSP_SMB_URL_H

#include <stdbool.h>

#define SMB_URL_SIZE 512
#define SMB_PORT 445

struct smb_url {
        char server[254]; /* a name or an IPv4 address */
        unsigned port;
        char share[81];
        char path[SMB_URL_SIZE]; /* below the share, without slashes at its ends; "": its root */
};

/* Does it begin with smb://, whatever comes then? */
bool smb_url_is(const char *text);
/* NULL, or what is wrong with it. */
const char *smb_url_parse(const char *text, struct smb_url *ret_url);
/* The same folder by name?  Windows looks at no case. */
bool smb_url_equal(const char *a, const char *b);

#endif
