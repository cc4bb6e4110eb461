"""Blueprints that use what blueprints use: parameters, plain Python variables, troposphere types, the context."""

from runway.cfngin.blueprints.base import Blueprint
from runway.cfngin.blueprints.variables.types import (
    CFNCommaDelimitedList,
    CFNNumber,
    CFNString,
    EC2VPCId,
    TroposphereType,
)
from troposphere import FindInMap, GetAtt, Join, Output, Ref, Region, Sub, awslambda, sns, sqs, ssm

print("imported")


def not_empty(value):
    if not value:
        raise ValueError("it must not be empty")
    return value


class Queues(Blueprint):
    """One queue for each name."""

    VARIABLES = {
        "Names": {"type": list, "description": "Names of the queues"},
        "Limits": {"type": dict, "default": {}},
        "Retention": {"type": CFNNumber, "default": 345600, "min_value": 60, "description": "Seconds"},
        "Owner": {"type": CFNString, "default": "nobody", "allowed_pattern": "[a-z]+"},
        "Secret": {"type": CFNString, "no_echo": True, "default": "hidden"},
        "Zones": {"type": CFNCommaDelimitedList, "default": "a,b"},
        "Encrypted": {"type": CFNString, "default": False},
        "Vpc": {"type": EC2VPCId, "default": "vpc-1"},
        "Topic": {"type": TroposphereType(sns.Topic, optional=True), "default": None},
        "Parameters": {"type": TroposphereType(ssm.Parameter, many=True, optional=True), "default": None},
        "Kind": {"type": str, "default": "plain", "allowed_values": ["plain", "fifo"]},
        "Label": {"type": str, "default": "none", "validator": not_empty},
    }

    def create_template(self):
        variables = self.variables
        self.template.set_version("2010-09-09")
        for name in variables["Names"]:
            queue = sqs.Queue(
                name,
                QueueName=Join("-", [self.context.get_fqn(self.name), name]),
                MessageRetentionPeriod=variables["Retention"].ref,
            )
            if name in variables["Limits"]:
                queue.MaximumMessageSize = variables["Limits"][name]
            self.template.add_resource(queue)
            self.template.add_output(Output(f"{name}Arn", Value=GetAtt(queue, "Arn")))
        if variables["Topic"]:
            self.template.add_resource(variables["Topic"])
        for parameter in variables["Parameters"] or []:
            self.template.add_resource(parameter)
        self.add_output("Label", variables["Label"])
        self.add_output("Where", Sub(f"{self.context.env.name}/{self.context.env.aws_region}/${{AWS::Region}}"))
        self.add_output("Owner", Ref("Owner"))
        self.add_output("Given", str(self.context.parameters.get("team")))
        if self.context.mappings:
            self.add_output("Mapped", FindInMap("Sizes", Region, "Small"))


class WithHookData(Blueprint):
    """Uses what hooks have left."""

    VARIABLES = {"Value": {"type": object, "default": None}}

    def create_template(self):
        self.template.add_resource(sqs.Queue("Queue"))
        for key, value in sorted(self.context.hook_data.items()):
            self.add_output(key.title(), f"{type(value).__name__} {value!r}")
        if self.variables["Value"] is not None:
            self.add_output("Value", self.variables["Value"])


class WithCode(Blueprint):
    """Takes an object of troposphere as a variable."""

    VARIABLES = {"Code": {"type": awslambda.Code}}

    def create_template(self):
        code = self.variables["Code"]
        self.template.add_resource(awslambda.Function("Function", Code=code, Role="role", Runtime="python3.12"))


class Broken(Blueprint):
    """Fails in the user's code, called by Runway's."""

    VARIABLES = {"Password": {"type": str, "default": ""}}

    def create_template(self):
        raise ValueError(f"no luck with {self.variables['Password']}")


class WrongProperty(Blueprint):
    VARIABLES = {}

    def create_template(self):
        self.template.add_resource(sqs.Queue("Queue", DelaySeconds="soon"))


class Untyped(Blueprint):
    VARIABLES = {"Name": {"default": "x"}}

    def create_template(self):
        pass


class Chatty(Blueprint):
    VARIABLES = {"Name": {"type": str}}

    def create_template(self):
        print(self.variables["Name"] * 10)
        self.template.add_resource(sqs.Queue("Queue"))


class NoBlueprint:
    pass
