/* message: the reader from end to end. */
#include "fsp/catalog.h"
#include "fsp/clock.h"
#include "fsp/message.h"
#include "message_forms.h"
#include <dirent.h>

static struct reader *reader;
static struct report report;
static const char *why;

/* A policy that lets everything pass, to be narrowed by a test. */
static char *any_topic[] = { "*" };
static struct config policy;

static enum verdict read_as(const char *content_type, const void *body, size_t size)
{
        return reader_read(reader, &policy, content_type, body, size, &report, &why);
}

static enum verdict read_text(const char *text)
{
        return read_as(NULL, text, strlen(text));
}

static int set_up(void **state)
{
        (void)state;
        policy = (struct config){ .policy = { .validate = VALIDATE_REPORT,
                                              .min_client_version = "4.00",
                                              .topics = { any_topic, 1 } } };
        why = NULL;
        return 0;
}

static int make_reader(void **state)
{
        (void)state;
        return reader_new(&reader);
}

static int free_reader(void **state)
{
        (void)state;
        reader_free(reader);
        report_free(&report);
        return 0;
}

#define MACHINE "<ReportHeader><Identification><Machine/></Identification></ReportHeader>"
#define STATE "<StateMessage><Topic Type='800'/><State ID='100'/></StateMessage>"
#define REPORT(states) "<Report>" MACHINE "<ReportBody>" states "</ReportBody></Report>"

static void facts_are_read_in_every_form(void **state)
{
        struct bytes example = load_example("deployment-failed-308");

        (void)state;
        for (enum message_form form = AS_UTF8; form < MESSAGE_FORMS; form++) {
                struct bytes bytes = make_form(example.data, example.size, form);
                assert_int_equal(read_as("text/plain", bytes.data, bytes.size), VERDICT_ACCEPTED);
                assert_string_equal(report.client_version, "5.00.9096.1000");
                assert_string_equal(report.netbios_name, "PC0308");
                assert_null(report.client_id);
                assert_int_equal(report.state_count, 1);
                const struct state_message *only = &report.states[0];
                assert_int_equal(only->topic_type, 800);
                assert_int_equal(only->state_id, 308);
                assert_string_equal(only->topic_id, "{0D94311F-CB7B-4E73-94B1-75878081111C}");
                assert_string_equal(only->serial_number, "2");
                assert_string_equal(only->message_time, "20261121100130.250000+000");
                assert_true(only->message_time_ms == INT64_C(1795255290250));
                assert_int_equal(only->param_count, 2);
                assert_string_equal(only->params[0], "http://mp.example.com/CCM_Client/ccmsetup.cab");
                assert_string_equal(only->params[1], "0x80072ee7");
                assert_non_null(strstr(only->details, "<ClientDeploymentMessage ErrorCode=\"-2147012889\">"));
                assert_ptr_equal(report.bytes, bytes.data);
                assert_int_equal(report.size, bytes.size);
                test_free(bytes.data);
        }
        free(example.data);
}

/* Each file's name tells its state: ...-failed-NNN has state NNN. */
static void every_example_is_accepted_in_every_form(void **state)
{
        unsigned count = 0;
        struct dirent *entry;
        DIR *folder = opendir(TEST_DATA "/messages");

        (void)state;
        assert_non_null(folder);
        while ((entry = readdir(folder)) != NULL) {
                char name[64];
                if (sscanf(entry->d_name, "%63[^.].xml", name) != 1)
                        continue;
                struct bytes example = load_example(name);
                for (enum message_form form = AS_UTF8; form < MESSAGE_FORMS; form++) {
                        struct bytes bytes = make_form(example.data, example.size, form);
                        assert_int_equal(read_as(NULL, bytes.data, bytes.size), VERDICT_ACCEPTED);
                        const struct state_message *first = &report.states[0];
                        assert_non_null(catalog_state_text(first->topic_type, first->state_id));
                        if (strstr(name, "-failed-") != NULL)
                                assert_int_equal(first->state_id, atoi(strstr(name, "-failed-") + 8));
                        test_free(bytes.data);
                }
                free(example.data);
                count++;
        }
        assert_int_equal(closedir(folder), 0);
        assert_true(count > 40);
}

