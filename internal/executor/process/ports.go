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

// Reserve gives every replica a port that is free now on every address of this
// machine and that no other attempt of this data directory has, and its GPUs.
// They are the attempt's, on disk, until it is removed.
func (e *Executor) Reserve(ctx context.Context, a executor.Attempt) (map[job.Replica]string, error) {
	if !validName(a.Name) {
		return nil, fault.Errorf(fault.Invalid, "attempt name %q is not a file name", a.Name)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.readHeld(); err != nil {
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
		r.Ports, r.GPUs = append(r.Ports, old.Ports...), old.GPUs
	}
	if err := e.assign(ctx, &r, a); err != nil {
		return nil, err
	}
	if err := e.writeRecord(r); err != nil {
		return nil, err
	}
	e.hold(r)
	return addresses, nil
}

// readHeld learns once which ports and GPUs are reserved; mu is held.
func (e *Executor) readHeld() error {
	if e.ports != nil {
		return nil
	}
	entries, err := os.ReadDir(filepath.Join(e.DataDir, "attempts"))
	if err != nil {
		return fmt.Errorf("read reserved ports: %w", err)
	}
	ports, gpus := map[int]string{}, map[string]string{}
	for _, entry := range entries {
		if !validName(entry.Name()) {
			continue
		}
		r, err := e.readRecord(entry.Name())
		if fault.Is(err, fault.NotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return err
		}
		for _, p := range r.Ports {
			ports[p] = r.Name
		}
		for _, own := range r.GPUs {
			for _, g := range own {
				gpus[g] = r.Name
			}
		}
	}
	e.ports, e.gpus = ports, gpus
	return nil
}

// hold notes what a record reserves; mu is held.
func (e *Executor) hold(r record) {
	for _, p := range r.Ports {
		e.ports[p] = r.Name
	}
	for _, own := range r.GPUs {
		for _, g := range own {
			e.gpus[g] = r.Name
		}
	}
}

func (e *Executor) release(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for p, owner := range e.ports {
		if owner == name {
			delete(e.ports, p)
		}
	}
	for g, owner := range e.gpus {
		if owner == name {
			delete(e.gpus, g)
		}
	}
}

// free says whether a program can listen on a port, on loopback and on all
// addresses.
func free(ctx context.Context, port int) bool {
	for _, host := range []string{"127.0.0.1", ""} {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil || l.Close() != nil {
			return false
		}
	}
	return true
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
