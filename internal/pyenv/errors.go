package pyenv

import (
	"errors"
	"os/exec"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/pattern"
)

// InstallError is why packages could not be installed. Its cause is a
// *fault.Error whose message is a sentence for the user.
type InstallError struct {
	Package     string // the given archive, or the package that asks; empty when it is none's fault
	Requirement string // what could not be installed; empty when it is the package itself
	Step        string // "environment", "build" or "install"
	Code        int    // the installer's exit status; 0 where there was none
	Output      string // the end of what the installer wrote, without secrets
	Retry       bool   // the index was not reachable: it may be later
	Err         error

	again bool // not its fault for certain: worth a second try
}

func (e *InstallError) Error() string {
	msg := e.Err.Error()
	switch {
	case e.Package != "" && e.Requirement != "":
		return e.Package + " requires " + e.Requirement + ": " + msg
	case e.Package != "" && !strings.Contains(msg, e.Package):
		return e.Package + ": " + msg
	}
	return msg
}

func (e *InstallError) Unwrap() error { return e.Err }

// reason is one way to fail: how the installers say it and how we do.
type reason struct {
	find *pattern.Pattern
	kind fault.Kind
	say  string // this and hint may hold $1 of find
	hint string
}

// unreadable is how uv says that a wheel, of which it reads the end first, ended
// too early.
var unreadable = pattern.New(`(?i)has an invalid package format|The structure of .{1,80} was invalid|failed to read from zip file`)

const (
	tryBuild  = "try it on your machine: pip wheel --no-deps ARCHIVE"
	untrusted = "the package index's certificate is not trusted here"
	trustIt   = "name a file with the certificate of who signed it (PIP_CERT, or cert in pip.conf, of the server's user), or trust the host (PIP_TRUSTED_HOST)"
)

