#!/usr/bin/env python3
"""Clients that never rest: each posts over a new connection, until standard input ends.  Says what they met."""
import json
import socket
import sys
import threading
import time

CLIENTS, PAUSE_S, PATIENCE_S = 4, 0.03, 30
BODY = """<Report><ReportHeader><Identification><Machine><ClientInstalled>1</ClientInstalled>
<NetBIOSName>LOAD%d</NetBIOSName></Machine></Identification></ReportHeader><ReportBody><StateMessage
SerialNumber="%d"><Topic ID="x" Type="800"/><State ID="100"/></StateMessage></ReportBody></Report>"""


def post(number, serial):
    """How one message fared: a status, or refused, or lost: taken, but not answered."""
    body = (BODY % (number, serial)).encode()
    try:
        client = socket.create_connection(("127.0.0.1", 80), timeout=PATIENCE_S)
    except ConnectionRefusedError:
        return "refused"
    with client:
        try:
            client.sendall(b"POST /SMS_FSP/.sms_fsp HTTP/1.1\r\nHost: fsp\r\nConnection: close\r\n"
                           b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            answer = client.recv(4096)
        except (ConnectionResetError, BrokenPipeError):
            return "lost"
    return answer.split(b" ")[1].decode() if answer.startswith(b"HTTP/1.1 ") else "lost"


def main():
    met, lock, stop = {}, threading.Lock(), threading.Event()

    def client(number):
        serial = 0
        while not stop.wait(PAUSE_S):
            serial += 1
            try:
                fared = post(number, serial)
            except OSError as fault:
                fared = f"{type(fault).__name__}: {fault}"
            with lock:
                met[fared] = met.get(fared, 0) + 1

    threads = [threading.Thread(target=client, args=(i,)) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    print(json.dumps({"seconds": time.monotonic() - started, "met": met}))


if __name__ == "__main__":
    main()
