"""Does what its arguments say; see package executortest."""
import os
import signal
import subprocess
import sys
import time

CHILD = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(3600)"


def main(args):
    args = list(args)
    while args:
        verb = args.pop(0)
        if verb == "mark":
            with open(args.pop(0), "a") as f:
                f.write("%d\n" % os.getpid())
        elif verb == "run":
            text = args.pop(0)
            if text == "forever":
                time.sleep(3600)
            elif text.endswith("ms"):
                time.sleep(float(text[:-2]) / 1000)
            else:
                time.sleep(float(text.rstrip("s")))
        elif verb == "exit":
            sys.exit(int(args.pop(0)))
        elif verb == "die":
            os.kill(os.getpid(), getattr(signal, args.pop(0)))
            time.sleep(3600)
        elif verb == "trap":
            code = int(args.pop(0))
            signal.signal(signal.SIGTERM, lambda *_: os._exit(code))
        elif verb == "ignore":
            signal.signal(getattr(signal, args.pop(0)), signal.SIG_IGN)
        elif verb == "need":
            if not os.path.exists(args.pop(0)):
                sys.exit(9)
        elif verb == "child":
            p = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, start_new_session=True)
            p.stdout.readline()
        elif verb == "print":
            print(args.pop(0))
        elif verb == "raise":
            raise ValueError(args.pop(0))
        elif verb == "eat":
            hold = bytearray(int(args.pop(0)) << 20)
            for i in range(0, len(hold), 4096):
                hold[i] = 1
        else:
            sys.exit("unknown verb " + verb)


main(sys.argv[1:])
