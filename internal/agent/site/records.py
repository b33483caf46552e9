"""Gives the root logger the handler that sends records to the job's log, with
their severity. sitecustomize.py runs it when logging is first imported, with
the pipe's path in `path`, and takes `handler` from it.
"""
import errno
import json
import logging
import os
import sys
import threading


class Pipe(object):
    """The named pipe to the agent; opened when first used, and again after a fork."""

    def __init__(self, path):
        self.path = path
        self.fd = None
        self.pid = None
        self.lock = threading.Lock()

    def write(self, data):
        with self.lock:
            if self.fd is None or self.pid != os.getpid():
                # Without O_NONBLOCK this would wait for an agent that is gone.
                self.fd = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
                self.pid = os.getpid()
                import fcntl
                flags = fcntl.fcntl(self.fd, fcntl.F_GETFL)
                fcntl.fcntl(self.fd, fcntl.F_SETFL, flags & ~os.O_NONBLOCK)
                fcntl.fcntl(self.fd, fcntl.F_SETFD, fcntl.fcntl(self.fd, fcntl.F_GETFD) | fcntl.FD_CLOEXEC)
            # Several processes write: up to PIPE_BUF bytes arrive in one
            # piece, and longer records keep the others out meanwhile.
            import fcntl
            fcntl.flock(self.fd, fcntl.LOCK_EX)
            try:
                view = memoryview(data)
                while len(view):
                    try:
                        n = os.write(self.fd, view[:65536])
                    except OSError as e:
                        if e.errno == errno.EINTR:
                            continue
                        raise
                    view = view[n:]
            finally:
                fcntl.flock(self.fd, fcntl.LOCK_UN)

    def forked(self):
        # The lock may have been held by a thread that the child lacks, and
        # the descriptor shares its file lock with the parent's.
        self.lock = threading.Lock()
        if self.fd is not None:
            try:
                os.close(self.fd)
            except OSError:
                pass
        self.fd = None


class Handler(logging.Handler):
    fatal = None  # the record of the exception that ends the process
    shown = False  # the program has an excepthook of its own, which showed it

    def __init__(self, pipe):
        logging.Handler.__init__(self)
        self.pipe = pipe

    def emit(self, record):
        try:
            if record.levelno == logging.INFO and record.pathname.endswith("googleapiclient/discovery.py"):
                return
            message = record.getMessage()
            if record.exc_info:
                message += "\n" + logging.Formatter().formatException(record.exc_info)
            if getattr(record, "stack_info", None):
                message += "\n" + record.stack_info
            if isinstance(message, bytes):
                message = message.decode("utf-8", "replace")
            seconds = int(record.created)
            fields = {
                "message": message,
                "levelname": record.levelname,
                "severity": record.levelname,
                "name": record.name,
                "created": record.created,
                "timestampSeconds": seconds,
                "timestampNanos": int((record.created - seconds) * 1e9),
                "lineno": record.lineno,
                "pathname": record.pathname,
                "thread": record.thread,
            }
            if record is self.fatal:
                fields["uncaught"] = os.getpid()
                if self.shown:
                    fields["shown"] = True
            line = json.dumps(fields, default=str)
            self.pipe.write(line.encode("ascii", "replace") + b"\n")
        except (KeyboardInterrupt, SystemExit):
            raise
        except Exception:
            if self.shown:
                return
            try:
                text = logging.Formatter("%(message)s" if record is self.fatal else "%(levelname)s:%(name)s:%(message)s").format(record)
                sys.stderr.write(text + "\n")
            except Exception:
                pass


pipe = Pipe(path)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pipe.forked)
handler = Handler(pipe)
root = logging.getLogger()
root.handlers = [handler]
level = logging.getLevelName(os.environ.get("CLOUD_ML_LOG_LEVEL", "INFO").upper())
root.setLevel(level if isinstance(level, int) else logging.INFO)

configure = logging.basicConfig


def basicConfig(*args, **kwargs):
    # Configures as in a program of its own. What it would print on the
    # terminal goes to the job's log already.
    if handler not in root.handlers:
        return configure(*args, **kwargs)
    if [h for h in root.handlers if h is not handler] and not kwargs.get("force"):
        return None
    before = list(root.handlers)
    root.removeHandler(handler)
    try:
        return configure(*args, **kwargs)
    finally:
        for h in list(root.handlers):
            if h not in before and type(h) is logging.StreamHandler and h.stream in (sys.stderr, sys.stdout, sys.__stderr__, sys.__stdout__):
                root.removeHandler(h)
        root.handlers.insert(0, handler)


basicConfig.__doc__ = configure.__doc__
logging.basicConfig = basicConfig
