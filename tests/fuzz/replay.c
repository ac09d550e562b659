/* In the place of libFuzzer's main: each file named, or in a folder named, once. */
#include "fuzz.h"
#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

static unsigned played;

static void play_file(const char *path)
{
        FILE *in = fopen(path, "rb");
        MUST(in);
        size_t size = 0, room = 1 << 20;
        uint8_t *data = malloc(room);
        MUST(data);
        size = fread(data, 1, room, in);
        MUST(!ferror(in) && fclose(in) == 0);
        (void)LLVMFuzzerTestOneInput(data, size); /* 0 always */
        free(data);
        played++;
}

static void play(const char *path)
{
        struct stat st;
        MUST(stat(path, &st) == 0);
        if (!S_ISDIR(st.st_mode)) {
                play_file(path);
                return;
        }
        DIR *folder = opendir(path);
        MUST(folder);
        for (struct dirent *entry; (entry = readdir(folder));) {
                char inner[PATH_MAX];
                if (entry->d_name[0] == '.')
                        continue;
                MUST(snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name) < (int)sizeof(inner));
                play(inner);
        }
        MUST(closedir(folder) == 0);
}

int main(int argc, char **argv)
{
        for (int i = 1; i < argc; i++)
                play(argv[i]);
        (void)printf("%u inputs\n", played); /* nobody's business if not */
        return played > 0 ? 0 : 1;
}
