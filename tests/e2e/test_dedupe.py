"""The same bytes again are answered 200 and staged once."""
import threading
import time

from messages import body, report
from fsp import wait_until


def test_the_same_bytes_again_are_taken_and_staged_once(fsp):
    content = body()
    fsp.accept(content, content, content)
    status = fsp.status()
    assert (status["staged"], status["duplicates"]) == (1, 2)
    fsp.expect_delivered(content)


def test_one_byte_of_difference_makes_another_message(fsp):
    a, b = report(mark="a", declaration="").encode(), report(mark="b", declaration="").encode()
    fsp.accept(a, b)
    fsp.expect_delivered(a, b)


def test_a_duplicate_is_known_after_it_was_forwarded(fsp):
    content = body()
    fsp.accept(content)
    fsp.expect_delivered(content)
    fsp.accept(content)
    assert fsp.forward() == (0, 0, 0)


def test_a_duplicate_is_known_after_a_restart(fsp):
    content = body()
    fsp.accept(content)
    fsp.restart()
    fsp.accept(content)
    fsp.kill()
    fsp.start()
    fsp.accept(content)
    wait_until(fsp.delivered, what="the message in the inbox")
    assert fsp.forward() == (0, 0, 0)
    assert list(fsp.delivered().values()) == [content]


def test_without_deduplication_each_copy_is_a_message(make_fsp):
    fsp = make_fsp({"policy": {"deduplicate": "0"}})
    content = body()
    fsp.accept(content, content)
    fsp.expect_delivered(content, content)


def test_the_time_of_deduplication_ends(make_fsp):
    fsp = make_fsp({"policy": {"deduplicate": "2s"}})
    content = body()
    fsp.accept(content)
    taken = time.monotonic()
    fsp.accept(content)
    assert fsp.status()["staged"] == 1 or time.monotonic() - taken >= 2

    def again():
        fsp.accept(content)
        return fsp.status()["staged"] == 2
    wait_until(again, 10, "a second copy", pause=0.5)
    assert time.monotonic() - taken >= 2


def test_the_same_bytes_from_many_clients_at_once_are_staged_once(fsp):
    content, statuses = body(), []
    gate = threading.Barrier(20)

    def client():
        with fsp.connect() as connection:
            gate.wait()
            statuses.append(connection.post(content).status)
    threads = [threading.Thread(target=client) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 20
    fsp.expect_delivered(content)


def test_a_refused_message_is_not_remembered_as_taken(make_fsp):
    fsp = make_fsp({"policy": {"topics": "1000"}})
    content = body(topic=800)
    assert fsp.post(content).status == 403
    fsp.configure({"policy": {"topics": "*"}})
    fsp.restart()
    fsp.accept(content)
    fsp.expect_delivered(content)
