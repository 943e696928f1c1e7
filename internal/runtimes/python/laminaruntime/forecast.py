"""What all workers will need, told by the first that has run the function's init."""

import os
import time

from .output import JSON_LOGS, encode_line, timestamp

# What is worth a line of the function's log: less is nobody's concern (chosen).
WORTH_MEMORY = 0.25  # of the function's memory, all workers together
WORTH_CPU = 1.0  # seconds, one worker


def tell(output, pid, count):
    """Logs a line if the workers' init is dear; nothing where the system does not say what it took."""
    limit = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or 0)
    try:
        cpu, own, shared = cpu_seconds(pid), private_mib(pid), resident_mib(os.getpid())
    except (OSError, ValueError, KeyError, IndexError):
        return
    total = shared + count * own
    if count < 2 or not limit or total < WORTH_MEMORY * limit and cpu < WORTH_CPU:
        return
    message = (
        f"The init of one of {count} workers took {cpu:.1f} s of CPU time and {own:.0f} MiB of memory of its own; "
        f"all {count} will take about {count * cpu:.1f} s and {total:.0f} MiB of the function's {limit} MiB"
    )
    level = "INFO"
    if total > limit:
        level = "WARN"
        message += ". That is more than there is: give the function more memory, or fewer invocations at once per environment"
    if JSON_LOGS:
        output.put(encode_line({"timestamp": timestamp(time.time()), "level": level, "message": message, "requestId": ""}))
    else:
        output.put(f"[{level}] {message}".encode())


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", "rb") as f:
        fields = f.read().rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def private_mib(pid):
    """Memory that the worker shares with nobody."""
    sizes = {}
    with open(f"/proc/{pid}/smaps_rollup", "rb") as f:
        for line in f.readlines()[1:]:
            name, size, *_ = line.split()
            sizes[name] = int(size)
    return (sizes[b"Private_Clean:"] + sizes[b"Private_Dirty:"]) / 1024


def resident_mib(pid):
    with open(f"/proc/{pid}/statm", "rb") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
