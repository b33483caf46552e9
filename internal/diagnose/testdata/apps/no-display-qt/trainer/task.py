# says: The program wants to open a window (Qt), and a job has no display.
# at: trainer/task.py:14
# The words of Qt 5.15, as matplotlib's QtAgg and opencv-python have it.
import os
import sys

sys.stderr.write('''qt.qpa.xcb: could not connect to display 
qt.qpa.plugin: Could not load the Qt platform plugin "xcb" in "" even though it was found.
This application failed to start because no Qt platform plugin could be initialized. Reinstalling the application may fix this problem.

Available platform plugins are: eglfs, linuxfb, minimal, minimalegl, offscreen, vnc, wayland-egl, wayland, xcb.
''')
sys.stderr.flush()
os.abort()
