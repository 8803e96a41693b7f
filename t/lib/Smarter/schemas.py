"""Judge JSON against the schemas of an OpenAPI 3.1 document (JSON Schema 2020-12).

    schemas.py DOCUMENT CASES      CASES: [{"schema": {...} or {"$ref": "#/..."}, "instance": ...}]

Prints {"schemas": [complaints about schemas themselves],
        "unseen": [members of #/components/schemas that no instance has],
        "cases": [{"errors": [...], "open": [places where a member nobody documented passes]}]}.
"""
import json
import sys

from jsonschema import Draft202012Validator, RefResolver
from jsonschema.validators import extend

STRAY = "zz_undocumented"


def schemas_of(node, path=""):
    """Every schema of the document, by its place."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "schema":
                yield f"{path}/schema", value
            elif key == "schemas":
                for name, schema in value.items():
                    yield f"{path}/schemas/{name}", schema
            elif key not in ("example", "examples"):
                yield from schemas_of(value, f"{path}/{key}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from schemas_of(value, f"{path}/{i}")


def refs_of(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from refs_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs_of(value)


def members_of(node, path):
    """Every described member below a schema, by the schema that describes it."""
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict):
            for name in node["properties"]:
                yield id(node["properties"]), name, f"{path}/{name}"
        for key, value in node.items():
            if key == "properties":
                for name, schema in value.items():
                    yield from members_of(schema, f"{path}/{name}")
            else:
                yield from members_of(value, path)
    elif isinstance(node, list):
        for value in node:
            yield from members_of(value, path)


seen = set()


def note(validator, properties, instance, schema):
    if isinstance(instance, dict):
        seen.update((id(properties), name) for name in instance if name in properties)
    yield from Draft202012Validator.VALIDATORS["properties"](validator, properties, instance, schema)


Validator = extend(Draft202012Validator, {"properties": note})


def objects_of(node, path=()):
    """One object of each shape: elements of a list count as one place."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from objects_of(value, path + (key,))
    elif isinstance(node, list):
        for value in node:
            yield from objects_of(value, path + ("*",))


def complaints(validator, instance):
    found = []
    for error in validator.iter_errors(instance):
        for one in [error, *error.context]:
            where = "/".join(str(part) for part in one.absolute_path)
            found.append(f"/{where}: {one.message[:300]}")
    return found[:20]


def judge(case, resolver):
    if "example" in case:  # invented: what it has need not exist
        before = set(seen)
        verdict = judge({key: value for key, value in case.items() if key != "example"}, resolver)
        seen.clear()
        seen.update(before)
        return verdict
    validator = Validator(case["schema"], resolver=resolver)
    errors = complaints(validator, case["instance"])
    if errors or not case.get("closed", True):
        return {"errors": errors, "open": []}
    places, known = [], set()
    for path, node in objects_of(case["instance"]):
        if path not in known:
            known.add(path)
            node[STRAY] = True
            if validator.is_valid(case["instance"]):
                places.append("/" + "/".join(path))
            del node[STRAY]
    return {"errors": [], "open": places}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    with open(sys.argv[2], encoding="utf-8") as file:
        cases = json.load(file)
    resolver = RefResolver("", document)
    bad = []
    for path, schema in schemas_of(document):
        try:
            Draft202012Validator.check_schema(schema)
        except Exception as error:  # what is wrong with it is all that counts
            bad.append(f"{path}: {str(error)[:300]}")
    for ref in set(refs_of(document)):
        try:
            resolver.resolve(ref)
        except Exception:
            bad.append(f"{ref} leads nowhere")
    verdicts = [judge(case, resolver) for case in cases]
    unseen = [
        path
        for component, schema in document["components"]["schemas"].items()
        for owner, name, path in members_of(schema, component)
        if (owner, name) not in seen
    ]
    print(json.dumps({"schemas": bad, "unseen": sorted(set(unseen)), "cases": verdicts}))


main()
