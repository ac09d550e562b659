#include "query_index.h"

#include "fsp/catalog.h"
#include "fsp/clock.h"
#include "fsp/text.h"
#include "ledger_private.h"
#include "query_private.h"
#include "rollup.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* More clients than that are so large a part of all that a page of their
 * messages is found soon by looking at each. */
#define MOST_CLIENTS 4096
/* With a kind asked for as well: more are better found by that. */
#define MOST_CLIENTS_OF_KIND 256
#define MOST_KINDS 256
/* Somebody makes kinds up: no way to find anything. */
#define MOST_KINDS_SEEN 4096
/* So few on their way are looked at one by one. */
#define FEW_ON_THEIR_WAY 10000

/* Ever downwards: no seal guards a link, and one that is damaged must not lead round and round. */
static const char next_of_client[] =
        "SELECT previous FROM main.client_message WHERE seq = ?1 AND previous < ?1";
static const char next_of_kind[] =
        "SELECT " LEDGER_SEQ("id") " FROM main.state_kind WHERE topic_type = ?2 AND state_id = ?3"
                                   " AND id < " LEDGER_FIRST_STATE("?1") " ORDER BY id DESC LIMIT 1";

/* Moves the source to its newest message before seq. */
static int move_before(struct query_index *index, struct query_source *source, int64_t seq)
{
        (void)sqlite3_bind_int64(index->next, 1, seq); /* cannot fail on a prepared parameter */
        if (index->by_kind) {
                (void)sqlite3_bind_int64(index->next, 2, source->topic_type);
                (void)sqlite3_bind_int64(index->next, 3, source->state_id);
        }
        source->seq = 0;
        int r = ledger_step_number(index->next, &source->seq);
        return r == -ENOENT ? 0 : r;
}

/* -E2BIG: more than most. */
static int add_source(struct query_index *index, size_t most, struct query_source source)
{
        if (index->count == most)
                return -E2BIG;
        if (index->count == index->room) {
                size_t room = index->room ? index->room * 2 : 16;
                struct query_source *larger = reallocarray(index->sources, room, sizeof(*larger));

                if (!larger)
                        return -ENOMEM;
                index->sources = larger;
                index->room = room;
        }
        index->sources[index->count++] = source;
        return 0;
}

/* The names from low on, without case, that begin like the glob: before a byte that no text has. */
static int add_clients(struct query_index *index, sqlite3 *db, const char *glob, size_t most)
{
        static const char sql[] =
                "SELECT c.last_seq FROM main.name_seen n CROSS JOIN main.client c ON c.number = n.client"
                " WHERE n.name >= :low AND n.name < :low || x'ff' AND matches_glob(:client, n.name)";
        size_t length = strcspn(glob, "*");
        sqlite3_stmt *statement = NULL;
        int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
        int r = 0;

        if (result == SQLITE_OK)
                result = sqlite3_bind_text(statement, 1, glob, (int)length, SQLITE_STATIC);
        if (result == SQLITE_OK)
                result = sqlite3_bind_text(statement, 2, glob, -1, SQLITE_STATIC);
        while (r == 0 && (result == SQLITE_OK || result == SQLITE_ROW)) {
                result = sqlite3_step(statement);
                if (result == SQLITE_ROW)
                        r = add_source(index, most,
                                       (struct query_source){ .seq = sqlite3_column_int64(statement, 0) });
        }
        (void)sqlite3_finalize(statement); /* repeats the result of step */
        return r < 0 ? r : ledger_errno(result);
}

static bool kind_fits(const struct query_filter *filter, int64_t topic_type, int64_t state_id)
{
        return (filter->topic_type == -1 || topic_type == filter->topic_type) &&
               (filter->state_id == -1 || state_id == filter->state_id) &&
               (!filter->state_class ||
                text_matches_glob(filter->state_class, catalog_class(topic_type, state_id)));
}

/* From each kind to the first entry of the next one. */
static int add_kinds(struct query_index *index, sqlite3 *db, const struct query_filter *filter)
{
        static const char sql[] = "SELECT topic_type, state_id FROM main.state_kind"
                                  " WHERE (topic_type, state_id, id) > (?1, ?2, 9223372036854775807)"
                                  " ORDER BY topic_type, state_id, id LIMIT 1";
        int64_t topic_type = filter->topic_type == -1 ? INT64_MIN : filter->topic_type, state_id = INT64_MIN;
        sqlite3_stmt *statement = NULL;
        int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL), r = ledger_errno(result);

        for (size_t seen = 0; r == 0; seen++) {
                (void)sqlite3_bind_int64(statement, 1, topic_type); /* as above */
                (void)sqlite3_bind_int64(statement, 2, state_id);
                result = sqlite3_step(statement);
                if (result != SQLITE_ROW)
                        break;
                topic_type = sqlite3_column_int64(statement, 0);
                state_id = sqlite3_column_int64(statement, 1);
                (void)sqlite3_reset(statement); /* repeats the result of step */
                if (seen == MOST_KINDS_SEEN)
                        r = -E2BIG;
                else if (filter->topic_type != -1 && topic_type != filter->topic_type)
                        break;
                else if (kind_fits(filter, topic_type, state_id))
                        r = add_source(
                                index, MOST_KINDS,
                                (struct query_source){ .topic_type = topic_type, .state_id = state_id });
        }
        (void)sqlite3_finalize(statement); /* as above */
        return r < 0 ? r : ledger_errno(result);
}

