"""Some two hundred shapes of a message body, each with its answer.

A row is (name, bytes, status); RPT(more) is a sound report with more inside its Machine."""
import codecs
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))
from messages import document, machine, report, state_message, token  # noqa: E402

ROWS = []
DECLARED = '<?xml version="1.0"?>'


def add(status, rows):
    for name, data in rows.items():
        assert name not in {r[0] for r in ROWS}, name
        ROWS.append((name, data if isinstance(data, bytes) else data.encode(), status))


def rpt(more="", declaration="", **kw):
    return report(declaration=declaration, more=more, **kw)


def swap(old, new, **kw):
    text = rpt(**kw)
    assert text.count(old) >= 1, old
    return text.replace(old, new)


def utf16(text, order="le", bom=True):
    mark = {"le": codecs.BOM_UTF16_LE, "be": codecs.BOM_UTF16_BE}[order]
    return (mark if bom else b"") + text.encode(f"utf-16-{order}")


# --- what must be taken --------------------------------------------------------

add(200, {
    "utf-8": rpt(),
    "utf-8 with a mark": codecs.BOM_UTF8 + rpt().encode(),
    "utf-16le": utf16(rpt()),
    "utf-16be": utf16(rpt(), "be"),
    "utf-16le without a mark": utf16(rpt(), bom=False),
    "utf-16be without a mark": utf16(rpt(), "be", bom=False),
    "utf-8 that says utf-16": rpt(declaration='<?xml version="1.0" encoding="UTF-16"?>'),
    "utf-16 that says utf-8": utf16(rpt(declaration='<?xml version="1.0" encoding="UTF-8"?>')),
    "utf-16 and one NUL": utf16(rpt()) + b"\0",
    "utf-16 and NULs": utf16(rpt()) + b"\0" * 8,
    "utf-8 and NULs": rpt().encode() + b"\0" * 7,
    "white space around": " \r\n\t" + rpt() + "\r\n \t",
    "a declaration in single quotes": rpt(declaration="<?xml version='1.0' encoding='utf-8'?>"),
    "a declaration with blanks": rpt(declaration='<?xml  version = "1.0"  encoding = "utf-8" standalone = "no" ?>'),
    "standalone": rpt(declaration='<?xml version="1.0" standalone="yes"?>'),
    "unknown elements": rpt("<A><B c='d'>e</B></A>"),
    "an empty element": rpt("<A/>"),
    "an element with blanks in its tags": rpt("<A \r\n\t></A \n>"),
    "a comment": rpt("<!-- a -->"),
    "a comment with markup": rpt("<!-- <Report> <!DOCTYPE x> <?x?> ]]> & -->"),
    "an empty comment": rpt("<!---->"),
    "a comment before and after": "<!-- a -->" + rpt() + "<!-- b -->",
    "CDATA": rpt("<A><![CDATA[a]]></A>"),
    "CDATA with markup": rpt("<A><![CDATA[<!DOCTYPE x><?x?><a>&b;]]></A>"),
    "CDATA in CDATA": rpt("<A><![CDATA[<![CDATA[ x ]]]]><![CDATA[>]]></A>"),
    "a report in CDATA": rpt("<A><![CDATA[" + rpt() + "]]></A>"),
    "an empty CDATA": rpt("<A><![CDATA[]]></A>"),
    "the five entities": rpt("<A b='&lt;&gt;&amp;&apos;&quot;'>&lt;&gt;&amp;&apos;&quot;</A>"),
    "character references": rpt("<A>&#65;&#x41;&#x10FFFF;&#9;&#xA;</A>"),
    "a namespace": rpt('<x:A xmlns:x="urn:x" x:b="c"/>'),
    "a namespace of the root": swap("<Report>", '<Report xmlns="urn:x">'),
    "the xml prefix": rpt('<A xml:space="preserve" xml:lang="de"/>'),
    "one local name in two namespaces": rpt('<A xmlns:x="u" xmlns:y="v" x:b="1" y:b="2"/>'),
    "sixty-four levels": rpt("<d>" * 60 + "</d>" * 60),
    "256 attributes": rpt("<A " + " ".join(f'a{i}="1"' for i in range(256)) + "/>"),
    "a name of Greek": rpt("<Ωμέγα/>"),
    "a name with every kind of sign": rpt("<_a-b.c·d1/>"),
    "text beyond the basic plane": rpt("<A>\U0001f600\U0010fffd</A>"),
    "text beyond the basic plane in utf-16": utf16(rpt("<A>\U0001f600</A>")),
    "U+FFFD": rpt("<A>�</A>"),
    "U+0085 and U+2028": rpt("<A>\x85\u2028</A>"),
    "a mark within the text": rpt("<A>\ufeff</A>"),
    "C1 controls": rpt("<A>\x80\x9b\x9f</A>"),
    "U+FDD0, which is no character but allowed": rpt("<A>\ufdd0</A>"),
    "an attribute with >": rpt('<A b="a>b"/>'),
    "an attribute with line ends": rpt('<A b="a\r\n\tb"/>'),
    "an attribute of 40K": rpt(f'<A b="{"x" * 40000}"/>'),
    "a text of 40K": rpt(f"<A>{'x' * 40000}</A>"),
    "a name of 30K": rpt(f"<{'n' * 15000}></{'n' * 15000}>"),
    "]] in the text": rpt("<A>]] ]></A>"),
    "-- in a text": rpt("<A>--</A>"),
    "no name and no version": document("<Machine/>", state_message(serial=token()), ""),
    "two hundred StateMessages": document(machine(name=token()), state_message() * 200, ""),
    "a number of eighteen digits": rpt(topic="9" * 18),
    "a number with leading zeros": rpt(topic="0800"),
    "33 parameters": rpt(params=[str(i) for i in range(33)]),
    "two Machines": document(machine(name=token()) * 2, state_message(), ""),
    "a StateMessage in another namespace beside": rpt('<StateMessage xmlns="urn:x"/>'),
    "state 0 of topic 0": rpt(topic=0, state=0),
    "XInclude, which nobody follows": rpt('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/>'),
    "a schema location, which nobody fetches": swap("<Report>", '<Report xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
                                                    'xsi:noNamespaceSchemaLocation="http://127.0.0.1:9/x.xsd">'),
    "SQL in a name": rpt(name="'; DROP TABLE message; --"),
    "a script in a name": rpt(name="&lt;script&gt;alert(1)&lt;/script&gt;"),
    "a formula in a name": rpt(name="=cmd|' /C calc'!A0"),
})

