#!/usr/bin/env python3
"""Checks what the gateway writes against OpenAI's own OpenAPI document.

usage: schemas.py SPEC FILE ...

Each line of a FILE is {"schema": NAME, "value": …}; NAME is one of the document's schemas, as Response,
ResponseStreamEvent, CreateChatCompletionResponse, CreateChatCompletionStreamResponse, CreateEmbeddingResponse,
ErrorResponse, ListModelsResponse or TokenCountsResource. Says what does not fit, and how much does; the exit status is 1
if something does not fit, and 77 if jsonschema is not installed."""

import collections
import json
import sys

try:
    from jsonschema import Draft202012Validator, exceptions, validators
except ImportError:
    print("jsonschema is not installed (pip install jsonschema)", file=sys.stderr)
    sys.exit(77)


def branch(validator, discriminator, options, instance):
    """The option whose discriminating property allows what the instance says; None if there is no telling."""
    name = discriminator["propertyName"]
    if not isinstance(instance, dict) or name not in instance:
        return None
    for option in options:
        for properties in properties_of(validator, option):
            if instance[name] in (properties.get(name) or {}).get("enum", ()):
                return option
    return None


def properties_of(validator, schema):
    """All "properties" of a schema, through references and combinations."""
    while "$ref" in schema:
        schema = validator._resolver.lookup(schema["$ref"]).contents
    if "properties" in schema:
        yield schema["properties"]
    for key in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(key, ()):
            yield from properties_of(validator, part)


def with_discriminator(plain):
    """oneOf and anyOf that follow the discriminator: one clear error instead of one for each option."""

    def check(validator, options, instance, schema):
        chosen = branch(validator, schema["discriminator"], options, instance) if "discriminator" in schema else None
        if chosen is None:
            yield from plain(validator, options, instance, schema)
        else:
            yield from validator.descend(instance, chosen)

    return check


def nullable(plain):
    """OpenAPI 3.0's way of saying that null will do."""

    def check(validator, value, instance, schema):
        if not (instance is None and schema.get("nullable")):
            yield from plain(validator, value, instance, schema)

    return check


Validator = validators.extend(
    Draft202012Validator,
    {
        "oneOf": with_discriminator(Draft202012Validator.VALIDATORS["oneOf"]),
        "anyOf": with_discriminator(Draft202012Validator.VALIDATORS["anyOf"]),
        "type": nullable(Draft202012Validator.VALIDATORS["type"]),
        "enum": nullable(Draft202012Validator.VALIDATORS["enum"]),
    },
)


class Schemas:
    def __init__(self, path):
        with open(path, encoding="utf-8") as spec:
            self.document = json.load(spec)
        self.validators = {}

    def __contains__(self, name):
        return name in self.document["components"]["schemas"]

    def errors(self, name, value):
        """Sentences that say where the value is not as the schema wants it."""
        if name not in self.validators:
            schema = {"$ref": f"#/components/schemas/{name}", "components": self.document["components"]}
            self.validators[name] = Validator(schema)
        for error in self.validators[name].iter_errors(value):
            deepest = exceptions.best_match([error])
            yield f"{deepest.json_path}: {deepest.message[:300]}"


def main(spec, files):
    schemas, good, bad = Schemas(spec), collections.Counter(), 0
    for path in files:
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                row = json.loads(line)
                if row["schema"] not in schemas:
                    sys.exit(f"{path}:{number}: {spec} has no schema {row['schema']}")
                found = list(schemas.errors(row["schema"], row["value"]))
                kind = row["schema"]
                if isinstance(row["value"], dict) and kind == "ResponseStreamEvent":
                    kind = row["value"].get("type", kind)
                good[kind] += not found
                bad += bool(found)
                for text in found:
                    print(f"{path}:{number}: {kind}: {text}")
    for kind, count in sorted(good.items()):
        print(f"{count:6} {kind}")
    print(f"{sum(good.values())} fit, {bad} do not")
    return 1 if bad or not good else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
