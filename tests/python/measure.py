"""Runs a command and says what it cost: wall clock, CPU of user and system, peak memory, exit code.

Usage: measure.py RESULT.json COMMAND [ARGUMENT...]. Peak memory is read from /proc while the command runs: what wait4
reports would be at least that of this interpreter, which the command is started from.
"""

import json
import os
import re
import sys
import threading
import time


def watch(pid, peak, done):
    """Keeps the highest peak memory in kB that was seen."""
    while not done.wait(0.005):
        try:
            with open(f"/proc/{pid}/status", encoding="ascii") as status:
                found = re.search(r"VmHWM:\s+(\d+)", status.read())
        except (FileNotFoundError, ProcessLookupError):
            return
        if found:
            peak[0] = max(peak[0], int(found.group(1)))


def main():
    result, *command = sys.argv[1:]
    peak, done = [0], threading.Event()
    start = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ)
    watcher = threading.Thread(target=watch, args=(pid, peak, done))
    watcher.start()
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    done.set()
    watcher.join()
    code = os.waitstatus_to_exitcode(status)
    measured = {
        "wall_s": wall,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_kb": peak[0],
        "code": code,
    }
    with open(result, "w", encoding="ascii") as file:
        json.dump(measured, file)


main()
