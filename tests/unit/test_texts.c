/* texts: what a state says comes back, with the body and without it, and so through the ledger. */
#include "fsp/delivery.h"
#include "fsp/message.h"
#include "fsp/viewer.h"
#include "ledger/body.h"
#include "ledger/texts.h"
#include "message_forms.h"
#include "store_fixture.h"
#include <sqlite3.h>

#include "pack_fixture.h" /* last: its names are short */

#define LONG "0123456789 Download of http://mp.example.com/CCM_Client/ccmsetup.cab stopped after 3 of 7 tries"

static size_t body_size, texts_size;

static void read_bytes(const void *bytes, size_t size)
{
        static char *topics[] = { "*" };
        static const struct config policy = {
                .policy = { .validate = VALIDATE_REPORT, .min_client_version = "0", .topics = { topics, 1 } }
        };
        const char *why = NULL;

        assert_int_equal(reader_read(reader, &policy, NULL, bytes, size, &report, &why), VERDICT_ACCEPTED);
}

/* details: the whole element, or nothing; params: likewise. */
static size_t write_message(char *text, size_t room, const char *details, const char *params)
{
        return (size_t)snprintf(
                text, room,
                "<Report><ReportHeader><Identification><Machine><ClientID>GUID:1</ClientID>"
                "</Machine></Identification></ReportHeader><ReportBody><StateMessage>"
                "<Topic Type=\"800\"/><State ID=\"301\"/>%s<UserParameters>%s</UserParameters>"
                "</StateMessage></ReportBody></Report>",
                details, params);
}

static void pack(void)
{
        assert_int_equal(body_pack(&report, &packed, &packed_room, &body_size), 0);
        assert_true(body_size < report.size);
        texts_size = texts_pack(&report, packed + body_size, packed_room - body_size);
}

/* Out of blocks just as large, so that a sanitizer sees what goes too far. */
static int unpack(const unsigned char *texts, size_t size, bool with_body, struct texts *ret_texts)
{
        unsigned char *copy = test_malloc(size + 1), *body = test_malloc(body_size);

        memcpy(copy + 1, texts, size);
        memcpy(body, packed, body_size);
        int r = texts_unpack(copy + 1, size, with_body ? body : NULL, with_body ? body_size : 0, report.size,
                             ret_texts);
        test_free(body);
        test_free(copy);
        return r;
}

static void assert_same(const struct texts *texts)
{
        const struct state_message *state = &report.states[0];

        assert_int_equal(texts->details != NULL, state->details != NULL);
        if (state->details)
                assert_string_equal(texts->details, state->details);
        assert_int_equal(texts->param_count, state->param_count);
        for (size_t i = 0; i < state->param_count; i++)
                assert_string_equal(texts->params[i], state->params[i]);
}

static void assert_comes_back(void)
{
        struct texts texts;
        unsigned char *alone = NULL;
        size_t alone_size = 0;

        assert_int_equal(unpack(packed + body_size, texts_size, true, &texts), 0);
        assert_same(&texts);
        free(texts.memory);
        assert_int_equal(unpack(packed + body_size, texts_size, false, &texts), -EUCLEAN);
        assert_int_equal(texts_pack_alone(packed + body_size, texts_size, packed, body_size, report.size,
                                          &alone, &alone_size),
                         0);
        assert_int_equal(unpack(alone, alone_size, false, &texts), 0);
        assert_same(&texts);
        free(texts.memory);
        free(alone);
}

