/* What one body costs the reader: for each file named, the least CPU time of
 * some readings, in microseconds. */
#include "fsp/message.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define READINGS 5
#define ROOM (1 << 20)

static double cpu_us(void)
{
        struct timespec now;
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* cannot fail for this clock */
        return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

int main(int argc, char **argv)
{
        static char *topics[] = { "*" };
        static unsigned char body[ROOM];
        struct config policy = { .policy = { .validate = VALIDATE_WELLFORMED,
                                             .min_client_version = "0",
                                             .topics = { topics, 1 } } };
        struct reader *reader;
        struct report report = { 0 };
        tzset(); /* reads a file, once; in the daemon the log has done so */
        if (reader_new(&reader) < 0)
                return 1;
        for (int i = 1; i < argc; i++) {
                FILE *in = fopen(argv[i], "rb");
                const char *why, *type = argv[i][0] == 'm' ? "multipart/mixed; boundary=x" : NULL;
                double least = 1e9;
                enum verdict verdict = VERDICT_ACCEPTED;
                if (!in)
                        return 1;
                size_t size = fread(body, 1, ROOM, in);
                if (fclose(in) != 0)
                        return 1;
                for (int j = 0; j < READINGS; j++) {
                        double began = cpu_us();
                        verdict = reader_read(reader, &policy, type, body, size, &report, &why);
                        double took = cpu_us() - began;
                        least = took < least ? took : least;
                }
                (void)printf("%.0f %s %s\n", least, verdict_info(verdict)->name,
                             argv[i]); /* seen by the caller */
        }
        report_free(&report);
        reader_free(reader);
        return 0;
}