# --- not XML ---------------------------------------------------------------------

add(400, {f"the text {t[:30]!r}": t for t in (
    "", " ", "\0", "\0\0", "\n\n", "x", "<", ">", "&", "<>", "</>", "</a>", "<a", "<a>", "<a/", "<a></b>", "<a><b></a></b>", "<a/><b/>",
    "<a/>x", "x<a/>", "<a/>&amp;", "&amp;<a/>", "<a/><![CDATA[x]]>", "<![CDATA[x]]><a/>", "< a/>", "<a/ >", "<1/>", "<-a/>", "<.a/>",
    "<a b/>", "<a b=c/>", "<a b='c/>", "<a b='c' b='d'/>", "<a b='<'/>", "<a b='&'/>", "<a b='c'd='e'/>", "<a 'b'/>", "<a =''/>",
    "{}", "[]", "null", "GET / HTTP/1.1", "%PDF-1.4", "MZ", "\x1f\x8b", "--x\r\n", "<html>", "<!--", "<!-->", "<!--->", "<!-- -- -->",
    "<!-- --->", "<!>", "<!a>", "<!ELEMENT a ANY>", "<![CDATA[", "<![IGNORE[ ]]>", "<?", "<?>", "<? ?>", "<?xml?>", "<?xml ?>", "<?XML?>")})

