#include "share.h"

#include "credentials.h"
#include "fsp/fsutil.h"
#include "fsp/smb_url.h"
#include <errno.h>
#include <fcntl.h>
#include <libsmbclient.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ADDRESS_SIZE (SMB_URL_SIZE * 2)
/* Longer than fspd waits: a request that timed out here would leave us with an
 * answer that is none. */
#define LIBRARY_TIMEOUT_MS 120000
/* Of the library's own tongue; at this level it says why a logon was refused. */
#define LOGON_LEVEL 3
/* The tickets say who we are; but without a name of this form the library does
 * not look for them. */
#define KERBEROS_USER "tickets@KERBEROS"

struct share {
        SMBCCTX *context;
        struct smb_url url;
        char folder[ADDRESS_SIZE];
        struct credentials account;
        smbc_add_cached_srv_fn keep; /* the library's own */
        bool connected, refused;
};

static void tell_account(SMBCCTX *context, const char *server, const char *share_name, char *domain,
                         int domain_size, char *user, int user_size, char *password, int password_size)
{
        const struct share *share = smbc_getOptionUserData(context);
        (void)server; /* there is but one */
        (void)share_name;
        (void)snprintf(domain, (size_t)domain_size, "%s", share->account.domain); /* cut: refused */
        (void)snprintf(user, (size_t)user_size, "%s", share->account.user);
        (void)snprintf(password, (size_t)password_size, "%s", share->account.password);
}

/* Called by the library with each connection that it has made.  When the first
 * one is lost, so is the certainty what became of the requests: fspd starts
 * another helper. */
static int keep_connection(SMBCCTX *context, SMBCSRV *server, const char *server_name, const char *share_name,
                           const char *domain, const char *user)
{
        const struct share *share = smbc_getOptionUserData(context);
        if (share->connected)
                _exit(EXIT_FAILURE);
        return share->keep(context, server, server_name, share_name, domain, user);
}

/* errno tells no refused logon from a folder that may not be entered. */
static void overhear(void *arg, int level, const char *text)
{
        struct share *share = arg;
        (void)level;
        if (strstr(text, "login failed") || strstr(text, "NT_STATUS_LOGON_FAILURE"))
                share->refused = true;
}

/* No name services but the system's, no dialect before 2.1, all signed. */
static int configure(SMBCCTX *context)
{
        static const char text[] = "[global]\n"
                                   "name resolve order = host\n"
                                   "disable netbios = yes\n"
                                   "client min protocol = SMB2_10\n"
                                   "client max protocol = SMB3_11\n"
                                   "client signing = required\n";
        char path[64];
        int fd = memfd_create("smb.conf", MFD_CLOEXEC);
        if (fd < 0)
                return -errno;
        int r = fsutil_write_all(fd, text, sizeof(text) - 1);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* fits */
        if (r == 0 && smbc_setConfiguration(context, path) < 0)
                r = -errno;
        if (r == 0 && !smbc_setOptionProtocols(context, "SMB2_10", "SMB3_11"))
                r = -EPROTONOSUPPORT;
        fsutil_close_pointer(&fd);
        return r;
}

static int make_context(struct share *share, bool kerberos)
{
        SMBCCTX *context = share->context = smbc_new_context();
        if (!context)
                return -ENOMEM;
        smbc_setOptionUserData(context, share);
        smbc_setFunctionAuthDataWithContext(context, tell_account);
        share->keep = smbc_getFunctionAddCachedServer(context);
        smbc_setFunctionAddCachedServer(context, keep_connection);
        smbc_setLogCallback(context, share, overhear);
        smbc_setDebug(context, LOGON_LEVEL);
        smbc_setTimeout(context, LIBRARY_TIMEOUT_MS);
        smbc_setOptionNoAutoAnonymousLogin(context, true);
        smbc_setOptionUseKerberos(context, kerberos);
        smbc_setOptionFallbackAfterKerberos(context, false);
        if (!smbc_init_context(context))
                return -errno;
        if (*share->account.user)
                smbc_setUser(context, share->account.user);
        if (*share->account.domain)
                smbc_setWorkgroup(context, share->account.domain);
        return configure(context);
}

