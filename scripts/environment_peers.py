"""Peers of bench-environments: what a person would run instead. Each is made in
a folder of its own, from the index, and asks for the same packages and Python.
"""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
import urllib.request

PATIENCE = 180  # seconds for any one step; a peer that takes longer is left out


class LeftOut(Exception):
    """A peer cannot be measured here."""


def run(what, command, **options):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, **options)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise LeftOut('%s: %s' % (what, e))
    if done.returncode:
        raise LeftOut('%s: %s' % (what, (done.stdout.strip() or 'exit status %d' % done.returncode).splitlines()[-1]))
    return done.stdout


def until_first_line(what, command, **options):
    """Seconds until the program's own clock, at its first line."""
    begin = time.time()
    out = run(what, command, **options)
    began = re.search(r'began ([\d.]+)', out)
    if not began:
        raise LeftOut(what + ': its program said nothing')
    return float(began.group(1)) - begin


class Pip:
    name = 'pip in a fresh venv'

    def __init__(self, work, interpreter):
        self.target, self.interpreter = os.path.join(work, 'pip-venv'), interpreter

    def install(self, requires, cache):
        shutil.rmtree(self.target, ignore_errors=True)
        env = dict(os.environ, PIP_CACHE_DIR=cache, PIP_DISABLE_PIP_VERSION_CHECK='1')
        begin = time.perf_counter()
        run('venv', [self.interpreter, '-m', 'venv', self.target])
        run('pip', [os.path.join(self.target, 'bin', 'pip'), 'install', '-q', *requires], env=env)
        return time.perf_counter() - begin


class Tool:
    """A peer that is a Python program, in an environment of its own."""

    def __init__(self, work, uv, interpreter, requires, cache):
        self.dir = os.path.join(work, self.name.split()[0].lower())
        self.venv = os.path.join(self.dir, 'venv')
        self.bin = os.path.join(self.venv, 'bin')
        self.env = dict(os.environ, UV_CACHE_DIR=cache)
        os.makedirs(self.dir)
        run('venv', [uv, 'venv', '-q', '--seed', '--python', interpreter, self.venv], env=self.env)
        run('install', [uv, 'pip', 'install', '-q', '--python', os.path.join(self.bin, 'python'), *requires], env=self.env)
        self.env['PATH'] = os.pathsep.join([self.bin, os.path.dirname(interpreter), os.path.dirname(uv), self.env['PATH']])

    def close(self):
        pass


class MLflow(Tool):
    name = 'MLflow Projects with uv'

    def __init__(self, work, uv, interpreter, python, cache):
        super().__init__(work, uv, interpreter, ['mlflow', 'setuptools'], cache)
        self.python = python
        self.env.update(MLFLOW_ENV_ROOT=os.path.join(self.dir, 'environments'), MLFLOW_TRACKING_URI='sqlite:///' + os.path.join(self.dir, 'runs.db'),
                        GIT_PYTHON_REFRESH='quiet', UV_PYTHON_DOWNLOADS='never')
        # The first start of all makes its database.
        run('mlflow', [os.path.join(self.bin, 'mlflow'), 'db', 'upgrade', self.env['MLFLOW_TRACKING_URI']], env=self.env)

    def first_line(self, app, requires):
        with open(os.path.join(app, 'MLproject'), 'w') as f:
            f.write('name: bench\npython_env: python_env.yaml\nentry_points:\n  main:\n    command: "python -m trainer.task"\n')
        with open(os.path.join(app, 'python_env.yaml'), 'w') as f:
            json.dump({'python': self.python, 'build_dependencies': [], 'dependencies': requires}, f)
        return until_first_line('mlflow run', [os.path.join(self.bin, 'mlflow'), 'run', app, '--env-manager', 'uv'], env=self.env, cwd=self.dir)


class Ray(Tool):
    name = 'Ray runtime_env with pip, which keeps no downloads'
    port = 20471

    def __init__(self, work, uv, interpreter, python, cache):
        del python
        self.head = None
        super().__init__(work, uv, interpreter, ['ray[default]', 'virtualenv'], cache)
        token = secrets.token_hex(16)  # some of its ports are open to the network
        self.env.update(RAY_AUTH_MODE='token', RAY_AUTH_TOKEN=token)
        self.address = 'http://127.0.0.1:%d' % (self.port + 1)
        ports = ['--port', '--dashboard-port', '--ray-client-server-port', '--dashboard-agent-listen-port', '--min-worker-port']
        command = [os.path.join(self.bin, 'ray'), 'start', '--block', '--head', '--node-ip-address', '127.0.0.1', '--dashboard-host', '127.0.0.1',
                   '--max-worker-port', str(self.port + 100), '--num-cpus', '2', '--object-store-memory', '100000000', '--disable-usage-stats',
                   '--temp-dir', os.path.join(self.dir, 'r')]
        for i, flag in enumerate(ports):
            command += [flag, str(self.port + i)]
        self.head = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.env, start_new_session=True)
        try:
            self.wait(token)
        except BaseException:
            self.close()
            raise

    def wait(self, token):
        until = time.monotonic() + 60
        while time.monotonic() < until and self.head.poll() is None:
            try:
                urllib.request.urlopen(urllib.request.Request(self.address + '/api/version', headers={'Authorization': 'Bearer ' + token}), timeout=5).close()
                return
            except OSError:
                time.sleep(0.2)
        raise LeftOut('ray start: it does not answer')

    def first_line(self, app, requires):
        return until_first_line('ray job submit', [
            os.path.join(self.bin, 'ray'), 'job', 'submit', '--address', self.address, '--working-dir', app,
            '--runtime-env-json', json.dumps({'pip': requires}), '--', 'python', '-m', 'trainer.task'], env=self.env, cwd=self.dir)

    def close(self):
        """Ends all that was started, and only that: it is one session."""
        if not self.head:
            return
        for sig, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
            until = time.monotonic() + patience
            try:
                os.killpg(self.head.pid, sig)
                while time.monotonic() < until:
                    self.head.poll()
                    os.killpg(self.head.pid, 0)
                    time.sleep(0.2)
            except ProcessLookupError:
                return
