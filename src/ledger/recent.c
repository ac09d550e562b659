#include "recent.h"

#include "ledger_private.h"

#include "fsp/clock.h"
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A table of memory: 4 MB, and full when half of its places are taken. */
#ifndef TABLE_BITS /* smaller in a test */
#define TABLE_BITS 18
#endif
#define TABLE_PLACES (1U << TABLE_BITS)
#define TABLE_MOST (TABLE_PLACES / 2)
/* Moved for each message that comes, so that one table is empty long before the other is full;
 * so many together, which are neighbours in `seen`, that not every commit writes a page of it. */
#define MOVED_FOR_EACH 2
#define MOVED_AT_ONCE (TABLE_MOST / 512)
#define TIDY_ROWS 1000
#define DAY_MS INT64_C(86400000)

/* Each key is at the place that its highest bits name, or soon after: so from
 * the first place to the last they are nearly in the order of `seen`. */
struct table {
        struct {
                int64_t key, seq; /* seq 0: a free place */
        } places[TABLE_PLACES];
};

struct recent {
        struct table *filling, *moving;
        unsigned filled;      /* places of filling */
        int64_t filled_seq;   /* the highest in filling */
        unsigned moved_place; /* of moving: those before it are in `seen`; TABLE_PLACES: all */
        int64_t moving_seq;   /* `seen` is complete up to here once all are */
        int64_t owed;         /* of those that came, still to be moved */
        int64_t generation, began_ms;
};

static int64_t key_of(const unsigned char *digest)
{
        int64_t key;
        memcpy(&key, digest, sizeof(key));
        return key;
}

static unsigned find_place(const struct table *table, int64_t key)
{
        /* Shifted, since SQLite's numbers have a sign. */
        unsigned place = (unsigned)(((uint64_t)key + (UINT64_C(1) << 63)) >> (64 - TABLE_BITS));
        while (table->places[place].seq != 0 && table->places[place].key != key)
                place = (place + 1) % TABLE_PLACES;
        return place;
}

static int write_seen(struct ledger *ledger, int64_t key, int64_t seq)
{
        return LEDGER_RUN(ledger, STATEMENT_SEEN_ADD, ledger->recent->generation, key, seq);
}

static int write_progress(struct ledger *ledger)
{
        const struct recent *recent = ledger->recent;
        return LEDGER_RUN(ledger, STATEMENT_SEEN_PROGRESS, recent->moving_seq, recent->generation,
                          recent->began_ms);
}

/* Those of the last generation came before this one began. */
static void begin_generation(struct ledger *ledger)
{
        int64_t keep_ms = ledger->batch_config->policy.deduplicate_ms;
        int64_t now_ms = clock_wall_ms();
        if (now_ms - ledger->recent->began_ms <= (keep_ms > DAY_MS ? keep_ms : DAY_MS))
                return;
        ledger->recent->generation++;
        ledger->recent->began_ms = now_ms;
}

static int move(struct ledger *ledger, int64_t most)
{
        struct recent *recent = ledger->recent;
        if (recent->moved_place == TABLE_PLACES)
                return 0;
        for (; most > 0 && recent->moved_place < TABLE_PLACES; recent->moved_place++) {
                int64_t key = recent->moving->places[recent->moved_place].key;
                int64_t seq = recent->moving->places[recent->moved_place].seq;
                int r = seq != 0 ? write_seen(ledger, key, seq) : 0;
                if (r < 0)
                        return r;
                most -= seq != 0;
        }
        if (recent->moved_place < TABLE_PLACES)
                return 0;
        begin_generation(ledger);
        return write_progress(ledger);
}

int recent_move(struct ledger *ledger)
{
        struct recent *recent = ledger->recent;
        recent->owed += ledger->accepted * MOVED_FOR_EACH;
        if (recent->owed < MOVED_AT_ONCE)
                return 0;
        int64_t most = recent->owed;
        recent->owed = 0;
        return move(ledger, most);
}

static int change_tables(struct ledger *ledger)
{
        struct recent *recent = ledger->recent;
        int r = move(ledger, INT64_MAX); /* nothing, as a rule */
        if (r < 0)
                return r;
        struct table *empty = recent->moving;
        memset(empty, 0, sizeof(*empty));
        recent->moving = recent->filling;
        recent->moving_seq = recent->filled_seq;
        recent->moved_place = 0;
        recent->filling = empty;
        recent->filled = 0;
        return 0;
}

int recent_add(struct ledger *ledger, const unsigned char *digest, int64_t seq)
{
        struct recent *recent = ledger->recent;
        if (seq <=
            recent->moving_seq) /* an old file taken up: nobody reads its row again at the next start */
                return write_seen(ledger, key_of(digest), seq);
        int r = recent->filled == TABLE_MOST ? change_tables(ledger) : 0;
        if (r < 0)
                return r;
        unsigned place = find_place(recent->filling, key_of(digest));
        if (recent->filling->places[place].seq == 0)
                recent->filled++;
        recent->filling->places[place].key = key_of(digest);
        recent->filling->places[place].seq = seq;
        if (seq > recent->filled_seq)
                recent->filled_seq = seq;
        return 0;
}

