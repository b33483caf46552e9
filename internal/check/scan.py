"""Says what Python files import, define, open and parse. Runs under 3.6 and later.

Standard input is JSON: {"files": {path: base64}, "python": [3, 7] or null}; the answer is JSON too.
"""
import ast
import base64
import json
import os
import sys

OPTIONAL = ('ImportError', 'ModuleNotFoundError', 'Exception', 'BaseException')


def text(node):
    """The text of a literal, None of anything else."""
    if isinstance(node, getattr(ast, 'Constant', ())) and isinstance(node.value, str):
        return node.value
    return getattr(node, 's', None) if type(node).__name__ == 'Str' else None


def name(node):
    """The dotted name of an expression, empty where it has none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return name(node.value) + '.' + node.attr
    return ''


class Scan(ast.NodeVisitor):
    def __init__(self):
        self.imports, self.defines, self.shared, self.opens, self.words = [], set(), set(), [], set()
        self.dynamic = self.strict = self.syspath = False
        self.guards = self.depth = 0

    def add(self, node, module, names, level):
        self.imports.append({'module': module, 'names': names, 'level': level, 'line': node.lineno,
                             'guarded': self.guards > 0, 'top': self.depth == 0})

    def define(self, *names):
        if self.depth == 0:
            self.defines.update(names)

    def visit_Import(self, node):
        for a in node.names:
            self.add(node, a.name, [], 0)
            self.define((a.asname or a.name).split('.')[0])

    def visit_ImportFrom(self, node):
        self.add(node, node.module or '', [a.name for a in node.names if a.name != '*'], node.level)
        self.define(*[a.asname or a.name for a in node.names])
        if any(a.name == '*' for a in node.names) and self.depth == 0:
            self.dynamic = True

    def scope(self, node):
        self.define(node.name)
        if node.name == '__getattr__':
            self.dynamic = True
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    visit_FunctionDef = visit_AsyncFunctionDef = scope

    def visit_ClassDef(self, node):
        self.define(node.name)
        before, self.defines = self.defines, set()  # its names are not the module's
        self.generic_visit(node)
        self.defines = before

    def visit_Global(self, node):
        self.shared.update(node.names)

    def visit_Name(self, node):
        if isinstance(node.ctx, ast.Store):
            self.define(node.id)
        if node.id in ('globals', 'exec', '__path__'):
            self.dynamic = True

    def visit_Attribute(self, node):
        full = name(node)
        if full == 'sys.path':
            self.syspath = True
        if full == 'sys.modules':
            self.dynamic = True
        self.generic_visit(node)

    def visit_Try(self, node):
        guarded = any(h.type is None or any(name(t).split('.')[-1] in OPTIONAL
                                            for t in (h.type.elts if isinstance(h.type, ast.Tuple) else [h.type]))
                      for h in node.handlers)
        self.guards += guarded
        for n in node.body:
            self.visit(n)
        self.guards -= guarded
        for n in node.handlers + node.orelse + node.finalbody:
            # What stands in for a module that is missing may be missing too.
            self.guards += guarded and isinstance(n, ast.ExceptHandler)
            self.visit(n)
            self.guards -= guarded and isinstance(n, ast.ExceptHandler)

    visit_TryStar = visit_Try

    def visit_If(self, node):
        # TYPE_CHECKING, sys.version_info, sys.platform …: either branch may never run.
        self.visit(node.test)
        main = any(text(c) == '__main__' for c in ast.walk(node.test))
        self.guards += not main
        for n in node.body + node.orelse:
            self.visit(n)
        self.guards -= not main

    def visit_Call(self, node):
        called = name(node.func)
        if called.endswith('.parse_args') or called == 'parse_args':
            self.strict = True
        if called.endswith('import_module') or called == '__import__':
            self.dynamic = True
        if node.args:
            path = text(node.args[0])
            mode = text(node.args[1]) if len(node.args) > 1 else None
            if path and (called != 'open' or mode is None or 'r' in mode):
                self.opens.append({'path': path, 'line': node.lineno})
        self.generic_visit(node)

    def visit_Constant(self, node):
        if isinstance(node.value, str) and len(node.value) < 40:
            self.words.add(node.value)

    def visit_Str(self, node):
        if len(node.s) < 40:
            self.words.add(node.s)


def scan(source, python):
    options = {}
    if python and sys.version_info >= (3, 8) and tuple(python) < sys.version_info[:2]:
        options['feature_version'] = tuple(python)
    try:
        tree = ast.parse(source, **options)
    except (SyntaxError, ValueError) as e:
        return {'error': {'line': getattr(e, 'lineno', None) or 0, 'text': getattr(e, 'msg', None) or str(e)}}
    except RecursionError:
        return {'dynamic': True}
    s = Scan()
    try:
        s.visit(tree)
    except RecursionError:
        s.dynamic = True
    return {'imports': s.imports, 'defines': sorted(s.defines | s.shared), 'dynamic': s.dynamic, 'strict': s.strict, 'syspath': s.syspath, 'opens': s.opens,
            # To argparse --job_dir is another argument; flags of TensorFlow and absl take both.
            'jobDir': any(w.lstrip('-').startswith('job-dir') or w.startswith('job_dir') for w in s.words)}


def strings(node):
    """The strings of a literal list, None of anything else."""
    if isinstance(node, (ast.List, ast.Tuple)):
        texts = [text(e) for e in node.elts]
        return None if None in texts else texts


def requires(source):
    """What a setup.py says that it requires, None where its text does not tell."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return None
    known, found = {}, None
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                known[name(target)] = None if name(target) in known else strings(node.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name(node.func).split('.')[-1] == 'setup':
            if any(k.arg is None for k in node.keywords):
                return None
            found = []
            for k in node.keywords:
                if k.arg == 'install_requires':
                    found = known.get(k.value.id) if isinstance(k.value, ast.Name) else strings(k.value)
    return found


def standard():
    names = set(sys.builtin_module_names) | set(getattr(sys, 'stdlib_module_names', ()))
    if not hasattr(sys, 'stdlib_module_names'):
        folder = os.path.dirname(os.__file__)
        for d in (folder, os.path.join(folder, 'lib-dynload')):
            if os.path.isdir(d):
                names.update(n.split('.')[0] for n in os.listdir(d) if n.split('.')[0].isidentifier() and n != 'site-packages')
    return sorted(names)


def installed():
    """What the distributions of this interpreter provide and need."""
    provides, needs = {}, {}
    try:
        from importlib.metadata import distributions
    except ImportError:
        return provides, needs
    for d in distributions():
        try:
            own = d.metadata['Name']
            tops = (d.read_text('top_level.txt') or '').split()
            if not tops:
                tops = {f.parts[0] for f in d.files or () if len(f.parts) > 1 and f.parts[0].isidentifier()}
            for t in tops:
                provides.setdefault(t, []).append(own)
            needs[own] = [r for r in d.requires or () if 'extra ==' not in r]
        except Exception:
            continue
    return provides, needs


def main():
    asked = json.loads(sys.stdin.buffer.read().decode('utf-8'))
    answer = {'python': list(sys.version_info[:2]), 'standard': standard(),
              'setups': [requires(base64.b64decode(b)) for b in asked.get('setups') or ()],
              'files': {p: scan(base64.b64decode(b), asked.get('python')) for p, b in asked['files'].items()}}
    if asked.get('installed'):
        answer['provides'], answer['needs'] = installed()
    sys.stdout.buffer.write(json.dumps(answer).encode('utf-8'))


main()
