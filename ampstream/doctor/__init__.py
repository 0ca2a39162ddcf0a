"""`ampstream doctor`: looks at Redis and at this machine, and says how to mend what is wrong.

- `finding`: the result of one check
- `redis_checks`: reachable, version, features, durability, write errors, memory, replicas, clock
- `host_checks`: descriptors, ports, the disk under the data, the libraries
- `file_checks`: where files lie that stations fetch and leave
- `command`: runs all of them and prints a table or JSON; `--rebuild` derives the indexes anew
"""
