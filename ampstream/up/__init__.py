"""`ampstream up`: a whole Ampstream on this machine, as real processes.

- `command`: the options, what is printed, the live line
- `plan`: options and environment -> which processes, with which command lines, ports and variables
- `provision`: makes the simulated stations known where unknown ones are rejected
- `selfmade`: an authority and certificates for `--tls`
- `supervisor`: all of them, from the first start to the last stop
- `child`: one process: start, health, restart with backoff, orderly end
- `guard`: the script under which a child runs, so that it dies with its parent
- `valkey`: the embedded server and its configuration
- `status`: what the live line shows, and where it reads that
- `lock`: one `up` per data directory, and a clear word about ports that are taken
"""
