"""What the documents' test and the documents' recipe are made of."""
import subprocess
import xml.etree.ElementTree as ET

import pytest
from document import Names, edit_ini, steps
from machine import ROOT

CAPTURED = """<Report><ReportHeader><Identification><Machine>
<ClientID>GUID:6F1B1A36-0A58-4F0B-9E2A-0D6E1C5A7B42</ClientID><ClientVersion>5.00.9096.1000</ClientVersion>
<NetBIOSName>PC0042</NetBIOSName><FQDN>pc0042.corp.example.net</FQDN><MAC>00:1A:2b:3c:4D:5E</MAC>
</Machine></Identification></ReportHeader><ReportBody><StateMessage MessageTime="20240115093012.123000+000">
<Topic ID="{0D94311F-CB7B-4E73-94B1-75878081111C}" Type="800" User="CORP\\ada" UserSID="S-1-5-21-1-22-333-1104"/>
<State ID="308"/><UserParameters><Param>https://mp01.corp.example.net/CCM</Param><Param>\\\\site01\\share\\f</Param>
<Param>10.20.30.40</Param><Param>S-1-5-21-1-22-333-1104</Param><Param>0x80072ee7</Param></UserParameters>
</StateMessage></ReportBody></Report>
"""


def strip(text):
    return subprocess.run(["sed", "-E", "-f", ROOT / "conf" / "strip-names.sed"], input=text.encode(),
                          capture_output=True, check=True).stdout.decode()


def test_names_go_and_all_else_stays():
    stripped = strip(CAPTURED)
    for name in ("6f1b1a36", "pc0042", "corp", "ada", "1104", "mp01", "site01", "10.20.30.40", "1a:2b"):
        assert name in CAPTURED.lower() and name not in stripped.lower(), name
    before, after = ET.fromstring(CAPTURED), ET.fromstring(stripped)
    assert [e.tag for e in before.iter()] == [e.tag for e in after.iter()]
    for kept in ("5.00.9096.1000", "20240115093012.123000+000", "{0D94311F-CB7B-4E73-94B1-75878081111C}", "0x80072ee7",
                 'ID="308"', "/CCM", "\\share\\f"):
        assert kept in stripped, kept
    assert strip(stripped) == stripped


def test_names_go_from_head_and_answer():
    head = "POST /SMS_FSP/.sms_fsp HTTP/1.1\r\nHost: fsp01.corp.example.net\r\nUser-Agent: ccmhttp\r\n\r\n"
    assert strip(head) == head.replace("fsp01.corp.example.net", "server.example.com")
    assert strip("peer: fd00::17\nstatus: 200\n") == "peer: 192.0.2.1\nstatus: 200\n"


ONE, OTHER = "20261122T091916184Z-8ACB-00000001", "20270101T000000000Z-0001-0000000A"


@pytest.mark.parametrize("answer,said", [
    (["200: accepted"], "200: accepted\n"),
    (["A  B"], "A     B  \n\n"),
    (["...", "last"], "first\nsecond\nlast\n"),
    (["first", "..."], "first\nsecond\n"),
    (["out of reach: ..."], "out of reach: No such device\n"),
    ([f"{ONE}.SMX"], f"{OTHER}.SMX\n"),
    (["<thread=90 (0x5A)>"], "<thread=7 (0x7)>\n"),
    ([], ""),
])
def test_an_answer_is_recognised(answer, said):
    assert Names().compare(answer, said) is None


@pytest.mark.parametrize("answer,said", [
    (["200: accepted"], "503: The service is stopping.\n"),
    (["200: accepted"], ""),
    (["copied 1 out of 1"], "copied 1 out of 2\n"),
    (["one"], "one\ntwo\n"),
    ([], "an error\n"),
    (["...", "last"], "first\n"),
    ([ONE, ONE], f"{OTHER}\n20270101T000000000Z-0001-0000000B\n"),
])
def test_a_difference_is_told(answer, said):
    assert Names().compare(answer, said) is not None


def test_a_name_once_seen_is_meant_again():
    names = Names()
    assert names.compare([f"{ONE} x"], f"{OTHER} x\n") is None
    assert names.translate(f"fspctl show {ONE}") == f"fspctl show {OTHER}"
    assert names.compare([ONE], f"{OTHER}\n") is None
    assert names.compare([ONE], f"{ONE}\n") is not None


def test_keys_are_set_where_they_stand():
    before = "[a]\n;key = none\nother = 1\n[b]\nkey = 2\n"
    assert edit_ini(before, "[a]\nkey = 7\n") == "[a]\nkey = 7\nother = 1\n[b]\nkey = 2\n"
    with pytest.raises(AssertionError, match="not in the file"):
        edit_ini(before, "[b]\nother = 7\n")


def test_steps_of_a_document():
    found = steps("```console\n$ a\nb\n$ c\n```\n```ini edit=/x\n[s]\nk = v\n```\n```bat\nd\n```\n```\n$ not a step\n```\n")
    assert [(s.kind, s.text, s.path, s.answer) for s in found] == [
        ("console", "a", "", ["b"]), ("console", "c", "", []), ("edit", "[s]\nk = v\n", "/x", []), ("bat", "d", "", [])]
