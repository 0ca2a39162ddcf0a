"""The command line: it may import everything, nothing imports it.

- `cli`: the `ampstream` command; its sub-commands are imported only when they are called
- `serve`: `edge` and `worker`, the processes of production; `loop` picks their event loop
- `configured`: settings from the environment and the command line, with errors for people
- `settings_command`: `settings`, the effective configuration
- `up`: a whole Ampstream on this machine, supervised
- `doctor`: checks of Redis and of this machine; `health`: asks a running process
- `operator_token`: the first token of the API; `token_command`: `token`, which makes it
- `simulate`, `bench`: stations in the wheel, and the measured load
- `operator`: `stations`, `transactions`, `tags`, `quarantine`, `events` and `tail`, over the REST API
"""