/* What sql, prepared for the moment, gives for one number. */
static int look_up(sqlite3 *db, const char *sql, int64_t of, int64_t *ret_number)
{
        sqlite3_stmt *statement = NULL;
        int r = ledger_errno(sqlite3_prepare_v2(db, sql, -1, &statement, NULL));

        if (r == 0) {
                (void)sqlite3_bind_int64(statement, 1, of); /* as above */
                r = ledger_step_number(statement, ret_number);
        }
        (void)sqlite3_finalize(statement); /* as above */
        return r;
}

/* Are there few with the delivery that the filter asks for? */
static int is_short(sqlite3 *db, const struct query_filter *filter, bool *ret_short)
{
        static const char sql[] =
                "SELECT count(*) FROM (SELECT 1 FROM main.message INDEXED BY message_open"
                " WHERE delivery = ?1 AND delivery <> 3 LIMIT " LEDGER_TEXT(FEW_ON_THEIR_WAY) ")";
        int64_t count;

        if (filter->delivery == -1 || filter->delivery == DELIVERY_FORWARDED) {
                *ret_short = false;
                return 0;
        }
        int r = look_up(db, sql, filter->delivery, &count);
        if (r == 0)
                *ret_short = count < FEW_ON_THEIR_WAY;
        return r;
}

static int add_sources(struct query_index *index, sqlite3 *db, const struct query_filter *filter)
{
        bool kinds = filter->topic_type != -1 || filter->state_id != -1 || filter->state_class;
        int r = -E2BIG;

        /* An empty name is no client's, but such a glob would fit it. */
        if (filter->client && !text_matches_glob(filter->client, ""))
                r = add_clients(index, db, filter->client, kinds ? MOST_CLIENTS_OF_KIND : MOST_CLIENTS);
        if (r == -E2BIG && kinds) {
                index->by_kind = true;
                index->count = 0;
                r = add_kinds(index, db, filter);
        }
        return r;
}

int query_index_open(struct query_index *index, sqlite3 *db, const struct query_filter *filter,
                     int64_t newest)
{
        bool few = false;
        int r = is_short(db, filter, &few);

        if (r == 0)
                r = few ? -E2BIG : add_sources(index, db, filter);
        if (r < 0)
                return r == -E2BIG ? 0 : r;
        r = ledger_errno(sqlite3_prepare_v2(db, index->by_kind ? next_of_kind : next_of_client, -1,
                                            &index->next, NULL));
        for (size_t i = 0; r == 0 && i < index->count; i++) {
                struct query_source *source = &index->sources[i];

                if (index->by_kind)
                        r = move_before(index, source, newest + 1);
                while (r == 0 && source->seq > newest)
                        r = move_before(index, source, source->seq);
        }
        return r < 0 ? r : 1;
}

int query_index_next(struct query_index *index, int64_t *ret_seq)
{
        int64_t seq = 0;
        int r = 0;

        for (size_t i = 0; i < index->count; i++)
                if (index->sources[i].seq > seq)
                        seq = index->sources[i].seq;
        for (size_t i = 0; r == 0 && seq > 0 && i < index->count; i++)
                if (index->sources[i].seq == seq)
                        r = move_before(index, &index->sources[i], seq);
        if (r == 0)
                *ret_seq = seq;
        return r;
}

void query_index_close(struct query_index *index)
{
        (void)sqlite3_finalize(index->next); /* repeats its last result */
        free(index->sources);
}

/* *bound becomes what sql gives for ms, times ROLLUP_SPAN; without a row it stays. */
static int look_up_block(sqlite3 *db, const char *sql, int64_t ms, int64_t behind, int64_t *bound)
{
        int64_t block;
        int r = look_up(db, sql, ms, &block);

        if (r == 0)
                *bound = block * ROLLUP_SPAN + behind;
        return r == -ENOENT ? 0 : r;
}

int query_index_span(sqlite3 *db, const struct query_filter *filter, int64_t *ret_oldest, int64_t *ret_newest)
{
        int64_t oldest = INT64_MAX, newest = 0;
        int r = 0;

        /* There are a thousand times fewer blocks than messages. */
        if (filter->since_ms == CLOCK_UNKNOWN)
                oldest = 0;
        else
                r = look_up_block(db, "SELECT block FROM main.span WHERE max_ms >= ?1 ORDER BY block LIMIT 1",
                                  filter->since_ms, 0, &oldest);
        if (filter->until_ms == CLOCK_UNKNOWN)
                newest = INT64_MAX;
        else if (r == 0)
                r = look_up_block(db,
                                  "SELECT block FROM main.span WHERE min_ms < ?1 ORDER BY block DESC LIMIT 1",
                                  filter->until_ms, ROLLUP_SPAN - 1, &newest);
        if (r < 0)
                return r;
        *ret_oldest = oldest;
        *ret_newest = newest;
        return 0;
}
