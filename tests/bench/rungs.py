"""The ladder of least servers, from one that only takes messages to one that does as much as fspd.

Each does what the one before does and one thing more, but for door and ledger, which have one each
(rungs.c); fspd, which has both, stands among them.
"""
import os
import struct
import urllib.request

import peers
from peers import BenchError, wait_until

FILES_SECONDS = 300
MESSAGE = (b'<Report><ReportHeader><Identification><Machine/></Identification></ReportHeader><ReportBody><StateMessage>'
           b'<Topic Type="800"/><State ID="100"/></StateMessage></ReportBody></Report>')


class Rung(peers.Ceiling):
    """The ceiling, and fspd's own steps up to that of its name."""
    program = "rungs"
    burst_factor = 1

    def start(self):
        os.mkdir(self.path("staging"))
        config = self.write("fspd.ini", peers.FSPD_INI.format(folder=self.folder))
        return self.serve(self.name, config)

    def held(self):
        """How many messages it has on disk."""
        raise NotImplementedError

    def settle(self, accepted, refused=0):
        held = self.held()
        if held != accepted:
            raise BenchError(f"{self.name} answered {accepted} and holds {held}")


class Read(Rung):
    """Reads and judges the message; nothing is kept."""
    name = "read"

    def settle(self, accepted, refused=0):
        pass


class Pack(Read):
    name = "pack"


class Flat(Rung):
    name = "flat"

    def held(self):
        count = 0
        with open(self.path("ledger.db"), "rb") as file:
            while head := file.read(8):
                file.seek(struct.unpack("=II", head)[0], os.SEEK_CUR)
                count += 1
        return count


class FlatTwice(Flat):
    name = "flat2"


class Row(Rung):
    name = "row"

    def held(self):
        return peers.query(self.path("ledger.db"), "SELECT count(*) FROM body")[0]


class RowTwice(Row):
    name = "row2"


class Door(Row):
    """Its last two messages are one and the same."""
    name = "door"
    url = ""

    def start(self):
        self.url = super().start()
        return self.url

    def settle(self, accepted, refused=0):
        super().settle(accepted)
        for _ in range(2):
            urllib.request.urlopen(self.url, MESSAGE, timeout=peers.START_SECONDS).close()
        super().settle(accepted + 1)


class DoorTwice(Door):
    name = "door2"


class Ledger(Row):
    name = "ledger"


class LedgerTwice(Row):
    name = "ledger2"


class Files(Flat):
    name = "files"
    makes_files = answers_first = True

    def settle(self, accepted, refused=0):
        super().settle(accepted)
        wait_until("files of all messages", FILES_SECONDS, lambda: self.output().endswith(f"\n{accepted}\n"))
        found = peers.count_files(self.path("staging"), ".SMX")
        if found != accepted:
            raise BenchError(f"{self.name} answered {accepted} and made {found} files")


RUNGS = {rung.name: rung for rung in (Read, Pack, Flat, FlatTwice, Row, RowTwice, Door, DoorTwice, Ledger, LedgerTwice, Files)}
SERVERS = peers.PEERS | RUNGS
LEAST = (Flat.name, FlatTwice.name, DoorTwice.name)  # of those that are durable, with one loop and with two
# What each does that those before it do not.
LADDER = {
    "ceiling": "takes the request; its body is thrown away",
    "read": "+ decode, scan, parse, judge",
    "pack": "+ digest, LZ4",
    "flat": "+ a writing thread; a flat file, one fdatasync for all who wait",
    "flat2": "flat with two loops",
    "row": "instead of the flat file one row of SQLite for each, one commit",
    "row2": "row with two loops",
    "door": "the one row behind fspd's own door: its rules, limits, quota, logs; no duplicate is kept",
    "door2": "door with two loops, each with limits of its own",
    "ledger": "without the door; instead of the one row fspd's ledger as it is",
    "ledger2": "ledger with two loops",
    "fspd": "door and ledger, and all else",
    "files": "flat, and afterwards a file for each, one syncfs for many",
}
