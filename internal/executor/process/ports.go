package process

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/trainyard/trainyard/internal/executor"
	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/job"
)

// Where ports are looked for: below the range from which the system gives
// ports to anybody who connects.
const firstPort, lastPort = 20000, 32000

// Reserve gives every replica a port on loopback that is free now and that no
// other attempt of this data directory has. The ports are the attempt's, on
// disk, until it is removed.
func (e *Executor) Reserve(ctx context.Context, a executor.Attempt) (map[job.Replica]string, error) {
	if !validName(a.Name) {
		return nil, fault.Errorf(fault.Invalid, "attempt name %q is not a file name", a.Name)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.readPorts(); err != nil {
		return nil, err
	}
	low, high := portRange()
	if e.next < low || e.next >= high {
		e.next = low + rand.IntN(high-low) // other servers on this machine look too
	}
	addresses := map[job.Replica]string{}
	r := record{handle: handleOf(a)}
	for tries := 0; len(addresses) < len(a.Replicas); tries++ {
		if tries > high-low {
			return nil, fault.Errorf(fault.Exhausted, "no %d free ports on 127.0.0.1 between %d and %d", len(a.Replicas), low, high)
		}
		port := e.next
		if e.next++; e.next >= high {
			e.next = low
		}
		if _, taken := e.ports[port]; taken || slices.Contains(r.Ports, port) || !free(ctx, port) {
			continue
		}
		addresses[a.Replicas[len(r.Ports)].Replica] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		r.Ports = append(r.Ports, port)
	}
	if old, err := e.readRecord(a.Name); err == nil { // what a started run uses stays reserved
		r.Ports = append(r.Ports, old.Ports...)
	}
	if err := e.writeRecord(r); err != nil {
		return nil, err
	}
	for _, p := range r.Ports {
		e.ports[p] = a.Name
	}
	return addresses, nil
}

// readPorts learns once which ports are reserved; mu is held.
func (e *Executor) readPorts() error {
	if e.ports != nil {
		return nil
	}
	entries, err := os.ReadDir(filepath.Join(e.DataDir, "attempts"))
	if err != nil {
		return fmt.Errorf("read reserved ports: %w", err)
	}
	ports := map[int]string{}
	for _, entry := range entries {
		if !validName(entry.Name()) {
			continue
		}
		r, err := e.readRecord(entry.Name())
		if err != nil {
			return err
		}
		for _, p := range r.Ports {
			ports[p] = r.Name
		}
	}
	e.ports = ports
	return nil
}

func (e *Executor) release(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for p, owner := range e.ports {
		if owner == name {
			delete(e.ports, p)
		}
	}
}

func free(ctx context.Context, port int) bool {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// portRange is [low, high) below the ephemeral ports.
func portRange() (low, high int) {
	low, high = firstPort, lastPort
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return low, high
	}
	if f := strings.Fields(string(b)); len(f) == 2 {
		if n, err := strconv.Atoi(f[0]); err == nil && n > 1024+1000 {
			high = min(high, n)
			low = min(low, max(1024, high-12000))
		}
	}
	return low, high
}
