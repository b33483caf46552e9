package egress

import (
	"bytes"
	"encoding/pem"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/trainyard/trainyard/internal/fault"
)

// bundles are where systems keep the authorities that they trust, as one file;
// the first that is there is the machine's.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Alpine, Arch
	"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL
	"/etc/ssl/ca-bundle.pem",                            // openSUSE
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // CentOS
	"/etc/ssl/cert.pem",                                 // macOS, OpenBSD
}

// MachineBundles lists the bundles that are on this machine.
func MachineBundles() []string {
	var there []string
	for _, path := range bundles {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			there = append(there, path)
		}
	}
	return there
}

// Bundle is what the machine trusts and the authority, in PEM: the file that
// extra names, a setting of the user's, else the machine's, else Mozilla's list
// as it was when this program was built. A program that is given it trusts all
// that it trusted before.
func Bundle(a *Authority, extra string) ([]byte, error) {
	path := extra
	if there := MachineBundles(); path == "" && len(there) > 0 {
		path = there[0]
	}
	if path == "" {
		return append(mozilla(), a.chain...), nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Errorf(fault.Invalid, "read the certificate authorities: %w", err).WithHint("check SSL_CERT_FILE, REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE")
	}
	return bytes.Join([][]byte{bytes.TrimRight(b, "\n"), a.chain}, []byte("\n")), nil
}

func mozilla() []byte {
	var b []byte
	for root := range bundle.Roots() {
		if root.Constraint == nil { // what a constraint says, PEM cannot
			b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})...)
		}
	}
	return b
}