static void several_states_are_kept_in_order(void **state)
{
        struct bytes example = load_example("several-states");

        (void)state;
        assert_int_equal(read_as(NULL, example.data, example.size), VERDICT_ACCEPTED);
        assert_int_equal(report.state_count, 3);
        assert_int_equal(report.states[0].state_id, 100);
        assert_int_equal(report.states[1].state_id, 400);
        assert_int_equal(report.states[2].topic_type, 1000);
        assert_string_equal(report.states[2].topic_id, "CCM Framework Communication State");
        assert_string_equal(report.states[2].params[1], "8");
        assert_null(report.states[2].details);
        assert_string_equal(report.client_id, "GUID:11111111-2222-3333-4444-555555555555");
        assert_true(report.states[1].message_time_ms == INT64_C(1795252500000)); /* an hour east */
        free(example.data);
}

static void unknown_elements_pass_unread(void **state)
{
        struct bytes example = load_example("unknown-elements");

        (void)state;
        assert_int_equal(read_as(NULL, example.data, example.size), VERDICT_ACCEPTED);
        assert_string_equal(report.client_id, "GUID:11111111-2222-3333-4444-555555555555");
        assert_string_equal(report.netbios_name, "PC-ÄÖÜ-日本-𠮷");
        assert_int_equal(report.state_count, 1);
        assert_int_equal(report.states[0].param_count, 2);
        assert_string_equal(report.states[0].params[0], "http://mp.example.com/a?b=1&c=2");
        assert_string_equal(report.states[0].params[1], "");
        free(example.data);
}

static void text_is_trimmed_and_the_first_counts(void **state)
{
        (void)state;
        assert_int_equal(read_text("<Report><ReportHeader><Identification><Machine>"
                                   "<NetBIOSName>\r\n A<!-- x -->B&#67;<![CDATA[ D]]> </NetBIOSName>"
                                   "<NetBIOSName>other</NetBIOSName><ClientID> \t</ClientID>"
                                   "<ClientVersion>5<x>6</x>.0</ClientVersion>"
                                   "</Machine></Identification></ReportHeader><ReportBody>"
                                   "<StateMessage MessageTime='never' SerialNumber=''>"
                                   "<Topic ID=' a&quot; ' Type='800'/><State ID='100'/>"
                                   "<StateDetails> <![CDATA[<a>&amp;</a>]]> </StateDetails>"
                                   "<UserParameters><Param> a </Param><Param/></UserParameters>"
                                   "</StateMessage></ReportBody></Report>"),
                         VERDICT_ACCEPTED);
        assert_string_equal(report.netbios_name, "ABC D");
        assert_null(report.client_id);
        assert_string_equal(report.client_version, "5.0");
        const struct state_message *only = &report.states[0];
        assert_string_equal(only->message_time, "never");
        assert_true(only->message_time_ms == CLOCK_UNKNOWN);
        assert_null(only->serial_number);
        assert_string_equal(only->topic_id, "a\"");
        assert_string_equal(only->details, "<a>&amp;</a>");
        assert_int_equal(only->param_count, 2);
        assert_string_equal(only->params[0], " a ");
        assert_string_equal(only->params[1], "");
}

static void params_beyond_the_bound_are_not_kept(void **state)
{
        char text[4096];
        char *at =
                stpcpy(text, "<Report>" MACHINE "<ReportBody><StateMessage><Topic Type='1'/><State ID='2'/>"
                             "<UserParameters>");

        (void)state;
        for (int i = 0; i < MESSAGE_MAX_PARAMS + 3; i++)
                at += sprintf(at, "<Param>%d</Param>", i);
        strcpy(at, "</UserParameters></StateMessage></ReportBody></Report>");
        assert_int_equal(read_text(text), VERDICT_ACCEPTED);
        assert_int_equal(report.states[0].param_count, MESSAGE_MAX_PARAMS);
        assert_string_equal(report.states[0].params[MESSAGE_MAX_PARAMS - 1], "31");
}

