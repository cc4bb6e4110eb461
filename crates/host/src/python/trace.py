"""Records what Python code depends on, so that a rendering can be found again without Python.

It watches from the start of the process: files and directories that are read, modules that are looked for, environment
variables. What cannot be found again in this way (a connection, a program, the clock, anything that
is not known to be harmless) spoils the process: nothing that is rendered in it from then on is kept.
"""

import hashlib
import os
import stat
import sys
import sysconfig

# Reads of the state of a file, as they were before they were watched.
_stat, _lstat, _access, _readlink = os.stat, os.lstat, os.access, os.readlink
_listdir, _scandir = os.listdir, os.scandir

# Events of the interpreter that say nothing about the outside. Any other one spoils.
HARMLESS = frozenset(
    """
    array.__new__ builtins.id code.__new__ compile cpython.PyInterpreterState_Clear cpython.PyInterpreterState_New
    cpython._PySys_ClearAuditHooks exec function.__new__ gc.get_objects gc.get_referents gc.get_referrers glob.glob
    glob.glob/2 marshal.dumps marshal.load marshal.loads mmap.__new__ object.__delattr__ object.__getattr__
    object.__setattr__ os.fwalk os.walk pathlib.Path.glob pathlib.Path.rglob pickle.find_class sys._current_exceptions
    sys._getframe sys._getframemodulename sys.addaudithook sys.excepthook sys.unraisablehook
    """.split()
)

# Functions of modules, and of classes, that look at something which is never twice the same.
CHANGING = {
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime", "asctime", "strftime", "clock_gettime", "clock_gettime_ns"},
    "posix": {
        "cpu_count", "getegid", "geteuid", "getgid", "getgroups", "getloadavg", "getlogin", "getpid", "getppid",
        "getrandom", "getuid", "pathconf", "read", "readv", "pread", "sched_getaffinity", "statvfs", "fstatvfs", "sysconf",
        "times", "uname", "urandom",
    },  # fmt: skip
    "pwd": {"getpwall", "getpwnam", "getpwuid"},
    "grp": {"getgrall", "getgrgid", "getgrnam"},
    "_thread": {"start_new_thread", "start_new", "start_joinable_thread"},
    "_uuid": {"generate_time_safe", "UuidCreate"},
}
CHANGING_NAMES = frozenset(
    {name for names in CHANGING.values() for name in names}
    | {"now", "utcnow", "today", "random", "getrandbits", "randbytes", "SystemRandom", "open_connection"}
)

# Functions of the standard library that want to know of a file only whether there is one, and of what kind.
ONLY_KIND = {
    "genericpath": {"exists", "lexists", "isfile", "isdir", "islink", "isjunction"},
    "posixpath": {"lexists", "islink", "ismount", "realpath", "_joinrealpath"},
    "pathlib": {
        "exists", "is_file", "is_dir", "is_symlink", "is_mount", "resolve", "mkdir", "stat", "lstat", "_is_case_sensitive",
    },
    "pathlib._local": {"exists", "is_file", "is_dir", "is_symlink", "is_mount", "resolve", "stat", "lstat"},
    "pathlib._abc": {"exists", "is_file", "is_dir", "is_symlink", "is_mount"},
    "glob": {"_lexists", "_isdir", "exists", "lexists"},
}  # fmt: skip

# Words in names of variables whose values are nobody's business.
SECRET_WORDS = ("SECRET", "TOKEN", "PASSW", "PASSPHRASE", "CREDENTIAL", "PRIVATE", "APIKEY", "API_KEY", "ACCESS_KEY")