MORE = {
    "a bare ampersand": "a & b", "an unknown entity": "&nbsp;", "an entity without its end": "&amp", "an empty entity": "&;",
    "a reference to NUL": "&#0;", "a reference to U+0001": "&#1;", "a reference to a surrogate": "&#xD800;",
    "a reference to U+FFFE": "&#xFFFE;", "a reference beyond all": "&#x110000;", "a reference that wraps": "&#4294967361;",
    "a reference of 10,000 digits": "&#" + "9" * 10000 + ";", "an empty reference": "&#;", "an empty hex reference": "&#x;",
    "a reference of no number": "&#a;", "a hex reference of no number": "&#xg;", "a big X": "&#X41;", "a negative reference": "&#-1;",
    "]]> in the text": "<A>]]></A>", "a comment with --": "<!-- a -- b -->", "a comment that ends in --->": "<!-- a --->",
    "a comment without its end": "<!-- a ->", "CDATA without its end": "<![CDATA[ a ]>", "CDATA in small letters": "<![cdata[a]]>",
    "CDATA with a blank": "<! [CDATA[a]]>", "a tag without a name": "<>", "an end tag without a name": "</>", "an end tag alone": "</A>",
    "an end tag with an attribute": "<A></A b='c'>", "an end tag that is empty": "<A></A/>", "a tag crossed": "<A><B></A></B>",
    "a tag that differs in case": "<A></a>", "a blank before the name": "< A/>", "a slash too much": "<A//>",
    "an attribute without a value": "<A b/>", "an attribute without quotes": "<A b=c/>", "an attribute in two kinds of quotes": "<A b='c\"/>",
    "an attribute twice": "<A b='1' b='2'/>", "attributes without a blank between": "<A b='1'c='2'/>", "< in an attribute": "<A b='<'/>",
    "& in an attribute": "<A b='&'/>", "an attribute of no name": "<A ='1'/>", "an attribute that begins with a digit": "<A 1='1'/>",
    "two equal signs": "<A b=='1'/>", "a name that begins with a digit": "<1A/>", "a name that begins with a dot": "<.A/>",
    "a name that begins with a combining sign": "<\u0300A/>", "a name with a slash": "<A/B/>", "a name with a bracket": "<A[B/>",
    "a name with a tilde": "<A~/>", "a name with U+00D7": "<A×/>", "a name of an emoji": "<\U0001f600\uffff/>",
    "an unbound prefix": "<x:A/>", "an unbound attribute prefix": "<A x:b='1'/>", "an empty prefix": "<:A/>", "an empty local name": "<x: xmlns:x='u'/>",
    "two colons": "<a:b:c xmlns:a='u'/>", "a prefix bound to nothing": "<x:A xmlns:x=''/>", "xmlns as a prefix": "<xmlns:A/>",
    "the prefix xmlns bound": "<A xmlns:xmlns='u'/>", "the prefix xml bound to another": "<A xmlns:xml='u'/>",
    "xml's namespace under another prefix": "<A xmlns:x='http://www.w3.org/XML/1998/namespace'/>",
    "xmlns's namespace": "<A xmlns:x='http://www.w3.org/2000/xmlns/'/>",
    "one name by two prefixes": "<A xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>", "a namespace twice": "<A xmlns:x='u' xmlns:x='v'/>",
    "a processing instruction": "<?php system('id') ?>", "an XML declaration within": '<?xml version="1.0"?>', "a stylesheet": "<?xml-stylesheet href='x'?>",
    "a DOCTYPE within": "<!DOCTYPE x>", "an ELEMENT within": "<!ELEMENT x ANY>", "an ENTITY within": "<!ENTITY x 'y'>", "a conditional section": "<![INCLUDE[ x ]]>",
    "65 levels": "<d>" * 61 + "</d>" * 61, "9,000 levels": "<d>" * 9000, "257 attributes": "<A " + " ".join(f'a{i}="1"' for i in range(257)) + "/>",
    "4,000 attributes": "<A " + " ".join(f'a{i}="1"' for i in range(4000)) + "/>", "5,000 namespaces": "<A " + " ".join(f'xmlns:a{i}="u"' for i in range(3000)) + "/>",
    "a namespace in each of 300 elements": "<A xmlns:a='u'/>" * 300, "a bell": "\x07", "an escape": "\x1b[2J", "a NUL": "\0", "a form feed": "\x0c", "a U+FFFF": "\uffff", "a U+FFFE": "\ufffe",
}
add(400, {f"{k} in a report": rpt(v) for k, v in MORE.items()})
add(400, {f"{k} in a report in utf-16": utf16(rpt(MORE[k])) for k in (
    "a bare ampersand", "an unknown entity", "a tag crossed", "an unbound prefix", "a processing instruction", "a DOCTYPE within", "65 levels", "a NUL", "a U+FFFF")})

