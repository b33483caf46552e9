//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/trainyard/trainyard/internal/agent"
	"github.com/trainyard/trainyard/internal/egress"
	"github.com/trainyard/trainyard/internal/server"
)

// keysDir is where the server's keys are, below the data directory.
const keysDir = "tls"

// overTLS has the port answer TLS too, with a certificate of this machine's
// authority, and leaves files for clients: the authority's certificate, alone and
// with those that the machine trusts, and a configuration of gsutil, which speaks
// nothing but TLS.
func overTLS(dir, project string, l net.Listener) (net.Listener, error) {
	keys := filepath.Join(dir, keysDir)
	authority, err := egress.OpenAuthority(keys)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return nil, err
	}
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	if ip := net.ParseIP(host); ip != nil && !ip.IsUnspecified() && !slices.Contains(hosts, host) {
		hosts = append(hosts, host)
	}
	certificate, err := authority.Issue(hosts...)
	if err != nil {
		return nil, err
	}
	trusted := os.Getenv("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE")
	if _, err := os.Stat(trusted); err != nil {
		trusted = "" // what the machine trusts will do
	}
	bundle, err := egress.Bundle(authority, trusted)
	if err != nil {
		return nil, err
	}
	ca := filepath.Join(keys, "ca.pem")
	for path, b := range map[string][]byte{ca: authority.PEM(), filepath.Join(keys, "ca-bundle.pem"): bundle, filepath.Join(keys, "boto"): boto(port, ca, project)} {
		if err := agent.WriteFile(path, b, false); err != nil {
			return nil, err
		}
	}
	return server.WithTLS(l, certificate), nil
}

// openAccount opens the server's own account, whose key signs URLs, and leaves
// the file with which Google's libraries act as it.
func openAccount(dir, project, endpoint string) (*egress.Credentials, error) {
	keys := filepath.Join(dir, keysDir)
	account, err := egress.OpenCredentials(keys)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(keys, "service-account.json")
	return account, agent.WriteFile(path, account.JSON(project, endpoint+server.TokenPath), false)
}

func boto(port, ca, project string) []byte {
	return fmt.Appendf(nil, `# Points gsutil at this server: export BOTO_CONFIG=THIS_FILE
[Credentials]
gs_json_host = 127.0.0.1
gs_json_port = %[1]s
gs_host = 127.0.0.1:%[1]s

[Boto]
ca_certificates_file = %[2]s
https_validate_certificates = True

[GSUtil]
default_project_id = %[3]s
software_update_check_period = 0
`, port, ca, project)
}
