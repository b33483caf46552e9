# memory: 104857600
# says: The program used more memory than it may (peak 100 MiB, limit 100 MiB), and the kernel killed it.
held = []
while True:
    held.append(bytearray(16 << 20))
