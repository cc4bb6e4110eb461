"""The Python side of runway-rs: renders blueprints, runs hooks and custom lookups of one config, one at a time.

Requests come as lines of JSON on a copy of standard input, answers leave on a copy of standard output. User code finds
an empty standard input; whatever it prints, subprocesses included, goes to standard error, where a mark ends what
belongs to a request. The process ends when the requests do, so it never outlives runway-rs.
"""

import collections.abc
import faulthandler
import importlib
import json
import logging
import os
import queue
import re
import signal
import sys
import sysconfig
import threading
import time
import traceback
from pathlib import Path

REFERENCE = "$python"
RUNWAY = "runway==2.8.4"
LONGEST_ANSWER = 64 * 1024 * 1024
LONGEST_MESSAGE = 4_000
LONGEST_TRACEBACK = 16_000
DEEPEST_VALUE = 100
TRACE = globals().get("TRACE")  # what watches this process, if anything does


class Refusal(Exception):
    """A mistake that is told in one sentence, with what to do."""

    def __init__(self, message, remedy=None, **facts):
        super().__init__(message)
        self.remedy = remedy
        self.facts = facts


class Values:
    """Translates values to JSON and back. What JSON has no form for stays here, and a reference to it travels."""

    def __init__(self):
        self.objects = {}
        self.references = {}

    def describe(self, value, depth=0):
        """The JSON form of a value."""
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, int):
            return int(value) if -(2**63) <= value < 2**64 else self.refer(value)
        if isinstance(value, float):
            return float(value) if value - value == 0 else self.refer(value)
        if depth < DEEPEST_VALUE:
            if hasattr(value, "clear_found_cache"):
                value = value.data  # Runway's MutableMap, which also keeps its queries among its items
            if isinstance(value, collections.abc.Mapping):
                return {str(key): self.describe(item, depth + 1) for key, item in value.items()}
            if isinstance(value, (list, tuple)):
                return [self.describe(item, depth + 1) for item in value]
            if is_model(value):
                return {name: self.describe(getattr(value, name), depth + 1) for name in type(value).model_fields}
        return self.refer(value)

    def refer(self, value):
        reference = self.references.setdefault(id(value), str(len(self.references) + 1))
        self.objects[reference] = value
        return {REFERENCE: reference}

    def revive(self, value):
        """The value that a JSON form stands for."""
        if isinstance(value, dict):
            reference = value.get(REFERENCE) if len(value) == 1 else None
            if isinstance(reference, dict) and "cloudformation" in reference:
                return helper_function(reference["cloudformation"])
            if isinstance(reference, str) and reference in self.objects:
                return self.objects[reference]
            return {key: self.revive(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.revive(item) for item in value]
        return value


def helper_function(value):
    """What Runway's lookup `file` gives for a value with references to parameters."""
    import troposphere

    if isinstance(value, dict) and set(value) == {"Fn::Base64"}:
        return troposphere.Base64(value["Fn::Base64"])
    return troposphere.GenericHelperFn(value)


class ResolvedVariable:
    """Stands for Runway's Variable, which would look for lookups in a value that is resolved already."""

    resolved = True
    dependencies = frozenset()

    def __init__(self, name, value):
        self.name = name
        self.value = value

    def resolve(self, *_arguments, **_more):
        """Nothing is left to do."""

    def get(self, key, default=None):
        return getattr(self.value, key, default)


class Bridge:
    """One config: Runway's own context of it, and what hooks have left in it."""

    def __init__(self, settings):
        self.values = Values()
        self.shared = {}
        self._provider = None
        self.region = settings["region"]
        self.trace = TRACE
        if sys.path and sys.path[0] == "":
            del sys.path[0]  # a console script such as `runway` does not have the current directory there either
        sys.path.extend(settings["sys_path"])
        os.environ["AWS_REGION"] = os.environ["AWS_DEFAULT_REGION"] = self.region
        os.environ["DEPLOY_ENVIRONMENT"] = settings["deploy_environment"]
        self.version = import_runway()
        log()
        self.context = self.build_context(settings)
        if self.trace is not None:
            self.trace.start()

    def variables(self):
        """Environment variables for Runway's context."""
        variables = os.environ.copy()
        return variables if self.trace is None else self.trace.watched_variables(variables)

    def build_context(self, settings):
        from runway.config import CfnginConfig
        from runway.context import CfnginContext
        from runway.core.components import DeployEnvironment
        from runway.utils import MutableMap

        path = Path(settings["config_path"])
        work_directory = Path(settings["work_directory"])
        parameters = MutableMap()
        parameters.update(settings["parameters"])
        for name, value in (("environment", settings["deploy_environment"]), ("region", self.region)):
            if not parameters.get(name):
                parameters[name] = value
        try:
            config = CfnginConfig.parse_obj(settings["config"], path=path, work_dir=work_directory)
        except ValueError as error:
            raise Refusal(
                f"Runway {self.version} does not accept the config: {error}",
                "Python code is given Runway's own context, so its rules for configs apply too",
            ) from error
        return CfnginContext(
            config=config,
            config_path=path,
            deploy_environment=DeployEnvironment(
                environ=self.variables(),
                explicit_name=settings["deploy_environment"],
                root_dir=Path(settings["root_directory"]),
            ),
            force_stacks=[],
            parameters=parameters,
            stack_names=[],
            work_dir=work_directory,
        )

    @property
    def provider(self):
        if self._provider is None:
            from runway.cfngin.providers.aws.default import ProviderBuilder

            # Not interactive: nobody could answer here.
            self._provider = ProviderBuilder(
                interactive=False,
                recreate_failed=True,
                region=self.region,
                service_role=self.context.config.service_role,
            ).build()
        return self._provider

    def render(self, request):
        """Renders a blueprint, and says what that depended on."""
        if self.trace is None:
            return self.make(request)
        made = self.trace.during(lambda: self.make(request))
        return {**made, "trace": self.trace.tell()}

    def make(self, request):
        """Renders a blueprint as Runway does for its upload."""
        path = request["class_path"]
        self.receive(request["hook_data"])
        blueprint_class = load(path)
        if not hasattr(blueprint_class, "rendered"):
            raise Refusal(
                f"`{path}` is no blueprint: it has no attribute `rendered`",
                "derive the class from runway.cfngin.blueprints.base.Blueprint",
            )
        blueprint = blueprint_class(
            name=request["stack"],
            context=self.context,
            mappings=self.context.mappings,
            description=request["description"],
        )
        variables = self.values.revive(request["variables"])
        try:
            blueprint.resolve_variables([ResolvedVariable(name, value) for name, value in variables.items()])
        except Exception as error:
            sentence = variable_mistake(error)
            if sentence is None:
                raise
            raise Refusal(*sentence) from error
        body = blueprint.rendered
        if not isinstance(body, str):
            raise Refusal(f"`{path}` rendered a {type(body).__name__}, not text")
        return {"body": body, "parameters": list(self.values.describe(blueprint.parameter_values).items())}

    def hook(self, request):
        """Runs a hook as Runway does."""
        path, data_key = request["path"], request["data_key"]
        self.spoil()
        self.receive(request["hook_data"])
        method = load(path, reload=True)
        arguments = {"context": self.context, "provider": self.provider, **self.values.revive(request["args"])}
        if isinstance(method, type):
            hook = method(**arguments)
            stage = getattr(hook, request["stage"], None)
            if stage is None:
                raise Refusal(
                    f"the hook class `{path}` has no method `{request['stage']}`",
                    f"add the method, or use the hook in another stage than {request['stage']}",
                )
            result = stage()
        else:
            result = method(**arguments)
        if not result:
            return self.values.describe(result) if isinstance(result, (bool, int, str, list, dict)) else None
        if not is_map(result):
            described = self.values.describe(result)
            return described if described and not isinstance(described, dict) else True
        if data_key is not None:
            if data_key in self.context.hook_data:
                raise Refusal(
                    f"hook data for the key `{data_key}` exists already",
                    "give each hook a `data_key` of its own",
                )
            self.context.set_hook_data(data_key, result)
        described = self.values.describe(result)
        if not described:
            return True  # an empty map whose class says that it is true; it is told among the changes
        if data_key is not None:
            self.shared[data_key] = described
        return described

    def lookup(self, request):
        """Asks a lookup handler: one of the config, or one that comes with Runway."""
        from runway.cfngin.lookups.registry import CFNGIN_LOOKUP_HANDLERS
        from runway.lookups.handlers.base import LookupHandler

        name, path = request["name"], request["class_path"]
        self.spoil()
        if path is not None:
            handler = load(path)
            if not (isinstance(handler, type) and issubclass(handler, LookupHandler)):
                raise Refusal(
                    f"the lookup `{path}` is no subclass of runway.lookups.handlers.base.LookupHandler",
                    "derive it from that class, with a class method `handle`",
                )
            CFNGIN_LOOKUP_HANDLERS[name] = handler
        elif name not in CFNGIN_LOOKUP_HANDLERS:
            raise Refusal(f"Runway {self.version} has no lookup `{name}`")
        result = CFNGIN_LOOKUP_HANDLERS[name].handle(
            request["query"], context=self.context, provider=self.provider, variables=None
        )
        return self.values.describe(result)

    def spoil(self):
        """Code that is no blueprint may have left something for blueprints in this process."""
        if self.trace is not None:
            self.trace.spoil("a hook or a lookup has run before in the same Python")

    def receive(self, hook_data):
        """Takes over what hooks outside Python have left; real objects of Python hooks stay what they are."""
        for key, value in hook_data.items():
            if key not in self.shared or self.shared[key] != value:
                self.context.hook_data[key] = self.values.revive(value)
                self.shared[key] = value

    def changes(self):
        """What Python code has put into the hook data itself."""
        changed = {}
        for key, value in self.context.hook_data.items():
            described = self.values.describe(value)
            if key not in self.shared or self.shared[key] != described:
                changed[key] = self.shared[key] = described
        return changed


def is_model(value):
    """Whether a value is a pydantic model."""
    return hasattr(type(value), "model_fields") and hasattr(value, "model_dump")


def is_map(value):
    return isinstance(value, collections.abc.Mapping) or is_model(value)


def import_runway():
    """Imports what the bridge needs; returns Runway's version."""
    version = None
    try:
        import runway

        version = getattr(runway, "__version__", "of unknown version")
        import runway.config  # noqa: F401
        import runway.context  # noqa: F401
        import troposphere  # noqa: F401
    except Exception as error:
        name = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        if name and version is not None and name.startswith("runway."):
            raise Refusal(
                f"Runway {version} of {sys.executable} cannot be used: version 2 is needed",
                f"run `{sys.executable} -m pip install {RUNWAY}`",
            ) from error
        if name:
            raise Refusal(str(error), package=name.split(".")[0], interpreter=sys.executable) from error
        reason = shorten(f"{type(error).__name__}: {error}", LONGEST_MESSAGE)
        raise Refusal(
            f"{sys.executable} cannot import Runway: {reason}",
            f"see `{sys.executable} -m pip check`; {RUNWAY} is known to work",
        ) from error
    return version


def log():
    """Runway's loggers speak as they do in its command line; the others warn."""
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)
    level = logging.INFO
    if os.environ.get("DEBUG", "0") not in ("", "0"):
        level = logging.DEBUG
    logging.getLogger("runway").setLevel(level)


