"""Ways to start an edge or a worker with something wrapped, put in or taken out.

    python -m tests.chaos.launchers points+no_fence worker --name w1

Each module has an `apply()` that changes the process before the ordinary command runs in it; no production setting can
do any of this.

    points         pause points: where a process may kill or stop itself (`tests.chaos.harness.points`)
    early_answer   (edge) a start is answered by the edge itself, before it is appended
    no_superseding (edge) a station's older socket is left open
    no_business_keys   (worker) a repeated start is not recognised
    no_claims          (worker) entries of dead workers are left alone
    no_emission        (worker) a duplicate's stored outcome is not sent out
    no_fence           (worker) the commit does not look at the fence
    no_token           (worker) the commit does not look at the version token
    no_sweep           (worker) passed presence deadlines are not looked at
    no_quarantine      (worker) a poison entry is tried for ever
    no_atomicity       (worker) a commit is two commands instead of one script
    defect             (worker) a payload whose handler raises
    poison             (worker) the fault of F26: a payload that kills the process in its handler
"""