/* The library calls an unknown host an invalid argument. */
static int find_host(const char *server)
{
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
        struct addrinfo *found;
        if (getaddrinfo(server, NULL, &hints, &found) != 0)
                return -ENONET;
        freeaddrinfo(found);
        return 0;
}

static int stat_at(struct share *share, const char *address, struct stat *ret_st)
{
        return smbc_getFunctionStat(share->context)(share->context, address, ret_st) < 0 ? -errno : 0;
}

/* Which of host, logon, share and folder it was. */
static int connect_to(struct share *share)
{
        struct stat st;
        char root[ADDRESS_SIZE];
        int r = find_host(share->url.server);
        if (r < 0)
                return r;
        r = stat_at(share, share->folder, &st);
        if (share->refused && r < 0)
                return -EKEYREJECTED;
        if (r == -ENOENT) {
                (void)snprintf(root, sizeof(root), "smb://%s:%u/%s/", share->url.server, share->url.port,
                               share->url.share); /* fits: shorter than folder */
                return stat_at(share, root, &st) == -ENOENT ? -ENOMEDIUM : -ENOENT;
        }
        if (r == -ECONNRESET || r == -ENOSYS || r == -EPROTO)
                return -EPROTONOSUPPORT;
        return r == 0 && !S_ISDIR(st.st_mode) ? -ENOTDIR : r;
}

int share_open(const char *address, const char *credentials, struct share **ret_share)
{
        struct share *share = calloc(1, sizeof(*share));
        if (!share)
                return -ENOMEM;
        int r = smb_url_parse(address, &share->url) ? -EINVAL : 0;
        if (r == 0 && *credentials)
                r = credentials_read(credentials, &share->account);
        if (r == 0 && !*credentials)
                strcpy(share->account.user, KERBEROS_USER);
        if (r == 0)
                r = make_context(share, !*credentials);
        if (r == 0) {
                (void)snprintf(share->folder, sizeof(share->folder), "smb://%s:%u/%s/%s", share->url.server,
                               share->url.port, share->url.share, share->url.path); /* fits */
                r = connect_to(share);
        }
        if (r < 0) {
                if (share->context)
                        (void)smbc_free_context(share->context, true); /* nothing is open in it */
                free(share);
                return r;
        }
        share->connected = true;
        smbc_setDebug(share->context, 0);
        *ret_share = share;
        return 0;
}

int share_identify(struct share *share, char ret_identity[SHARE_IDENTITY_SIZE])
{
        struct stat st;
        int r = stat_at(share, share->folder, &st);
        if (r < 0)
                return r;
        if (!S_ISDIR(st.st_mode))
                return -ENOTDIR;
        int length = snprintf(ret_identity, SHARE_IDENTITY_SIZE, "smb server=%s:%u share=%s folder=%llx %s",
                              share->url.server, share->url.port, share->url.share,
                              (unsigned long long)st.st_ino, share->url.path);
        return length >= SHARE_IDENTITY_SIZE ? -ENAMETOOLONG : 0;
}

static int address_of(const struct share *share, const char *name, char ret_address[ADDRESS_SIZE])
{
        if (strpbrk(name, "/\\%:*?"))
                return -EINVAL;
        int length = snprintf(ret_address, ADDRESS_SIZE, "%s/%s", share->folder, name);
        return length >= ADDRESS_SIZE ? -ENAMETOOLONG : 0;
}

/* Never by emptying or removing what is there: a server that hung for a while
 * may still do, at any later time, the one request it had in hand from a helper
 * before us.  Making a file anew fails then, writing the same bytes changes
 * nothing. */
static SMBCFILE *open_to_write(SMBCCTX *context, const char *address, bool *ret_new)
{
        SMBCFILE *file = smbc_getFunctionOpen(context)(context, address, O_RDWR | O_CREAT | O_EXCL, 0640);
        *ret_new = file;
        if (!file && errno == EEXIST)
                file = smbc_getFunctionOpen(context)(context, address, O_RDWR, 0640);
        return file;
}

