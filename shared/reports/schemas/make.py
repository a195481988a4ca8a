#!/usr/bin/env python3
"""Makes the schemas beside it anew from what was published: `python3 make.py FOLDER`, where FOLDER holds

  sarif-schema-2.1.0.json   https://github.com/oasis-tcs/sarif-spec, sarif-2.1/schema
  service-2.json.gz         botocore, botocore/data/securityhub/2018-10-26
  1.3.0.json                ocsf-json-schema, ocsf_json_schema/ocsf (as https://schema.ocsf.io exports it)

OCSF's needs ocsf-json-schema to be installed. README.md says which versions were taken."""

import gzip
import html
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
# Its members describe resources of AWS one by one, 700 shapes of them. Nothing of the kind is sent.
LEFT_OUT = {"ResourceDetails"}
LONGEST = re.compile(r"Maximum (?:length )?of (\d+)|Length Constraints: (\d+)\.")
SHORTEST = re.compile(r"Minimum (?:length )?of (\d+)|Length Constraints: (\d+)\.")
MOST_ITEMS = re.compile(r"Maximum number of (\d+) items")
PAIRS = re.compile(
    r"up to (\d+) key-value pairs.*?key can contain up to (\d+) characters, and the value can contain up to (\d+)", re.S
)


def write(name, schema):
    (HERE / name).write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n")


def without(value, words):
    """The same without descriptions, which no validator reads."""
    if isinstance(value, dict):
        is_word = lambda key, item: key in words and isinstance(item, str)
        return {key: without(item, words) for key, item in value.items() if not is_word(key, item)}
    return [without(item, words) for item in value] if isinstance(value, list) else value


def first(pattern, text):
    found = pattern.search(text)
    return next((int(group) for group in found.groups() if group), None) if found else None


def limited(member):
    """A member of a structure: its shape, and the limits that AWS states in words only."""
    schema = {"$ref": f"#/$defs/{member['shape']}"}
    words = html.unescape(re.sub("<[^>]+>", "", member.get("documentation", "")))
    for key, value in (
        ("minLength", first(SHORTEST, words)),
        ("maxLength", first(LONGEST, words)),
        ("maxItems", first(MOST_ITEMS, words)),
    ):
        if value is not None:
            schema[key] = value
    pairs = PAIRS.search(words)
    if pairs:
        most, name, text = map(int, pairs.groups())
        schema |= {"maxProperties": most, "propertyNames": {"maxLength": name}}
        schema["additionalProperties"] = {"maxLength": text}
    if "formatting of timestamp fields" in words:
        schema["format"] = "date-time"
    return schema


def shape_schema(shape):
    kind = shape["type"]
    if kind == "structure":
        schema = {"type": "object", "additionalProperties": False}
        schema["properties"] = {name: limited(member) for name, member in shape["members"].items()}
        return schema | ({"required": shape["required"]} if "required" in shape else {})
    if kind == "list":
        limits = {to: shape[of] for of, to in (("min", "minItems"), ("max", "maxItems")) if of in shape}
        return {"type": "array", "items": limited(shape["member"])} | limits
    if kind == "map":
        return {"type": "object", "additionalProperties": limited(shape["value"]), "propertyNames": limited(shape["key"])}
    if kind == "string":
        return {"type": "string"} | {key: shape[key] for key in ("enum", "pattern") if key in shape}
    if kind == "timestamp":
        return {"type": "string", "format": "date-time"}
    return {"type": {"double": "number", "long": "integer"}.get(kind, kind)}


def used(shapes, name, found):
    if name in found:
        return
    found.add(name)
    if name in LEFT_OUT:
        return
    shape = shapes[name]
    members = [*shape.get("members", {}).values(), *(shape[key] for key in ("member", "key", "value") if key in shape)]
    for member in members:
        used(shapes, member["shape"], found)


def asff(service):
    shapes, found = service["shapes"], set()
    top = "BatchImportFindingsRequestFindingList"
    used(shapes, top, found)
    make = lambda name: False if name in LEFT_OUT else shape_schema(shapes[name])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": f"#/$defs/{top}",
        "$defs": {name: make(name) for name in sorted(found)},
    }


def ocsf(exported):
    from ocsf_json_schema import OcsfJsonSchema
    from ocsf_json_schema.embedded import OcsfJsonSchemaEmbedded

    return OcsfJsonSchemaEmbedded(OcsfJsonSchema(exported)).get_class_schema("compliance_finding", ["cloud"])


def main(folder):
    sarif = json.loads((folder / "sarif-schema-2.1.0.json").read_text())
    write("sarif-2.1.0.json", without(sarif, {"description"}))
    write("asff-2018-10-08.json", asff(json.loads(gzip.decompress((folder / "service-2.json.gz").read_bytes()))))
    event = ocsf(json.loads((folder / "1.3.0.json").read_text()))
    write("ocsf-1.3.0-compliance_finding.json", without(event, {"description", "title"}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
