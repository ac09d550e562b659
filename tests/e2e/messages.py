"""State messages as clients write them, in every encoding that they may use."""
import hashlib
import itertools
import os

NAMESPACE = "{0D94311F-CB7B-4E73-94B1-75878081111C}"
# The keys of one row of the tool's lists.
MESSAGE_KEYS = set("id part received client_address client_id netbios_name client_version topic_type topic_id state_id "
                   "state class message_time params delivery delivered".split())
CLIENT_KEYS = set("client_id netbios_name client_version topic_type state_id state class last_seen deployment_begin "
                  "deployment_end assignment_begin assignment_end reboot_needed param communication certificate".split())
_counter = itertools.count(1)


def token():
    """A text that no other message of any run carries."""
    return f"T{os.getpid():07d}X{next(_counter):06d}X{os.urandom(6).hex()}"


def state_message(topic=800, state=100, params=(), topic_id=NAMESPACE, time="20240115093012.000000+000",
                  details="", serial="1"):
    parameters = "".join(f"<Param>{p}</Param>" for p in params)
    return (f'<StateMessage MessageTime="{time}" SerialNumber="{serial}">'
            f'<Topic ID="{topic_id}" Type="{topic}" IDType="0" User="" UserSID=""/>'
            f'<State ID="{state}" Criticality="0"/>{details}'
            f'<UserParameters Flags="0" Count="{len(params)}">{parameters}</UserParameters></StateMessage>')


def machine(client_id=None, name="PC0001", version="5.00.9096.1000", more=""):
    def element(tag, text):
        return "" if text is None else f"<{tag}>{text}</{tag}>"
    return ("<Machine><ClientInstalled>0</ClientInstalled><ClientType>1</ClientType>"
            + element("ClientID", client_id) + element("ClientVersion", version) + element("NetBIOSName", name)
            + f"<CodePage>437</CodePage><SystemDefaultLCID>1033</SystemDefaultLCID>{more}</Machine>")


def document(machine_xml, states_xml, declaration='<?xml version="1.0" encoding="UTF-16"?>\r\n', more=""):
    return (f"{declaration}<Report><ReportHeader><Identification>{machine_xml}</Identification>"
            "<ReportDetails><ReportContent>State Message Data</ReportContent><ReportType>Full</ReportType>"
            "<Date>20240115093012.000000+000</Date><Version>1.0</Version><Format>1.0</Format></ReportDetails>"
            f"</ReportHeader><ReportBody>{states_xml}</ReportBody>{more}</Report>")


def report(mark=None, client_id="GUID:11111111-2222-3333-4444-555555555555", name="PC0001",
           version="5.00.9096.1000", declaration='<?xml version="1.0" encoding="UTF-16"?>\r\n', more="",
           padding=0, **state):
    """A report as text; unique unless a mark is given."""
    mark = token() if mark is None else mark
    filler = f"<Filler>{'x' * padding}</Filler>" if padding else ""
    return document(machine(client_id, name, version, f"<Mark>{mark}</Mark>{more}{filler}"),
                    state_message(**state), declaration)


def utf16(text):
    return b"\xff\xfe" + text.encode("utf-16-le")


def body(**kw):
    """What a Windows client sends: UTF-16LE with a byte order mark."""
    return utf16(report(**kw))


def body_of_size(size):
    """A message of exactly so many bytes (UTF-8)."""
    text = report(declaration="").encode()
    extra = size - len(text)
    assert extra >= 7, "too small for a report"
    return text[:-len(b"</Report>")] + b"<!--" + b"x" * (extra - 7) + b"-->" + b"</Report>"


KINDS = {
    "deployment": dict(topic=800, state=308, params=("http://mp.example.com/CCM_Client/ccmsetup.cab", "0x80072ee7")),
    "assignment": dict(topic=800, state=700, params=("PS1",)),
    "communication": dict(topic=1000, state=2, topic_id="CCM Framework Communication State",
                          params=("-2147012721", "8")),
    "certificate": dict(topic=1001, state=2, topic_id="CCM Framework Certificate State", params=("-2147012851",)),
}


def digest(content):
    """As in the ledger's rows."""
    begin = 2 if content.startswith(b"\xff\xfe") else 0
    half = content[begin::2]
    if len(content) % 2 == 0 and half and content[begin + 1::2].count(0) == len(half):
        return hashlib.blake2b(half, digest_size=16, person=b"UTF-16 BOM" if begin else b"UTF-16").digest()
    return hashlib.blake2b(content, digest_size=16).digest()