/* All of it, as the server has counted in its answers. */
static int write_whole(SMBCCTX *context, SMBCFILE *file, const char *data, size_t size)
{
        for (size_t done = 0; done < size;) {
                ssize_t wrote = smbc_getFunctionWrite(context)(context, file, data + done, size - done);
                if (wrote < 0)
                        return -errno;
                if (wrote == 0)
                        return -EIO;
                done += (size_t)wrote;
        }
        return 0;
}

/* A file that was there may hold longer remains of an earlier try. */
static int cut_off(SMBCCTX *context, SMBCFILE *file, size_t size)
{
        struct stat st;
        if (smbc_getFunctionFstat(context)(context, file, &st) < 0)
                return -errno;
        if ((size_t)st.st_size == size)
                return 0;
        if (smbc_getFunctionFtruncate(context)(context, file, (off_t)size) < 0 ||
            smbc_getFunctionFstat(context)(context, file, &st) < 0)
                return -errno;
        return (size_t)st.st_size == size ? 0 : -EIO;
}

int share_put(struct share *share, const char *name, const char *data, size_t size)
{
        char address[ADDRESS_SIZE];
        int r = address_of(share, name, address);
        if (r < 0)
                return r;
        bool new;
        SMBCFILE *file = open_to_write(share->context, address, &new);
        if (!file)
                return -errno;
        r = write_whole(share->context, file, data, size);
        if (r == 0 && !new)
                r = cut_off(share->context, file, size);
        if (smbc_getFunctionClose(share->context)(share->context, file) < 0 && r == 0)
                r = -errno;
        return r;
}

int share_publish(struct share *share, const char *temporary, const char *final)
{
        char from[ADDRESS_SIZE], to[ADDRESS_SIZE];
        struct stat st;
        int r = address_of(share, temporary, from);
        if (r == 0)
                r = address_of(share, final, to);
        if (r < 0)
                return r;
        /* The library removes a file in the way of a rename.  Only we make such
         * names, so nothing can come between the look and the rename. */
        r = stat_at(share, to, &st);
        if (r != -ENOENT)
                return r < 0 ? r : -EEXIST;
        return smbc_getFunctionRename(share->context)(share->context, from, share->context, to) < 0 ? -errno
                                                                                                    : 0;
}

int share_exists(struct share *share, const char *name)
{
        char address[ADDRESS_SIZE];
        struct stat st;
        int r = address_of(share, name, address);
        if (r < 0)
                return r;
        r = stat_at(share, address, &st);
        /* An empty one was made by a request that came late (open_to_write):
         * nothing that was put whole is empty. */
        if (r == 0)
                return st.st_size > 0;
        if (r != -ENOENT)
                return r;
        /* Only a connection that still works can tell of an absence. */
        r = stat_at(share, share->folder, &st);
        return r < 0 ? r : 0;
}

int share_read(struct share *share, const char *name, size_t limit, char **ret_data, size_t *ret_size)
{
        char address[ADDRESS_SIZE];
        size_t size = 0;
        ssize_t got = 0;
        int r = address_of(share, name, address);
        if (r < 0)
                return r;
        char *data = malloc(limit + 1); /* one more shows that it is longer */
        if (!data)
                return -ENOMEM;
        SMBCFILE *file = smbc_getFunctionOpen(share->context)(share->context, address, O_RDONLY, 0);
        if (!file)
                r = -errno;
        while (r == 0 && size <= limit) {
                got = smbc_getFunctionRead(share->context)(share->context, file, data + size,
                                                           limit + 1 - size);
                if (got < 0)
                        r = -errno;
                if (got <= 0)
                        break;
                size += (size_t)got;
        }
        if (file)
                (void)smbc_getFunctionClose(share->context)(share->context, file); /* only read */
        if (r == 0 && size > limit)
                r = -EFBIG;
        if (r < 0) {
                free(data);
                return r;
        }
        *ret_data = data;
        *ret_size = size;
        return 0;
}

int share_remove(struct share *share, const char *name)
{
        char address[ADDRESS_SIZE];
        int r = address_of(share, name, address);
        if (r < 0)
                return r;
        return smbc_getFunctionUnlink(share->context)(share->context, address) < 0 ? -errno : 0;
}
