package cli

import (
	"path/filepath"
	"slices"
	"strings"
)

// A binary that is called by the name of one of Google's programs stands in for
// it: programs of jobs call gsutil and gcloud where those are not installed.
// What they say is translated into this command line's own words.

// calledAs is the name that a command line begins with.
func calledAs(args []string) string { return strings.TrimSuffix(filepath.Base(args[0]), ".exe") }

// standIn translates a command line by the name that it begins with. say is
// what to answer where there is nothing to do.
func standIn(args []string) (translated []string, say string, err error) {
	switch calledAs(args) {
	case "gsutil":
		translated, say, err = gsutil(args[1:])
	case "gcloud":
		translated, say = gcloud(args[1:])
	default:
		return args, "", nil
	}
	return append([]string{"trainyard"}, translated...), say, err
}

// withValue are flags of gcloud whose value may be the next word.
var withValue = []string{"--project", "--account", "--configuration", "--format", "--verbosity", "--billing-project", "--impersonate-service-account"}

const nothingToDo = "Nothing to do: a job's programs need no credentials and no configuration."

// gcloud knows the same commands but for some that mean nothing here.
func gcloud(args []string) (translated []string, say string) {
	var words []string
	for i := 0; i < len(args); i++ {
		switch {
		case slices.Contains(withValue, args[i]):
			i++
		case args[i] == "--version":
			return []string{"version"}, ""
		case !strings.HasPrefix(args[i], "-"):
			words = append(words, args[i])
		}
	}
	switch at := strings.Join(words[:min(2, len(words))], " "); at {
	case "auth activate-service-account", "auth login", "auth application-default", "auth configure-docker", "config set", "components install", "components update":
		return nil, nothingToDo
	case "config get-value", "config get":
		if len(words) > 2 && (words[2] == "project" || words[2] == "core/project") {
			return []string{"config", "get", "project"}, ""
		}
	}
	return args, ""
}

// gsutilFlag is what a flag of gsutil is here. Flags of one letter may stand
// together.
type gsutilFlag struct {
	to    string // empty: nothing is lost by leaving it out
	value bool   // a value follows
}

type gsutilCommand struct {
	to    []string
	flags map[string]gsutilFlag
}

var (
	gsutilRecursive = gsutilFlag{to: "--recursive"}
	gsutilTransfer  = map[string]gsutilFlag{
		"r": gsutilRecursive, "R": gsutilRecursive, "n": {to: "--no-clobber"}, "c": {to: "--continue-on-error"},
		"v": {to: "--print-created-message"}, "A": {to: "--all-versions"}, "I": {to: "--read-paths-from-stdin"},
		"z": {to: "--gzip-local", value: true}, "Z": {to: "--gzip-local-all"}, "j": {value: true}, "J": {},
		"e": {}, "U": {}, "D": {}, "P": {}, "p": {}, "a": {value: true}, "s": {to: "--storage-class", value: true},
	}
	gsutilCommands = map[string]gsutilCommand{
		"cp":      {[]string{"storage", "cp"}, gsutilTransfer},
		"mv":      {[]string{"storage", "mv"}, gsutilTransfer},
		"cat":     {[]string{"storage", "cat"}, map[string]gsutilFlag{"r": {to: "--range", value: true}, "h": {to: "--display-url"}}},
		"ls":      {[]string{"storage", "ls"}, map[string]gsutilFlag{"l": {to: "--long"}, "L": {to: "--full"}, "r": gsutilRecursive, "R": gsutilRecursive, "a": {to: "--all-versions"}, "b": {to: "--buckets"}, "e": {to: "--etag"}, "h": {to: "--readable-sizes"}, "d": {to: "--directory"}, "p": {to: "--project", value: true}}},
		"rm":      {[]string{"storage", "rm"}, map[string]gsutilFlag{"r": gsutilRecursive, "R": gsutilRecursive, "a": {to: "--all-versions"}, "f": {to: "--continue-on-error"}, "I": {to: "--read-paths-from-stdin"}}},
		"rsync":   {[]string{"storage", "rsync"}, map[string]gsutilFlag{"r": gsutilRecursive, "R": gsutilRecursive, "d": {to: "--delete-unmatched-destination-objects"}, "n": {to: "--dry-run"}, "c": {to: "--checksums-only"}, "x": {to: "--exclude", value: true}, "C": {to: "--continue-on-error"}, "e": {}, "P": {}, "p": {}, "U": {}, "J": {}, "u": {to: "--skip-if-dest-has-newer-mtime"}, "i": {to: "--no-clobber"}, "a": {value: true}, "j": {value: true}}},
		"du":      {[]string{"storage", "du"}, map[string]gsutilFlag{"s": {to: "--summarize"}, "c": {to: "--total"}, "h": {to: "--readable-sizes"}, "a": {to: "--all-versions"}, "0": {to: "--zero-terminator"}, "e": {to: "--exclude-name-pattern", value: true}}},
		"hash":    {[]string{"storage", "hash"}, map[string]gsutilFlag{"h": {to: "--hex"}, "c": {to: "--skip-md5"}, "m": {to: "--skip-crc32c"}}},
		"stat":    {[]string{"storage", "objects", "describe"}, nil},
		"compose": {[]string{"storage", "objects", "compose"}, nil},
		"mb":      {[]string{"storage", "buckets", "create"}, map[string]gsutilFlag{"l": {to: "--location", value: true}, "c": {to: "--default-storage-class", value: true}, "s": {to: "--default-storage-class", value: true}, "p": {to: "--project", value: true}, "b": {value: true}}},
		"rb":      {[]string{"storage", "buckets", "delete"}, map[string]gsutilFlag{"f": {to: "--continue-on-error"}}},
		"setmeta": {[]string{"storage", "objects", "update"}, map[string]gsutilFlag{"r": gsutilRecursive, "R": gsutilRecursive, "h": {to: "--header", value: true}}},
		"version": {[]string{"version"}, nil},
	}
)