static int look_in_seen(struct ledger *ledger, int64_t key, int64_t *seqs)
{
        sqlite3_stmt *statement = LEDGER_BOUND(ledger, STATEMENT_SEEN_LOOK, ledger->recent->generation, key);
        if (!statement)
                return -ENOMEM;
        int count = 0, result;
        while ((result = sqlite3_step(statement)) == SQLITE_ROW && count < 2)
                seqs[count++] = sqlite3_column_int64(statement, 0);
        (void)sqlite3_reset(statement); /* repeats the result of step */
        return result == SQLITE_ROW || result == SQLITE_DONE ? count : ledger_errno(result);
}

int recent_find(struct ledger *ledger, const unsigned char *digest, int64_t ret_seqs[RECENT_MOST])
{
        const struct recent *recent = ledger->recent;
        const struct table *tables[] = { recent->filling, recent->moving };
        int64_t key = key_of(digest);
        int count = 0;
        for (int i = 0; i < 2; i++) {
                unsigned place = find_place(tables[i], key);
                if (tables[i]->places[place].seq != 0)
                        ret_seqs[count++] = tables[i]->places[place].seq;
        }
        int found = look_in_seen(ledger, key, ret_seqs + count);
        return found < 0 ? found : count + found;
}

int recent_tidy(struct ledger *ledger)
{
        int r = LEDGER_RUN(ledger, STATEMENT_SEEN_FORGET, ledger->recent->generation - 1, TIDY_ROWS);
        return r < 0 ? r : sqlite3_changes(ledger->db) == TIDY_ROWS;
}

static int make_room(struct ledger *ledger)
{
        struct recent *recent = ledger->recent;
        if (!recent)
                recent = ledger->recent = calloc(1, sizeof(*recent));
        if (!recent)
                return -ENOMEM;
        free(recent->filling);
        free(recent->moving);
        recent->filling = calloc(1, sizeof(*recent->filling));
        recent->moving = calloc(1, sizeof(*recent->moving));
        recent->filled = 0;
        recent->moved_place = TABLE_PLACES;
        return recent->filling && recent->moving ? 0 : -ENOMEM;
}

static int read_progress(struct ledger *ledger)
{
        struct recent *recent = ledger->recent;
        sqlite3_stmt *statement = LEDGER_BOUND(ledger, STATEMENT_SEEN_PROGRESS_LOOK, clock_wall_ms());
        if (!statement)
                return -ENOMEM;
        int result = sqlite3_step(statement);
        if (result == SQLITE_ROW) {
                recent->moving_seq = recent->filled_seq = sqlite3_column_int64(statement, 0);
                recent->generation = sqlite3_column_int64(statement, 1);
                recent->began_ms = sqlite3_column_int64(statement, 2);
        }
        (void)sqlite3_reset(statement); /* as above */
        return ledger_errno(result);
}

/* Nothing before that row is to be told any more, so no start needs to look at it again. */
static int begin_at(struct ledger *ledger, int64_t seq)
{
        ledger->recent->moving_seq = ledger->recent->filled_seq = seq - 1;
        return write_progress(ledger);
}

static int read_rows(struct ledger *ledger)
{
        sqlite3_stmt *statement = LEDGER_BOUND(ledger, STATEMENT_SEEN_ROWS, ledger->recent->moving_seq,
                                               clock_wall_ms() - ledger->batch_config->policy.deduplicate_ms);
        if (!statement)
                return -ENOMEM;
        int r = 0, result = SQLITE_DONE;
        bool any = false;
        while (r == 0 && (result = sqlite3_step(statement)) == SQLITE_ROW) {
                int64_t seq = sqlite3_column_int64(statement, 0);
                if (sqlite3_column_bytes(statement, 1) != LEDGER_DIGEST_SIZE)
                        r = -EUCLEAN;
                else if (!any)
                        r = begin_at(ledger, seq);
                if (r == 0)
                        r = recent_add(ledger, sqlite3_column_blob(statement, 1), seq);
                any = true;
        }
        (void)sqlite3_reset(statement); /* as above */
        if (r == 0)
                r = ledger_errno(result);
        return r == 0 && !any ? begin_at(ledger, ledger->last_seq + 1) : r;
}

int recent_load(struct ledger *ledger)
{
        int r = make_room(ledger);
        if (r == 0)
                r = read_progress(ledger);
        if (r == 0)
                r = ledger_run_simple(ledger, STATEMENT_BEGIN); /* more rows than memory holds go to `seen` */
        if (r == 0)
                r = read_rows(ledger);
        return r == 0 ? ledger_run_simple(ledger, STATEMENT_COMMIT) : r;
}

void recent_free(struct recent *recent)
{
        if (!recent)
                return;
        free(recent->filling);
        free(recent->moving);
        free(recent);
}
