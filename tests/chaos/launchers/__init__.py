"""Ways to start an edge or a worker with something wrapped, put in or taken out.

    python -m tests.chaos.launchers points+no_fence worker --name w1

Each module has an `apply()` that changes the process before the ordinary command runs in it; no production setting can
do any of this.

    points         pause points: where a process may kill or stop itself (`tests.chaos.harness.points`)
    early_answer   (edge) a start is answered by the edge itself, before it is appended
    no_superseding (edge) a station's older socket is left open
    no_gate        (edge) sockets stay open whoever answers or does not
    no_deadline    (edge) a command is written however late it is
    no_order       (edge) a command is written before what came with it is known
    no_return      (edge) a close is not said to be Ampstream's own
    no_write_limit     (edge) a station may take nothing for ever
    no_unsent_limit    (edge) the kernel takes megabytes that no station reads
    no_business_keys   (worker) a repeated start is not recognised
    no_claims          (worker) entries of dead workers are left alone
    no_derived_ids     (worker) a job's command to a station has a new id each time that it is asked for
    no_emission        (worker) a duplicate's stored outcome is not sent out
    no_fence           (worker) the commit does not look at the fence
    no_token           (worker) the commit does not look at the version token
    no_epochs          (worker) an old socket's end counts as the station's
    no_hold            (worker) deadlines that passed while nobody could speak are believed
    no_single_step     (worker) a job appends a station's request before it takes the station from its place
    short_pause        (worker) what no setting scales: how late a sweep notices that it was paused
    own_time           (worker) the sweep believes the process's clock
    no_sweep           (worker) passed presence deadlines are not looked at
    no_quarantine      (worker) a poison entry is tried for ever
    no_atomicity       (worker) a commit is two commands instead of one script
    site_points        (worker) points of a site's rounds
    clock_fast     (edge, worker) the process's clock is ten minutes fast; clock_slow: slow
    defect             (worker) a payload whose handler raises
    poison             (worker) the fault of F26: a payload that kills the process in its handler
"""
