# says: The proxy through which the program goes out did not let it (403 Forbidden).
# at: trainer/task.py:19
import socket
import threading
import urllib.request

l = socket.create_server(("127.0.0.1", 0))


def refuse():
    c, _ = l.accept()
    c.recv(1000)
    c.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    c.close()


threading.Thread(target=refuse, daemon=True).start()
proxy = urllib.request.ProxyHandler({"https": "http://127.0.0.1:%d" % l.getsockname()[1]})
urllib.request.build_opener(proxy).open("https://example.invalid/")