STANDARD = tuple(os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib"))
# Deeper than any search path; a file system that is no disk.
UNREAL = ("/proc/", "/sys/", "/dev/")


class Trace:
    """What was read since the process began, and what of it was not yet told."""

    def __init__(self):
        self.busy = False
        self.started = False
        self.spoiled = None
        self.seen = {}
        self.untold = []
        self.python = os.path.realpath(sys.executable)
        if sys.version_info < (3, 11):
            self.spoil(f"Python {sys.version_info[0]}.{sys.version_info[1]} is too old to be watched")
        elif sys.pycache_prefix is not None:
            self.spoil("compiled modules are kept elsewhere (PYTHONPYCACHEPREFIX)")

    def spoil(self, reason):
        """Nothing is kept from here on."""
        if self.spoiled is None:
            self.spoiled = reason

    def note(self, kind, name, value):
        """Something was found to be so."""
        if (kind, name) not in self.seen:
            self.seen[kind, name] = value
            self.untold.append([kind, name, value])
        elif self.seen[kind, name] != value:
            self.spoil(f"{name} changed meanwhile")

    def tell(self):
        """What was not yet told."""
        untold, self.untold = self.untold, []
        return {"spoiled": self.spoiled, "facts": untold, "python": self.python}

    # Files.

    def place(self, path):
        path = os.fspath(path)
        return os.path.abspath(os.fsdecode(path))

    def file(self, path):
        """A file is read: its size and time now, and Rust digests it while they are the same."""
        path = self.place(path)
        if path == os.devnull:
            return
        if path.startswith(UNREAL):
            self.spoil(f"it reads {path}")
            return
        try:
            found = _stat(path)
        except OSError:
            self.note("file", path, None)
            return
        if stat.S_ISREG(found.st_mode):
            self.note("file", path, [found.st_size, found.st_mtime_ns])
        elif stat.S_ISDIR(found.st_mode):
            self.note("kind", path, "directory")
        else:
            self.spoil(f"it reads {path}, which is no file")

    def kind(self, path):
        """What there is at a path."""
        path = self.place(path)
        if path.startswith(UNREAL) and path != os.devnull:
            self.spoil(f"it looks at {path}")
            return
        self.note("kind", path, kind_of(path))

    def link(self, path):
        """Where a symbolic link leads; nowhere if there is none."""
        path = self.place(path)
        try:
            self.note("link", path, _readlink(path))
        except OSError:
            self.note("link", path, None)

    def looked(self, path, frame, at_link):
        """The state of a file was asked for."""
        if at_link:
            self.link(path)
        if wants_only_kind(frame):
            self.kind(path)
        elif not frame.f_globals.get("__name__", "").startswith("importlib.metadata"):
            self.exact(path)  # that one asks whether a directory has changed, which it lists then

    def exact(self, path):
        """Everything about a file was asked for."""
        path = self.place(path)
        try:
            found = _stat(path)
        except OSError:
            self.note("exact", path, None)
            return
        self.note("exact", path, [found.st_size, found.st_mtime_ns])

    def listing(self, path):
        """The names in a directory."""
        if isinstance(path, int):
            self.spoil("it lists a directory by its number")
            return
        path = self.place("." if path in (None, "") else path)
        names = []
        try:
            with _scandir(path) as entries:
                for entry in entries:
                    if entry.name != "__pycache__":
                        names.append(entry.name + ("/" if entry.is_dir() else ""))
        except OSError:
            self.note("listing", path, None)
            return
        text = "\0".join(sorted(names, key=os.fsencode))
        self.note("listing", path, hashlib.sha256(os.fsencode(text)).hexdigest())

    def searched(self, name, places):
        """A module is looked for. A name that begins with a star is an ending."""
        for place in list(places):
            if isinstance(place, str):
                self.note("module", f"{self.place(place or '.')}/{name}", None)

    # The environment.

    def variable(self, name):
        """A variable is read; its value does not travel."""
        if self.busy or not isinstance(name, (str, bytes)):
            return
        name = os.fsdecode(name)
        if self.started and any(word in name.upper() for word in SECRET_WORDS):
            self.spoil(f"it reads the environment variable {name}, which may hold a secret")
            return
        self.note("variable", name, True)

    def all_variables(self):
        if self.started and not self.busy:
            self.spoil("it reads all environment variables")

    def changed_variable(self):
        if self.started and not self.busy:
            self.spoil("it changes environment variables")

    # Events.

    def event(self, event, arguments):
        """The interpreter is about to do something."""
        if event in HARMLESS or self.busy:
            return
        self.busy = True
        try:
            self.judge(event, arguments, sys._getframe(1))
        except Exception as error:  # noqa: BLE001 an error here would become one of the code that is watched
            self.spoil(f"it could not be watched: {type(error).__name__}: {error}")
        finally:
            self.busy = False

    def judge(self, event, arguments, frame):
        is_importer = frame.f_code.co_filename == "<frozen importlib._bootstrap_external>"
        if event == "open":
            path, mode, flags = arguments
            if isinstance(path, int):
                return
            if (isinstance(mode, str) and set(mode) & set("wax+")) or flags & (
                os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            ):
                if self.started and not is_importer and self.place(path) != os.devnull:
                    self.spoil(f"it writes {self.place(path)}")
                return
            self.file(source_of(self.place(path)) if is_importer else path)
        elif event == "import":
            name, path = arguments[:2]
            if path is None:
                return
            self.file(path)
            if self.started and not os.path.realpath(path).startswith(STANDARD):
                self.spoil(f"it loads the native module {name}")
        elif event in ("os.listdir", "os.scandir"):
            if frame.f_globals.get("__name__", "").startswith("importlib.metadata"):
                for ending in ("*.dist-info", "*.egg-info", "*.egg"):
                    self.searched(ending, [arguments[0] or "."])
            elif not is_importer:
                self.listing(arguments[0])
        elif self.started and not (is_importer and event in ("os.mkdir", "os.rename")):
            self.spoil(f"it does something that cannot be found again: {event}")

    def call(self, frame, event, function):
        """A function that is not written in Python is called."""
        if event != "c_call" or getattr(function, "__name__", None) not in CHANGING_NAMES:
            return
        name, owner = function.__name__, getattr(function, "__self__", None)
        module = getattr(function, "__module__", None)
        if module not in CHANGING or name not in CHANGING[module]:
            kinds = owner.__mro__ if isinstance(owner, type) else type(owner).__mro__
            kinds = {f"{kind.__module__}.{kind.__name__}" for kind in kinds}
            is_clock = "datetime.date" in kinds and name in ("now", "utcnow", "today")
            if not is_clock and "_random.Random" not in kinds:
                return
        caller = frame.f_globals.get("__name__", "")
        if caller.partition(".")[0] != "logging" and not self.busy:
            self.spoil(f"it calls {name}() in {caller}")

    # Where everything begins.

    def begin(self):
        """Takes in what was there before, and begins to watch."""
        import site

        for name, module in list(sys.modules.items()):
            parent = sys.modules.get(name.rpartition(".")[0])
            self.searched(name.rpartition(".")[2], sys.path if parent is None else getattr(parent, "__path__", ()))
            spec = getattr(module, "__spec__", None)
            origin = getattr(spec, "origin", None)
            if getattr(spec, "has_location", False) and origin:
                self.file(origin)
        for name in ("sitecustomize", "usercustomize"):
            self.searched(name, sys.path)
        places = list(site.getsitepackages())
        if site.ENABLE_USER_SITE is not None:
            places.append(site.getusersitepackages())
        for place in places:
            self.kind(place)
            self.searched("*.pth", [place])
            try:
                names = _listdir(place)
            except OSError:
                names = []
            for name in names:
                if name.endswith(".pth"):
                    self.file(os.path.join(place, name))
        programs = os.path.dirname(os.path.abspath(sys.executable))
        self.file(os.path.join(programs, "pyvenv.cfg"))
        self.file(os.path.join(os.path.dirname(programs), "pyvenv.cfg"))
        self.file(self.python)

        os.environ.__class__ = os.environb.__class__ = watched_environ(self)
        os.stat, os.lstat = watched_stat(self, _stat), watched_stat(self, _lstat)
        os.access, os.readlink = watched_access(self), watched_readlink(self)
        sys.meta_path.insert(0, Searches(self))
        sys.addaudithook(self.event)

    def start(self):
        """From here on, the code that runs is the user's."""
        self.started = True

    def watched_variables(self, variables):
        """Environment variables that say what is read of them."""
        watched = type("Variables", (Variables,), {"trace": self, "__module__": Variables.__module__})()
        dict.update(watched, variables)
        return watched

    def during(self, function):
        """Runs a function, and watches which functions that are not written in Python it calls."""
        if self.spoiled is not None:
            return function()
        self.busy = True
        sys.setprofile(self.call)
        self.busy = False
        try:
            return function()
        finally:
            self.busy = True
            sys.setprofile(None)
            self.busy = False


def kind_of(path):
    try:
        mode = _stat(path).st_mode
    except OSError:
        try:
            _lstat(path)
        except OSError:
            return "nothing"
        return "link"
    return "directory" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def source_of(path):
    """The source of a compiled module, which Python takes only if size and time are those of the source."""
    directory, name = os.path.split(path)
    above, directory = os.path.split(directory)
    if directory == "__pycache__" and name.endswith(".pyc"):
        return os.path.join(above, name.partition(".")[0] + ".py")
    return path


class Searches:
    """A finder that finds nothing, and knows what was looked for."""

    def __init__(self, trace):
        self.trace = trace

    def find_spec(self, name, path=None, target=None):
        trace = self.trace
        if not trace.busy and name not in sys.builtin_module_names:
            trace.busy = True
            try:
                trace.searched(name.rpartition(".")[2], sys.path if path is None else path)
            finally:
                trace.busy = False
        return None


def wants_only_kind(frame):
    """Whether the standard library asks a file only for its kind."""
    for _ in range(2):
        names = ONLY_KIND.get(frame.f_globals.get("__name__"), ())
        name = frame.f_code.co_name
        if name not in names:
            return False
        if name not in ("stat", "lstat"):
            return True
        frame = frame.f_back
        if frame is None:
            return False
    return False


def watched_stat(trace, original):
    def watched(path, *, dir_fd=None, **more):
        if not trace.busy and not isinstance(path, int):
            trace.busy = True
            try:
                if dir_fd is not None:
                    trace.spoil("it looks at files relative to an open directory")
                else:
                    trace.looked(path, sys._getframe(1), original is _lstat)
            except (OSError, TypeError, ValueError):
                pass  # the call itself says what is wrong
            finally:
                trace.busy = False
        return original(path, dir_fd=dir_fd, **more)

    watched.__name__ = watched.__qualname__ = original.__name__
    return watched


def watched_access(trace):
    def access(path, mode, **more):
        if trace.started and not trace.busy:
            if mode == os.F_OK and not more:
                trace.busy = True
                try:
                    trace.kind(path)
                except (OSError, TypeError, ValueError):
                    pass
                finally:
                    trace.busy = False
            else:
                trace.spoil("it asks what may be done with a file")
        return _access(path, mode, **more)

    return access


def watched_readlink(trace):
    def readlink(path, **more):
        if not trace.busy:
            trace.busy = True
            try:
                trace.link(path)
                if more:
                    trace.spoil("it looks at files relative to an open directory")
            except (OSError, TypeError, ValueError):
                pass
            finally:
                trace.busy = False
        return _readlink(path, **more)

    return readlink


def watched_environ(trace):
    """The class of os.environ, but it says what is read."""

    class Environ(type(os.environ)):
        def __getitem__(self, key):
            trace.variable(key)
            return super().__getitem__(key)

        def __setitem__(self, key, value):
            trace.changed_variable()
            super().__setitem__(key, value)

        def __delitem__(self, key):
            trace.changed_variable()
            super().__delitem__(key)

        def __iter__(self):
            trace.all_variables()
            return super().__iter__()

        def __len__(self):
            trace.all_variables()
            return super().__len__()

        def copy(self):
            trace.all_variables()
            return {self.decodekey(key): self.decodevalue(value) for key, value in self._data.items()}

    Environ.__name__ = Environ.__qualname__ = "_Environ"
    return Environ


class Variables(dict):
    """The variables in Runway's context, which say what is read of them."""

    trace = None

    def __getitem__(self, key):
        self.trace.variable(key)
        return super().__getitem__(key)

    def __contains__(self, key):
        self.trace.variable(key)
        return super().__contains__(key)

    def get(self, key, default=None):
        self.trace.variable(key)
        return super().get(key, default)


def _reading(name):
    def method(self, *arguments, **more):
        self.trace.all_variables()
        return getattr(dict, name)(self, *arguments, **more)

    method.__name__ = name
    return method


def _changing(name):
    def method(self, *arguments, **more):
        self.trace.changed_variable()
        return getattr(dict, name)(self, *arguments, **more)

    method.__name__ = name
    return method


for _name in ("__iter__", "__len__", "__eq__", "__ne__", "__repr__", "__or__", "__ror__", "copy", "items", "keys", "values"):
    setattr(Variables, _name, _reading(_name))
for _name in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"):
    setattr(Variables, _name, _changing(_name))
Variables.__hash__ = None
