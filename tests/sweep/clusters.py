"""A Dask cluster of processes of this machine, each of which a test can kill."""

import json
import os
import subprocess
import sys
import time


class Cluster:
    """A scheduler and workers, each a process that can be killed."""

    def __init__(self, folder):
        self.file, self.processes, self.workers = folder / "scheduler.json", [], []
        self.scheduler = self.start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(self.file)
        )
        deadline = time.monotonic() + 60
        while self.address is None and time.monotonic() < deadline:
            time.sleep(0.05)

    @property
    def address(self):
        try:
            return json.loads(self.file.read_text())["address"]
        except (OSError, ValueError):
            return None

    def start(self, program, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.{program}", *arguments, "--no-dashboard"]
        command += ["--dashboard-address", "127.0.0.1:0"]
        # No word of precision: the sweep says it.
        environment = {name: value for name, value in os.environ.items() if name != "JAX_ENABLE_X64"}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def add_worker(self, *options):
        arguments = (self.address, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", *options)
        self.workers.append(self.start("dask_worker", *arguments))
        return self.workers[-1]

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()