static void what_is_missing_or_doubled_is_named(void **state)
{
        static const struct {
                const char *text, *why;
        } rows[] = {
                { "<report/>", "the root element is not Report" },
                { "<a><Report/></a>", "the root element is not Report" },
                { "<Report/>", "no ReportHeader/Identification/Machine" },
                { "<Report><Machine/><ReportBody>" STATE "</ReportBody></Report>",
                  "no ReportHeader/Identification/Machine" },
                { "<Report>" MACHINE "</Report>", "no ReportBody/StateMessage" },
                { "<Report>" MACHINE STATE "</Report>", "no ReportBody/StateMessage" },
                { "<Report>" MACHINE "<ReportBody><x>" STATE "</x></ReportBody></Report>",
                  "no ReportBody/StateMessage" },
                { REPORT("<StateMessage><State ID='1'/></StateMessage>"), "a StateMessage without Topic" },
                { REPORT("<StateMessage><Topic Type='1'/></StateMessage>"), "a StateMessage without State" },
                { REPORT("<StateMessage><x><Topic Type='1'/></x><State ID='1'/></StateMessage>"),
                  "a StateMessage without Topic" },
                { REPORT("<StateMessage><Topic Type='1'/><Topic Type='1'/><State ID='1'/></StateMessage>"),
                  "a StateMessage with more than one Topic" },
                { REPORT("<StateMessage><Topic Type='1'/><State ID='1'/><State ID='1'/></StateMessage>"),
                  "a StateMessage with more than one State" },
                { REPORT(STATE "<StateMessage><Topic Type=''/><State ID='1'/></StateMessage>" STATE),
                  "a Topic has no numeric Type" },
                { REPORT("<StateMessage><Topic/><State ID='1'/></StateMessage>"),
                  "a Topic has no numeric Type" },
                { REPORT("<StateMessage><Topic Type='-1'/><State ID='1'/></StateMessage>"),
                  "a Topic has no numeric Type" },
                { REPORT("<StateMessage><Topic Type='8OO'/><State ID='1'/></StateMessage>"),
                  "a Topic has no numeric Type" },
                { REPORT("<StateMessage><Topic Type='1' /><State ID='1234567890123456789'/></StateMessage>"),
                  "a State has no numeric ID" },
                { REPORT("<StateMessage xmlns:p='u:p'><Topic Type='1'/><State p:ID='1'/></StateMessage>"),
                  "a State has no numeric ID" },
        };

        (void)state;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                assert_int_equal(read_text(rows[i].text), VERDICT_NOT_A_REPORT);
                assert_string_equal(why, rows[i].why);
        }
        assert_int_equal(
                read_text(REPORT(
                        "<StateMessage><Topic Type='123456789012345678'/><State ID='0'/></StateMessage>")),
                VERDICT_ACCEPTED);
        assert_true(report.states[0].topic_type == INT64_C(123456789012345678));
}

static void elements_count_in_the_roots_namespace_only(void **state)
{
        (void)state;
        assert_int_equal(
                read_text("<Report xmlns='u:x'>" MACHINE "<ReportBody>" STATE "</ReportBody></Report>"),
                VERDICT_ACCEPTED);
        assert_int_equal(report.state_count, 1);
        assert_int_equal(
                read_text("<p:Report xmlns:p='u:x'>" MACHINE "<ReportBody>" STATE "</ReportBody></p:Report>"),
                VERDICT_NOT_A_REPORT);
        assert_int_equal(
                read_text("<Report>" MACHINE "<ReportBody xmlns='u:x'>" STATE "</ReportBody></Report>"),
                VERDICT_NOT_A_REPORT);
        assert_int_equal(read_text(REPORT(STATE "<StateMessage xmlns='u:x'/>")), VERDICT_ACCEPTED);
        assert_int_equal(report.state_count, 1);
}

