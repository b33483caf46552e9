package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/logs"
)

// pythons are the interpreters to try: every one that pyenv has, and the
// machine's own.
func pythons(t *testing.T) []string {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	list, err := filepath.Glob(filepath.Join(home, ".pyenv", "versions", "*", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	return append(list, interpreter(t))
}

func TestPythonLoggingKeepsItsSeverities(t *testing.T) {
	const source = `# -*- coding: utf-8 -*-
from __future__ import print_function
import logging, os, subprocess, sys
logging.debug("not shown")
logging.info("an info with %d", 42)
logging.warning("a warning")
logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(message)s")
logging.getLogger("my.module").debug("shown after basicConfig")
logging.getLogger("my.module").critical(u"crítical")
logging.error("x" * 100000)
try:
    1 / 0
except ZeroDivisionError:
    logging.exception("it broke")
sys.stdout.flush()
subprocess.check_call([sys.executable, "-c", "import logging; logging.error('from a child')"])
pid = os.fork()
if pid == 0:
    logging.error("from a fork")
    os._exit(0)
os.waitpid(pid, 0)
raise RuntimeError("the end")
`
	for _, python := range pythons(t) {
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(python))), func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t, python, source)
			exit := tr.run()
			got := tr.printed()
			for _, want := range []string{
				"INFO an info with 42\n", "WARNING a warning\n", "DEBUG shown after basicConfig\n", "CRITICAL crítical\n",
				"ERROR " + strings.Repeat("x", 100000) + "\n", "ERROR it broke\nTraceback (most recent call last):\n",
				"ERROR from a child\n", "ERROR from a fork\n", "ERROR Traceback (most recent call last):\n",
			} {
				if strings.Count(got, want) != 1 {
					t.Errorf("the log has %q %d times", want[:min(len(want), 60)], strings.Count(got, want))
				}
			}
			if strings.Contains(got, "not shown") {
				t.Error("a record below the level is in the log")
			}
			if exit.Code != 1 || !strings.HasSuffix(exit.Traceback, "RuntimeError: the end") || !exit.Uncaught || strings.Contains(got, "uncaught") {
				t.Errorf("the record is %+v", exit)
			}
			if t.Failed() {
				t.Logf("%.4000s", strings.ReplaceAll(got, strings.Repeat("x", 100000), "x..."))
			}
		})
	}
}

// TestLoggingIsConnectedWheneverItIsImported has programs that never import
// logging, that import it late, in a thread, and one with a module of that name
// of its own: their logs and last words are as without us.
func TestLoggingIsConnectedWheneverItIsImported(t *testing.T) {
	const untouched = `import sys
assert "logging" not in sys.modules and "json" not in sys.modules, "they take as long as Python's own start"
`
	for _, python := range pythons(t) {
		version := filepath.Base(filepath.Dir(filepath.Dir(python)))
		for name, c := range map[string]struct{ source, want, code string }{
			"never":    {"print('done')\n", "INFO done\n", "0"},
			"uncaught": {"raise KeyError('the key')\n", "ERROR Traceback (most recent call last):\n", "1"},
			"thread": {"import threading\ndef f():\n    import logging\n    logging.warning('from a thread')\n" +
				"t = threading.Thread(target=f)\nt.start()\nt.join()\n", "WARNING from a thread\n", "0"},
			"as it is": {"import importlib, logging, logging.handlers\nassert 'records' not in str(logging.__spec__) + str(logging.__loader__)\n" +
				"assert type(logging.__spec__.loader) is type(importlib.__spec__.loader) and logging.__loader__ is logging.__spec__.loader\n" +
				"logging.error('from handlers')\n", "ERROR from handlers\n", "0"},
			"own module": {"import sys, types\nsys.modules['logging'] = types.ModuleType('logging')\nraise ValueError('mine')\n", "ValueError: mine", "1"},
		} {
			if strings.HasPrefix(version, "2.") && name == "as it is" {
				continue
			}
			t.Run(version+"/"+name, func(t *testing.T) {
				t.Parallel()
				source := c.source
				if !strings.HasPrefix(version, "2.") {
					source = untouched + source
				}
				tr := newTrial(t, python, source)
				exit := tr.run()
				if got := tr.printed(); fmt.Sprint(exit.Code) != c.code || strings.Count(got, c.want) != 1 || strings.Contains(got, "not connected") {
					t.Errorf("the record is %+v, the log\n%s", exit, got)
				}
			})
		}
	}
}

