"""Asks the API whatever its document allows, with a token of each role.

    fuzz.py URL RESTORE_TOKEN OPERATE_TOKEN READ_TOKEN

No answer may be an error of the server (5xx) or one that the document does not
have; and every operation succeeds at least once. FUZZ_EXAMPLES=500 takes longer.
"""

import copy
import os
import sys
import time

import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance, response_schema_conformance, status_code_conformance)

URL, TOKENS = sys.argv[1].rstrip("/"), sys.argv[2:5]
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "6"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance,
          response_schema_conformance]
FOREVER = "/api/v1/events"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def ask(method, path, body=None, token=TOKENS[0]):
    """Asks; where it is asked too much, later."""
    while True:
        answer = requests.request(method, URL + path, json=body, headers=bearer(token), timeout=60)
        if answer.status_code != 429:
            return answer
        time.sleep(0.5)


def job(path, body):
    begun = ask("POST", path, body)
    assert begun.status_code == 202, begun.text
    while True:
        state = ask("GET", f"/api/v1/jobs/{begun.json()['id']}").json()
        if state["state"] != "running":
            return state


def known(document, names):
    """The document with the names that there are, so that calls get somewhere."""
    document = copy.deepcopy(document)
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    parameter["schema"] = {"type": "string", "enum": names[parameter["name"]]}
    for schema in document["components"]["schemas"].values():
        if "confirm" in schema.get("properties", {}):
            schema["properties"]["confirm"] = {"type": "string", "enum": ["app", "", "other"]}
    return document


def fuzz(document, token):
    schema = schemathesis.openapi.from_dict(document)
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path == FOREVER:
            continue

        @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
                  suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def one(case):
            answer = case.call(base_url=URL, headers=bearer(token), timeout=60)
            case.validate_response(answer, checks=CHECKS, headers=bearer(token))
            if answer.status_code == 429:
                time.sleep(0.2)

        one()


def each_succeeds(document, snapshot):
    database = "/api/v1/databases/app"
    one = f"{database}/snapshots/{snapshot}"
    ready = job(f"{one}/download", {})["id"]
    confirm = {"confirm": "app"}
    good = {
        "session": ("GET", "/api/v1/session", None),
        "sign_in": ("POST", "/api/v1/session", {"token": TOKENS[0]}),
        "sign_out": ("DELETE", "/api/v1/session", None),
        "databases": ("GET", "/api/v1/databases", None),
        "database": ("GET", database, None),
        "health": ("GET", "/api/v1/health", None),
        "snapshots": ("GET", f"{database}/snapshots?limit=1&pinned=false", None),
        "snapshot": ("GET", one, None),
        "trash": ("GET", f"{database}/trash", None),
        "pin": ("POST", f"{one}/pin", None),
        "unpin": ("POST", f"{one}/unpin", None),
        "forget": ("POST", f"{one}/forget", confirm),
        "undelete": ("POST", f"{one}/undelete", None),
        "back_up": ("POST", f"{database}/backups", {"description": "ü"}),
        "plan_restore": ("POST", f"{one}/restore/plan", {"to": "in_place"}),
        "restore": ("POST", f"{one}/restore", {"to": "new_file"}),
        "download": ("POST", f"{one}/download", None),
        "tables": ("POST", f"{one}/tables", None),
        "check": ("POST", f"{database}/check", {"read_data": True}),
        "drill": ("POST", f"{database}/drill", None),
        "repair": ("POST", f"{database}/repair", {"apply": False}),
        "jobs": ("GET", "/api/v1/jobs", None),
        "job": ("GET", f"/api/v1/jobs/{ready}", None),
        "job_events": ("GET", f"/api/v1/jobs/{ready}/events", None),
        "job_file": ("GET", f"/api/v1/jobs/{ready}/file", None),
        "destinations": ("GET", "/api/v1/destinations", None),
        "configuration": ("GET", "/api/v1/configuration", None),
        "audit": ("GET", "/api/v1/audit?limit=3", None),
        "simple_back_up": ("POST", "/api/admin/backup", None),
        "simple_backups": ("GET", "/api/admin/backups?database=app", None),
        "simple_health": ("GET", "/api/admin/backup/health", None),
        "healthz": ("GET", "/healthz", None),
        "readyz": ("GET", "/readyz", None),
        "metrics": ("GET", "/metrics", None),
    }
    names = {operation["operationId"] for item in document["paths"].values()
             for operation in item.values()}
    apart = {"events", "cancel_job"}
    assert names == set(good) | apart, names ^ (set(good) | apart)
    for name, (method, path, body) in good.items():
        answer = ask(method, path, body)
        assert answer.ok, f"{name}: {answer.status_code} {answer.text}"
    with requests.get(URL + FOREVER, headers=bearer(TOKENS[2]), stream=True, timeout=60) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
    # What runs is cancelled, or has ended by then.
    begun = ask("POST", f"{database}/drill").json()["id"]
    assert ask("DELETE", f"/api/v1/jobs/{begun}").status_code in (200, 409)


def main():
    document = ask("GET", "/api/v1/openapi.json").json()
    # The latest is never forgotten: there are two.
    snapshot = job("/api/v1/databases/app/backups", {})["backup"]["snapshot_id"]
    job("/api/v1/databases/app/backups", {"description": "a second one"})
    each_succeeds(document, snapshot)
    jobs = [one["id"] for one in ask("GET", "/api/v1/jobs").json()["jobs"]][:3]
    names = {"database": ["app"], "snapshot": ["latest", snapshot, snapshot[:9]], "job": jobs}
    for token in TOKENS:
        fuzz(known(document, names), token)
    fuzz(document, TOKENS[0])
    print("all is well")


main()
