"""The OpenAPI document."""

import re

from openapi_spec_validator import OpenAPIV31SpecValidator

from edge.operators.resources import ROUTES
from shared.records.events import EVENT_TYPES
from tests.edge.operators.contract import DOCUMENT
from tests.edge.operators.stage import Stage


def test_the_document_is_valid_openapi_3_1() -> None:
    """The validator of the standard's own schema has nothing to say."""
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_every_operation_has_an_id_of_its_own_and_says_what_it_needs() -> None:
    """Generated clients get distinct names, people get words."""
    operations = [operation for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(operations) == len(ROUTES)
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(len(operation["description"]) > 40 for operation in operations)
    assert all(operation["x-scope"] in {"read", "operate", "admin"} for operation in operations)


def test_every_path_parameter_is_declared() -> None:
    """What stands in braces stands in the parameters."""
    for path, operations in DOCUMENT["paths"].items():
        for operation in operations.values():
            declared = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert declared == set(re.findall(r"{(\w+)}", path))


def test_every_event_type_has_a_schema() -> None:
    """Readers of the feed find the form of each event."""
    for name in EVENT_TYPES:
        schema = DOCUMENT["components"]["schemas"][f"Event.{name}"]
        assert schema["properties"]["type"] == {"const": name}
        assert schema["description"]


async def test_the_listener_serves_it(stage: Stage) -> None:
    """What is served is what these tests check answers against."""
    async with stage.http.get(f"{stage.url}/openapi.json") as response:
        served = await response.json()
    assert served == DOCUMENT


async def test_what_is_no_route_is_a_problem_too(stage: Stage) -> None:
    """Unknown paths and methods get problem documents, with what is allowed."""
    status, body = await stage.ask("GET", "/nothing")
    assert (status, body["type"]) == (404, "urn:ampstream:problem:not_found")
    async with stage.http.put(f"{stage.url}/api/v1/stations", headers=stage.headers()) as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET, POST"
