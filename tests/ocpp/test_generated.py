"""The generated types: fresh, complete, paired, and on the right side."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from shared.ocpp import v2x, v16
from shared.ocpp.actions import actions_of
from shared.ocpp.lenient import type_info
from shared.ocpp.messages import Message, Request, response_type
from shared.ocpp.quirks import DEFAULTS, DROPPABLE
from shared.ocpp.v2x.strict201 import STRICT
from shared.ocpp.v16.messages import BootNotificationRequest, BootNotificationResponse, HeartbeatRequest
from shared.ocpp.versions import OCPP16, OCPP21, OCPP201, VERSIONS, Version
from tests.ocpp.schemas import cases
from tools import generate_ocpp_types as generator

ROOT = Path(__file__).resolve().parents[2]


def test_the_files_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    """What the generator would write is what stands in the repository."""
    assert generator.main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_file_is_found_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--check names each stale file, exits 1 and writes nothing; without it the file is written."""
    target = tmp_path / "enums.py"
    target.write_text("# GENERATED\n")
    monkeypatch.setattr(generator, "ROOT", tmp_path)
    monkeypatch.setattr(generator, "generate", lambda: {target: "# GENERATED anew\n"})
    assert generator.main(["--check"]) == 1
    said = capsys.readouterr()
    assert "stale: enums.py" in said.out
    assert "python -m tools.generate_ocpp_types" in said.err
    assert target.read_text() == "# GENERATED\n"
    assert generator.main([]) == 0
    assert target.read_text() == "# GENERATED anew\n"
    assert generator.main(["--check"]) == 0


def test_every_generated_file_says_so() -> None:
    """The first line of each generated file warns the reader."""
    for path in generator.generate():
        assert "GENERATED" in path.read_text("utf-8").splitlines()[0]


def test_every_schema_has_its_type() -> None:
    """78, 128 and 181 schemas have their types, and no type lacks its schema."""
    counts = [sum(case.version is version for case in cases()) for version in (OCPP16, OCPP201, OCPP21)]
    assert counts == [len(v16.MESSAGES), 2 * 64, len(v2x.MESSAGES)] == [78, 128, 181]
    assert {case.cls for case in cases() if case.version is OCPP21} == set(v2x.MESSAGES)


@pytest.mark.parametrize("version", VERSIONS.values(), ids=lambda v: v.name)
def test_every_action_has_its_senders(version: Version) -> None:
    """Each action goes to one side, but for DataTransfer, which goes to both."""
    actions = actions_of(version)
    assert actions.from_station | actions.from_csms == actions.requests.keys() | actions.unconfirmed.keys()
    assert actions.from_station & actions.from_csms == {"DataTransfer"}


def test_2_0_1_has_no_sends_and_64_actions() -> None:
    """The family holds more than 2.0.1 may say."""
    assert not actions_of(OCPP201).unconfirmed
    assert len(actions_of(OCPP201).requests) == 64
    assert list(actions_of(OCPP21).unconfirmed) == ["NotifyPeriodicEventStream"]


@pytest.mark.parametrize("cls", [*v16.MESSAGES, *v2x.MESSAGES], ids=lambda c: f"{c.__module__[12:15]}-{c.__name__}")
def test_every_request_knows_its_response(cls: type[Message]) -> None:
    """A request's response is the class of the same name, the one that its type says."""
    if issubclass(cls, Request):
        assert cls.__name__ == f"{cls.action}Request"
        assert cls.response.__name__ == f"{cls.action}Response"
        assert cls.__orig_bases__[0].__args__ == (cls.response,)  # type: ignore[attr-defined]
        assert response_type(cls) is cls.response


def test_the_strict_types_belong_to_their_messages() -> None:
    """The types that judge 2.0.1 bear the names of those that they judge for."""
    assert STRICT
    assert all(mine.__name__ == judge.__name__ for mine, judge in STRICT.items())


def test_the_tables_of_quirks_name_real_fields() -> None:
    """Each default stands for a required field of a class that exists, and each droppable class exists."""
    classes: dict[str, msgspec.inspect.StructType] = {}

    def collect(info: msgspec.inspect.Type) -> None:
        if isinstance(info, msgspec.inspect.StructType):
            classes[info.cls.__name__ + info.cls.__module__] = info
            for field in info.fields:
                collect(field.type)
        elif isinstance(info, msgspec.inspect.VarTupleType):
            collect(info.item_type)

    for cls in (*v16.MESSAGES, *v2x.MESSAGES):
        collect(type_info(cls))
    known = {
        (info.cls.__name__, field.encode_name) for info in classes.values() for field in info.fields if field.required
    }
    assert DEFAULTS.keys() <= known
    assert {info.cls.__name__ for info in classes.values()} >= DROPPABLE


def test_types_are_frozen_and_keep_absence_apart() -> None:
    """An absent field is None and is not written."""
    boot = BootNotificationRequest(charge_point_vendor="V", charge_point_model="M")
    assert boot.meter_type is None
    assert msgspec.json.encode(boot) == b'{"chargePointVendor":"V","chargePointModel":"M"}'
    with pytest.raises(AttributeError):
        boot.meter_type = "x"  # type: ignore[misc]


PAIRING = """
from shared.ocpp.messages import Request, R
from shared.ocpp.v16 import messages as m

def answer(request: Request[R], response: R) -> None: ...

def use(boot: m.BootNotificationRequest, beat: m.HeartbeatRequest) -> None:
    good = m.HeartbeatResponse(current_time="")
    answer(beat, good)
    answer(boot, good)
"""


def test_a_wrong_pairing_is_a_type_error(tmp_path: Path) -> None:
    """mypy refuses the response of another request, and that line only."""
    file = tmp_path / "pairing.py"
    file.write_text(PAIRING)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    lines = [line for line in done.stdout.splitlines() if "error" in line]
    assert len(lines) == 1, done.stdout + done.stderr
    assert "pairing.py:10" in lines[0]


def test_a_request_and_its_response_type_check() -> None:
    """The static type of a request's response is the class itself."""
    cls: type[BootNotificationResponse] = response_type(BootNotificationRequest)
    assert cls is BootNotificationResponse
    assert HeartbeatRequest.action == "Heartbeat"