func TestWhatAnotherPythonDiedOfIsInTheTraceback(t *testing.T) {
	const child = "import nothing_of_nobody"
	for source, want := range map[string]bool{
		"import subprocess, sys\nsubprocess.check_call([sys.executable, '-c', '" + child + "'])\n":                             true,
		"import subprocess, sys\nsubprocess.call([sys.executable, '-c', '" + child + "'])\nraise ValueError('mine')\n":         false,
		"import subprocess, sys\nsubprocess.call([sys.executable, '-c', '" + child + "'])\nsubprocess.check_call(['false'])\n": false,
	} {
		exit := newTrial(t, interpreter(t), source).run()
		if !exit.Uncaught || strings.Contains(exit.Traceback, "nothing_of_nobody'\n\nThe above exception was the direct cause") != want {
			t.Errorf("%s\n%+v", source, exit)
		}
	}
	exit := newTrial(t, interpreter(t), "import subprocess, sys\nsubprocess.call([sys.executable, '-c', '"+child+"'])\nsys.exit(1)\n").run()
	if exit.Uncaught || exit.Traceback == "" {
		t.Errorf("a process that the program did not die of: %+v", exit)
	}
}

func TestWhatEndedTheProgramIsTheTraceback(t *testing.T) {
	for name, source := range map[string]string{
		"an exit handler fails":              "import atexit\n@atexit.register\ndef f():\n    raise ValueError('late')\nraise KeyError('the end')\n",
		"an exit handler logs":               "import atexit, logging\n@atexit.register\ndef f():\n    try:\n        1 / 0\n    except ZeroDivisionError:\n        logging.exception('late')\nraise KeyError('the end')\n",
		"a destructor fails":                 "class R(object):\n    def __del__(self):\n        raise ValueError('late')\nr = R()\nraise KeyError('the end')\n",
		"another process fails":              "import atexit, subprocess, sys\natexit.register(subprocess.call, [sys.executable, '-c', '1 / 0'])\nraise KeyError('the end')\n",
		"an excepthook of the program's own": "import sys\nsys.excepthook = lambda kind, value, trace: sys.stderr.write('OH NO\\n')\nraise KeyError('the end')\n",
		"its own excepthook fails":           "import sys\nsys.excepthook = lambda kind, value, trace: 1 / 0\nraise KeyError('the end')\n",
	} {
		list := []string{interpreter(t)}
		if strings.Contains(source, "excepthook") {
			list = pythons(t) // each has a way of its own to say what it was
		}
		for _, python := range list {
			t.Run(name+"/"+filepath.Base(filepath.Dir(filepath.Dir(python))), func(t *testing.T) {
				t.Parallel()
				tr := newTrial(t, python, source)
				exit := tr.run()
				if !exit.Uncaught || !strings.HasSuffix(exit.Traceback, "KeyError: 'the end'") {
					t.Errorf("the record is %+v", exit)
				}
				if got := tr.printed(); strings.Contains(got, "OH NO") && strings.Contains(got, "the end") {
					t.Errorf("shown by the program, and again:\n%s", got)
				}
			})
		}
	}
}

func TestTheLevelOfLoggingIsASetting(t *testing.T) {
	tr := newTrial(t, interpreter(t), "import logging\nlogging.info('low')\nlogging.error('high')\n")
	tr.task.Replica.Env["CLOUD_ML_LOG_LEVEL"] = "ERROR"
	tr.run()
	if got := tr.printed(); strings.Contains(got, "INFO low") || !strings.Contains(got, "ERROR high") {
		t.Errorf("the log is\n%s", got)
	}
}

func TestOtherSitecustomizeModulesHaveTheirTurn(t *testing.T) {
	for _, python := range pythons(t) {
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(python))), func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t, python, "import os, sys\nprint(os.environ['CHAINED'], [p for p in sys.path if p.endswith('/site')])\n")
			other := filepath.Join(tr.task.DataDir, "modules", "sitecustomize.py")
			if err := os.WriteFile(other, []byte("import os\nos.environ['CHAINED'] = 'chained'\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if exit := tr.run(); exit.Code != 0 || !strings.Contains(tr.printed(), "chained") {
				t.Errorf("the record is %+v, the log\n%s", exit, tr.printed())
			}
		})
	}
}

func TestManyProcessesLogWithoutMixingTheirRecords(t *testing.T) {
	tr := newTrial(t, interpreter(t), `
import logging, os
for k in range(4):
    if os.fork() == 0:
        for i in range(100):
            logging.info("%d-%d %s", k, i, "y" * (7000 * (i % 3)))
        os._exit(0)
for _ in range(4):
    os.wait()
`)
	tr.run()
	n := 0
	for _, e := range tr.log() {
		if strings.Contains(e.Message, "-") && e.Severity == logs.Info && len(e.Message) > 3 && e.Message[1] == '-' {
			n++
		}
	}
	if n != 400 {
		t.Errorf("%d of 400 records are whole", n)
	}
}
