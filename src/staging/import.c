#include "import.h"

#include "fsp/fsutil.h"
#include "fsp/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int import_open(struct importer *importer)
{
        importer->found = calloc(IMPORT_MOST, sizeof(*importer->found));
        return importer->found ? reader_new(&importer->reader) : -ENOMEM;
}

static void forget(struct importer *importer)
{
        for (size_t i = 0; i < importer->count; i++) {
                report_free(&importer->found[i].report);
                free(importer->data[i]);
        }
        importer->count = importer->bytes = 0;
}

void import_close(struct importer *importer)
{
        forget(importer);
        free(importer->found);
        reader_free(importer->reader);
}

/* NULL: staged again, as it was accepted once, under whatever policy was then in force. */
static const char *judge(struct importer *importer, struct delivery_import *import, const unsigned char *data,
                         size_t size)
{
        const char *why = NULL;
        enum verdict verdict =
                reader_read(importer->reader, importer->config, NULL, data, size, &import->report, &why);
        bool readable =
                verdict == VERDICT_ACCEPTED || verdict == VERDICT_OLD_CLIENT || verdict == VERDICT_TOPIC;
        if (!readable)
                import->report.state_count = 0;
        /* The whole file, also where the report is one part of it. */
        import->report.bytes = data;
        import->report.size = size;
        import->report.text = NULL; /* the reader goes on */
        import->report.text_size = 0;
        if (readable && witness_has(importer->witness, &import->name))
                return MAYBE_SENT;
        if (importer->in_corrupt)
                return "it lay in the folder of damaged messages";
        return readable ? NULL : verdict_info(verdict)->text;
}

int import_add(struct importer *importer, bool in_corrupt, const struct message_name *name)
{
        char file[NAME_SIZE];
        int r = importer->in_corrupt == in_corrupt ? 0 : import_flush(importer);
        if (r < 0)
                return r;
        importer->in_corrupt = in_corrupt;
        unsigned char *data;
        size_t size;
        r = fsutil_read_at(in_corrupt ? importer->corrupt_fd : importer->folder_fd,
                           name_format_file(name, NAME_SUFFIX, file), (size_t)INT32_MAX, &data, &size);
        if (r < 0 && r != -ENOMEM && r != -EMFILE && r != -ENFILE) {
                log_mgr(LOG_ERROR, "%s in staging cannot be read and is left alone: %s", file, strerror(-r));
                return 0;
        }
        if (r < 0)
                return r;
        struct delivery_import *import = &importer->found[importer->count];
        importer->data[importer->count++] = data;
        importer->bytes += size;
        import->name = *name;
        import->reason = judge(importer, import, data, size);
        return importer->count == IMPORT_MOST || importer->bytes >= IMPORT_BYTES ? import_flush(importer) : 0;
}

static int settle(struct importer *importer, const struct delivery_import *import)
{
        char file[NAME_SIZE];
        if (!import->reason) {
                importer->staged++;
                return 0;
        }
        importer->quarantined++;
        (void)name_format_file(&import->name, NAME_SUFFIX, file); /* gives file */
        if (!importer->in_corrupt && renameat(importer->folder_fd, file, importer->corrupt_fd, file) < 0)
                return -errno;
        return 0;
}

int import_flush(struct importer *importer)
{
        if (importer->count == 0)
                return 0;
        int r = delivery_import(importer->ledger, importer->found, importer->count);
        for (size_t i = 0; r == 0 && i < importer->count; i++)
                r = settle(importer, &importer->found[i]);
        forget(importer);
        return r;
}
