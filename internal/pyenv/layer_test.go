package pyenv

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestAllGetALayerWhileAllUseIt: the replicas of a job ask at once for what
// none has built, and each keeps it until the others have it too.
func TestAllGetALayerWhileAllUseIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for round := range 100 {
		key := strconv.Itoa(round)
		var built atomic.Int32
		var have, end sync.WaitGroup
		have.Add(8)
		for range 8 {
			c, err := Open(dir, Options{}) // as another process: locks are between descriptors
			if err != nil {
				t.Fatal(err)
			}
			end.Go(func() {
				var m layerMarker
				l, _, err := c.layer(ctx, "base", key, &m, func(context.Context, string, *lock) (any, error) {
					built.Add(1)
					return layerMarker{Version: "3.11"}, nil
				})
				have.Done()
				if err != nil || m.Version != "3.11" {
					t.Errorf("round %d: %v %v", round, m, err)
					return
				}
				have.Wait()
				l.release()
			})
		}
		end.Wait()
		if n := built.Load(); n != 1 {
			t.Fatalf("round %d: built %d times, want once", round, n)
		}
	}
}