// reasons are tried in order: a build that fails because the disk is full is a
// full disk.
var reasons = []reason{
	{pattern.New(`No space left on device|os error 28\b`), fault.Full, "the disk is full", "make room where the environments are, then submit again"},
	{pattern.New(`(?s)status code:? (?:401|403)|\b(?:401|403) (?:Client Error|Unauthorized|Forbidden)|HTTP status client error \((?:401|403)`), fault.Denied,
		"the package index refuses access", "check the user name and password in the index settings"},
	{pattern.New(`CaUsedAsEndEntity`), fault.Precondition, "the package index serves the certificate of an authority (CA:TRUE) as its own, which uv refuses", "have one made for the server (CA:FALSE), trust the host (PIP_TRUSTED_HOST), or set installer to pip"},
	{pattern.New(`(?i)invalid peer certificate|certificate[_ ]verify[_ ]failed`), fault.Precondition, untrusted, trustIt},
	{pattern.New(`(?i)error sending request|dns error|failed to lookup address|connection refused|connection reset|operation timed out|NewConnectionError|ConnectTimeoutError|ReadTimeoutError|Max retries exceeded|temporary failure in name resolution|error decoding response body|response body error|closed before message|before message length|HTTP status server error|tls handshake|ProxyError`),
		fault.Unavailable, "the package index is not reachable", "check the network and the index settings, then submit again"},
	{pattern.New(`(?i)hash mismatch|HashMismatch|DO NOT MATCH THE HASHES|hashes? .{0,40}do(?:es)? not match|No hash(?:es)? (?:was|were) found`), fault.Invalid, "a file in the package index has another digest than is written for it",
		"let the index serve the original file, and its page tell the truth; a runtime version of your own, in runtimes.d, can do without digests"},
	{pattern.New(`(?i)network (?:was|is) disabled|network connectivity is disabled|--offline`), fault.Precondition, "it is not in the cache, and installing is set to be offline", ""},
	{pattern.New(`Because the current Python version \(([\d.]+)\) does not satisfy Python((?:>|<|=|!|~)\S*) and \S+ depends on Python\S+, we can conclude that \S+ cannot be used\. And because you require [^,]+, we can conclude that your requirements are unsatisfiable`), fault.Invalid,
		"needs Python $2, and the job's is $1", "ask for such a Python with pythonVersion, or require another version of the package"},
	{pattern.New(`requires (?:a different Python|Python|python)[^\n]*?((?:>|<|=|!|~)[^\s,;:)]*(?:,\s*(?:>|<|=|!|~)[^\s,;:)]*)*)`), fault.Invalid, "needs Python $1", "ask for such a Python with pythonVersion, or require another version of the package"},
	{pattern.New(`Requires-Python ((?:>|<|=|!|~)[^\s;]*)`), fault.Invalid, "needs Python $1", "ask for such a Python with pythonVersion, or require another version of the package"},
	{pattern.New(`(?i)is not (?:compatible|a supported wheel)|no wheels with a matching|no (?:source distribution or )?(?:matching|compatible) (?:platform|Python)|not a supported wheel on this platform`), fault.Invalid,
		"there is none for this Python and platform", "require another version, or ask for another Python with pythonVersion"},
	{unreadable, fault.Invalid, "it cannot be read whole from the package index: it is damaged there, or the connection was cut", "submit again; if it fails again, require another version"},
	{pattern.New(`was not found in the package registry|was not found in the provided package locations|from versions: none`), fault.Invalid, "there is no such package in the index", "check its name; if it is your own, give its archive with --packages"},
	{pattern.New(`(?:was|were) yanked`), fault.Invalid, "the index has withdrawn (yanked) every version of it that would do", "require another version; one that is named with == is taken though it is withdrawn"},
	{pattern.New(`there are no versions of`), fault.Invalid, "the package index lists no version of it", "see that the index's address leads to a package index, and not to a page to log in at"},
	{pattern.New(`there is no version of|only (?:the following versions|[\w.<>=\[\]-]+ (?:is|are)) available|No matching distribution found|only .{0,200}(?:is|are) available`), fault.Invalid, "there is no matching version in the index", "check the version that is required"},
	{pattern.New(`(?i)ResolutionImpossible|conflicting dependencies|your requirements are unsatisfiable`), fault.Invalid, "the requirements contradict each other", "loosen one of the versions that are required"},
	{pattern.New(`(?i)not a valid wheel|failed to extract archive|invalid wheel|failed to unzip|failed to read (?:archive|metadata)|is not a zip file|BadZipFile|not a gzip file|invalid gzip header|invalid tar file|failed to read tar`), fault.Invalid, "the archive is damaged", "make it again"},
	{pattern.New(`(?:ModuleNotFoundError|ImportError): No module named '?([A-Za-z_]\w*).*(?:Failed to build|Failed building wheel|Call to .* failed|metadata-generation-failed)`), fault.Invalid, "it does not build",
		"packages are built apart from others: name what its setup.py imports in a pyproject.toml beside it: [build-system] requires = [\"setuptools<82\", \"$1\"]; a package of your own cannot be imported there"},
	{pattern.New(`(?i)Failed to build|Failed building wheel|metadata-generation-failed|Building wheel for .* error|build backend returned an error|Call to .* failed|subprocess-exited-with-error|egg_info did not run`), fault.Invalid, "it does not build", tryBuild},
	{pattern.New(`(?i)failed to parse|invalid requirement|Couldn't parse requirement`), fault.Invalid, "a requirement cannot be read", "write it as in install_requires=['numpy>=1.20']"},
}

// explain turns an installer's failure into a sentence, with its last lines
// where they say more.
func explain(step, text string, cause error) *InstallError {
	e := &InstallError{Step: step, Output: text}
	if exit, ok := errors.AsType[*exec.ExitError](cause); ok {
		e.Code = exit.ExitCode()
	}
	flat := strings.Join(strings.Fields(strings.NewReplacer("╰─▶", " ", "├─▶", " ", "│", " ").Replace(text)), " ")
	for _, r := range reasons {
		m := r.find.FindStringSubmatchIndex(flat)
		if m == nil {
			continue
		}
		fill := func(text string) string { return string(r.find.ExpandString(nil, text, flat, m)) }
		say := fill(r.say)
		if said := telling(text); r.kind == fault.Invalid && said != "" {
			say += ": " + said
		}
		e.Retry = r.kind == fault.Unavailable
		e.again = e.Retry || r.find == unreadable
		hint := fill(r.hint)
		if step == "environment" && hint == tryBuild {
			hint = "a version with a wheel for this Python needs no building: require one, or ask for another Python with pythonVersion"
		}
		e.Err = &fault.Error{Kind: r.kind, Msg: say, Hint: hint, Err: cause}
		return e
	}
	if e.Code == 0 {
		e.Err = fault.Errorf(fault.Internal, "the installer did not start: %w", cause)
		return e
	}
	e.Err = &fault.Error{Kind: fault.Invalid, Msg: "the installer failed: " + lastLines(text, 3), Err: cause}
	return e
}

