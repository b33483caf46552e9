package cli

import (
	"fmt"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows how far uploads are: bars where a person is looking, one line
// a file where not, nothing when asked to be quiet.
type progress struct {
	say  func(format string, args ...any) // nil when quiet
	bars *mpb.Progress                    // nil without a terminal
	all  []*mpb.Bar
}

func (s *Streams) progress(quiet bool) *progress {
	switch {
	case quiet:
		return &progress{}
	case s.ErrTTY:
		return &progress{bars: mpb.New(mpb.WithOutput(s.Err), mpb.WithWidth(min(max(s.Width, 20), 100)), mpb.WithAutoRefresh())}
	default:
		return &progress{say: s.Say}
	}
}

// file starts showing one file; the function is told how much of it is sent.
func (p *progress) file(name string, size int64) func(sent int64) {
	if p.bars == nil {
		if p.say != nil {
			p.say("Uploading %s (%s).", name, bytesText(size))
		}
		return func(int64) {}
	}
	bar := p.bars.AddBar(max(size, 1),
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR), decor.CountersKibiByte("% .1f / % .1f")),
		mpb.AppendDecorators(decor.Percentage()))
	p.all = append(p.all, bar)
	return func(sent int64) { bar.SetCurrent(sent) }
}

// end stops the showing; bars that are not full stay as they are.
func (p *progress) end(ok bool) {
	if p.bars == nil {
		return
	}
	for _, bar := range p.all {
		if ok {
			bar.SetTotal(-1, true)
		} else {
			bar.Abort(false)
		}
	}
	p.bars.Wait()
}

// bytesText is a number of bytes for people.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, exp := float64(n)/unit, 0
	for ; f >= unit && exp < 4; exp++ {
		f /= unit
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGTP"[exp])
}
