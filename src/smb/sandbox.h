/* sandbox: what a process that parses a server's answers can do without. */
#ifndef SMB_SANDBOX_H
#define SMB_SANDBOX_H

/* Ends with its parent; no core file, no tracing, no new privileges, nothing in
 * the file system can be written or made.  -errno when one of the certain ones
 * is refused; a kernel without Landlock leaves the files to their modes. */
int sandbox_enter(void);

#endif
