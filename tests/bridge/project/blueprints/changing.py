"""Blueprints whose templates depend on what cannot be found again."""

import datetime
import os
import random
import socket
import subprocess
import tempfile
import threading
import time
import uuid

from runway.cfngin.blueprints.base import Blueprint
from troposphere import sqs


class Plain(Blueprint):
    """Depends on nothing; the others on one thing each."""

    VARIABLES = {}

    def create_template(self):
        self.template.add_resource(sqs.Queue("Queue"))
        self.add_output("Value", str(self.value()))

    def value(self):
        return "plain"


class Connects(Plain):
    def value(self):
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", 9))


class Resolves(Plain):
    def value(self):
        return socket.gethostbyname("localhost")


class Starts(Plain):
    def value(self):
        return subprocess.run(["/bin/echo", "started"], stdout=subprocess.PIPE, check=True).stdout.decode()


class RunsShell(Plain):
    def value(self):
        return os.system("true")


class Forks(Plain):
    def value(self):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        return "forked"


class ReadsClock(Plain):
    def value(self):
        return time.time()


class ReadsDate(Plain):
    def value(self):
        return datetime.datetime.now(datetime.timezone.utc)


class ReadsDay(Plain):
    def value(self):
        return datetime.date.today()


class FormatsDay(Plain):
    def value(self):
        return time.strftime("%Y-%m-%d")


class Rolls(Plain):
    def value(self):
        return random.randint(1, 6)


class RollsItsOwn(Plain):
    def value(self):
        return random.Random(42).random()


class MakesId(Plain):
    def value(self):
        return uuid.uuid4()


class ReadsRandom(Plain):
    def value(self):
        return os.urandom(4).hex()


class ReadsDevice(Plain):
    def value(self):
        with open("/dev/urandom", "rb") as device:
            return device.read(2).hex()


class ReadsProcess(Plain):
    def value(self):
        with open("/proc/self/stat", encoding="utf-8") as numbers:
            return numbers.read()


class AsksForProcess(Plain):
    def value(self):
        return os.getpid()


class Writes(Plain):
    def value(self):
        with open("written.txt", "w", encoding="utf-8") as file:
            return file.write("something")


class MakesDirectory(Plain):
    def value(self):
        with tempfile.TemporaryDirectory() as directory:
            return os.path.isdir(directory)


class StartsThread(Plain):
    def value(self):
        values = []
        thread = threading.Thread(target=lambda: values.append("thread"))
        thread.start()
        thread.join()
        return values[0]


class ReadsAllVariables(Plain):
    def value(self):
        return len(dict(os.environ))


class ReadsAllOfContext(Plain):
    def value(self):
        return ",".join(sorted(self.context.env.vars))


class ReadsSecret(Plain):
    def value(self):
        return os.environ.get("DATABASE_PASSWORD", "none")


class SetsVariable(Plain):
    def value(self):
        os.environ["FROM_A_BLUEPRINT"] = "yes"
        return "set"


class ChangesDirectory(Plain):
    def value(self):
        os.chdir(os.getcwd())
        return "changed"


class LeavesHookData(Plain):
    def value(self):
        self.context.hook_data["left"] = {"by": "a blueprint"}
        return "left"


class Watches(Plain):
    def value(self):
        import sys

        sys.setprofile(None)
        return time.time()


class DependsOnHashes(Plain):
    """Nobody can see this: hashes of texts are others in every process."""

    def value(self):
        return hash("a text")
