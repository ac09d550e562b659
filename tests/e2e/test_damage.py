"""A ledger that is not what was written: nothing is sent twice, nothing is dropped that can be told, nothing aborts."""
import shutil
import sqlite3
import struct

from fsp import PATH, wait_until
from messages import body

WAL_HEADER, FRAME_HEADER = 32, 24


def commits(ledger):
    """Where each transaction of the WAL ends, oldest first."""
    data = ledger.with_name("ledger.db-wal").read_bytes()
    size = FRAME_HEADER + struct.unpack(">I", data[8:12])[0]
    return [at + size for at in range(WAL_HEADER, len(data) - size + 1, size)
            if data[at + 8:at + 16] == data[16:24] and struct.unpack(">I", data[at + 4:at + 8])[0]]


def deliveries(ledger, folder, length):
    """What a ledger whose WAL is cut there says of its messages."""
    folder.mkdir(exist_ok=True)
    (folder / "ledger.db").write_bytes(ledger.read_bytes())
    (folder / "ledger.db-wal").write_bytes(ledger.with_name("ledger.db-wal").read_bytes()[:length])
    db = sqlite3.connect(folder / "ledger.db")
    try:
        return [delivery for delivery, in db.execute("SELECT delivery FROM message")]
    finally:
        db.close()


def forget(fsp, delivery):
    """The WAL ends with the last transaction after which all three messages are in this state, as in a power cut."""
    ends = commits(fsp.ledger)
    end = max(e for e in ends if deliveries(fsp.ledger, fsp.folder / "copy", e) == [delivery] * 3)
    assert end < ends[-1]
    with open(fsp.ledger.with_name("ledger.db-wal"), "r+b") as wal:
        wal.truncate(end)


def forget_and_start(fsp, delivery):
    fsp.accept(*(body() for _ in range(3)))
    assert fsp.forward() == (3, 3, 0)
    for path in fsp.inbox.iterdir():  # the site server
        path.unlink()
    fsp.kill()
    forget(fsp, delivery)
    fsp.start()
    fsp.forward()


def test_a_ledger_that_forgot_that_messages_were_staged_and_sent_sends_none_again(fsp):
    forget_and_start(fsp, 0)
    assert fsp.delivered() == {}
    assert fsp.status()["quarantined"] == 3
    # By order they go, and that is no new loss.
    ids = [row["id"] for row in fsp.rows()]
    assert fsp.ctl("requeue", *ids).returncode == 0
    fsp.kill()
    fsp.start()
    wait_until(lambda: fsp.forward() and fsp.status()["staged"] == 0, what="an empty staging")
    assert (len(fsp.delivered()), fsp.status()["quarantined"]) == (3, 0)


def test_a_ledger_that_forgot_that_messages_were_sent_sends_none_again(fsp):
    forget_and_start(fsp, 1)
    assert fsp.delivered() == {}
    assert fsp.status()["quarantined"] == 3


def test_a_row_in_a_state_that_nobody_wrote_is_damage_and_no_message_is_dropped(fsp):
    """SQLite takes any number for a state; the row's seal does not fit it."""
    fsp.inbox.rename(fsp.folder / "away")
    sent = [body() for _ in range(3)]
    fsp.accept(*sent)
    wait_until(lambda: [row["delivery"] for row in fsp.rows()] == ["staged"] * 3, what="their files")
    fsp.kill()
    db = sqlite3.connect(fsp.ledger)
    db.execute("UPDATE message SET delivery = 3 - delivery WHERE seq = 1")  # staged, and now copied
    db.commit()
    db.close()
    (fsp.folder / "away").rename(fsp.inbox)
    fsp.start()
    fsp.forward()
    kept = [path.read_bytes() for path in (fsp.staging / "corrupt").iterdir()]
    assert sorted([*fsp.delivered().values(), *kept]) == sorted(sent)
    assert list(fsp.ledger.parent.glob("ledger.db.damaged-*"))


def test_a_requeued_message_is_no_lost_commit(fsp):
    content = body()
    fsp.accept(content)
    fsp.expect_delivered(content)
    fsp.inbox.rename(fsp.folder / "away")
    assert fsp.ctl("requeue", fsp.rows()[0]["id"]).returncode == 0
    fsp.kill()
    fsp.start()
    assert (fsp.status()["staged"], fsp.status()["quarantined"]) == (1, 0)


def test_one_bit_in_the_words_of_the_schema_costs_no_message(fsp):
    contents = [body() for _ in range(3)]
    fsp.inbox.rmdir()
    fsp.accept(*contents)
    fsp.stop()
    for path in fsp.staging.glob("*.SMX"):
        path.unlink()  # the ledger alone has them
    data = fsp.ledger.read_bytes()
    assert data.count(b"seq INTEGER PRIMARY KEY, name_ms") == 1
    fsp.ledger.write_bytes(data.replace(b"seq INTEGER PRIMARY KEY, name_ms", b"seq INTEGER PRIMARY KEY, nAme_mr"))
    fsp.inbox.mkdir()
    fsp.start()
    assert "is damaged; it is set aside" in fsp.log_bytes().decode()
    # One that was staged, and has no file, may have been sent; but nothing is lost.
    wait_until(lambda: fsp.forward() and fsp.status()["staged"] == 0, what="an empty staging")
    kept = list(fsp.delivered().values()) + [p.read_bytes() for p in (fsp.staging / "corrupt").iterdir()]
    assert sorted(kept) == sorted(contents)


def test_a_half_written_file_whose_row_is_lost_is_kept_for_a_person(make_fsp):
    fsp = make_fsp(start=False)
    content = body()
    (fsp.staging / "20240115T094512000Z-0001-00000007.tmp").write_bytes(content)
    fsp.start()
    assert fsp.status()["quarantined"] == 1
    assert [p.read_bytes() for p in (fsp.staging / "corrupt").iterdir()] == [content]
    assert fsp.delivered() == {}


def test_a_row_with_a_name_that_cannot_be_is_told_and_aborts_nothing(fsp):
    contents = [body(), body()]
    fsp.accept(*contents)
    fsp.expect_delivered(*contents)
    first = fsp.rows()[1]["id"]
    fsp.stop()
    for value in (1 << 60, -5):
        db = sqlite3.connect(fsp.ledger)
        db.execute("UPDATE message SET name_ms = ? WHERE seq = 1", (value,))
        db.commit()
        db.close()
        for command in (["messages"], ["messages", "--json"], ["export", "--since", first], ["clients"]):
            result = fsp.ctl(*command)
            assert result.returncode in (0, 1), result
        result = fsp.ctl("messages")
        assert result.returncode == 1 and "damaged" in result.stderr, result
    fsp.start()
    assert fsp.post(contents[0], path=PATH).status == 200  # a duplicate of the damaged one
    assert fsp.running()


def test_a_staging_folder_that_was_removed_is_told_and_no_message_is_lost(fsp):
    content = body()
    shutil.rmtree(fsp.staging)
    fsp.accept(content)
    status = wait_until(lambda: (s := fsp.status())["availability"] == "warning" and s, what="the warning")
    assert "cannot be written to staging" in status["reasons"][0], status
    fsp.restart()
    wait_until(lambda: list(fsp.delivered().values()) == [content], what="the message in the inbox")
    assert fsp.status()["availability"] == "online"
