package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// While a step takes long, the ones before it are known to be over: who asks
// what a replica is at is told the right one.
func TestBriefStepsAreToldWhenTheNextIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := reporter{path: filepath.Join(t.TempDir(), statusFile)}
		told := func() (names []string) {
			b, err := os.ReadFile(r.path)
			if err != nil {
				return nil
			}
			var st status
			if err := json.Unmarshal(b, &st); err != nil {
				t.Fatal(err)
			}
			for _, s := range st.Steps {
				names = append(names, s.Name)
			}
			return names
		}
		r.done("fetch", time.Now(), "")
		if names := told(); names != nil {
			t.Errorf("a brief step is written at once: %v", names)
		}
		<-time.After(2 * brief) // of the next step, on the clock of the test, which waits for nothing
		synctest.Wait()
		if names := told(); len(names) != 1 {
			t.Errorf("during a long step %v are known to be over, want the one before it", names)
		}
	})
}