def load(path, reload=False):
    """The object at a dotted path."""
    module_path, _, name = path.rpartition(".")
    if not module_path:
        raise Refusal(f"`{path}` is no Python path", "write it as `module.name`")
    try:
        module = sys.modules.get(module_path)
        if module is None:
            module = importlib.import_module(module_path)
        elif reload and module_path.split(".")[0] not in sys.builtin_module_names:
            module = importlib.reload(module)
    except ModuleNotFoundError as error:
        if error.name and (module_path == error.name or module_path.startswith(error.name + ".")):
            raise Refusal(
                f"there is no Python module `{error.name}`",
                "set `sys_path` in the config to the directory that contains it",
            ) from error
        raise
    if not hasattr(module, name):
        raise Refusal(f"the Python module `{module_path}` has no `{name}`", f"it is {module.__file__}")
    return getattr(module, name)


def variable_mistake(error):
    """A sentence for a variable that a blueprint refuses, and what to do."""
    from runway.cfngin import exceptions

    if isinstance(error, exceptions.MissingVariable):
        return (
            f"the blueprint needs the variable `{error.variable_name}`",
            "give it a value in the `variables` of the stack",
        )
    if isinstance(error, exceptions.VariableTypeRequired):
        return (
            f"the blueprint's variable `{error.variable_name}` has no type",
            "add `type` to it in VARIABLES of the blueprint",
        )
    if isinstance(error, exceptions.ValidatorError):
        reason = f"{type(error.exception).__name__}: {error.exception}"
        return (
            f"the variable `{error.variable}` is refused by its validator `{error.validator}`: {reason}",
            "change its value in the `variables` of the stack",
        )
    wrong = re.match(
        r"Value for variable (.+?) must be of type <class '(.+?)'>\. Actual type: <class '(.+?)'>", str(error)
    )
    if isinstance(error, TypeError) and wrong:
        return (
            f"the variable `{wrong[1]}` must be of the Python type {wrong[2]}, and its value is of type {wrong[3]}",
            "blueprints do not convert such values: change how it is written in the config, or the type in the blueprint",
        )
    wrong = re.match(r"CFNParameter \((.+?)\) value must be one of (.+?) but got: <class '(.+?)'>", str(error))
    if isinstance(error, TypeError) and wrong:
        return (
            f"the variable `{wrong[1]}` is a CloudFormation parameter and cannot be of the Python type {wrong[3]}",
            "give it a text, a number, true or false, or a list of texts",
        )
    if isinstance(error, ValueError) and str(error).startswith("Invalid value passed to "):
        return (str(error), "change its value in the `variables` of the stack")
    return None