static void what_is_not_well_formed_is_refused(void **state)
{
        static const char *const texts[] = {
                "<Report>" MACHINE "<ReportBody>" STATE "</ReportBody></report>",
                REPORT(STATE "&nosuch;"),
                REPORT(STATE "<x a='&nosuch;'/>"),
                REPORT(STATE "<p:x/>"),
                REPORT(STATE "<x p:a=''/>"),
                REPORT(STATE "<x xmlns:p=''/>"),
                REPORT(STATE "<a:b:c xmlns:a='u:a'/>"),
                REPORT(STATE "<x a='1' a='2'/>"),
                REPORT(STATE "<x xmlns:p='u:a' xmlns:q='u:a' p:a='1' q:a='2'/>"),
                REPORT(STATE "<x a=1/>"),
                REPORT(STATE "<x a='<'/>"),
                REPORT(STATE "<x a='1'b='2'/>"),
                REPORT(STATE "]]>"),
                REPORT(STATE "&#0;"),
                REPORT(STATE "&#xD800;"),
                REPORT(STATE "&#xFFFE;"),
                REPORT(STATE "&"),
                REPORT(STATE "<!-- a -- b -->"),
                REPORT(STATE "< x/>"),
                REPORT(STATE "<1x/>"),
                REPORT(STATE) "x",
                REPORT(STATE) "<x/>",
                "Report",
                "{\"Report\": 1}",
        };

        (void)state;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                assert_int_equal(read_text(texts[i]), VERDICT_NOT_XML);
        /* The one reader goes on as if nothing had been. */
        assert_int_equal(read_text(REPORT(STATE)), VERDICT_ACCEPTED);
}

static void what_has_no_place_in_a_message_is_refused(void **state)
{
        char text[4096];
        char *at = text;

        (void)state;
        assert_int_equal(read_text("<!DOCTYPE Report><Report/>"), VERDICT_DOCTYPE);
        assert_int_equal(read_text("<?x?>" REPORT(STATE)), VERDICT_DOCTYPE);
        assert_int_equal(read_text("<?xml version='1.0' encoding='UTF-7'?>" REPORT(STATE)), VERDICT_ENCODING);
        assert_int_equal(read_text("<?xml version='1.1'?>" REPORT(STATE)), VERDICT_NOT_XML);
        assert_int_equal(read_text(""), VERDICT_EMPTY);
        assert_int_equal(read_as(NULL, NULL, 0), VERDICT_EMPTY);
        assert_int_equal(read_text("<Report>\xFF</Report>"), VERDICT_ENCODING);
        for (int i = 0; i <= MESSAGE_MAX_DEPTH; i++)
                at = stpcpy(at, "<a>");
        for (int i = 0; i <= MESSAGE_MAX_DEPTH; i++)
                at = stpcpy(at, "</a>");
        assert_int_equal(read_text(text), VERDICT_TOO_COMPLEX);
}

static void states_end_at_their_bound(void **state)
{
        const size_t size = (MESSAGE_MAX_STATES + 1) * sizeof STATE + 256;
        char *text = test_malloc(size);
        char *at = stpcpy(text, "<Report>" MACHINE "<ReportBody>");

        (void)state;
        for (int i = 0; i < MESSAGE_MAX_STATES; i++)
                at = stpcpy(at, STATE);
        strcpy(at, "</ReportBody></Report>");
        assert_int_equal(read_text(text), VERDICT_ACCEPTED);
        assert_int_equal(report.state_count, MESSAGE_MAX_STATES);
        strcpy(at, STATE "</ReportBody></Report>");
        assert_int_equal(read_text(text), VERDICT_TOO_COMPLEX);
        test_free(text);
}

static void declared_and_real_encoding_may_differ(void **state)
{
        static const char *const declared[] = { "UTF-8", "UTF-16", "utf-16le", "UTF-16BE" };

        (void)state;
        for (size_t i = 0; i < sizeof declared / sizeof declared[0]; i++) {
                char text[512];
                int size = snprintf(text, sizeof text, "<?xml version='1.0' encoding='%s'?>%s", declared[i],
                                    REPORT(STATE));
                for (enum message_form form = AS_UTF8; form < MESSAGE_FORMS; form++) {
                        struct bytes bytes = make_form(text, (size_t)size, form);
                        assert_int_equal(read_as(NULL, bytes.data, bytes.size), VERDICT_ACCEPTED);
                        test_free(bytes.data);
                }
        }
}

