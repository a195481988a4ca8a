"""A CloudFormation template as JSON on standard output, with its functions in their long form.

    template_json.py TEMPLATE
"""

import json
import sys

import yaml


class Loader(yaml.SafeLoader):
    """Knows `!Ref` and the others."""


def function(loader, suffix, node):
    """`!Name value` as `{"Fn::Name": value}`: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html"""
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", function)
with open(sys.argv[1]) as template:
    json.dump(yaml.load(template, Loader), sys.stdout)
