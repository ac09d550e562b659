/* The configuration file, line by line: see config_key.h.
 *
 * inih takes a key's line apart, but it cuts long lines and hands the rest on
 * as if it were one more, tells of the first bad line only, and calls nobody
 * for a section.  So each line passes through here first. */
#include "config_key.h"
#include "fsp/fsutil.h"
#include "fsp/text.h"
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHITE " \t\r\v\f"
#define NAME_LIMIT 32 /* longer ones get no suggestion */

/* Where inih is in the file. */
struct reader {
        struct config_reporter *reporter;
        struct config *config;
        struct config_places *places;
        FILE *file;
        int error; /* of reading */
        int line;
        char *text; /* the line as it stands in the file */
        size_t text_size;
        char wrong[64];     /* with the line as such: said once, with the key where there is one */
        bool must_be_key;   /* neither blank nor comment nor section, and no key came of it yet */
        bool indented;      /* so it goes on with the key above where there is one */
        bool has_key_above; /* since the section began */
};

void config_report(struct config_reporter *reporter, int line, const char *format, ...)
{
        char raw[PATH_MAX + 1024], text[2 * sizeof(raw)];
        va_list arguments;
        int size = snprintf(raw, sizeof(raw) - 512, "%s:%d: ", reporter->path, line);
        size_t used = size < 0 ? 0 : strlen(raw);

        va_start(arguments, format);
        size = vsnprintf(raw + used, sizeof(raw) - used, format, arguments);
        va_end(arguments);
        (void)log_escape(text, sizeof(text), raw, size < 0 ? used : strlen(raw)); /* a cut one still tells */
        reporter->count++;
        reporter->fault(reporter->arg, text);
}

/* How many letters to change, add or drop between two names (Levenshtein). */
static unsigned distance(const char *a, const char *b)
{
        unsigned row[NAME_LIMIT + 1];
        size_t size = strlen(b);

        if (strlen(a) > NAME_LIMIT || size > NAME_LIMIT)
                return NAME_LIMIT;
        for (unsigned j = 0; j <= size; j++)
                row[j] = j;
        for (unsigned i = 1; a[i - 1]; i++) {
                unsigned diagonal = row[0];
                row[0] = i;
                for (size_t j = 1; j <= size; j++) {
                        unsigned best = diagonal + (a[i - 1] != b[j - 1]);
                        diagonal = row[j];
                        if (row[j] + 1 < best)
                                best = row[j] + 1;
                        if (row[j - 1] + 1 < best)
                                best = row[j - 1] + 1;
                        row[j] = best;
                }
        }
        return row[size];
}

static void report_unknown_key(struct reader *reader, const char *section, const char *name,
                               const char *value)
{
        const struct config_key *near = NULL;
        unsigned best = 3; /* farther ones are no slip of the finger */

        for (size_t i = 0; i < config_keys_count; i++) {
                const struct config_key *key = &config_keys[i];
                unsigned d = distance(name, key->name);

                /* A key of this section goes before an equally near one elsewhere. */
                if (d < best || (d == best && near && strcmp(key->section, section) == 0)) {
                        best = d;
                        near = key;
                }
        }
        if (near)
                config_report(reader->reporter, reader->line,
                              "[%s] %s = %s: unknown key, did you mean %s in [%s]?", section, name, value,
                              near->name, near->section);
        else
                config_report(reader->reporter, reader->line, "[%s] %s = %s: unknown key", section, name,
                              value);
}

static void report_unknown_section(struct reader *reader, const char *section)
{
        char allowed[256] = "";
        size_t used = 0;

        for (size_t i = 0; i < config_keys_count && used < sizeof(allowed); i++) {
                if (i > 0 && strcmp(config_keys[i].section, config_keys[i - 1].section) == 0)
                        continue;
                int size = snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used > 0 ? ", " : "",
                                    config_keys[i].section);
                used += size < 0 ? 0 : (size_t)size;
        }
        config_report(reader->reporter, reader->line, "[%s]: unknown section, allowed are %s", section,
                      allowed);
}

/* What is wrong with a key in this place, whatever its value; NULL when nothing. */
static const char *judge_place(const struct reader *reader, const struct config_key *key, bool continues)
{
        if (continues && !key->kind->is_list)
                return "an indented line goes on with the value above, which is no list";
        if (!continues && reader->places->lines[key - config_keys] > 0)
                return "given twice";
        return NULL;
}

/* inih hands each key on to here, and each indented line below one. */
static int take_key(void *user, const char *section, const char *name, const char *value)
{
        struct reader *reader = user;
        const struct config_key *key = config_key_find(section, name);
        bool continues = reader->indented && reader->has_key_above;
        const char *wrong;

        reader->must_be_key = false;
        reader->has_key_above = true;
        if (!key && continues)
                return 1; /* said where the key began */
        if (reader->wrong[0]) {
                config_report(reader->reporter, reader->line, "[%s] %s = %s: %s", section, name, value,
                              reader->wrong);
                reader->wrong[0] = '\0';
        } else if (!*section) {
                config_report(reader->reporter, reader->line, "[] %s = %s: a key before any [section]", name,
                              value);
        } else if (!key) {
                report_unknown_key(reader, section, name, value);
        } else {
                wrong = judge_place(reader, key, continues);
                if (!wrong)
                        wrong = key->kind->parse(key, value, config_key_field(key, reader->config));
                if (wrong)
                        config_report(reader->reporter, reader->line, "[%s] %s = %s: %s, %s", section, name,
                                      value, wrong, key->allowed);
        }
        if (key && !reader->places->lines[key - config_keys])
                reader->places->lines[key - config_keys] = reader->line;
        return 1;
}