static void trailing_nuls_are_not_staged(void **state)
{
        static const char text[] = REPORT(STATE) "\r\n\0\0";

        (void)state;
        assert_int_equal(read_as(NULL, text, sizeof text), VERDICT_ACCEPTED);
        assert_ptr_equal(report.bytes, text);
        assert_int_equal(report.size, sizeof text - 3);
}

static void wellformed_takes_any_xml_and_what_facts_there_are(void **state)
{
        (void)state;
        policy.policy.validate = VALIDATE_WELLFORMED;
        assert_int_equal(read_text("<ClientDeploymentMessage ErrorCode='0'/>"), VERDICT_ACCEPTED);
        assert_int_equal(report.state_count, 0);
        assert_null(report.client_id);
        assert_int_equal(report.size, 40);
        assert_int_equal(
                read_text("<Report><ReportBody><StateMessage><Topic Type='x'/><State ID='1'/></StateMessage>"
                          "<StateMessage/>" STATE "</ReportBody></Report>"),
                VERDICT_ACCEPTED);
        assert_int_equal(report.state_count, 1);
        assert_int_equal(report.states[0].state_id, 100);
        assert_int_equal(read_text("<!DOCTYPE a><a/>"), VERDICT_DOCTYPE);
        assert_int_equal(read_text("<a><b></a>"), VERDICT_NOT_XML);
        assert_int_equal(read_text("<p:a/>"), VERDICT_NOT_XML);
}

static enum verdict read_version(const char *version)
{
        char text[512];

        assert_true(
                snprintf(text, sizeof text,
                         "<Report><ReportHeader><Identification><Machine><ClientVersion>%s</ClientVersion>"
                         "</Machine></Identification></ReportHeader><ReportBody>" STATE
                         "</ReportBody></Report>",
                         version) < (int)sizeof text);
        return read_text(text);
}

static void old_clients_are_refused(void **state)
{
        (void)state;
        assert_int_equal(read_version("2.50.4253.3000"), VERDICT_OLD_CLIENT);
        assert_string_equal(report.client_version, "2.50.4253.3000"); /* for the log */
        assert_int_equal(read_version("3.99"), VERDICT_OLD_CLIENT);
        assert_int_equal(read_version("4.00"), VERDICT_ACCEPTED);
        assert_int_equal(read_version("4.00.5135.0000"), VERDICT_ACCEPTED);
        assert_int_equal(read_version("5.00.9096.1000"), VERDICT_ACCEPTED);
        assert_int_equal(read_version("10.0"), VERDICT_ACCEPTED);
        assert_int_equal(read_version(""), VERDICT_ACCEPTED);
        policy.policy.min_client_version = "5.00.9096";
        assert_int_equal(read_version("5.00.9095.9999"), VERDICT_OLD_CLIENT);
        assert_int_equal(read_version("5.00.9096.1000"), VERDICT_ACCEPTED);
}

static void all_topics_must_be_accepted(void **state)
{
        char *list[] = { "1000", "800" };
        const char *both = REPORT(STATE "<StateMessage><Topic Type='1000'/><State ID='1'/></StateMessage>");
        const char *other = REPORT(STATE "<StateMessage><Topic Type='1001'/><State ID='1'/></StateMessage>");

        (void)state;
        assert_int_equal(read_text(other), VERDICT_ACCEPTED);
        policy.policy.topics = (struct config_list){ list, 2 };
        assert_int_equal(read_text(both), VERDICT_ACCEPTED);
        assert_int_equal(read_text(other), VERDICT_TOPIC);
        assert_int_equal(report.state_count, 2);
        policy.policy.topics.count = 1;
        assert_int_equal(read_text(both), VERDICT_TOPIC);
        policy.policy.validate = VALIDATE_WELLFORMED;
        assert_int_equal(read_text("<a/>"), VERDICT_ACCEPTED);
}

