package process

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/trainyard/trainyard/internal/job"
)

func TestAPortIsFreeOnEveryAddress(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "127.0.0.2", "0.0.0.0"} {
		l, err := net.Listen("tcp4", host+":0")
		if err != nil {
			t.Logf("SKIPPED: %v", err)
			continue
		}
		port := l.Addr().(*net.TCPAddr).Port
		if free(t.Context(), port) {
			t.Errorf("a port counts as free that somebody listens to at %s", l.Addr())
		}
		_ = l.Close()
		if !free(t.Context(), port) {
			t.Errorf("a port does not count as free that nobody listens to any more at %s", l.Addr())
		}
	}
}

func TestPortsCanBeBoundAndAreNoConnections(t *testing.T) {
	data := dataDir(t)
	given := map[string]bool{}
	for seq := range int64(5) {
		a := asking(seq, 0, 0, 0, 0)
		addresses, err := newExecutor(t, data).Reserve(t.Context(), a) // each time after a restart
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range a.Replicas {
			addr := addresses[r.Replica]
			if given[addr] {
				t.Errorf("%s is given twice", addr)
			}
			given[addr] = true
			l, err := net.Listen("tcp", addr)
			if err != nil {
				t.Errorf("%s cannot be bound: %v", addr, err)
				continue
			}
			defer l.Close()
			if _, p, _ := net.SplitHostPort(addr); belowEphemeral(t) <= atoi(t, p) {
				t.Errorf("%s is a port that the system gives to whoever connects", addr)
			}
		}
	}
	// Removed, they may be given again; no other attempt's are.
	e := newExecutor(t, data)
	if err := e.Remove(t.Context(), handleOf(asking(0, 0)).String(), 0); err != nil {
		t.Fatal(err)
	}
	if err := e.readHeld(); err != nil {
		t.Fatal(err)
	}
	if len(e.ports) != 4*4 {
		t.Errorf("%d ports are held by 4 attempts of 4 replicas", len(e.ports))
	}
}

func TestAttemptsDoNotShareWhatWasReservedTwice(t *testing.T) {
	e := newExecutor(t, dataDir(t))
	a := asking(1, 0, 0)
	first, err := e.Reserve(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	other, err := e.Reserve(t.Context(), asking(2, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	again, err := e.Reserve(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []job.Replica{{Role: job.Master}, {Role: job.Worker}} {
		if other[r] == first[r] || again[r] == other[r] {
			t.Errorf("%v has %s, then %s; the other attempt's %s", r, first[r], again[r], other[r])
		}
	}
}

func belowEphemeral(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 1 << 16
	}
	return atoi(t, strings.Fields(string(b))[0])
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
