/* reply: the answers, made once and queued again and again. */
#ifndef REPLY_H
#define REPLY_H

#include "fsp/verdict.h"
#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

struct replies;
int replies_new(struct replies **ret_replies);
void replies_free(struct replies *replies);

/* Queues the answer of that verdict. */
enum MHD_Result reply_queue(struct replies *replies, struct MHD_Connection *mhd, enum verdict verdict,
                            bool close);

/* The same answer as text, for where libmicrohttpd takes none any more. */
size_t reply_format(enum verdict verdict, char *ret_text, size_t size);

#endif