#define MIXED "multipart/mixed; boundary=b"

static void the_report_is_found_in_its_wrapper(void **state)
{
        static const char start[] =
                "--b\r\nContent-Type: text/plain\r\n\r\njust text\r\n"
                "--b\r\nContent-Type: application/octet-stream\r\n\r\n\x78\x9C\x01\xFF\r\n"
                "--b\r\nContent-Type: text/xml; charset=UTF-16\r\n\r\n";
        struct bytes example = load_example("assignment-succeeded");
        unsigned char body[16384];

        (void)state;
        for (enum message_form form = AS_UTF8; form < MESSAGE_FORMS; form++) {
                struct bytes bytes = make_form(example.data, example.size, form);
                memcpy(body, start, sizeof start - 1);
                memcpy(body + sizeof start - 1, bytes.data, bytes.size);
                memcpy(body + sizeof start - 1 + bytes.size, "\r\n--b--\r\n", 9);
                assert_int_equal(read_as(MIXED, body, sizeof start - 1 + bytes.size + 9), VERDICT_ACCEPTED);
                assert_int_equal(report.states[0].state_id, 700);
                assert_ptr_equal(report.bytes, body + sizeof start - 1);
                assert_int_equal(report.size, bytes.size);
                test_free(bytes.data);
        }
        free(example.data);
}

static enum verdict read_mixed(const char *body)
{
        return read_as(MIXED, body, strlen(body));
}

static void exactly_one_part_must_be_a_message(void **state)
{
        (void)state;
        assert_int_equal(read_mixed("--b\r\n\r\n" REPORT(STATE) "\r\n--b\r\n\r\n<envelope/>\r\n--b--"),
                         VERDICT_ACCEPTED);
        assert_int_equal(report.state_count, 1);
        assert_memory_equal(report.bytes, "<Report>", 8);
        assert_int_equal(read_mixed("--b\r\n\r\n" REPORT(STATE) "\r\n--b\r\n\r\n" REPORT(STATE) "\r\n--b--"),
                         VERDICT_MULTIPART);
        assert_int_equal(report.state_count, 0);
        assert_int_equal(read_mixed("--b\r\n\r\ntext\r\n--b--"), VERDICT_MULTIPART);
        assert_int_equal(read_mixed("--b\r\n\r\n<a/>\r\n--b\r\n\r\n<b/>\r\n--b--"), VERDICT_MULTIPART);
        assert_int_equal(read_mixed("--b--"), VERDICT_MULTIPART);
        assert_int_equal(read_mixed("nothing"), VERDICT_MULTIPART);
        assert_int_equal(read_as("multipart/mixed", "--b\r\n\r\n<a/>\r\n--b--", 19), VERDICT_MULTIPART);
}

static void the_only_candidate_part_gives_its_own_verdict(void **state)
{
        (void)state;
        assert_int_equal(read_mixed("--b\r\n\r\ntext\r\n--b\r\n\r\n<!DOCTYPE a><a/>\r\n--b--"),
                         VERDICT_DOCTYPE);
        assert_int_equal(read_mixed("--b\r\n\r\n<a/>\r\n--b--"), VERDICT_NOT_A_REPORT);
        policy.policy.min_client_version = "6";
        assert_int_equal(
                read_mixed("--b\r\n\r\n<Report><ReportHeader><Identification><Machine><ClientVersion>5"
                           "</ClientVersion></Machine></Identification></ReportHeader><ReportBody>" STATE
                           "</ReportBody></Report>\r\n--b--"),
                VERDICT_OLD_CLIENT);
}

static void the_content_type_does_not_matter_otherwise(void **state)
{
        static const char *const types[] = { "text/xml",       "application/octet-stream", "",
                                             "multipart",      "text/xml; charset=UTF-16", MIXED,
                                             "multipart/mixed" };

        (void)state;
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
                assert_int_equal(read_as(types[i], REPORT(STATE), strlen(REPORT(STATE))), VERDICT_ACCEPTED);
}

