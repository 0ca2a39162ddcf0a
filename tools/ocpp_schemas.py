"""Reads the JSON schemas of the `ocpp` package into a model of enums, data types and messages.

The 1.6 schemas nest anonymous objects and enums: `NAMES_16` and `ENUMS_16` give them the names of the specification
(OCPP 1.6 §6, §7), by property. The 2.x schemas name theirs. Anything unforeseen (an unknown keyword, two different
types under one name) is an error here, so that a new release of the schemas is looked at by somebody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.resources import files
from typing import Any

Schema = dict[str, Any]
CheckTuple = tuple[tuple[str, ...], str, tuple[str, ...]]

NAMES_16 = {
    "chargingProfile": "ChargingProfile",
    "chargingSchedule": "ChargingSchedule",
    "chargingSchedulePeriod": "ChargingSchedulePeriod",
    "configurationKey": "KeyValue",
    "csChargingProfiles": "ChargingProfile",
    "idTagInfo": "IdTagInfo",
    "localAuthorizationList": "AuthorizationData",
    "meterValue": "MeterValue",
    "sampledValue": "SampledValue",
    "transactionData": "TransactionData",
}
# StopTransaction allows an empty sampledValue where MeterValues wants one: a subtype that overrides the field, so that
# code which takes a MeterValue takes either.
SUBTYPES = {"TransactionData": "MeterValue"}
ENUMS_16 = {
    "BootNotificationResponse.status": "RegistrationStatus",
    "CancelReservationResponse.status": "CancelReservationStatus",
    "ChangeAvailability.type": "AvailabilityType",
    "ChangeAvailabilityResponse.status": "AvailabilityStatus",
    "ChangeConfigurationResponse.status": "ConfigurationStatus",
    "ClearCacheResponse.status": "ClearCacheStatus",
    "ClearChargingProfileResponse.status": "ClearChargingProfileStatus",
    "DataTransferResponse.status": "DataTransferStatus",
    "DiagnosticsStatusNotification.status": "DiagnosticsStatus",
    "FirmwareStatusNotification.status": "FirmwareStatus",
    "GetCompositeScheduleResponse.status": "GetCompositeScheduleStatus",
    "IdTagInfo.status": "AuthorizationStatus",
    "RemoteStartTransactionResponse.status": "RemoteStartStopStatus",
    "RemoteStopTransactionResponse.status": "RemoteStartStopStatus",
    "ReserveNowResponse.status": "ReservationStatus",
    "Reset.type": "ResetType",
    "ResetResponse.status": "ResetStatus",
    "SendLocalListResponse.status": "UpdateStatus",
    "SetChargingProfileResponse.status": "ChargingProfileStatus",
    "StatusNotification.status": "ChargePointStatus",
    "TriggerMessageResponse.status": "TriggerMessageStatus",
    "UnlockConnectorResponse.status": "UnlockStatus",
    "chargingProfileKind": "ChargingProfileKindType",
    "chargingProfilePurpose": "ChargingProfilePurposeType",
    "chargingRateUnit": "ChargingRateUnitType",
    "context": "ReadingContext",
    "errorCode": "ChargePointErrorCode",
    "format": "ValueFormat",
    "location": "Location",
    "measurand": "Measurand",
    "phase": "Phase",
    "reason": "Reason",
    "recurrencyKind": "RecurrencyKindType",
    "requestedMessage": "MessageTrigger",
    "unit": "UnitOfMeasure",
    "updateType": "UpdateType",
}
# Where the rule for a Python name would read badly.
MEMBERS = {"SoC": "SOC", "kWh": "KWH", "kVA": "KVA"}
# Keywords, and what a message class uses itself.
TAKEN = {"from": "from_", "action": "action_"}
# JSON schema keywords that carry no verdict, and those that do.
SILENT = "$schema $id title description comment javaType definitions format default"
VERDICT = (
    "type properties required additionalProperties additionalItems items minItems maxItems maxLength enum minimum"
    " maximum multipleOf $ref"
)
KNOWN = frozenset(f"{SILENT} {VERDICT}".split())


@dataclass(frozen=True)
class Field:
    """A field; `type` is Python source."""

    name: str
    json_name: str
    type: str
    required: bool

    @property
    def renamed(self) -> bool:
        """Tell whether the JSON name is not what `rename="camel"` makes of the field's name."""
        head, *tail = self.name.split("_")
        return self.name in TAKEN.values() or head + "".join(part.capitalize() for part in tail) != self.json_name


