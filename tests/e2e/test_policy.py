"""What an administrator refuses by policy, and the way out when the protocol turns out to differ."""
import pytest
from messages import body, document, machine, report, state_message, token, utf16


@pytest.mark.parametrize("version", ["2.50.4160.2000", "2.50", "3.99", "3", "0"])
def test_a_client_older_than_the_least_version_is_answered_403(fsp, version):
    reply = fsp.post(body(version=version))
    assert reply.status == 403, reply
    assert reply.reason_line()
    assert fsp.status()["staged"] == 0


@pytest.mark.parametrize("version", ["4.00", "4.00.6487.2000", "4.0", "5.00.9096.1000", "10.0", None])
def test_a_client_of_the_least_version_or_later_or_of_none_is_taken(fsp, version):
    content = body(version=version)
    fsp.accept(content)
    fsp.expect_delivered(content)


def test_the_least_version_can_be_set(make_fsp):
    fsp = make_fsp({"policy": {"min_client_version": "5.00.9000"}})
    assert fsp.post(body(version="5.00.8999.1")).status == 403
    assert fsp.post(body(version="5.00.9000.0")).status == 200


def test_only_the_topics_of_the_list_are_taken(make_fsp):
    fsp = make_fsp({"policy": {"topics": "800, 1000 1001"}})
    assert [fsp.post(body(topic=t, state=1)).status for t in (800, 1000, 1001, 300, 8000, 80)] \
        == [200, 200, 200, 403, 403, 403]
    assert fsp.post(body(topic=500)).reason_line()


def test_a_report_is_refused_unless_all_its_topics_are_on_the_list(make_fsp):
    fsp = make_fsp({"policy": {"topics": "800"}})

    def mixed(*topics):
        return utf16(document(machine(more=f"<M>{token()}</M>"), "".join(state_message(topic=t) for t in topics)))
    assert fsp.post(mixed(800, 1000)).status == 403
    assert fsp.post(mixed(1000, 800)).status == 403
    assert fsp.post(mixed(800, 800)).status == 200


OTHER = {
    "another root": '<ClientHealthMessage><Mark>{}</Mark></ClientHealthMessage>',
    "a report without states": '<Report><Mark>{}</Mark></Report>',
    "a namespace of its own": '<Report xmlns="urn:x"><Mark>{}</Mark></Report>',
}


@pytest.mark.parametrize("what", OTHER)
def test_any_well_formed_xml_is_taken_when_policy_says_so_and_its_facts_are_null(make_fsp, what):
    text = OTHER[what].format(token())
    strict, loose = make_fsp(), make_fsp({"policy": {"validate": "wellformed"}})
    assert strict.post(utf16(text)).status == 400
    loose.accept(utf16(text))
    row, = loose.rows()
    assert (row["topic_type"], row["state_id"], row["client_id"], row["netbios_name"]) == (None,) * 4
    loose.expect_delivered(utf16(text))


def test_wellformed_still_reads_the_facts_that_are_there(make_fsp):
    fsp = make_fsp({"policy": {"validate": "wellformed"}})
    fsp.accept(body(name="PCREAD", topic=1000, state=2))
    row, = fsp.rows()
    assert (row["netbios_name"], row["topic_type"], row["state_id"]) == ("PCREAD", 1000, 2)


@pytest.mark.parametrize("content", [b"hello", b"<a>", b"<!DOCTYPE a><a/>", b"<a/>x", b"<a><?p?></a>",
                                     b'<?xml version="1.0" encoding="latin1"?><a/>', b"<x:a/>"])
def test_wellformed_still_refuses_what_is_not(make_fsp, content):
    fsp = make_fsp({"policy": {"validate": "wellformed"}})
    reply = fsp.post(content)
    assert reply.status == 400, reply
    assert reply.reason_line()


def test_an_old_client_is_refused_under_wellformed_too(make_fsp):
    fsp = make_fsp({"policy": {"validate": "wellformed"}})
    assert fsp.post(report(version="2.50.1", declaration="").encode()).status == 403