/* Names that nobody has seen before fill the library's dictionary. */
static void a_reader_lasts_through_many_strange_messages(void **state)
{
        char text[512];

        (void)state;
        for (int i = 0; i < 5000; i++) {
                assert_true(snprintf(text, sizeof text, REPORT(STATE "<x%d y%d='' xmlns:z%d='u:%d'/>"), i, i,
                                     i, i) > 0);
                assert_int_equal(read_text(text), VERDICT_ACCEPTED);
        }
}

/* Every cut and every changed byte of a message: whatever the verdict, no
 * sanitizer has anything to say, and what is accepted is whole. */
static void broken_messages_do_no_harm(void **state)
{
        struct bytes example = load_example("unknown-elements");

        (void)state;
        for (enum message_form form = AS_UTF8; form < MESSAGE_FORMS; form++) {
                struct bytes bytes = make_form(example.data, example.size, form);
                for (size_t size = 0; size < bytes.size; size++) {
                        struct bytes cut = { test_malloc(size + 1), size };
                        memcpy(cut.data, bytes.data, size);
                        if (read_as(NULL, cut.data, size) == VERDICT_ACCEPTED)
                                assert_true(size + 4 >= bytes.size); /* the last line end */
                        test_free(cut.data);
                }
                for (size_t at = 0; at < bytes.size; at++) {
                        static const unsigned char changes[] = {
                                0, '<', '>', '&', '"', '\'', '=', '!', 0xFF
                        };
                        const unsigned char kept = bytes.data[at];
                        for (size_t i = 0; i < sizeof changes; i++) {
                                bytes.data[at] = changes[i];
                                enum verdict verdict = read_as(NULL, bytes.data, bytes.size);
                                assert_true(verdict <= VERDICT_NOT_A_REPORT && verdict != VERDICT_DUPLICATE);
                                if (verdict == VERDICT_ACCEPTED)
                                        assert_int_equal(report.state_count, 1);
                        }
                        bytes.data[at] = kept;
                }
                test_free(bytes.data);
        }
        free(example.data);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(facts_are_read_in_every_form, set_up),
                cmocka_unit_test_setup(every_example_is_accepted_in_every_form, set_up),
                cmocka_unit_test_setup(several_states_are_kept_in_order, set_up),
                cmocka_unit_test_setup(unknown_elements_pass_unread, set_up),
                cmocka_unit_test_setup(text_is_trimmed_and_the_first_counts, set_up),
                cmocka_unit_test_setup(params_beyond_the_bound_are_not_kept, set_up),
                cmocka_unit_test_setup(what_is_missing_or_doubled_is_named, set_up),
                cmocka_unit_test_setup(elements_count_in_the_roots_namespace_only, set_up),
                cmocka_unit_test_setup(what_is_not_well_formed_is_refused, set_up),
                cmocka_unit_test_setup(what_has_no_place_in_a_message_is_refused, set_up),
                cmocka_unit_test_setup(states_end_at_their_bound, set_up),
                cmocka_unit_test_setup(declared_and_real_encoding_may_differ, set_up),
                cmocka_unit_test_setup(trailing_nuls_are_not_staged, set_up),
                cmocka_unit_test_setup(wellformed_takes_any_xml_and_what_facts_there_are, set_up),
                cmocka_unit_test_setup(old_clients_are_refused, set_up),
                cmocka_unit_test_setup(all_topics_must_be_accepted, set_up),
                cmocka_unit_test_setup(the_report_is_found_in_its_wrapper, set_up),
                cmocka_unit_test_setup(exactly_one_part_must_be_a_message, set_up),
                cmocka_unit_test_setup(the_only_candidate_part_gives_its_own_verdict, set_up),
                cmocka_unit_test_setup(the_content_type_does_not_matter_otherwise, set_up),
                cmocka_unit_test_setup(a_reader_lasts_through_many_strange_messages, set_up),
                cmocka_unit_test_setup(broken_messages_do_no_harm, set_up),
        };

        return cmocka_run_group_tests(tests, make_reader, free_reader);
}