@dataclass(frozen=True)
class Struct:
    """A data type or a message."""

    name: str
    doc: str
    fields: tuple[Field, ...]
    base: str = "Data"
    action: str = ""
    response: str = ""
    draft: int = 6
    checks: tuple[CheckTuple, ...] = ()

    @property
    def sort_key(self) -> str:
        """The name without its suffix."""
        return re.sub("(Request|Response)$", "", self.name)

    def without_actions(self) -> Struct:
        """Return the same fields as a plain data type."""
        return replace(self, base="Data", action="", response="", checks=())

    def mentions(self) -> set[str]:
        """Return the names in the fields' types."""
        return set(re.findall(r"\w+", " ".join((self.base, *(f.type for f in self.fields)))))


@dataclass(frozen=True)
class Enum:
    """An enumeration with its values in the schema's order."""

    name: str
    doc: str
    values: tuple[str, ...]

    def members(self) -> Iterator[tuple[str, str]]:
        """Yield (member name, value)."""
        names = [constant(value) for value in self.values]
        if len(set(names)) != len(names):
            raise SystemExit(f"two members of {self.name} would share a name: {names}")
        yield from zip(names, self.values, strict=True)


@dataclass
class Model:
    """All types of one version."""

    version: str
    names: dict[str, str] = field(default_factory=dict)
    enum_names: dict[str, str] = field(default_factory=dict)
    enums: dict[str, Enum] = field(default_factory=dict)
    structs: dict[str, Struct] = field(default_factory=dict)
    messages: dict[str, Struct] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    # (message, path, values) of every use of a named enum in 1.6, to find the uses that allow fewer values.
    uses: list[tuple[str, tuple[str, ...], str, tuple[str, ...]]] = field(default_factory=list)
    steps: list[tuple[str, tuple[str, ...], str]] = field(default_factory=list)

    def add_message(self, name: str, schema: Schema, action: str, response: str, base: str) -> None:
        """Add a message and all that it refers to."""
        for key, definition in schema.get("definitions", {}).items():
            self.add_definition(key, definition)
        draft = 4 if "draft-04" in schema["$schema"] else 6
        fields = self.fields(schema, schema, (name,))
        doc = f"{name} (OCPP {self.version})."
        self.messages[name] = Struct(name, doc, fields, base, action, response, draft)

    def add_definition(self, name: str, schema: Schema) -> None:
        """Add a named type of a 2.x schema (or of the security extension's)."""
        if "enum" in schema:
            self.add_enum(name, tuple(schema["enum"]))
        elif name != "CustomDataType":
            self.add_struct(name, schema, (name,))

    def add_enum(self, name: str, values: tuple[str, ...]) -> None:
        """Add an enum; the same name with other values becomes the union, and `narrowed` tells where fewer go."""
        known = self.enums.get(name)
        old = known.values if known else ()
        if known and not self.enum_names and known.values != values:
            raise SystemExit(f"two different enums are named {name}")
        self.enums[name] = Enum(name, f"{name} (OCPP {self.version}).", old + tuple(v for v in values if v not in old))

    def add_struct(self, name: str, schema: Schema, path: tuple[str, ...]) -> None:
        """Add a data type after those that it refers to."""
        fields = self.fields(schema, schema, path)
        struct = Struct(name, f"{name} (OCPP {self.version}).", fields, SUBTYPES.get(name, "Data"))
        if self.structs.setdefault(name, struct) != struct:
            raise SystemExit(f"two different data types are named {name}: {self.structs[name]} and {struct}")

    def fields(self, schema: Schema, owner: Schema, path: tuple[str, ...]) -> tuple[Field, ...]:
        """Return an object's fields."""
        if unknown := set(schema) - KNOWN:
            raise SystemExit(f"{path}: keywords {sorted(unknown)} are not understood")
        if owner.get("additionalProperties") is not False:
            raise SystemExit(f"{path}: an open object that is not CustomDataType")
        required = owner.get("required", [])
        return tuple(
            Field(snake(key), key, self.type_of(value, (*path, key)), key in required)
            for key, value in schema.get("properties", {}).items()
        )

    def type_of(self, schema: Schema, path: tuple[str, ...]) -> str:
        """Return the Python source of a schema's type."""
        if unknown := set(schema) - KNOWN:
            raise SystemExit(f"{path}: keywords {sorted(unknown)} are not understood")
        if "$ref" in schema:
            return str(schema["$ref"]).rpartition("/")[2]
        if "enum" in schema:
            return self.inline_enum(schema, path)
        match schema.get("type"):
            case None:
                return "Any"
            case "boolean":
                return "bool"
            case "string":
                return self.string(schema)
            case "integer" | "number":
                return self.number(schema, path)
            case "array":
                return self.array(schema, path)
            case "object":
                name = self.names[path[-1]]
                self.add_struct(name, schema, path)
                return name
        raise SystemExit(f"{path}: type {schema['type']} is not understood")

    def inline_enum(self, schema: Schema, path: tuple[str, ...]) -> str:
        """Name and add an anonymous enum of 1.6."""
        values = tuple(schema["enum"])
        owner = self.names.get(path[-2], path[-2]) if len(path) > 2 else path[-2].removesuffix("Request")
        name = self.enum_names.get(path[-1]) or self.enum_names[f"{owner}.{path[-1]}"]
        self.add_enum(name, values)
        self.uses.append((path[0], path[1:], name, values))
        return name

    def string(self, schema: Schema) -> str:
        """Return a string's type."""
        if (most := schema.get("maxLength")) is None:
            return "str"
        return self.alias(f"String{most}", f"Annotated[str, msgspec.Meta(max_length={most})]")

    def number(self, schema: Schema, path: tuple[str, ...]) -> str:
        """Return an integer's or number's type; a step becomes a check, which floats need."""
        plain, word = ("int", "Int") if schema["type"] == "integer" else ("float", "Number")
        if (step := schema.get("multipleOf")) is not None:
            self.steps.append((path[0], path[1:], str(step)))
        least, most = schema.get("minimum"), schema.get("maximum")
        bounds = [f"{k}={v:g}" for k, v in (("ge", least), ("le", most)) if v is not None]
        if not bounds:
            return plain
        span = f"From{least:g}" if most is None else f"To{most:g}" if least is None else f"{least:g}To{most:g}"
        return self.alias(word + span, f"Annotated[{plain}, msgspec.Meta({', '.join(bounds)})]")

    def array(self, schema: Schema, path: tuple[str, ...]) -> str:
        """Return an array's type, a tuple."""
        item = self.type_of(schema["items"], path)
        least, most = schema.get("minItems"), schema.get("maxItems")
        if least is None and most is None:
            return f"tuple[{item}, ...]"
        bounds = [f"{k}={v}" for k, v in (("min_length", least), ("max_length", most)) if v is not None]
        name = f"Array{least or 0}" + (f"To{most}" if most is not None else "")
        self.alias(name, f"Annotated[tuple[T, ...], msgspec.Meta({', '.join(bounds)})]")
        return f"{name}[{item}]"

    def alias(self, name: str, source: str) -> str:
        """Add a named constrained type."""
        if self.aliases.setdefault(name, source) != source:
            raise SystemExit(f"two aliases are named {name}")
        return name

    def attach_checks(self) -> None:
        """Give each message what its schema demands beyond the shared types."""
        checks: dict[str, list[CheckTuple]] = {}
        for message, path, step in self.steps:
            checks.setdefault(message, []).append((tuple(map(snake, path)), step, ()))
        for message, path, name, values in self.uses:
            if fewer := tuple(sorted(set(self.enums[name].values) - set(values))):
                checks.setdefault(message, []).append((tuple(map(snake, path)), "", fewer))
        for message, found in checks.items():
            self.messages[message] = replace(self.messages[message], checks=tuple(found))

    def sort_structs(self) -> None:
        """Order the data types so that each stands after those that it mentions."""
        done: dict[str, Struct] = {}

        def visit(name: str) -> None:
            if name in done or name not in self.structs:
                return
            for other in sorted(self.structs[name].mentions() - {name}):
                visit(other)
            done[name] = self.structs[name]

        for name in sorted(self.structs):
            visit(name)
        self.structs = done
        self.enums = dict(sorted(self.enums.items()))

    def changed_from(self, other: Model) -> set[str]:
        """Return the names of types that differ from the other model's, themselves or in what they mention."""
        changed = {name for name, enum in self.enums.items() if _values(other, name) != set(enum.values)}
        mine, theirs = {**self.structs, **self.messages}, {**other.structs, **other.messages}
        changed |= {n for n, s in mine.items() if n not in theirs or set(theirs[n].fields) != set(s.fields)}
        while more := {n for n, s in mine.items() if n not in changed and s.mentions() & changed}:
            changed |= more
        return changed


