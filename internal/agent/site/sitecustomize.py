"""Sends the records of Python's logging to the job's log, with their severity.

Loaded by every Python of a training job, versions 2.7 and 3. It gives the root
logger one handler, logs uncaught exceptions, and then lets any other
sitecustomize module have its turn. Programs may configure logging as they like.
"""
import atexit
import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))
_records = None  # what records.py made


def _connect(path):
    """Gives logging its handler, once."""
    global _records
    if _records is None:
        file = os.path.join(_here, "records.py")
        with open(file) as f:
            made = {"__name__": "trainyard_records", "__file__": file, "path": path}
            exec(compile(f.read(), file, "exec"), made)
        _records = made
    return _records


def _try_connect(path):
    try:
        _connect(path)
    except Exception:
        sys.stderr.write("trainyard: Python logging is not connected to the job's log: %s\n" % (sys.exc_info()[1],))


class _WhenImported(object):
    """Connects logging when it is imported: programs that never do need not wait
    for it, which takes as long as the start of Python does."""

    def __init__(self, path):
        self.path = path
        self.busy = False
        self.loader = None

    def find_spec(self, name, path=None, target=None):
        if name != "logging" or self.busy or _records is not None:
            return None
        self.busy = True  # it asks the other finders, and stays among them: they may be in use
        try:
            for finder in list(sys.meta_path):
                spec = finder is not self and hasattr(finder, "find_spec") and finder.find_spec(name, path, target)
                if spec:
                    if hasattr(spec.loader, "exec_module"):
                        self.loader, spec.loader = spec.loader, self
                    return spec
        finally:
            self.busy = False

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        _try_connect(self.path)


def _when_imported(path):
    if "logging" in sys.modules or sys.version_info < (3, 4):
        _try_connect(path)
    else:
        sys.meta_path.insert(0, _WhenImported(path))


def _log_uncaught(path):
    def say(kind, value, trace, shown):
        import logging
        import traceback
        handler = _connect(path)["handler"]
        text = "".join(traceback.format_exception(kind, value, trace)).rstrip("\n")
        handler.fatal = logging.LogRecord("root", logging.ERROR, __file__, 0, text, None, None)
        handler.shown = shown
        handler.emit(handler.fatal)
        said.append(value)

    def excepthook(kind, value, trace):
        try:
            if issubclass(kind, Exception):
                say(kind, value, trace, False)
                return
        except Exception:
            pass
        sys.__excepthook__(kind, value, trace)

    def at_exit():
        # Another excepthook (of rich, typer, IPython) shows exceptions in
        # its own way, which nobody can read back.
        kind = getattr(sys, "last_type", None)
        if kind is None or sys.excepthook is excepthook or said or not issubclass(kind, Exception):
            return
        say(kind, sys.last_value, sys.last_traceback, True)

    said = []
    sys.excepthook = excepthook
    atexit.register(at_exit)


def _write_lines():
    """Writes standard output line by line, as on a terminal.

    PYTHONUNBUFFERED, which does for older versions, makes two system calls of
    every print.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True, write_through=False)


def _say_where():
    """Has a crash of compiled code say where the program was."""
    try:
        import faulthandler
        faulthandler.enable()
    except Exception:  # Python 2, or no standard error
        pass


def _chain():
    """Runs the sitecustomize module that this one hides."""
    paths = [p for p in sys.path if os.path.abspath(p or ".") != _here]
    if sys.version_info[0] >= 3:
        import importlib.machinery
        spec = importlib.machinery.PathFinder.find_spec("sitecustomize", paths)
        if spec is None or spec.loader is None:
            return
        import importlib.util
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        import imp
        try:
            found = imp.find_module("sitecustomize", paths)
        except ImportError:
            return
        try:
            imp.load_module("_sitecustomize", *found)
        finally:
            if found[0]:
                found[0].close()


sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != _here]
if os.environ.get("TRAINYARD_LOG_PIPE"):
    try:
        _write_lines()
        _when_imported(os.environ["TRAINYARD_LOG_PIPE"])
        _log_uncaught(os.environ["TRAINYARD_LOG_PIPE"])
        _say_where()
    except Exception:
        sys.stderr.write("trainyard: Python logging is not connected to the job's log: %s\n" % (sys.exc_info()[1],))
_chain()
