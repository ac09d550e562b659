/* control_socket: the file of the control socket.
 *
 * Threads   any.
 * Crash     the file stays behind; the next control_socket_listen replaces it. */
#ifndef ADMIN_CONTROL_SOCKET_H
#define ADMIN_CONTROL_SOCKET_H

/* Makes the socket at path (mode 0660), non-blocking, listening.  -EADDRINUSE
 * when somebody answers there already, -EEXIST when the file is no socket,
 * -ENAMETOOLONG over 107 bytes, other -errno. */
int control_socket_listen(const char *path, int *ret_fd);
/* Closes it and removes the file. */
void control_socket_close(const char *path, int fd);

/* -ENOENT or -ECONNREFUSED when nobody is there. */
int control_socket_connect(const char *path, int *ret_fd);

#endif
