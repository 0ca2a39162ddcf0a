"""`ampstream up`: a whole Ampstream on this machine, as real processes.

- `plan`: options and environment -> which processes, with which command lines, ports and variables
- `child`: one process: start, health, restart with backoff, orderly end; it dies with its parent
- `supervisor`: all of them, from the first start to the last stop
- `valkey`: the embedded server and its configuration
- `status`: what the live line shows, and where it reads that
- `lock`: one `up` per data directory, and a clear word about ports that are taken
"""
