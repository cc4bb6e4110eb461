"""A blueprint that takes what the lookup `file` gives: objects of troposphere, and data with such objects in it."""

from runway.cfngin.blueprints.base import Blueprint
from troposphere import AWSHelperFn, Base64, Output


class Files(Blueprint):
    """Outputs instead of instances."""

    VARIABLES = {
        "Script": {"type": AWSHelperFn},
        "UserData": {"type": Base64},
        "Document": {"type": dict},
        "Text": {"type": str},
    }

    def create_template(self):
        for name, value in self.variables.items():
            self.template.add_output(Output(name, Value=value if name != "Document" else value["names"][0]))
        self.template.set_metadata({"Document": self.variables["Document"]})
