"""/openapi.json. That every answer of this suite has a documented status is checked by the client itself: service.py."""

import requests
from openapi_spec_validator import OpenAPIV31SpecValidator
from service import PATIENCE


def test_the_reference_is_valid_openapi_3_1_and_names_this_service(service):
    reference = requests.get(f"{service.url}/openapi.json", timeout=30).json()
    assert reference["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(reference).validate()
    assert reference["servers"][0]["url"] == service.url


def test_every_operation_is_described_and_says_who_may_call_it(service):
    reference = requests.get(f"{service.url}/openapi.json", timeout=30).json()
    ids = []
    for path, item in reference["paths"].items():
        for method in {"get", "head", "put", "post", "patch", "delete"} & item.keys():
            operation = item[method]
            assert operation["summary"] and operation["responses"], f"{method} {path}"
            ids.append(operation["operationId"])
            private = operation.get("security", reference["security"]) != []
            asked = operation["responses"].get("401", {}).get("$ref", "").endswith("/Unauthenticated")
            assert private == asked, f"{method} {path}: it is documented exactly where a token is asked for"
    assert len(set(ids)) == len(ids)
