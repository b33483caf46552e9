package check

import (
	"slices"
	"strings"
)

// resolve finds which distributions the job will have: the runtime's, those
// that the packages require, and what these bring.
func (j *judge) resolve() {
	j.there = map[string]bool{}
	needs := map[string][]string{}
	for name, list := range j.Needs {
		var all []string
		for _, r := range list {
			all = append(all, requirement(r)...)
		}
		needs[normal(name)] = all
	}
	for _, list := range j.Setups {
		if list == nil {
			j.code.opaque = true
			continue
		}
		for _, r := range *list {
			j.requires = append(j.requires, requirement(r)...)
		}
	}
	todo := slices.Clone(j.requires)
	for _, r := range j.Runtime {
		todo = append(todo, normal(r))
	}
	runtime := len(todo) - len(j.requires)
	for n := 0; n < len(todo); n++ {
		name := todo[n]
		if j.there[name] || j.own[name] {
			continue
		}
		j.there[name] = true
		local, installed := needs[name]
		brings, ok := known().Brings[name]
		todo = append(append(todo, local...), brings...)
		// What a requirement of a requirement brings is seldom imported directly.
		if !installed && !ok && n < len(j.requires) && runtime == 0 {
			j.unsure = true
		}
	}
}

// carriers are the distributions that may carry a module, the likeliest first.
func (j *judge) carriers(module string) []string {
	var all []string
	for m := module; m != ""; m = parent(m) {
		all = append(all, known().Carriers[m]...)
	}
	top, _, _ := strings.Cut(module, ".")
	for _, d := range j.Provides[top] {
		all = append(all, normal(d))
	}
	return append(all, normal(top))
}

// provided reports whether a distribution that the job will have carries a
// module. Of a namespace that many share, such as google, any will do.
func (j *judge) provided(module string) bool {
	top, _, _ := strings.Cut(module, ".")
	for _, c := range j.carriers(module) {
		if j.there[c] {
			return true
		}
	}
	for d := range j.there {
		if strings.HasPrefix(d, normal(top)+"-") {
			return true
		}
	}
	return false
}
