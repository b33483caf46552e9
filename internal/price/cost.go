package price

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/trainyard/trainyard/internal/job"
)

// Cost is what a job has cost until now.
type Cost struct {
	Amount   float64 `json:"amount"`
	Currency string  `json:"currency"`
	// Unpriced are the machine types and accelerators that the sheet has no
	// price of: the amount is without them.
	Unpriced []string `json:"unpriced,omitempty"`
	Parts    []Part   `json:"parts"` // a role each
}

// Part is what the replicas of a role cost together.
type Part struct {
	Role     job.Role `json:"role"`
	Machine  string   `json:"machineType"`
	Replicas int      `json:"replicas"`
	Hour     float64  `json:"pricePerHour"` // of one replica
	Hours    float64  `json:"hours"`        // that one replica held its machine
	Amount   float64  `json:"amount"`
}

// Job is what a job cost, or for one that goes on what it has cost until now;
// ok is false where there is no sheet. Attempts are all of the job's.
//
// A job pays for the machines that it asked for, not for what it kept busy, and
// as long as it holds them, which a gang does as a whole: from the moment that
// an attempt is given its share until the attempt is over, whichever of its
// replicas ended or was restarted meanwhile. It pays nothing while it waits,
// also between attempts. The sheet of today counts for all that has been.
func (s *Sheet) Job(j job.Job, attempts []job.Attempt, now time.Time) (c Cost, ok bool) {
	if s == nil {
		return Cost{}, false
	}
	if j.State.Final() && j.Ended.Before(now) {
		now = j.Ended
	}
	hours := held(attempts, now).Hours()
	c = Cost{Currency: s.currency, Parts: make([]Part, 0, len(j.Groups))}
	missing := map[string]bool{}
	sum := 0.0
	for _, g := range j.Groups {
		hour, unpriced := s.hour(g)
		for _, name := range unpriced {
			missing[name] = true
		}
		amount := hour * hours * float64(g.Count)
		sum += amount
		c.Parts = append(c.Parts, Part{g.Role, g.Machine, g.Count, round(hour), round(hours), round(amount)})
	}
	c.Amount, c.Unpriced = round(sum), slices.Sorted(maps.Keys(missing))
	return c, true
}

// held is how long attempts held their machines.
func held(attempts []job.Attempt, now time.Time) time.Duration {
	var sum time.Duration
	for _, a := range attempts {
		end := now
		if !a.Ended.IsZero() && a.Ended.Before(now) {
			end = a.Ended
		}
		sum += max(0, end.Sub(a.Created)) // the clock may have been set back
	}
	return sum
}

const gib = 1 << 30

// hour is what one replica of a group costs an hour, and what of it has no
// price. A machine type's own price goes before that of its vCPUs and memory,
// and has the accelerators in it that the type comes with.
func (s *Sheet) hour(g job.Group) (sum float64, unpriced []string) {
	machine, priced := s.machines[g.Machine]
	switch {
	case priced:
		sum = machine.hour
	case s.vcpu == nil && s.gib == nil:
		if g.Need.CPUs > 0 || g.Need.Memory > 0 { // a TPU is nothing but its accelerators
			unpriced = append(unpriced, g.Machine)
		}
	default:
		if s.vcpu != nil {
			sum = *s.vcpu * g.Need.CPUs
		}
		if s.gib != nil {
			sum += *s.gib * float64(g.Need.Memory) / gib
		}
	}
	if g.Accelerator.Count == 0 || machine.equipped {
		return sum, unpriced
	}
	each, ok := s.accelerators[g.Accelerator.Type]
	if !ok {
		return sum, append(unpriced, g.Accelerator.Type)
	}
	return sum + each*float64(g.Accelerator.Count), unpriced
}

// round drops what is no more than a rest of binary fractions.
func round(x float64) float64 { return math.Round(x*1e6) / 1e6 }

// String is a cost for people, as in 12.30 EUR, and says what it is without.
func (c Cost) String() string {
	text := Amount(c.Amount) + " " + c.Currency
	if len(c.Unpriced) > 0 {
		text += fmt.Sprintf(" (without %s: no price)", strings.Join(c.Unpriced, ", "))
	}
	return text
}

// Amount is an amount of money in digits: two decimals, and four where it is
// small, since a short job costs parts of a cent.
func Amount(x float64) string {
	decimals := 2
	if x > 0 && x < 0.1 {
		decimals = 4
	}
	return strconv.FormatFloat(x, 'f', decimals, 64)
}
