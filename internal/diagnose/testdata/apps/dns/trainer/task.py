# says: The program talks to a host whose name this machine cannot resolve.
# at: trainer/task.py:6
import urllib.request

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
opener.open("http://no-such-host.invalid/")