def _values(model: Model, name: str) -> set[str]:
    enum = model.enums.get(name)
    return set(enum.values) if enum else set()


def constant(value: str) -> str:
    """Return an enum value's member name: SuspendedEVSE becomes SUSPENDED_EVSE."""
    if value in MEMBERS:
        return MEMBERS[value]
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", value))
    name = re.sub(r"\W+", "_", words).upper()
    return f"N{name}" if name[0].isdigit() else name


def snake(key: str) -> str:
    """Return a JSON name in snake_case: responderURL becomes responder_url."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", key))
    return TAKEN.get(words.lower(), words.lower())


def load(directory: str) -> dict[str, Schema]:
    """Return the schemas of one directory of the `ocpp` package by file name."""
    folder = files("ocpp") / directory / "schemas"
    paths = sorted((p for p in folder.iterdir() if p.name.endswith(".json")), key=lambda p: p.name)
    return {p.name.removesuffix(".json"): json.loads(p.read_text("utf-8-sig")) for p in paths}


def read_16() -> Model:
    """Return the model of OCPP 1.6, the security extension included."""
    model = Model("1.6", names=NAMES_16, enum_names=ENUMS_16)
    for name, schema in load("v16").items():
        if name.endswith("Response"):
            model.add_message(name, schema, "", "", "Response")
        else:
            response = f"{name}Response"
            model.add_message(f"{name}Request", schema, name, response, f"Request[{response}]")
    return finish(model)


def read_2x(version: str, directory: str) -> Model:
    """Return the model of a 2.x version."""
    model = Model(version)
    for name, schema in load(directory).items():
        if name.endswith("Response"):
            model.add_message(name, schema, "", "", "Response")
        elif name.endswith("Request"):
            response = f"{name.removesuffix('Request')}Response"
            model.add_message(name, schema, name.removesuffix("Request"), response, f"Request[{response}]")
        else:
            model.add_message(name, schema, name, "", "Unconfirmed")
    return finish(model)


def finish(model: Model) -> Model:
    """Complete a model once every schema is read."""
    model.attach_checks()
    model.sort_structs()
    return model


def read_21() -> Model:
    """Return the model of OCPP 2.1."""
    return read_2x("2.1", "v21")


def read_201() -> Model:
    """Return the model of OCPP 2.0.1."""
    return read_2x("2.0.1", "v201")