SUBSETS = {
    "nothing": "", "a public name": 'PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://127.0.0.1:9/x.dtd"', "a file": 'SYSTEM "file:///etc/passwd"',
    "an entity": '[<!ENTITY a "b">]', "a file's entity": '[<!ENTITY a SYSTEM "file:///etc/passwd">]',
    "an entity of the network": '[<!ENTITY a SYSTEM "http://127.0.0.1:9/">]', "a parameter entity": '[<!ENTITY % a SYSTEM "http://127.0.0.1:9/">%a;]',
    "a billion laughs": "[" + '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10)) + "]",
    "a quadratic blow-up": '[<!ENTITY a "' + "x" * 30000 + '">]', "an entity of itself": '[<!ENTITY a "&a;">]', "a default attribute": '[<!ATTLIST Report x CDATA "y">]',
    "a notation": '[<!NOTATION n SYSTEM "x">]', "an expect entity": '[<!ENTITY a SYSTEM "expect://id">]', "a PHP entity": '[<!ENTITY a SYSTEM "php://filter/x">]',
}
add(400, {f"a DOCTYPE of {k}": f"{DECLARED}<!DOCTYPE Report {v}>" + rpt("&a;" if "ENTITY a " in v else "&a9;" if "a9" in v else "") for k, v in SUBSETS.items()})
add(400, {
    "a DOCTYPE in utf-16": utf16('<!DOCTYPE Report [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + rpt("&a;")),
    "a DOCTYPE behind a comment": "<!-- x -->\n<!DOCTYPE Report>" + rpt(),
    "a DOCTYPE in small letters": "<!doctype Report>" + rpt(),
    "a DOCTYPE behind the root": rpt() + "<!DOCTYPE Report>",
    "a DOCTYPE without its end": "<!DOCTYPE Report [" + rpt(),
    "a processing instruction before": "<?x?>" + rpt(),
    "a processing instruction behind": rpt() + "<?x y?>",
})

# --- the declaration and the coding ------------------------------------------------

add(400, {f"the declaration {d!r}": rpt(declaration=d) for d in (
    '<?xml version="1.1"?>', '<?xml version="2.0"?>', '<?xml version=""?>', "<?xml version=1.0?>", '<?xml encoding="UTF-8"?>',
    '<?xml encoding="UTF-8" version="1.0"?>', '<?xml version="1.0" version="1.0"?>', '<?xml version="1.0"encoding="UTF-8"?>',
    '<?xml version="1.0" encoding=""?>', '<?xml version="1.0" standalone="maybe"?>', '<?xml version="1.0" standalone="yes" encoding="UTF-8"?>',
    '<?xml version="1.0" x="y"?>', '<?xml version="1.0">', '<?xml version="1.0"', '<?XML version="1.0"?>', '<?xml\x0bversion="1.0"?>',
    "<?xml version='1.0\"?>", '<?xml version="1.0"? >')})
add(400, {f"the encoding {e}": rpt(declaration=f'<?xml version="1.0" encoding="{e}"?>') for e in (
    "ISO-8859-1", "windows-1252", "US-ASCII", "UTF-7", "UTF-32", "UCS-4", "EBCDIC-CP-US", "IBM037", "Shift_JIS", "GB18030", "ISO-2022-JP", "HZ",
    "../../../tmp/x", "UTF-8//TRANSLIT", "UTF8", "UTF_8", "utf-8 ", " utf-8", "UTF-16,UTF-8", "x" * 5000, "%n%n", "UTF-8\ud7ff")})
add(400, {
    "a blank before the declaration": " " + rpt(declaration=DECLARED),
    "a comment before the declaration": "<!-- -->" + rpt(declaration=DECLARED),
    "two declarations": DECLARED + rpt(declaration=DECLARED),
    "two marks": codecs.BOM_UTF8 * 2 + rpt().encode(),
    "a mark alone": codecs.BOM_UTF16_LE,
    "the mark of utf-16 before utf-8": codecs.BOM_UTF16_LE + rpt().encode(),
    "the mark of utf-8 before utf-16": codecs.BOM_UTF8 + rpt().encode("utf-16-le"),
    "the mark of the other order": codecs.BOM_UTF16_BE + rpt().encode("utf-16-le"),
    "utf-16 and an odd byte": utf16(rpt()) + b"x",
    "utf-16 that loses a byte": utf16(rpt())[:301] + utf16(rpt())[302:],
    "utf-16 with a high surrogate alone": utf16(rpt("@")).replace(b"@\0", b"\x00\xd8"),
    "utf-16 with a low surrogate alone": utf16(rpt("@")).replace(b"@\0", b"\x00\xdc"),
    "utf-16 with surrogates the wrong way round": utf16(rpt("@@")).replace(b"@\0@\0", b"\x00\xdc\x00\xd8"),
    "utf-16 that ends in half a pair": utf16(rpt() + "@").replace(b"@\0", b"\x3d\xd8"),
    "utf-16 with a NUL within": utf16(rpt("\0")),
    "utf-32": rpt().encode("utf-32"),
    "utf-32le": rpt().encode("utf-32-le"),
    "utf-32be": rpt().encode("utf-32-be"),
    "utf-7": b"+ADw-" + rpt().encode()[1:],
    "EBCDIC": rpt(declaration=DECLARED).encode("cp037"),
    "Latin-1": rpt("<A>ä</A>").encode("latin-1"),
    "gzip": __import__("gzip").compress(rpt().encode()),
    "NUL and a second report": rpt().encode() + b"\0" + rpt().encode(),
    "NUL and text": rpt().encode() + b"\0\0x",
    "text behind the root in utf-16": utf16(rpt() + "x"),
    "two reports": rpt() + rpt(),
})
add(400, {f"the bytes {b!r} in utf-8": rpt("<A>@</A>").encode().replace(b"@", b) for b in (
    b"\x80", b"\xbf", b"\xc0\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xc2", b"\xc2\x20", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xe2\x82",
    b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80", b"\xef\xbf\xbe", b"\xef\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf",
    b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xfe", b"\xff", b"\xf0\x9f\x98")})

# --- well-formed, and no report -------------------------------------------------------

TOPIC = '<Topic ID="{0D94311F-CB7B-4E73-94B1-75878081111C}" Type="800" IDType="0" User="" UserSID=""/>'
STATE = '<State ID="100" Criticality="0"/>'
add(400, {
    "an empty root": "<Report/>", "another root": "<a/>", "SOAP": '<s:Envelope xmlns:s="urn:s"><s:Body/></s:Envelope>',
    "a report in a root": f"<a>{rpt()}</a>", "a prefixed report of another namespace": '<x:Report xmlns:x="u"><ReportHeader/></x:Report>',
    "no Machine": document("", state_message(), ""), "no StateMessage": document(machine(), "", ""),
    "no Topic": swap(TOPIC, ""), "two Topics": swap(TOPIC, TOPIC * 2), "no State": swap(STATE, ""), "two States": swap(STATE, STATE * 2),
    "a Topic in another namespace": swap("<Topic", '<Topic xmlns="u"'), "a Topic too deep": swap(TOPIC, f"<a>{TOPIC}</a>"),
    "a Machine in a comment": document(f"<!--{machine()}-->", state_message(), ""),
    "a Machine in CDATA": document(f"<![CDATA[{machine()}]]>", state_message(), ""),
    "a Type by prefix": swap('Type="800"', 'xmlns:x="u" x:Type="800"'),
    "1,025 StateMessages": document(machine(), '<StateMessage><Topic Type="1"/><State ID="1"/></StateMessage>' * 1025, ""),
})
add(400, {f"the Topic Type {v!r}": swap('Type="800"', f'Type="{v}"') for v in (
    "", "x", "-1", "+800", " 800", "800 ", "8 00", "0x320", "800.0", "8e2", "٨٠٠", "９", "9" * 19, "9" * 5000, "&#56;00x", "800\u200b", "1,000")})
add(403, {
    "a client of SMS 2003": rpt(version="2.50.4160.2000"),
    "a client of version 0": rpt(version="0"),
    "a client of version 3.99999999999999999999": rpt(version="3.99999999999999999999"),
})
