/* pack_fixture: what the tests of packed bodies and texts read into, and pack into. */
#ifndef TESTS_PACK_FIXTURE_H
#define TESTS_PACK_FIXTURE_H

#include "fsp/message.h"
#include <stdlib.h>

static struct reader *reader;
static struct report report;
static unsigned char *packed;
static size_t packed_room;

static int set_up(void **state)
{
        (void)state;
        return reader_new(&reader);
}

static int tear_down(void **state)
{
        (void)state;
        reader_free(reader);
        report_free(&report);
        free(packed);
        packed = NULL;
        packed_room = 0;
        return 0;
}

#endif
