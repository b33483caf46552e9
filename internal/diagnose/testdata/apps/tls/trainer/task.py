# says: The program does not trust the certificate of the server it talks to (self-signed certificate).
# at: trainer/task.py:9 in get
import ssl


def get():
    # What a server with a certificate of its own makes of the handshake.
    e = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)")
    raise e


get()