var (
	because  = pattern.New(`(?s)Because .*?(?:unsatisfiable\.|cannot be used\.|$)`)
	pipError = pattern.New(`(?m)^ERROR: (.*)$`)
	pyError  = pattern.New(`(?m)^\s*(?:E\s+)?((?:[A-Za-z_][\w.]*)?(?:Error|Exception|Exit|Warning): .*)$`)
)

// telling is the part of the output that says why.
func telling(text string) string {
	clean := strings.NewReplacer("╰─▶", " ", "├─▶", " ", "│", " ").Replace(text)
	if m := because.FindString(clean); m != "" {
		m, _, _ = strings.Cut(strings.Join(strings.Fields(m), " "), ", we can conclude that your requirements are unsatisfiable")
		return cut(m)
	}
	if all := pyError.FindAllStringSubmatch(clean, -1); all != nil {
		return cut(all[len(all)-1][1])
	}
	if m := pipError.FindStringSubmatch(clean); m != nil {
		return cut(m[1])
	}
	return cut(lastLines(clean, 3))
}

// empty are lines that say only that something failed, which is known, or that
// something began.
var empty = pattern.New(`^(?:error: )?(?:Failed to build |The build backend returned an error|Call to .* failed|Building wheel from|removing build/|Prepared \d|Resolved \d|hint:|$)`)

func lastLines(s string, n int) string {
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.TrimPrefix(strings.TrimSpace(line), "cause: "); !empty.MatchString(line) {
			lines = append(lines, limit(line, 200))
		}
	}
	return cut(strings.Join(lines[max(0, len(lines)-n):], " / "))
}

func cut(s string) string { return limit(s, 600) }

func limit(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + " …"
	}
	return s
}

// asked says which given package wanted what could not be installed.
func asked(err error, p plan) error {
	e, ok := errors.AsType[*InstallError](err)
	if !ok || e.Package != "" {
		return err
	}
	flat := strings.Join(strings.Fields(strings.ToLower(nameRuns.ReplaceAllStringFunc(e.Output, func(s string) string {
		if s == "_" {
			return "-"
		}
		return s
	}))), " ")
	if why := p.contradiction(flat); why != "" && contradict.MatchString(flat) {
		e.Err = &fault.Error{Kind: fault.Invalid, Msg: redactURLs(why), Hint: "change one of them so that one version is right for all", Err: e.Err}
		return err
	}
	best, at := "", len(flat)
	for _, text := range p.requires {
		r, ok := parseRequirement(text)
		if !ok {
			e.Package, e.Requirement = p.askedBy[normalName(text)], text
			return err
		}
		if i := findName(flat, r.name); i >= 0 && i < at {
			best, at = r.name, i
			e.Requirement = r.text
		}
	}
	if best == "" && len(p.requires) == 1 {
		r, _ := parseRequirement(p.requires[0])
		best, e.Requirement = r.name, r.text
	}
	e.Package = p.askedBy[best]
	e.Requirement = redactURLs(e.Requirement)
	return err
}

var contradict = pattern.New(`(?i)ResolutionImpossible|conflicting dependencies|requirements are unsatisfiable`)

// contradiction says which given packages want different versions of a package
// that an installer complains of.
func (p plan) contradiction(complaint string) string {
	for i, text := range p.requires {
		r, ok := parseRequirement(text)
		if !ok || findName(complaint, r.name) < 0 {
			continue
		}
		var wishes []string
		for _, other := range p.requires[i:] {
			if o, ok := parseRequirement(other); ok && o.name == r.name {
				wishes = append(wishes, strings.Join(p.askers[other], " and ")+" requires "+o.text)
			}
		}
		if len(wishes) > 1 {
			return strings.Join(wishes, ", and ") + ": no version of " + r.name + " is right for all"
		}
	}
	return ""
}

// findName finds a project's name as a word of its own.
func findName(text, name string) int {
	for from := 0; ; {
		i := strings.Index(text[from:], name)
		if i < 0 {
			return -1
		}
		i += from
		end := i + len(name)
		if (i == 0 || !nameChar(text[i-1])) && (end == len(text) || !nameChar(text[end])) {
			return i
		}
		from = end
	}
}

func nameChar(b byte) bool {
	return b == '-' || b >= 'a' && b <= 'z' || b >= '0' && b <= '9'
}
