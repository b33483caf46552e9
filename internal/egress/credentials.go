package egress

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"strings"

	"github.com/trainyard/trainyard/internal/fault"
	"github.com/trainyard/trainyard/internal/keep"
)

// Credentials are application default credentials for programs whose libraries
// insist on some: a service account that only this machine knows.
type Credentials struct {
	key string // PEM
	id  string
}

// OpenCredentials reads the account's key in a folder, or makes it there.
func OpenCredentials(dir string) (*Credentials, error) {
	path, b, err := keep.Once(dir, "service-account.pem", func() ([]byte, error) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
	})
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fault.Errorf(fault.Invalid, "%s is damaged", path).WithHint("remove it; another is made for the next job")
	}
	sum := sha256.Sum256(block.Bytes)
	return &Credentials{key: string(b), id: hex.EncodeToString(sum[:20])}, nil
}

// JSON is a credentials file. Its libraries ask for tokens at tokenURI.
func (c *Credentials) JSON(project, tokenURI string) []byte {
	b, err := json.MarshalIndent(map[string]string{
		"type": "service_account", "project_id": project, "private_key_id": c.id, "private_key": c.key,
		"client_email": "trainyard@" + project + ".iam.gserviceaccount.com", "client_id": "0",
		"auth_uri": tokenURI, "token_uri": tokenURI, "universe_domain": "googleapis.com",
	}, "", "  ")
	if err != nil {
		panic(err) // strings
	}
	return append(b, '\n')
}

// Signed reports whether a token is one that a library signed with the key
// itself, as new ones do.
func (c *Credentials) Signed(token string) bool {
	head, _, ok := strings.Cut(token, ".")
	if !ok {
		return false
	}
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(head, "="))
	if err != nil {
		return false
	}
	var h struct {
		Kid string `json:"kid"`
	}
	return json.Unmarshal(b, &h) == nil && h.Kid == c.id
}
