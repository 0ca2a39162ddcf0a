"""Probes: what a station's smart charging really does, found by trying, and always restored.

battery.py      all checks in order; what is next after the evidence so far (pure)
hand.py         what a check works with: steps, answers, what the station should hold by now (pure)
basics.py       checks: purposes, kinds, units, validity      } pure: generators of steps
sizes.py        checks: levels, periods, small limits         }
clearing.py     checks: each way to clear                     }
drawing.py      checks: what is drawn, with a transaction     }
asking.py       what operators ask: begin, abort
running.py      one step after the other, from the evidence in section `pr`
restoring.py    the probe's profiles taken off, the wanted ones put back
concluding.py   the report, and what the model can do

What is under way is `Probing.run`: each command's end is decided from it, so any worker goes on where another one died.
"""
