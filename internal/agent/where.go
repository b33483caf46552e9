package agent

import "os"

// Where is where a living run's processes are found.
type Where struct {
	Agent int    // whose descendants they are
	Group string // their memory cgroup, as a folder; empty for none
}

// Where says so of a run that an agent has begun.
func (d Folder) Where() (Where, error) {
	var me self
	if err := readJSON(d.file(agentFile), &me); err != nil {
		return Where{}, err
	}
	return Where{Agent: me.Pid, Group: me.Group}, nil
}

// Disk is how much the program has written into its working folder and its
// /tmp. Past a hundred thousand files it is what was counted until then.
func (d Folder) Disk() int64 {
	var sum int64
	left := 100_000
	for _, name := range []string{UserDir, "tmp", "home"} {
		sum += size(d.file(name), &left)
	}
	return sum
}

func size(dir string, left *int) (sum int64) {
	f, err := os.Open(dir)
	if err != nil {
		return 0
	}
	defer f.Close()
	for *left > 0 {
		entries, err := f.ReadDir(1000)
		for _, e := range entries {
			if *left--; e.IsDir() {
				sum += size(dir+"/"+e.Name(), left)
			} else if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
				sum += info.Size()
			}
		}
		if err != nil { // the end, or gone
			return sum
		}
	}
	return sum
}
