"""Runs a command that must not outlive its parent: `guard.py LIFE LOCK GRACE COMMAND...`.

The parent holds the write end of the pipe LIFE; however it dies, the kernel closes that end. This script forks a
watcher and then becomes the command, so that the command keeps the process id that the parent knows. The watcher ends
the command when LIFE closes: SIGTERM, and SIGKILL after GRACE seconds. It holds LOCK as long as it lives, so that the
next `ampstream up` on the same data waits until nothing of the last one runs.

It runs as a plain script with nothing imported: it is started for every process, and stays as its watcher.
"""

import os
import select
import signal
import sys


def main(arguments: list[str]) -> None:
    """Fork the watcher and become the command; exits with 127 where the command cannot be run."""
    life, lock, grace, command = int(arguments[0]), int(arguments[1]), float(arguments[2]), arguments[3:]
    target = os.getpid()
    alive, held_by_target = os.pipe()
    if os.fork() == 0:
        os.close(held_by_target)
        _watch(target, life, alive, grace)
        os._exit(0)
    # The command inherits only the pipe whose closing tells the watcher that it is gone.
    for descriptor in (life, lock, alive):
        os.set_inheritable(descriptor, False)
    os.set_inheritable(held_by_target, True)
    try:
        os.execv(command[0], command)  # noqa: S606  # no shell is the point
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        os._exit(127)


def _watch(target: int, life: int, alive: int, grace: float) -> None:
    gone, _, _ = select.select([life, alive], [], [])
    if alive in gone:
        return
    # While the target lives it is this process's parent, so its id cannot have passed to another process.
    for number in (signal.SIGTERM, signal.SIGKILL):
        if os.getppid() == target:
            os.kill(target, number)
        if select.select([alive], [], [], grace)[0]:
            return


if __name__ == "__main__":
    main(sys.argv[1:])
