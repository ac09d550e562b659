#!/usr/bin/env python3
"""What the kernel alone takes to rename N empty files from one folder into another on the same file system, in the
order they were made: the least that forwarding by renames can cost, without ledger, logs or contents.

    renames.py --work FOLDER [--counts 1000,100000,1200000] [--rounds 5] [--batch 65536]
"""
import argparse
import ctypes
import os
import statistics
import tempfile
import time

LIBC = ctypes.CDLL(None, use_errno=True)
FEW = 100_000  # below it a round is so short that it is repeated


def syncfs(fd):
    if LIBC.syncfs(fd) != 0:
        raise OSError(ctypes.get_errno(), "syncfs")


def name(number):
    return f"20261122T{number // 1000 % 1000000:06}{number % 1000:03}Z-A1B2-{number:08X}.xml"


def measure(work, count, batch):
    """Microseconds a file."""
    with tempfile.TemporaryDirectory(dir=work, ignore_cleanup_errors=True) as folder:
        for place in ("from", "to"):
            os.mkdir(f"{folder}/{place}")
        source, target = (os.open(f"{folder}/{place}", os.O_RDONLY | os.O_DIRECTORY) for place in ("from", "to"))
        try:
            for number in range(count):
                os.close(os.open(name(number), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640, dir_fd=source))
            syncfs(source)
            began = time.monotonic()
            for first in range(0, count, batch):
                for number in range(first, min(first + batch, count)):
                    os.rename(name(number), name(number), src_dir_fd=source, dst_dir_fd=target)
                syncfs(source)
            return (time.monotonic() - began) / count * 1e6
        finally:
            os.close(source)
            os.close(target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", required=True)
    parser.add_argument("--counts", default="1000,100000,1200000")
    parser.add_argument("--rounds", type=int, default=5, help="of less than 100,000")
    parser.add_argument("--batch", type=int, default=65536, help="files of one syncfs")
    arguments = parser.parse_args()
    print("| files | µs a file | of the first |\n|---:|---:|---:|")
    least = None
    for count in map(int, arguments.counts.split(",")):
        times = [measure(arguments.work, count, arguments.batch) for _ in range(arguments.rounds if count < FEW else 1)]
        median = statistics.median(times)
        least = least or median
        print(f"| {count:,} | {median:.1f} | {median / least:.2f} |", flush=True)


if __name__ == "__main__":
    main()
