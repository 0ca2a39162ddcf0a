"""Sessions under every interleaving of what several epochs report, against a model of a few lines."""

import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared import envelopes
from shared.bus import keys
from shared.envelopes import Kind
from shared.records.events import StationConnected, StationOffline
from tests.workers.harness import START_MS, World

EPOCHS = [START_MS + number for number in range(1, 5)]
STEPS = st.lists(
    st.tuples(st.sampled_from(("opened", "closed", "drained", "expired", "call")), st.sampled_from(EPOCHS)), max_size=40
)


class Model:
    """What must be true of the newest epoch: `open`, `reconnecting`, `gone` (closed) or `expired`."""

    def __init__(self) -> None:
        self.epoch = 0
        self.state = "never"

    def step(self, what: str, epoch: int) -> None:
        """Take in one report."""
        if epoch > self.epoch and what in ("opened", "call"):
            self.epoch, self.state = epoch, "open"
        elif epoch != self.epoch:
            return
        elif what == "closed" and self.state == "open":
            self.state = "gone"
        elif what == "drained" and self.state == "open":
            self.state = "reconnecting"
        elif what == "expired" and self.state in ("open", "reconnecting"):
            self.state = "expired"
        elif what == "call" and self.state == "expired":
            self.state = "open"

    @property
    def online(self) -> bool:
        """Whether the station counts as online."""
        return self.state in ("open", "reconnecting")


def apply(world: World, what: str, epoch: int, call_seq: int) -> None:
    """Let an entry of that kind and epoch be decided; expiry finds no presence key."""
    if what == "opened":
        body = envelopes.encode(envelopes.SessionOpened("ocpp1.6"))
        world.feed(world.entry(Kind.OPENED, body, epoch=epoch))
    elif what == "call":
        frame = b'[2,"1","Heartbeat",{}]'
        world.feed(world.entry(Kind.CALL, frame, epoch=epoch, call_seq=call_seq))
    elif what == "expired":
        world.expire(epoch=epoch)
    else:
        world.close(epoch=epoch, ours=what == "drained", reason=what)


@given(STEPS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_newest_epoch_alone_decides(steps: list[tuple[str, int]]) -> None:
    """However reports of several epochs interleave, state, index and events follow the newest epoch."""
    world, model = World(), Model()
    for number, (what, epoch) in enumerate(steps, 1):
        apply(world, what, epoch, number)
        model.step(what, epoch)
        session = world.view.session
        assert session.epoch == model.epoch
        assert (session.connection in ("open", "reconnecting")) == model.online
        assert ("CP1" in world.memory.data.get(keys.ONLINE, {})) == model.online
    told = [type(event) for event in world.events if isinstance(event, (StationConnected, StationOffline))]
    assert all(a is not StationOffline or b is not StationOffline for a, b in itertools.pairwise(told))
    assert (told[-1:] == [StationConnected]) == model.online
