package pyenv

import (
	"bufio"
	"context"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// credentials finds the name and the password for an address as pip and uv do:
// in it, in the netrc file, or, where the settings say so, from the command
// keyring, which is asked for the address and then for its host.
func (c *Cache) credentials(ctx context.Context, u *url.URL) (user, password string, ok bool) {
	if password, ok = u.User.Password(); ok {
		return u.User.Username(), password, true
	}
	name := u.User.Username()
	if user, password, ok = netrcFor(c.o.Index.Netrc, u.Hostname()); ok && (name == "" || name == user) {
		return user, password, true
	}
	if name == "" || !c.o.Index.Keyring {
		return "", "", false
	}
	for _, d := range filepath.SplitList(lookup(c.o.Environ, "PATH")) {
		keyring := filepath.Join(d, exe("keyring"))
		if info, err := os.Stat(keyring); err != nil || !info.Mode().IsRegular() {
			continue
		}
		for _, service := range []string{u.Scheme + "://" + u.Host + u.Path, u.Host} {
			ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
			cmd := exec.CommandContext(ctx, keyring, "get", service, name)
			cmd.Env, cmd.WaitDelay = c.o.Environ, time.Second
			out, err := cmd.Output()
			cancel()
			if errors.Is(err, exec.ErrWaitDelay) {
				err = nil // it started a keyring, which has its output
			}
			if password := strings.TrimRight(string(out), "\r\n"); err == nil && password != "" {
				return name, password, true
			}
		}
		break
	}
	return "", "", false
}

// netrcFor reads a host's password from a netrc file.
func netrcFor(file, host string) (user, password string, ok bool) {
	f, err := os.Open(file)
	if err != nil {
		return "", "", false
	}
	defer func() { _ = f.Close() }()
	s := bufio.NewScanner(f)
	s.Split(bufio.ScanWords)
	ours := false
	for s.Scan() {
		word := s.Text()
		if word == "default" {
			if ours && ok {
				break
			}
			ours = true
			continue
		}
		if !slices.Contains([]string{"machine", "login", "password", "account"}, word) || !s.Scan() {
			continue
		}
		switch {
		case word == "machine":
			if ours && ok {
				return user, password, true
			}
			ours = s.Text() == host
		case word == "login" && ours:
			user = s.Text()
		case word == "password" && ours:
			password, ok = s.Text(), true
		}
	}
	return user, password, ok
}
