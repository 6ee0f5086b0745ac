"""The servers of the benchmark: private ports and directories, ended by pid."""

import os
import pathlib
import signal
import socket
import subprocess
import time

import redis

ROOT = pathlib.Path(__file__).resolve().parent.parent


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_seconds(pids):
    """Processor time of all threads of these processes, from the kernel."""

    total = 0

    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])

    return total / 1e9


class Redis:
    """A Redis that keeps nothing on the disk."""

    def __init__(self, directory):
        self.port = free_port()
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
             "--save", "", "--appendonly", "no", "--dir", str(directory),
             "--lazyfree-lazy-expire", "yes", "--daemonize", "no"],
            stdout=subprocess.DEVNULL)
        self.client = redis.Redis(port=self.port, decode_responses=True)

        for _ in range(200):
            try:
                self.client.ping()
                return
            except redis.ConnectionError:
                time.sleep(0.05)

        raise SystemExit("redis-server does not start")

    def cpu(self):
        return cpu_seconds([self.process.pid])

    def memory(self):
        return self.client.info("memory")["used_memory"]

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        self.go_on()
        self.process.kill()
        self.process.wait()


class Nginx:
    """One nginx with the configuration of one row."""

    def __init__(self, directory, text, port):
        self.port = port
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "nginx.conf").write_text(text)

        self.log = directory / "error.log"
        self.process = subprocess.Popen(
            ["nginx", "-p", str(directory), "-e", str(self.log),
             "-c", str(directory / "nginx.conf")])

        for _ in range(200):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        else:
            self.end()
            raise SystemExit(f"nginx does not start:\n{self.log.read_text()}")

        time.sleep(0.3)

    def workers(self):
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")

        return [int(child) for child in children.read_text().split()]

    def cpu(self):
        return cpu_seconds(self.workers())

    def end(self):
        self.process.send_signal(signal.SIGQUIT)

        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
