"""Every row of the XML table, sent to the real daemon."""
import collections

import pytest
from fsp import Fsp
from xml_table import ROWS


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The answer to each row; and how many messages are in the ledger at the end."""
    fsp = Fsp(tmp_path_factory.mktemp("xml"), {"listener": {"client_rate": "0", "max_message_size": "128K"}})
    fsp.start()
    try:
        with fsp.connect() as connection:
            replies = [connection.post(data) for _, data, _ in ROWS]
        stored = len({row["id"] for row in fsp.rows()})
        staged = fsp.status()["staged"]
        fsp.end()
    finally:
        if fsp.running():
            fsp.kill()
    return replies, stored, staged


def test_the_table_has_two_hundred_rows_that_differ():
    counts = collections.Counter(data for _, data, _ in ROWS)
    assert len(ROWS) >= 200 and counts.most_common(1)[0][1] == 1


@pytest.mark.parametrize("number", range(len(ROWS)), ids=[name for name, _, _ in ROWS])
def test_row(answers, number):
    reply, status = answers[0][number], ROWS[number][2]
    assert reply.status == status, reply
    if status == 200:
        assert reply.body == b""
    else:
        assert reply.reason_line()


def test_what_was_taken_is_stored_and_nothing_else(answers):
    _, stored, staged = answers
    assert stored == staged == sum(status == 200 for _, _, status in ROWS)
