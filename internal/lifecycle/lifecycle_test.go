package lifecycle_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trainyard/trainyard/internal/lifecycle"
)

type recorder struct{ events chan string }

func (r recorder) part(name string, run func(ctx context.Context) error) lifecycle.Part {
	return lifecycle.Part{Name: name, Run: func(ctx context.Context, ready func()) error {
		r.events <- "+" + name
		ready()
		err := run(ctx)
		r.events <- "-" + name
		return err
	}}
}

func (r recorder) said() string {
	var s []string
	for {
		select {
		case e := <-r.events:
			s = append(s, e)
		default:
			return strings.Join(s, " ")
		}
	}
}

func untilStopped(ctx context.Context) error { <-ctx.Done(); return nil }

func TestPartsStartInOrderAndStopInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recorder{make(chan string, 10)}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := lifecycle.Run(ctx, time.Second, r.part("store", untilStopped), r.part("control", untilStopped), r.part("http", untilStopped))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := r.said(), "+store +control +http -http -control -store"; got != want {
			t.Errorf("order = %q, want %q", got, want)
		}
	})
}

func TestAPartThatEndsByItselfStopsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recorder{make(chan string, 10)}
		broken := errors.New("broken")
		err := lifecycle.Run(t.Context(), time.Second, r.part("store", untilStopped), r.part("http", func(context.Context) error { return broken }))
		if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "http: ") {
			t.Errorf("Run = %v, want http: broken", err)
		}
		if got, want := r.said(), "+store +http -http -store"; got != want {
			t.Errorf("order = %q, want %q", got, want)
		}
		err = lifecycle.Run(t.Context(), time.Second, r.part("quiet", func(context.Context) error { return nil }))
		if err == nil {
			t.Error("a part that returns nil before it was told to stop is not reported")
		}
	})
}

func TestAPartThatDoesNotStopIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := lifecycle.Run(ctx, 5*time.Second, lifecycle.Part{Name: "stuck", Run: func(_ context.Context, ready func()) error {
			ready()
			<-release
			return nil
		}})
		if err == nil || !strings.Contains(err.Error(), "stuck did not stop within 5s") {
			t.Errorf("Run = %v, want the stuck part named", err)
		}
		close(release)
	})
}

func TestAPartThatFailsBeforeItIsReadyStopsThoseBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := recorder{make(chan string, 10)}
		err := lifecycle.Run(t.Context(), time.Second, r.part("store", untilStopped),
			lifecycle.Part{Name: "http", Run: func(context.Context, func()) error { return errors.New("port in use") }},
			r.part("never", untilStopped))
		if err == nil || r.said() != "+store -store" {
			t.Errorf("Run = %v, want http's error and the store stopped", err)
		}
	})
}