LIBRARIES = tuple(
    {
        os.path.realpath(path) + os.sep
        for name, path in sysconfig.get_paths().items()
        if name in ("stdlib", "platstdlib", "purelib", "platlib")
    }
)


def is_users(file_name):
    """Whether a file is the user's, and not of Python or an installed package."""
    if file_name.startswith("<") or "site-packages" in file_name or "dist-packages" in file_name:
        return False
    return not os.path.realpath(file_name).startswith(LIBRARIES)


def explain(error):
    """A traceback that keeps to the user's own files, and the place in them."""
    texts, place = [], None
    while error is not None and len(texts) < 4:
        frames = traceback.extract_tb(error.__traceback__)
        shown = [frame for frame in frames if is_users(frame.filename)][-20:]
        if shown and place is None:
            place = f"{os.path.relpath(shown[-1].filename)}, line {shown[-1].lineno}"
        if not shown and place is None:
            shown = frames[-3:]
        lines = ["Traceback (most recent call last):\n"] if shown else []
        lines += traceback.format_list(shown)
        if shown and len(shown) < len(frames):
            lines.append(f"  ({len(frames) - len(shown)} more in Runway, Python or other packages)\n")
        lines += traceback.format_exception_only(type(error), error)
        texts.append("".join(lines))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return shorten("\nCaused by:\n".join(texts), LONGEST_TRACEBACK).rstrip("\n"), place


