#include "sandbox.h"

#include "fsp/confine.h"
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

int sandbox_enter(void)
{
        static const char *const nowhere[] = { NULL };
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_DUMPABLE, 0) < 0)
                return -errno;
        int r = confine_thread(CONFINE_CHANGES, nowhere);
        return r < 0 ? r : 0;
}
