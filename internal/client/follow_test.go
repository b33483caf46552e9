package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/trainyard/trainyard/internal/fault"
)

func dial(t testing.TB, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := New(Options{Endpoint: s.URL, Token: "sesame", UserAgent: "test/1"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestFollowingGoesOnAfterTheLastLineWhenTheServerComesBack cuts the stream
// after every few bytes, also in the middle of an event, and answers 503 now
// and then: each line arrives once and in order.
func TestFollowingGoesOnAfterTheLastLineWhenTheServerComesBack(t *testing.T) {
	const lines = 20
	var all strings.Builder
	starts := []int{0} // offset after line n
	for n := 1; n <= lines; n++ {
		fmt.Fprintf(&all, ": ping\n\nevent: log\nid: c%d\ndata: {\"message\":\"line %d\",\"task\":\"t\",\"insertId\":\"x\"}\n\n", n, n)
		starts = append(starts, all.Len())
	}
	all.WriteString("event: exit\nid: \ndata: {\"code\":7,\"step\":\"run\"}\n\nevent: end\nid: \ndata: {\"jobId\":\"j\",\"state\":\"SUCCEEDED\"}\n\n")
	calls := 0
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		if calls%5 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		from := 0
		if id := r.Header.Get("Last-Event-ID"); id != "" {
			n, _ := strconv.Atoi(id[1:])
			from = starts[n]
		}
		rest := all.String()[from:]
		fmt.Fprint(w, "event: state\ndata: {\"jobId\":\"j\",\"state\":\"RUNNING\",\"version\":3}\n\n")
		_, _ = w.Write([]byte(rest[:min(len(rest), 150)]))
		_ = http.NewResponseController(w).Flush()
		if len(rest) > 150 {
			panic(http.ErrAbortHandler)
		}
	})
	var got []string
	states, exits := 0, 0
	err := c.Follow(t.Context(), "p", "j", FollowOptions{}, func(e Event) error {
		switch {
		case e.Log != nil:
			got = append(got, e.Log.Message)
		case e.State != nil:
			states++
		case e.Exit != nil && *e.Exit == Exit{Code: 7, Step: "run"}:
			exits++
		case e.End != nil:
			got = append(got, "end "+string(e.End.JobState()))
		}
		return nil
	})
	var want []string
	for n := 1; n <= lines; n++ {
		want = append(want, fmt.Sprintf("line %d", n))
	}
	want = append(want, "end SUCCEEDED")
	if diff := cmp.Diff(want, got); err != nil || diff != "" || states != 1 || exits == 0 {
		t.Errorf("Follow: %v, %d states, %d exits (-want +got)\n%s", err, states, exits, diff)
	}
	if calls < 10 {
		t.Errorf("the stream was cut %d times only", calls)
	}
}

func TestFollowingEndsWithTheReadersError(t *testing.T) {
	c := dial(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "event: log\nid: 1\ndata: {}\n\n")
	})
	want := fault.Errorf(fault.Unavailable, "the pipe is closed")
	if err := c.Follow(t.Context(), "p", "j", FollowOptions{}, func(Event) error { return want }); !errors.Is(err, want) {
		t.Errorf("Follow = %v, want %v", err, want)
	}
}

func TestFollowingAJobThatIsNotThereIsNotFound(t *testing.T) {
	c := dial(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		fmt.Fprint(w, `{"error":{"code":404,"message":"no such job","status":"NOT_FOUND"}}`)
	})
	if err := c.Follow(t.Context(), "p", "j", FollowOptions{}, nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("Follow = %v, want not_found", err)
	}
}

func TestFollowingStopsWhenAsked(t *testing.T) {
	c := dial(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "event: log\nid: 1\ndata: {}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	err := c.Follow(ctx, "p", "j", FollowOptions{}, func(Event) error { cancel(why); return nil })
	if !errors.Is(err, why) {
		t.Errorf("Follow = %v, want the cause", err)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("event: log\nid: 1\ndata: {}\n\n: ping\n\ndata: a\ndata: b\r\n\r\n")
	f.Add("data\n\n\nid:\x00\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := newEventReader(strings.NewReader(text))
		for n := 0; ; n++ {
			if _, err := r.next(); err != nil {
				return
			}
			if n > len(text) {
				t.Fatal("more events than bytes")
			}
		}
	})
}