/* name and rest: what stands between the brackets, and after them. */
static void take_section(struct reader *reader, const char *name, const char *rest)
{
        bool known = false;

        reader->has_key_above = false;
        for (size_t i = 0; i < config_keys_count; i++) {
                if (strcmp(config_keys[i].section, name) != 0)
                        continue;
                known = true;
                if (!reader->places->section_lines[i])
                        reader->places->section_lines[i] = reader->line;
        }
        if (!known)
                report_unknown_section(reader, name);
        rest += strspn(rest, WHITE);
        if (*rest && *rest != ';' && *rest != '#')
                config_report(reader->reporter, reader->line, "[%s] %s: text after the section's name", name,
                              rest);
}

/* The same order of questions as inih's. */
static void classify(struct reader *reader, const char *line)
{
        const char *start = line + strspn(line, WHITE), *end;
        char name[CONFIG_LINE_LIMIT + 1];

        reader->indented = start > line;
        reader->must_be_key = false;
        if (!*start || *start == ';' || *start == '#')
                return;
        end = *start == '[' && !(reader->indented && reader->has_key_above) ? strchr(start, ']') : NULL;
        if (!end || end - start > CONFIG_LINE_LIMIT) {
                reader->must_be_key = true;
                return;
        }
        (void)snprintf(name, sizeof(name), "%.*s", (int)(end - start - 1), start + 1);
        take_section(reader, name, end + 1);
}

static bool is_utf8(const unsigned char *text, size_t size)
{
        uint32_t code;

        for (size_t length; size > 0; text += length, size -= length) {
                length = text_utf8_next(text, size, &code);
                if (length == 0)
                        return false;
        }
        return true;
}

static void judge_line(struct reader *reader, const char *line, size_t size)
{
        reader->wrong[0] = '\0';
        if (memchr(line, '\0', size))
                (void)snprintf(reader->wrong, sizeof(reader->wrong), "a NUL byte, text is allowed");
        else if (!is_utf8((const unsigned char *)line, size))
                (void)snprintf(reader->wrong, sizeof(reader->wrong), "no UTF-8, which alone is allowed");
        else if (size > CONFIG_LINE_LIMIT)
                (void)snprintf(reader->wrong, sizeof(reader->wrong), "a line of %zu bytes, %d are allowed",
                               size, CONFIG_LINE_LIMIT);
}

/* Says what no key came for to say it with. */
static void end_line(struct reader *reader)
{
        if (reader->wrong[0])
                config_report(reader->reporter, reader->line, "%.64s: %s", reader->text, reader->wrong);
        else if (reader->must_be_key)
                config_report(reader->reporter, reader->line, "%.64s: neither [section] nor key = value",
                              reader->text);
        reader->wrong[0] = '\0';
        reader->must_be_key = false;
}

/* inih reads through this as through fgets. */
static char *read_line(char *buffer, int buffer_size, void *stream)
{
        static const char bom[] = "\xef\xbb\xbf";
        struct reader *reader = stream;
        size_t room = buffer_size < CONFIG_LINE_LIMIT + 2 ? (size_t)buffer_size - 2 : CONFIG_LINE_LIMIT;

        if (reader->line > 0)
                end_line(reader);
        errno = 0;
        ssize_t n = getline(&reader->text, &reader->text_size, reader->file);
        if (n < 0) {
                reader->error = feof(reader->file) ? 0 : -errno;
                return NULL;
        }
        size_t size = (size_t)n;
        if (reader->text[size - 1] == '\n')
                reader->text[--size] = '\0';
        if (reader->line++ == 0 && size >= strlen(bom) && memcmp(reader->text, bom, strlen(bom)) == 0) {
                size -= strlen(bom);
                memmove(reader->text, reader->text + strlen(bom), size + 1);
        }
        judge_line(reader, reader->text, size);
        /* What is too long is at fault already, so its rest is left out. */
        size = strnlen(reader->text, size < room ? size : room);
        memcpy(buffer, reader->text, size);
        memcpy(buffer + size, "\n", 2);
        classify(reader, reader->text);
        return buffer;
}

int config_read(struct config_reporter *reporter, struct config *config, struct config_places *places)
{
        struct reader reader = { .reporter = reporter, .config = config, .places = places };
        int r;

        reader.file = fopen(reporter->path, "re");
        if (!reader.file) {
                r = -errno;
                config_report(reporter, 0, "cannot be read: %s", strerrordesc_np(-r));
                return r;
        }
        r = ini_parse_stream(read_line, &reader, take_key, &reader);
        (void)fclose(reader.file); /* it was only read */
        free(reader.text);
        if (reader.error < 0)
                config_report(reporter, reader.line, "cannot be read: %s", strerrordesc_np(-reader.error));
        else if (r != 0 && reporter->count == 0)
                config_report(reporter, r > 0 ? r : 0, "neither [section] nor key = value");
        return reader.error;
}