// gsutil translates gsutil's command line: gsutil -m cp -r A B is trainyard
// storage cp --recursive A B.
func gsutil(args []string) (translated []string, say string, err error) {
	var before, headers []string
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		switch flag := args[0]; flag {
		case "-m", "-D", "-DD": // everything is parallel
		case "-q":
			before = append(before, "--quiet")
		case "-o", "-h", "-i", "-u":
			if len(args) == 1 {
				return nil, "", usagef("gsutil %s needs a value", flag)
			}
			switch flag {
			case "-u":
				before = append(before, "--project", args[1])
			case "-h":
				headers = append(headers, args[1])
			}
			args = args[1:]
		default:
			return nil, "", usagef("this stand-in for gsutil does not know %s", flag).withHint("install gsutil, or use: trainyard storage")
		}
		args = args[1:]
	}
	if len(args) == 0 {
		return []string{"storage", "--help"}, "", nil
	}
	name := args[0]
	c, ok := gsutilCommands[name]
	if !ok {
		return nil, "", usagef("this stand-in for gsutil does not know %q", name).withHint("install gsutil, or see what there is: trainyard storage --help")
	}
	rest := args[1:]
	var flags []string
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") && rest[0] != "-" {
		word := rest[0]
		rest = rest[1:]
		if word == "--" {
			break
		}
		letters := strings.TrimPrefix(word, "-")
		for i := 0; i < len(letters); i++ {
			f, ok := c.flags[letters[i:i+1]]
			if !ok {
				return nil, "", usagef("this stand-in for gsutil %s does not know %s", name, word).withHint("install gsutil, or see: trainyard %s --help", strings.Join(c.to, " "))
			}
			if !f.value {
				if f.to != "" {
					flags = append(flags, f.to)
				}
				continue
			}
			value := letters[i+1:]
			if value == "" {
				if len(rest) == 0 {
					return nil, "", usagef("gsutil %s %s needs a value", name, word)
				}
				value, rest = rest[0], rest[1:]
			}
			if f.to != "" {
				flags = append(flags, f.to+"="+value)
			}
			break
		}
	}
	given, rest2 := split(flags, "--header=")
	facts, err := factsOf(append(headers, given...), name)
	if err != nil {
		return nil, "", err
	}
	flags = append(rest2, facts...)
	if name == "stat" && slices.Contains(before, "--quiet") { // only the exit status counts
		before = append(before, "--no-user-output-enabled")
	}
	translated = append(append(before, c.to...), flags...)
	if len(rest) > 0 {
		translated = append(append(translated, "--"), rest...)
	}
	return translated, "", nil
}

// split takes the values of one flag out of a list.
func split(flags []string, prefix string) (values, rest []string) {
	for _, f := range flags {
		if v, ok := strings.CutPrefix(f, prefix); ok {
			values = append(values, v)
		} else {
			rest = append(rest, f)
		}
	}
	return values, rest
}

// factsOf turns headers that say what an object is, as in -h
// Content-Type:text/html, into flags. One without a value removes the fact.
func factsOf(headers []string, command string) (flags []string, err error) {
	if !slices.Contains([]string{"cp", "mv", "rsync", "setmeta"}, command) {
		return nil, nil
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		value = strings.TrimSpace(value)
		key, custom := strings.CutPrefix(name, "x-goog-meta-")
		switch _, known := factNames[name]; {
		case custom && value == "" && command == "setmeta":
			flags = append(flags, "--remove-custom-metadata="+key)
		case custom:
			flags = append(flags, "--update-custom-metadata=^\n^"+key+"="+value)
		case known && value == "" && command == "setmeta":
			flags = append(flags, "--clear-"+name)
		case known:
			flags = append(flags, "--"+name+"="+value)
		case command == "setmeta":
			return nil, usagef("this stand-in for gsutil setmeta does not know the header %q", h).withHint("see: trainyard storage objects update --help")
		}
	}
	return flags, nil
}