def shorten(text, longest):
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]} ... ({len(text) - longest} characters left out) ... {text[-half:]}"


def service_kind(error):
    """What kind of call to AWS failed, if it was one."""
    name = type(error).__name__
    if not type(error).__module__.startswith(("botocore", "boto3")):
        return None
    if name in ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "TokenRetrievalError"):
        return "credentials"
    if name in ("EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError"):
        return "unavailable"
    code = ""
    if hasattr(error, "response"):
        code = error.response.get("Error", {}).get("Code", "")
    if code.startswith(("AccessDenied", "UnauthorizedOperation")):
        return "denied"
    if code.startswith(("ExpiredToken", "InvalidClientTokenId", "UnrecognizedClient", "SignatureDoesNotMatch")):
        return "credentials"
    if code.startswith(("Throttling", "RequestLimitExceeded", "TooManyRequests")):
        return "throttled"
    return None


def describe_error(error):
    if isinstance(error, Refusal):
        cause = error.__cause__
        # The cause of a sentence is worth a traceback only if it passed through the user's code.
        text, place = explain(cause) if cause is not None else (None, None)
        detail = text if place else None
        return {"message": shorten(str(error), LONGEST_MESSAGE), "help": error.remedy, "detail": detail, **error.facts}
    detail, place = explain(error)
    kind = service_kind(error)
    where = f" ({place})" if place else ""
    if isinstance(error, SystemExit):
        return {"message": f"it called sys.exit({error.code!r}){where}", "detail": detail}
    if isinstance(error, ModuleNotFoundError) and error.name:
        interpreter = sys.executable
        return {
            "message": f"it imports the Python module `{error.name}`, which is missing{where}",
            "help": f"install it into {interpreter}, or choose another Python with RUNWAY_RS_PYTHON",
            "detail": detail,
        }
    message = shorten(str(error), LONGEST_MESSAGE)
    sentence = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return {"message": sentence + where, "detail": detail, "service": kind}


