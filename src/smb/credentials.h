/* credentials: an account out of the file that mount.cifs reads, too. */
#ifndef SMB_CREDENTIALS_H
#define SMB_CREDENTIALS_H

#define CREDENTIALS_SIZE 256

struct credentials {
        char user[CREDENTIALS_SIZE], password[CREDENTIALS_SIZE], domain[CREDENTIALS_SIZE];
};

/* Lines username=, password=, domain=; user may be DOMAIN\NAME.  -ENOKEY when
 * it cannot be read, says something else, or names nobody. */
int credentials_read(const char *path, struct credentials *ret_credentials);

#endif