static const char *const all_details[] = {
        "",
        "<StateDetails Type=\"1\"/>",
        "<StateDetails Type=\"1\"><![CDATA[<ClientDeploymentMessage "
        "ErrorCode=\"-2147012889\"/>]]></StateDetails>",
        "<StateDetails>" LONG LONG "</StateDetails>",
};
static const char *const all_params[] = {
        "",
        "<Param/>",
        "<Param>" LONG "</Param>",
        "<Param>" LONG "</Param><Param></Param><Param>0x80072ee7</Param><Param>" LONG LONG "</Param>",
        "<Param>Ger\xC3\xA4t \xF0\x9F\x92\xBB " LONG "</Param><Param>" LONG
        "a &amp; b &lt;c&gt; \"d\"</Param>",
        "<Param>1</Param><Param>2</Param><Param>3</Param><Param>4</Param><Param>5</Param><Param>6</Param>"
        "<Param>7</Param><Param>8</Param><Param>9</Param><Param>10</Param><Param>11</Param><Param>12</Param>"
        "<Param>13</Param><Param>14</Param><Param>15</Param><Param>16</Param><Param>17</Param>"
        "<Param>18</Param><Param>19</Param><Param>20</Param><Param>21</Param><Param>22</Param>"
        "<Param>23</Param><Param>24</Param><Param>25</Param><Param>26</Param><Param>27</Param>"
        "<Param>28</Param><Param>29</Param><Param>30</Param><Param>31</Param><Param>" LONG LONG "</Param>",
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void what_a_state_says_comes_back(void **state)
{
        unsigned packs = 0;

        (void)state;
        for (size_t i = 0; i < COUNT(all_details) * COUNT(all_params) * MESSAGE_FORMS; i++) {
                char text[4096];
                size_t size = write_message(text, sizeof text, all_details[i % COUNT(all_details)],
                                            all_params[i / COUNT(all_details) % COUNT(all_params)]);
                struct bytes bytes = make_form(
                        text, size, (enum message_form)(i / COUNT(all_details) / COUNT(all_params)));

                read_bytes(bytes.data, bytes.size);
                pack();
                if (texts_size > 0) {
                        assert_comes_back();
                        packs++;
                }
                test_free(bytes.data);
        }
        assert_in_range(packs, 40, COUNT(all_details) * COUNT(all_params) * MESSAGE_FORMS);
}

static void long_texts_take_next_to_nothing_beside_the_body(void **state)
{
        char text[4096];

        (void)state;
        size_t size = write_message(text, sizeof text, all_details[2], all_params[3]);
        read_bytes(text, size);
        pack();
        assert_in_range(texts_size, 8, 100);
}

static void what_gains_nothing_is_not_packed(void **state)
{
        char text[4096], *large = test_malloc(40000), *params = test_malloc(30000);

        (void)state;
        size_t size = write_message(text, sizeof text, "", "<Param>0x80072ee7</Param>");
        read_bytes(text, size); /* short */
        pack();
        assert_int_equal(texts_size, 0);

        memset(params, 'x', 30000);
        memcpy(params, "<Param>", 7);
        memcpy(params + 30000 - 9, "</Param>", 9);
        size = write_message(large, 40000, "", params); /* longer than it may be */
        read_bytes(large, size);
        pack();
        assert_int_equal(texts_size, 0);

        size = write_message(text, sizeof text, "",
                             "<Param>&#x30;&#x31;&#x32;&#x33;&#x34;&#x35;&#x36;&#x37;&#x38;&#x39;&#x61;&#x62;"
                             "&#x63;&#x64;&#x65;&#x66;&#x67;&#x68;&#x69;&#x6a;&#x6b;&#x6c;&#x6d;&#x6e;&#x6f;"
                             "&#x70;&#x71;&#x72;&#x73;&#x74;&#x75;&#x76;&#x77;&#x78;&#x79;&#x7a;&#x41;&#x42;"
                             "&#x43;&#x44;&#x45;&#x46;&#x47;&#x48;&#x49;&#x4a;&#x4b;&#x4c;&#x4d;&#x4e;&#x4f;"
                             "&#x50;&#x51;&#x52;&#x53;&#x54;&#x55;&#x56;&#x57;&#x58;&#x59;&#x5a;</Param>");
        read_bytes(text, size); /* stands nowhere in the body */
        pack();
        assert_int_equal(texts_size, 0);

        size = write_message(text, sizeof text, "", all_params[3]);
        read_bytes(text, size); /* no room */
        pack();
        for (size_t room = 0; room < texts_size; room++) {
                assert_int_equal(body_pack(&report, &packed, &packed_room, &body_size), 0);
                unsigned char *small = test_malloc(room + 1);
                assert_int_equal(texts_pack(&report, small + 1, room), 0);
                test_free(small);
        }
        memset(large, ' ', 40000); /* behind the end */
        size = write_message(large, 40000, "", all_params[3]);
        large[size] = ' ';
        read_bytes(large, 32768);
        pack();
        assert_true(texts_size > 0);
        read_bytes(large, 32769); /* would have to be unpacked for it */
        pack();
        assert_int_equal(texts_size, 0);
        test_free(params);
        test_free(large);
}

static void of_several_states_none_is_packed(void **state)
{
        struct state_message two[2] = { { .params = { LONG }, .param_count = 1 },
                                        { .params = { LONG }, .param_count = 1 } };
        char text[4096];

        (void)state;
        size_t size = write_message(text, sizeof text, "", all_params[2]);
        struct report several = {
                .states = two, .state_count = 2, .bytes = (unsigned char *)text, .size = size
        };
        assert_int_equal(body_pack(&several, &packed, &packed_room, &body_size), 0);
        assert_int_equal(texts_pack(&several, packed + body_size, packed_room - body_size), 0);
}

/* Another text, or -EUCLEAN; never beyond the blocks. */
static void damaged_ones_do_no_harm(void **state)
{
        unsigned found = 0;
        char text[4096];

        (void)state;
        size_t size = write_message(text, sizeof text, all_details[2], all_params[4]);
        read_bytes(text, size);
        pack();
        for (size_t bit = 0; bit < (body_size + texts_size) * 8; bit++) {
                struct texts texts;
                packed[bit / 8] ^= (unsigned char)(1U << bit % 8);
                int r = unpack(packed + body_size, texts_size, true, &texts);
                if (r == 0)
                        free(texts.memory);
                else
                        assert_int_equal(r, -EUCLEAN);
                found += r != 0;
                packed[bit / 8] ^= (unsigned char)(1U << bit % 8);
        }
        assert_in_range(found, texts_size, (body_size + texts_size) * 8);
        for (size_t cut = 0; cut < texts_size; cut++) {
                struct texts texts;
                assert_int_equal(unpack(packed + body_size, cut, true, &texts), -EUCLEAN);
        }
}

struct told {
        unsigned count;
        char params[1024], details[1024];
};

static int note_message(void *arg, const struct query_message *message)
{
        struct told *told = arg;
        told->count++;
        (void)snprintf(told->params, sizeof told->params, "%s", message->params_json);
        (void)snprintf(told->details, sizeof told->details, "%s", message->details ? message->details : "-");
        return 0;
}

static struct told look(void)
{
        const struct query_filter filter = QUERY_FILTER();
        struct query *query = NULL;
        struct told told = { 0 };
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        assert_int_equal(query_messages(query, &filter, note_message, &told), 0);
        query_close(query);
        return told;
}

static void assert_told(void)
{
        struct told told = look();
        assert_int_equal(told.count, 1);
        assert_string_equal(told.params, "[\"" LONG "\",\"\",\"0x80072ee7\",\"" LONG LONG "\"]");
        assert_string_equal(told.details, "<ClientDeploymentMessage ErrorCode=\"-2147012889\"/>");
}

/* The first byte of params, as it lies there. */
static void assert_form(unsigned char form)
{
        sqlite3 *db = NULL;
        sqlite3_stmt *statement = NULL;
        assert_int_equal(sqlite3_open_v2(store.config->ledger.file, &db, SQLITE_OPEN_READONLY, NULL),
                         SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, "SELECT params FROM state", -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        assert_int_equal(sqlite3_column_type(statement, 0), SQLITE_BLOB);
        assert_int_equal(*(const unsigned char *)sqlite3_column_blob(statement, 0), form);
        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int note_client(void *arg, const struct viewer_client *client)
{
        assert_int_equal(client->state.error, 0x80072ee7);
        assert_string_equal(client->state.param, LONG);
        ++*(unsigned *)arg;
        return 0;
}

static void assert_counted(void)
{
        const struct viewer_filter filter = VIEWER_ALL;
        struct query *query = NULL;
        unsigned count = 0;
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        assert_int_equal(viewer_clients(query, &filter, note_client, &count), 0);
        query_close(query);
        assert_int_equal(count, 1);
}

static void the_ledger_tells_them_with_the_body_and_without(void **state)
{
        char text[4096], *copy;

        (void)state;
        config_unref(store.config);
        store.config = store_config("[ledger]\narchive_size=0\n");
        store_open();
        size_t size = write_message(text, sizeof text, all_details[2], all_params[3]);
        copy = test_malloc(size);
        memcpy(copy, text, size);
        assert_int_equal(reader_new(&reader), 0);
        read_bytes(copy, size);
        struct message_name name;
        assert_int_equal(store_receive_report(&report, &name), VERDICT_ACCEPTED);
        assert_told();
        assert_counted();
        int64_t shipment;
        assert_form(1);
        assert_int_equal(delivery_mark_staged(store.ledger, &name.seq, 1), 0);
        assert_told();
        struct query *query = NULL;
        unsigned char *bytes = NULL;
        assert_int_equal(query_open(store.config->ledger.file, &query), 0);
        assert_int_equal(query_body(query, name.seq, &bytes, &size), 0);
        free(bytes);
        assert_int_equal(delivery_mark_copied(store.ledger, &name.seq, 1, 1, &shipment), 0);
        assert_int_equal(delivery_mark_forwarded(store.ledger, &name.seq, 1, shipment), 0);
        assert_int_equal(query_body(query, name.seq, &bytes, &size), -ENODATA);
        query_close(query);
        assert_form(2);
        assert_told();
        assert_counted();
        store_reopen();
        assert_told();
        assert_counted();
        test_free(copy);
        reader_free(reader);
        report_free(&report);
        reader = NULL;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(what_a_state_says_comes_back, set_up, tear_down),
                cmocka_unit_test_setup_teardown(long_texts_take_next_to_nothing_beside_the_body, set_up,
                                                tear_down),
                cmocka_unit_test_setup_teardown(what_gains_nothing_is_not_packed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(of_several_states_none_is_packed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(damaged_ones_do_no_harm, set_up, tear_down),
                TEST(the_ledger_tells_them_with_the_body_and_without),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