def encode(answer):
    text = json.dumps(answer, ensure_ascii=False, allow_nan=False)
    data = text.encode("utf-8", "replace") + b"\n"
    if len(data) > LONGEST_ANSWER:
        refusal = {"message": f"its result has {len(data)} bytes of JSON, more than {LONGEST_ANSWER}"}
        return encode({"id": answer["id"], "error": refusal, "hook_data": {}})
    return data


def end_all():
    """Kills this process and what it has started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def read(requests, waiting):
    for line in requests:
        waiting.put(line)
    waiting.put(None)
    # Nobody is left to answer to. What still runs after a second will not stop by itself.
    time.sleep(1)
    end_all()


def main(requests):
    answers = os.fdopen(os.dup(1), "wb")
    marks = os.dup(2)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    faulthandler.enable(marks)
    sys.argv = ["runway-rs"]
    process = os.getpid()

    waiting = queue.SimpleQueue()
    threading.Thread(target=read, args=(requests, waiting), daemon=True).start()
    bridge, mark = None, b""
    while (line := waiting.get()) is not None:
        request = json.loads(line)
        answer = {"id": request["id"], "hook_data": {}}
        try:
            if bridge is None:
                mark = f"\0{request['mark']}\0".encode()
                bridge = Bridge(request)
                answer["ok"] = {"python": sys.version.split()[0], "interpreter": sys.executable, "runway": bridge.version}
            else:
                answer["ok"] = getattr(bridge, request["do"])(request)
        except BaseException as error:  # noqa: BLE001 sys.exit() in user code is a failure of that code alone
            answer["error"] = describe_error(error)
        if os.getpid() != process:
            os._exit(1)  # a copy that user code made with os.fork() and lost
        try:
            if bridge is not None:
                answer["hook_data"] = bridge.changes()
            data = encode(answer)
        except Exception as error:
            data = encode({"id": request["id"], "error": describe_error(error), "hook_data": {}})
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass  # user code has closed it
        os.write(marks, mark)
        answers.write(data)
        answers.flush()
