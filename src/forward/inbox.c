#include "fsp/inbox.h"

#include "fsp/fsutil.h"
#include "fsp/quarantine.h"
#include "fsp/smb_url.h"
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A name alone is that of a credential which systemd passes to the service. */
static int open_share(const struct config *config, const char *place, struct inbox **ret_inbox)
{
        const char *credentials = config->forwarder.credentials, *folder = getenv("CREDENTIALS_DIRECTORY");
        AUTO_FREE char *path = NULL;
        if (*credentials && *credentials != '/') {
                if (!folder)
                        return -ENOKEY;
                if (asprintf(&path, "%s/%s", folder, credentials) < 0)
                        return -ENOMEM;
                credentials = path;
        }
        return inbox_open_smb(place, credentials, config->forwarder.smb_connections, ret_inbox);
}

static int open_to_copy(const struct config *config, const char *place, struct inbox **ret_inbox)
{
        return smb_url_is(place) ? open_share(config, place, ret_inbox)
                                 : inbox_open_folder(place, config->forwarder.require_mount, ret_inbox);
}

static bool is_same_folder(const char *a, const char *b)
{
        struct stat x, y;
        return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* What is published there would be taken for staged, and removed. */
bool inbox_is_ours(const struct config *config, const char *place)
{
        AUTO_FREE char *corrupt = NULL;
        if (smb_url_is(place))
                return false;
        if (is_same_folder(place, config->staging.directory))
                return true;
        if (asprintf(&corrupt, "%s/" QUARANTINE_FOLDER, config->staging.directory) < 0)
                return true; /* no memory: the next run knows */
        return is_same_folder(place, corrupt);
}

static int open_to_rename(const struct config *config, const char *place, int staging_fd, bool to_put,
                          struct inbox **ret_inbox)
{
        if (staging_fd < 0 || smb_url_is(place))
                return -EXDEV;
        return inbox_open_renaming(place, config->forwarder.require_mount, staging_fd, to_put, ret_inbox);
}

int inbox_open(const struct config *config, const char *place, int staging_fd, struct inbox **ret_inbox)
{
        if (inbox_is_ours(config, place))
                return -ENOTUNIQ;
        int r = config->forwarder.rename ? open_to_rename(config, place, staging_fd, true, ret_inbox)
                                         : -EXDEV;
        return r == -EXDEV ? open_to_copy(config, place, ret_inbox) : r;
}

static bool is_identity(const struct inbox *inbox, const char *identity)
{
        return strcmp(inbox->identity, identity) == 0 || strcmp(inbox->former, identity) == 0;
}

int inbox_open_again(const struct config *config, const char *place, int staging_fd, const char *identity,
                     struct inbox **ret_inbox)
{
        struct inbox *inbox;
        int r = inbox_is_ours(config, place) ? -ENOTUNIQ
                                             : open_to_rename(config, place, staging_fd, false, &inbox);
        if (r == 0 && !is_identity(inbox, identity)) {
                inbox->kind->close(inbox);
                r = -EXDEV;
        }
        if (r == -EXDEV)
                r = open_to_copy(config, place, &inbox);
        if (r < 0)
                return r;
        if (!is_identity(inbox, identity)) {
                inbox->kind->close(inbox);
                return -ESTALE;
        }
        *ret_inbox = inbox;
        return 0;
}

struct explanation {
        int fault;
        const char *text;
};

/* What only a share can say, and what it means on a share. */
static const struct explanation of_share[] = {
        { ENONET, "the host is unknown: is the server's name right, and does this machine's DNS know it?" },
        { ECONNREFUSED, "connection refused: nothing serves SMB at that port; is the server up?" },
        { EHOSTUNREACH, "no route to the host: look at the network and the firewalls (TCP port 445)" },
        { ENETUNREACH, "no route to the network: look at the network" },
        { ETIMEDOUT, "the server does not answer: is it up, and do the firewalls admit TCP port 445?" },
        { ECONNRESET, "the connection to the server was lost" },
        { EPROTONOSUPPORT, "the server and we have no SMB dialect from 2.1 to 3.1.1 in common" },
        { EKEYREJECTED,
          "logon failed: the server refuses the account; look at user name, password and domain in "
          "forwarder.credentials, or at the Kerberos tickets, and whether the account is locked" },
        { ENOKEY,
          "the credentials cannot be used: forwarder.credentials must be readable for the service and "
          "hold username=, password= and domain=" },
        { ENOMEDIUM, "no such share: the server has none of that name" },
        { ENOPKG, "fspd-smb is not installed, the program that speaks SMB" },
};
static const struct explanation on_share[] = {
        { ENOENT, "no such folder on the share, and fspd makes no inbox folder" },
        { EACCES,
          "access denied: the account needs the right Change on the share, and Modify on the folder (NTFS)" },
        { EPERM,
          "access denied: the account needs the right Change on the share, and Modify on the folder (NTFS)" },
        { EROFS, "the share is read-only: it must admit changes" },
        { ENOSPC, "disk full on the server: make room there" },
        { EDQUOT, "the account's quota on the server is used up: raise it or make room" },
        { EEXIST, "the name exists already in the inbox" },
        { ESTALE, "it is another folder than before" },
};

static const char *look_up(const struct explanation *table, size_t count, int fault)
{
        for (size_t i = 0; i < count; i++) {
                if (table[i].fault == -fault)
                        return table[i].text;
        }
        return NULL;
}

const char *inbox_explain(const char *place, int fault)
{
        const char *text = NULL;
        bool share = smb_url_is(place);
        if (share)
                text = look_up(on_share, sizeof(on_share) / sizeof(on_share[0]), fault);
        if (!text && share)
                text = look_up(of_share, sizeof(of_share) / sizeof(of_share[0]), fault);
        if (!text && fault == -ENODEV)
                text = "it is not mounted (forwarder.require_mount)";
        if (!text && fault == -ENOTUNIQ)
                text = "it is our own staging folder";
        if (!text)
                text = strerrordesc_np(-fault);
        return text ? text : "an unknown cause";
}

static int await(struct inbox *inbox, const char *temporary, int r)
{
        return r == -EINPROGRESS ? inbox->kind->await(inbox, temporary) : r;
}

/* Under names that the site server leaves alone. */
static int try_inbox(struct inbox *inbox)
{
        static const char text[] = "fspctl setup tries the inbox\n";
        char first[NAME_MAX], second[NAME_MAX];
        (void)snprintf(first, sizeof(first), "fspd-setup-%d.tmp", (int)getpid()); /* both fit */
        (void)snprintf(second, sizeof(second), "fspd-setup-%d-renamed.tmp", (int)getpid());
        int r = await(inbox, first, inbox->kind->put(inbox, first, text, sizeof(text) - 1));
        if (r == 0)
                r = inbox->kind->flush(inbox);
        if (r == 0)
                r = await(inbox, first, inbox->kind->publish(inbox, first, second));
        int removed = inbox->kind->remove(inbox, r == 0 ? second : first);
        return r < 0 ? r : removed;
}

int inbox_try(const struct config *config, const char *place)
{
        struct inbox *inbox;
        int r = inbox_open(config, place, -1, &inbox);
        if (r < 0)
                return r;
        r = try_inbox(inbox);
        inbox->kind->close(inbox);
        return r;
}
